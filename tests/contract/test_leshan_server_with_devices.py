"""Our Leshan server and the LwM2M devices behave as `leshan-server/README.md` specifies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_devices, leshan_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

AWAKE_TIME: Final = 1.0
"""Seconds: short, so that a test can wait for a window's end."""
T = TypeVar("T")

HEARTBEAT: Final = 10.0
"""Seconds between two heartbeats on a quiet event stream."""
EVENT_STREAM: Final = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def server(java: None) -> Iterator[LeshanServer]:
    with leshan_server(mode="stock", awake_time=AWAKE_TIME) as running:
        yield running


@pytest.fixture(scope="module")
def devices(server: LeshanServer) -> Iterator[Devices]:
    with leshan_devices(server.coap_uri) as running:
        yield running


@pytest.fixture
def device(devices: Devices, request: pytest.FixtureRequest) -> Iterator[Device]:
    """Provide a device without queue mode, named after its test."""
    created = devices.create(request.node.name)
    yield created
    created.remove(deregister=True)


class Stream:
    """Events of one client, in the order of their arrival."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    async def until(self, *names: str) -> Any:
        """Wait until these events have arrived in this order, with others allowed between them; return the last one's
        data."""
        await eventually(lambda: self._find(names) is not None)
        return self._find(names)

    def _find(self, names: tuple[str, ...]) -> Any:
        remaining = list(names)
        for name, data in self.events:
            if remaining and name == remaining[0]:
                remaining.pop(0)
                if not remaining:
                    return data
        return None


@asynccontextmanager
async def listening(server: LeshanServer, name: str) -> AsyncIterator[Stream]:
    """Keep the event stream of one client open for the duration of the block."""
    stream = Stream()
    async with (
        loopback.AsyncClient(timeout=httpx.Timeout(10, read=HEARTBEAT * 3)) as client,
        client.stream("GET", f"{server.url}/event", params={"ep": name}, headers=EVENT_STREAM) as response,
    ):
        reader = asyncio.create_task(_read(response, stream))
        try:
            yield stream
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _read(response: httpx.Response, stream: Stream) -> None:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            stream.events.append((name, json.loads(line.removeprefix("data: "))))


async def call(server: LeshanServer, method: str, path: str, node: object | None = None) -> httpx.Response:
    async with loopback.AsyncClient(timeout=30) as client:
        return await client.request(method, f"{server.url}/clients/{path}", json=node)


def text(identifier: int, value: str) -> dict[str, object]:
    return {"kind": "singleResource", "id": identifier, "type": "STRING", "value": value}


def told(run: Callable[[], T]) -> asyncio.Future[T]:
    """Run a device's action in a thread while the event loop continues."""
    return asyncio.get_running_loop().run_in_executor(None, run)


async def asleep(server: LeshanServer, name: str) -> bool:
    sleeping: bool = (await call(server, "GET", name)).json()["sleeping"]
    return sleeping


async def test_the_stream_uses_cr_lf_and_requires_its_accept_header(server: LeshanServer, devices: Devices) -> None:
    async with loopback.AsyncClient(timeout=10) as client:
        assert (await client.get(f"{server.url}/event")).status_code == 405
        async with client.stream("GET", f"{server.url}/event?ep=crlf", headers=EVENT_STREAM) as response:
            created = await told(lambda: devices.create("crlf"))
            chunk = await anext(response.aiter_raw())
        assert chunk.startswith(b'event: REGISTRATION\r\ndata: {"endpoint":"crlf",')
        assert chunk.endswith(b"}\r\n\r\n")
    created.remove()


async def test_the_newest_request_for_a_sleeping_client_is_held(server: LeshanServer, devices: Devices) -> None:
    async with listening(server, "queue") as stream:
        queue = await told(lambda: devices.create("queue", queue_mode=True))
        await stream.until("AWAKE", "REGISTRATION", "SLEEPING")
        first = (await call(server, "PUT", "queue/3442/0/110", text(110, "first"))).json()
        second = (await call(server, "PUT", "queue/3442/0/110", text(110, "second"))).json()
        assert first.keys() == second.keys() == {"ep", "path", "requestId", "delayed"}
        assert queue.received(method="WRITE") == []
        assert (await told(queue.wake)).ok
        answer = await stream.until("SLEEPING", "AWAKE", "UPDATED", "REQUEST_RESPONSE")
        assert answer["requestId"] == second["requestId"]
        assert answer["response"]["status"] == "CHANGED(204)"
        assert [write.value for write in queue.received(method="WRITE")] == ["second"]


async def test_a_silent_client_in_queue_mode_counts_as_asleep_at_once(server: LeshanServer, devices: Devices) -> None:
    async with listening(server, "deaf") as stream:
        deaf = await told(lambda: devices.create("deaf", queue_mode=True))
        await stream.until("REGISTRATION")
        deaf.sleep()
        answer = await call(server, "GET", "deaf/3/0/0?timeout=1")
        assert (answer.status_code, answer.text) == (504, "Request timeout")
        assert await asleep(server, "deaf")
        assert deaf.received() == []
        deaf.notify("/3303/0/5700", "30.5")
        assert (await told(lambda: deaf.send(["/3303/0/5700"]))).ok
        sent = await stream.until("SLEEPING", "SEND")
        assert sent["val"]["/3303/0/5700"]["value"] == "30.5"
        assert await asleep(server, "deaf")
        assert stream.names().count("AWAKE") == 1


async def test_observers_are_notified_also_of_an_equal_value(server: LeshanServer, device: Device) -> None:
    async with listening(server, device.name) as stream:
        assert (await call(server, "POST", f"{device.name}/3303/0/5700/observe")).json()["success"]
        device.notify("/3303/0/5700", "21.5")
        first = await stream.until("NOTIFICATION")
        device.notify("/3303/0/5700", "21.5")
        await stream.until("NOTIFICATION", "NOTIFICATION")
        assert first["res"] == "/3303/0/5700"
        assert first["val"]["value"] == "21.5"


