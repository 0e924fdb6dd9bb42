"""A world with one ledger, whose database is open for reading."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.models.live import LiveLog
from tests.support.ledger import LedgerWorld
from tests.support.live_log import live_log, readable_world


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[LedgerWorld]:
    async with readable_world(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def live(world: LedgerWorld) -> AsyncIterator[LiveLog]:
    """A live log that receives no notifications and finds everything by polling."""
    async with live_log() as made:
        yield made
