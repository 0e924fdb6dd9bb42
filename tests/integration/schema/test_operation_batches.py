"""``createDeviceOperationsFor``: one operation for each endpoint of a filter, continued by the name of the batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.domain.enums import ValueType
from app.domain.object_models import ObjectModel, ResourceModel, model_to_json
from app.models.invariant_check import violations
from app.models.ledger import Provision, StoredModel, StoreObjectModels
from app.models.object_models import ObjectModelCache
from app.schema.api import operation_batches
from app.schema.limits import MAX_COST
from tests.support.api import Api
from tests.support.ledger import LedgerWorld, new, registered
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOR = """
  mutation($filter: EndpointFilter!, $input: DeviceOperationTemplateInput!, $batch: String! = "night", $count: Int) {
    createDeviceOperationsFor(filter: $filter, input: $input, batch: $batch, expectedCount: $count) {
      created passedOver batch
    }
  }
"""
LIST = """
  query($batch: String) {
    deviceOperations(filter: {batch: $batch}, first: 200) { edges { node {
      kind path value validated priority repeatable batch createdBy notBefore sequence endpoint { name }
    } } }
  }
"""
COUNT = "query($filter: EndpointFilter) { endpointCount(filter: $filter) }"
READ = {"kind": "READ", "path": "/3/0/0"}
DEVICES = {"nameContains": "dev"}
BATCH: dict[str, Any] = {"filter": DEVICES, "input": READ}


async def create_for(api: Api, **variables: Any) -> dict[str, Any]:
    payload: dict[str, Any] = (await api.ask(FOR, **(BATCH | variables)))["createDeviceOperationsFor"]
    return payload


async def listed(api: Api, batch: str = "night") -> list[dict[str, Any]]:
    """Return the operations of a batch, oldest first."""
    edges = (await api.ask(LIST, batch=batch))["deviceOperations"]["edges"]
    return [edge["node"] for edge in reversed(edges)]


async def names(api: Api, batch: str = "night") -> list[str]:
    return [operation["endpoint"]["name"] for operation in await listed(api, batch)]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a piece have two endpoints."""
    monkeypatch.setattr(operation_batches, "PIECE", 2)


@pytest.fixture
def one_piece_per_request(monkeypatch: pytest.MonkeyPatch, small_pieces: None) -> None:
    monkeypatch.setattr(operation_batches, "WORK_SECONDS", 0.0)


async def provision(world: LedgerWorld, *endpoints: str) -> None:
    await asyncio.gather(*(world.ledgers[0].submit(Provision(name)) for name in endpoints))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
async def test_each_endpoint_of_the_filter_gets_one_operation(world: LedgerWorld, api: Api, count: int) -> None:
    devices = [f"dev-{number}" for number in range(count)]
    await provision(world, *reversed(devices), "other")
    template = {"path": "/5/0/1", "value": {"string": "https://a"}, "priority": 7, "sequence": "s"}
    done = await create_for(api, input=template, count=count)
    assert done == {"created": count, "passedOver": 0, "batch": "night"}
    operations = await listed(api)
    assert [one["endpoint"]["name"] for one in operations] == devices
    assert {(one["kind"], one["path"], one["value"], one["priority"]) for one in operations} == {
        ("WRITE", "/5/0/1", "https://a", 7)
    }
    assert {(one["batch"], one["createdBy"], one["sequence"]) for one in operations} == {("night", "olga", "s")}
    assert await create_for(api, input=template, count=count) == done, "it has finished: its numbers again"
    assert await names(api) == devices
    assert await violations(world.url, now=world.now) == []


async def test_a_filter_that_matches_nothing_creates_nothing(world: LedgerWorld, api: Api) -> None:
    await provision(world, "dev-1")
    for batch, filter_ in (("a", {"nameContains": "none"}), ("b", {"presences": []}), ("c", {"presences": ["ONLINE"]})):
        assert await create_for(api, filter=filter_, batch=batch) == {"created": 0, "passedOver": 0, "batch": batch}


