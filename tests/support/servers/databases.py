"""Fresh databases of either kind, as copies of a template: a test never sees another test's data."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from tests.support.servers.kept_databases import KeptDatabase
from tests.support.servers.postgres import PostgresServer


class DatabaseKind(StrEnum):
    SQLITE = "sqlite"
    POSTGRES = "postgres"


KIND: Final = DatabaseKind(os.environ.get("REVEILLE_TEST_DATABASE", "sqlite"))
"""The kind of database of this run. One per process: Tortoise binds its models to the first dialect that it connects
to."""


MIGRATED: Final = "migrated"
"""The template with all tables and no rows."""


def file_of(database_url: str) -> Path:
    """Return the file of a SQLite database."""
    return Path(database_url.removeprefix("sqlite://"))


class Databases(Protocol):
    """A source of databases."""

    async def make_template(self, name: str, source: str | None = None) -> str:
        """Create a database that others are copied from: an empty one, or a copy of the template ``source``. No
        connection to it may stay open."""

    def copy(self, template: str = MIGRATED) -> AbstractAsyncContextManager[str]:
        """Provide a copy of a template, which is removed when the context ends."""

    def empty(self) -> AbstractAsyncContextManager[str]:
        """Provide a database without tables, which is removed when the context ends."""

    async def close(self) -> None:
        """End all sessions."""


class SqliteDatabases:
    """SQLite files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: dict[str, bytes] = {}

    async def make_template(self, name: str, source: str | None = None) -> str:
        if source is not None:
            self._copy(source, self._file(name))
        return self._url(self._file(name))

    @asynccontextmanager
    async def copy(self, template: str = MIGRATED) -> AsyncIterator[str]:
        async with self.empty() as url:
            self._copy(template, file_of(url))
            yield url

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        file = self._file(uuid.uuid4().hex)
        yield self._url(file)
        for left in self._folder.glob(f"{file.name}*"):
            left.unlink()

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    def _copy(self, template: str, file: Path) -> None:
        """Read the template at its first copy, with SQLite itself: in WAL mode a part of it may still be in the file
        beside it."""
        if template not in self._images:
            with closing(sqlite3.connect(self._file(template))) as source:
                self._images[template] = source.serialize()
        file.write_bytes(self._images[template])

    async def close(self) -> None:
        """Do nothing: there are no sessions."""

    @staticmethod
    def _url(file: Path) -> str:
        return f"sqlite://{file}"


class PostgresDatabases:
    """Databases of one server. Copies of the template without rows are kept for the next test."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._kept: list[KeptDatabase] = []

    async def make_template(self, name: str, source: str | None = None) -> str:
        return await self._server.create(name, source or "template0")

    @asynccontextmanager
    async def copy(self, template: str = MIGRATED) -> AsyncIterator[str]:
        if template != MIGRATED:
            async with self._create(template) as url:
                yield url
            return
        database = self._kept.pop() if self._kept else await self._new()
        yield database.url
        if await database.empty():
            self._kept.append(database)
        else:
            await database.close()
            await self._server.drop(database.name)

    def empty(self) -> AbstractAsyncContextManager[str]:
        return self._create("template0")

    async def close(self) -> None:
        for database in self._kept:
            await database.close()

    async def _new(self) -> KeptDatabase:
        name = f"t{uuid.uuid4().hex}"
        url = await self._server.create(name, MIGRATED)
        database = KeptDatabase(name, url, await asyncpg.connect(url))
        await database.open()
        return database

    @asynccontextmanager
    async def _create(self, template: str) -> AsyncIterator[str]:
        name = f"t{uuid.uuid4().hex}"
        yield await self._server.create(name, template)
        await self._server.drop(name)
