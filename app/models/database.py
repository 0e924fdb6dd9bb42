"""Opening the database: migrations under a lock, then the connections for all readers.

Reads never share the ledger's connection, cannot write (``query_only``, ``default_transaction_read_only``), and end
after :data:`READ_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from aerich import Command
from aerich.migrate import Migrate
from tortoise.context import TortoiseContext

from app.models.postgres import CONNECT_SECONDS, MARGIN_SECONDS, BoundedClient, connect
from app.models.queries.access import Lane
from app.resources import folder

MIGRATIONS: Final = folder("migrations", "migrations")
MIGRATION_LOCK: Final = 0x5265_766D
LOCK_SECONDS: Final = 5.0
LOCK_PAUSE: Final = 0.2
"""Pause between tries to get the lock while another process migrates: a wait inside PostgreSQL would never end on a
connection that no longer transmits anything."""

READ_SECONDS: Final = 7.0
"""Seconds that a reader waits for one statement, including its wait for a connection. A webhook and a mutation read
before they write, and must respond within 10 s whatever the database does."""

CHECK_SECONDS: Final = 120.0
MIGRATE_SECONDS: Final = 3_600.0
"""Time limit in seconds of one statement of ``reveille check`` and of a migration (an index on a large table)."""

LANES: Final = {Lane.SMALL: 10, Lane.SEARCH: 4, Lane.HEALTH: 1}
"""Maximum of connections to PostgreSQL; to SQLite each lane has one, with a thread of its own."""


def is_sqlite(database_url: str) -> bool:
    return database_url.startswith("sqlite://")


def sqlite_path(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite://"))


def tortoise_config(database_url: str, *, writable: bool = False, seconds: float = READ_SECONDS) -> dict[str, Any]:
    """Return Tortoise's configuration: read-only by default, ``writable`` for the migrations; ``seconds`` is the time
    limit of a statement."""
    if is_sqlite(database_url):
        connection = _sqlite(database_url, writable=writable)
    else:
        connection = _postgres(database_url, writable=writable, seconds=seconds)
    return {
        "connections": {"default": connection},
        "apps": {"models": {"models": ["app.models.tables", "aerich.models"], "default_connection": "default"}},
        "use_tz": True,
    }


def _sqlite(database_url: str, *, writable: bool) -> dict[str, Any]:
    pragmas = {"journal_mode": "WAL", "busy_timeout": 5000, "query_only": "OFF" if writable else "ON"}
    return {
        "engine": "tortoise.backends.sqlite",
        "credentials": {"file_path": str(sqlite_path(database_url)), **pragmas},
    }


def _postgres(database_url: str, *, writable: bool, seconds: float) -> dict[str, Any]:
    settings = {"statement_timeout": f"{round((seconds - MARGIN_SECONDS) * 1_000)}ms"}
    if not writable:
        settings["default_transaction_read_only"] = "on"
    return {
        "engine": "app.models.postgres",
        "credentials": {
            "url": database_url,
            "minsize": 0,  # with a minimum, asyncpg retries by itself and logs each failure
            "maxsize": 10,
            "timeout": CONNECT_SECONDS,
            "command_timeout": seconds,
            "server_settings": settings,
            "reset": _nothing_to_reset,
        },
    }


async def _nothing_to_reset(connection: object) -> None:
    """Replace asyncpg's reset of every connection that is returned to the pool, which is a round trip each. These
    connections are only read from, one statement at a time: there is nothing to reset."""


async def migrate(database_url: str) -> list[str]:
    """Upgrade the database to the newest schema; return the revisions that were applied.

    Several starting processes may call it at once: one applies the revisions, the others wait and have none to apply.
    """
    dialect = "sqlite" if is_sqlite(database_url) else "postgres"
    async with _only_one(database_url), TortoiseContext() as context:
        config = tortoise_config(database_url, writable=True, seconds=MIGRATE_SECONDS)
        await context.init(config=config)
        command = Command(config, app="models", location=str(MIGRATIONS / dialect))
        Migrate.migrate_location = MIGRATIONS / dialect / "models"
        return await command.upgrade()


@contextlib.asynccontextmanager
async def _only_one(database_url: str) -> AsyncIterator[None]:
    if is_sqlite(database_url):
        path = sqlite_path(database_url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _file_lock(path.with_name(path.name + ".migrating")) as taken:
            await asyncio.to_thread(taken)
            await try_to_open(database_url)
            yield
        return
    connection = await connect(database_url, seconds=LOCK_SECONDS)
    try:
        while not await connection.fetchval(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})"):  # noqa: ASYNC110 - held elsewhere
            await asyncio.sleep(LOCK_PAUSE)
        yield
    finally:
        connection.terminate()  # ends the session, and so releases the lock


async def try_to_open(database_url: str) -> None:
    """Connect once, before Tortoise does so for the first time in a process: Tortoise checks less, and the thread of an
    aiosqlite connection that failed to open remains, so that the process would never end.

    Raises:
        sqlite3.Error: the file cannot be opened, or is no database.
        UnsupportedDatabase, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as ``connect`` does.
    """
    if is_sqlite(database_url):
        await asyncio.to_thread(_open_and_close, sqlite_path(database_url))
    else:
        (await connect(database_url, seconds=LOCK_SECONDS)).terminate()


def _open_and_close(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute("PRAGMA schema_version")


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[Any]:
    with path.open("w") as file:
        yield lambda: fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[Callable[[], None]]:
    """Open this process's connections for reading, and close them at the end. Each lane has connections of its own.
    Yield a function that discards all of them."""
    config = tortoise_config(database_url)
    shared = config["connections"]["default"]
    for lane, size in LANES.items():
        credentials = shared["credentials"] if is_sqlite(database_url) else {**shared["credentials"], "maxsize": size}
        config["connections"][lane] = {**shared, "credentials": credentials}
        if is_sqlite(database_url):
            config["connections"][lane]["engine"] = "app.models.sqlite"
    async with TortoiseContext() as context:
        # requests run in other tasks than the lifespan, and find the context only by the global fallback
        await context.init(config=config, _enable_global_fallback=True)
        if is_sqlite(database_url):
            for lane in LANES:
                await context.connections.get(lane).create_connection(with_db=True)

        def discard() -> None:
            for client in context.connections.all():
                if isinstance(client, BoundedClient):
                    client.discard_pool()

        yield discard