@pytest.mark.usefixtures("one_piece_per_request")
async def test_a_request_that_ends_in_between_is_continued_by_the_next(world: LedgerWorld, api: Api) -> None:
    devices = [f"dev-{number}" for number in range(5)]
    await provision(world, *devices)
    for created in (2, 4):
        refused = await api.error(FOR, **BATCH, count=5)
        assert refused == {"code": "UNAVAILABLE", "created": created, "passedOver": 0}
    assert await create_for(api, count=5) == {"created": 5, "passedOver": 0, "batch": "night"}
    assert await names(api) == devices


@pytest.mark.usefixtures("one_piece_per_request")
async def test_endpoints_that_come_and_go_meanwhile(world: LedgerWorld, api: Api) -> None:
    """Each endpoint is checked when its piece is created."""
    await provision(world, "dev-2", "dev-3", "dev-5")
    await api.error(FOR, **BATCH, count=3)
    await provision(world, "dev-1", "dev-4")
    assert (await api.error(FOR, **BATCH, count=3))["created"] == 4
    await create_for(api, count=3)
    assert await names(api) == ["dev-2", "dev-3", "dev-4", "dev-5"]


Next = Callable[[Any, Any], Awaitable[Any]]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("committed", [False, True])
async def test_a_crash_between_or_within_pieces_creates_nothing_twice(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    devices = [f"dev-{number}" for number in range(7)]
    await provision(world, *devices)
    create_next: Next = operation_batches._Pieces.create_next
    calls = 0

    async def crashing(pieces: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            if committed:
                await create_next(pieces, batch)
            raise RuntimeError("the process ends here")
        return await create_next(pieces, batch)

    monkeypatch.setattr(operation_batches._Pieces, "create_next", crashing)
    assert (await api.error(FOR, **BATCH))["code"] == "INTERNAL"
    assert len(await names(api)) == (6 if committed else 4)
    assert (await create_for(api))["created"] == 7
    assert await names(api) == devices
    assert await violations(world.url, now=world.now) == []


@pytest.mark.usefixtures("small_pieces")
async def test_two_callers_at_once_create_nothing_twice(world: LedgerWorld, api: Api) -> None:
    devices = [f"dev-{number:02}" for number in range(25)]
    await provision(world, *devices)
    done = await asyncio.gather(*(create_for(api) for _ in range(4)))
    assert done == [{"created": 25, "passedOver": 0, "batch": "night"}] * 4
    assert await names(api) == devices
    assert await violations(world.url, now=world.now) == []


@pytest.mark.usefixtures("small_pieces")
async def test_a_canceled_request_leaves_a_batch_that_can_be_continued(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [f"dev-{number:02}" for number in range(9)]
    await provision(world, *devices)
    create_next: Next = operation_batches._Pieces.create_next
    waiting = asyncio.Event()

    async def create_one_piece(pieces: Any, batch: Any) -> Any:
        if batch.created:
            waiting.set()
            await asyncio.Event().wait()
        return await create_next(pieces, batch)

    monkeypatch.setattr(operation_batches._Pieces, "create_next", create_one_piece)
    request = asyncio.create_task(api.answer(FOR, **BATCH))
    await waiting.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    monkeypatch.setattr(operation_batches._Pieces, "create_next", create_next)
    assert (await create_for(api))["created"] == 9
    assert await names(api) == devices


async def test_another_filter_or_input_of_the_same_batch_is_a_conflict(world: LedgerWorld, api: Api) -> None:
    await provision(world, "dev-1")
    await create_for(api)
    same: list[dict[str, Any]] = [{"input": {**READ, "priority": 0}}, {"input": {**READ, "path": "3/0/0/"[:-1]}}]
    for variables in same:
        assert (await create_for(api, **variables))["created"] == 1
    for variables in (
        {"filter": {"nameContains": "dev-"}},
        {"filter": {**DEVICES, "presences": ["OFFLINE"]}},
        {"input": {**READ, "path": "/3/0/1"}},
        {"input": {**READ, "priority": 1}},
        {"input": {**READ, "notBefore": "2026-01-01T00:00:00Z"}},
    ):
        refused = await api.error(FOR, **(BATCH | variables))
        assert refused == {"code": "CONFLICT", "field": "batch"}
    assert await names(api) == ["dev-1"]


async def test_an_unexpected_number_of_endpoints_is_a_conflict(world: LedgerWorld, api: Api) -> None:
    await provision(world, "dev-1", "dev-2", "other")
    for count in (-1, 0, 1, 3):
        assert await api.error(FOR, **BATCH, count=count) == {"code": "CONFLICT", "count": 2}
    assert await world.rows("SELECT id FROM operation_batch") == []
    assert await listed(api) == []
    assert (await api.ask(COUNT, filter=DEVICES))["endpointCount"] == 2
    assert (await api.ask(COUNT))["endpointCount"] == 3
    assert (await create_for(api, count=2))["created"] == 2
    assert (await create_for(api, filter={}, count=3, batch="all"))["created"] == 3


async def test_endpoints_whose_objects_exclude_the_operation_are_passed_over(world: LedgerWorld, api: Api) -> None:
    def links(*paths: str) -> dict[str, Any]:
        return {"object_links": [{"url": path} for path in paths], "lwm2m_version": "1.1"}

    executable = ResourceModel(0, "Run", "E", multiple=False, mandatory=False, type=None)
    writable = ResourceModel(1, "Text", "RW", multiple=False, mandatory=False, type=ValueType.STRING)
    model = ObjectModel(5, "1.0", "Firmware Update", multiple=False, resources={0: executable, 1: writable})
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(5, "1.0", model_to_json(model))]))
    await world.ingest(
        registered("dev-with", **links("/3/0", "/5/0")),
        registered("dev-with-2", **links("/1/0", "/5/0")),
        registered("dev-without", **links("/3/0")),
        registered("dev-none"),
    )
    await provision(world, "dev-unknown")
    template = {"path": "/5/0/1", "value": {"string": "x"}}
    assert await create_for(api, input=template) == {"created": 4, "passedOver": 1, "batch": "night"}
    checked = {one["endpoint"]["name"]: one["validated"] for one in await listed(api)}
    assert checked == {"dev-none": False, "dev-unknown": False, "dev-with": True, "dev-with-2": True}
    done = await create_for(api, input={"path": "/5/0/1", "value": {"integer": 1}}, batch="integers")
    assert (done["created"], done["passedOver"]) == (2, 3)
    assert await names(api, "integers") == ["dev-none", "dev-unknown"]


