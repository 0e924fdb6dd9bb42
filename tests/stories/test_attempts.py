"""An attempt counts only when the device may have received the request, and the next attempt waits for a wake."""

from __future__ import annotations

import pytest

from app.domain.enums import Presence
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

SILENT = Behaviour(kind=Kind.SILENT)
TEMPERATURE = "/3303/0/5700"


async def unanswered(world: SimulatedWorld, attempt: int) -> Op:
    """Make the device silent; return an operation that it has left unanswered so many times."""
    world.simulator.behave("dev", SILENT)
    op = await world.create("WRITE", "/3442/0/110", "x", timeout=1)
    for number in range(1, attempt + 1):
        await world.wake()
        await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=number)
    return op


async def test_three_unanswered_attempts_over_three_updates_fail(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await unanswered(world, attempt=2)
    await world.wake()
    await world.becomes(op, "FAILED", "NO_ANSWER", attempts=3)
    again = ["SENDING", "QUEUED NO_ANSWER"]
    assert await world.transitions(op) == ["QUEUED", *again, *again, "SENDING", "FAILED NO_ANSWER"]
    assert len(world.received()) == 3


async def test_one_wake_is_one_attempt(world: SimulatedWorld) -> None:
    """Notifications, a duplicate UPDATED and new operations are not wakes."""
    await world.asleep()
    op = await unanswered(world, attempt=1)
    updated = world.published("UPDATED")
    for _ in range(2):
        await world.post_event("UPDATED", updated, ordered=True)
        await world.post_event("UPDATED", updated)
        world.simulator.notify("dev", TEMPERATURE, "20.5", anyway=True)
        world.simulator.send("dev", [TEMPERATURE])
    later = [await world.create("READ", "/3/0/0") for _ in range(3)]
    await world.settled()
    await world.settled()
    assert await world.transitions(op) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER"]
    assert [await world.transitions(other) for other in later] == [["QUEUED"]] * 3, "nobody overtakes"
    assert len(world.received()) == 1

    world.simulator.behave_well()
    await world.wake()
    await world.confirmed(op, *later)


async def test_being_offline_counts_no_attempt(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await unanswered(world, attempt=1)
    world.simulator.deregister("dev")
    await world.presence_is("dev", Presence.OFFLINE)
    for _ in range(3):
        world.move_clock(3600)
        await world.settled()
    assert (await world.operation(op)).attempts == 1
    assert len(world.received()) == 1

    world.simulator.behave_well()
    await world.wake()
    await world.confirmed(op)
    assert (await world.operation(op)).attempts == 1


async def test_an_attempt_that_was_not_sent_does_not_count(world: SimulatedWorld) -> None:
    """Leshan reports that the client is not registered, sleeps, or is not connected: the operation waits, however often
    this happens."""
    await world.asleep()
    op = await world.create("WRITE", "/3442/0/110", "x")
    for kind, reason in (
        (Kind.NOT_REGISTERED, "NOT_REGISTERED"),
        (Kind.SLEEPING, "DEVICE_ASLEEP"),
        (Kind.NOT_CONNECTED, "DEVICE_ASLEEP"),
        (Kind.UNSENDABLE, "DEVICE_ASLEEP"),
    ):
        world.simulator.behave("dev", Behaviour(kind=kind, times=1))
        await world.wake()
        await world.becomes(op, "QUEUED", reason, attempts=0)
        await world.settled()
        assert (await world.operation(op)).reason == reason, "not tried again before the next wake"
    await world.wake()
    await world.confirmed(op)
    assert world.simulator.device("dev").counters["handedOver"] == 1


async def test_a_device_without_queue_mode_is_retried_after_a_pause(begin: Begin) -> None:
    """The device has no wake to wait for: the retries follow 30 s and 2 minutes later."""
    async with begin("dev", simulated={"queue_mode_share": 0.0, "lifetime_seconds": 3600}) as world:
        await world.wake()
        world.simulator.behave("dev", SILENT)
        op = await world.create("WRITE", "/3442/0/110", "x", timeout=1)
        for number, pause in ((1, 30), (2, 120)):
            await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=number)
            await world.settled()
            assert len(world.received()) == number
            world.move_clock(pause)
        await world.becomes(op, "FAILED", "NO_ANSWER", attempts=3)


async def test_an_operation_has_its_own_maximum_of_attempts(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", SILENT)
    op = await world.create("READ", "/3/0/0", timeout=1, max_attempts=1)
    await world.becomes(op, "FAILED", "NO_ANSWER", attempts=1)
