"""An endpoint has a maximum of QUEUED operations, over all processes; a mutation that exceeds it creates nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.models.ledger import BeginBatch, ContinueBatch, Create, LimitExceeded, Provision
from app.models.ledger.create import QUEUE_SETTING
from app.settings import variable
from tests.support.ledger import SUCCESS, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio

MOST = 3


@pytest_asyncio.fixture
async def world(empty_world: LedgerWorld) -> LedgerWorld:
    """A world with two processes."""
    for _ in range(2):
        await empty_world.ledger(max_queued=MOST)
    await empty_world.ingest(registered("d"), registered("e"))
    return empty_world


async def refused(world: LedgerWorld, *operations: Any) -> dict[str, Any]:
    """Return the facts of the refusal."""
    with pytest.raises(LimitExceeded) as error:
        await world.create(*operations)
    return error.value.facts


async def queued(world: LedgerWorld, name: str = "d") -> int:
    id_ = (await world.endpoint(name))["id"]
    sql = "SELECT count(*) AS n FROM operation WHERE endpoint_id = $1 AND status = 'QUEUED'"
    return int((await world.row(sql, id_))["n"])


async def test_the_error_names_the_endpoint_and_nothing_is_created(world: LedgerWorld) -> None:
    await world.create(new("d"), new("d"))
    facts = await refused(world, new("e"), new("d"), new("e"), new("d"), new("d"))
    assert facts == {"index": 3, "limit": MOST, "endpoint": "d", "setting": variable("max_queued")}
    assert facts["setting"] == QUEUE_SETTING
    assert (await queued(world), await queued(world, "e")) == (2, 0)
    await world.create(new("d"), new("e"))
    while claimed := await world.claim():
        for one in claimed:
            await world.settle(one, SUCCESS)
    assert await queued(world) == 0, "what was sent makes room"
    await world.create(*(new("d") for _ in range(MOST)))


async def test_concurrent_creations_by_two_processes_do_not_pass_it(world: LedgerWorld) -> None:
    creations = (world.ledgers[n % 2].submit(Create([new("d"), new("e")])) for n in range(10))
    results = await asyncio.gather(*creations, return_exceptions=True)
    assert sum(isinstance(one, LimitExceeded) for one in results) == 10 - MOST, results
    assert (await queued(world), await queued(world, "e")) == (MOST, MOST)


async def test_a_known_key_returns_the_operation_although_the_queue_is_full(world: LedgerWorld) -> None:
    first, *_ = await world.create(new("d", idempotency_key="k"), new("d"), new("d"))
    assert await world.create(new("d", idempotency_key="k")) == [first]
    await refused(world, new("d", idempotency_key="k"), new("d"))


async def test_a_superseding_write_takes_the_place_of_the_older_one(world: LedgerWorld) -> None:
    await world.create(new("d", path="/3/0/15"), new("d"), new("d", path="/3/0/14"))
    await world.create(new("d", path="/3/0/15", supersede=True))
    assert await queued(world) == MOST
    await refused(world, new("d", path="/3/0/13", supersede=True))


async def test_a_batch_passes_over_endpoints_whose_queue_is_full(world: LedgerWorld) -> None:
    await world.create(*(new("d") for _ in range(MOST)))
    ledger = world.ledgers[0]
    batch = await ledger.submit(BeginBatch("night", "{}", "{}", "f", "olga"))
    operations = [new(name, batch="night", fingerprint="f") for name in "de"]
    piece = ContinueBatch(batch, operations, passed_over=0, last_endpoint="e", last=True)
    done = await ledger.submit(piece)
    assert (done.created, done.passed_over) == (1, 1)
    assert (await queued(world), await queued(world, "e")) == (MOST, 1)


async def test_zero_is_no_limit(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(max_queued=0)
    await ledger.submit(Provision("d"))
    await empty_world.create(*(new("d") for _ in range(MOST + 1)))
