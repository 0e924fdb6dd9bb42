"""Object 5 of the devices: the state machine of a firmware update (LwM2M 1.1, E.6), driven through Leshan's REST
API."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.firmware import package, repository
from tests.support.leshan.launch import LeshanServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = "0", "1", "2", "3"
UPDATED, NO_ROOM, CONNECTION_LOST, NOT_WHOLE, NO_PACKAGE, BAD_URI, FAILED, NO_PROTOCOL = "12456789"
ROOM: Final = 4096
PATIENCE: Final = 30
"""Maximum seconds for a call: CoAP retransmits after 2 to 3, 4 to 6, 8 to 12 s."""

_numbers = itertools.count()


PACKAGES: Final = {
    "/good": package("2.0.0"),
    "/torn": package("2.0.0")[:-1],
    "/text": b"<html>",
    "/large": package("2.0.0", b"x" * ROOM),
    "/broken": package("broken-1"),
    "/cut": package("2.0.0"),
}


@pytest.fixture(scope="module")
def packages() -> Iterator[str]:
    """Serve these packages for download; yield their address."""
    with repository(PACKAGES, cut=frozenset({"/cut"})) as url:
        yield url


class Updated:
    """A device during a firmware update, as Leshan sees it."""

    def __init__(self, device: Device, rest: httpx.Client) -> None:
        self.device = device
        self.rest = rest

    def write(self, resource: int, value: str) -> str:
        """Write 5/0/0 (hex) or 5/0/1; return the device's status."""
        node = {"id": resource, "kind": "singleResource", "type": "STRING" if resource else "OPAQUE", "value": value}
        return self._status(self.rest.put(f"/clients/{self.device.name}/5/0/{resource}", json=node))

    def update(self) -> str:
        return self._status(self.rest.post(f"/clients/{self.device.name}/5/0/2"))

    def read(self, path: str) -> str:
        answer: dict[str, Any] = self.rest.get(f"/clients/{self.device.name}{path}").raise_for_status().json()
        value: str = answer["content"]["value"]
        return value

    def state(self) -> tuple[str, str]:
        """Return State and Update Result, read without the network: Leshan cancels a read that is open when the device
        registers again."""
        state, result = (self.device.value(f"/5/0/{each}") or {} for each in (3, 5))
        return state["value"], result["value"]

    async def comes_to(self, state: str, result: str) -> None:
        await eventually(lambda: self.state() == (state, result))

    @staticmethod
    def _status(answer: httpx.Response) -> str:
        status: str = answer.raise_for_status().json()["status"]
        return status


@pytest.fixture
def make(our_leshan: LeshanServer, leshan_devices: Devices) -> Iterator[Callable[..., Updated]]:
    made: list[Device] = []
    with loopback.Client(base_url=our_leshan.url, params={"timeout": PATIENCE}, timeout=60) as rest:

        def updated(**spec: Any) -> Updated:
            name = f"firmware-{next(_numbers)}"
            made.append(leshan_devices.create(name, server=our_leshan.coap_uri, room=ROOM, **spec))
            return Updated(made[-1], rest)

        yield updated
    for device in made:
        device.remove()


async def test_a_whole_update_by_pull(make: Callable[..., Updated], packages: str) -> None:
    one = make()
    first = one.device.registration_id
    assert (one.state(), one.read("/3/0/3")) == ((IDLE, "0"), "1.0.0")
    assert one.update() == "METHOD_NOT_ALLOWED(405)"
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.read("/5/0/7") == "2.0.0"
    assert one.write(1, f"{packages}/broken") == "METHOD_NOT_ALLOWED(405)"

    assert one.update() == "CHANGED(204)"
    await eventually(lambda: one.device.registration_id not in {first, None})
    await one.comes_to(IDLE, UPDATED)
    assert one.read("/3/0/3") == "2.0.0"
    assert [each.path for each in one.device.received(method="EXECUTE")] == ["/5/0/2", "/5/0/2"]
    assert one.update() == "METHOD_NOT_ALLOWED(405)"


async def test_a_whole_update_by_push_over_a_bad_radio(make: Callable[..., Updated]) -> None:
    one = make(radio={"loss": 10, "duplicates": 10, "seed": 2})
    assert one.write(0, PACKAGES["/good"].hex()) == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.update() == "CHANGED(204)"
    await eventually(lambda: one.device.state()["boots"] == 2 and one.device.registration_id is not None)
    await one.comes_to(IDLE, UPDATED)
    assert len(one.device.received(method="EXECUTE")) == 1


async def test_observers_see_each_state(make: Callable[..., Updated], our_leshan: LeshanServer, packages: str) -> None:
    one = make()
    seen: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        url, headers = f"{our_leshan.url}/event", {"Accept": "text/event-stream"}
        with loopback.stream("GET", url, params={"ep": one.device.name}, headers=headers, timeout=30) as stream:
            listening.set()
            for line in stream.iter_lines():
                if '"res":"/5/0/3"' in line:
                    seen.append(line.partition('"value":"')[2][0])
                if "DEREGISTRATION" in line:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    await eventually(listening.is_set)
    one.rest.post(f"/clients/{one.device.name}/5/0/3/observe").raise_for_status()
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await eventually(lambda: seen[-1:] == [DOWNLOADED])
    assert one.update() == "CHANGED(204)"
    thread.join()
    assert seen == [DOWNLOADING, DOWNLOADED, UPDATING]


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("/torn", NOT_WHOLE),
        ("/text", NO_PACKAGE),
        ("/large", NO_ROOM),
        ("/missing", BAD_URI),
        ("/cut", CONNECTION_LOST),
        ("no uri at all", BAD_URI),
        ("http://192.0.2.1/fw", BAD_URI),
        ("https://url.com/fw.bin", NO_PROTOCOL),
        ("coap://127.0.0.1/fw", NO_PROTOCOL),
    ],
)
async def test_a_download_that_fails(make: Callable[..., Updated], packages: str, uri: str, result: str) -> None:
    one = make()
    assert one.write(1, packages + uri if uri.startswith("/") else uri) == "CHANGED(204)"
    await one.comes_to(IDLE, result)
    assert one.update() == "METHOD_NOT_ALLOWED(405)"
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")


async def test_a_failed_update_preserves_the_download(make: Callable[..., Updated]) -> None:
    one = make()
    one.write(0, PACKAGES["/broken"].hex())
    await one.comes_to(DOWNLOADED, "0")
    assert one.update() == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, FAILED)
    assert [one.read(path) for path in ("/3/0/3", "/5/0/3", "/5/0/5")] == ["1.0.0", DOWNLOADED, FAILED]
    assert one.device.state()["boots"] == 1


@pytest.mark.parametrize(("resource", "nothing"), [(0, "00"), (1, "")])
async def test_an_empty_write_resets_the_state_machine(
    make: Callable[..., Updated], resource: int, nothing: str
) -> None:
    one = make()
    one.write(0, PACKAGES["/good"].hex())
    await one.comes_to(DOWNLOADED, "0")
    assert one.write(resource, nothing) == "CHANGED(204)"
    assert one.state() == (IDLE, "0")
    one.write(0, PACKAGES["/torn"].hex())
    await one.comes_to(IDLE, NOT_WHOLE)
    assert one.write(resource, nothing) == "CHANGED(204)"
    assert one.state() == (IDLE, "0")
