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


WRITING: Final = "writing"
READING: Final = "reading"


class Outage:
    """What a process knows of one: shared by all in it that need the database. It ends when both those that write and
    those that read (``by``), as far as they failed, get their answers again."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._since = 0.0
        self.suspect = False
        """Whether those that read have failed since the ledger last looked: its connection may lead to nothing, too."""

    @property
    def is_known(self) -> bool:
        """Whether the database is away, as far as this process knows."""
        return bool(self._failing)

    def is_known_by(self, who: str) -> bool:
        return who in self._failing

    def failed(self, error: BaseException, by: str = WRITING) -> None:
        """The database could not be reached."""
        if not self._failing:
            self._since = time.monotonic()
            log.warning("database_away", error=str(error) or type(error).__name__)
        self._failing.add(by)
        self.suspect |= by == READING

    def ended(self, by: str = WRITING) -> None:
        """The database has answered."""
        if by in self._failing:
            self._failing.discard(by)
            if not self._failing:
                log.info("database_back", seconds=round(time.monotonic() - self._since, 1))


def pauses() -> Iterator[float]:
    """Seconds to wait between tries, longer and longer."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, pause * 2)
