"""Content negotiation (RFC 9110, 12.5.1): the response formats that an ``Accept`` header allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

RESPONSE_JSON: Final = "application/graphql-response+json"
PLAIN_JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"
MULTIPART: Final = "multipart/mixed;subscriptionspec=1.0"
"""Apollo's protocol for subscriptions over HTTP. ``multipart/mixed`` without the parameter may be another protocol."""

_RANGE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_WEIGHT: Final = re.compile(r"0?\.\d+|[01]\.?|1\.0+", re.ASCII)
_LIST: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETERS: Final = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+')
"""A list element and a parameter: separators within a quoted string do not end them."""


@dataclass(frozen=True, slots=True)
class Formats:
    """Media types of the response; each is None if the client accepts no suitable one.

    Attributes:
        json: for a batch.
        single: for a query or mutation: JSON, or an event stream with one event if the client prefers it.
        stream: for a subscription.
        page: whether the client prefers HTML, as browsers do on navigation.
    """

    json: str | None
    single: str | None
    stream: str | None
    page: bool


@lru_cache(maxsize=256)
def response_formats(accept: str) -> Formats:
    """Return the formats by their quality values; JSON wins a tie. Without ``Accept``, all formats are accepted.

    Args:
        accept: value of the header, several headers joined by commas, at most :data:`MAX_ACCEPT` characters.
    """
    weights = dict(_weights(accept)) or {"*/*": 1.0}
    json = _json(weights)
    json_quality = _quality(weights, json) if json else 0.0
    events, components = _quality(weights, EVENT_STREAM), weights.get(MULTIPART, 0.0)
    stream = EVENT_STREAM if events else None
    if components > events or (components == events > 0 and EVENT_STREAM not in weights):
        stream = MULTIPART
    return Formats(
        json=json,
        single=EVENT_STREAM if events > json_quality else json,
        stream=stream,
        page=0 < weights.get("text/html", 0.0) >= json_quality,
    )


def _json(weights: Mapping[str, float]) -> str | None:
    """Return the new media type if the client names it with at least the quality of the old one, else the old one."""
    old, named = _quality(weights, PLAIN_JSON), weights.get(RESPONSE_JSON, 0.0)
    if 0 < named >= old:
        return RESPONSE_JSON
    if old:
        return PLAIN_JSON
    return RESPONSE_JSON if _quality(weights, RESPONSE_JSON) else None


def _quality(weights: Mapping[str, float], media_type: str) -> float:
    """Return the quality of the most specific range that matches; 0 means not acceptable."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    """Yield media ranges with their qualities; malformed elements are ignored."""
    for element in _LIST.findall(accept.lower()):
        name, _, rest = element.partition(";")
        parameters = [parameter.strip() for parameter in _PARAMETERS.findall(rest)]
        media_range = "*/*" if name.strip() == "*" else name.strip()  # Java's URLConnection sends "*"
        weight = _weight(parameters)
        if weight is not None and _RANGE.fullmatch(media_range):
            yield _with_protocol(media_range, parameters), weight


def _with_protocol(media_range: str, parameters: list[str]) -> str:
    """Return the range, with the protocol for ``multipart/mixed``. Parameters of other types do not matter."""
    if media_range == "multipart/mixed" and "subscriptionspec=1.0" in (one.replace('"', "") for one in parameters):
        return MULTIPART
    return media_range


def _weight(parameters: list[str]) -> float | None:
    for parameter in parameters:
        if parameter.startswith("q="):
            return float(parameter[2:]) if _WEIGHT.fullmatch(parameter[2:]) else None
    return 1.0
