"""Firmware updates of real LwM2M devices over CoAP: pulled from our own server, pushed block by block, and each failure
of the Firmware Update object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from app.domain.enums import FirmwareMethod
from app.fleet.packages import CreateFirmwarePackage
from app.fleet.updates import UpdateFirmware
from app.models import tables
from tests.support.api import Api, api
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.firmware import package, repository
from tests.support.leshan.launch import LeshanServer
from tests.support.leshan_world import LeshanWorld
from tests.support.ports import free_port
from tests.support.process_fixtures import ProcessesIn
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

MEBIBYTE: Final = 1_048_576
FAST: Final[dict[str, Any]] = {"boot_ms": 200}

ENDS: Final[dict[str, str]] = {
    "power_cut": "SUCCEEDED",
    "power_cut_idle": "SUCCEEDED",
    "connection_lost": "SUCCEEDED",
    "download_lost": "SUCCEEDED",
    "package_lost": "SUCCEEDED",
    "not_enough_flash": "NOT_ENOUGH_FLASH",
    "out_of_memory": "OUT_OF_RAM",
    "integrity": "INTEGRITY_CHECK_FAILED",
    "unsupported_type": "UNSUPPORTED_PACKAGE_TYPE",
    "invalid_uri": "INVALID_URI",
    "unsupported_protocol": "UNSUPPORTED_PROTOCOL",
    "update_failed": "UPDATE_FAILED",
    "update_failed_idle": "UPDATE_FAILED",
    "old_version": "WRONG_VERSION",
}
"""How the update of a device with one failure ends: the device may recover, or its own result is the reason."""


@pytest_asyncio.fixture
async def world(
    database_url: str, production_leshan: LeshanServer, leshan_devices: Devices
) -> AsyncIterator[LeshanWorld]:
    async with LeshanWorld.begin(database_url, production_leshan, leshan_devices) as world:
        yield world


@pytest.fixture(scope="module")
def images() -> Iterator[str]:
    """The address of a server with the images of two versions."""
    with repository({f"/{version}": package(version) for version in ("2.0.0", "3.0.0")}) as url:
        yield url


async def create_package(world: LeshanWorld, version: str, uri: str) -> int:
    command = CreateFirmwarePackage("image", version, uri, None, None, f"key of {version}", "operator")
    return await world.components.ledger.submit(command)


async def update(world: LeshanWorld, device: Device, package_id: int) -> int:
    command = UpdateFirmware(device.name, package_id, FirmwareMethod.PULL, 0, "operator")
    return await world.components.ledger.submit(command)


async def end(id_: int) -> str:
    """Wait for the end of an update; return its reason, or SUCCEEDED."""

    async def ended() -> bool:
        return (await tables.FirmwareUpdate.get(id=id_)).finished_at is not None

    try:
        await eventually(ended)
    except AssertionError:
        row = await tables.FirmwareUpdate.get(id=id_).prefetch_related("endpoint")
        sent = await tables.Operation.filter(fleet_id=id_).order_by("seq")
        steps = [f"{one.kind} {one.path} {one.status}" for one in sent]
        raise AssertionError(f"{row.endpoint.name} is {row.state} ({row.step}), after {steps}") from None
    row = await tables.FirmwareUpdate.get(id=id_)
    return row.reason or str(row.state)


async def test_each_failure_ends_with_its_reason_and_the_next_update_succeeds(world: LeshanWorld, images: str) -> None:
    """All devices at once: one has each failure, one has none, one never reports, and one reports everything twice."""
    behaviors: dict[str, dict[str, Any]] = {fault: {"fault": fault, "times": 1, **FAST} for fault in ENDS}
    behaviors |= {"none": FAST, "reports twice": {"reports": "twice", **FAST}}
    devices = {name: await world.device(firmware=behavior) for name, behavior in behaviors.items()}
    first = await create_package(world, "2.0.0", f"{images}/2.0.0")
    updates = {name: await update(world, device, first) for name, device in devices.items()}
    ends = dict(zip(updates, await asyncio.gather(*map(end, updates.values())), strict=True))
    assert ends == {name: ENDS.get(name, "SUCCEEDED") for name in devices}
    for name, device in devices.items():
        applied = (await asyncio.to_thread(device.firmware_counts))["applied"]
        assert applied.get("2.0.0", 0) == (ends[name] == "SUCCEEDED"), (name, applied)

    for device in devices.values():
        await asyncio.to_thread(device.set_firmware, **FAST)
        await world.register(device)  # those whose installation failed have not rebooted
    second = await create_package(world, "3.0.0", f"{images}/3.0.0")
    again = {name: await update(world, device, second) for name, device in devices.items()}
    ends_again = dict(zip(again, await asyncio.gather(*map(end, again.values())), strict=True))
    assert ends_again == dict.fromkeys(devices, "SUCCEEDED")
    for name, device in devices.items():
        assert (await asyncio.to_thread(device.firmware_counts))["applied"]["3.0.0"] == 1, name
        row = await tables.FirmwareUpdate.filter(endpoint__name=device.name).order_by("-id").first()
        assert row is not None
        assert row.version_after == "3.0.0"
        assert row.version_before == ("2.0.0" if ends[name] == "SUCCEEDED" else row.version_before)


async def test_a_sleeping_device_is_updated_when_it_wakes(world: LeshanWorld, images: str) -> None:
    device = await world.sleeper(firmware={"download_ms": 300, **FAST})
    id_ = await update(world, device, await create_package(world, "2.0.0", f"{images}/2.0.0"))
    assert (await tables.FirmwareUpdate.get(id=id_)).state == "QUEUED"
    await world.wake(device)
    assert await end(id_) == "SUCCEEDED"
    executed = await world.received(device, "EXECUTE")
    assert [one.path for one in executed] == ["/5/0/2"]


# --- packages of our own server

REQUEST: Final = """
mutation($endpoint: String!, $id: ID!, $method: FirmwareMethod!) {
  updateFirmware(endpoint: $endpoint, packageId: $id, method: $method) { id }
}"""
UPDATE: Final = "query($id: ID!) { firmwareUpdate(id: $id) { state reason method versionAfter } }"


@pytest_asyncio.fixture
async def serving(production_leshan: LeshanServer, tmp_path: Path, processes_in: ProcessesIn) -> AsyncIterator[Api]:
    """The API of one process with a store of packages, at the address that devices use."""
    port = free_port()
    with processes_in(tmp_path) as group:
        process = group.start(
            "serve",
            database_url=f"sqlite://{tmp_path / 'reveille.db'}",
            leshan_url=production_leshan.url.removesuffix("/api"),
            port=port,
            firmware_store=str(tmp_path / "packages"),
            firmware_url=f"http://127.0.0.1:{port}",
        )
        async with api(process.url) as client:
            yield client


async def upload(client: Api, content: bytes, version: str) -> str:
    params = {"name": "image", "version": version}
    answer = await client.http.post("/firmware", params=params, content=content)
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


async def updated(client: Api, device: Device, package_id: str, method: str) -> dict[str, Any]:
    """Update a device; return the update at its end."""

    async def known() -> bool:
        query = "query($name: String!) { endpoint(name: $name) { presence } }"
        endpoint = (await client.ask(query, name=device.name))["endpoint"]
        return endpoint is not None and endpoint["presence"] == "ONLINE"

    await eventually(known, "the device is known")
    variables = {"endpoint": device.name, "id": package_id, "method": method}
    id_ = (await client.ask(REQUEST, **variables))["updateFirmware"]["id"]
    state: dict[str, Any] = {}

    async def ended() -> bool:
        state.update((await client.ask(UPDATE, id=id_))["firmwareUpdate"])
        return state["state"] in {"SUCCEEDED", "FAILED", "CANCELED"}

    await eventually(ended, "the update has ended")
    return state


async def test_a_device_pulls_an_uploaded_package_and_resumes_an_interrupted_download(
    serving: Api, production_leshan: LeshanServer, leshan_devices: Devices
) -> None:
    behavior = {"fault": "connection_lost", "times": 1, "resumes": 1, **FAST}
    device = await asyncio.to_thread(
        leshan_devices.create, "pulls-from-us", server=production_leshan.coap_uri, firmware=behavior
    )
    try:
        package_id = await upload(serving, package("2.0.0", bytes(300_000)), "2.0.0")
        state = await updated(serving, device, package_id, "PULL")
        counts = await asyncio.to_thread(device.firmware_counts)
    finally:
        await asyncio.to_thread(device.remove)
    assert (state["state"], state["reason"], state["method"], state["versionAfter"]) == (
        "SUCCEEDED",
        None,
        "PULL",
        "2.0.0",
    )
    assert (counts["downloads"], counts["resumed"], counts["applied"]) == (1, 1, {"2.0.0": 1})


async def test_a_package_of_one_mebibyte_is_pushed_to_a_device(
    serving: Api, production_leshan: LeshanServer, leshan_devices: Devices
) -> None:
    device = await asyncio.to_thread(
        leshan_devices.create, "is-pushed", server=production_leshan.coap_uri, firmware={"delivery": "push", **FAST}
    )
    try:
        header = len(package("2.0.0", b""))
        package_id = await upload(serving, package("2.0.0", bytes(MEBIBYTE - header)), "2.0.0")
        state = await updated(serving, device, package_id, "PULL")
        counts = await asyncio.to_thread(device.firmware_counts)
    finally:
        await asyncio.to_thread(device.remove)
    assert (state["state"], state["reason"], state["method"]) == ("SUCCEEDED", None, "PUSH"), "it supports nothing else"
    assert (counts["pushed"], counts["applied"]) == (1, {"2.0.0": 1})
