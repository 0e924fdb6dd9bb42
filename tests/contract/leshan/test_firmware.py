"""Object 5 of the devices: the state machine of a firmware update (LwM2M 1.1, E.6), driven through Leshan's REST
API."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.firmware import Repository, package
from tests.support.leshan.launch import LeshanServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

CANCELED, DEFERRED = "10", "11"
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
    "/halved": package("2.0.0", bytes(range(256)) * 8),
    "/half": package("2.0.0", bytes(range(256)) * 8),
}


@pytest.fixture(scope="module")
def files() -> Repository:
    return Repository(PACKAGES, cut=frozenset({"/cut"}), halved=frozenset({"/halved"}))


@pytest.fixture(scope="module")
def packages(files: Repository) -> Iterator[str]:
    """Serve these packages for download; yield their address."""
    with files.serve() as url:
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

    def cancel(self) -> str:
        return self._status(self.rest.post(f"/clients/{self.device.name}/5/0/10"))

    async def booted(self, times: int) -> None:
        """Wait until it has booted so often and its registration after that is answered."""
        await eventually(lambda: self.device.state()["boots"] == times and self.device.registration_id is not None)

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
    await one.booted(2)
    await one.comes_to(IDLE, UPDATED)
    assert len(one.device.received(method="EXECUTE")) == 1


@pytest.mark.parametrize(
    ("behavior", "notified"),
    [
        ({}, [DOWNLOADING, DOWNLOADED, UPDATING]),
        ({"reports": "twice", "download_ms": 1000, "update_ms": 1000}, [*"112233"]),
        ({"reports": "never"}, []),
        ({"report_delay_ms": 200, "download_ms": 1000, "update_ms": 1000}, [*"123"]),
    ],
)
async def test_observers_see_each_state(
    make: Callable[..., Updated],
    our_leshan: LeshanServer,
    packages: str,
    behavior: dict[str, object],
    notified: list[str],
) -> None:
    one = make(firmware=behavior)
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
    await one.comes_to(DOWNLOADED, "0")
    await eventually(lambda: seen.count(DOWNLOADED) == notified.count(DOWNLOADED))
    assert one.update() == "CHANGED(204)"
    await asyncio.to_thread(thread.join)
    assert seen == notified


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


async def test_an_interrupted_download_is_resumed_where_it_ended(
    make: Callable[..., Updated], files: Repository, packages: str
) -> None:
    one = make(firmware={"fault": "connection_lost", "times": 1, "resumes": 1})
    for path in ("/half", "/halved"):  # interrupted by the device, and by the server
        files.ranges.clear()
        assert one.write(1, packages + path) == "CHANGED(204)"
        await one.comes_to(DOWNLOADED, "0")
        assert files.ranges == [(path, None), (path, f"bytes={len(PACKAGES[path]) // 2}-")]
        assert one.write(1, "") == "CHANGED(204)"
    counts = one.device.firmware_counts()
    assert (counts["downloads"], counts["resumed"], counts["applied"]) == (2, 2, {})


async def test_a_package_of_1_mib_is_pushed_and_installed(
    leshan_devices: Devices, production_leshan: LeshanServer
) -> None:
    """Neither the REST API's default limit nor CoAP's limit of a server's values refuses it."""
    whole = package("2.0.0", bytes(range(256)) * 4096)[: 1 << 20]
    line = len(package("2.0.0", b""))
    whole = package("2.0.0", whole[line:])
    assert len(whole) == 1 << 20
    device = leshan_devices.create(f"firmware-{next(_numbers)}", server=production_leshan.coap_uri)
    with loopback.Client(base_url=production_leshan.url, params={"timeout": 60}, timeout=60) as rest:
        one = Updated(device, rest)
        assert one.write(0, whole.hex()) == "CHANGED(204)"
        await one.comes_to(DOWNLOADED, "0")
        assert one.update() == "CHANGED(204)"
        await one.comes_to(IDLE, UPDATED)
        await one.booted(2)
        assert one.read("/3/0/3") == "2.0.0"
    counts = device.firmware_counts()
    assert (counts["pushed"], counts["updates"], counts["applied"]) == (1, 1, {"2.0.0": 1})
    device.remove()


@pytest.mark.parametrize(("delivery", "refused", "delivers"), [("pull", 0, "0"), ("push", 1, "1")])
async def test_the_other_delivery_method_is_refused(
    make: Callable[..., Updated], packages: str, delivery: str, refused: int, delivers: str
) -> None:
    one = make()
    one.device.set_firmware(delivery=delivery)
    assert one.read("/5/0/9") == delivers
    values = (PACKAGES["/good"].hex(), f"{packages}/good")
    assert one.write(refused, values[refused]) == "METHOD_NOT_ALLOWED(405)"
    assert one.write(1 - refused, values[1 - refused]) == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")


