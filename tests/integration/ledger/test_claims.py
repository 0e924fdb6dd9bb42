"""The endpoints that may be called now, and their order."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from app.domain.enums import SECOND
from app.models.fields import load_json
from app.models.ledger import Claim
from tests.support.ledger import BUSY, SILENT, SUCCESS, UNREACHABLE, LedgerWorld, new, registered, updated

pytestmark = pytest.mark.asyncio


async def test_one_operation_of_an_endpoint_is_claimed_at_a_time(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d"))
    assert len(await world.claim()) == 1
    assert await world.claim() == []


async def test_higher_priority_is_claimed_first_then_queue_order(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    low, high, second_high = await world.create(new("d"), new("d", priority=5), new("d", priority=5))
    order = []
    for _ in range(3):
        claimed = await world.claim_one()
        order.append(claimed.seq)
        await world.settle(claimed, SUCCESS)
    assert order == [high, second_high, low]


async def test_a_higher_priority_waits_for_the_operation_that_is_sending(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (low,) = await world.create(new("d"))
    sending = await world.claim_one()
    (high,) = await world.create(new("d", priority=10))
    assert await world.claim() == []
    await world.settle(sending, SUCCESS)
    assert (await world.claim_one()).seq == high
    assert await world.status(low) == "CONFIRMED"


async def test_a_failed_head_remains_head_unless_a_higher_priority_arrives(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, _ = await world.create(new("d"), new("d"))
    await world.attempt(SILENT)
    (urgent,) = await world.create(new("d", priority=1))
    await world.ingest(updated("d", 2))
    assert await world.attempt(SUCCESS) == "CONFIRMED"
    assert await world.status(urgent) == "CONFIRMED"
    assert (await world.claim_one()).seq == first


async def test_calls_of_two_processes_together_never_pass_the_limit(empty_world: LedgerWorld) -> None:
    one = await empty_world.ledger(max_in_flight=7)
    two = await empty_world.ledger(max_in_flight=7)
    await empty_world.ingest(*(registered(f"d{n}") for n in range(20)))
    await empty_world.create(*(new(f"d{n}") for n in range(20)))
    taken = await asyncio.gather(*(ledger.submit(Claim(3, str(uuid.uuid4()))) for ledger in (one, two) * 4))
    assert sum(map(len, taken)) == 7
    claimed = [claim for some in taken for claim in some]
    assert len({claim.endpoint_id for claim in claimed}) == 7
    await empty_world.settle(claimed[0], SUCCESS)
    assert len(await empty_world.claim(ledger=two)) == 1


async def test_no_more_operations_are_claimed_than_slots(world: LedgerWorld) -> None:
    await world.ingest(*(registered(f"d{n}") for n in range(5)))
    await world.create(*(new(f"d{n}") for n in range(5)))
    assert len(await world.claim(slots=2)) == 2


async def test_a_lowered_limit_claims_nothing_before_enough_calls_have_ended(empty_world: LedgerWorld) -> None:
    await empty_world.ledger(max_in_flight=4)
    lowered = await empty_world.ledger(max_in_flight=2)
    await empty_world.ingest(*(registered(f"d{n}") for n in range(8)))
    await empty_world.create(*(new(f"d{n}") for n in range(8)))
    assert len(await empty_world.claim()) == 4
    assert await empty_world.claim(ledger=lowered) == []


async def test_silent_endpoints_share_a_quarter_of_the_calls(empty_world: LedgerWorld) -> None:
    await empty_world.ledger(max_in_flight=8)
    silent = [f"s{n}" for n in range(6)]
    await empty_world.ingest(*(registered(name) for name in silent))
    await empty_world.create(*(new(name) for name in silent))
    for claimed in await empty_world.claim():
        await empty_world.settle(claimed, SILENT)
    await empty_world.ingest(*(updated(name, 2) for name in silent), *(registered(f"h{n}") for n in range(20)))
    await empty_world.create(*(new(f"h{n}") for n in range(20)))
    first = await empty_world.heads(await empty_world.claim(slots=4))
    second = await empty_world.heads(await empty_world.claim(slots=4))
    assert sum(name in silent for name in first + second) <= 2
    assert len(first + second) == 8


async def test_the_quarter_of_silent_endpoints_is_at_least_one_call(empty_world: LedgerWorld) -> None:
    await empty_world.ledger(max_in_flight=2)
    await empty_world.ingest(registered("s"))
    await empty_world.create(new("s"))
    await empty_world.attempt(SILENT)
    await empty_world.ingest(updated("s", 2))
    assert len(await empty_world.claim()) == 1


async def test_an_answer_ends_an_endpoints_silence(world: LedgerWorld) -> None:
    await world.ingest(registered("s"))
    await world.create(new("s"))
    await world.attempt(SILENT)
    assert (await world.endpoint("s"))["silent"]
    await world.ingest(updated("s", 2))
    await world.attempt(BUSY)
    assert not (await world.endpoint("s"))["silent"]


async def test_endpoints_whose_window_ends_first_are_claimed_first(world: LedgerWorld) -> None:
    for name, age in (("late", 0), ("early", 60), ("middle", 30)):
        await world.ingest(registered(name, age=age))
        await world.create(new(name))
    assert await world.heads(await world.claim(slots=2)) == ["early", "middle"]


@pytest.mark.parametrize(("seconds", "margin"), [(30, 5), (2, 2)])
async def test_no_call_starts_with_less_than_the_minimum_window(world: LedgerWorld, seconds: int, margin: int) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", timeout=seconds))
    world.now = (await world.endpoint("d"))["awake_until"] - margin * SECOND + 1
    assert await world.claim() == []
    world.now -= 1
    assert len(await world.claim()) == 1


async def test_endpoints_with_nearly_ended_windows_hide_no_others(world: LedgerWorld) -> None:
    """Many devices woke together and did not get their turn: those that wake now are served all the same."""
    ending = [f"e{n:02}" for n in range(40)]
    await world.ingest(*(registered(name) for name in ending))
    await world.create(*(new(name) for name in ending))
    world.pass_(87)
    await world.ingest(registered("fresh"))
    await world.create(new("fresh"))
    assert await world.heads(await world.claim(slots=5)) == ["fresh"]


async def test_an_expired_operation_is_not_claimed_before_the_sweep(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    old, alive = await world.create(new("d", ttl_seconds=5), new("d"))
    world.pass_(6)
    assert (await world.claim_one()).seq == alive
    await world.sweep()
    assert await world.status(old) == "EXPIRED"


async def test_nothing_is_claimed_while_the_breaker_is_open(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"), new("b"))
    one, _ = await world.claim()
    await world.settle(one, UNREACHABLE)
    world.pass_(5)
    assert await world.claim() == []


async def test_an_ended_window_is_not_claimed_although_presence_is_online(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    world.pass_(91)
    assert await world.presence("d") == "ONLINE"
    assert await world.claim() == []


async def test_a_claim_returns_the_facts_that_the_leshan_client_needs(world: LedgerWorld) -> None:
    await world.ingest(registered("d", object_links=[{"url": "/", "attributes": {"ct": "112"}}]))
    operation = new("d")
    await world.create(operation)
    claimed = await world.claim_one()
    assert claimed.request == operation.request
    assert (claimed.id, claimed.attempt) == (operation.id, 1)
    assert load_json(claimed.object_links) == [{"url": "/", "attributes": {"ct": "112"}}]
