"""Connections for reading SQLite, with a time limit and cancellation for each statement.

SQLite runs a statement to its end in the thread of its connection, whatever happens to the task that awaits it. Here a
progress handler checks the clock every few thousand steps of SQLite's virtual machine, and interrupts the statement.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiosqlite

from app.models.dialect import REVISIONS
from app.models.postgres import no_answer

STEPS: Final = 20_000
"""Steps of SQLite's virtual machine between two checks of the clock: some 0.2 ms."""

LOCK_MILLISECONDS: Final = 5_000
"""Time that a statement waits for the lock of another process."""

_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
}

# as the statements of for_sqlite read a list
sqlite3.register_adapter(list, functools.partial(json.dumps, default=str))


def revisions_of(path: Path) -> list[str]:
    """Return the revisions that were applied to a file, which is created if it does not exist. Raise sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        exists = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'aerich'").fetchone()
        return [version for (version,) in connection.execute(REVISIONS)] if exists else []


@dataclass(slots=True)
class _Running:
    """A statement, and its latest end."""

    ends: float


class SqliteReader:
    """One connection with its thread, which executes the statements one after the other.

    Attributes:
        seconds: limit of a statement and its wait for those of other callers.
    """

    postgres: Final = False

    def __init__(self, file: Path, *, seconds: float, lock_milliseconds: int = LOCK_MILLISECONDS) -> None:
        self.seconds = seconds
        self._file, self._lock_milliseconds = file, lock_milliseconds
        self._connection: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()
        self._running: _Running | None = None

    @property
    def busy(self) -> bool:
        """Whether a statement is running."""
        return self._running is not None

    async def open(self) -> None:
        """Open the connection. Raise sqlite3.Error: the file cannot be opened, or is no database."""
        await self._opened()

    async def _opened(self) -> aiosqlite.Connection:
        async with self._opening:
            if self._connection is None:
                connection = await aiosqlite.connect(self._file, isolation_level=None)
                connection.row_factory = sqlite3.Row
                for pragma in (f"busy_timeout = {self._lock_milliseconds}", "query_only = ON"):
                    await connection.execute(f"PRAGMA {pragma}")
                await connection.set_progress_handler(self._is_over, STEPS)
                self._connection = connection
            return self._connection

    async def close(self) -> None:
        """Close the connection and end its thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _is_over(self) -> bool:
        return self._running is not None and time.monotonic() > self._running.ends

    async def execute_query(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Return the rows of a statement that reads. If its task is canceled, it is interrupted.

        Raises:
            sqlite3.Error: it failed; with SQLITE_INTERRUPT, it reached the time limit.
            TimeoutError: the limit passed before it began, behind the statements of other callers.
        """
        statement = _Running(time.monotonic() + self.seconds)
        opened = self._connection or await self._opened()
        connection = opened._conn  # noqa: SLF001 - for two calls in one turn of its thread

        def run() -> list[Any]:
            self._running = statement
            try:
                if self._is_over():  # canceled or too late before it began; a canceled caller receives no error
                    raise TimeoutError(no_answer(self.seconds))
                return connection.execute(sql, values).fetchall()
            finally:
                self._running = None

        try:
            rows: list[Any] = await opened._execute(run)  # type: ignore[no-untyped-call]  # noqa: SLF001
        except asyncio.CancelledError:
            statement.ends = 0.0
            raise
        return rows

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether the file cannot be used now, or the time limit was reached."""
        if isinstance(error, sqlite3.Error):
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNAVAILABLE
        return isinstance(error, OSError)