async def test_the_models_of_many_like_devices_are_read_once(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = [[{"url": "/3/0"}, {"url": f"/{number + 10_000}/0"}] for number in range(30)]
    for number, own in enumerate(links):
        await world.ingest(registered(f"dev-{number:02}", object_links=own, lwm2m_version="1.1"))
    reads, read = list[Any](), ObjectModelCache.exact

    async def counted(cache: ObjectModelCache, versions: Any) -> Any:
        reads.append(versions)
        return await read(cache, versions)

    monkeypatch.setattr(ObjectModelCache, "exact", counted)
    assert (await create_for(api))["created"] == 30
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("variables", "refusal"),
    [
        ({"filter": {}}, ("BAD_USER_INPUT", "filter")),
        ({"filter": {"nameContains": ""}}, ("BAD_USER_INPUT", "filter")),
        ({"filter": {"nameContains": "x" * 256}}, ("BAD_USER_INPUT", "filter.nameContains")),
        ({"batch": ""}, ("BAD_USER_INPUT", "batch")),
        ({"batch": "x" * 256}, ("BAD_USER_INPUT", "batch")),
        ({"batch": "a\x00"}, ("BAD_USER_INPUT", "batch")),
        ({"input": {}}, ("BAD_USER_INPUT", "path")),
        ({"input": {"kind": "READ"}}, ("BAD_USER_INPUT", "path")),
        ({"input": {"kind": "READ", "path": "/3/x"}}, ("BAD_USER_INPUT", "path")),
        ({"input": {**READ, "priority": 101}}, ("BAD_USER_INPUT", "priority")),
        ({"input": {**READ, "ttlSeconds": 0}}, ("BAD_USER_INPUT", "ttlSeconds")),
        ({"input": {**READ, "notBefore": "2999-01-01T00:00:00Z"}}, ("BAD_USER_INPUT", "notBefore")),
        ({"input": {**READ, "sequence": ""}}, ("BAD_USER_INPUT", "sequence")),
        ({"input": {"path": "/5/0/1", "value": {}}}, ("BAD_USER_INPUT", "value")),
    ],
)
async def test_invalid_input_names_its_field_and_begins_nothing(
    world: LedgerWorld, api: Api, variables: dict[str, Any], refusal: tuple[str, str]
) -> None:
    await provision(world, "dev-1")
    refused = await api.error(FOR, **(BATCH | variables))
    assert (refused["code"], refused.get("field")) == refusal
    assert await world.rows("SELECT id FROM operation_batch") == []
    assert await world.rows("SELECT seq FROM operation") == []


