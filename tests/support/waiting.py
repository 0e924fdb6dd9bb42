"""Wait for a condition: the only way in which a test may let time pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

BOUND: Final = 60.0
"""Seconds after which an expected event counts as missing. No test's verdict depends on the value: the machine may be
busy, and some outcomes need seconds of a device's silence."""


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str = "the condition holds",
    within: float = BOUND,
    *,
    every: float | None = None,
) -> None:
    """Wait until a condition holds. It is polled, because conditions of other processes set no event.

    Args:
        every: seconds between two looks; by default they begin with a few milliseconds, and grow.

    Raises:
        AssertionError: it did not hold within so many seconds; the message has ``what``.
    """
    pauses = _pauses()
    try:
        async with asyncio.timeout(within):
            while True:
                holds = condition()
                if holds if isinstance(holds, bool) else await holds:
                    return
                await asyncio.sleep(every or next(pauses))
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


def wait_until(condition: Callable[[], bool], within: float = BOUND) -> None:
    """Wait until a condition holds, in code without an event loop.

    Raises:
        AssertionError: it did not hold within so many seconds.
    """
    deadline = time.monotonic() + within
    for pause in _pauses():
        if condition():
            return
        assert time.monotonic() < deadline, f"not within {within:g} s"
        time.sleep(pause)


def _pauses() -> Iterator[float]:
    """Yield the seconds between two looks: short ones first, as most conditions hold at once."""
    pause = 0.005
    while True:
        yield pause
        pause = min(pause * 1.5, 0.05)
