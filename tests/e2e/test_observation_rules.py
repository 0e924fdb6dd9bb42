"""Observation rules with real LwM2M devices over CoAP: the observation is there again by itself, on each server."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pytest

from app.domain.enums import ObservationState, ReadingOrigin
from app.models import tables
from app.models.fields import codes_of
from app.models.ledger import CreateObservationRule, DeleteObservationRule, RuleDefinition
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import Mode, leshan_m4, leshan_server
from tests.support.leshan_world import TEMPERATURE, LeshanWorld
from tests.support.live_log import live_log
from tests.support.waiting import BOUND, eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

Begin = Callable[..., AbstractAsyncContextManager[LeshanWorld]]

SERVERS: Final = {"stock": "our_leshan", "production": "production_leshan", "m4": "leshan_m4_server"}
BATTERY: Final = "/3/0/9"
NOTIFICATION: Final = codes_of(ReadingOrigin)[ReadingOrigin.NOTIFICATION]


@pytest.fixture(params=list(SERVERS.values()), ids=list(SERVERS))
def begin(request: pytest.FixtureRequest, database_url: str, leshan_devices: Devices) -> Begin:
    """Return a function that begins a world on one of the servers."""
    return functools.partial(LeshanWorld.begin, database_url, request.getfixturevalue(request.param), leshan_devices)


def own_name() -> str:
    """Return a device's name that no other test has: a server keeps the registrations of devices that are gone, and a
    rule that matched them would wait for their answers."""
    return f"observed-{uuid.uuid4().hex}"


async def create(world: LeshanWorld, device: str, **more: Any) -> int:
    """Create a rule for the device of this name; return its id."""
    facts: dict[str, Any] = {
        "paths": ("/3303/*/5700",),
        "given_filter": {},
        "criteria": {"names": [device]},
        "composite": False,
        "attributes": {},
        "read_paths": (),
        "enabled": True,
    }
    definition = RuleDefinition(name="climate", **{**facts, **more})
    return await world.components.ledger.submit(CreateObservationRule(definition, "operator"))


async def becomes(world: LeshanWorld, device: Device, state: ObservationState, times: int = 1) -> None:
    """Wait until the observation has the state, and so many OBSERVE have reached the device."""

    async def reached() -> bool:
        row = await tables.Observation.get_or_none(endpoint__name=device.name)
        return row is not None and row.state is state and len(await world.received(device, "OBSERVE")) == times

    await eventually(reached, f"{device.name} is {state} after {times} OBSERVE")


async def each_value_once(world: LeshanWorld, values: list[float]) -> None:
    """The history has each notification once, the newest one is the state, and a subscriber from the start receives
    the same readings."""
    history = await tables.Reading.filter(path=TEMPERATURE).order_by("seq")
    assert [float(row.value) for row in history if row.origin == NOTIFICATION] == values
    state = await tables.ResourceState.get(path=TEMPERATURE)
    assert (state.value, state.seq) == (history[-1].value, history[-1].seq)
    async with asyncio.timeout(BOUND), live_log() as live:
        events = live.resources(path_prefix=TEMPERATURE, after=0)
        received = [(await anext(events)).seq for _ in history]
        await events.aclose()
    assert received == [row.seq for row in history]


async def test_the_observation_is_back_whatever_ended_it(begin: Begin) -> None:
    """Its device registers again from the same port and from another one, sends an update from another port, and is
    rebooted: each time the next value arrives."""
    async with begin() as world:
        await create(world, name := own_name(), attributes={"pmin": 0, "pmax": 3600})
        device = await world.device(name)
        await becomes(world, device, ObservationState.ESTABLISHED)
        await world.notify(device, "20.5")
        await world.register(device)
        await becomes(world, device, ObservationState.ESTABLISHED, 2)
        await world.notify(device, "21.5")
        await world.register(device, new_port=True)
        await becomes(world, device, ObservationState.ESTABLISHED, 3)
        await world.notify(device, "22.5")
        await world.wake(device, new_port=True)
        await becomes(world, device, ObservationState.ESTABLISHED, 4)
        await world.notify(device, "23.5")
        await asyncio.to_thread(device.reboot)
        await becomes(world, device, ObservationState.ESTABLISHED, 5)
        await world.notify(device, "24.5")
        assert len(await world.received(device, "WRITE_ATTRIBUTES")) == 5
        await each_value_once(world, [20.5, 21.5, 22.5, 23.5, 24.5])


async def test_a_sleeping_device_is_observed_at_its_next_registration(begin: Begin) -> None:
    async with begin() as world:
        device = await world.sleeper(name=own_name())
        rule_id = await create(world, device.name, read_paths=(BATTERY,))
        await world.settled()
        assert await world.received(device, "OBSERVE") == []
        await world.register(device)
        await becomes(world, device, ObservationState.ESTABLISHED)
        await world.notify(device, "20.5")
        await world.components.ledger.submit(DeleteObservationRule(rule_id))

        async def canceled() -> bool:
            return (await world.known_row(device)).observations is None

        await eventually(canceled, "the observation is canceled")
        assert len(await world.received(device, "READ")) >= 1


async def test_a_refused_observation_is_shown_and_tried_again(begin: Begin) -> None:
    async with begin() as world:
        device = await world.device(own_name())
        await asyncio.to_thread(device.refuse, "4.05", path=TEMPERATURE, times=1)
        await create(world, device.name)
        await becomes(world, device, ObservationState.REFUSED)
        await world.register(device)
        await becomes(world, device, ObservationState.ESTABLISHED, 2)
        await world.notify(device, "20.5")


@pytest.mark.parametrize("server", ["stock", "production", "production with its data", "m4"])
async def test_the_observation_is_back_after_a_restart_of_leshan(
    database_url: str, leshan_devices: Devices, server: str, tmp_path: Any
) -> None:
    """The server loses its registrations, except for a planned stop in production mode: it keeps them together with
    the observations."""
    keeps = server == "production with its data"
    mode: Mode = "stock" if server == "stock" else "production"
    ours = functools.partial(leshan_server, mode=mode, data=tmp_path if keeps else None)
    start: Any = leshan_m4 if server == "m4" else ours
    with start() as first:
        async with LeshanWorld.begin(database_url, first, leshan_devices) as world:
            await create(world, name := own_name())
            device = await world.device(name)
            await becomes(world, device, ObservationState.ESTABLISHED)
            first.stop()
            with start(http_port=first.http_port, coap_port=first.coap_port):
                await world.listens()
                await world.wake(device)
                await becomes(world, device, ObservationState.ESTABLISHED, 1 if keeps else 2)
                await world.notify(device, "21.5")
