"""A world whose database is open for reading, its own live log, and the schema over both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from app.models.live import LiveLog
from tests.integration.ledger.kit import World
from tests.integration.reads.following import live_log, readable_world
from tests.integration.schema.kit import Api, app_of, served


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with readable_world(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def live(world: World) -> AsyncIterator[LiveLog]:
    async with live_log() as made:
        yield made


@pytest_asyncio.fixture
async def api(world: World, live: LiveLog) -> AsyncIterator[Api]:
    """A client of the schema, without a socket."""
    transport = httpx.ASGITransport(app=app_of(world, live))
    async with httpx.AsyncClient(transport=transport, base_url="http://reveille") as client:
        yield Api(client)


@pytest_asyncio.fixture
async def address(world: World, live: LiveLog) -> AsyncIterator[str]:
    """The address of the schema on a real socket."""
    async with served(app_of(world, live)) as address:
        yield address
