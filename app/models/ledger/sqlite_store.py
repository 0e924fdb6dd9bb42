"""The ledger's connection to SQLite."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from app.domain.enums import Instant
from app.models.dialect import for_sqlite
from app.models.ledger.store import STATEMENT_SECONDS, Row, StoreRefused, StoreUnavailable, Write, Writing
from app.models.sqlite import LOCK_MILLISECONDS

MOST_IN_A_TURN: Final = 200
"""Rows, some milliseconds' worth, that SQLite writes before other tasks of the process can run."""

READINGS_PIECE: Final = 1_000
_OLDEST_READINGS: Final = "SELECT seq, stored_at FROM reading WHERE seq <= $1 ORDER BY seq LIMIT $2"

_Done = TypeVar("_Done")

_BUSY_CODES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)


@contextlib.contextmanager
def _sqlite_errors() -> Any:
    try:
        yield
    except UnicodeError as error:
        raise StoreRefused(str(error)) from error
    except (sqlite3.OperationalError, sqlite3.ProgrammingError, ValueError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, ValueError) or (code is not None and code & 0xFF in _BUSY_CODES):
            raise StoreUnavailable(str(error)) from error
        raise StoreRefused(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise StoreRefused(str(error)) from error


class SqliteStore:
    """SQLite in WAL with ``synchronous=FULL``: an acknowledged commit survives a power cut.

    BEGIN, COMMIT and ROLLBACK wait for another process or for the disk, so they run in a thread. The statements between
    them find their rows by an index and take less time than the handover to a thread, so they are executed directly:
    handing each of some 18 statements to a thread and back was a third of the work of an operation.
    """

    postgres = False
    clock = "now_nanos() / 1000"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._in_this_turn = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    async def open(self) -> None:
        with _sqlite_errors():
            self._connection = await self._in_thread(self._connect)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for pragma in (f"busy_timeout={LOCK_MILLISECONDS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("now_nanos", 0, time.time_ns)
        return connection

    async def _in_thread(self, do: Callable[..., _Done], *given: str) -> _Done:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, *given)

    @property
    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable("the ledger's connection is closed")
        return self._connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._in_thread(connection.close)

    async def begin(self, seconds: float = STATEMENT_SECONDS) -> None:  # noqa: ARG002 - SQLite has busy_timeout
        with _sqlite_errors():
            await self._in_thread(self._live.execute, "BEGIN IMMEDIATE")
        self._in_this_turn = 0

    async def commit(self) -> None:
        with _sqlite_errors():
            await self._in_thread(self._live.execute, "COMMIT")

    async def rollback(self) -> None:
        with _sqlite_errors():
            if self._live.in_transaction:
                await self._in_thread(self._live.execute, "ROLLBACK")

    async def fetch(self, sql: str, *values: Any) -> Sequence[Row]:
        with _sqlite_errors():
            return self._live.execute(for_sqlite(sql), values).fetchall()

    async def execute(self, sql: str, *values: Any) -> None:
        with _sqlite_errors():
            self._live.execute(for_sqlite(sql), values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]], at_once: str | None = None) -> None:  # noqa: ARG002 - SQLite gains nothing by it
        with _sqlite_errors():
            for first in range(0, len(rows), MOST_IN_A_TURN):
                piece = rows[first : first + MOST_IN_A_TURN]
                self._live.executemany(for_sqlite(sql), piece)
                self._in_this_turn += len(piece)
                if self._in_this_turn >= MOST_IN_A_TURN:
                    await asyncio.sleep(0)
                    self._in_this_turn = 0

    async def insert_readings(
        self,
        write: Write,
        columns: Sequence[str],  # noqa: ARG002 - those of the statement
        rows: Sequence[Sequence[Any]],
        now: Instant,  # noqa: ARG002 - there are no partitions
    ) -> None:
        await self.execute_many(write.each, rows)

    async def drop_readings(self, edge: Instant, aggregated: int) -> int | None:
        oldest = await self.fetch(_OLDEST_READINGS, aggregated, READINGS_PIECE)
        gone = [row["seq"] for row in oldest if row["stored_at"] < edge]
        if not gone:
            return None
        await self.execute("DELETE FROM reading WHERE seq <= $1", gone[-1])
        return int(gone[-1])

    async def execute_together(self, writings: Iterable[Writing]) -> None:
        for write, rows in writings:
            if rows:
                await self.execute_many(write.each, rows)
