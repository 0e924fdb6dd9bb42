"""A Tortoise engine for reading SQLite: Tortoise's own, with a time limit and cancellation for each statement.

SQLite runs a statement to its end in the thread of its connection, whatever happens to the task that awaits it. Here a
progress handler checks the clock every few thousand steps of SQLite's virtual machine, and interrupts the statement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tortoise.backends.sqlite.client import SqliteClient, translate_exceptions

from app.models.database import READ_SECONDS
from app.models.postgres import no_answer

STEPS: Final = 20_000
"""Steps of SQLite's virtual machine between two checks of the clock: some 0.2 ms."""


@dataclass(slots=True)
class _Running:
    """A statement, and its latest end."""

    ends: float


class SqliteReader(SqliteClient):
    """One connection with its thread, which executes the statements one after the other."""

    _running: _Running | None = None

    @property
    def busy(self) -> bool:
        """Whether a statement is running."""
        return self._running is not None

    async def create_connection(self, with_db: bool) -> None:
        await super().create_connection(with_db)
        assert self._connection is not None  # noqa: S101 - it was just created
        await self._connection.set_progress_handler(self._is_over, STEPS)

    def _is_over(self) -> bool:
        return self._running is not None and time.monotonic() > self._running.ends

    @translate_exceptions
    async def execute_query(self, query: str, values: Any = None) -> tuple[int, Sequence[Any]]:
        """Execute a statement that reads. If its task is canceled, it is interrupted.

        Raises:
            OperationalError: of SQLITE_INTERRUPT, if it reached the time limit.
            TimeoutError: the limit passed before it began, behind the statements of other callers.
        """
        statement = _Running(time.monotonic() + READ_SECONDS)
        if self._connection is None:
            async with self._lock:
                await self.create_connection(with_db=True)
        assert self._connection is not None  # noqa: S101 - it was created
        connection = self._connection._conn  # noqa: SLF001 - for two calls in one turn of its thread

        def run() -> list[Any]:
            self._running = statement
            try:
                if self._is_over():  # canceled or too late before it began; a canceled caller receives no error
                    raise TimeoutError(no_answer(READ_SECONDS))
                return connection.execute(query, values or ()).fetchall()
            finally:
                self._running = None

        try:
            rows = await self._connection._execute(run)  # type: ignore[no-untyped-call]  # noqa: SLF001
        except asyncio.CancelledError:
            statement.ends = 0.0
            raise
        return len(rows), rows


client_class = SqliteReader
