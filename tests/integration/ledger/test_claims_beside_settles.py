"""A claim in the commit that ends a call sees the changes of that commit, although the endpoints are not written
yet."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, cast

import pytest

from app.domain.verdicts import Report
from app.models.ledger import (
    Cancel,
    Claim,
    Claimed,
    Create,
    DecodedEvent,
    IngestEvents,
    Ledger,
    PauseDispatch,
    Scope,
    Settle,
)
from app.models.ledger.commands import Command
from app.models.ledger.ledger import Committed
from app.models.ledger.store import Store
from app.models.ledger.stores import open_store
from tests.support.ledger import (
    BUSY,
    REBOOT,
    SILENT,
    SUCCESS,
    UNREACHABLE,
    CountingStore,
    LedgerWorld,
    new,
    registered,
    updated,
)

pytestmark = pytest.mark.asyncio


async def together(ledger: Ledger, *commands: Command[Any]) -> list[Any]:
    """Enqueue commands at once, for one commit; return their results."""
    return list(await asyncio.gather(*(ledger.enqueue(command) for command in commands)))


def claim(slots: int = 10) -> Claim:
    return Claim(slots, str(uuid.uuid4()))


def settle(claimed: Claimed, report: Report = SUCCESS) -> Settle:
    return Settle(claimed.seq, claimed.attempt, report)


async def test_the_next_operation_of_the_same_endpoint_is_claimed(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    _, second, third = await world.create(new("d"), new("d"), new("d", priority=-1))
    _, (claimed,) = await together(world.ledgers[0], settle(await world.claim_one()), claim())
    assert claimed.seq == second
    _, (claimed,) = await together(world.ledgers[0], settle(claimed), claim())
    assert claimed.seq == third
    endpoint = await world.endpoint("d")
    assert (endpoint["lease_operation"], endpoint["sending"], endpoint["confirmed"]) == (third, 1, 2)


@pytest.mark.parametrize("report", [SILENT, BUSY, UNREACHABLE])
async def test_an_endpoint_whose_turn_ended_is_not_claimed(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d"))
    _, claimed = await together(world.ledgers[0], settle(await world.claim_one(), report), claim())
    assert claimed == []


async def test_nothing_is_claimed_for_a_device_that_goes_down(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", *REBOOT), new("d"))
    _, claimed = await together(world.ledgers[0], settle(await world.claim_one()), claim())
    assert claimed == []


@pytest.mark.parametrize("scope", [Scope(), Scope(endpoint="d")])
async def test_a_pause_of_the_same_commit_holds(world: LedgerWorld, scope: Scope) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d"))
    called = await world.claim_one()
    _, _, claimed = await together(world.ledgers[0], PauseDispatch(scope, "tester", "stop"), settle(called), claim())
    assert claimed == []


async def test_a_window_that_is_too_short_is_distinguished(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    world.pass_(87)  # of 90
    _, claimed = await together(world.ledgers[0], Create([new("d", timeout=30)]), claim())
    assert claimed == []
    (short,), claimed = await together(world.ledgers[0], Create([new("d", timeout=2, priority=1)]), claim())
    assert [one.seq for one in claimed] == [short.seq]


async def test_cancels_and_creates_of_the_same_commit_count(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    _, canceled = await world.create(new("d"), new("d"))
    called = await world.claim_one()
    _, (created,), _, claimed = await together(
        world.ledgers[0],
        Cancel(await _id(world, canceled)),
        Create([new("d")]),
        settle(called),
        claim(),
    )
    assert [one.seq for one in claimed] == [created.seq]


async def test_the_freed_slot_is_claimed_within_the_limit(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(max_in_flight=2)
    await empty_world.ingest(*(registered(name) for name in "abc"))
    await empty_world.create(*(new(name) for name in "abc" for _ in range(2)))
    called = await empty_world.claim()
    assert len(called) == 2
    _, claimed = await together(ledger, settle(called[0]), claim())
    assert len(claimed) == 1
    assert (await empty_world.server())["sending"] == 2


async def test_the_order_of_windows_holds_for_loaded_and_queried_endpoints(world: LedgerWorld) -> None:
    await world.ingest(registered("late"))
    await world.create(new("late"), new("late"))
    called = await world.claim_one()
    world.pass_(10)
    await world.ingest(registered("later"))
    await world.create(new("later"))
    _, claimed = await together(world.ledgers[0], settle(called, BUSY), claim(1))
    assert await world.heads(claimed) == ["later"]


async def test_a_commit_contains_one_claim(empty_world: LedgerWorld) -> None:
    """The operations of the first claim are called while the second one is committed."""
    ledger = await empty_world.ledger()
    await empty_world.ingest(*(registered(f"d{number}") for number in range(4)))
    await empty_world.create(*(new(f"d{number}") for number in range(4)))
    commits: list[Committed] = []
    ledger._observe = commits.append
    first, second = await together(ledger, claim(2), claim(2))
    assert (len(first), len(second)) == (2, 2)
    assert [commit.commands for commit in commits] == [1, 1]


async def test_a_commit_that_ends_and_begins_calls_makes_eight_round_trips(empty_world: LedgerWorld) -> None:
    """The number of calls does not matter: each wait is one more round trip in which no call begins."""
    store = CountingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(cast("Store", store))
    names = [f"d{number}" for number in range(40)]
    await empty_world.ingest(*map(registered, names))
    await empty_world.create(*(new(name) for name in names for _ in range(2)))
    called = await empty_world.claim()
    store.asked.clear()
    *_, claimed = await together(ledger, *map(settle, called), claim(40))
    assert len(claimed) == 40
    assert store.asked == [
        *("begin", "fetch", "fetch"),  # clock and heads; the called operations
        *("execute_many", "fetch", "fetch"),  # the ended ones leave; the endpoints to call; their operations
        *("execute_together", "commit"),
    ]


async def test_all_changes_of_one_commit_are_written(world: LedgerWorld) -> None:
    """An endpoint whose registration and presence both change is one row of one statement."""
    await world.ingest(registered("d"), registered("e"))
    await world.create(new("d"), new("e"))
    called = await world.claim()
    *_, (third,) = await together(
        world.ledgers[0],
        IngestEvents([DecodedEvent(updated("d", 2))]),
        *map(settle, called),
        Create([new("d")]),
    )
    assert [row["status"] for row in await world.rows("SELECT status FROM operation ORDER BY seq")] == [
        *("CONFIRMED", "CONFIRMED", "QUEUED"),
    ]
    endpoint, other = await world.endpoint("d"), await world.endpoint("e")
    assert (endpoint["queued"], endpoint["confirmed"], endpoint["leshan_last_update"]) == (1, 1, 2)
    assert (other["queued"], other["confirmed"], other["lease_operation"]) == (0, 1, None)
    assert third.seq == (await world.claim_one()).seq


async def _id(world: LedgerWorld, seq: int) -> str:
    return str((await world.operation(seq))["id"])
