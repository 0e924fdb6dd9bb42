"""PostgreSQL connections with a client-side time limit for everything that waits for the server.

A server that is frozen, or a proxy that acknowledges and drops, ends no connection and raises no error: only a
client-side limit detects it. A connection that exceeded one is terminated, never closed: a graceful close waits for the
same peer. Tortoise uses this module as its engine (``client_class``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient

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
            connection = await asyncpg.connect(_dsn(database_url), **own)
            try:
                await _check(connection)
            except BaseException:
                connection.terminate()
                raise
    except TimeoutError:
        raise TimeoutError(no_answer(CONNECT_SECONDS)) from None
    return connection


def _dsn(database_url: str) -> str:
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


class BoundedClient(AsyncpgDBClient):
    """Tortoise's client with a limit for a statement and its wait for a connection: ``command_timeout``, in seconds.

    Its server is the ``url`` of its credentials.
    """

    async def create_pool(self, **options: Any) -> asyncpg.Pool[Any]:
        """Open the pool. Tortoise would pass only five parts of the address, and drop ``sslmode`` and the others."""
        url = options.pop("url")
        for part in ("host", "port", "user", "password", "database"):
            del options[part]
        return await asyncpg.create_pool(_dsn(url), **options)

    @contextlib.asynccontextmanager
    async def acquire_connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:  # type: ignore[override]
        """Acquire a connection of the pool for one statement.

        asyncpg's own limits leave gaps: waiting for a free connection has none, closing a prepared statement has none,
        and a connection whose statement timed out is released only after the server has confirmed the cancellation.

        Raises:
            TimeoutError: the limit was reached.
        """
        seconds: float = self.extra["command_timeout"]
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds) as limit:
                await super().acquire_connection().ensure_connection()
                pool = self._pool
                async with pool.acquire() as connection:  # type: ignore[union-attr] # ensured just now
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
        if seconds >= self.extra["command_timeout"] - MARGIN_SECONDS:
            self.discard_pool()
        else:
            with contextlib.suppress(asyncpg.InterfaceError):  # terminated with its pool in the meantime
                connection.terminate()

    def discard_pool(self) -> None:
        """Terminate all connections; the next statement opens a new one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()


client_class = BoundedClient
