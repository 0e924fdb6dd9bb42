"""Large stored values: a response has a limit on their bytes, and none is read before they are known to fit (issue 14,
point 32)."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from app.domain.enums import HOUR, SECOND, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.cursors import log_cursor
from app.models.ledger import AggregateReadings, DecodedEvent, Provision, TypedSample
from app.models.live import LiveLog, TransitionCriteria
from app.models.queries import INLINE, reading_series
from app.models.queries.views import Large
from app.schema.api.ids import endpoint_id, operation_id
from app.schema.api.scalars import moment
from app.schema.limits import MAX_RESPONSE
from tests.support.api import Api
from tests.support.ledger import START, LedgerWorld, new, registered
from tests.support.schema import VIEWER, socket

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEBIBYTE = 1_048_576
TOO_LARGE = {"code": "LIMIT_EXCEEDED", "limit": MAX_RESPONSE}
PAGE = "query($first: Int) { deviceOperations(first: $first) { edges { node { %s } } } }"
ONE = "query($id: ID!) { deviceOperation(id: $id) { %s } }"


async def answered(world: LedgerWorld, *sizes: int, column: str = "answer") -> list[str]:
    """Create operations whose stored answers (or values) have so many characters, oldest first; return their global
    ids."""
    await world.ledgers[0].submit(Provision("d"))
    seqs = await world.create(*(new("d") for _ in sizes))
    for seq, size in zip(seqs, sizes, strict=True):
        await store(world, f"UPDATE operation SET {column} = $1 WHERE seq = $2", text(size), seq)  # noqa: S608
    return [operation_id(str((await world.operation(seq))["id"])) for seq in seqs]


async def store(world: LedgerWorld, sql: str, *values: Any) -> None:
    await world.reader.begin()
    await world.reader.execute(sql, *values)
    await world.reader.commit()


def text(size: int) -> str:
    """Return the JSON of a string with so many characters."""
    return orjson.dumps("é" + "x" * (size - 1)).decode()


def value(size: int) -> str:
    return str(orjson.loads(text(size)))


async def test_a_page_of_large_answers_is_refused_unread(world: LedgerWorld, api: Api) -> None:
    ids = await answered(world, *[MEBIBYTE] * 9)
    with patch("app.schema.api.reads.operations_by_seq") as read:
        (error,) = (await api.answer(PAGE % "answer", VIEWER))["errors"]
    assert error["extensions"] == TOO_LARGE
    assert "`first`" in error["message"]
    read.assert_not_called()
    assert len((await api.ask(PAGE % "id status", VIEWER))["deviceOperations"]["edges"]) == 9
    page = (await api.ask(PAGE % "id answer", VIEWER, first=7))["deviceOperations"]["edges"]
    assert [edge["node"] for edge in page] == [{"id": id_, "answer": value(MEBIBYTE)} for id_ in ids[:1:-1]]
    assert (await api.ask(ONE % "answer", VIEWER, id=ids[0]))["deviceOperation"] == {"answer": value(MEBIBYTE)}


@pytest.mark.parametrize(
    "selected",
    [
        " ".join(f"a{index}: answer" for index in range(9)),
        "transitions { edges { node { operation { answer } } } } lastTransition { operation { answer } }",
        "answer " + "lastTransition { operation { answer " * 4 + "} }" * 4,
    ],
    ids=["aliases", "steps", "nested"],
)
async def test_a_value_counts_as_often_as_it_is_selected(world: LedgerWorld, api: Api, selected: str) -> None:
    (id_,) = await answered(world, 2 * MEBIBYTE)
    if "transitions" in selected:
        columns = "seq, operation_id, number, from_status, to_status, attempt, at"
        sql = f"INSERT INTO transition ({columns}) VALUES ($1, $2, $3, 'QUEUED', 'SENDING', 0, 1)"  # noqa: S608
        seq = (await world.row("SELECT seq FROM operation"))["seq"]
        for number in range(2, 6):
            await store(world, sql, -number, seq, number)
    assert await api.error(ONE % selected, VIEWER, id=id_) == TOO_LARGE
    assert (await api.ask(ONE % "answer", VIEWER, id=id_))["deviceOperation"] == {"answer": value(2 * MEBIBYTE)}


async def test_a_batch_and_the_aliases_of_a_document_share_the_budget(world: LedgerWorld, api: Api) -> None:
    (id_,) = await answered(world, 3 * MEBIBYTE)
    one = {"query": ONE % "answer", "variables": {"id": id_}}
    answers = (await api.post([one] * 10, VIEWER)).json()
    assert sum("errors" not in answer for answer in answers) == 2, [answer.get("errors") for answer in answers]
    fields = " ".join(f"a{index}: deviceOperation(id: $id) {{ answer }}" for index in range(10))
    told = await api.answer(f"query($id: ID!) {{ {fields} }}", VIEWER, id=id_)
    assert {error["extensions"]["code"] for error in told["errors"]} == {"LIMIT_EXCEEDED"}
    assert sum(field is not None for field in told["data"].values()) == 2


async def test_fields_of_one_response_key_are_counted_together(world: LedgerWorld, api: Api) -> None:
    (id_,) = await answered(world, MEBIBYTE)
    fields = " ".join(f"deviceOperation(id: $id) {{ a{index}: answer }}" for index in range(9))
    assert await api.error(f"query($id: ID!) {{ {fields} }}", VIEWER, id=id_) == TOO_LARGE


@pytest.mark.parametrize("column", ["answer", "value", "arguments"])
async def test_short_and_long_values_of_a_page_are_exact(world: LedgerWorld, api: Api, column: str) -> None:
    sizes = [1, INLINE - 10, INLINE - 3, INLINE - 2, INLINE, INLINE + 1, 3 * INLINE]
    await answered(world, *sizes, column=column)
    page = (await api.ask(PAGE % f"value answer arguments {column}", VIEWER))["deviceOperations"]["edges"]
    told = [edge["node"][column] for edge in page]
    assert told == [text(size) if column == "arguments" else value(size) for size in reversed(sizes)]


CREATE = """
mutation($inputs: [CreateDeviceOperationInput!]!) {
  createDeviceOperations(inputs: $inputs) { created operation { %s } }
}"""


def write(size: int, **more: Any) -> dict[str, Any]:
    return {"endpoint": "d", "path": "/5/0/1", "value": {"string": "x" * size}, **more}


async def operations(world: LedgerWorld) -> int:
    return len(await world.rows("SELECT seq FROM operation"))


async def test_a_mutation_whose_payload_is_too_large_does_nothing(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    selected = " ".join(f"a{index}: value" for index in range(10))
    inputs = [write(128 * 1024)] * 7
    assert await api.error(CREATE % selected, inputs=inputs) == TOO_LARGE
    assert await operations(world) == 0
    keyed = [{**one, "idempotencyKey": str(index)} for index, one in enumerate(inputs)]
    for created in (True, False):
        made = await api.ask(CREATE % "a: value b: value c: value d: value e: value", inputs=keyed)
        assert [one["created"] for one in made["createDeviceOperations"]] == [created] * 7
    selected = " ".join(f"a{index}: value" for index in range(5))
    fields = " ".join(
        f"a{index}: createDeviceOperation(input: $input) {{ operation {{ {selected} }} }}" for index in range(8)
    )
    opaque = {**inputs[0], "value": {"opaque": "00" * 128 * 1024}}
    told = await api.answer(f"mutation($input: CreateDeviceOperationInput!) {{ {fields} }}", input=opaque)
    done = [field for field in told["data"].values() if field is not None]
    assert 0 < len(done) < 8
    assert await operations(world) == 7 + len(done)


@pytest.mark.parametrize("step", ["toStatus", "operation { id }"])
async def test_a_value_is_not_counted_again_with_steps_that_do_not_show_it(
    world: LedgerWorld, api: Api, step: str
) -> None:
    await world.ledgers[0].submit(Provision("d"))
    selected = " ".join(f"a{index}: value" for index in range(20))
    query = CREATE % f"{selected} transitions {{ edges {{ node {{ {step} }} }} }}"
    (made,) = (await api.ask(query, inputs=[write(1, value={"opaque": "00" * 128 * 1024})]))["createDeviceOperations"]
    assert len(made["operation"]["transitions"]["edges"]) == 1


async def test_an_operation_too_large_to_be_shown_is_not_canceled(world: LedgerWorld, api: Api) -> None:
    (id_,) = await answered(world, 3 * MEBIBYTE, column="value")
    cancel = "mutation($id: ID!) { cancelDeviceOperation(id: $id) { status %s } }"
    assert await api.error(cancel % "a: value b: value c: value", id=id_) == TOO_LARGE
    assert (await api.ask(ONE % "status", id=id_))["deviceOperation"] == {"status": "QUEUED"}
    canceled = (await api.ask(cancel % "a: value b: value", id=id_))["cancelDeviceOperation"]
    assert (canceled["status"], canceled["a"]) == ("CANCELED", value(3 * MEBIBYTE))


async def test_the_endpoint_of_a_new_operation_counts_before_it_is_created(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    links = f'[{{"url": "/5/0", "attributes": {{"x": {text(MEBIBYTE)}}}}}]'
    await store(world, "UPDATE endpoint SET object_links = $1, registered_at = 1, presence = 'ASLEEP'", links)
    query = CREATE % "endpoint { registration { objectLinks } }"
    assert await api.error(query, inputs=[write(1)] * 9) == TOO_LARGE
    assert await operations(world) == 0


async def test_values_of_composites_are_exact(world: LedgerWorld, api: Api) -> None:
    (id_,) = await answered(world, 1)
    stored = {"/3/0/1": {"type": "STRING", "value": "x" * 3 * INLINE}}
    await store(world, "UPDATE operation SET composite = $1", orjson.dumps(stored).decode())
    told = (await api.ask(ONE % "values", VIEWER, id=id_))["deviceOperation"]
    assert told == {"values": {"/3/0/1": "x" * 3 * INLINE}}


async def test_resources_and_links_count_too(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    endpoint = (await world.endpoint("d"))["id"]
    for index in range(9):
        sql = "INSERT INTO resource_state (id, endpoint_id, path, type, value, at) VALUES ($1, $2, $3, 'STRING', $4, 1)"
        await store(world, sql, index + 1, endpoint, f"/3/{index}/0", text(MEBIBYTE))
    query = 'query($prefix: String) { endpoint(name: "d") { resources(pathPrefix: $prefix) { path value } } }'
    with patch("app.schema.api.reads.resource_values") as read:
        assert await api.error(query, VIEWER) == TOO_LARGE
    read.assert_not_called()
    told = (await api.ask(query, VIEWER, prefix="/3/4"))["endpoint"]["resources"]
    assert told == [{"path": "/3/4/0", "value": value(MEBIBYTE)}]
    sql = "UPDATE endpoint SET object_links = $1, registered_at = 1, presence = 'ASLEEP'"
    await store(world, sql, text(5 * MEBIBYTE))
    links = "registration { objectLinks }"
    assert await api.error(f"{{ endpoints {{ edges {{ node {{ a: {links} b: {links} }} }} }} }}", VIEWER) == TOO_LARGE
    node = f'{{ node(id: "{endpoint_id(endpoint)}") {{ ... on Endpoint {{ {links} }} }} }}'
    assert (await api.ask(node, VIEWER))["node"] == {"registration": {"objectLinks": value(5 * MEBIBYTE)}}
    await answered(world, 1, 1)
    assert await api.error(PAGE % f"endpoint {{ {links} }}", VIEWER) == TOO_LARGE


async def test_a_backlog_of_large_values_is_delivered_one_by_one(
    world: LedgerWorld, address: str, live: LiveLog
) -> None:
    await answered(world, *[MEBIBYTE] * 20)
    async with aclosing(live.transitions(TransitionCriteria(), after=0)) as events:
        first = await anext(events)
    assert (first.operation.answer, first.operation.weight > MEBIBYTE) == (None, True)
    query = "subscription($after: String) { operationTransitions(after: $after) { operation { answer } } }"
    async with socket(address, max_size=None) as ws:
        await ws.begin(VIEWER)
        await ws.subscribe("1", query, after=log_cursor(0))
        for _ in range(20):
            data = await ws.data("1")
            assert data["operationTransitions"]["operation"]["answer"] == value(MEBIBYTE)


SERIES = """
  query($from: DateTime!, $to: DateTime!) {
    readingSeries(endpoint: "d", paths: ["/3/0/0"], from: $from, to: $to) { buckets { count %s } }
  }
