"""The limits of one request: it is refused before it is converted or executed, ends when its time is over or its client
has left, and never delays others (issue 14, points 30 and 31)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import pytest_asyncio
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type, is_leaf_type

from app.bus import BusHealth
from app.health import Health
from app.models.ledger import ProveWritable, Provision
from app.models.queries import Lane
from app.models.queries.access import on_postgres, reader
from app.operator_cli import documents as cli
from app.operator_cli import fleet_documents as fleet
from app.operator_cli import paging, readings, watching
from app.schema import budget
from app.schema.api import ledger_gateway
from app.schema.api.ids import operation_id
from app.schema.api.input_validation import Defaults
from app.schema.execution import documents
from app.schema.execution.documents import prepare
from app.schema.execution.measure import count_values
from app.schema.execution.schema import schema
from app.schema.limits import MAX_COST, MAX_CREATED, MAX_DOCUMENT, MAX_ERRORS, MAX_LIST, MAX_POINTS
from tests.support import loopback
from tests.support.api import JSON_HEADERS, Api
from tests.support.ledger import LedgerWorld, new
from tests.support.schema import OPERATOR, VIEWER, socket
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = "query($filter: DeviceOperationFilter) { deviceOperationCount(filter: $filter) }"
CREATE = "mutation($inputs: [CreateDeviceOperationInput!]!) { createDeviceOperations(inputs: $inputs) { created } }"
ENDLESS = """
    SELECT x AS seq FROM (
        WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT CASE WHEN x > 9 THEN 1 ELSE x + 1 END FROM t) SELECT x FROM t
    ) s
