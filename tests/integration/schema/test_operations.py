"""Operations through GraphQL: created, read back, canceled, retried."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.domain.enums import ValueType
from app.domain.object_models import ObjectModel, ResourceModel, model_to_json
from app.domain.outcomes import OutcomeKind
from app.models.ledger import Provision, StoredModel, StoreObjectModels, Withdraw
from app.models.queries.access import reader
from app.models.ready import unwanted
from app.schema.api import mutations
from app.schema.api.ids import operation_id
from tests.support.api import Api
from tests.support.ledger import (
    ASLEEP,
    REFUSED,
    SILENT,
    SUCCESS,
    LedgerWorld,
    delayed,
    deregistered,
    new,
    registered,
    registration,
    response,
    updated,
)
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = """
  id kind path paths valueType value values replace arguments attributes status version delivery
  attempts maxAttempts deliveryAttempts priority repeatable validated timeoutSeconds format
  createdAt lastAttemptAt finishedAt expiresAt reason detail waitingFor deviceStatus answer
  idempotencyKey createdBy notBefore sequence endpoint { name presence } retryOf { id }
  lastTransition { cursor number fromStatus toStatus attempt reason at operation { id } }
"""
CREATE = f"""
  mutation($input: CreateDeviceOperationInput!) {{
    createDeviceOperation(input: $input) {{ created operation {{ {FIELDS} }} }}
  }}
"""
CREATE_MANY = """
  mutation($inputs: [CreateDeviceOperationInput!]!) {
    createDeviceOperations(inputs: $inputs) { created operation { id path } }
  }
"""
READ = f"query($id: ID!) {{ deviceOperation(id: $id) {{ {FIELDS} }} }}"
NEXT_STEPS = """
  query($id: ID!, $after: String) {
    deviceOperation(id: $id) { transitions(after: $after) { edges { node { number } } } }
  }
"""
CANCEL = "mutation($id: ID!) { cancelDeviceOperation(id: $id) { status reason version } }"
RETRY = """
  mutation($id: ID!, $key: String) {
    retryDeviceOperation(id: $id, idempotencyKey: $key) {
      created operation { id status path value priority maxAttempts retryOf { id status } }
    }
  }
