"""The ledger's connection to PostgreSQL, with the append lock that orders transactions."""

# ruff: noqa: S608 - every name in these statements is a constant of this module

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg

from app.domain.enums import DAY, Instant
from app.models.dialect import PLACEHOLDER, POSTGRES_NOW
from app.models.ledger.reading_partitions import create_partitions, drop_oldest
from app.models.ledger.store import (
    LONG_STATEMENT_SECONDS,
    STATEMENT_SECONDS,
    Row,
    StoreRefused,
    StoreUnavailable,
    UnsafeDatabase,
    Write,
    Writing,
)
from app.models.postgres import UnsupportedDatabase, connect, no_answer
from app.models.primary import Connection, primary_of

APPEND_LOCK: Final = 0x5265_7665  # "Reve": the advisory lock that every ledger transaction takes first

LEDGER_TIMEOUTS: Final = {
    "idle_in_transaction_session_timeout": "2s",
    "statement_timeout": "4500ms",
    "lock_timeout": "2500ms",
}
"""A process that is frozen inside a transaction holds the append lock: PostgreSQL ends its session after 2 s. A process
that waits longer for the lock checks its holder, and ends a session whose client is silent."""

LEDGER_PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
"""Every statement finds its rows by an index, whatever its parameters, so a plan is made once and not for each
execution: planning was a tenth of PostgreSQL's work, and of the dispatcher's wait for it. A plan that is made while a
table is empty, like each day's partition at first, would scan the whole table as it grows. Where there is no condition,
as for a table's only row, the scan remains; its cost then must not count as a reason to compile. A plan of a join that
is made while a table is empty may read a whole index of it, until the statistics are collected again."""

APPEND_LOCK_TRIES: Final = 3

_END_SILENT_HOLDER: Final = f"""
    SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = {APPEND_LOCK} AND l.granted
      AND a.datname = current_database() AND a.wait_event IN ('ClientRead', 'ClientWrite')
      AND clock_timestamp() - greatest(a.query_start, a.state_change) > interval '2 s'
"""
"""A process that froze while it sent the rows of a statement is neither idle in its transaction nor inside the
statement, so none of the timeouts above ends it. Each of its messages would have advanced ``query_start``. After a
statement that took long, only ``state_change`` shows since when its client has been silent."""

FIRST_WITH_TRANSACTION_TIMEOUT: Final = 17
TRANSACTION_TIMEOUT: Final = "15s"
"""The last resort, if no process that waits for the lock can end the session (or has the permission, with another
role)."""


AT_ONCE: Final = 10
"""Minimum of rows that PostgreSQL receives as arrays in one statement (``at_once``): that is a third of the work for
it."""

_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state ..": a session that was ended during an exchange
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
_BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full: not the fault of a command
    asyncpg.ReadOnlySQLTransactionError,  # this server has become a standby
)


class _Answer:
    """Limit a wait for PostgreSQL, and raise its errors as the store's own. After the limit the connection is
    terminated, whatever asyncpg waits for: its own limit has gaps (closing a prepared statement has none)."""

    __slots__ = ("_connection", "_expired", "_seconds", "_timer")

    def __init__(self, connection: asyncpg.Connection[Any], seconds: float) -> None:
        self._connection, self._seconds, self._expired = connection, seconds, False

    def __enter__(self) -> asyncpg.Connection[Any]:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self._connection

    def _expire(self) -> None:
        self._expired = True
        self._connection.terminate()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._timer.cancel()
        if error is None:
            return
        if self._expired:
            raise StoreUnavailable(no_answer(self._seconds)) from TimeoutError()
        if isinstance(error, (*_LOST, *_BUSY)):
            raise StoreUnavailable(str(error) or type(error).__name__) from error
        if isinstance(error, asyncpg.PostgresError):
            raise StoreRefused(str(error)) from error