"""
"""A statement for the operations that a filter selects, whose rows never end."""


LONG_LIST = {"code": "LIMIT_EXCEEDED", "limit": MAX_LIST}
NO_SUCH_ID = {"code": "NOT_FOUND", "field": "id"}
TOO_COSTLY = {"code": "LIMIT_EXCEEDED", "limit": MAX_COST}


# --- before any conversion


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


LONG_LISTS: list[Any] = [
    {"endpoints": ["a"] * (MAX_LIST + 1)},
    {"endpoints": ["a"] * 40_000},
    {"statuses": ["QUEUED"] * (MAX_LIST + 1)},
    {"nonsense": [{"deeper": ["a"] * (MAX_LIST + 1)}]},
    {f"nonsense{index}": 1 for index in range(MAX_LIST + 1)},
]


@pytest.mark.parametrize("given", LONG_LISTS, ids=range(len(LONG_LISTS)))
async def test_a_long_list_in_a_variable_is_refused_unconverted(api: Api, given: Any) -> None:
    with patch("graphql.execution.values.coerce_input_value") as coerce:
        assert await api.error(COUNT, VIEWER, filter=given) == LONG_LIST
    coerce.assert_not_called()


async def test_a_long_list_in_a_document_is_refused_unvalidated(api: Api) -> None:
    names = '"a" ' * (MAX_LIST + 1)
    with patch("app.schema.execution.documents.validate") as validate:
        for query in (
            f"{{ deviceOperationCount(filter: {{endpoints: [{names}]}}) }}",
            COUNT.replace("Filter)", f"Filter = {{endpoints: [{names}]}})"),
        ):
            assert await api.error(query, VIEWER) == LONG_LIST
    validate.assert_not_called()


async def test_a_variable_nested_without_end_is_refused(api: Api) -> None:
    assert await api.error(COUNT, VIEWER, filter=nested(200)) == {"code": "BAD_USER_INPUT", "field": "filter"}


async def test_each_use_of_a_variable_adds_its_cost(api: Api) -> None:
    names = [f"device-{index}" for index in range(MAX_LIST)]
    fields = " ".join(f"a{index}: deviceOperations(filter: $filter) {{ edges {{ cursor }} }}" for index in range(50))
    query = f"query($filter: DeviceOperationFilter) {{ {fields} }}"
    assert await api.error(query, VIEWER, filter={"endpoints": names}) == TOO_COSTLY
    assert (await api.ask(COUNT, VIEWER, filter={"endpoints": names}))["deviceOperationCount"] == 0


async def test_the_role_is_checked_before_the_arguments(api: Api) -> None:
    inputs = [{"endpoint": "d", "path": "/5/0/1", "value": {"string": "a"}}] * MAX_LIST
    with patch("graphql.execution.values.coerce_input_value") as coerce:
        assert await api.error(CREATE, VIEWER, inputs=inputs) == {"code": "FORBIDDEN"}
        fragment = CREATE.replace("{ createDevice", "{ ...F } fragment F on Mutation { createDevice")
        assert await api.error(fragment, VIEWER, inputs=[]) == {"code": "FORBIDDEN"}
    coerce.assert_not_called()


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_forbidden_mutation_is_null_with_its_error(api: Api, accept: str) -> None:
    fields = 'a: provisionEndpoint(name: "x") { name } ...F'
    query = f"mutation {{ {fields} }} fragment F on Mutation {{ ... {{ resumeDispatch {{ reason }} }} }}"
    answer = await api.post({"query": query}, VIEWER, accept=accept)
    assert answer.status_code == 200
    told = answer.json()
    assert told["data"] == {"a": None, "resumeDispatch": None}
    assert [(error["path"], error["extensions"]) for error in told["errors"]] == [
        (["a"], {"code": "FORBIDDEN"}),
        (["resumeDispatch"], {"code": "FORBIDDEN"}),
    ]
    assert told["errors"][0]["locations"] == [{"line": 1, "column": query.index("a:") + 1}]


@pytest.mark.parametrize("more", ["__typename", "resumeDispatch @skip(if: true) { reason }"])
async def test_a_forbidden_mutation_does_not_affect_other_fields(api: Api, world: LedgerWorld, more: str) -> None:
    told = await api.answer(f'mutation {{ provisionEndpoint(name: "x") {{ name }} {more} }}', VIEWER)
    expected = {"__typename": "Mutation"} if "__typename" in more else {}
    assert told["data"] == {"provisionEndpoint": None, **expected}
    assert [(error["path"], error["extensions"]) for error in told["errors"]] == [
        (["provisionEndpoint"], {"code": "FORBIDDEN"})
    ]
    assert await world.rows("SELECT id FROM endpoint") == []


async def test_every_mutation_requires_an_operator_or_an_administrator() -> None:
    roles = schema.mutation_roles
    assert {name for name, role in roles.items() if role != "operator"} == {"createApiToken", "revokeApiToken"}
    assert set(roles.values()) == {"operator", "admin"}


# --- documents


async def test_the_documents_of_a_batch_share_one_budget(api: Api) -> None:
    batch = [{"query": f"{{ a{index}: __typename " + "@x " * 4_900 + "}"} for index in range(10)]
    codes = [[error["extensions"]["code"] for error in one["errors"]] for one in (await api.post(batch, VIEWER)).json()]
    assert codes[0] == ["BAD_USER_INPUT"] * (MAX_ERRORS + 1)
    assert codes[1:] == [["LIMIT_EXCEEDED"]] * 9


@pytest.mark.parametrize("filler", [" ", "\n", ",", "#x\n"])
async def test_a_document_of_too_many_characters_is_refused_unparsed(api: Api, filler: str) -> None:
    with patch("app.schema.execution.documents.parse") as parse:
        query = "{ __typename " + filler * (MAX_DOCUMENT // len(filler)) + "}"
        assert await api.error(query, VIEWER) == {"code": "LIMIT_EXCEEDED", "limit": MAX_DOCUMENT}
    parse.assert_not_called()


@pytest.mark.parametrize("quote", ['"', '"""'])
async def test_a_value_as_a_literal_may_be_as_large_as_values_may_be(world: LedgerWorld, api: Api, quote: str) -> None:
    await world.ledgers[0].submit(Provision("d"))
    digits = "0f" * Defaults().max_opaque
    given = f'{{ endpoint: "d", path: "/5/0/0", value: {{ opaque: {quote}{digits}{quote} }} }}'
    query = f"mutation {{ createDeviceOperation(input: {given}) {{ operation {{ value }} }} }}"
    assert len(query) > MAX_DOCUMENT
    assert (await api.ask(query))["createDeviceOperation"] == {"operation": {"value": digits}}


