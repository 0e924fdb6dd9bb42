"""Values that arrive, requested or not, become the device's latest ones, typed by its own object model."""

from __future__ import annotations

from unittest import mock

import pytest

from app.domain.values import JsonValue
from app.ingest import event_ingestor
from app.models import tables
from app.models.queries import ReadUnavailable
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

TEMPERATURE = "/3303/0/5700"


async def latest(world: SimulatedWorld, path: str, name: str = "dev") -> tuple[str, JsonValue] | None:
    """Return the stored type and value of a resource."""
    row = await tables.ResourceState.get_or_none(endpoint__name=name, path=path)
    return None if row is None else (str(row.type), row.value)


async def history(path: str) -> list[JsonValue]:
    """Return all stored values, in the order of arrival."""
    return [row.value for row in await tables.Reading.filter(path=path).order_by("seq")]


async def becomes(world: SimulatedWorld, path: str, type_: str, value: JsonValue) -> None:
    async def so() -> bool:
        return await latest(world, path) == (type_, value)

    await eventually(so, f"{path} is {type_} {value!r}")


async def registers_by_webhook(world: SimulatedWorld) -> None:
    """Register the device and report it only by the webhook; wait until its object models are fetched."""
    world.simulator.register("dev")
    await world.post_event("REGISTRATION", world.published("REGISTRATION"))
    await eventually(lambda: world.components.object_models.of({})(3303) is not None, "its object models are known")


async def test_values_of_a_read(world: SimulatedWorld) -> None:
    await world.wake()
    op = await world.create("READ", "/3/0")
    await world.confirmed(op)
    assert await latest(world, "/3/0/0") == ("STRING", "Simulated Devices")
    assert await latest(world, "/3/0/9") == ("INTEGER", "87")
    answer = await world.answer(op)
    assert isinstance(answer, dict)
    assert answer["/3/0/9"] == "87"


async def test_values_of_an_observation_and_its_notifications(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.set_value("dev", TEMPERATURE, "20.5")
    await world.confirmed(await world.create("OBSERVE", TEMPERATURE))
    await becomes(world, TEMPERATURE, "FLOAT", 20.5)
    for value in ("21.5", "22.5", "23.5"):
        assert world.simulator.notify("dev", TEMPERATURE, value) == 1
    await becomes(world, TEMPERATURE, "FLOAT", 23.5)
    assert await history(TEMPERATURE) == [20.5, 21.5, 22.5, 23.5], "in order, none left out"


async def test_values_of_a_send(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.set_value("dev", TEMPERATURE, "19.5")
    world.simulator.send("dev", [TEMPERATURE, "/3/0/9"])
    await becomes(world, TEMPERATURE, "FLOAT", 19.5)
    await becomes(world, "/3/0/9", "INTEGER", "87")


async def test_values_of_a_held_request(world: SimulatedWorld) -> None:
    """REQUEST_RESPONSE contains the response to a request that Leshan delayed."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    op = await world.create("READ", "/3/0/9")
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    await world.wake()
    await world.confirmed(op)
    assert await latest(world, "/3/0/9") == ("INTEGER", "87")
    assert await world.answer(op) == {"/3/0/9": "87"}


async def test_values_of_the_webhook_without_a_stream(begin: Begin) -> None:
    async with begin(leshan_events="webhook") as world:
        node = {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "24.5"}
        await world.post_event("NOTIFICATION", {"ep": "dev", "kind": "single", "res": TEMPERATURE, "val": node})
        assert await latest(world, TEMPERATURE) == ("FLOAT", 24.5)
        await world.post_event("SEND", {"ep": "dev", "val": {TEMPERATURE: node | {"value": "25.5"}}})
        assert await latest(world, TEMPERATURE) == ("FLOAT", 25.5)


async def test_with_a_stream_the_readings_of_the_webhook_are_ignored(world: SimulatedWorld) -> None:
    """The stream brings the same values, in order."""
    await world.wake()
    node = {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "99.5"}
    await world.post_event("NOTIFICATION", {"ep": "dev", "kind": "single", "res": TEMPERATURE, "val": node})
    assert await latest(world, TEMPERATURE) is None


@pytest.mark.parametrize(
    ("type_", "value"),
    [("FLOAT", "25.5"), ("STRING", "25.5"), ("OPAQUE", "4039800000000000"), ("INTEGER", "25")],
)
async def test_the_older_form_is_typed_by_the_devices_object_model(begin: Begin, type_: str, value: str) -> None:
    """That server types values by content format: the model defines the real type."""
    async with begin(leshan_events="webhook") as world:
        await registers_by_webhook(world)
        node = {"kind": "singleResource", "id": 5700, "type": type_, "value": value}
        await world.post_legacy("single", {"ep": "dev", "obj_id": 3303, "val": node})
        assert await latest(world, TEMPERATURE) == ("FLOAT", 25.0 if type_ == "INTEGER" else 25.5)


async def test_the_older_composite_form(begin: Begin) -> None:
    async with begin(leshan_events="webhook") as world:
        resources = [
            {"kind": "singleResource", "id": 0, "type": "STRING", "value": "Zephyr"},
            {"kind": "multiResource", "id": 7, "type": "INTEGER", "values": {"0": "1", "1": "5"}},
        ]
        instance = {"kind": "instance", "id": 0, "resources": resources}
        await world.post_legacy(
            "composite", {"ep": "dev", "val": {"/3": {"kind": "obj", "id": 3, "instances": [instance]}}}
        )
        assert await latest(world, "/3/0/0") == ("STRING", "Zephyr")
        assert await latest(world, "/3/0/7") == ("INTEGER", {"0": "1", "1": "5"})
        await world.post_legacy("composite", {"ep": "dev", "val": None})


async def test_a_value_that_cannot_be_represented_is_named_in_the_detail(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.set_value("dev", "/3442/0/110", "x" * 131_073)
    world.simulator.set_value("dev", "/3442/0/120", "42")
    op = await world.create("READ", "/3442/0")
    await world.confirmed(op)
    answer = await world.answer(op)
    assert isinstance(answer, dict)
    assert answer["/3442/0/120"] == "42"
    assert "/3442/0/110" not in answer
    last = await tables.Transition.filter(operation_id=op).order_by("-number").first()
    assert last is not None
    assert "/3442/0/110: no readable STRING: at most 131072 bytes" in (last.detail or "")


async def test_a_value_that_cannot_be_read_affects_only_itself(world: SimulatedWorld) -> None:
    await world.wake()
    data = world.simulator.events
    bad = b'{"ep":"dev","val":{"/3303/0/5700":{"kind":"singleResource","id":5700,"type":"FLOAT","value":"NaN"},'
    data.publish("SEND", "dev", bad + b'"/3/0/9":{"kind":"singleResource","id":9,"type":"INTEGER","value":"41"}}}')
    await becomes(world, "/3/0/9", "INTEGER", "41")
    assert await latest(world, TEMPERATURE) is None


async def test_values_received_without_a_database_are_redelivered(world: SimulatedWorld) -> None:
    """The types of a device's objects are read before its values are written: a failure of this read is no reason for a
    500."""
    event = {"event": "NOTIFICATION", "data": {"ep": "dev", "kind": "single", "res": TEMPERATURE, "val": None}}
    async with world.webhook() as caller:
        away = mock.patch.object(
            event_ingestor, "object_versions_of", side_effect=ReadUnavailable("the database is away")
        )
        with away:
            answer = await caller.post("/leshan/events", json=event)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert (await caller.post("/leshan/events", json=event)).status_code == 202
