"""The whole path with our Leshan server in production mode and real LwM2M devices: Reveille uses its reported
capabilities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from unittest import mock

import pytest
import pytest_asyncio

from app.models import tables
from tests.e2e.road import TEMPERATURE, Road
from tests.leshan.devices import Devices
from tests.leshan.launch import LeshanServer

pytestmark = [pytest.mark.asyncio, pytest.mark.leshan]

COUNT = "/3442/0/3"
"""An executable resource."""


@pytest_asyncio.fixture(loop_scope="session")
async def road(database_url: str, production_leshan: LeshanServer, leshan_devices: Devices) -> AsyncIterator[Road]:
    """The path through the server in production mode, which has reported its capabilities."""
    async with Road.begin(database_url, production_leshan, leshan_devices) as road:

        async def known() -> bool:
            return (await tables.LeshanServer.get(id=1)).request_ids

        await road.eventually(known, "the server was asked what it can")
        yield road


async def test_a_sleeping_device_that_notifies_is_called_at_once(road: Road) -> None:
    device = await road.device(queue_mode=True)
    await road.confirmed(await road.create(device, "OBSERVE", TEMPERATURE))
    await road.sleep(device)
    op = await road.create(device, "READ", "/3/0/0")
    await road.settled()
    assert await road.steps(op) == ["QUEUED"]
    await asyncio.to_thread(device.awake)
    await road.notify(device, "21.5")
    await road.confirmed(op)


async def test_a_call_for_a_sleeping_device_is_refused_and_never_kept(road: Road) -> None:
    device = await road.sleeper()
    op = await road.create(device, "EXECUTE", COUNT)
    await road.settled()
    assert await road.steps(op) == ["QUEUED"]
    await road.wake(device)
    await road.confirmed(op)
    assert len(await road.received(device, "EXECUTE")) == 1


async def test_of_a_dispatcher_that_died_with_its_request_out_the_answer_is_told(road: Road) -> None:
    """The event of the result reports it; the lease is far from its end."""
    device = await road.device()

    async def gone(*_: object) -> None:
        return

    with mock.patch("app.dispatcher.runner.Runner._settle", gone):
        op = await road.create(device, "EXECUTE", COUNT)
        await road.confirmed(op)
    assert len(await road.received(device, "EXECUTE")) == 1


async def test_of_a_dispatcher_that_died_with_its_request_out_the_answer_is_asked_for(road: Road) -> None:
    device = await road.device()

    async def gone(*_: object) -> None:
        return

    with (
        mock.patch("app.dispatcher.runner.Runner._settle", gone),
        mock.patch("app.ingest.late_responses.LateResponses.offer"),
    ):
        op = await road.create(device, "EXECUTE", COUNT, timeout=1)
        await road.confirmed(op)
    assert await road.steps(op) == ["QUEUED", "SENDING", "SENDING LEASE_LOST", "CONFIRMED"]
    assert len(await road.received(device, "EXECUTE")) == 1


async def test_an_answer_that_was_lost_on_the_way_is_fetched(road: Road) -> None:
    """Reveille closes the connection after a moment; the device takes longer."""
    device = await road.device()
    await asyncio.to_thread(device.answer_late, 1_000)
    with mock.patch("app.dispatcher.runner.ANSWER_SECONDS", -4.5):
        op = await road.create(device, "EXECUTE", COUNT, timeout=5)
        await road.confirmed(op)
    assert await road.steps(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert len(await road.received(device, "EXECUTE")) == 1


async def test_a_name_with_a_slash_can_be_asked(road: Road) -> None:
    device = await road.device(name="plant/7%")
    await road.confirmed(await road.create(device, "READ", "/3/0/0"))
