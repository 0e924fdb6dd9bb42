"""PostgreSQL connections with a client-side time limit for everything that waits for the server.

A server that is frozen, or a proxy that acknowledges and drops, ends no connection and raises no error: only a
client-side limit detects it. A connection that exceeded one is terminated, never closed: a graceful close waits for the
same peer. With several hosts in the URL, every connection is one to the primary (:mod:`app.models.primary`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import asyncpg

from app.addresses import Host
from app.models.primary import FAILURES, Connection, primary_of

CONNECT_SECONDS: Final = 3.0

MARGIN_SECONDS: Final = 1.0
"""PostgreSQL ends a statement this much before the client's limit: its error says why, and the connection remains
usable."""

OLDEST_SERVER: Final = 15

WATCH_SECONDS: Final = 5.0
"""Interval of searches for the primary, for the connections that are idle: the others notice by themselves."""

READ_ONLY: Final = "default_transaction_read_only"

POOLER: Final = (
    "a connection pooler such as PgBouncer stands before PostgreSQL and keeps no session; "
    "expected the address of PostgreSQL itself"
)


_UNAVAILABLE: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state ..": a session that was ended during an exchange
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
)


class UnsupportedDatabase(RuntimeError):
    """The server, or a proxy before it, lacks a feature that Reveille needs. The message is one line."""


def no_answer(seconds: float) -> str:
    """Return the message for an exceeded time limit."""
    return f"no answer within {seconds:g} s"


async def connect(database_url: str, *, seconds: float, settings: Mapping[str, str] | None = None) -> Connection:
    """Open a connection on which no statement waits longer than ``seconds``; ``settings`` are the session's.

    Raises:
        TimeoutError: no response within :data:`CONNECT_SECONDS`.
        UnsupportedDatabase: PostgreSQL before :data:`OLDEST_SERVER`, or a pooler before it.
        NoPrimary: none of several hosts can be written to.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it cannot be reached, or refused the connection.
    """
    primary, settings = primary_of(database_url), dict(settings or {})
    if not primary.is_chosen:
        return await _open(database_url, None, seconds, settings)
    read_only = settings.pop(READ_ONLY, None)  # set at the end: before, it is the server's own, which matters
    connection = await primary.connect(lambda host: _open(database_url, host, seconds, settings))
    try:
        if read_only is not None:
            await connection.execute(f"SET {READ_ONLY} = {read_only}")
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _open(database_url: str, host: Host | None, seconds: float, settings: Mapping[str, str]) -> Connection:
    """Open a connection to one of the hosts, or to the only one."""
    only = {} if host is None else {"host": host.name, "port": host.port, "target_session_attrs": "any"}
    own = {"command_timeout": seconds, "server_settings": dict(settings), "connection_class": Connection}
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection: Connection = await asyncpg.connect(_dsn(database_url), **own, **only)
            try:
                await _check(connection)
            except BaseException:
                connection.terminate()
                raise
    except TimeoutError:
        raise TimeoutError(no_answer(CONNECT_SECONDS)) from None
    return connection


async def watch_primary(database_url: str) -> None:
    """Search for the primary every :data:`WATCH_SECONDS`, until canceled. If it has moved, the connections to the
    previous one are replaced at their next use."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        with contextlib.suppress(*FAILURES):
            (await connect(database_url, seconds=CONNECT_SECONDS)).terminate()


def _dsn(database_url: str) -> str:
    """Return the address as asyncpg reads it, with all of its parameters: ``sslmode``, several hosts."""
    return database_url.replace("postgres://", "postgresql://", 1)


async def _check(connection: Connection) -> None:
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
        self._primary = primary_of(database_url)
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

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether the server cannot be reached, or ended the session, or there was no answer in time."""
        return isinstance(error, _UNAVAILABLE)

    async def _open_pool(self) -> asyncpg.Pool[Any]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0,  # with a minimum, asyncpg retries by itself and logs each failure
                    max_size=self._size,
                    connect=self._connect,
                    connection_class=Connection,
                    reset=_nothing_to_reset,
                )
            return self._pool

    async def _connect(self, *_dsn: Any, **_options: Any) -> Connection:
        statement_timeout = f"{round((self._seconds - MARGIN_SECONDS) * 1_000)}ms"
        settings = {"statement_timeout": statement_timeout, READ_ONLY: "on"}
        return await connect(self._url, seconds=self._seconds, settings=settings)

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
                async with self._acquire(pool) as connection:
                    acquired = now()
                    try:
                        yield connection
                    except (TimeoutError, asyncio.CancelledError) as error:
                        if limit.expired() or isinstance(error, TimeoutError):
                            self._give_up(connection, now() - acquired)
                        raise
        except TimeoutError:
            raise TimeoutError(no_answer(seconds if limit.expired() else CONNECT_SECONDS)) from None

    @contextlib.asynccontextmanager
    async def _acquire(self, pool: asyncpg.Pool[Any]) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Acquire a connection of the pool, and discard those to a server that is no longer the primary."""
        while True:
            async with pool.acquire() as connection:
                if not self._primary.has_moved(connection):
                    yield connection
                    return
                connection.terminate()

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
