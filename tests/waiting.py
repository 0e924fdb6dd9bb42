"""Wait for a condition: the only way in which a test may let time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

BOUND: Final = 15.0
"""Seconds after which an expected event counts as missing. No test's verdict depends on the value."""


async def eventually(condition: Callable[[], bool], within: float = BOUND) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it did not hold within so many seconds.
    """
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - conditions of other processes set no event
            await asyncio.sleep(0.005)
