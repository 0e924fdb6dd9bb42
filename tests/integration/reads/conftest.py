"""A world with one ledger, whose database is open for reading."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.models.database import migrate, reading
from app.models.ledger import open_store
from app.models.live import LiveLog
from tests.integration.ledger.kit import World
from tests.integration.reads.following import live_log


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    await migrate(database_url)
    reader = open_store(database_url, unsafe=True)
    await reader.open()
    made = World(database_url, reader)
    await made.ledger()
    async with reading(database_url):
        yield made
    for ledger in made.ledgers:
        await ledger.close()
    await reader.close()


@pytest_asyncio.fixture
async def live(world: World) -> AsyncIterator[LiveLog]:
    """A live log that hears of nothing and finds everything by its poll."""
    async with live_log() as made:
        yield made
