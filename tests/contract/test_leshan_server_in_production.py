"""Our Leshan server's REST API where production mode has more than the stock one: errors, names, pages, limits."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]


@pytest_asyncio.fixture(loop_scope="function")
async def rest(production_leshan: LeshanServer) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(production_leshan) as client:
        yield client


def asking(server: LeshanServer) -> httpx.AsyncClient:
    """Return a client that requests errors as JSON."""
    return loopback.AsyncClient(base_url=server.url, headers={"Accept": "application/json"}, timeout=60)


class Made:
    """Devices of one test, removed when it ends."""

    def __init__(self, devices: Devices, server: LeshanServer) -> None:
        self._devices = devices
        self._server = server
        self.made: list[Device] = []

    async def __call__(self, name: str, **spec: Any) -> Device:
        device = await asyncio.to_thread(self._devices.create, name, server=self._server.coap_uri, **spec)
        self.made.append(device)
        return device


@pytest_asyncio.fixture(loop_scope="function")
async def make(production_leshan: LeshanServer, leshan_devices: Devices) -> AsyncIterator[Made]:
    made = Made(leshan_devices, production_leshan)
    yield made
    for device in made.made:
        await asyncio.to_thread(device.remove, deregister=True)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Return the status, code and delivery."""
    told = answer.json()
    return answer.status_code, told["code"], told["delivery"]


# --- errors


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("GET /clients/nobody/3/0/0", None, (400, "NOT_REGISTERED", "NOT_SENT")),
        ("GET /clients/errors/70000", None, (400, "INVALID_REQUEST", "NOT_SENT")),
        ("PUT /clients/errors/3442", "{}", (400, "INVALID_PATH", "NOT_SENT")),
        ("PUT /clients/errors/3442/0/120/attributes?pmin=x", None, (400, "INVALID_ATTRIBUTES", "NOT_SENT")),
        ("DELETE /clients/errors/3/observe?active", None, (404, "NO_OBSERVATION", "NOT_SENT")),
        ("PUT /clients/errors/3442/0/110", '{"id":110}', (400, "INVALID_REQUEST", "NOT_SENT")),
        ("PUT /clients/errors/3442/0/110", '{"id"', (400, "INVALID_REQUEST", "NOT_SENT")),
        ("GET /nowhere", None, (404, "NOT_FOUND", "NOT_SENT")),
        ("GET /event", None, (405, "METHOD_NOT_ALLOWED", "NOT_SENT")),
        ("GET /security/clients/errors", None, (404, "NOT_FOUND", "NOT_SENT")),
        ("PUT /security/clients", "{}", (400, "INVALID_REQUEST", "NOT_SENT")),
        ("PUT /security/clients", "x" * 3_000_000, (413, "TOO_LARGE", "NOT_SENT")),
        ("PUT /clients/errors/3442/0/110", "x" * 3_000_000, (413, "TOO_LARGE", "NOT_SENT")),
    ],
)
async def test_requests_that_were_not_sent(
    rest: httpx.AsyncClient, make: Made, request_line: str, body: str | None, expected: tuple[int, str, str]
) -> None:
    device = await make("errors")
    method, target = request_line.split()
    answer = await rest.request(method, target, content=body, headers={"Content-Type": "application/json"})
    assert error_of(answer) == expected
    assert await asyncio.to_thread(device.received) == []