async def test_a_template_has_no_endpoint_and_no_key(api: Api) -> None:
    for field in ("endpoint", "idempotencyKey", "batch"):
        assert (await api.error(FOR, filter=DEVICES, input={**READ, field: "x"}))["code"] == "BAD_USER_INPUT"


async def test_a_viewer_may_not_create_for_many(api: Api) -> None:
    assert (await api.error(FOR, VIEWER, **BATCH))["code"] == "FORBIDDEN"


async def test_one_batch_fits_in_a_request(api: Api) -> None:
    field = 'createDeviceOperationsFor(filter: {nameContains: "a"}, input: {kind: READ, path: "/3"}, batch: "b")'
    twice = f"mutation {{ a: {field} {{ created }} b: {field} {{ created }} }}"
    assert await api.error(twice) == {"code": "LIMIT_EXCEEDED", "limit": MAX_COST}


async def test_large_values_are_written_in_smaller_pieces(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_batches, "PIECE_BYTES", 2_500)
    monkeypatch.setattr(operation_batches, "WORK_SECONDS", 0.0)
    await provision(world, "dev-1", "dev-2", "dev-3")
    template = {"path": "/5/0/1", "value": {"string": "x" * 1_000}}
    assert (await api.error(FOR, filter=DEVICES, input=template))["created"] == 2
    assert (await create_for(api, input=template))["created"] == 3


async def test_what_was_given_is_stored(world: LedgerWorld, api: Api) -> None:
    template = {
        "kind": "WRITE",
        "path": "/5/0/1",
        "value": {"multiple": [{"id": 0, "value": {"string": "a"}}]},
        "notBefore": "2026-01-01T00:00:00Z",
    }
    await create_for(api, filter={**DEVICES, "presences": ["ONLINE"]}, input=template)
    row = await world.row("SELECT * FROM operation_batch")
    assert row["endpoint_filter"] == '{"nameContains":"dev","presences":["ONLINE"]}'
    assert row["template"] == (
        '{"kind":"WRITE","path":"/5/0/1","value":{"multiple":[{"id":0,"value":{"string":"a"}}]},"replace":true,'
        '"priority":0,"validateRange":true,"supersede":false,"notBefore":1767225600000000}'
    )


async def test_an_operation_of_another_mutation_may_have_the_same_batch(world: LedgerWorld, api: Api) -> None:
    await provision(world, "dev-1")
    await world.create(new("dev-1", batch="night"))
    assert (await create_for(api))["created"] == 1
    assert await names(api) == ["dev-1", "dev-1"]
    assert await violations(world.url, now=world.now) == []
