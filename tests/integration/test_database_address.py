"""Every part of a PostgreSQL address applies to the connections that read and migrate, as to the ledger's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.models.database import migrate, reading
from app.models.ledger import StoreUnavailable, open_store
from app.models.queries.access import ReadUnavailable, fetch
from tests.faults.proxy import Wire
from tests.support.servers.postgres import PostgresServer

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def address(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A TCP address of a PostgreSQL without TLS."""
    wire = Wire(lambda: asyncio.open_unix_connection(postgres_server.server.folder / ".s.PGSQL.5432"))
    async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"postgres://postgres@127.0.0.1:{port}/postgres?application_name=x"
        await wire.cut()


async def test_a_reader_connects_without_tls_where_the_address_allows_it(address: str) -> None:
    async with reading(f"{address}&sslmode=prefer"):
        (row,) = await fetch("SELECT current_setting('application_name')")
        assert row[0] == "x"


async def test_nothing_connects_without_tls_where_the_address_requires_it(address: str) -> None:
    required = f"{address}&sslmode=require"
    with pytest.raises(ConnectionError, match="SSL"):
        await migrate(required)
    with pytest.raises(StoreUnavailable, match="SSL"):
        await open_store(required).open()
    async with reading(required):
        with pytest.raises(ReadUnavailable, match="SSL"):
            await fetch("SELECT 1")
