"""No call reaches Leshan for a device that sleeps; when it wakes, all operations are sent in that wake."""

from __future__ import annotations

import pytest

from simulator import Behaviour, Mode
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

TEMPERATURE = "/3303/0/5700"


async def test_an_operation_of_a_sleeping_device_waits_for_its_next_update(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await world.create("WRITE", "/3442/0/110", "later")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    assert world.received() == []

    await world.wake()
    await world.confirmed(op)
    assert world.simulator.value("dev", "/3442/0/110") == "later"


async def test_notifications_and_sends_of_a_sleeping_device_are_no_wake(world: SimulatedWorld) -> None:
    """A stock Leshan considers such a client asleep and would delay or refuse the call."""
    await world.asleep()
    op = await world.create("READ", "/3/0/0")
    for value in ("20.5", "21.5", "22.5"):
        world.simulator.notify("dev", TEMPERATURE, value, anyway=True)
        world.simulator.send("dev", [TEMPERATURE])
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    assert world.received() == []

    await world.wake()
    await world.confirmed(op)


async def test_a_server_that_reports_that_notifications_wake_is_trusted(begin: Begin) -> None:
    async with begin(simulated={"mode": Mode.REVEILLE}, leshan_notifications_wake=True) as world:
        await world.asleep()
        op = await world.create("READ", "/3/0/0")
        await world.settled()
        assert world.received() == []
        world.simulator.deafen("dev", deaf=False)
        world.simulator.notify("dev", TEMPERATURE, "20.5", anyway=True)
        await world.confirmed(op)


async def test_an_operation_for_a_device_that_is_awake_is_sent_at_once(world: SimulatedWorld) -> None:
    await world.wake()
    first = await world.create("READ", "/3/0/0")
    await world.confirmed(first)
    second = await world.create("READ", "/3/0/1")
    await world.confirmed(second)
    row = await world.endpoint()
    assert row is not None
    assert row.wake_seq == 1, "one wake served both"


async def test_more_operations_than_one_window_holds_are_sent_in_one_wake(begin: Begin) -> None:
    """Half of a window of 5 s is usable; six calls of half a second each fit, because every response renews it."""
    async with begin(awake_window=5, simulated={"awake_window_seconds": 5}) as world:
        world.simulator.behave("dev", Behaviour(delay_ms=500))
        await world.wake()
        ops = [await world.create("READ", "/3/0/0", timeout=1) for _ in range(6)]
        await world.confirmed(*ops)
        row = await world.endpoint()
        assert row is not None
        assert row.wake_seq == 1
        assert [one.status for one in world.received()] == [200] * 6


async def test_a_window_ends_by_time_without_an_event(begin: Begin) -> None:
    """SLEEPING may be lost: the sweeper stores the end by the clock, and a claim checks the clock itself."""
    async with begin(awake_window=93) as world:
        await world.wake()
        world.move_clock(91)
        op = await world.create("READ", "/3/0/0")
        await world.settled()
        assert await world.transitions(op) == ["QUEUED"]
        row = await world.endpoint()
        assert row is not None
        assert row.presence == "ASLEEP"
        await world.wake()
        await world.confirmed(op)


async def test_a_lifetime_ends_by_time(begin: Begin) -> None:
    async with begin("dev", simulated={"queue_mode_share": 0.0, "lifetime_seconds": 120}) as world:
        await world.wake()
        world.move_clock(121)
        op = await world.create("READ", "/3/0/0")
        await world.settled()
        assert await world.transitions(op) == ["QUEUED"]
        row = await world.endpoint()
        assert row is not None
        assert row.presence == "OFFLINE"
        await world.wake()
        await world.confirmed(op)
