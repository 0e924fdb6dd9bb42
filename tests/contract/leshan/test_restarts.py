"""Devices across a restart of the Leshan server: the state that a planned stop preserves, and their return after a
crash."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

OBSERVED: Final = "/3303/0/5700"
JSON: Final = {"Accept": "application/json"}


class Site:
    """A server that is restarted on the same ports and data, and devices with and without DTLS."""

    def __init__(self, data: Path, devices: Devices) -> None:
        self._data = data
        self._devices = devices
        self._ports: tuple[int, int, int] | None = None

    def server(self) -> AbstractContextManager[LeshanServer]:
        http, coap, coaps = self._ports or (0, 0, 0)
        return leshan_server(data=self._data, http_port=http, coap_port=coap, options=["--coaps-port", coaps])

    def settle(self, server: LeshanServer) -> list[Device]:
        """Record the server's ports and register one device of each kind; the one with DTLS uses queue mode."""
        self._ports = server.http_port, server.coap_port, server.coaps_port
        key = {"identity": "restarted-identity", "key": secrets.token_hex(16)}
        body = {"endpoint": "restarted-psk", "tls": {"mode": "psk", "details": key}}
        assert loopback.put(f"{server.url}/security/clients", json=body).status_code == 200
        return [
            self._devices.create("restarted", server=server.coap_uri, lifetime=300),
            self._devices.create(
                "restarted-psk",
                server=server.coaps_uri,
                lifetime=600,
                queue_mode=True,
                attributes={"at": "60000"},
                credentials={"psk": key},
            ),
        ]


@pytest.fixture
def site(tmp_path: Path, leshan_devices: Devices) -> Iterator[Site]:
    before = {device.id for device in leshan_devices.all()}
    yield Site(tmp_path, leshan_devices)
    for device in leshan_devices.all():
        if device.id not in before:
            device.remove()


async def test_a_planned_restart_preserves_connections_and_observations(site: Site) -> None:
    with site.server() as server:
        devices = await asyncio.to_thread(site.settle, server)
        for device in devices:
            path = f"/clients/{device.name}{OBSERVED}/observe"
            assert (await ask(server, "POST", path)).json()["success"]
        before = registrations(server)
    with site.server() as server:
        assert without_presence(registrations(server)) == without_presence(before)
        plain, secure = devices
        assert (await ask(server, "GET", f"/clients/{plain.name}/3/0/0")).json()["success"]
        # A device in queue mode counts as asleep until it sends a message.
        refused = await ask(server, "GET", f"/clients/{secure.name}/3/0/0")
        assert (refused.status_code, refused.json()["code"]) == (409, "CLIENT_SLEEPING")
        for device in devices:
            woken = await asyncio.to_thread(device.wake)
            assert (woken.operation, woken.code) == ("UPDATE", 204)
        await eventually(lambda: not any(each.get("sleeping") for each in server.clients()), "both count as awake")
        assert (await ask(server, "GET", f"/clients/{secure.name}/3/0/0")).json()["success"]
        headers = {"Accept": "text/event-stream"}
        async with loopback.AsyncClient(timeout=30, headers=headers) as client, events(client, server) as stream:
            for device in devices:
                await asyncio.to_thread(device.notify, OBSERVED, "31.5")
            heard = set[str]()
            async with asyncio.timeout(20):
                async for line in stream.aiter_lines():
                    heard |= {device.name for device in devices if f'"ep":"{device.name}"' in line and "31.5" in line}
                    if len(heard) == len(devices):
                        break


async def test_after_a_crash_devices_make_a_new_handshake_and_register(site: Site) -> None:
    with site.server() as server:
        devices = await asyncio.to_thread(site.settle, server)
        await asyncio.to_thread(kill, server)
    with site.server() as server:
        assert registrations(server) == {}
        for device in devices:
            woken = await asyncio.to_thread(device.wake)
            assert (woken.operation, woken.code) == ("REGISTER", 201)
        await eventually(lambda: set(registrations(server)) == {device.name for device in devices})


async def test_the_saved_state_of_a_planned_stop_is_used_once(site: Site) -> None:
    """A DTLS connection that is restored twice would reuse its nonces."""
    with site.server() as server:
        devices = await asyncio.to_thread(site.settle, server)
    with site.server() as server:
        assert set(registrations(server)) == {device.name for device in devices}
        await asyncio.to_thread(kill, server)
    with site.server() as server:
        assert registrations(server) == {}


def kill(server: LeshanServer) -> None:
    server.process.process.kill()
    server.process.process.wait(10)


def registrations(server: LeshanServer) -> dict[str, dict[str, Any]]:
    return {client["endpoint"]: client for client in server.clients()}


def without_presence(clients: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {key: value for key, value in told.items() if key != "sleeping"} for name, told in clients.items()}


def events(client: httpx.AsyncClient, server: LeshanServer) -> AbstractAsyncContextManager[httpx.Response]:
    return client.stream("GET", f"{server.url}/event")


async def ask(server: LeshanServer, method: str, path: str) -> httpx.Response:
    async with loopback.AsyncClient(timeout=30, headers=JSON) as client:
        return await client.request(method, f"{server.url}{path}")
