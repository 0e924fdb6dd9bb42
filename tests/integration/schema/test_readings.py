"""Readings through GraphQL: pages, series, the latest values of a fleet, object models, and names."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from app.domain.enums import HOUR, SECOND, Instant, ReadingOrigin, ValueType
from app.domain.events import Reported
from app.domain.object_models import ObjectModel, ResourceModel, model_to_json
from app.domain.values import TypedValue
from app.models.ledger import (
    AggregateReadings,
    DecodedEvent,
    PruneReadings,
    StoredModel,
    StoreObjectModels,
    TypedSample,
)
from app.schema.api.scalars import moment
from tests.support.api import Api
from tests.support.ledger import START, LedgerWorld, registered

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEMPERATURE = "/3303/0/5700"
LINKS = [{"url": "/3/0", "attributes": {}}, {"url": "/3303/0", "attributes": {}}, {"url": "/3303/2", "attributes": {}}]
FACTS = "path type value number at receivedAt timeSource origin reportId"
PAGE = f"""
  query($path: String, $from: DateTime, $to: DateTime, $first: Int, $after: String) {{
    readings(endpoint: "d", path: $path, from: $from, to: $to, first: $first, after: $after) {{
      edges {{ cursor node {{ id endpoint {{ name }} {FACTS} }} }} pageInfo {{ hasNextPage endCursor }}
    }}
  }}
"""
SERIES = """
  query($paths: [String!]!, $from: DateTime!, $to: DateTime!, $points: Int) {
    readingSeries(endpoint: "d", paths: $paths, from: $from, to: $to, points: $points) {
      path name units bucketSeconds buckets { from count min max mean last lastAt }
    }
  }
"""
LATEST = """
  query($path: String!, $filter: EndpointFilter, $first: Int, $after: String) {
    latestReadings(path: $path, filter: $filter, first: $first, after: $after) {
      edges { node { id endpoint { name } value reportId } } pageInfo { hasNextPage endCursor }
    }
  }