async def test_errors_are_text_unless_json_is_accepted(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/clients/nobody/3/0/0", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.text) == (400, "No registered client with id 'nobody'")
    answer = await rest.get("/security/clients/nobody", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.text) == (404, "No security information of this client")


async def test_a_body_that_is_too_large_is_413_with_a_request_id_too(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("large")
    headers = {"Content-Type": "application/json", "Reveille-Request": "large/1"}
    answer = await rest.put("/clients/large/3442/0/110", content="x" * 3_000_000, headers=headers)
    assert error_of(answer) == (413, "TOO_LARGE", "NOT_SENT")
    assert await asyncio.to_thread(device.received) == []


async def test_a_silent_device_may_have_been_reached(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("silent")
    await asyncio.to_thread(device.never_answer)
    answer = await rest.get("/clients/silent/3/0/0?timeout=1")
    assert error_of(answer) == (504, "REQUEST_TIMEOUT", "MAY_HAVE_REACHED")


async def test_a_sleeping_client_is_not_called(rest: httpx.AsyncClient, make: Made) -> None:
    async def awake() -> bool:
        return not (await rest.get("/clients/sleeper")).json()["sleeping"]

    device = await make("sleeper", queue_mode=True)
    before = time.time() * 1000
    await asyncio.to_thread(device.sleep)
    assert (await rest.get("/clients/sleeper/3/0/0?timeout=0")).status_code == 504
    asleep = await rest.get("/clients/sleeper/3/0/0")
    assert error_of(asleep) == (409, "CLIENT_SLEEPING", "NOT_SENT")
    assert before - 1000 <= asleep.json()["awakeUntil"] <= time.time() * 1000
    await asyncio.to_thread(device.wake)
    await eventually(awake, "the server treats it as awake, which is after its answer to the update")
    assert (await rest.get("/clients/sleeper/3/0/0?timeout=20")).json()["success"]
    assert [each.method for each in await asyncio.to_thread(device.received)] == ["READ"]


async def test_more_calls_than_the_limit(leshan_devices: Devices) -> None:
    with leshan_server(options=["--max-open-calls", 1]) as server:
        slow = await asyncio.to_thread(leshan_devices.create, "slow", server=server.coap_uri)
        other = await asyncio.to_thread(leshan_devices.create, "other", server=server.coap_uri)
        await asyncio.to_thread(slow.never_answer)
        async with asking(server) as client:
            call = asyncio.create_task(client.get("/clients/slow/3/0/0?timeout=2"))
            await eventually(lambda: slow.received() != [])
            refused = await client.get("/clients/other/3/0/0")
            assert (*error_of(refused), refused.headers["Retry-After"]) == (429, "TOO_MANY_CALLS", "NOT_SENT", "1")
            assert (await call).status_code == 504
            assert (await client.get("/clients/other/3/0/0?timeout=20")).json()["success"]
            assert (await client.get("/server/info")).json()["limits"]["openCalls"] == 1
        for device in (slow, other):
            await asyncio.to_thread(device.remove)


# --- requests


@pytest.mark.parametrize("name", ["a/b", "100%", "a%2Fb", "..", "x;y=1", "x\\y", "a b", "victim/3/0/4"])
async def test_any_name_reaches_its_own_device(rest: httpx.AsyncClient, make: Made, name: str) -> None:
    others = [await make(other) for other in ("a", "x", "victim")]
    device = await make(name)
    answer = await rest.post(f"/clients/{quote(name, safe='').replace('.', '%2E')}/3442/0/3?timeout=20", content="5")
    assert answer.json()["success"]
    assert [each.value for each in await asyncio.to_thread(device.received, method="EXECUTE")] == ["5"]
    assert [await asyncio.to_thread(each.received) for each in others] == [[], [], []]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x00b", "a\x7fb", "a\x85b"])
async def test_a_name_with_a_control_character_is_refused(
    production_leshan: LeshanServer, make: Made, name: str
) -> None:
    device = await make(name, register=False)
    assert (await asyncio.to_thread(device.register)).code == 403
    assert name not in [each["endpoint"] for each in await asyncio.to_thread(production_leshan.clients)]


async def test_arguments_may_arrive_in_chunks(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("chunked")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"0='a"
        yield b"b'"

    assert (await rest.post("/clients/chunked/3442/0/3?timeout=20", content=chunks())).json()["success"]
    assert [each.value for each in await asyncio.to_thread(device.received, method="EXECUTE")] == ["0='ab'"]


async def test_composites_need_no_format(rest: httpx.AsyncClient, make: Made) -> None:
    await make("composite")
    nodes = {"/3442/0/110": {"kind": "singleResource", "id": 110, "type": "STRING", "value": "together"}}
    assert (await rest.put("/clients/composite/composite?timeout=20", json=nodes)).json()["success"]
    read = (await rest.get("/clients/composite/composite?paths=/3442/0/110,/3/0/1&timeout=20")).json()
    assert read["content"]["/3442/0/110"] == nodes["/3442/0/110"]


async def test_clients_by_pages(rest: httpx.AsyncClient, make: Made) -> None:
    names = sorted(f"page-{letter}" for letter in ("b", "a", "d", "c", "\u00e4/%"))
    for name in names:
        await make(name)
    told: list[str] = []
    after = "page-"
    while page := [each["endpoint"] for each in (await rest.get("/clients", params=page_of(2, after))).json()]:
        assert len(page) <= 2
        told += page
        after = page[-1]
    assert [name for name in told if name.startswith("page-")] == names
    assert told == sorted(told)
    for limit in ("0", "x", "10001"):
        assert error_of(await rest.get(f"/clients?limit={limit}")) == (400, "INVALID_REQUEST", "NOT_SENT")


def page_of(limit: int, after: str) -> dict[str, str]:
    return {"limit": str(limit), "after": after}


async def test_object_models_by_object_and_version(rest: httpx.AsyncClient, make: Made) -> None:
    await make("models")
    of_client = {each["id"]: each for each in (await rest.get("/objectspecs/models")).json()}
    version = of_client[3]["version"]
    assert (await rest.get("/objectspecs", params={"object": 3, "version": version})).json() == [of_client[3]]
    versions = [each["version"] for each in (await rest.get("/objectspecs?object=3")).json()]
    assert len(versions) > 1
    assert versions == sorted(set(versions))
    assert (await rest.get("/objectspecs?object=4711")).json() == []


async def test_unchanged_object_models_are_304(rest: httpx.AsyncClient) -> None:
    first = await rest.get("/objectspecs?object=3&version=1.1")
    again = await rest.get("/objectspecs?object=3&version=1.1", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await rest.get("/objectspecs?object=3&version=1.0", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


async def test_the_server_reports_its_capabilities(rest: httpx.AsyncClient, our_leshan: LeshanServer) -> None:
    told = (await rest.get("/server/info")).json()
    assert (told["name"], told["leshan"], told["mode"]) == ("reveille-leshan-server", "2.0.0-M18", "production")
    assert told["features"]["requestIds"] is True
    assert told["bootId"]
    assert told["startedAt"] <= time.time() * 1000
    stock = (await rest.get(f"{our_leshan.url}/server/info")).json()
    assert (stock["mode"], stock["features"]) == ("stock", {})


# --- shutdown


async def test_a_stopping_server_waits_for_calls_and_accepts_no_new_ones(leshan_devices: Devices) -> None:
    with leshan_server() as server:
        slow = await asyncio.to_thread(leshan_devices.create, "slow-end", server=server.coap_uri)
        other = await asyncio.to_thread(leshan_devices.create, "other-end", server=server.coap_uri)
        await asyncio.to_thread(slow.answer_late, 2000)
        async with asking(server) as client:
            call = asyncio.create_task(client.get("/clients/slow-end/3/0/0?timeout=20"))
            await eventually(lambda: slow.received() != [])
            server.process.process.send_signal(signal.SIGTERM)
            late = await client.get("/clients/other-end/3/0/0")
            while late.status_code == 200:  # the signal has not arrived yet
                late = await client.get("/clients/other-end/3/0/0")
            assert (*error_of(late), late.headers["Retry-After"]) == (503, "SHUTTING_DOWN", "NOT_SENT", "1")
            assert (await call).json()["success"]
        for device in (slow, other):
            await asyncio.to_thread(device.remove)
