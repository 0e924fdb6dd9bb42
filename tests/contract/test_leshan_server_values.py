"""Our Leshan server in production mode: object models, values in every encoding, and bodies that contain no value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.contract.leshan.values import UNSIGNED
from tests.contract.test_leshan_server_in_production import Made, asking, error_of
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import FOLDER, LeshanServer, build, leshan_server
from tests.support.leshan.outage import signed
from tests.support.leshan.receiver import Receiver
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

INVALID: Final = (400, "INVALID_REQUEST", "NOT_SENT")
VALUES: Final = "/3442/0/1120"
"""The multiple INTEGER resource of the test object."""


@pytest_asyncio.fixture(loop_scope="function")
async def rest(production_leshan: LeshanServer) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(production_leshan) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="function")
async def make(production_leshan: LeshanServer, leshan_devices: Devices) -> AsyncIterator[Made]:
    made = Made(leshan_devices, production_leshan)
    yield made
    for device in made.made:
        await asyncio.to_thread(device.remove, deregister=True)


def single(path: str, type_: str, value: object) -> dict[str, object]:
    return {"id": int(path.rsplit("/", 1)[1]), "kind": "singleResource", "type": type_, "value": value}


async def write(rest: httpx.AsyncClient, device: Device, path: str, node: object, **params: str) -> httpx.Response:
    return await rest.put(f"/clients/{device.name}{path}", json=node, params=params)


async def read(rest: httpx.AsyncClient, device: Device, path: str, **params: str) -> dict[str, Any]:
    answer = (await rest.get(f"/clients/{device.name}{path}", params=params)).json()
    assert answer["success"], answer
    content: dict[str, Any] = answer["content"]
    return content


# --- object models


async def test_objects_of_the_registry_have_types(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("registry", objects=(3304, 3306))
    content = await read(rest, device, "/3304/0")
    types = {each["id"]: each["type"] for each in content["resources"]}
    assert (types[5700], types[5701]) == ("FLOAT", "STRING")
    refused = await write(rest, device, "/3306/0/5850", single("/5850", "STRING", "not a boolean"))
    assert error_of(refused) == INVALID
    written = await write(rest, device, "/3306/0/5850", single("/5850", "BOOLEAN", True))
    assert written.json()["status"] == "CHANGED(204)"
    assert (await read(rest, device, "/3306/0/5850"))["value"] is True


async def test_each_version_of_an_object_is_served(rest: httpx.AsyncClient, make: Made) -> None:
    await make("versions", objects=(3304, 3341))
    known = (await rest.get("/objectspecs?object=3304")).json()
    assert [each["version"] for each in known] == ["1.0", "1.1"]
    assert [each["resourcedefs"] for each in known[:1]] != [each["resourcedefs"] for each in known[1:]]
    of_device = {each["id"]: each for each in (await rest.get("/objectspecs/versions")).json()}
    assert of_device[3304] == known[1]
    assert of_device[3341]["version"] == "1.0"


async def test_all_models_at_once_and_by_their_tag(rest: httpx.AsyncClient) -> None:
    every = await rest.get("/objectspecs")
    known = {(each["id"], each["version"]) for each in every.json()}
    assert len(known) == len(every.json()) > 328
    again = await rest.get("/objectspecs", headers={"If-None-Match": every.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


# --- values


async def test_unsigned_integers_by_tlv_over_their_whole_range(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("unsigned", short_unsigned=True)
    for value in UNSIGNED:
        node = single("/125", "UNSIGNED_INTEGER", value)
        assert (await write(rest, device, "/3442/0/125", node, format="TLV")).json()["success"], value
        held = await asyncio.to_thread(device.value, "/3442/0/125")
        assert held is not None
        assert held["value"] == value
        for format_ in ("TLV", "SENML_CBOR"):
            assert (await read(rest, device, "/3442/0/125", format=format_))["value"] == value, format_
    values = {str(n): value for n, value in enumerate(UNSIGNED)}
    node = {"id": 1125, "kind": "multiResource", "type": "UNSIGNED_INTEGER", "values": values}
    assert (await write(rest, device, "/3442/0/1125", node, format="TLV")).json()["success"]
    assert (await read(rest, device, "/3442/0/1125", format="TLV"))["values"] == values
    instance = await read(rest, device, "/3442/0", format="TLV")
    assert {each["id"]: each for each in instance["resources"]}[1125]["values"] == values


@pytest.mark.parametrize("only", ["SENML_JSON", "SENML_CBOR", "JSON"])
async def test_a_write_is_sent_in_a_format_that_the_device_registered(
    rest: httpx.AsyncClient, make: Made, only: str
) -> None:
    device = await make(f"only-{only}", formats=(only,))
    for other in {"TLV", "SENML_JSON", "SENML_CBOR", "JSON"} - {only}:
        await asyncio.to_thread(device.refuse, "4.15", content_format=other)
    written = await write(rest, device, "/3442/0/120", single("/120", "INTEGER", "7"))
    assert written.json()["status"] == "CHANGED(204)"
    node = {"kind": "instance", "id": 5, "resources": [single("/110", "STRING", "new")]}
    created = await rest.post(f"/clients/{device.name}/3442", json=node)
    assert created.json()["status"] == "CREATED(201)"


NO_OBJECTS: Final[tuple[object, ...]] = (None, [], "0", 5, {"x": "1"}, {"0": None})
NO_IDS: Final[tuple[object, ...]] = (True, 1.9, 2**32 + 1, "1120", None, -1)

MULTIPLE: Final = {"id": 1120, "kind": "multiResource", "type": "INTEGER", "values": {"0": "1"}}

NO_VALUES: Final[list[tuple[str, str]]] = [
    *((VALUES, json.dumps({**MULTIPLE, "values": bad})) for bad in NO_OBJECTS),
    (VALUES, json.dumps({key: value for key, value in MULTIPLE.items() if key != "values"})),
    *((VALUES, json.dumps({**MULTIPLE, "id": bad})) for bad in NO_IDS),
    *((VALUES, json.dumps({**MULTIPLE, "type": bad})) for bad in (None, "NONE", "Integer", 5)),
    *((VALUES, json.dumps({**MULTIPLE, "kind": bad})) for bad in (None, "resource", 5)),
    (VALUES, json.dumps(MULTIPLE) + " x"),
    (VALUES, json.dumps(MULTIPLE) + json.dumps(MULTIPLE)),
    (VALUES, '{"id":1120,"kind":"multiResource","type":"INTEGER","values":{"0":"1","0":"2"}}'),
    (VALUES, ""),
    (VALUES, "null"),
    (VALUES, "[]"),
    ("/3442/0/120", json.dumps(single("/120", "INTEGER", "12x"))),
    ("/3442/0/120", '{"id":120,"kind":"singleResource","type":"INTEGER"}'),
    ("/3442/0/130", json.dumps(single("/130", "FLOAT", "1d"))),
    ("/3442/0/140", json.dumps(single("/140", "BOOLEAN", "true"))),
    ("/3442/0/160", json.dumps(single("/160", "TIME", 2**64 + 5))),
    ("/3442/0", json.dumps({"kind": "instance", "id": 0})),
    ("/3442/0", json.dumps({"kind": "instance", "id": 0, "resources": [{**MULTIPLE, "values": None}]})),
    ("/composite", "{}"),
    ("/composite", "[]"),
    ("/composite", json.dumps({"/3442/0/120": None})),
    ("/composite", json.dumps({"/3442/x": single("/120", "INTEGER", "1")})),
]


async def test_an_invalid_value_is_refused_and_changes_nothing(rest: httpx.AsyncClient, make: Made) -> None:
    device = await make("no-values")
    before = await read(rest, device, "/3442/0", format="SENML_CBOR")
    assert before["resources"]
    await asyncio.to_thread(device.reset_received)
    headers = {"Content-Type": "application/json"}
    for path, body in NO_VALUES:
        answer = await rest.put(f"/clients/{device.name}{path}", content=body, headers=headers)
        assert error_of(answer) == INVALID, (path, body, answer.text)
        assert "Cannot invoke" not in answer.text, (path, body)
    assert error_of(await rest.get(f"/clients/{device.name}/composite")) == INVALID
    assert await asyncio.to_thread(device.received) == []


# --- unreadable content


@pytest.fixture(scope="module")
def otherwise_typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LeshanServer, Receiver]]:
    """Run a server whose operator defines 3303/0/5701 as an integer; to devices it is a string. One model file is
    invalid."""
    folder: Path = tmp_path_factory.mktemp("models")
    build()
    registered = (FOLDER / "target" / "registry" / "models" / "3303.xml").read_text()
    before, rest = registered.split('<Item ID="5701">')
    (folder / "3303.xml").write_text(
        before + '<Item ID="5701">' + rest.replace("<Type>String</Type>", "<Type>Integer</Type>", 1)
    )
    (folder / "broken.xml").write_text("<LWM2M>")
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        stack.enter_context(signed())
        options = ["--webhook-url", receiver.url, "--models", folder]
        yield stack.enter_context(leshan_server(options=options)), receiver


async def test_an_unreadable_notification_is_an_event_with_its_bytes(
    otherwise_typed: tuple[LeshanServer, Receiver], leshan_devices: Devices
) -> None:
    server, receiver = otherwise_typed
    path = "/3303/0/5701"
    device = await asyncio.to_thread(leshan_devices.create, "units", queue_mode=True, server=server.coap_uri)
    await asyncio.to_thread(device.notify, path, "7")
    async with asking(server) as rest:
        observed = (await rest.post(f"/clients/units{path}/observe?format=TEXT")).json()
        assert observed["content"] == single("/5701", "INTEGER", "7")
        await asyncio.to_thread(device.notify, path, "cel")
        await asyncio.to_thread(wait_until, lambda: bool(receiver.named("NOTIFICATION_UNREADABLE", "units")))
        told = receiver.named("NOTIFICATION_UNREADABLE", "units")[0]["data"]
        assert (told["kind"], told["res"], told["contentFormat"]) == ("single", path, 0)
        assert (told["bytes"], bytes.fromhex(told["payload"])) == (3, b"cel")
        assert told["reason"]
        metrics = (await rest.get(server.url.removesuffix("/api") + "/metrics")).text
        assert 'leshan_events_total{event="NOTIFICATION_UNREADABLE"} 1.0' in metrics
        await asyncio.to_thread(device.notify, path, "8")
        await asyncio.to_thread(wait_until, lambda: bool(receiver.named("NOTIFICATION", "units")))
        assert receiver.named("NOTIFICATION", "units")[0]["data"]["val"]["value"] == "8"

    def notified() -> int:
        return [event["data"]["cause"] for event in receiver.named("AWAKE", "units")].count("NOTIFICATION")

    await asyncio.to_thread(wait_until, lambda: notified() == 2)
