"""A world with one ledger, whose database is open for reading; and databases with many rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.models.live import LiveLog
from tests.integration.reads.many_rows import fill
from tests.support.ledger import LedgerWorld
from tests.support.live_log import live_log, readable_world
from tests.support.servers.databases import MIGRATED, Databases


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[LedgerWorld]:
    async with readable_world(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def live(world: LedgerWorld) -> AsyncIterator[LiveLog]:
    """A live log that receives no notifications and finds everything by polling."""
    async with live_log() as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def many_rows(databases: Databases) -> str:
    """The template with many rows, which every test that needs them copies: filling it takes seconds."""
    await fill(await databases.make_template("many_rows", MIGRATED))
    return "many_rows"


@pytest_asyncio.fixture(loop_scope="session")
async def many_rows_url(databases: Databases, many_rows: str) -> AsyncIterator[str]:
    """The address of a database with many rows that belongs to this test alone."""
    async with databases.copy(many_rows) as url:
        yield url
