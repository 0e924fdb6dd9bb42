"""A dispatcher is killed while a device executes its request: another one queries the server for the result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.api import Api, api
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Processes
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java"), pytest.mark.slow]

COUNT: Final = "/3442/0/3"
"""An executable resource."""
LATE_MILLIS: Final = 3_000
STORY: Final = """
query($id: ID!) {
  deviceOperation(id: $id) { status attempts transitions(first: 20) { edges { node { toStatus reason } } } }
}"""


@pytest.fixture
def killed_ones(tmp_path: Path, processes_in: ProcessesIn) -> Iterator[Processes]:
    """Processes whose leases end 3 s after the device's time, so that a test does not wait 15 s for the end of a
    lease."""
    with processes_in(tmp_path) as group:
        yield group


async def test_the_result_of_a_killed_dispatchers_call_is_fetched_not_repeated(
    production_leshan: LeshanServer, leshan_devices: Devices, killed_ones: Processes
) -> None:
    """No event reports the result: the Leshan server posts to no webhook here, and no stream is read."""
    device = await asyncio.to_thread(leshan_devices.create, "killed-over", server=production_leshan.coap_uri)
    await asyncio.to_thread(device.answer_late, LATE_MILLIS)
    settings = {
        "database_url": f"sqlite://{killed_ones.folder / 'reveille.db'}",
        "leshan_url": production_leshan.url.removesuffix("/api"),
        "leshan_events": "webhook",
        "test_margins": "1,2",
    }
    serving = killed_ones.start("api", **settings)
    victim = killed_ones.start("dispatch", **settings)
    async with api(serving.url) as client:
        await _registered(client, production_leshan, device)
        (id_,) = await client.create({"endpoint": device.name, "kind": "EXECUTE", "path": COUNT, "timeoutSeconds": 5})
        await eventually(lambda: _has(device, 1), "the device is at its work")
        victim.kill()
        assert (await _story(client, id_))[-1] == "SENDING", "it was killed before the device had answered"
        killed_ones.start("dispatch", **settings)
        await eventually(lambda: _ended(client, id_), "it has ended")
        assert await _story(client, id_) == ["QUEUED", "SENDING", "SENDING LEASE_LOST", "CONFIRMED"]
    assert await _has(device, 1)


async def _registered(client: Api, leshan: LeshanServer, device: Device) -> None:
    told = next(one for one in await asyncio.to_thread(leshan.clients) if one["endpoint"] == device.name)
    (await client.http.post("/leshan/events", json={"event": "REGISTRATION", "data": told})).raise_for_status()


async def _has(device: Device, times: int) -> bool:
    """Return whether the device received so many executions, by its own record."""
    return len(await asyncio.to_thread(device.received, method="EXECUTE")) == times


async def _story(client: Api, id_: str) -> list[str]:
    told: dict[str, Any] = (await client.ask(STORY, id=id_))["deviceOperation"]
    steps = [edge["node"] for edge in told["transitions"]["edges"]]
    return [" ".join(word for word in (step["toStatus"], step["reason"]) if word) for step in steps]


async def _ended(client: Api, id_: str) -> bool:
    return (await _story(client, id_))[-1].split()[0] in {"CONFIRMED", "FAILED"}
