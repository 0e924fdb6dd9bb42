"""Values of 1 MiB, from the mutation over ledger and Leshan to a real device and back, block by block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from app.domain.enums import Presence
from app.domain.values import MAX_OPAQUE_BYTES
from app.web import api_routes
from tests.e2e.road import Road
from tests.leshan.devices import Devices
from tests.leshan.fixtures import require_java
from tests.leshan.launch import LeshanServer, leshan_devices, leshan_server

pytestmark = [pytest.mark.asyncio, pytest.mark.leshan]

MAX_BODY: Final = MAX_OPAQUE_BYTES + 65_536
"""The limit of server and devices: the value, and the overhead of a content format."""

OPAQUE: Final = "/3442/0/150"
PACKAGE: Final = bytes(range(256)).hex() * (MAX_OPAQUE_BYTES // 256)

CREATE: Final = """
mutation ($input: CreateDeviceOperationInput!) { createDeviceOperation(input: $input) { operation { id } } }"""
STATUS: Final = "query ($id: ID!) { deviceOperation(id: $id) { status answer } }"


@pytest.fixture(scope="module")
def large_leshan() -> Iterator[LeshanServer]:
    require_java()
    with leshan_server(max_body=MAX_BODY) as server:
        yield server


@pytest.fixture(scope="module")
def large_devices() -> Iterator[Devices]:
    require_java()
    with leshan_devices(max_body=MAX_BODY) as devices:
        yield devices


@pytest_asyncio.fixture(loop_scope="session")
async def road(database_url: str, large_leshan: LeshanServer, large_devices: Devices) -> AsyncIterator[Road]:
    async with Road.begin(database_url, large_leshan, large_devices, max_opaque=MAX_OPAQUE_BYTES) as road:
        yield road


@pytest_asyncio.fixture(loop_scope="session")
async def api(road: Road) -> AsyncIterator[httpx.AsyncClient]:
    """A GraphQL client of the process that dispatches, with the limits of its settings."""
    async with api_routes(road.components) as routes:
        transport = httpx.ASGITransport(Starlette(routes=routes))
        async with httpx.AsyncClient(transport=transport, base_url="http://reveille", timeout=60) as client:
            yield client


async def ask(api: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, str(answer)[:1_000]
    data: dict[str, Any] = answer["data"]
    return data


async def confirmed(road: Road, api: httpx.AsyncClient, **given: Any) -> Any:
    """Create an operation, wait until it is CONFIRMED, and return its answer."""
    created = await ask(api, CREATE, input={"timeoutSeconds": 60, **given})
    id_ = created["createDeviceOperation"]["operation"]["id"]
    last: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal last
        last = (await ask(api, STATUS, id=id_))["deviceOperation"]
        return last["status"] not in ("QUEUED", "SENDING")

    await road.eventually(ended, "the operation's end")
    assert last["status"] == "CONFIRMED"
    return last["answer"]


async def test_an_opaque_value_of_1_mib_is_written_and_read(road: Road, api: httpx.AsyncClient) -> None:
    device = await road.device()
    await confirmed(road, api, endpoint=device.name, kind="WRITE", path=OPAQUE, value={"opaque": PACKAGE})
    held = await asyncio.to_thread(device.value, OPAQUE)
    assert held is not None
    assert held["value"] == PACKAGE
    answer = await confirmed(road, api, endpoint=device.name, kind="READ", path=OPAQUE)
    assert answer == {OPAQUE: PACKAGE}


async def test_a_firmware_package_of_1_mib_arrives_whole(road: Road, api: httpx.AsyncClient) -> None:
    device = await road.device()
    await confirmed(road, api, endpoint=device.name, kind="WRITE", path="/5/0/0", value={"opaque": PACKAGE})
    (delivery,) = await road.received(device, "WRITE")
    assert delivery.value == PACKAGE


async def test_one_byte_more_is_refused_by_its_field(road: Road, api: httpx.AsyncClient) -> None:
    given = {
        "endpoint": (await road.device()).name,
        "kind": "WRITE",
        "path": OPAQUE,
        "value": {"opaque": PACKAGE + "00"},
    }
    answer = (await api.post("/graphql", json={"query": CREATE, "variables": {"input": given}})).json()
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert str(MAX_OPAQUE_BYTES) in error["message"]


async def test_an_answer_above_the_servers_limit_ends_the_operation_and_wakes_nobody(
    database_url: str, production_leshan: LeshanServer, leshan_devices: Devices
) -> None:
    async with Road.begin(database_url, production_leshan, leshan_devices) as road:
        device = await road.device(queue_mode=True)
        await asyncio.to_thread(device.notify, "/3442/0/110", "x" * 140_000)
        op = await road.create(device, "READ", "/3442/0/110")
        await road.becomes(op, "FAILED", "DEVICE_ERROR")
        assert await road.steps(op) == ["QUEUED", "SENDING", "FAILED DEVICE_ERROR"]
        await road.presence_is(device, Presence.ONLINE)
        await road.confirmed(await road.create(device, "READ", "/3/0/0"))