"""
SENSOR = ObjectModel(
    id=3303,
    version="1.0",
    name="Temperature",
    description="A thermometer.",
    multiple=True,
    resources={
        5700: ResourceModel(5700, "Sensor Value", "R", False, True, ValueType.FLOAT, "-50..50", "Cel", "The value."),
        5605: ResourceModel(5605, "Reset", "E", False, False, None),
    },
)


def time(at: Instant) -> str:
    return moment(at).isoformat()


async def report(
    world: LedgerWorld, *samples: tuple[Instant | None, Any], path: str = TEMPERATURE, name: str = "d"
) -> None:
    typed = [TypedSample({path: TypedValue(ValueType.FLOAT, value)}, at) for at, value in samples]
    await world.ingest(DecodedEvent(Reported(endpoint=name, nodes={}, origin=ReadingOrigin.SEND), samples=typed))


async def aggregate(world: LedgerWorld) -> None:
    while await world.ledgers[0].submit(AggregateReadings()):
        pass


async def pages(api: Api, query: str, field: str, **variables: Any) -> list[dict[str, Any]]:
    """Return the nodes of all pages."""
    nodes, after = [], None
    while True:
        page = (await api.ask(query, **variables, after=after))[field]
        nodes += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["pageInfo"]["endCursor"]


async def test_a_reading_has_its_origin_and_its_times(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    await report(world, (START - 60 * SECOND, 20.5), (None, 21.0))
    newest, oldest = (edge["node"] for edge in (await api.ask(PAGE))["readings"]["edges"])
    assert newest["reportId"] == oldest["reportId"]
    assert newest["id"] != oldest["id"]
    assert (newest["timeSource"], oldest["timeSource"]) == ("SERVER", "DEVICE")
    assert oldest["at"] == "2023-11-14T22:12:20Z"
    assert newest["at"] == newest["receivedAt"] == oldest["receivedAt"] == "2023-11-14T22:13:20Z"
    assert (oldest["origin"], oldest["type"], oldest["value"], oldest["number"]) == ("SEND", "FLOAT", 20.5, 20.5)
    assert oldest["endpoint"] == {"name": "d"}


@pytest.mark.parametrize("paths_at_once", [1, 100])
async def test_pages_of_a_prefix_are_in_order_of_time(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch, paths_at_once: int
) -> None:
    monkeypatch.setattr("app.models.queries.readings._PATHS_AT_ONCE", paths_at_once)
    await world.ingest(registered("d"))
    order = random.Random(7)
    times = [START - order.randrange(20) * SECOND for _ in range(60)]
    for number, at in enumerate(times):
        await report(world, (at, float(number)), path=f"/3303/{number % 3}/5700")
    await report(world, (START, 1.0), path="/3304/0/5700")
    wanted = [float(n) for n, _ in sorted(enumerate(times), key=lambda one: (one[1], one[0]), reverse=True)]
    assert [one["value"] for one in await pages(api, PAGE, "readings", path="/3303", first=7)] == wanted
    assert len(await pages(api, PAGE, "readings")) == 61
    of_one = [value for value in wanted if value % 3 == 1]
    assert [one["value"] for one in await pages(api, PAGE, "readings", path="3303/1", first=4)] == of_one
    low, high = START - 15 * SECOND, START - 5 * SECOND
    within = await pages(api, PAGE, "readings", path="/3303", **{"from": time(low), "to": time(high)}, first=9)
    assert [one["value"] for one in within] == [value for value in wanted if low <= times[int(value)] < high]


async def test_a_series_counts_every_reading_once(world: LedgerWorld, api: Api) -> None:
    """With each part of the readings in the aggregates, and with late ones: the same as a count in Python."""
    await world.ingest(registered("d", lifetime_seconds=10**7), registered("e"))
    order, all_readings = random.Random(11), []
    begin = START // HOUR * HOUR
    for hour in range(6):
        world.now = begin + hour * HOUR + HOUR // 2
        for number in range(20):
            at = world.now - order.randrange(4 * HOUR // 1_000) * 1_000
            value = hour * 100.0 + number
            await report(world, (at, value))
            all_readings.append((at, value))
        if hour in {2, 4}:
            await aggregate(world)
    for points, width in ((10, HOUR), (5, 2 * HOUR), (1, 10 * HOUR), (600, 60 * SECOND)):
        start, end = begin - 4 * HOUR, begin + 6 * HOUR
        variables: dict[str, Any] = {"from": time(start), "to": time(end), "points": points, "paths": [TEMPERATURE]}
        (series,) = (await api.ask(SERIES, **variables))["readingSeries"]
        assert series["bucketSeconds"] == width / SECOND
        buckets: dict[int, list[tuple[Instant, float]]] = {}
        for reading in all_readings:
            buckets.setdefault((reading[0] - start) // width, []).append(reading)
        assert len(series["buckets"]) == len(buckets)
        for bucket, number in zip(series["buckets"], sorted(buckets), strict=True):
            values = [value for _, value in buckets[number]]
            assert bucket["from"] == moment(start + number * width).isoformat().replace("+00:00", "Z")
            assert (bucket["count"], bucket["min"], bucket["max"]) == (len(values), min(values), max(values))
            assert bucket["mean"] == pytest.approx(sum(values) / len(values))
            assert bucket["last"] == max(buckets[number])[1]


async def test_a_series_outlives_its_readings(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d", lifetime_seconds=10**9))
    await report(world, (START, 20.0), (START + SECOND, 30.0))
    world.now = START + 700 * 24 * HOUR * 5  # past the partition of the migration
    await aggregate(world)
    keeps = await world.ledger(aggregate_retention=100 * 365 * 24 * HOUR)
    while await keeps.submit(PruneReadings()):
        pass
    assert await pages(api, PAGE, "readings") == []
    variables: dict[str, Any] = {
        "from": time(START - 24 * HOUR),
        "to": time(START + 24 * HOUR),
        "points": 10,
        "paths": [TEMPERATURE],
    }
    ((bucket,),) = [series["buckets"] for series in (await api.ask(SERIES, **variables))["readingSeries"]]
    assert (bucket["count"], bucket["min"], bucket["max"], bucket["mean"], bucket["last"]) == (
        2,
        20.0,
        30.0,
        25.0,
        30.0,
    )


async def test_values_that_are_no_numbers_have_a_last_one(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    typed = TypedSample({"/3/0/0": TypedValue(ValueType.STRING, "Acme")})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[typed]))
    variables: dict[str, Any] = {"from": time(START - HOUR), "to": time(START + HOUR), "paths": ["/3/0/0", "/3/0/1"]}
    known, unknown = (await api.ask(SERIES, **variables))["readingSeries"]
    (bucket,) = known["buckets"]
    assert (bucket["count"], bucket["min"], bucket["mean"], bucket["last"]) == (1, None, None, "Acme")
    assert unknown == {"path": "/3/0/1", "name": None, "units": None, "bucketSeconds": 24.0, "buckets": []}


async def test_the_latest_reading_of_each_endpoint(world: LedgerWorld, api: Api) -> None:
    for name in ("a", "b", "c", "x"):
        await world.ingest(registered(name))
    for number, name in enumerate(("c", "a", "b")):
        await report(world, (None, float(number)), (None, number + 0.5), name=name)
    found = await pages(api, LATEST, "latestReadings", path=TEMPERATURE, first=2)
    assert [(one["endpoint"]["name"], one["value"]) for one in found] == [("a", 1.5), ("b", 2.5), ("c", 0.5)]
    some = await pages(api, LATEST, "latestReadings", path=TEMPERATURE, filter={"nameContains": "b"})
    assert [one["value"] for one in some] == [2.5]
    query = '{ readings(endpoint: "b", first: 1) { edges { node { id reportId } } } }'
    (newest,) = (await api.ask(query))["readings"]["edges"]
    assert some[0]["id"] == newest["node"]["id"]
    assert some[0]["reportId"] == newest["node"]["reportId"]


VALUES: Final[dict[ValueType, list[tuple[Any, float | None]]]] = {
    ValueType.STRING: [('ä "b"', None), ("", None), ("42", None)],
    ValueType.INTEGER: [(str(-(2**63)), -(2.0**63)), ("0", 0.0), (str(2**63 - 1), 2.0**63)],
    ValueType.UNSIGNED_INTEGER: [("0", 0.0), (str(2**64 - 1), 2.0**64)],
    ValueType.FLOAT: [(5e-324, 5e-324), (1.7e308, 1.7e308), (-20.5, -20.5)],
    ValueType.BOOLEAN: [(True, 1.0), (False, 0.0)],
    ValueType.OPAQUE: [("00ff", None), ("", None)],
    ValueType.TIME: [("2026-11-23T10:00:00Z", 1_795_428_000.0), ("0001-01-02T00:00:00Z", -62_135_510_400.0)],
    ValueType.OBJLNK: [({"objectId": 3303, "objectInstanceId": 0}, None)],
    ValueType.CORELINK: [("</3/0>;ver=1.1", None)],
}
"""Values of each data type of the OMA registry, in the form of the API, with their numbers."""


@pytest.mark.parametrize("type_", list(ValueType))
async def test_a_value_of_each_type_is_returned_as_it_was_reported(
    world: LedgerWorld, api: Api, type_: ValueType
) -> None:
    await world.ingest(registered("d"))
    values = {f"/3000/0/{index}": value for index, (value, _) in enumerate(VALUES[type_])}
    numbers = {f"/3000/0/{index}": number for index, (_, number) in enumerate(VALUES[type_])}
    several = "/3000/1/0"
    values[several], numbers[several] = {"0": values["/3000/0/0"], "7": values["/3000/0/0"]}, None
    sample = TypedSample({path: TypedValue(type_, value) for path, value in values.items()})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[sample]))
    readings = await pages(api, PAGE, "readings")
    assert {one["path"]: one["value"] for one in readings} == values
    assert {one["path"]: one["number"] for one in readings} == numbers
    assert {one["type"] for one in readings} == {type_}
    query = '{ endpoint(name: "d") { resources { path value number } } }'
    states = (await api.ask(query))["endpoint"]["resources"]
    assert {one["path"]: (one["value"], one["number"]) for one in states} == {
        path: (values[path], numbers[path]) for path in values
    }


async def test_an_instance_of_a_multiple_resource_is_read_like_a_resource(world: LedgerWorld, api: Api) -> None:
    """A Send names the instances of a multiple resource one by one."""
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(3303, "1.0", model_to_json(SENSOR))]))
    await world.ingest(registered("d", object_links=LINKS))
    instance = f"{TEMPERATURE}/7"
    await report(world, (None, 20.5), path=instance)
    await report(world, (None, {"0": 20.5, "7": 21.5}))
    assert [one["path"] for one in await pages(api, PAGE, "readings", path=TEMPERATURE)] == [TEMPERATURE, instance]
    assert [one["value"] for one in await pages(api, PAGE, "readings", path=instance)] == [20.5]
    assert (await api.ask("{ objectModel(objectId: 3303) { name } }"))["objectModel"] is not None
    times = {"from": time(START - HOUR), "to": time(START + HOUR)}
    of_all, of_instance = (await api.ask(SERIES, paths=[TEMPERATURE, instance], **times))["readingSeries"]
    assert [(one["count"], one["mean"]) for one in of_all["buckets"]] == [(1, None)]
    assert [(one["count"], one["mean"]) for one in of_instance["buckets"]] == [(1, 20.5)]
    assert (of_instance["name"], of_instance["units"]) == ("Sensor Value", "Cel")
    (latest,) = await pages(api, LATEST, "latestReadings", path=instance)
    assert (latest["endpoint"]["name"], latest["value"]) == ("d", 20.5)


async def test_names_and_units_come_from_the_object_model(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(3303, "1.0", model_to_json(SENSOR))]))
    await world.ingest(registered("d", object_links=LINKS))
    await report(world, (None, 20.5))
    model = (
        "objectModel(objectId: 3303) { version name description multiple resources { resourceId units operations } }"
    )
    query = f"""{{
      {model}
      unknown: objectModel(objectId: 3303, version: "2.0") {{ name }}
      endpoint(name: "d") {{
        resources {{ path name units }}
        objects {{ objectId version instances model {{ name resources {{ name description range }} }} }}
      }}
    }}"""
    data = await api.ask(query)
    resources = [{"resourceId": 5605, "units": None, "operations": "E"}]
    resources.append({"resourceId": 5700, "units": "Cel", "operations": "R"})
    named = {"version": "1.0", "name": "Temperature", "description": "A thermometer.", "multiple": True}
    assert data["objectModel"] == {**named, "resources": resources}
    assert data["unknown"] is None
    assert data["endpoint"]["resources"] == [{"path": TEMPERATURE, "name": "Sensor Value", "units": "Cel"}]
    device, sensor = data["endpoint"]["objects"]
    assert (device["objectId"], device["instances"], device["model"]) == (3, [0], None)
    assert (sensor["objectId"], sensor["version"], sensor["instances"]) == (3303, "1.0", [0, 2])
    assert sensor["model"]["resources"][1] == {
        "name": "Sensor Value",
        "description": "The value.",
        "range": "-50..50",
    }


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ('{ readings(endpoint: "no") { edges { cursor } } }', "NOT_FOUND", "endpoint"),
        ('{ readings(endpoint: "d", path: "/x") { edges { cursor } } }', "BAD_USER_INPUT", "path"),
        ('{ readings(endpoint: "d", first: 0) { edges { cursor } } }', "BAD_USER_INPUT", "first"),
        ('{ readings(endpoint: "d", after: "bG9nOjE") { edges { cursor } } }', "BAD_USER_INPUT", "after"),
        ('{ latestReadings(path: "/3303") { edges { cursor } } }', "BAD_USER_INPUT", "path"),
        ('{ objectModel(objectId: 3, version: "one") { name } }', "BAD_USER_INPUT", "version"),
    ],
)
async def test_invalid_arguments_are_refused(
    world: LedgerWorld, api: Api, query: str, code: str, field: str | None
) -> None:
    await world.ingest(registered("d"))
    error = await api.error(query)
    assert (error["code"], error.get("field")) == (code, field)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"paths": []}, "BAD_USER_INPUT", "paths"),
        ({"paths": [TEMPERATURE, "/3303"]}, "BAD_USER_INPUT", "paths.1"),
        ({"paths": [TEMPERATURE] * 21}, "LIMIT_EXCEEDED", None),
        ({"points": 0}, "BAD_USER_INPUT", "points"),
        ({"points": 2_001}, "LIMIT_EXCEEDED", None),
        ({"to": time(START)}, "BAD_USER_INPUT", "to"),
    ],
)
async def test_an_invalid_series_is_refused(
    world: LedgerWorld, api: Api, changed: dict[str, Any], code: str, field: str | None
) -> None:
    await world.ingest(registered("d"))
    variables = {"paths": [TEMPERATURE], "from": time(START), "to": time(START + HOUR), **changed}
    error = await api.error(SERIES, **variables)
    assert (error["code"], error.get("field")) == (code, field)