"""


def write(path: str = "/5/0/1", text: str = "a", **more: Any) -> dict[str, Any]:
    return {"endpoint": "d", "path": path, "value": {"string": text}, **more}


async def create(api: Api, **more: Any) -> dict[str, Any]:
    operation: dict[str, Any] = (await api.ask(CREATE, input=write(**more)))["createDeviceOperation"]["operation"]
    return operation


async def test_a_held_operation_is_canceled_when_leshan_drops_it(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("d"))
    operation = await create(api)
    await world.attempt(delayed("q1"))
    assert (await api.ask(READ, id=operation["id"]))["deviceOperation"]["waitingFor"] == "LESHAN_HOLDS_IT"

    monkeypatch.setattr(mutations, "WITHDRAW_SECONDS", 0.2)
    answer = await api.answer(CANCEL, id=operation["id"])
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "CONFLICT", "id": operation["id"], "status": "SENDING"}
    assert "LESHAN_HOLDS_IT" in error["message"]

    monkeypatch.setattr(mutations, "WITHDRAW_SECONDS", BOUND)
    cancel = asyncio.create_task(api.ask(CANCEL, id=operation["id"]))
    (held,) = await unwanted(1, 10, lambda _now: world.now)
    await world.ledgers[0].submit(Withdraw(held.seq, held.attempt, OutcomeKind.DELAYED, registration()))
    canceled = (await cancel)["cancelDeviceOperation"]
    assert (canceled["status"], canceled["reason"]) == ("CANCELED", "CANCELED_BY_USER")


async def test_a_held_operation_whose_device_woke_first_is_a_conflict(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutations, "WITHDRAW_SECONDS", BOUND)
    await world.ingest(registered("d"))
    operation = await create(api)
    await world.attempt(delayed("q1"))
    cancel = asyncio.create_task(api.answer(CANCEL, id=operation["id"]))
    async with asyncio.timeout(BOUND):
        while not await unwanted(1, 10, lambda _now: world.now):  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(0.005)
    await world.ingest(updated("d", 2), response("d", "q1", SUCCESS))
    (error,) = (await cancel)["errors"]
    assert error["extensions"] == {"code": "CONFLICT", "id": operation["id"], "status": "CONFIRMED"}


async def test_counted_and_all_attempts_are_two_numbers(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    id_ = (await create(api))["id"]
    counts = []
    for report, wake in ((ASLEEP, 2), (SILENT, 3), (SUCCESS, 4)):
        await world.attempt(report)
        operation = (await api.ask(READ, id=id_))["deviceOperation"]
        counts.append((operation["deliveryAttempts"], operation["attempts"], operation["lastTransition"]["attempt"]))
        await world.ingest(updated("d", wake))
    assert counts == [(1, 0, 1), (2, 1, 2), (3, 1, 3)]
    assert operation["status"] == "CONFIRMED"


async def test_an_operation_is_read_as_it_was_created(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    payload = (await api.ask(CREATE, input=write("5/0/1", priority=7, ttlSeconds=60, format="TLV")))[
        "createDeviceOperation"
    ]
    operation = payload["operation"]
    assert payload["created"] is True
    assert operation["path"] == "/5/0/1"
    assert operation["paths"] == ["/5/0/1"]
    assert (operation["valueType"], operation["value"]) == ("STRING", "a")
    assert (operation["status"], operation["version"], operation["delivery"]) == ("QUEUED", 1, "NOT_SENT")
    assert (operation["priority"], operation["maxAttempts"], operation["timeoutSeconds"]) == (7, 3, 30)
    assert (operation["createdBy"], operation["repeatable"], operation["validated"]) == ("olga", True, False)
    assert operation["createdAt"] == "2023-11-14T22:13:20Z"
    assert operation["expiresAt"] == "2023-11-14T22:14:20Z"
    assert operation["endpoint"] == {"name": "d", "presence": "ONLINE"}
    assert operation["waitingFor"] == "DISPATCHER"
    step = operation["lastTransition"]
    assert (step["number"], step["fromStatus"], step["toStatus"]) == (1, None, "QUEUED")
    assert step["operation"] == {"id": operation["id"]}
    assert (await api.ask(READ, id=operation["id"]))["deviceOperation"] == operation
    assert (await api.ask("query($id: ID!) { node(id: $id) { id __typename } }", id=operation["id"]))["node"] == {
        "id": operation["id"],
        "__typename": "DeviceOperation",
    }


VALUES: list[tuple[dict[str, Any], str, Any]] = [
    ({"integer": "-9223372036854775808"}, "INTEGER", "-9223372036854775808"),
    ({"unsignedInteger": 18446744073709551615}, "UNSIGNED_INTEGER", "18446744073709551615"),
    ({"float": 1e300}, "FLOAT", 1e300),
    ({"boolean": False}, "BOOLEAN", False),
    ({"opaque": "00FF"}, "OPAQUE", "00ff"),
    ({"time": "2026-11-23T12:00:00.25+02:00"}, "TIME", "2026-11-23T10:00:00.250000Z"),
    ({"objectLink": {"objectId": 3, "objectInstanceId": 0}}, "OBJLNK", {"objectId": 3, "objectInstanceId": 0}),
    ({"coreLink": "</3>"}, "CORELINK", "</3>"),
    (
        {"multiple": [{"id": 5, "value": {"integer": 1}}, {"id": 0, "value": {"integer": "2"}}]},
        "INTEGER",
        {"5": "1", "0": "2"},
    ),
]


@pytest.mark.parametrize(("value", "type_", "told"), VALUES)
async def test_every_type_of_value_preserves_every_digit(
    world: LedgerWorld, api: Api, value: dict[str, Any], type_: str, told: Any
) -> None:
    await world.ledgers[0].submit(Provision("d"))
    operation = await create(api, value=value)
    assert (operation["valueType"], operation["value"]) == (type_, told)


async def test_composites_have_values_by_path(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    values = [{"path": "3/0/14", "value": {"string": "+01"}}, {"path": "/3442/0/1120/2", "value": {"integer": 4}}]
    given = {"endpoint": "d", "kind": "WRITE_COMPOSITE", "values": values}
    operation = (await api.ask(CREATE, input=given))["createDeviceOperation"]["operation"]
    assert operation["path"] is None
    assert operation["paths"] == ["/3/0/14", "/3442/0/1120/2"]
    assert operation["values"] == {"/3/0/14": "+01", "/3442/0/1120/2": "4"}


async def test_the_answer_and_the_transitions_of_a_confirmed_operation(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    operation = await create(api)
    await world.attempt(SUCCESS)
    told = (
        await api.ask(
            """query($id: ID!) { deviceOperation(id: $id) {
              status deviceStatus delivery finishedAt waitingFor
              transitions(first: 2) { edges { cursor node { number toStatus } } pageInfo { hasNextPage endCursor } }
            } }""",
            id=operation["id"],
        )
    )["deviceOperation"]
    assert (told["status"], told["deviceStatus"], told["delivery"]) == ("CONFIRMED", "CHANGED(204)", "ANSWERED")
    assert told["waitingFor"] == "NOTHING"
    assert [edge["node"]["toStatus"] for edge in told["transitions"]["edges"]] == ["QUEUED", "SENDING"]
    assert told["transitions"]["pageInfo"]["hasNextPage"] is True
    after = told["transitions"]["pageInfo"]["endCursor"]
    rest = (await api.ask(NEXT_STEPS, id=operation["id"], after=after))["deviceOperation"]["transitions"]["edges"]
    assert rest == [{"node": {"number": 3}}]


async def test_an_unknown_endpoint_is_not_found(world: LedgerWorld, api: Api) -> None:
    assert await api.error(CREATE, input=write()) == {"code": "NOT_FOUND", "field": "endpoint"}


async def test_the_same_key_and_input_returns_the_existing_operation(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    first = await api.ask(CREATE, input=write(idempotencyKey="k"))
    again = (await api.ask(CREATE, input=write(idempotencyKey="k")))["createDeviceOperation"]
    id_ = first["createDeviceOperation"]["operation"]["id"]
    assert (again["created"], again["operation"]["id"]) == (False, id_)
    conflict = await api.error(CREATE, input=write(text="b", idempotencyKey="k"))
    assert conflict == {"code": "CONFLICT", "field": "idempotencyKey", "id": id_}


async def test_a_time_and_a_sequence_are_returned(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    there = tomorrow.astimezone(timezone(timedelta(hours=2))).isoformat()
    given: dict[str, Any] = {"notBefore": there, "sequence": "s", "ttlSeconds": 2 * 86_400, "idempotencyKey": "k"}
    operation = await create(api, **given)
    assert (operation["notBefore"], operation["sequence"]) == (tomorrow.isoformat().replace("+00:00", "Z"), "s")
    assert (operation["status"], operation["waitingFor"]) == ("QUEUED", "NOT_BEFORE")
    assert (await create(api, **given))["id"] == operation["id"]
    conflict = await api.error(CREATE, input=write(**{**given, "sequence": "t"}))
    assert conflict == {"code": "CONFLICT", "field": "idempotencyKey", "id": operation["id"]}
    plain = await create(api)
    assert (plain["notBefore"], plain["sequence"]) == (None, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"notBefore": "2999-01-01T00:00:00Z"}, "notBefore"),
        ({"notBefore": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "ttlSeconds": 60}, "notBefore"),
        ({"notBefore": "tomorrow"}, "notBefore"),
        ({"sequence": ""}, "sequence"),
        ({"sequence": "x" * 256}, "sequence"),
    ],
)
async def test_an_invalid_time_or_sequence_is_refused(
    world: LedgerWorld, api: Api, given: dict[str, Any], field: str
) -> None:
    await world.ledgers[0].submit(Provision("d"))
    error = await api.error(CREATE, input=write(**given))
    assert error["code"] == "BAD_USER_INPUT"
    assert error.get("field", "").endswith(field)


async def test_an_operation_behind_a_canceled_one_is_canceled_unlike_its_retry(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    first, second = [await create(api, sequence="s") for _ in range(2)]
    await api.ask(CANCEL, id=first["id"])
    late = await create(api, sequence="s")
    stopped = (await api.ask(READ, id=second["id"]))["deviceOperation"]
    for operation in (stopped, late):
        assert (operation["status"], operation["reason"]) == ("CANCELED", "SEQUENCE_STOPPED")
    retried = (await api.ask(RETRY, id=second["id"]))["retryDeviceOperation"]["operation"]
    again = (await api.ask(READ, id=retried["id"]))["deviceOperation"]
    assert (again["status"], again["sequence"]) == ("QUEUED", None)


async def test_a_batch_with_an_invalid_item_stores_nothing_and_names_it(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    inputs = [write(), write("/5/0"), write()]
    error = await api.error(CREATE_MANY, inputs=inputs)
    assert (error["code"], error["index"], error["field"]) == ("BAD_USER_INPUT", 1, "value.node")
    error = await api.error(CREATE_MANY, inputs=[write(), {**write(), "endpoint": "unknown"}])
    assert error == {"code": "NOT_FOUND", "field": "endpoint", "index": 1}
    counts = (await api.ask("{ operationCounts { status count } }"))["operationCounts"]
    assert counts == [
        {"status": status, "count": 0} for status in ("QUEUED", "SENDING", "CONFIRMED", "FAILED", "CANCELED", "EXPIRED")
    ]


async def test_a_batch_of_a_thousand_is_stored_whole(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    inputs = [write(f"/5/0/{index}") for index in range(1_000)]
    payloads = (await api.ask(CREATE_MANY, inputs=inputs))["createDeviceOperations"]
    assert [payload["operation"]["path"] for payload in payloads] == [given["path"] for given in inputs]
    error = await api.error(CREATE_MANY, inputs=[*inputs, write()])
    assert error == {"code": "LIMIT_EXCEEDED", "limit": 1_000}


async def test_only_a_queued_operation_can_be_canceled(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    operation = await create(api)
    canceled = (await api.ask(CANCEL, id=operation["id"]))["cancelDeviceOperation"]
    assert canceled == {"status": "CANCELED", "reason": "CANCELED_BY_USER", "version": 2}
    error = await api.error(CANCEL, id=operation["id"])
    assert error == {"code": "CONFLICT", "id": operation["id"], "status": "CANCELED"}


@pytest.mark.parametrize("id_", ["nonsense", operation_id("00000000-0000-4000-8000-000000000000"), ""])
@pytest.mark.parametrize("mutation", [CANCEL, RETRY])
async def test_an_unknown_operation_is_not_found(world: LedgerWorld, api: Api, id_: str, mutation: str) -> None:
    assert await api.error(mutation, id=id_) == {"code": "NOT_FOUND", "field": "id"}
    assert (await api.ask(READ, id=id_))["deviceOperation"] is None


async def test_a_retry_is_a_new_operation_with_the_same_request(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    old = await create(api, priority=4, maxAttempts=9)
    assert (await api.error(RETRY, id=old["id"]))["status"] == "QUEUED"
    await world.attempt(REFUSED)
    payload = (await api.ask(RETRY, id=old["id"], key="again"))["retryDeviceOperation"]
    operation = payload["operation"]
    assert payload["created"] is True
    assert operation["retryOf"] == {"id": old["id"], "status": "FAILED"}
    assert (operation["path"], operation["value"]) == (old["path"], old["value"])
    assert (operation["priority"], operation["maxAttempts"]) == (4, 9)
    again = (await api.ask(RETRY, id=old["id"], key="again"))["retryDeviceOperation"]
    assert (again["created"], again["operation"]["id"]) == (False, operation["id"])
    unfinished = await api.error(RETRY, id=old["id"])
    assert unfinished == {"code": "CONFLICT", "id": operation["id"], "status": "QUEUED"}


async def test_an_operation_is_validated_by_the_devices_own_model(world: LedgerWorld, api: Api) -> None:
    resource = ResourceModel(1, "Package URI", "RW", multiple=False, mandatory=True, type=ValueType.STRING)
    model = ObjectModel(5, "1.1", "Firmware Update", multiple=False, resources={1: resource})
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(5, "1.1", model_to_json(model))]))
    links = [{"url": "/5", "attributes": {"ver": "1.1"}}, {"url": "/5/0", "attributes": {}}]
    await world.ingest(registered("d", object_links=links))
    assert (await create(api))["validated"] is True
    error = await api.error(CREATE, input=write(value={"integer": 1}))
    assert error == {"code": "BAD_USER_INPUT", "field": "value"}


async def keep_lifetime(world: LedgerWorld, version: str = "1.1", range_: str = "") -> None:
    """Store the model of object 1: Lifetime, an INTEGER."""
    lifetime = ResourceModel(1, "Lifetime", "RW", multiple=False, mandatory=True, type=ValueType.INTEGER, range=range_)
    model = ObjectModel(1, version, "LwM2M Server", multiple=True, resources={1: lifetime})
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(1, version, model_to_json(model))]))


async def test_a_value_out_of_range_is_queued_only_on_request(world: LedgerWorld, api: Api) -> None:
    await keep_lifetime(world, range_="60..86400")
    links = [{"url": "/1/0", "attributes": {}}]
    await world.ingest(registered("d", object_links=links, lwm2m_version="1.1"))
    asked: dict[str, Any] = {"path": "/1/0/1", "value": {"integer": 5}, "idempotencyKey": "a key"}
    answer = await api.answer(CREATE, input=write(**asked))
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "value"}
    assert "5 is outside the range '60..86400'" in answer["errors"][0]["message"]
    for value in (True, None):
        error = await api.error(CREATE, input=write(**asked, validateRange=value))
        assert error == {"code": "BAD_USER_INPUT", "field": "value"}
    old = await create(api, **asked, validateRange=False)
    assert (old["value"], old["validated"]) == ("5", True)
    assert (await create(api, **asked, validateRange=False))["id"] == old["id"]

    await world.attempt(REFUSED)
    retried = (await api.ask(RETRY, id=old["id"]))["retryDeviceOperation"]["operation"]
    assert (retried["path"], retried["value"]) == ("/1/0/1", "5")


@pytest.mark.parametrize(("release", "version"), [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "1.2")])
async def test_a_core_object_without_ver_has_the_model_of_the_release(
    world: LedgerWorld, api: Api, release: str, version: str
) -> None:
    await keep_lifetime(world, version)
    links = [{"url": "/1/0", "attributes": {}}]
    await world.ingest(registered("d", object_links=links, lwm2m_version=release))
    assert (await create(api, path="/1/0/1", value={"integer": 300}))["validated"] is True
    error = await api.error(CREATE, input=write(path="/1/0/1", value={"string": "300"}))
    assert error == {"code": "BAD_USER_INPUT", "field": "value"}


async def test_an_object_that_the_device_has_not_registered_is_refused(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))  # without links its objects are unknown
    await create(api, kind="READ", path="/9999", value=None)
    links = [{"url": "/", "attributes": {"rt": "oma.lwm2m"}}, {"url": "/3/0", "attributes": {}}]
    await world.ingest(registered("d", id_="r2", object_links=links))
    error = await api.error(CREATE, input=write(kind="READ", path="/9999", value=None))
    assert error == {"code": "BAD_USER_INPUT", "field": "path"}
    asked = {"endpoint": "d", "kind": "READ_COMPOSITE"}
    error = await api.error(CREATE, input={**asked, "paths": ["/9999/0", "/9998/0"]})
    assert error == {"code": "BAD_USER_INPUT", "field": "paths.0"}
    await api.ask(CREATE, input={**asked, "paths": ["/9999/0", "/3/0"]})
    await world.ingest(deregistered("d", "r2"))
    await create(api, kind="READ", path="/9999", value=None)


async def test_a_multiple_resource_is_cleared_and_an_empty_instance_created(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    cleared = await create(api, path="/3442/0/1110", value={"multiple": []})
    assert (cleared["value"], cleared["valueType"], cleared["validated"]) == ({}, "STRING", False)
    created = await create(api, kind="CREATE", path="/3442", value=None)
    assert (created["kind"], created["value"]) == ("CREATE", {"kind": "instance", "resources": []})
    error = await api.error(CREATE, input=write(path="/3442/0/1110", value={"multiple": []}, replace=False))
    assert error == {"code": "BAD_USER_INPUT", "field": "replace"}


async def test_a_page_takes_the_same_number_of_statements_at_any_length(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(12):
        await world.ingest(registered(f"d{index % 4}"))
        await world.create(new(f"d{index % 4}", path=f"/5/0/{index}"))
    query = f"query($first: Int) {{ deviceOperations(first: $first) {{ edges {{ node {{ {FIELDS} }} }} }} }}"
    counts = [await statements(api, monkeypatch, query, first) for first in (2, 12)]
    assert counts[0] == counts[1] <= 6


async def statements(api: Api, monkeypatch: pytest.MonkeyPatch, query: str, first: int) -> int:
    connection = type(reader())
    asked: list[str] = []
    execute = connection.execute_query

    async def counted(self: Any, sql: str, values: Any = None) -> Any:
        asked.append(sql)
        return await execute(self, sql, values)

    with monkeypatch.context() as patch:
        patch.setattr(connection, "execute_query", counted)
        data = await api.ask(query, first=first)
    assert len(data["deviceOperations"]["edges"]) == first
    return len(asked)
