"""Opening the database: migrations under a lock, then the connections for all readers.

Reads never share the ledger's connection, cannot write (``query_only``, ``default_transaction_read_only``), and end
after :data:`READ_SECONDS`.

SQLite's driver, which takes 2 MiB, is imported where the address is that of a file.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from app.models.dialect import REVISIONS
from app.models.postgres import BoundedClient, connect
from app.models.primary import primary_of
from app.models.queries.access import Lane, Reader, using
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
"""Time limit in seconds of one statement of ``reveille check`` and ``reveille aggregate``."""

LANES: Final = {Lane.SMALL: 10, Lane.SEARCH: 4, Lane.HEALTH: 1}
"""Maximum of connections to PostgreSQL; to SQLite each lane has one, with a thread of its own."""


def is_sqlite(database_url: str) -> bool:
    return database_url.startswith("sqlite://")


def sqlite_path(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite://"))


def has_standbys(database_url: str) -> bool:
    """Return whether the address has several hosts, one of which is the primary."""
    return not is_sqlite(database_url) and len(primary_of(database_url).address.hosts) > 1


def server_in_use(database_url: str) -> str | None:
    """Return the host and port of the primary in use, or None if the address has one host only."""
    return primary_of(database_url).name if has_standbys(database_url) else None


async def migrate(database_url: str) -> list[str]:
    """Upgrade the database to the newest schema; return the revisions that were applied.

    Several starting processes may call it at once: one applies the revisions, the others wait and have none to apply.
    """
    folder = MIGRATIONS / ("sqlite" if is_sqlite(database_url) else "postgres")
    async with _only_one(database_url) as applied:
        if applied.issuperset(file.name for file in (folder / "models").glob("[0-9]*_*.py")):
            return []
        # deferred: nearly every start has nothing to apply, and aerich and Tortoise take 20 MiB and 0.4 s
        from app.models.migration import upgrade

        return await upgrade(database_url, folder)


@contextlib.asynccontextmanager
async def _only_one(database_url: str) -> AsyncIterator[set[str]]:
    """Hold the lock of migrations; yield the revisions that the database has."""
    if is_sqlite(database_url):
        from app.models.sqlite import revisions_of

        path = sqlite_path(database_url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _file_lock(path.with_name(path.name + ".migrating")) as taken:
            await asyncio.to_thread(taken)
            yield set(await asyncio.to_thread(revisions_of, path))
        return
    connection = await connect(database_url, seconds=LOCK_SECONDS)
    try:
        while not await connection.fetchval(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})"):  # noqa: ASYNC110 - held elsewhere
            await asyncio.sleep(LOCK_PAUSE)
        exists = await connection.fetchval("SELECT to_regclass('aerich')")
        yield {row["version"] for row in await connection.fetch(REVISIONS)} if exists else set()
    finally:
        connection.terminate()  # ends the session, and so releases the lock


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[Any]:
    with path.open("w") as file:
        yield lambda: fcntl.flock(file, fcntl.LOCK_EX)


def _reader_of(database_url: str, *, seconds: float, size: int = 1) -> Reader:
    if is_sqlite(database_url):
        from app.models.sqlite import SqliteReader

        return SqliteReader(sqlite_path(database_url), seconds=seconds)
    return BoundedClient(database_url, seconds=seconds, size=size)


@contextlib.asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[Callable[[], None]]:
    """Open this process's connections for reading, and close them at the end. Each lane has connections of its own.
    Yield a function that discards all of them."""
    readers = {lane: _reader_of(database_url, seconds=READ_SECONDS, size=size) for lane, size in LANES.items()}

    def discard() -> None:
        for reader in readers.values():
            if isinstance(reader, BoundedClient):
                reader.discard_pool()

    try:
        for reader in readers.values():
            await reader.open()
        with using(readers):
            yield discard
    finally:
        for reader in readers.values():
            await reader.close()


@contextlib.asynccontextmanager
async def reading_slowly(database_url: str) -> AsyncIterator[Reader]:
    """Open a connection for the long statements of a command, and close it at the end.

    Raises:
        sqlite3.Error: the file cannot be opened, or is no database.
        UnsupportedDatabase, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as ``connect`` does.
    """
    if is_sqlite(database_url):
        from app.models.sqlite import revisions_of

        await asyncio.to_thread(revisions_of, sqlite_path(database_url))  # it may be no database at all
    else:
        (await connect(database_url, seconds=LOCK_SECONDS)).terminate()
    reader = _reader_of(database_url, seconds=math.inf if is_sqlite(database_url) else CHECK_SECONDS)
    try:
        await reader.open()
        yield reader
    finally:
        await reader.close()
