"""The whole path with our Leshan server in production mode and real LwM2M devices: Reveille uses its reported
capabilities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio

from app.models import tables
from app.timing import Timing
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer
from tests.support.leshan_world import TEMPERATURE, LeshanWorld
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

COUNT = "/3442/0/3"
"""An executable resource."""


Begin = Callable[..., AbstractAsyncContextManager[LeshanWorld]]


@pytest.fixture
def begin(database_url: str, production_leshan: LeshanServer, leshan_devices: Devices) -> Begin:
    """Return a function that begins a world with the server in production mode, which has reported its
    capabilities."""

    @asynccontextmanager
    async def begun(**settings: Any) -> AsyncIterator[LeshanWorld]:
        async def known() -> bool:
            return (await tables.LeshanServer.get(id=1)).request_ids

        async with LeshanWorld.begin(database_url, production_leshan, leshan_devices, **settings) as world:
            await eventually(known, "the server has reported its capabilities")
            yield world

    return begun


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[LeshanWorld]:
    async with begin() as world:
        yield world


async def test_a_sleeping_device_that_notifies_is_called_at_once(world: LeshanWorld) -> None:
    device = await world.device(queue_mode=True)
    await world.confirmed(await world.create(device, "OBSERVE", TEMPERATURE))
    await world.sleep(device)
    op = await world.create(device, "READ", "/3/0/0")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    await asyncio.to_thread(device.awake)
    await world.notify(device, "21.5")
    await world.confirmed(op)


async def test_a_call_for_a_sleeping_device_is_refused_and_never_held(world: LeshanWorld) -> None:
    device = await world.sleeper()
    op = await world.create(device, "EXECUTE", COUNT)
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    await world.wake(device)
    await world.confirmed(op)
    assert len(await world.received(device, "EXECUTE")) == 1


async def test_the_result_of_a_dead_dispatchers_call_is_reported_as_an_event(world: LeshanWorld) -> None:
    """The event of the result reports it; the lease is far from its end."""
    device = await world.device()

    async def gone(*_: object) -> None:
        return

    with mock.patch("app.dispatcher.runner.Runner._settle", gone):
        op = await world.create(device, "EXECUTE", COUNT)
        await world.confirmed(op)
    assert len(await world.received(device, "EXECUTE")) == 1


async def test_the_result_of_a_dead_dispatchers_call_is_requested(world: LeshanWorld) -> None:
    device = await world.device()

    async def gone(*_: object) -> None:
        return

    with (
        mock.patch("app.dispatcher.runner.Runner._settle", gone),
        mock.patch("app.ingest.late_responses.LateResponses.offer"),
    ):
        op = await world.create(device, "EXECUTE", COUNT, timeout=1)
        await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "SENDING LEASE_LOST", "CONFIRMED"]
    assert len(await world.received(device, "EXECUTE")) == 1


async def test_a_lost_answer_is_fetched(begin: Begin) -> None:
    """Reveille closes the connection after a moment; the device takes longer."""
    async with begin(timing=Timing(response_margin=-4.5)) as world:
        device = await world.device()
        await asyncio.to_thread(device.answer_late, 1_000)
        op = await world.create(device, "EXECUTE", COUNT, timeout=5)
        await world.confirmed(op)
        assert await world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
        assert len(await world.received(device, "EXECUTE")) == 1


async def test_an_endpoint_name_with_a_slash_can_be_called(world: LeshanWorld) -> None:
    device = await world.device(name="plant/7%")
    await world.confirmed(await world.create(device, "READ", "/3/0/0"))