class PostgresStore:
    """PostgreSQL through asyncpg. ``unsafe`` lets tests run without ``fsync``; nothing else may set it."""

    postgres = True
    clock = POSTGRES_NOW

    def __init__(self, url: str, *, unsafe: bool = False) -> None:
        self._url = url
        self._unsafe = unsafe
        self._connection: Connection | None = None
        self._seconds = STATEMENT_SECONDS
        self._partitions_end: Instant = 0

    async def open(self) -> None:
        settings = LEDGER_TIMEOUTS | LEDGER_PLANS
        try:
            # each statement's limit is that of _Answer; asyncpg's bounds how long it tries to cancel one
            self._connection = await connect(self._url, seconds=LONG_STATEMENT_SECONDS, settings=settings)
        except (*_LOST, asyncpg.PostgresError, UnsupportedDatabase) as error:
            # no such database, wrong password: not the fault of a command
            raise StoreUnavailable(str(error) or type(error).__name__) from error
        with self._answer() as connection:
            if connection.get_server_version().major >= FIRST_WITH_TRANSACTION_TIMEOUT:
                await connection.execute(f"SET transaction_timeout = '{TRANSACTION_TIMEOUT}'")
            for name in () if self._unsafe else ("fsync", "synchronous_commit"):
                if (value := await connection.fetchval(f"SHOW {name}")) == "off":
                    await self.close()
                    raise UnsafeDatabase(f"PostgreSQL runs with {name} = {value}. A power cut would lose commits.")

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailable("the ledger's connection is closed")
        return self._connection

    def _answer(self) -> _Answer:
        return _Answer(self._live, self._seconds)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._partitions_end = 0
        if connection is not None:
            connection.terminate()

    async def begin(self, seconds: float = STATEMENT_SECONDS) -> None:
        self._seconds = seconds
        if primary_of(self._url).has_moved(self._live):
            raise StoreUnavailable("another server is the primary now")
        # PostgreSQL must end a statement before this client gives up: one that continues without it would hold the lock
        longer = "SET LOCAL statement_timeout = '10s'; " if self._seconds > STATEMENT_SECONDS else ""
        for left in reversed(range(APPEND_LOCK_TRIES)):
            try:
                await self.execute(f"BEGIN; {longer}SELECT pg_advisory_xact_lock({APPEND_LOCK})")
            except StoreUnavailable as error:
                if not left or not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                    raise
                await self.rollback()
                with self._answer() as connection, contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(_END_SILENT_HOLDER)
            else:
                return

    async def commit(self) -> None:
        with self._answer() as connection:
            await connection.execute("COMMIT")

    async def rollback(self) -> None:
        self._partitions_end = 0  # those that were created in this transaction are gone
        with self._answer() as connection:
            await connection.execute("ROLLBACK")

    async def fetch(self, sql: str, *values: Any) -> Sequence[Row]:
        with self._answer() as connection:
            rows: Sequence[Row] = await connection.fetch(sql, *values)
            return rows

    async def execute(self, sql: str, *values: Any) -> None:
        with self._answer() as connection:
            await connection.execute(sql, *values)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]], at_once: str | None = None) -> None:
        with self._answer() as connection:
            if at_once is not None and len(rows) >= AT_ONCE:
                await connection.execute(at_once, *_columns(rows))
            else:
                await connection.executemany(sql, rows)

    async def execute_together(self, writings: Iterable[Writing]) -> None:
        """Execute writings to different rows, none of which reads what another one writes, in one statement: that saves
        five round trips at the end of each group."""
        due = [(write.at_once, rows) for write, rows in writings if rows]
        if due:
            columns = [column for _, rows in due for column in _columns(rows)]
            with self._answer() as connection:
                await connection.execute(_together(*(sql for sql, _ in due)), *columns)

    async def insert_readings(
        self, write: Write, columns: Sequence[str], rows: Sequence[Sequence[Any]], now: Instant
    ) -> None:
        with self._answer() as connection:
            if now + DAY > self._partitions_end:
                self._partitions_end = await create_partitions(connection, now)
            if len(rows) < AT_ONCE:
                await connection.executemany(write.each, rows)
            else:  # two thirds of the time of arrays
                await connection.copy_records_to_table("reading", records=rows, columns=columns)

    async def drop_readings(self, edge: Instant, aggregated: int) -> int | None:
        with self._answer() as connection:
            return await drop_oldest(connection, edge, aggregated)


def _columns(rows: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    return map(list, zip(*rows, strict=True))


@functools.lru_cache(maxsize=256)
def _together(*statements: str) -> str:
    """Join the statements into one, numbering the placeholders of each after those of the previous one."""
    taken, parts = 0, []
    for sql in statements:
        parts.append(PLACEHOLDER.sub(functools.partial(_shift, by=taken), sql))
        taken += max(int(number) for number in PLACEHOLDER.findall(sql))
    *before, last = parts
    named = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(before))
    return f"WITH {named} {last}" if before else last


def _shift(placeholder: re.Match[str], by: int) -> str:
    return f"${int(placeholder[1]) + by}"