async def test_each_failed_delivery_ends_with_its_result_and_the_next_succeeds(
    make: Callable[..., Updated], packages: str
) -> None:
    one = make()
    results = {
        "not_enough_flash": "2",
        "out_of_memory": "3",
        "connection_lost": "4",
        "integrity": "5",
        "unsupported_type": "6",
        "invalid_uri": "7",
    }
    for fault, result in results.items():
        one.device.set_firmware(fault=fault, times=1)
        assert one.write(1, f"{packages}/good") == "CHANGED(204)", fault
        await one.comes_to(IDLE, result)
    one.device.set_firmware(fault="unsupported_protocol", times=1)
    assert one.write(1, f"{packages}/good") == "BAD_REQUEST(400)"
    assert one.state() == (IDLE, NO_PROTOCOL)
    one.device.set_firmware(fault="download_stalls", times=1)
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    assert one.state() == (DOWNLOADING, "0")
    assert one.cancel() == "CHANGED(204)"
    assert one.state() == (IDLE, CANCELED)
    for fault in ("download_lost", "package_lost"):
        one.device.set_firmware(fault=fault, times=1)
        boots = one.device.state()["boots"]
        assert one.write(1, f"{packages}/good") == "CHANGED(204)"
        await one.booted(boots + 1)
        assert one.state() == (IDLE, "0")
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.device.firmware_counts()["applied"] == {}


async def test_each_failed_update_ends_in_its_state_and_the_next_succeeds(
    make: Callable[..., Updated], packages: str
) -> None:
    one = make()
    states = {
        "update_failed": (DOWNLOADED, FAILED),
        "power_cut": (DOWNLOADED, "0"),
        "deferred": (DOWNLOADED, DEFERRED),
        "update_failed_idle": (IDLE, FAILED),
        "power_cut_idle": (IDLE, "0"),
        "old_version": (IDLE, UPDATED),
    }
    for fault, state in states.items():
        one.device.set_firmware(fault=fault, times=1, downloaded_ms=10_000)
        boots = one.device.state()["boots"]
        if one.state()[0] == IDLE:
            assert one.write(1, f"{packages}/good") == "CHANGED(204)", fault
            await one.comes_to(DOWNLOADED, "0")
        assert one.update() == "CHANGED(204)"
        if fault in {"power_cut", "power_cut_idle", "old_version"}:
            await one.booted(boots + 1)
        await one.comes_to(*state)
        assert one.read("/3/0/3") == "1.0.0", fault
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.update() == "CHANGED(204)"
    assert one.write(1, "") == "METHOD_NOT_ALLOWED(405)"
    await one.comes_to(IDLE, UPDATED)
    await one.booted(boots + 2)
    assert one.read("/3/0/3") == "2.0.0"
    counts = one.device.firmware_counts()
    assert (counts["failures"], counts["updates"], counts["applied"]) == (6, 7, {"2.0.0": 1})


async def test_a_device_that_disappears_is_back_on_command(make: Callable[..., Updated], packages: str) -> None:
    one = make(firmware={"fault": "disappears", "times": 1})
    assert one.write(1, f"{packages}/good") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.update() == "CHANGED(204)"
    await eventually(lambda: one.device.state()["hearing"] == "OFF")
    assert one.device.state()["boots"] == 1
    one.device.reboot()
    await one.booted(2)
    await one.comes_to(IDLE, UPDATED)
    assert one.read("/3/0/3") == "2.0.0"
    assert one.device.firmware_counts()["applied"] == {"2.0.0": 1}


async def test_an_update_that_a_reboot_interrupts_is_not_applied_later(
    make: Callable[..., Updated], packages: str
) -> None:
    one = make(firmware={"update_ms": 200})
    for reboots in (True, False):
        assert one.write(1, f"{packages}/good") == "CHANGED(204)"
        await one.comes_to(DOWNLOADED, "0")
        assert one.update() == "CHANGED(204)"
        if reboots:
            one.device.reboot(boot_ms=300)
            assert one.state() == (IDLE, "0")
    await one.comes_to(IDLE, UPDATED)
    assert one.device.firmware_counts()["applied"] == {"2.0.0": 1}
    assert one.device.state()["boots"] == 3
