"""A database that is away is told once when it goes and once when it is back, however many ask for it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 2.0
"""Seconds between tries; what waits is found as late as a poll finds it, and no later."""


class Outage:
    """What a process knows of one: shared by all in it that need the database."""

    def __init__(self) -> None:
        self._since: float | None = None

    def failed(self, error: BaseException) -> None:
        """The database could not be reached."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning("database_away", error=str(error) or type(error).__name__)

    def ended(self) -> None:
        """The database has answered."""
        if self._since is not None:
            log.info("database_back", seconds=round(time.monotonic() - self._since, 1))
            self._since = None


def pauses() -> Iterator[float]:
    """Seconds to wait between tries, longer and longer."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, pause * 2)
