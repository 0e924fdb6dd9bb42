"""An address with several hosts: one that does not respond hides no other, and all connections follow the primary."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from unittest import mock

import asyncpg
import pytest
import pytest_asyncio

from app.addresses import Host
from app.models import postgres
from app.models.database import has_standbys, reading, server_in_use
from app.models.ledger import StoreUnavailable, open_store
from app.models.postgres import connect, watch_primary
from app.models.primary import NoPrimary, primary_of
from app.models.queries.access import ReadUnavailable, fetch
from tests.faults.proxy import Wire
from tests.support.servers.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


@dataclass
class Hosts:
    """Two ports of one PostgreSQL: a proxy each, which can be made silent."""

    url: str
    wires: list[Wire]
    names: list[str]


@pytest_asyncio.fixture
async def hosts(postgres_server: PostgresServer) -> AsyncIterator[Hosts]:
    async with AsyncExitStack() as stack:
        wires, names = [], []
        for _ in range(2):
            wire = Wire(lambda: asyncio.open_unix_connection(postgres_server.server.folder / ".s.PGSQL.5432"))
            listening = await stack.enter_async_context(await asyncio.start_server(wire.serve, "127.0.0.1", 0))
            wires.append(wire)
            names.append(str(Host(*listening.sockets[0].getsockname())))
        url = f"postgres://postgres@{','.join(names)}/postgres?sslmode=disable"
        yield Hosts(url, wires, names)
        for wire in wires:
            await wire.cut()
            await eventually(lambda one=wire: not one._writers, "its connections have ended")  # type: ignore[misc]


async def test_all_connections_leave_a_host_that_does_not_respond(hosts: Hosts) -> None:
    assert has_standbys(hosts.url)
    store = open_store(hosts.url, unsafe=True)
    await store.open()
    await store.begin()
    await store.rollback()
    async with reading(hosts.url):
        await fetch("SELECT 1")
        (before,) = (name for name in hosts.names if name == server_in_use(hosts.url))
        hosts.wires[hosts.names.index(before)].swallow()
        (after,) = {*hosts.names} - {before}
        with mock.patch.object(postgres, "WATCH_SECONDS", 0.01):
            watch = asyncio.create_task(watch_primary(hosts.url))
            await eventually(lambda: server_in_use(hosts.url) == after, "the other host is found")
            watch.cancel()
        with pytest.raises(StoreUnavailable, match="another server is the primary now"):
            await store.begin()
        assert [tuple(row) for row in await fetch("SELECT 1")] == [(1,)], "by a new connection"
    await store.close()
    await store.open()
    await store.begin()
    await store.close()


async def test_readers_of_several_hosts_cannot_write(hosts: Hosts) -> None:
    async with reading(hosts.url):
        with pytest.raises(Exception, match="read-only transaction"):
            await fetch("CREATE TABLE refused (id int)")


async def test_a_read_only_server_is_used_only_if_the_address_allows_it(
    hosts: Hosts, postgres_server: PostgresServer
) -> None:
    url = await postgres_server.create("closed")
    administrator = await asyncpg.connect(url)
    closed = hosts.url.replace("/postgres?", "/closed?")
    try:
        await administrator.execute("ALTER DATABASE closed SET default_transaction_read_only = on")
        with pytest.raises(NoPrimary, match="it is read-only"):
            await connect(closed, seconds=5)
        async with reading(closed):
            with pytest.raises(ReadUnavailable, match="it is read-only"):
                await fetch("SELECT 1")
        async with reading(f"{closed}&target_session_attrs=primary"):
            await fetch("SELECT 1")
    finally:
        await administrator.close()
        await postgres_server.drop("closed")


async def test_a_role_without_privileges_may_search_for_the_primary(
    hosts: Hosts, postgres_server: PostgresServer
) -> None:
    await postgres_server.fetch("CREATE ROLE plain LOGIN")
    try:
        url = hosts.url.replace("postgres@", "plain@")
        connection = await connect(url, seconds=5)
        assert await connection.fetchval("SELECT current_user") == "plain"
        assert not primary_of(url).has_moved(connection)
        connection.terminate()
    finally:
        await postgres_server.fetch("DROP ROLE plain")


async def test_the_kernel_ends_connections_whose_packets_vanish(hosts: Hosts) -> None:
    connection = await connect(hosts.url.replace(f",{hosts.names[1]}", ""), seconds=5)
    options = connection._transport.get_extra_info("socket")
    assert options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle, interval, tries = (
        options.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}")) for name in ("IDLE", "INTVL", "CNT")
    )
    assert idle + interval * tries <= 10
    assert 0 < options.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 10_000
    connection.terminate()