@pytest.mark.parametrize("code", ["4.00", "4.04", "4.05", "4.08", "4.29", "5.00", "5.01", "5.03"])
async def test_a_device_refuses_with_the_configured_code(server: LeshanServer, device: Device, code: str) -> None:
    device.refuse(code, path="/3442/0", text="not now", times=1)
    refused = (await call(server, "PUT", f"{device.name}/3442/0/110", text(110, "x"))).json()
    assert refused["status"].endswith(f"({code.replace('.', '')})")
    assert refused["success"] is False
    assert refused["errormessage"] == "not now"
    accepted = (await call(server, "PUT", f"{device.name}/3442/0/110", text(110, "y"))).json()
    assert accepted["success"] is True
    assert [write.value for write in device.received(method="WRITE")] == ["x", "y"]


async def test_a_silent_device_has_executed_the_request(server: LeshanServer, device: Device) -> None:
    device.never_answer(path="/3442", times=1)
    assert (await call(server, "PUT", f"{device.name}/3442/0/110?timeout=1", text(110, "done"))).status_code == 504
    await eventually(lambda: device.value("/3442/0/110") == text(110, "done"))
    device.never_answer(path="/3442", carry_out=False, times=1)
    assert (await call(server, "PUT", f"{device.name}/3442/0/110?timeout=1", text(110, "not"))).status_code == 504
    await eventually(lambda: len(device.received(method="WRITE")) == 2)
    assert device.value("/3442/0/110") == text(110, "done")


async def test_a_late_answer_is_sent_once_over_all_retransmissions(server: LeshanServer, device: Device) -> None:
    device.answer_late(5_000, path="/3/0/4")
    late = (await call(server, "POST", f"{device.name}/3/0/4?timeout=20")).json()
    assert late["success"] is True
    assert device.datagrams()["requests"] > 1
    assert len(device.received(method="EXECUTE")) == 1


async def test_a_held_request_arrives_when_the_device_receives_again(server: LeshanServer, device: Device) -> None:
    device.sleep(hold=True)
    assert (await call(server, "PUT", f"{device.name}/3442/0/110?timeout=1", text(110, "held"))).status_code == 504
    await eventually(lambda: device.datagrams()["requests"] == 1)
    assert device.received() == []
    device.awake()
    await eventually(lambda: [write.value for write in device.received()] == ["held"])


async def test_a_registration_from_a_new_port_cancels_an_open_call(server: LeshanServer, device: Device) -> None:
    device.never_answer(path="/3")
    open_call = asyncio.create_task(call(server, "GET", f"{device.name}/3/0/0?timeout=30"))
    await eventually(lambda: len(device.received(method="READ")) == 1)
    before = device.state()["port"]
    assert (await told(lambda: device.register(new_port=True))).ok
    answer = await open_call
    assert answer.status_code == 500
    assert answer.text.startswith("Request cancelled: ")
    assert device.state()["port"] != before


async def test_more_open_calls_than_threads_block_no_other_call(server: LeshanServer, devices: Devices) -> None:
    silent = await told(lambda: devices.create_many(f"silent-{number}" for number in range(60)))
    healthy = await told(lambda: devices.create("healthy"))
    for each in silent:
        each.never_answer()
    async with loopback.AsyncClient(timeout=60, limits=httpx.Limits()) as client:
        reads = [
            f"{server.url}/clients/{each.name}/3/0/{resource}?timeout=40" for each in silent for resource in range(5)
        ]
        calls = [asyncio.create_task(client.get(read)) for read in reads]
        await eventually(lambda: sum(len(each.received()) for each in silent) == len(calls))
        assert (await client.get(f"{server.url}/clients/healthy/3/0/0")).json()["success"]
        assert not any(open_call.done() for open_call in calls)
        for open_call in calls:
            open_call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    for each in (*silent, healthy):
        each.remove()


async def test_values_of_64_kib_are_transferred(server: LeshanServer, device: Device) -> None:
    value = "x" * 65_536
    assert (await call(server, "PUT", f"{device.name}/3442/0/110?timeout=20", text(110, value))).json()["success"]
    assert (await call(server, "GET", f"{device.name}/3442/0/110?timeout=20")).json()["content"]["value"] == value


async def test_a_device_without_firmware_object_returns_not_found(server: LeshanServer, devices: Devices) -> None:
    bare = await told(lambda: devices.create("bare", objects=[3]))
    node = text(1, "https://url.com/fw.bin")
    assert (await call(server, "PUT", "bare/5/0/1", node)).json()["status"] == "NOT_FOUND(404)"
    bare.remove()


async def test_a_vanished_device_is_deregistered_when_its_lifetime_expires(
    server: LeshanServer, devices: Devices
) -> None:
    async with listening(server, "mortal") as stream:
        mortal = await told(lambda: devices.create("mortal", lifetime=1))
        mortal.stop()
        await stream.until("REGISTRATION", "DEREGISTRATION")


async def test_after_a_server_restart_a_device_registers_at_its_next_update(devices: Devices) -> None:
    with leshan_server(mode="stock") as first:
        wanderer = await told(lambda: devices.create("wanderer", server=first.coap_uri))
    with leshan_server(mode="stock", http_port=first.http_port, coap_port=first.coap_port) as second:
        assert (await told(wanderer.wake)).operation == "REGISTER"
        await eventually(lambda: [client["endpoint"] for client in second.clients()] == ["wanderer"])
    wanderer.remove()
