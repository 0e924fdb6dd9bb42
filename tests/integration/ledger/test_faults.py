"""The database dies under the ledger, and a process freezes while it holds the append lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import asyncpg
import pytest
import pytest_asyncio

from app.models.database import migrate
from app.models.invariant_check import violations
from app.models.ledger import Create, LedgerUnavailable, UnsafeDatabase, open_store
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.postgres_store import _END_SILENT_HOLDER, APPEND_LOCK
from app.models.ledger.store import StoreUnavailable
from tests.support.ledger import LedgerWorld, new, registered
from tests.support.servers.databases import KIND, DatabaseKind
from tests.support.servers.postgres import PostgresServer, postgres

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.database,
    pytest.mark.skipif(KIND is not DatabaseKind.POSTGRES, reason="its own PostgreSQL; Tortoise knows one dialect"),
]


@pytest_asyncio.fixture
async def own() -> AsyncIterator[tuple[LedgerWorld, PostgresServer]]:
    """A world on its own PostgreSQL, which the test may break."""
    with postgres() as server:
        url = await server.create("reveille")
        await migrate(url)
        reader = open_store(url, unsafe=True)
        world = LedgerWorld(url, reader)
        await world.ledger()
        yield world, server
        for ledger in world.ledgers:
            await ledger.close()
        await reader.close()
        server.server.stop()  # the context does not own a server that was started again


async def _backends(server: PostgresServer, verb: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"SELECT {verb}(pid) FROM pg_stat_activity WHERE datname = 'reveille'")  # noqa: S608
    finally:
        await connection.close()


class Slow(Command[None]):
    """A command whose statement takes longer than its limit."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = 0.05

    async def find(self, group: Group) -> None:
        await group.store.fetch("SELECT pg_sleep(600)")


async def test_an_unanswered_statement_discards_its_connection(
    own: tuple[LedgerWorld, PostgresServer],
) -> None:
    world, server = own
    with pytest.raises(LedgerUnavailable, match=r"no answer within"):
        await world.ledgers[0].submit(Slow())
    await world.ingest(registered("d"))
    await _backends(server, "pg_cancel_backend")  # PostgreSQL notices only at its next message that the client is gone
    await world.reader.open()
    assert (await world.row("SELECT count(*) AS n FROM endpoint"))["n"] == 1
    assert await violations(world.url, now=0) == []


async def test_submits_recover_from_ended_sessions_and_are_stored_once(own: tuple[LedgerWorld, PostgresServer]) -> None:
    world, server = own
    await world.ingest(*(registered(f"d{n}") for n in range(5)))
    for _ in range(4):
        waiting = [asyncio.create_task(world.create(new(f"d{n % 5}"))) for n in range(50)]
        await asyncio.sleep(0)
        await _backends(server, "pg_terminate_backend")
        assert len({seq for (seq,) in await asyncio.gather(*waiting)}) == 50
    await world.reader.open()
    assert (await world.row("SELECT count(*) AS n FROM operation"))["n"] == 200
    assert await violations(world.url, now=0) == []


async def test_an_unavailable_server_is_reported_and_nothing_half_stored(
    own: tuple[LedgerWorld, PostgresServer],
) -> None:
    world, server = own
    await world.ingest(registered("d"))
    await world.create(new("d"))
    server.server.kill()
    operations = [new("d"), new("d")]
    with pytest.raises(LedgerUnavailable):
        await world.ledgers[0].submit(Create(operations))


async def test_the_ledger_continues_after_a_restart_of_the_server(
    own: tuple[LedgerWorld, PostgresServer],
) -> None:
    world, server = own
    await world.ingest(registered("d"))
    (before,) = await world.create(new("d"))
    server.server.stop()
    operation = new("d")
    with pytest.raises(LedgerUnavailable):
        await world.ledgers[0].submit(Create([operation]))
    server.restart()
    (created,) = await world.ledgers[0].submit(Create([operation]))
    await world.reader.open()
    assert [row["seq"] for row in await world.rows("SELECT seq FROM operation ORDER BY seq")] == [before, created.seq]
    assert await violations(world.url, now=0) == []


async def test_a_process_frozen_with_the_append_lock_is_ended_soon(
    own: tuple[LedgerWorld, PostgresServer],
) -> None:
    world, _server = own
    await world.ingest(registered("d"))
    frozen = open_store(world.url, unsafe=True)
    await frozen.open()
    await frozen.begin()
    (seq,) = await world.create(new("d"))
    assert seq
    with pytest.raises(StoreUnavailable):
        await frozen.commit()
    await frozen.close()


async def test_a_holder_that_has_just_ended_a_long_statement_is_not_ended(
    own: tuple[LedgerWorld, PostgresServer],
) -> None:
    world, _server = own
    working, other = (open_store(world.url, unsafe=True) for _ in range(2))
    await working.open()
    await other.open()
    await working.begin()
    await working.fetch("SELECT pg_sleep(2.2)")
    await other.execute(_END_SILENT_HOLDER)
    await working.commit()
    for store in (working, other):
        await store.close()


async def test_a_transaction_that_lasted_too_long_is_unavailable(own: tuple[LedgerWorld, PostgresServer]) -> None:
    world, _server = own
    slow = open_store(world.url, unsafe=True)
    await slow.open()
    await slow.execute("SET transaction_timeout = '50ms'")
    await slow.begin()
    with pytest.raises(StoreUnavailable):
        await slow.fetch("SELECT pg_sleep(10)")
    await slow.close()


async def test_every_ledger_transaction_takes_the_append_lock_first(own: tuple[LedgerWorld, PostgresServer]) -> None:
    world, _server = own
    store = open_store(world.url, unsafe=True)
    await store.open()
    await store.begin()
    await world.reader.open()
    (lock,) = await world.rows("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    assert lock["objid"] == APPEND_LOCK
    await store.rollback()
    await store.close()


async def test_a_database_without_durable_commits_is_refused(own: tuple[LedgerWorld, PostgresServer]) -> None:
    world, _server = own
    with pytest.raises(UnsafeDatabase, match="fsync"):
        await open_store(world.url).open()


@pytest.mark.parametrize("address", ["postgres://postgres@127.0.0.1:1/nowhere", "postgres://u@/x?host=/nowhere"])
async def test_a_database_that_cannot_be_reached_is_unavailable(address: str) -> None:
    with pytest.raises(StoreUnavailable):
        await open_store(address).open()


async def test_a_missing_database_is_unavailable(own: tuple[LedgerWorld, PostgresServer]) -> None:
    _world, server = own
    with pytest.raises(StoreUnavailable):
        await open_store(server.url("nowhere"), unsafe=True).open()
