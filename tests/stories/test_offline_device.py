"""An operation waits until its device comes online, is sent then, and shows the device's response."""

from __future__ import annotations

import pytest

from app.domain.enums import Delivery, Presence
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import FIRMWARE, SimulatedWorld

pytestmark = pytest.mark.asyncio


async def test_a_write_for_an_offline_device_is_sent_when_it_is_online(world: SimulatedWorld) -> None:
    await world.provision()
    op = await world.create("WRITE", "/5/0/1", FIRMWARE)
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    assert await world.waits_for(op) == "DEVICE_WAKE"

    await world.wake()
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert world.simulator.value("dev", "/5/0/1") == FIRMWARE
    (call,) = world.received()
    assert (call.method, call.target.partition("?")[0]) == ("PUT", "/api/clients/dev/5/0/1")


async def test_a_write_for_a_known_device_that_went_offline_is_sent_too(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.deregister("dev")
    await world.presence_is("dev", Presence.OFFLINE)
    op = await world.create("WRITE", "/5/0/1", FIRMWARE)
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]

    await world.wake()
    await world.confirmed(op)


async def test_a_device_without_the_object_refuses_and_its_code_is_stored(begin: Begin) -> None:
    async with begin(simulated={"objects": (1, 3)}) as world:
        await world.wake()
        op = await world.create("WRITE", "/5/0/1", FIRMWARE)
        await world.becomes(op, "FAILED", "DEVICE_REFUSED")
        row = await world.operation(op)
        assert row.device_status == "NOT_FOUND(404)"
        assert row.detail == "NOT_FOUND(404)", "this device said no more than its code: then that is the text"
        assert row.delivery is Delivery.ANSWERED
        assert row.attempts == 0, "an answer is no attempt that failed"


async def test_the_text_of_a_refusal_is_stored(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=405, text="not while I am charging"))
    op = await world.create("WRITE", "/5/0/1", FIRMWARE)
    await world.becomes(op, "FAILED", "DEVICE_REFUSED")
    row = await world.operation(op)
    assert (row.device_status, row.detail) == ("METHOD_NOT_ALLOWED(405)", "not while I am charging")


async def test_an_operation_reports_what_it_waits_for(world: SimulatedWorld) -> None:
    await world.asleep()
    first, second = await world.create("READ", "/3/0/0"), await world.create("READ", "/3/0/1")
    assert [await world.waits_for(op) for op in (first, second)] == ["DEVICE_WAKE", "DEVICE_WAKE"]
    world.simulator.behave("dev", Behaviour(delay_ms=500, times=1))
    await world.wake()
    await world.call_is_open()
    assert [await world.waits_for(op) for op in (first, second)] == ["DEVICE_ANSWER", "TURN"]
    await world.confirmed(first, second)
    assert await world.waits_for(first) == "NOTHING"
