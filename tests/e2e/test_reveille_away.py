"""Reveille is stopped while devices go on: our Leshan server keeps what they tell, and tells it when we are back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.clients import Api, api
from tests.e2e.processes import Process, Processes
from tests.e2e.waiting import eventually
from tests.leshan.devices import Device, Devices
from tests.leshan.fixtures import require_java
from tests.leshan.launch import LeshanServer, leshan_server

pytestmark = [pytest.mark.asyncio, pytest.mark.leshan]

TEMPERATURE: Final = "/3303/0/5700"
AWAKE_SECONDS: Final = 6.0
SENDS: Final = 5
CREATE: Final = """
mutation($name: String!) {
  createDeviceOperation(input: {endpoint: $name, kind: READ, path: "/3/0/0", timeoutSeconds: 1}) { operation { id } }
}
"""
STATE: Final = "query($id: ID!) { node(id: $id) { ... on DeviceOperation { status waitingFor } } }"


@pytest.fixture
def port() -> int:
    """Of Reveille, before and after: the Leshan server is told it once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free


@pytest.fixture
def leshan(port: int) -> Iterator[LeshanServer]:
    """A server that posts to Reveille."""
    require_java()
    webhook = f"http://127.0.0.1:{port}/leshan/events"
    with leshan_server(awake_time=AWAKE_SECONDS, options=["--webhook-url", webhook]) as server:
        yield server


async def test_what_devices_told_meanwhile_arrives_once_and_wakes_no_sleeper(
    leshan: LeshanServer, leshan_devices: Devices, own_processes: Processes, port: int, tmp_path: Path
) -> None:
    database = tmp_path / "reveille.db"
    before = _serve(own_processes, leshan, port, database)
    devices = [await _sleeper(leshan_devices, leshan, f"away-{number}") for number in range(3)]
    async with api(before.url) as client:
        await eventually(lambda: _known(client, devices), "the devices are known")
    before.end()

    for device in devices:
        for value in range(SENDS):
            await asyncio.to_thread(device.notify, TEMPERATURE, str(value + 0.5))
            assert (await asyncio.to_thread(device.send, [TEMPERATURE])).ok
        assert (await asyncio.to_thread(device.wake)).ok
        await asyncio.to_thread(device.sleep)
        await asyncio.to_thread(device.reset_received)
    await eventually(lambda: _all_asleep(leshan, devices), "the server takes all as asleep")

    again = _serve(own_processes, leshan, port, database)
    async with api(again.url) as client:
        waiting = [(await client.ask(CREATE, name=device.name))["createDeviceOperation"] for device in devices]
        await eventually(lambda: _delivered(leshan), "the server has told everything")
        for device, created in zip(devices, waiting, strict=True):
            assert _values(database, device) == [value + 0.5 for value in range(SENDS)]
            state = await client.ask(STATE, id=created["operation"]["id"])
            assert state["node"] == {"status": "QUEUED", "waitingFor": "DEVICE_WAKE"}
            assert (await asyncio.to_thread(device.datagrams))["requests"] == 0
        for device, created in zip(devices, waiting, strict=True):
            await asyncio.to_thread(device.wake)
            await eventually(lambda id_=created["operation"]["id"]: _confirmed(client, id_), "it is confirmed")  # type: ignore[misc]
            assert len(await asyncio.to_thread(device.received, method="READ")) == 1


def _serve(processes: Processes, leshan: LeshanServer, port: int, database: Path) -> Process:
    return processes.start(
        "serve",
        port=port,
        database_url=f"sqlite://{database}",
        leshan_url=leshan.url.removesuffix("/api"),
        leshan_events="webhook",
    )


async def _sleeper(devices: Devices, leshan: LeshanServer, name: str) -> Device:
    return await asyncio.to_thread(devices.create, name, server=leshan.coap_uri, queue_mode=True)


async def _known(client: Api, devices: Sequence[Device]) -> bool:
    names = {device.name for device in devices}
    told = await client.ask("{ endpoints(first: 50) { edges { node { name registration { registrationId } } } } }")
    return names <= {edge["node"]["name"] for edge in told["endpoints"]["edges"] if edge["node"]["registration"]}


async def _all_asleep(leshan: LeshanServer, devices: Sequence[Device]) -> bool:
    told: dict[str, Any] = {one["endpoint"]: one for one in await asyncio.to_thread(leshan.clients)}
    return all(told[device.name]["sleeping"] for device in devices)


async def _delivered(leshan: LeshanServer) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        metrics = (await http.get(f"http://127.0.0.1:{leshan.http_port}/metrics")).raise_for_status().text
    return "leshan_outbox_waiting 0.0" in metrics


def _values(database: Path, device: Device) -> list[float]:
    """What the device told, in the order of the log."""
    sql = """
        SELECT change.value FROM resource_change change JOIN endpoint ON endpoint.id = change.endpoint_id
        WHERE endpoint.name = ? AND change.path = ? ORDER BY change.seq
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [float(str(value).strip('"')) for (value,) in connection.execute(sql, (device.name, TEMPERATURE))]


async def _confirmed(client: Api, id_: str) -> bool:
    told = await client.ask(STATE, id=id_)
    return bool(told["node"]["status"] == "CONFIRMED")
