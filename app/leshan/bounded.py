"""Bounded reading of a Leshan server's data: JSON whose parsing takes bounded time, and bodies read in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx
import orjson

from app.domain.values import JsonValue

MAX_CONTAINERS: Final = 200_000
"""Maximum number of arrays and objects of one JSON text, brackets within strings included. An empty one takes two bytes
of text, 56 to 64 bytes of memory and 0.2 us: 4 MiB of them would stall the event loop for half a second. The largest
content that is read, 20,000 resources, has some 40,000."""

TURN: Final = 64
"""Number of pieces that are read before other tasks run: chunks of one byte can arrive by the thousand at once."""


def parse_json(text: bytes | str) -> JsonValue:
    """Parse JSON; the caller has bounded its length.

    Raises:
        orjson.JSONDecodeError: invalid JSON, nested more than 1,024 deep (orjson's limit), or with too many containers.
    """
    containers = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if containers > MAX_CONTAINERS:
        raise orjson.JSONDecodeError(f"more than {MAX_CONTAINERS} arrays and objects", "", 0)
    return orjson.loads(text)


async def pieces_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the response's body as it arrives.

    Raises:
        httpx.HTTPError: also for a compressed body, which was not requested: a small one can become a very large one.
    """
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() not in {"", "identity"}:
        raise httpx.DecodingError(f"the body has the content coding {coding[:50]!r}, and identity was asked for")
    number = 0
    async for piece in answer.aiter_raw():
        yield piece
        number += 1
        if number % TURN == 0:
            await asyncio.sleep(0)