async def test_a_document_is_parsed_without_blocking_the_event_loop(api: Api) -> None:
    """A document that takes long to parse is parsed in a thread."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    seen: list[int] = []

    def slow(*arguments: Any) -> Any:
        before = turns
        made = prepare(*arguments)
        seen.append(turns - before)
        return made

    turning = asyncio.create_task(turn())
    with patch.object(documents, "prepare", slow):
        await api.answer("{ " + "a: __typename " * 2_400 + "}", VIEWER)
    turning.cancel()
    assert seen
    assert seen[0] > 0


def provision(name: str, length: int = 0) -> str:
    """Return a mutation whose text has more than ``length`` characters."""
    return f'mutation {{ provisionEndpoint(name: "{name}") {{ name }} }} #' + "x" * length


ORDERED = ["long", "short", "longest", "last"]
TEXTS = [provision("long", 5_000), provision("short"), provision("longest", 50_000), provision("last")]


async def provisioned(world: LedgerWorld) -> list[str]:
    return [row["name"] for row in await world.rows("SELECT name FROM endpoint ORDER BY id")]


async def test_the_operations_of_a_batch_begin_in_their_order(api: Api, world: LedgerWorld) -> None:
    documents._known.clear()
    answers = (await api.post([{"query": text} for text in TEXTS])).json()
    assert [answer["data"]["provisionEndpoint"]["name"] for answer in answers] == ORDERED
    assert await provisioned(world) == ORDERED


async def test_the_operations_of_a_websocket_begin_in_their_order(address: str, world: LedgerWorld) -> None:
    documents._known.clear()
    async with socket(address) as ws:
        await ws.begin()
        for index, text in enumerate(TEXTS):
            await ws.subscribe(str(index), text)
        ended = 0
        while ended < len(TEXTS):
            ended += (await ws.receive())["type"] == "complete"
    assert await provisioned(world) == ORDERED


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_a_document_of_a_request_is_prepared_once(api: Api, accept: str) -> None:
    query = "{ __typename " + " " * 150_000 + "}"
    with patch.object(documents, "prepare", wraps=prepare) as prepares:
        answer = await api.post({"query": query}, VIEWER, accept=accept)
        assert '{"data":{"__typename":"Query"}' in answer.text
        assert prepares.call_count == 1
        if accept == "application/json":
            told = (await api.post([{"query": query}] * 3, VIEWER)).json()
            assert told == [{"data": {"__typename": "Query"}}] * 3
            assert prepares.call_count == 2


UNKNOWN = {
    "fields": "{ " + " ".join(f"x{index}" for index in range(400)) + " }",
    "arguments": "{ endpoint(" + " ".join(f"x{index}: 1" for index in range(900)) + ") { id } }",
    "directives": "{ __typename " + "@x " * 900 + "}",
    "input fields": "{ deviceOperationCount(filter: {" + " ".join(f"x{index}: 1" for index in range(900)) + "}) }",
    "variables": "query(" + " ".join(f"$x{index}: Int" for index in range(900)) + ") { __typename }",
}


@pytest.mark.parametrize("query", UNKNOWN.values(), ids=UNKNOWN)
async def test_the_errors_of_a_document_are_bounded_and_located_once(api: Api, query: str) -> None:
    with patch("app.schema.execution.error_locations.visit") as visit:
        told = (await api.answer(query, VIEWER))["errors"]
    assert len(told) == MAX_ERRORS + 1  # the last one reports that there are more
    assert visit.call_count == 1


async def test_fragments_without_a_use_are_measured(api: Api) -> None:
    query = "{ __typename } fragment F on Query { " + "transitionCursor " * 501 + "}"
    assert await api.error(query, VIEWER) == {"code": "LIMIT_EXCEEDED", "limit": 500}


async def test_fragments_are_measured_wherever_they_are_spread(api: Api) -> None:
    fields = 'endpoint(name: "d") { ...F } ' * 45
    query = f"{{ {fields} }} fragment F on Endpoint {{ {'id ' * 60} }}"
    assert await api.error(query, VIEWER) == {"code": "LIMIT_EXCEEDED", "limit": 2_500}
    assert (await api.ask(query.replace("id " * 60, "id " * 50), VIEWER)) == {"endpoint": None}


async def test_the_queries_of_the_command_line_are_admitted(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    seqs = await world.create(*(new("d") for _ in range(watching.CHUNK)))
    ids = [operation_id(str((await world.operation(seq))["id"])) for seq in seqs]
    for wanted in (cli.EVERYTHING, cli.WITH_LAST_STEP):
        told = await api.ask(cli.some(len(ids), wanted), VIEWER, **{f"i{index}": id_ for index, id_ in enumerate(ids)})
        assert [told[f"o{index}"]["id"] for index in range(len(ids))] == ids
    await api.ask(cli.SHOW, VIEWER, id=ids[0])
    await api.ask(cli.LIST, VIEWER, first=200)
    await api.ask(cli.STATUS, VIEWER)
    range_ = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-23T10:00:00Z"}
    paths = [f"/3303/{instance}/5700" for instance in range(readings.PATHS)]
    await api.ask(cli.SERIES, VIEWER, endpoint="d", paths=paths, points=MAX_POINTS, **range_)
    await api.ask(cli.READINGS, VIEWER, endpoint="d", first=readings.PAGE, **range_)
    for resources in (cli.RESOURCES, cli.RESOURCE_NAMES):
        await api.ask(resources, VIEWER, endpoint="d")
    for listed in (cli.PACKAGES, fleet.UPDATES, fleet.CAMPAIGNS, fleet.CAMPAIGN_IDS):
        await api.ask(listed, VIEWER, first=paging.PAGE)
    for one in (fleet.UPDATE, fleet.CAMPAIGN, fleet.WATCHED, fleet.TARGETS):
        await api.ask(one, VIEWER, id="none", first=paging.PAGE)
    for action in (fleet.PAUSE_CAMPAIGN, fleet.CANCEL_CAMPAIGN, fleet.APPROVE_WAVE, fleet.RETRY_CAMPAIGN):
        assert await api.error(action, id="none", reason="r") == NO_SUCH_ID
    assert await api.error(fleet.CANCEL_UPDATE, id="none") == NO_SUCH_ID
    unknown = {"code": "NOT_FOUND", "field": "packageId"}
    assert await api.error(fleet.CREATE_UPDATE, endpoint="d", package="none") == unknown
    assert (await api.error(fleet.CREATE_CAMPAIGN, input={"name": "c", "filter": {}}))["field"] == "firmware"
    inputs = [{"endpoint": "d", "path": "/5/0/1", "value": {"string": "a"}}] * MAX_CREATED
    assert len((await api.ask(cli.CREATE, inputs=inputs))["createDeviceOperations"]) == MAX_CREATED


async def test_a_page_size_from_a_variable_determines_the_cost(api: Api) -> None:
    query = """query($n: Int, $m: Int = 200) { endpoints(first: $n) { edges { node {
        name operations(first: $m) { edges { node { id kind path status createdAt } } } } } } }"""
    assert await api.error(query, VIEWER, n=150) == TOO_COSTLY
    for page in (180, 180.0):  # GraphQL accepts both as an Int
        assert await api.error(query, VIEWER, n=page, m=40) == TOO_COSTLY
    assert (await api.ask(query, VIEWER, n=150, m=5))["endpoints"] == {"edges": []}
    assert (await api.ask(query, VIEWER, n=10))["endpoints"] == {"edges": []}


async def test_a_get_request_and_a_websocket_have_the_same_limits(address: str) -> None:
    too_long = {"filter": {"endpoints": ["a"] * (MAX_LIST + 1)}}
    async with loopback.AsyncClient(base_url=f"http://{address}", headers=AUTHORIZED, timeout=BOUND) as client:
        answer = await client.get("/graphql", params={"query": COUNT, "variables": json.dumps(too_long)})
        assert [one["extensions"] for one in answer.json()["errors"]] == [LONG_LIST]
    async with socket(address) as ws:
        await ws.begin(VIEWER)
        for query, variables, limit in (
            (COUNT, too_long, MAX_LIST),
            ("subscription { " + "endpointPresence { cursor } " * 501 + "}", {}, 500),
            ("{ __typename " + "@x " * 10_000 + "}", {}, 10_000),
        ):
            await ws.subscribe("1", query, **variables)
            message = await ws.receive()
            assert (message["type"], message["payload"][0]["extensions"]) == (
                "error",
                {
                    "code": "LIMIT_EXCEEDED",
                    "limit": limit,
                },
            )


AUTHORIZED = {**JSON_HEADERS, "authorization": f"Bearer {VIEWER}"}


# --- sensible requests


def scalars(type_name: str) -> str:
    """Return all fields of a type without arguments and selections."""
    type_ = schema.graphql_schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    return " ".join(name for name, one in type_.fields.items() if is_leaf_type(get_named_type(one.type)))


ALL = scalars("DeviceOperation")
CREATE_AND_SHOW = f"""
mutation($inputs: [CreateDeviceOperationInput!]!) {{
  createDeviceOperations(inputs: $inputs) {{ created operation {{ {ALL} }} }}
}}"""
FULL_INPUT = {
    "endpoint": "d", "kind": "WRITE", "path": "/5/0/1", "paths": None, "value": {"string": "a"}, "values": None,
    "replace": True, "arguments": None, "attributes": None, "format": "TLV", "priority": 1, "maxAttempts": 2,
    "repeatable": True, "timeoutSeconds": 5, "ttlSeconds": 60, "supersede": False, "validateRange": True, "batch": "b",
    "notBefore": "2026-01-01T00:00:00Z", "sequence": "s",
}  # fmt: skip
COMPOSITE = {
    "endpoint": "d",
    "kind": "WRITE_COMPOSITE",
    "values": [{"path": f"/3303/{index}/5700", "value": {"float": 1.5}} for index in range(11)],
}
SENSIBLE = {
    "steps": """{
        deviceOperations(first: 200) { edges { node { id transitions { edges { node { toStatus at } } } } } }
    }""",
    "operations of endpoints": f"""{{
        endpoints(first: 200) {{ edges {{ node {{ name operations(first: 5) {{ edges {{ node {{ {ALL} }} }} }} }} }} }}
    }}""",
    "retries": f"{{ deviceOperations(first: 200) {{ edges {{ node {{ {ALL} retryOf {{ id status }} }} }} }} }}",
    "counts": "{ " + " ".join(f"a{index}: deviceOperationCount" for index in range(10)) + " }",
}


@pytest.mark.parametrize("query", SENSIBLE.values(), ids=SENSIBLE)
async def test_a_usual_query_is_admitted(api: Api, query: str) -> None:
    assert await api.ask(query, VIEWER)


@pytest.mark.parametrize("given", [FULL_INPUT, COMPOSITE], ids=["all scalars", "composite"])
async def test_a_thousand_operations_are_admitted(world: LedgerWorld, api: Api, given: dict[str, Any]) -> None:
    type_ = schema.graphql_schema.type_map["CreateDeviceOperationInput"]
    assert isinstance(type_, GraphQLInputObjectType)
    assert FULL_INPUT.keys() | {"idempotencyKey"} == type_.fields.keys()
    await world.ledgers[0].submit(Provision("d"))
    inputs = [{**given, "idempotencyKey": str(index)} for index in range(MAX_CREATED)]
    query = CREATE_AND_SHOW if given is FULL_INPUT else CREATE
    assert len((await api.ask(query, inputs=inputs))["createDeviceOperations"]) == MAX_CREATED


async def test_nulls_of_an_object_cost_nothing() -> None:
    assert count_values({"a": None, "b": [None, 1], "c": {"d": None}}, "x") == 5


# --- counts


async def test_counts_cost_and_a_batch_has_few_of_them(api: Api) -> None:
    query = "{ " + " ".join(f"a{index}: deviceOperationCount" for index in range(5)) + " }"
    with patch("app.schema.api.dispatch_control.exact_count", return_value=7) as count:
        answers = (await api.post([{"query": query}] * 10, VIEWER)).json()
    assert count.call_count == 10
    expected = {f"a{index}": 7 for index in range(5)}
    assert [one["data"] for one in answers[:2]] == [expected] * 2
    assert [one["errors"][0]["extensions"] for one in answers[2:]] == [
        {"code": "LIMIT_EXCEEDED", "limit": MAX_COST}
    ] * 8


@pytest.fixture
def slow_count() -> Iterator[None]:
    with patch("app.models.queries.many.operation_branches", return_value=[ENDLESS]):
        yield


@pytest_asyncio.fixture
async def counting(address: str, slow_count: None, world: LedgerWorld) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """The request of a client that waits for a count that never ends."""
    async with loopback.AsyncClient(base_url=f"http://{address}", headers=AUTHORIZED, timeout=BOUND) as client:
        task = asyncio.create_task(client.post("/graphql", json={"query": "{ deviceOperationCount }"}))
        await counted(world, 1)
        yield task
        task.cancel()
        await asyncio.wait([task])


async def counted(world: LedgerWorld, count: int) -> None:
    """Wait until so many counts run in the database."""
    async with asyncio.timeout(BOUND):
        while await running_counts(world) != count:  # noqa: ASYNC110 - the database sets no event
            await asyncio.sleep(0.01)


async def running_counts(world: LedgerWorld) -> int:
    if not on_postgres():
        return sqlite_counts()
    found = await world.row(
        "SELECT count(*) AS running FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%RECURSIVE%' "
        "AND pid <> pg_backend_pid() AND datname = current_database()"
    )
    return int(found["running"])


def sqlite_counts() -> int:
    return int(reader(Lane.SEARCH).busy)  # type: ignore[attr-defined]


async def test_an_endless_count_delays_no_reader(
    counting: asyncio.Task[httpx.Response], api: Api, world: LedgerWorld
) -> None:
    assert (await api.ask("{ operationCounts { count } deviceOperations { edges { cursor } } }"))["operationCounts"]
    write = partial(world.ledgers[0].submit, ProveWritable())
    health = Health(1, lambda: BusHealth(ok=True, detail="in this process"), write, uses_stream=False)
    checks = await health.checks(["database", "pauses"])
    assert all(check.ok for check in checks.values())
    assert not counting.done()
    assert await running_counts(world) == 1


async def test_a_count_ends_when_its_client_disconnects(
    counting: asyncio.Task[httpx.Response], world: LedgerWorld
) -> None:
    counting.cancel()
    await counted(world, 0)


async def test_a_count_ends_when_its_websocket_completes_it_or_closes(
    address: str, slow_count: None, world: LedgerWorld
) -> None:
    async with socket(address) as ws:
        await ws.begin(VIEWER)
        await ws.subscribe("1", "{ deviceOperationCount }")
        await counted(world, 1)
        await ws.say({"type": "complete", "id": "1"})
        await counted(world, 0)
        await ws.subscribe("2", "{ deviceOperationCount }")
        await counted(world, 1)
    await counted(world, 0)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_request_has_a_time_limit(address: str, slow_count: None, world: LedgerWorld, accept: str) -> None:
    headers = {**AUTHORIZED, "accept": accept}
    with patch.object(budget, "MAX_SECONDS", 1):
        async with loopback.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=BOUND) as client:
            answer = await client.post("/graphql", json={"query": "{ deviceOperationCount }"})
    assert '"code":"LIMIT_EXCEEDED","limit":1' in answer.text
    await counted(world, 0)


async def test_a_websocket_operation_has_a_time_limit(address: str, slow_count: None, world: LedgerWorld) -> None:
    with patch.object(budget, "MAX_SECONDS", 1):
        async with socket(address) as ws:
            await ws.begin(VIEWER)
            await ws.subscribe("1", "{ deviceOperationCount }")
            message = await ws.receive()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "LIMIT_EXCEEDED")
            await ws.subscribe("2", "{ transitionCursor }")
            assert (await ws.receive())["type"] == "next"
    await counted(world, 0)


async def test_a_mutation_completes_although_its_client_disconnected(address: str, world: LedgerWorld) -> None:
    submitted, gone = asyncio.Event(), asyncio.Event()

    async def held(context: Any, command: Any) -> Any:
        submitted.set()
        await gone.wait()
        return await ledger_gateway.submit(context, command)

    headers = {**JSON_HEADERS, "authorization": f"Bearer {OPERATOR}"}
    body = {"query": 'mutation { provisionEndpoint(name: "left") { name } }'}
    end = budget.RequestBudget.end

    def ended(self: budget.RequestBudget) -> None:
        end(self)
        gone.set()

    with (
        patch("app.schema.api.endpoint_mutations.submit", held),
        patch.object(budget.RequestBudget, "end", ended),
    ):
        async with loopback.AsyncClient(base_url=f"http://{address}", timeout=BOUND) as client:
            task = asyncio.create_task(client.post("/graphql", json=body, headers=headers))
            await submitted.wait()
            task.cancel()
            await asyncio.wait([task])
            async with asyncio.timeout(BOUND):
                while not await world.rows("SELECT id FROM endpoint WHERE name = $1", "left"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
