"""Values of 1 MiB, from the mutation over ledger and Leshan to a real device and back, block by block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import pytest_asyncio
from starlette.applications import Starlette

from app.domain.enums import Presence
from app.domain.values import MAX_OPAQUE_BYTES
from app.web import api_routes
from tests.support.api import Api
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer, leshan_devices, leshan_server
from tests.support.leshan_world import LeshanWorld
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

MAX_BODY: Final = MAX_OPAQUE_BYTES + 65_536
"""The limit of server and devices: the value, and the overhead of a content format."""

OPAQUE: Final = "/3442/0/150"
PACKAGE: Final = bytes(range(256)).hex() * (MAX_OPAQUE_BYTES // 256)

CREATE: Final = """
mutation ($input: CreateDeviceOperationInput!) { createDeviceOperation(input: $input) { operation { id } } }"""
STATUS: Final = "query ($id: ID!) { deviceOperation(id: $id) { status answer } }"


@pytest.fixture(scope="module")
def large_leshan() -> Iterator[LeshanServer]:
    with leshan_server(max_body=MAX_BODY) as server:
        yield server


@pytest.fixture(scope="module")
def large_devices() -> Iterator[Devices]:
    with leshan_devices(max_body=MAX_BODY) as devices:
        yield devices


@pytest_asyncio.fixture(loop_scope="session")
async def world(database_url: str, large_leshan: LeshanServer, large_devices: Devices) -> AsyncIterator[LeshanWorld]:
    async with LeshanWorld.begin(database_url, large_leshan, large_devices, max_opaque=MAX_OPAQUE_BYTES) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def api(world: LeshanWorld) -> AsyncIterator[Api]:
    """A GraphQL client of the process that dispatches, with the limits of its settings."""
    async with api_routes(world.components) as routes:
        client = Api.within(Starlette(routes=routes))
        async with client.http:
            yield client


async def confirmed(world: LeshanWorld, api: Api, **given: Any) -> Any:
    """Create an operation, wait until it is CONFIRMED, and return its answer."""
    created = await api.ask(CREATE, input={"timeoutSeconds": 60, **given})
    id_ = created["createDeviceOperation"]["operation"]["id"]
    last: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal last
        last = (await api.ask(STATUS, id=id_))["deviceOperation"]
        return last["status"] not in ("QUEUED", "SENDING")

    await eventually(ended, "the operation's end")
    assert last["status"] == "CONFIRMED"
    return last["answer"]


async def test_an_opaque_value_of_1_mib_is_written_and_read(world: LeshanWorld, api: Api) -> None:
    device = await world.device()
    await confirmed(world, api, endpoint=device.name, kind="WRITE", path=OPAQUE, value={"opaque": PACKAGE})
    held = await asyncio.to_thread(device.value, OPAQUE)
    assert held is not None
    assert held["value"] == PACKAGE
    answer = await confirmed(world, api, endpoint=device.name, kind="READ", path=OPAQUE)
    assert answer == {OPAQUE: PACKAGE}


async def test_a_firmware_package_of_1_mib_arrives_whole(world: LeshanWorld, api: Api) -> None:
    device = await world.device()
    await confirmed(world, api, endpoint=device.name, kind="WRITE", path="/5/0/0", value={"opaque": PACKAGE})
    (delivery,) = await world.received(device, "WRITE")
    assert delivery.value == PACKAGE


async def test_one_byte_more_is_refused_by_its_field(world: LeshanWorld, api: Api) -> None:
    given = {
        "endpoint": (await world.device()).name,
        "kind": "WRITE",
        "path": OPAQUE,
        "value": {"opaque": PACKAGE + "00"},
    }
    answer = await api.answer(CREATE, input=given)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert str(MAX_OPAQUE_BYTES) in error["message"]


async def test_an_answer_above_the_servers_limit_fails_and_counts_as_no_wake(
    database_url: str, production_leshan: LeshanServer, leshan_devices: Devices
) -> None:
    async with LeshanWorld.begin(database_url, production_leshan, leshan_devices) as world:
        device = await world.device(queue_mode=True)
        await asyncio.to_thread(device.notify, "/3442/0/110", "x" * 140_000)
        op = await world.create(device, "READ", "/3442/0/110")
        await world.becomes(op, "FAILED", "DEVICE_ERROR")
        assert await world.transitions(op) == ["QUEUED", "SENDING", "FAILED DEVICE_ERROR"]
        await world.presence_is(device, Presence.ONLINE)
        await world.confirmed(await world.create(device, "READ", "/3/0/0"))
