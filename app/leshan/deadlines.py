"""The deadlines of all open calls, with a single timer.

A timer for each call is a twentieth of a call's cost, and hardly one of them is ever needed: a response comes in
milliseconds, a deadline is tens of seconds away.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Waiting = TypeVar("Waiting")

LEAST_SECONDS: Final = 0.001
"""Minimum time between two checks: the event loop's timers have no finer grain, and may be early by less than that."""


class Deadlines(Generic[Waiting]):
    """Items that wait until their deadlines. Used inside one event loop."""

    def __init__(self, passed: Callable[[Waiting], None]) -> None:
        """``passed`` is called once for each item whose deadline has passed; it must not raise."""
        self._passed = passed
        self._until: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def watch(self, one: Waiting, deadline: float) -> None:
        """Call ``passed`` when ``deadline`` (of ``time.monotonic``) has passed, unless :meth:`forget` is called
        before."""
        self._until[one] = deadline
        if deadline < self._next:
            self._look_at(deadline)

    def forget(self, one: Waiting) -> None:
        """Stop watching the item, if it is watched."""
        self._until.pop(one, None)

    def close(self) -> None:
        """Stop watching all items."""
        self._until.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _look_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        seconds = max(deadline - time.monotonic(), LEAST_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for one in [one for one, deadline in self._until.items() if deadline <= now]:
            del self._until[one]
            self._passed(one)
        self._timer, self._next = None, math.inf
        if self._until:
            self._look_at(min(self._until.values()))
