"""The pauses between retries and reconnects of one loop."""

from __future__ import annotations

import random
from typing import Final

DATABASE_PAUSES: Final = (0.5, 1.0, 2.0)
"""Seconds between retries while the database is unavailable: pending work is found no later than a poll would find
it."""


class Backoff:
    """Pauses in seconds: each of ``pauses`` once, then the last one again and again, until :meth:`reset`.

    ``failures`` counts the tries that failed since then. ``jitter`` shortens each pause by up to a half, so that many
    processes do not retry at the same moment.
    """

    def __init__(self, *pauses: float, jitter: bool = False) -> None:
        self._pauses, self._jitter = pauses, jitter
        self.failures = 0

    def next(self) -> float:
        """Return how long to wait before the next try, after one that failed."""
        pause = self._pauses[min(self.failures, len(self._pauses) - 1)]
        self.failures += 1
        return pause * random.uniform(0.5, 1) if self._jitter else pause  # noqa: S311 - not used for security

    def reset(self) -> None:
        """Begin with the first pause again: a try has succeeded."""
        self.failures = 0
