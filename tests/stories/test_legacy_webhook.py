"""A Leshan server that posts the older webhook form, unordered and with few facts, is supported as well."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.enums import Presence
from simulator import Mode
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

REGISTERED, UNREGISTERED, UPDATED = 0, 1, 2
FIRST, SECOND = 1_790_000_000_000, 1_790_000_060_000
"""Dates of two registrations."""


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[SimulatedWorld]:
    """A world without an event stream, whose Leshan refuses to call a sleeping device, as 2.0.0-M15 does."""
    async with begin(leshan_events="webhook", simulated={"mode": Mode.M16}) as world:
        yield world


async def says(world: SimulatedWorld, what: int, date: int = FIRST) -> None:
    """Post one of the older form's registration events: object 10240."""
    node = {"kind": "singleResource", "id": what, "type": "TIME", "value": date}
    await world.post_legacy("single", {"ep": "dev", "obj_id": 10_240, "val": node})


async def wakes(world: SimulatedWorld, what: int = UPDATED, date: int = FIRST) -> None:
    """Wake the device, and post the server's event."""
    world.simulator.wake("dev")
    await says(world, what, date)


async def turn(world: SimulatedWorld) -> None:
    """Wait until new operations have been considered: the sweeper has run, and the dispatcher polls as often."""
    for _ in range(5):
        await world.swept()


async def test_every_update_is_a_wake_although_all_are_alike(world: SimulatedWorld) -> None:
    await wakes(world, REGISTERED)
    world.simulator.sleep("dev")
    op = await world.create("WRITE", "/3442/0/110", "x")
    await world.becomes(op, "QUEUED", "DEVICE_ASLEEP", attempts=0)
    await wakes(world)
    await world.confirmed(op)
    row = await world.endpoint()
    assert row is not None
    assert row.wake_seq == 2


async def test_an_update_that_arrives_late_costs_one_refused_call(world: SimulatedWorld) -> None:
    """This form contains no time of the event, so its arrival counts: Leshan itself reports that the device sleeps, and
    no attempt counts."""
    await wakes(world, REGISTERED)
    world.simulator.sleep("dev")
    await says(world, UPDATED)
    op = await world.create("WRITE", "/3442/0/110", "x")
    await world.becomes(op, "QUEUED", "DEVICE_ASLEEP", attempts=0)
    await turn(world)
    assert [one.status for one in world.received()] == [400]
    await wakes(world)
    await world.confirmed(op)


async def test_the_unregister_event_of_an_old_registration_changes_nothing(world: SimulatedWorld) -> None:
    await wakes(world, REGISTERED, FIRST)
    await says(world, REGISTERED, SECOND)
    await says(world, UNREGISTERED, FIRST)
    await world.presence_is("dev", Presence.ONLINE)
    await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_an_unregister_event_before_the_registration_shows_no_offline(world: SimulatedWorld) -> None:
    await wakes(world, REGISTERED, FIRST)
    await says(world, UNREGISTERED, FIRST)
    await world.presence_is("dev", Presence.OFFLINE)
    await says(world, REGISTERED, SECOND)
    await world.presence_is("dev", Presence.ONLINE)
    await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_a_device_becomes_offline_only_by_its_unregister_event(world: SimulatedWorld) -> None:
    """No lifetime is reported, so none expires."""
    await wakes(world, REGISTERED)
    world.move_clock(3 * 24 * 3600)
    await world.presence_is("dev", Presence.ASLEEP)
    await turn(world)
    await world.presence_is("dev", Presence.ASLEEP)
    await says(world, UNREGISTERED)
    await world.presence_is("dev", Presence.OFFLINE)


async def test_an_update_of_an_unknown_device_registers_it(world: SimulatedWorld) -> None:
    await wakes(world, UPDATED)
    await world.confirmed(await world.create("READ", "/3/0/0"))
