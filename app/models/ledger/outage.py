"""Outage tracking: log once when the database becomes unavailable and once when it is back, however many calls fail."""

from __future__ import annotations

import time
from typing import Final

import structlog

log = structlog.get_logger(__name__)

WRITING: Final = "writing"
READING: Final = "reading"


class Outage:
    """A database outage as one process knows it, shared by everything in it that uses the database. It ends when the
    writers and the readers (``by``), as far as they failed, succeed again."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._since = 0.0
        self.suspect = False
        """Whether reads have failed since the ledger last checked: the ledger's connection may be dead, too."""

    @property
    def is_known(self) -> bool:
        """Whether the database is unavailable, as far as this process knows."""
        return bool(self._failing)

    def is_known_by(self, who: str) -> bool:
        return who in self._failing

    def failed(self, error: BaseException, by: str = WRITING) -> None:
        """Record that the database could not be reached."""
        if not self._failing:
            self._since = time.monotonic()
            log.warning("database_away", error=str(error) or type(error).__name__)
        self._failing.add(by)
        self.suspect |= by == READING

    def ended(self, by: str = WRITING) -> None:
        """Record that the database has responded."""
        if by in self._failing:
            self._failing.discard(by)
            if not self._failing:
                log.info("database_back", seconds=round(time.monotonic() - self._since, 1))
