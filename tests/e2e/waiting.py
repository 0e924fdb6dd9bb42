"""Wait for conditions of other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.e2e.clients import BOUND


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, within: float = BOUND, *, every: float = 0.05
) -> None:
    """Wait until a condition holds; fail with ``what`` if it does not."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110 - conditions of other processes set no event
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"it never came to this: {what}") from None
