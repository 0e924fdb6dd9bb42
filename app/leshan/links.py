"""Links in Leshan's form (``[{"url": "/3", "attributes": {"ver": "1.2"}}]``): registered ones and DISCOVER's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from app.domain.values import JsonValue

MAX_LINKS: Final = 20_000
MAX_ATTRIBUTES: Final = 50
MAX_TEXT: Final = 1_000
"""Maximum characters of a link's address, of an attribute's name and of its value."""


def read_links(links: JsonValue) -> list[Mapping[str, JsonValue]] | None:
    """Return the valid links, with plain attributes only: they come from devices and are stored as they are."""
    if not isinstance(links, list):
        return None
    return [link for link in map(_link, links[:MAX_LINKS]) if link is not None]


def _link(link: JsonValue) -> Mapping[str, JsonValue] | None:
    url = link.get("url") if isinstance(link, Mapping) else None
    if not isinstance(url, str) or not _is_plain("", url):
        return None
    attributes = link.get("attributes")
    plain = attributes if isinstance(attributes, Mapping) else {}
    kept = islice(((name, value) for name, value in plain.items() if _is_plain(name, value)), MAX_ATTRIBUTES)
    return {"url": url, "attributes": dict(kept)}


def _is_plain(name: str, value: JsonValue) -> bool:
    """Return whether a value is a scalar that is not too long, and without NUL, which PostgreSQL does not store."""
    if len(name) > MAX_TEXT or "\x00" in name or not isinstance(value, str | int | float | None):
        return False
    return not isinstance(value, str) or (len(value) <= MAX_TEXT and "\x00" not in value)
