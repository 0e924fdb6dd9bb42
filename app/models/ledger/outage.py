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
        self.failing: set[str] = set()
        """Those for whom the database is unavailable now."""
        self._since = 0.0
        self.suspect = False
        """Whether reads have failed since the ledger last checked: the ledger's connection may be dead, too."""

    def failed(self, error: BaseException, by: str = WRITING) -> None:
        """Record that the database could not be reached."""
        if not self.failing:
            self._since = time.monotonic()
            log.warning("database_unavailable", error=str(error) or type(error).__name__)
        self.failing.add(by)
        self.suspect |= by == READING

    def ended(self, by: str = WRITING) -> None:
        """Record that the database has responded."""
        if by in self.failing:
            self.failing.discard(by)
            if not self.failing:
                log.info("database_recovered", seconds=round(time.monotonic() - self._since, 1))
