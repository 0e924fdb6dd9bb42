"""What a measurement answers, and the few sums that several of them need."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

Figure = tuple[str, str]
"""What was measured, and the figure, for people."""


async def rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    """How many of ``count`` things done by ``work`` are done in a second."""
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


def spread(seconds: Sequence[float]) -> str:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return f"p50 {ordered[len(ordered) // 2] * 1e3:.1f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1e3:.1f} ms"
