"""A whole firmware update of a sleepy device, as a frontend requests and observes it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.api import Api, Subscription, api, live, write
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.firmware import package, repository
from tests.support.leshan.launch import LeshanServer
from tests.support.processes import Processes
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

NAME: Final = "firmware-story"
STATE: Final = "/5/0/3"
DOWNLOADED, UPDATING = "2", "3"
PRESENCE: Final = "query ($name: String!) { endpoint(name: $name) { presence } }"
OPERATION: Final = "query ($id: ID!) { deviceOperation(id: $id) { status reason answer } }"
CHANGES: Final = f"""
subscription {{ resourceChanges(endpoint: "{NAME}", pathPrefix: "{STATE}") {{ resource {{ path value }} }} }}"""


@pytest.fixture
def packages() -> Iterator[str]:
    with repository({"/2.0.0": package("2.0.0")}) as url:
        yield url


@pytest.fixture
def device(production_leshan: LeshanServer, leshan_devices: Devices) -> Iterator[Device]:
    """A device in queue mode, behind a radio that duplicates every datagram; not registered yet."""
    created = leshan_devices.create(
        NAME, queue_mode=True, register=False, server=production_leshan.coap_uri, radio={"duplicates": 100}
    )
    yield created
    created.remove()


async def test_written_observed_executed_and_new_after_the_reboot(
    own_processes: Processes, production_leshan: LeshanServer, device: Device, packages: str
) -> None:
    folder, leshan = own_processes.folder, production_leshan.url.removesuffix("/api")
    serving = own_processes.start("serve", database_url=f"sqlite://{folder / 'reveille.db'}", leshan_url=leshan)
    async with api(serving.url) as client, live(serving.url) as connection:
        changes = await connection.subscribe(CHANGES)
        await eventually(lambda: _subscribed(client), "the subscription is served")
        assert (await asyncio.to_thread(device.register)).ok
        await eventually(lambda: _known(client), "the device is known")

        await client.create(_asked("OBSERVE", STATE), write(NAME, text=f"{packages}/2.0.0"))
        states = await _states(changes, DOWNLOADED)
        assert states == sorted(states, key=int), "idle, downloading, downloaded"

        update, version = await client.create(_asked("EXECUTE", "/5/0/2"), _asked("READ", "/3/0/3"))
        assert await _states(changes, UPDATING) == [UPDATING]
        for op in (update, version):
            await eventually(functools.partial(_ended, client, op), "it ends")
            ended = (await client.ask(OPERATION, id=op))["deviceOperation"]
            assert (ended["status"], ended["reason"]) == ("CONFIRMED", None)
        assert ended["answer"] == {"/3/0/3": "2.0.0"}, "read after the reboot, for the update had ended the turn"
    assert device.state()["boots"] == 2
    assert [one.path for one in device.received(method="EXECUTE")] == ["/5/0/2"]


def _asked(kind: str, path: str) -> dict[str, Any]:
    return {"endpoint": NAME, "kind": kind, "path": path}


async def _subscribed(client: Api) -> bool:
    return await client.subscribers() == 1


async def _known(client: Api) -> bool:
    endpoint = (await client.ask(PRESENCE, name=NAME))["endpoint"]
    return endpoint is not None and endpoint["presence"] == "ONLINE"


async def _ended(client: Api, op: str) -> bool:
    return (await client.ask(OPERATION, id=op))["deviceOperation"]["status"] in {"CONFIRMED", "FAILED"}


async def _states(changes: Subscription, last: str) -> list[str]:
    """Return the states of the update in the order of the notifications, up to this one."""
    states: list[str] = []
    while states[-1:] != [last]:
        states.append(str((await changes.next())["resource"]["value"]))
    return states
