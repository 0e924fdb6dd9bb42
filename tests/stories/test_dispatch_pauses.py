"""Paused operations are not sent, by any process and across restarts, until the operator resumes them."""

from __future__ import annotations

import pytest

from app.models.ledger import PauseDispatch, ResumeDispatch, Scope
from app.process import Role
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

EVERYTHING, DEVICE = Scope(), Scope(endpoint="dev")


async def pause(world: SimulatedWorld, scope: Scope) -> None:
    await world.components.ledger.submit(PauseDispatch(scope, "olga", "smoke"))


async def resume(world: SimulatedWorld, scope: Scope) -> None:
    await world.components.ledger.submit(ResumeDispatch(scope, "olga"))


async def test_a_paused_endpoint_waits_while_the_others_are_served(world: SimulatedWorld) -> None:
    await world.wake()
    await pause(world, DEVICE)
    op = await world.create("WRITE", "/3442/0/110", "x")
    await world.settled()
    assert await world.waits_for(op) == "PAUSED"
    await world.wake()
    await world.settled()
    assert (await world.transitions(op), world.received()) == (["QUEUED"], [])
    await resume(world, DEVICE)
    await world.confirmed(op)


async def test_the_brake_for_all_stops_every_process_without_a_bus(begin: Begin) -> None:
    """Two processes share only the database, because each has its own bus: as when Redis is away."""
    async with begin("a", "b") as world:
        await world.joined_by(Role.DISPATCH)
        await world.wake("a", "b")
        await pause(world, EVERYTHING)
        ops = [await world.create("READ", "/3/0/0", device=name) for name in ("a", "b") for _ in range(3)]
        for _ in range(4):
            await world.swept()
        assert [await world.waits_for(op) for op in ops] == ["PAUSED"] * len(ops)
        assert not world.received("a") + world.received("b")
        health = (await world.components.health.checks())["pauses"]
        assert (health.ok, "by olga: smoke" in health.detail) == (False, True)
        await resume(world, EVERYTHING)
        await world.confirmed(*ops)
        assert (await world.components.health.checks())["pauses"].ok


async def test_a_pause_outlives_the_process_that_set_it(begin: Begin) -> None:
    async with begin(roles=Role.BRIDGE) as world:
        await world.wake()
        async with world.another(Role.API) as asked:
            await asked.ledger.submit(PauseDispatch(EVERYTHING, "olga", "smoke"))
        op = await world.create("READ", "/3/0/0")
        async with world.another(Role.DISPATCH):
            for _ in range(3):
                await world.swept()
            assert await world.waits_for(op) == "PAUSED"
            await resume(world, EVERYTHING)
            await world.confirmed(op)


async def test_a_paused_operation_expires(world: SimulatedWorld) -> None:
    await world.wake()
    await pause(world, EVERYTHING)
    op = await world.create("READ", "/3/0/0", ttl_seconds=60)
    world.move_clock(61)
    await world.becomes(op, "EXPIRED", "EXPIRED")
    assert world.received() == []
