"""Operations of a device are sent one at a time and in order, higher priority first; none overtakes an open call, and
none is sent to a device that goes down."""

from __future__ import annotations

import pytest

from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

REBOOT = "/3/0/4"
NAME = "/3442/0/110"


async def order(world: SimulatedWorld, **ops: Op) -> list[str]:
    """Return the names of these operations in the order in which they first arrived."""
    names = {str((await world.operation(op)).id): name for name, op in ops.items()}
    arrived = [names.get((one.request_id or "").partition("/")[0], "?") for one in world.received()]
    return list(dict.fromkeys(arrived))


async def test_a_higher_priority_is_sent_after_the_open_call(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(delay_ms=400, times=1))
    await world.wake()
    first = await world.create("READ", "/3/0/0")
    second = await world.create("READ", "/3/0/1")
    third = await world.create("READ", "/3/0/2")
    await world.call_is_open()
    urgent = await world.create("WRITE", NAME, "now", priority=10)
    assert await world.waits_for(urgent) == "TURN"
    await world.confirmed(first, second, third, urgent)
    assert await order(world, first=first, second=second, third=third, urgent=urgent) == [
        "first",
        "urgent",
        "second",
        "third",
    ]


async def test_a_requeued_operation_stays_head_unless_outranked(
    world: SimulatedWorld,
) -> None:
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    await world.wake()
    first = await world.create("READ", "/3/0/0", timeout=1)
    second = await world.create("READ", "/3/0/1")
    await world.becomes(first, "QUEUED", "NO_ANSWER")
    urgent = await world.create("READ", "/3/0/2", priority=10)
    await world.wake()
    await world.confirmed(first, second, urgent)
    assert await order(world, first=first, second=second, urgent=urgent) == ["first", "urgent", "second"]
    assert [one.target.split("?")[0][-1] for one in world.received()] == ["0", "2", "0", "1"]


async def test_a_write_after_a_reboot_is_received_once_after_the_registration(begin: Begin) -> None:
    async with begin(simulated={"reboot_seconds": None}) as world:
        await world.wake()
        reboot = await world.create("EXECUTE", REBOOT)
        write = await world.create("WRITE", NAME, "after")
        await world.confirmed(reboot)
        await world.settled()
        assert await world.transitions(write) == ["QUEUED"]
        assert len(world.received()) == 1

        world.simulator.register("dev")
        await world.confirmed(write)
        assert len(world.received()) == 2
        assert world.simulator.value("dev", NAME) == "after"


async def test_an_unanswered_reboot_is_not_repeated_and_ends_the_turn(begin: Begin) -> None:
    async with begin(simulated={"reboot_seconds": 0.3}) as world:
        await world.wake()
        world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
        reboot = await world.create("EXECUTE", REBOOT, timeout=1)
        write = await world.create("WRITE", NAME, "after", timeout=1)
        await world.becomes(reboot, "FAILED", "OUTCOME_UNKNOWN")
        await world.wake()
        world.simulator.register("dev")
        await world.confirmed(write)
        assert world.simulator.device("dev").counters["carriedOut"] == 2


async def test_a_device_that_did_not_go_down_is_called_again_a_minute_later(begin: Begin) -> None:
    """An UPDATED right after a reboot may come from before it; one a minute later proves that the device is there."""
    async with begin(simulated={"reboot_seconds": None, "lifetime_seconds": 3600}) as world:
        await world.wake()
        world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
        reboot = await world.create("EXECUTE", REBOOT, timeout=1)
        write = await world.create("WRITE", NAME, "after")
        await world.becomes(reboot, "FAILED", "OUTCOME_UNKNOWN")
        await world.wake()
        await world.settled()
        assert await world.transitions(write) == ["QUEUED"]
        world.move_clock(61)
        await world.wake()
        await world.confirmed(write)


async def test_a_ttl_that_ends_while_sending_waits_for_the_result(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    await world.wake()
    op = await world.create("WRITE", NAME, "x", timeout=4, ttl_seconds=6)
    await world.call_is_open()
    world.move_clock(7)
    await world.settled()
    assert await world.transitions(op) == ["QUEUED", "SENDING"]
    await world.becomes(op, "EXPIRED", "EXPIRED")
    assert await world.transitions(op) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER", "EXPIRED EXPIRED"]


async def test_a_result_after_the_ttl_counts(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(delay_ms=1_500, times=1))
    await world.wake()
    op = await world.create("WRITE", NAME, "x", ttl_seconds=6)
    await world.call_is_open()
    world.move_clock(7)
    await world.confirmed(op)


async def test_a_ttl_that_ends_in_the_queue_expires_the_operation(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await world.create("WRITE", NAME, "x", ttl_seconds=60)
    world.move_clock(61)
    await world.becomes(op, "EXPIRED", "EXPIRED")
    await world.wake()
    await world.settled()
    assert world.received() == []


async def test_a_newer_write_supersedes_older_ones(world: SimulatedWorld) -> None:
    await world.asleep()
    old = [await world.create("WRITE", NAME, value) for value in ("1", "2")]
    other = await world.create("WRITE", "/3/0/14", "+02:00")
    new = await world.create("WRITE", NAME, "3", supersede=True)
    for op in old:
        await world.becomes(op, "CANCELED", "SUPERSEDED")
    await world.wake()
    await world.confirmed(new, other)
    assert len(world.received()) == 2
    assert world.simulator.value("dev", NAME) == "3"


async def test_a_superseded_write_that_is_sending_ends_if_it_is_requeued(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    await world.wake()
    old = await world.create("WRITE", NAME, "old", timeout=1)
    await world.call_is_open()
    new = await world.create("WRITE", NAME, "new", supersede=True)
    await world.becomes(old, "CANCELED", "SUPERSEDED")
    assert await world.transitions(old) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER", "CANCELED SUPERSEDED"]
    await world.wake()
    await world.confirmed(new)
    assert len(world.received()) == 2


async def test_a_superseded_write_that_is_sending_and_answered_is_confirmed(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(delay_ms=300, times=1))
    await world.wake()
    old = await world.create("WRITE", NAME, "old")
    await world.call_is_open()
    new = await world.create("WRITE", NAME, "new", supersede=True)
    await world.confirmed(old, new)
    assert world.simulator.value("dev", NAME) == "new"
