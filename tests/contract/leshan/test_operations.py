"""Operation of the Leshan server: its metrics and health, its shutdown, and the data that are present after a
restart."""

from __future__ import annotations

import asyncio
import secrets
import signal
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

JSON = {"Accept": "application/json"}


async def test_metrics_report_calls_registrations_and_the_machine(
    production_leshan: LeshanServer, leshan_devices: Devices
) -> None:
    device = leshan_devices.create("measured", server=production_leshan.coap_uri)
    before = await metrics(production_leshan)
    assert (await call(production_leshan, device)).status_code == 200
    assert (await ask(production_leshan, "/api/clients/nobody/3/0/0")).status_code == 400
    after = await metrics(production_leshan)
    for outcome in ("ANSWERED", "NOT_REGISTERED"):
        name = f'leshan_calls_seconds_count{{outcome="{outcome}"}}'
        assert after[name] == before.get(name, 0) + 1
    assert after["leshan_calls_open"] == 0
    assert after["leshan_registrations"] >= 1
    assert after["jvm_threads_live_threads"] > 0
    device.remove(deregister=True)


async def test_a_server_that_works_is_alive_and_ready(production_leshan: LeshanServer) -> None:
    live, ready = [await ask(production_leshan, f"/health/{kind}") for kind in ("live", "ready")]
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": {}})


async def test_a_stopping_server_finishes_open_calls_and_accepts_no_new_ones(leshan_devices: Devices) -> None:
    with leshan_server(mode="production") as server:
        slow = leshan_devices.create("slow", server=server.coap_uri)
        other = leshan_devices.create("other", server=server.coap_uri)
        slow.answer_late(3_000, path="/3")
        open_call = asyncio.create_task(call(server, slow))
        await eventually(lambda: len(slow.received(method="READ")) == 1)
        server.process.process.send_signal(signal.SIGTERM)
        refused = await refusal(server, other)
        assert (refused["code"], refused["delivery"]) == ("SHUTTING_DOWN", "NOT_SENT")
        ready = await ask(server, "/health/ready")
        assert (ready.status_code, list(ready.json()["reasons"])) == (503, ["server"])
        answer = await open_call
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        await asyncio.to_thread(server.process.process.wait, 15)
        assert other.received(method="READ") == []
    slow.remove()
    other.remove()


async def test_a_stopping_server_waits_for_a_device_for_a_limited_time(leshan_devices: Devices) -> None:
    with leshan_server(mode="production", options=["--drain-seconds", 1]) as server:
        silent = leshan_devices.create("silent", server=server.coap_uri)
        silent.never_answer()
        open_call = asyncio.create_task(call(server, silent))
        await eventually(lambda: len(silent.received(method="READ")) == 1)
        server.process.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.process.wait, 15)
        await asyncio.gather(open_call, return_exceptions=True)
    silent.remove()


async def test_credentials_persist_over_a_restart(leshan_devices: Devices, tmp_path: Path) -> None:
    identity, key = "kept-identity", secrets.token_hex(16)
    credential = {"endpoint": "kept", "tls": {"mode": "psk", "details": {"identity": identity, "key": key}}}
    forgotten = {"endpoint": "gone/100%", "tls": {"mode": "x509"}}
    with leshan_server(mode="production", data=tmp_path, options=["--coaps-port", 0]) as server:
        for body in (credential, forgotten):
            assert (await ask(server, "/api/security/clients", "PUT", json=body)).status_code == 200
        assert (await ask(server, "/api/security/clients/gone%2F100%25")).json() == forgotten
        assert (await ask(server, "/api/security/clients/gone%2F100%25", "DELETE")).text == ""
    files = [file for file in tmp_path.iterdir() if key.encode() in file.read_bytes()]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files) != []
    with leshan_server(mode="production", data=tmp_path, options=["--coaps-port", 0]) as server:
        told = (await ask(server, "/api/security/clients")).json()
        assert told == [{"endpoint": "kept", "tls": {"mode": "psk", "details": {"identity": identity}}}]
        device = leshan_devices.create(
            "kept", server=server.coaps_uri, credentials={"psk": {"identity": identity, "key": key}}
        )
        assert device.registration_id is not None
    device.remove()


async def metrics(server: LeshanServer) -> dict[str, float]:
    """Return the samples by name and labels."""
    text = (await ask(server, "/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def call(server: LeshanServer, device: Device) -> httpx.Response:
    return await ask(server, f"/api/clients/{device.name}/3/0/0?timeout=30")


async def refusal(server: LeshanServer, device: Device) -> dict[str, Any]:
    """Return the refusal of a call, once the server has received the signal to stop."""
    while (answer := await call(server, device)).status_code == 200:
        device.reset_received()
    told: dict[str, Any] = answer.json()
    return told


async def ask(server: LeshanServer, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    async with loopback.AsyncClient(timeout=60, headers=JSON) as client:
        return await client.request(method, f"http://127.0.0.1:{server.http_port}{path}", **more)
