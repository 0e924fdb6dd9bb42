"""Conditional requests and requests for a range of bytes (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers

_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def is_unchanged(headers: Headers, etag: str) -> bool:
    """Return whether the client has the content with this ETag already (``If-None-Match``)."""
    known = headers.get("if-none-match")
    if known is None:
        return False
    return known.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in known.split(",")}


def asked_range(headers: Headers, etag: str, size: int) -> range | None:
    """Return the requested bytes of a content of ``size`` bytes, an empty range if there are none of them.

    None is the whole content: without a valid ``Range``, with several ranges, which a server may ignore, and if the
    content is not the one of ``If-Range``.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag).strip() != etag or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return range(max(0, size - int(match[2])), size)
    start, stop = int(match[1]), int(match[2]) + 1 if match[2] else size
    if stop <= start and match[2]:
        return None  # the last byte comes before the first one: invalid
    return range(start, min(stop, size))
