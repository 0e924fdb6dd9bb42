"""While Leshan is down, or accepts and never responds, only sent operations use up attempts; Reveille reports the
outage, and all operations are sent when it ends."""

from __future__ import annotations

import pytest

from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

MANY = tuple(f"dev-{number}" for number in range(8))


async def leshan_is(world: SimulatedWorld, *, well: bool) -> str:
    """Wait until the health checks report this; return their detail."""

    async def so() -> bool:
        return (await world.components.health.checks())["leshan"].ok is well

    await eventually(so, f"Leshan is said to be {'well' if well else 'away'}")
    return (await world.components.health.checks())["leshan"].detail


async def wants(world: SimulatedWorld, kind: str = "WRITE") -> list[int]:
    path, value = ("/3442/0/110", "x") if kind == "WRITE" else ("/3442/0/0", None)
    return await world.create_many([world.wanted(kind, path, value, device=name, timeout=1) for name in MANY])


async def test_leshan_is_down(begin: Begin) -> None:
    async with begin(*MANY) as world:
        await world.wake(*MANY)
        await world.leshan_down()
        ops = await wants(world) + await wants(world, "EXECUTE")
        assert "not called for" in await leshan_is(world, well=False)
        assert await world.waits_for(ops[-1]) == "LESHAN"
        for _ in range(3):
            await world.swept()
        assert {(await world.operation(op)).attempts for op in ops} == {0}

        await world.leshan_up()
        await leshan_is(world, well=True)
        await world.wake(*MANY)
        await world.confirmed(*ops)
        assert {world.simulator.device(name).counters["handedOver"] for name in MANY} == {2}


@pytest.mark.slow
async def test_leshan_accepts_and_never_answers(begin: Begin) -> None:
    """After five passed deadlines in a row over different devices no more is sent; the sent operations may have been
    executed."""
    async with begin(*MANY, leshan_max_in_flight=5) as world:
        await world.wake(*MANY)
        world.simulator.hang()
        ops = await wants(world)
        await leshan_is(world, well=False)
        later = await wants(world, "EXECUTE")
        for _ in range(3):
            await world.swept()
        sent = [name for name in MANY if world.received(name)]
        assert 5 <= len(sent) <= 8
        burnt = [(await world.operation(op)).attempts for op in ops]
        assert burnt == [1 if name in sent[:5] else 0 for name in MANY]
        assert {(await world.operation(op)).attempt for op in later} == {0}

        world.simulator.behave_well()
        await leshan_is(world, well=True)
        await world.wake(*MANY)
        await world.confirmed(*ops, *later)
