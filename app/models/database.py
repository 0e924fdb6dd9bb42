"""Opening the database: migrations under a lock, then the connections that everybody reads through.

Reads never share the ledger's connection, cannot write (``query_only``, ``default_transaction_read_only``), and end
after :data:`READ_TIMEOUT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from aerich import Command
from aerich.migrate import Migrate
from tortoise.context import TortoiseContext

from app.resources import folder

MIGRATIONS: Final = folder("migrations", "migrations")
MIGRATION_LOCK: Final = 0x5265_766D
READ_TIMEOUT: Final = "10s"


def is_sqlite(database_url: str) -> bool:
    return database_url.startswith("sqlite://")


def sqlite_path(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite://"))


def tortoise_config(database_url: str, *, writable: bool = False) -> dict[str, Any]:
    """Tortoise's configuration: read-only, but for the migrations."""
    connection = (
        _sqlite(database_url, writable=writable) if is_sqlite(database_url) else _postgres(database_url, writable)
    )
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


def _postgres(database_url: str, writable: bool) -> dict[str, Any]:
    url = urlsplit(database_url)
    query = dict(parse_qsl(url.query))
    settings = {} if writable else {"default_transaction_read_only": "on", "statement_timeout": READ_TIMEOUT}
    return {
        "engine": "tortoise.backends.asyncpg",
        "credentials": {
            "host": unquote(query.pop("host", url.hostname or "localhost")),
            "port": int(query.pop("port", url.port or 5432)),
            "user": unquote(query.pop("user", url.username or "")),
            "password": unquote(url.password) if url.password else None,
            "database": unquote(url.path.lstrip("/")),
            "minsize": 1,
            "maxsize": 10,
            "server_settings": settings,
            "reset": _nothing_to_reset,
        },
    }


async def _nothing_to_reset(connection: object) -> None:
    """asyncpg would reset every connection that goes back to the pool, a round trip each. Ours are only read from, one
    statement at a time: there is nothing to take back."""


async def migrate(database_url: str) -> list[str]:
    """Bring the database to the newest schema; answers the revisions that were applied.

    Safe to call from several starting processes at once: one applies, the others wait and find nothing to do.
    """
    dialect = "sqlite" if is_sqlite(database_url) else "postgres"
    async with _only_one(database_url), TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, writable=True))
        command = Command(tortoise_config(database_url), app="models", location=str(MIGRATIONS / dialect))
        Migrate.migrate_location = MIGRATIONS / dialect / "models"
        return await command.upgrade()


@contextlib.asynccontextmanager
async def _only_one(database_url: str) -> AsyncIterator[None]:
    if is_sqlite(database_url):
        path = sqlite_path(database_url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _file_lock(path.with_name(path.name + ".migrating")) as taken:
            await asyncio.to_thread(taken)
            yield
        return
    connection = await asyncpg.connect(database_url.replace("postgres://", "postgresql://", 1), timeout=10)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        yield
    finally:
        await connection.close()


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[Any]:
    with path.open("w") as file:
        yield lambda: fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[None]:
    """Open the connections for reading, for this process; closed at the end."""
    async with TortoiseContext() as context:
        # requests run in other tasks than the lifespan, and see the context only by the global fallback
        await context.init(config=tortoise_config(database_url), _enable_global_fallback=True)
        yield
