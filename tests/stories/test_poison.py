"""An operation that can never succeed ends by itself, and delays no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import WITNESS, SimulatedWorld

pytestmark = pytest.mark.asyncio

OTHERS = ("a", "b", "c", "d")


async def others_are_served(world: SimulatedWorld) -> None:
    await world.confirmed(*[await world.create("READ", "/3/0/0", device=name) for name in OTHERS])
    await world.confirmed(await world.create("WRITE", "/3442/0/110", "x", device=WITNESS))
    assert (await world.components.health.checks())["leshan"].ok


@pytest.mark.parametrize("status", [404, 413])
async def test_an_address_that_is_not_served_ends_as_an_invalid_request(begin: Begin, status: int) -> None:
    """Leshan is probed: it serves other requests well, so this request is the one that it rejects."""
    async with begin("dev", *OTHERS) as world:
        await world.wake("dev", WITNESS, *OTHERS)
        world.simulator.behave("dev", Behaviour(kind=Kind.HTTP, status=status, path="/3442"))
        op = await world.create("WRITE", "/3442/0/110", "poison")
        after = await world.create("READ", "/3/0/0")
        await others_are_served(world)
        await world.becomes(op, "FAILED", "INVALID_REQUEST", attempts=0)
        await world.confirmed(after)
        assert len(world.received()) == 2


async def test_an_answer_that_is_always_an_html_500_uses_up_its_attempts(begin: Begin) -> None:
    async with begin("dev", *OTHERS) as world:
        await world.wake(WITNESS, *OTHERS)
        page = "<html><head><title>Oops</title></head></html>"
        world.simulator.behave("dev", Behaviour(kind=Kind.HTTP, status=500, text=page, path="/3442"))
        await world.asleep()
        op = await world.create("WRITE", "/3442/0/110", "poison")
        after = await world.create("READ", "/3/0/0")
        for attempt in (1, 2):
            await world.wake()
            await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
            await others_are_served(world)
        await world.wake()
        await world.becomes(op, "FAILED", "NO_ANSWER", attempts=3)
        assert (await world.operation(op)).detail == "Oops"
        await world.wake()
        await world.confirmed(after)


async def test_an_operation_with_a_device_error_blocks_only_its_own_instance(
    world: SimulatedWorld,
) -> None:
    """The failing operation needs three wakes, and the others one."""
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=500, path="/3442/0/110"))
    await world.asleep()
    poison = await world.create("WRITE", "/3442/0/110", "poison")
    behind = await world.create("READ", "/3442/0/120")
    others = [await world.create("READ", path) for path in ("/3/0/0", "/3/0/1", "/3303/0/5700")]
    await world.wake()
    await world.confirmed(*others)
    await world.becomes(poison, "QUEUED", "DEVICE_ERROR", attempts=1)
    assert (await world.waits_for(poison), await world.waits_for(behind)) == ("DEVICE_WAKE", "TURN")
    await world.wake()
    await world.becomes(poison, "QUEUED", "DEVICE_ERROR", attempts=2)
    assert await world.transitions(behind) == ["QUEUED"]
    await world.wake()
    await world.becomes(poison, "FAILED", "DEVICE_ERROR", attempts=3)
    await world.confirmed(behind)
    assert len(world.received()) == 3 + len(others) + 1


async def test_a_device_without_queue_mode_continues_after_the_retry(begin: Begin) -> None:
    async with begin("dev", simulated={"queue_mode_share": 0.0, "lifetime_seconds": 86_400}) as world:
        world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=500, times=1))
        await world.wake()
        first = await world.create("READ", "/3/0/0")
        behind = [await world.create("READ", "/3/0/1"), await world.create("READ", "/3303/0/5700")]
        await world.becomes(first, "QUEUED", "DEVICE_ERROR", attempts=1)
        await world.confirmed(behind[1])
        assert (await world.waits_for(first), await world.waits_for(behind[0])) == ("RETRY_DELAY", "TURN")
        world.move_clock(31)
        await world.confirmed(first, *behind)


async def test_composites_never_answered_cost_one_timeout_each(begin: Begin) -> None:
    """Wakaama's example client does this: it only acknowledges the request."""
    async with begin("dev", simulated={"queue_mode_share": 0.0, "lifetime_seconds": 300}) as world:
        world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, method="READ_COMPOSITE"))
        await world.wake()
        await world.confirmed(await world.create("READ", "/3/0/0"))
        wanted = [world.wanted("READ_COMPOSITE", "", timeout=1) for _ in range(2)]
        paths = ("/3/0/0", "/3/0/1")
        composites = [replace(one, request=replace(one.request, path=None, paths=paths)) for one in wanted]
        ops = await world.create_many(composites)
        after = await world.create("READ", "/3/0/1")
        for op in ops:
            await world.becomes(op, "FAILED", "NO_ANSWER", attempts=1)
        await world.confirmed(after)
        assert "READ_COMPOSITE" in str((await world.operation(ops[0])).detail)
