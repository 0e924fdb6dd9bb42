"""Bodies of responses, read in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx

TURN: Final = 64
"""Number of pieces that are read before other tasks run: chunks of one byte can arrive by the thousand at once."""


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
