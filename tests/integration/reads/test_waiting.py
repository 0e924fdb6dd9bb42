"""What an operation waits for agrees with what the ledger does: what is claimable says CAPACITY, nothing else does."""

from __future__ import annotations

import pytest

from app.domain.words import WaitingFor
from app.models import queries
from app.models.waiting import needs_head, waiting_for
from tests.integration.ledger.kit import (
    REBOOT,
    SILENT,
    SUCCESS,
    UNREACHABLE,
    World,
    delayed,
    new,
    registered,
    updated,
)


async def waits(world: World, seq: int) -> WaitingFor:
    operation = (await queries.operations_by_seq([seq]))[seq]
    endpoint = await queries.endpoint_by_id(operation.endpoint_id)
    assert endpoint is not None
    heads = await queries.heads_of([endpoint.id]) if needs_head(operation, endpoint) else {}
    return waiting_for(operation, endpoint, await queries.server_view(), world.now, heads.get(endpoint.id))


@pytest.mark.asyncio
async def test_a_life(world: World) -> None:
    await world.hear(registered("d"))
    first, second = await world.create(new("d"), new("d", path="/5/0/2"))
    assert await waits(world, first) is WaitingFor.DISPATCHER
    await world.sweep()
    assert (await waits(world, first), await waits(world, second)) == (WaitingFor.CAPACITY, WaitingFor.TURN)
    claimed = await world.claim_one()
    assert (await waits(world, first), await waits(world, second)) == (WaitingFor.DEVICE_ANSWER, WaitingFor.TURN)
    await world.settle(claimed, delayed("r"))
    assert await waits(world, first) is WaitingFor.LESHAN_HOLDS_IT


@pytest.mark.asyncio
async def test_an_unanswered_device_is_waited_for_until_it_wakes(world: World) -> None:
    await world.hear(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(SILENT)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.DEVICE_WAKE
    await world.hear(updated("d", 2))
    assert await waits(world, seq) is WaitingFor.CAPACITY
    world.pass_(120)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.DEVICE_WAKE


@pytest.mark.asyncio
async def test_a_device_without_queue_mode_is_tried_again_after_a_pause(world: World) -> None:
    await world.hear(registered("d", queue_mode=False))
    (seq,) = await world.create(new("d"))
    await world.attempt(SILENT)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.RETRY_DELAY
    world.pass_(31)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.CAPACITY


@pytest.mark.asyncio
async def test_after_a_reboot_the_return_is_waited_for(world: World) -> None:
    await world.hear(registered("d"))
    kind, path = REBOOT
    _, after = await world.create(new("d", kind, path), new("d"))
    await world.attempt(SUCCESS)
    await world.sweep()
    assert await waits(world, after) is WaitingFor.DEVICE_WAKE


@pytest.mark.asyncio
async def test_the_breaker(world: World) -> None:
    await world.hear(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(UNREACHABLE)
    await world.sweep()
    assert await waits(world, seq) is WaitingFor.LESHAN
