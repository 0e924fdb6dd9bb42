"""A wake that arrives while a call is open is not lost."""

from __future__ import annotations

import pytest

from simulator import Behaviour
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

SLOW = Behaviour(delay_ms=25_000, times=1)


@pytest.mark.parametrize("anew", [False, True], ids=["a new port", "a new registration"])
async def test_leshan_cancels_the_open_call_and_it_is_sent_again(world: SimulatedWorld, anew: bool) -> None:
    """500 ``Request cancelled`` arrives together with the event, in any order. The device perhaps executed it, so the
    attempt counts; because of the wake in the meantime it is sent again at once."""
    await world.wake()
    world.simulator.behave("dev", SLOW)
    op = await world.create("WRITE", "/3442/0/110", "twice is as once", timeout=30)
    await world.call_is_open()

    if anew:
        world.simulator.register("dev")
    else:
        world.simulator.wake("dev", new_address=True)
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER", "SENDING", "CONFIRMED"]
    assert (await world.operation(op)).attempts == 1
    assert [one.status for one in world.received()] == [500, 200]


async def test_a_second_wake_during_a_call_sends_nothing_twice(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(delay_ms=600, times=1))
    op = await world.create("WRITE", "/3442/0/110", "x")
    await world.call_is_open()
    for _ in range(5):
        await world.wake()
    await world.confirmed(op)
    await world.settled()
    assert len(world.received()) == 1
