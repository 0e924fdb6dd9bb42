"""Fresh databases of either kind, as copies of one template: a test never sees another test's data."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from tests.support.servers.postgres import PostgresServer


class DatabaseKind(StrEnum):
    SQLITE = "sqlite"
    POSTGRES = "postgres"


KIND: Final = DatabaseKind(os.environ.get("REVEILLE_TEST_DATABASE", "sqlite"))
"""The kind of database of this run. One per process: Tortoise binds its models to the first dialect that it connects
to."""


class Databases(Protocol):
    """A source of databases."""

    async def make_template(self) -> str:
        """Create the empty database that all others are copied from. No connection to it may stay open."""

    def copy(self) -> AbstractAsyncContextManager[str]:
        """Provide a copy of the template, which is removed when the context ends."""

    def empty(self) -> AbstractAsyncContextManager[str]:
        """Provide a database without tables, which is removed when the context ends."""


class SqliteDatabases:
    """SQLite files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"

    async def make_template(self) -> str:
        return self._url(self._template)

    @asynccontextmanager
    async def copy(self) -> AsyncIterator[str]:
        async with self.empty() as url:
            self._copy_to(Path(url.removeprefix("sqlite://")))
            yield url

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        file = self._folder / f"{uuid.uuid4().hex}.db"
        yield self._url(file)
        for left in self._folder.glob(f"{file.name}*"):
            left.unlink()

    def _copy_to(self, file: Path) -> None:
        """Copy with SQLite itself: in WAL mode a part of the template may still be in the file beside it."""
        with closing(sqlite3.connect(self._template)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)

    @staticmethod
    def _url(file: Path) -> str:
        return f"sqlite://{file}"


class PostgresDatabases:
    """Databases of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._template = "template0"

    async def make_template(self) -> str:
        self._template = "reveille_template"
        return await self._server.create(self._template)

    def copy(self) -> AbstractAsyncContextManager[str]:
        return self._create(self._template)

    def empty(self) -> AbstractAsyncContextManager[str]:
        return self._create("template0")

    @asynccontextmanager
    async def _create(self, template: str) -> AsyncIterator[str]:
        name = f"t{uuid.uuid4().hex}"
        yield await self._server.create(name, template)
        await self._server.drop(name)
