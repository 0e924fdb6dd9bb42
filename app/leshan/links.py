"""Links as Leshan tells them (``[{"url": "/3", "attributes": {"ver": "1.2"}}]``): registered ones and DISCOVER's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.domain.values import JsonValue

MAX_LINKS: Final = 20_000


def read_links(links: JsonValue) -> list[Mapping[str, JsonValue]] | None:
    """The links that make sense, with plain attributes only: they come from devices and are stored as they are."""
    if not isinstance(links, list):
        return None
    return [link for link in map(_link, links[:MAX_LINKS]) if link is not None]


def _link(link: JsonValue) -> Mapping[str, JsonValue] | None:
    url = link.get("url") if isinstance(link, Mapping) else None
    if not isinstance(url, str) or "\x00" in url:
        return None
    attributes = link.get("attributes")
    plain = attributes if isinstance(attributes, Mapping) else {}
    return {"url": url, "attributes": {name: value for name, value in plain.items() if _is_plain(name, value)}}


def _is_plain(name: str, value: JsonValue) -> bool:
    """A scalar without NUL, which PostgreSQL does not store."""
    if "\x00" in name or not isinstance(value, str | int | float | None):
        return False
    return not isinstance(value, str) or "\x00" not in value
