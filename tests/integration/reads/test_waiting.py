"""The condition that an operation waits for agrees with the ledger: claimable operations report CLAIM, and no others
do."""

from __future__ import annotations

import pytest

from app.domain.enums import SECOND, WaitingFor
from app.models import queries
from app.models.waiting import Calls, may_be_full, needs_head, waiting_for
from tests.support.ledger import (
    ERROR,
    REBOOT,
    SILENT,
    SUCCESS,
    UNREACHABLE,
    LedgerWorld,
    delayed,
    new,
    registered,
    updated,
)


async def waits(world: LedgerWorld, seq: int) -> WaitingFor:
    operation = (await queries.operations_by_seq([seq]))[seq]
    endpoint = await queries.endpoint_by_id(operation.endpoint_id)
    assert endpoint is not None
    heads = await queries.heads_of([endpoint.id]) if needs_head(operation, endpoint) else {}
    server = await queries.server_view()
    most = world.ledgers[-1].rules.max_in_flight
    calls = Calls(*await queries.open_calls(), most) if may_be_full(server, most) else None
    return waiting_for(operation, endpoint, server, world.now, heads.get(endpoint.id), calls=calls)


@pytest.mark.asyncio
async def test_each_step_of_an_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = await world.create(new("d"), new("d", path="/5/0/2"))
    assert await waits(world, first) is WaitingFor.DISPATCHER
    await world.sweep()
    assert (await waits(world, first), await waits(world, second)) == (WaitingFor.CLAIM, WaitingFor.TURN)
    claimed = await world.claim_one()
    assert (await waits(world, first), await waits(world, second)) == (WaitingFor.DEVICE_ANSWER, WaitingFor.TURN)
    await world.settle(claimed, delayed("r"))
    assert await waits(world, first) is WaitingFor.LESHAN_HOLDS_IT


@pytest.mark.asyncio
async def test_an_unanswered_device_waits_for_its_wake(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(SILENT)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.DEVICE_WAKE
    await world.ingest(updated("d", 2))
    assert await waits(world, seq) is WaitingFor.CLAIM
    world.pass_(120)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.DEVICE_WAKE


@pytest.mark.asyncio
async def test_a_device_without_queue_mode_is_retried_after_a_pause(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False))
    (seq,) = await world.create(new("d"))
    await world.attempt(SILENT)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.RETRY_DELAY
    world.pass_(31)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.CLAIM


@pytest.mark.asyncio
async def test_after_a_reboot_it_waits_for_the_registration(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    kind, path = REBOOT
    _, after = await world.create(new("d", kind, path), new("d"))
    await world.attempt(SUCCESS)
    await world.sweep()
    assert await waits(world, after) is WaitingFor.DEVICE_WAKE


@pytest.mark.asyncio
async def test_until_its_time_it_waits_for_that_alone(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    timed, behind, free = await world.create(
        new("d", not_before=world.now + 20 * SECOND, sequence="s"), new("d", sequence="s"), new("d")
    )
    await world.sweep()
    expected = [WaitingFor.NOT_BEFORE, WaitingFor.TURN]
    assert [await waits(world, seq) for seq in (timed, behind, free)] == [*expected, WaitingFor.CLAIM]
    await world.attempt(SUCCESS)
    assert [await waits(world, seq) for seq in (timed, behind)] == expected
    world.pass_(20)
    await world.sweep()
    assert [await waits(world, seq) for seq in (timed, behind)] == [WaitingFor.CLAIM, WaitingFor.TURN]


@pytest.mark.asyncio
async def test_the_turn_of_a_silent_device_is_over_whatever_is_created_then(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    await world.attempt(SILENT)
    timed, plain = await world.create(new("d", not_before=world.now + SECOND), new("d"))
    world.pass_(2)
    await world.sweep()
    assert [await waits(world, seq) for seq in (timed, plain)] == [WaitingFor.DEVICE_WAKE] * 2


@pytest.mark.asyncio
async def test_the_breaker(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(UNREACHABLE)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.LESHAN


@pytest.mark.asyncio
async def test_capacity_is_reported_only_where_all_calls_are_open(world: LedgerWorld) -> None:
    await world.ledger(max_in_flight=2)
    names = ("a", "b", "c")
    await world.ingest(*map(registered, names))
    seqs = await world.create(*map(new, names))
    await world.sweep()
    assert [await waits(world, seq) for seq in seqs] == [WaitingFor.CLAIM] * 3
    claimed = await world.claim(2, world.ledgers[-1])
    (left,) = set(seqs) - {claim.seq for claim in claimed}
    assert await waits(world, left) is WaitingFor.CAPACITY
    await world.settle(claimed[0], SUCCESS)
    assert await waits(world, left) is WaitingFor.CLAIM


@pytest.mark.asyncio
async def test_silent_devices_share_a_part_of_the_calls(world: LedgerWorld) -> None:
    await world.ledger(max_in_flight=4)
    await world.ingest(registered("a"), registered("b"))
    first, second = await world.create(new("a"), new("b"))
    for claim in await world.claim():
        await world.settle(claim, SILENT)
    await world.ingest(updated("a", 2), updated("b", 2))
    await world.sweep()
    (claimed,) = await world.claim(4, world.ledgers[-1])
    left = second if claimed.seq == first else first
    assert await waits(world, left) is WaitingFor.CAPACITY


@pytest.mark.asyncio
async def test_a_held_request_waits_for_the_answer_once_the_device_woke(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(delayed("r"))
    assert await waits(world, seq) is WaitingFor.LESHAN_HOLDS_IT
    await world.ingest(updated("d", 2))
    assert await waits(world, seq) is WaitingFor.DEVICE_ANSWER


@pytest.mark.asyncio
async def test_a_waiting_retry_and_the_operations_it_holds_back(world: LedgerWorld) -> None:
    await world.ingest(registered("q"), registered("a", queue_mode=False))
    for name, own in (("q", WaitingFor.DEVICE_WAKE), ("a", WaitingFor.RETRY_DELAY)):
        poison, behind = await world.create(new(name), new(name, path="/5/0/2"))
        await world.attempt(ERROR)
        await world.sweep()
        assert (await waits(world, poison), await waits(world, behind)) == (own, WaitingFor.TURN)
        (free,) = await world.create(new(name, path="/3/0/15"))
        assert [await waits(world, seq) for seq in (poison, behind, free)] == [
            own,
            WaitingFor.TURN,
            WaitingFor.CLAIM,
        ]
        assert await world.attempt(SUCCESS) == "CONFIRMED"
    world.pass_(30)
    await world.sweep()
    assert await waits(world, poison) is WaitingFor.CLAIM
