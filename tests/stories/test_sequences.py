"""A sequence of operations stops at the first that is not CONFIRMED; a time keeps back one operation and no other."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import SECOND
from app.models.queries import database_now
from simulator import Behaviour, Kind
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

REBOOT = "/3/0/4"
NAME = "/3442/0/110"


async def test_a_refused_write_stops_the_reboot_behind_it(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=405, path=NAME))
    await world.asleep()
    sequence: dict[str, Any] = {"sequence": "apn"}
    read, write, reboot = await world.create_many(
        [
            world.wanted("READ", "/3/0/0", **sequence),
            world.wanted("WRITE", NAME, "x", **sequence),
            world.wanted("EXECUTE", REBOOT, priority=10, **sequence),
        ]
    )
    other = await world.create("READ", "/3/0/1")
    await world.wake()
    await world.becomes(write, "FAILED", "DEVICE_REFUSED")
    await world.becomes(reboot, "CANCELED", "SEQUENCE_STOPPED")
    await world.confirmed(read, other)
    assert await world.transitions(reboot) == ["QUEUED", "CANCELED SEQUENCE_STOPPED"]
    late = await world.create("EXECUTE", REBOOT, **sequence)
    await world.becomes(late, "CANCELED", "SEQUENCE_STOPPED")
    await world.settled()
    assert len(world.received()) == 3


async def test_a_confirmed_write_is_followed_by_the_reboot(world: SimulatedWorld) -> None:
    await world.wake()
    write = await world.create("WRITE", NAME, "x", sequence="apn")
    reboot = await world.create("EXECUTE", REBOOT, priority=10, sequence="apn")
    await world.confirmed(write, reboot)


async def test_an_operation_is_sent_when_its_time_comes_while_the_device_is_awake(world: SimulatedWorld) -> None:
    await world.wake()
    timed = await world.create("WRITE", NAME, "later", not_before=world.clock(await database_now()) + 20 * SECOND)
    plain = await world.create("READ", NAME)
    await world.confirmed(plain)
    assert await world.waits_for(timed) == "NOT_BEFORE"
    await world.settled()
    assert len(world.received()) == 1
    world.move_clock(20)
    await world.confirmed(timed)
    assert len(world.received()) == 2
