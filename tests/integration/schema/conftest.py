"""A world whose database is open for reading, its own live log, and the schema over both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.models.live import LiveLog
from tests.support.api import Api
from tests.support.ledger import LedgerWorld
from tests.support.live_log import live_log, readable_world
from tests.support.schema import OPERATOR, app_of, served


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[LedgerWorld]:
    async with readable_world(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def live(world: LedgerWorld) -> AsyncIterator[LiveLog]:
    async with live_log() as made:
        yield made


@pytest_asyncio.fixture
async def api(world: LedgerWorld, live: LiveLog) -> AsyncIterator[Api]:
    """An operator's client of the schema, without a socket."""
    client = Api.within(app_of(world, live), OPERATOR)
    async with client.http:
        yield client


@pytest_asyncio.fixture
async def address(world: LedgerWorld, live: LiveLog) -> AsyncIterator[str]:
    """The address of the schema on a real socket."""
    async with served(app_of(world, live)) as address:
        yield address