"""


@pytest.mark.parametrize("hours", [1, 72], ids=["of readings", "of hours"])
async def test_the_last_values_of_a_series_are_read_if_they_fit(world: LedgerWorld, api: Api, hours: int) -> None:
    await world.ingest(registered("d"))
    times = [START - number * hours * HOUR // 24 for number in reversed(range(9))]
    for number, at in enumerate(times):
        typed = TypedValue(ValueType.STRING, value(100_000 if number % 2 else 10))
        await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[TypedSample({"/3/0/0": typed}, at)]))
    world.pass_(3_600)
    while await world.ledgers[0].submit(AggregateReadings()):
        pass
    limits = {"from": moment(times[0]).isoformat(), "to": moment(START + SECOND).isoformat()}
    (series,) = (await api.ask(SERIES % "last", VIEWER, **limits))["readingSeries"]
    assert [len(bucket["last"]) for bucket in series["buckets"]] == [10, 100_000] * 4 + [10]
    often = " ".join(f"last{number}: last" for number in range(25))
    with patch("app.schema.api.readings.reading_series", wraps=reading_series) as read:
        (error,) = (await api.answer(SERIES % often, VIEWER, **limits))["errors"]
        assert error["extensions"] == TOO_LARGE
        assert [call.args[-1] for call in read.await_args_list] == [Large.SHORT]
        (series,) = (await api.ask(SERIES % "", VIEWER, **limits))["readingSeries"]
        assert [bucket["count"] for bucket in series["buckets"]] == [1] * 9
        assert read.await_args_list[-1].args[-1] is Large.NONE
