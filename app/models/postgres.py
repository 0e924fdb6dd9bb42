"""PostgreSQL connections with a client-side time limit for everything that waits for the server.

A server that is frozen, or a proxy that acknowledges and drops, ends no connection and raises no error: only a
client-side limit detects it. A connection that exceeded one is terminated, never closed: a graceful close waits for the
same peer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import asyncpg

CONNECT_SECONDS: Final = 3.0

MARGIN_SECONDS: Final = 1.0
"""PostgreSQL ends a statement this much before the client's limit: its error says why, and the connection remains
usable."""

OLDEST_SERVER: Final = 15

POOLER: Final = (
    "a connection pooler such as PgBouncer stands before PostgreSQL and keeps no session; "
    "expected the address of PostgreSQL itself"
)


class UnsupportedDatabase(RuntimeError):
    """The server, or a proxy before it, lacks a feature that Reveille needs. The message is one line."""


def no_answer(seconds: float) -> str:
    """Return the message for an exceeded time limit."""
    return f"no answer within {seconds:g} s"


async def connect(
    database_url: str, *, seconds: float, settings: Mapping[str, str] | None = None
) -> asyncpg.Connection[Any]:
    """Open a connection on which no statement waits longer than ``seconds``; ``settings`` are the session's.

    Raises:
        TimeoutError: no response within :data:`CONNECT_SECONDS`.
        UnsupportedDatabase: PostgreSQL before :data:`OLDEST_SERVER`, or a pooler before it.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it cannot be reached, or refused the connection.
    """
    own = {"command_timeout": seconds, "server_settings": dict(settings or {})}
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await asyncpg.connect(dsn(database_url), **own)
            try:
                await _check(connection)
            except BaseException:
                connection.terminate()
                raise
    except TimeoutError:
        raise TimeoutError(no_answer(CONNECT_SECONDS)) from None
    return connection


def dsn(database_url: str) -> str:
    """Return the address as asyncpg reads it, with all of its parameters: ``sslmode``, several hosts."""
    return database_url.replace("postgres://", "postgresql://", 1)


async def _check(connection: asyncpg.Connection[Any]) -> None:
    """Raise UnsupportedDatabase for a server that is too old, and for a pooler, which announces a process id of its
    own."""
    if (major := connection.get_server_version().major) < OLDEST_SERVER:
        raise UnsupportedDatabase(f"PostgreSQL {major} is too old; {OLDEST_SERVER} or newer is expected")
    try:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
        pid = None  # another server process received the second half of it
    if pid != connection.get_server_pid():
        raise UnsupportedDatabase(POOLER)


class BoundedClient:
    """A pool of connections for reading, with a limit in seconds for a statement and its wait for a connection."""

    postgres: Final = True

    def __init__(self, database_url: str, *, seconds: float, size: int = 1) -> None:
        self._url, self._seconds, self._size = database_url, seconds, size
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Do nothing: connections are opened when a statement needs them."""

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def execute_query(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Return the rows of a statement. If its task is canceled, it is canceled in the database, too.

        Raises:
            TimeoutError: the limit was reached.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it failed, or there is no connection.
        """
        async with self.acquire_connection() as connection:
            rows: Sequence[Any] = await connection.fetch(sql, *values)
            return rows

    async def _open_pool(self) -> asyncpg.Pool[Any]:
        async with self._opening:
            if self._pool is None:
                statement_timeout = f"{round((self._seconds - MARGIN_SECONDS) * 1_000)}ms"
                self._pool = await asyncpg.create_pool(
                    dsn(self._url),
                    min_size=0,  # with a minimum, asyncpg retries by itself and logs each failure
                    max_size=self._size,
                    timeout=CONNECT_SECONDS,
                    command_timeout=self._seconds,
                    server_settings={"statement_timeout": statement_timeout, "default_transaction_read_only": "on"},
                    reset=_nothing_to_reset,
                )
            return self._pool

    @contextlib.asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Acquire a connection of the pool for one statement.

        asyncpg's own limits leave gaps: waiting for a free connection has none, closing a prepared statement has none,
        and a connection whose statement timed out is released only after the server has confirmed the cancellation.

        Raises:
            TimeoutError: the limit was reached.
        """
        seconds = self._seconds
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds) as limit:
                pool = await self._open_pool()
                async with pool.acquire() as connection:
                    acquired = now()
                    try:
                        yield connection
                    except (TimeoutError, asyncio.CancelledError) as error:
                        if limit.expired() or isinstance(error, TimeoutError):
                            self._give_up(connection, now() - acquired)
                        raise
        except TimeoutError:
            raise TimeoutError(no_answer(seconds if limit.expired() else CONNECT_SECONDS)) from None

    def _give_up(self, connection: asyncpg.Connection[Any], seconds: float) -> None:
        """Terminate a connection whose statement did not end within ``seconds``.

        If PostgreSQL should have ended the statement by then, terminate all connections of the pool, because they lead
        to the same server. A statement that began late, after a wait for a connection, does not prove that the server
        is silent.
        """
        if seconds >= self._seconds - MARGIN_SECONDS:
            self.discard_pool()
        else:
            with contextlib.suppress(asyncpg.InterfaceError):  # terminated with its pool in the meantime
                connection.terminate()

    def discard_pool(self) -> None:
        """Terminate all connections; the next statement opens a new one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()


async def _nothing_to_reset(connection: object) -> None:
    """Replace asyncpg's reset of every connection that is returned to the pool, which is a round trip each. These
    connections are only read from, one statement at a time: there is nothing to reset."""
