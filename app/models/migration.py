"""Migrations with aerich, which runs them through Tortoise: imported only if there is a revision to apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import asyncpg
from aerich import Command
from aerich.migrate import Migrate
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.context import TortoiseContext

from app.models.postgres import connect
from app.models.primary import Connection

MIGRATE_SECONDS: Final = 3_600.0
"""Time limit in seconds of one statement (an index on a large table)."""


async def upgrade(database_url: str, folder: Path) -> list[str]:
    """Apply the revisions in the folder that the database lacks; return them. The caller holds the lock."""
    async with TortoiseContext() as context:
        config = tortoise_config(database_url)
        await context.init(config=config)
        command = Command(config, app="models", location=str(folder))
        Migrate.migrate_location = folder / "models"
        return await command.upgrade()


def tortoise_config(database_url: str) -> dict[str, Any]:
    """Return Tortoise's configuration for a database, whose statements may write."""
    if database_url.startswith("sqlite://"):
        connection: dict[str, Any] = {
            "engine": "tortoise.backends.sqlite",
            "credentials": {
                "file_path": database_url.removeprefix("sqlite://"),
                "journal_mode": "WAL",
                "busy_timeout": 5000,
            },
        }
    else:
        connection = {
            "engine": "app.models.migration",
            "credentials": {
                "url": database_url,
                "minsize": 0,  # with a minimum, asyncpg retries by itself and logs each failure
                "maxsize": 10,
            },
        }
    return {
        "connections": {"default": connection},
        "apps": {"models": {"models": ["app.models.tables", "aerich.models"], "default_connection": "default"}},
        "use_tz": True,
    }


class _Client(AsyncpgDBClient):
    async def create_pool(self, **options: Any) -> asyncpg.Pool[Any]:
        """Open the pool. Tortoise would pass only five parts of the address, and drop ``sslmode`` and the others."""
        url = options["url"]

        async def open_connection(*_dsn: Any, **_options: Any) -> Connection:
            return await connect(url, seconds=MIGRATE_SECONDS)

        sizes = {name: options[name] for name in ("min_size", "max_size")}
        return await asyncpg.create_pool(connect=open_connection, connection_class=Connection, **sizes)


client_class = _Client
"""The name by which Tortoise finds the client of an engine."""
