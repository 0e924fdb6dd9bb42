"""A separate world for every test; after the test, the invariants are checked in its database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.models.counters import CHECKED, DIFFERENCES
from app.models.invariant_check import violations
from app.models.ledger import open_store
from tests.support.ledger import LedgerWorld
from tests.support.servers.databases import KIND, DatabaseKind
from tests.support.servers.kept_databases import reader_of

# SQLite has no server that could die and no partitions, and PostgreSQL has no file of ours
collect_ignore = (
    ["test_faults.py", "test_reading_partitions.py"] if KIND is DatabaseKind.SQLITE else ["test_sqlite_file.py"]
)


@pytest_asyncio.fixture
async def empty_world(database_url: str) -> AsyncIterator[LedgerWorld]:
    """A world without a ledger: the test starts its own."""
    reader = open_store(database_url, unsafe=True)
    await reader.open()
    world = LedgerWorld(database_url, reader)
    try:
        yield world
        for ledger in world.ledgers:
            await ledger.close()
        kept = reader_of(database_url)
        assert await violations(kept, now=0) == []
        found = await (reader.fetch(DIFFERENCES, 1) if isinstance(kept, str) else kept.execute_query(DIFFERENCES, [1]))
        assert [tuple(row) for row in found if row[0] != CHECKED] == []
    finally:
        await reader.close()


@pytest_asyncio.fixture
async def world(empty_world: LedgerWorld) -> LedgerWorld:
    """A world with one ledger."""
    await empty_world.ledger()
    return empty_world
