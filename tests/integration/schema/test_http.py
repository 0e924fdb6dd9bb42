"""GraphQL over HTTP: authorization, refusals, media types, batches, server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from app.models.ledger import Ledger, LedgerUnavailable
from app.models.live import LiveLog
from app.models.queries import operation_counts
from tests.support import loopback
from tests.support.api import Api
from tests.support.ledger import LedgerWorld, new, registered
from tests.support.schema import OPERATOR, VIEWER, app_of
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROVISION = 'mutation { provisionEndpoint(name: "d") { name } }'
NEW_MEDIA_TYPE = "application/graphql-response+json"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
APOLLO_SUBSCRIBES = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9"
)


def errors(response: httpx.Response) -> list[dict[str, Any]]:
    body = response.json()
    assert "data" not in body or body["data"] is None
    return [error["extensions"] for error in body["errors"]]


@pytest.mark.parametrize("token", ["", "somebody-elses-token"])
async def test_without_a_valid_token_every_request_is_refused(api: Api, token: str | None) -> None:
    response = await api.post({"query": "{ transitionCursor }"}, token)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert errors(response) == [{"code": "UNAUTHENTICATED"}]


async def test_a_viewer_can_query_and_cannot_mutate(world: LedgerWorld, api: Api) -> None:
    await api.ask("{ operationCounts { count } }", VIEWER)
    assert await api.error(PROVISION, VIEWER) == {"code": "FORBIDDEN"}
    assert (await api.ask('query { endpoint(name: "d") { id } }', VIEWER))["endpoint"] is None


async def test_one_failing_field_does_not_affect_the_others(api: Api) -> None:
    answer = await api.answer('{ bad: endpoints(after: "x") { edges { cursor } } operationCounts { count } }')
    assert answer["data"]["bad"] is None
    assert len(answer["data"]["operationCounts"]) == 6
    (error,) = answer["errors"]
    assert error["path"] == ["bad"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}


DEEP = "{ deviceOperation(id: 1) { " + "retryOf { " * 16 + "id" + " }" * 16 + " } }"
MANY_ALIASES = "{ " + " ".join(f"a{index}: transitionCursor" for index in range(51)) + " }"
BOMB = (
    "query { ...F0 } "
    + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} a{i}: __typename ...F{i + 1} }}" for i in range(45))
    + " fragment F45 on Query { b: __typename }"
)
NESTED = """{ endpoints(first: 200) { edges { node { operations(first: 200) { edges { node {
    transitions(first: 200) { edges { cursor } } } } } } } } }"""
TOO_MUCH: list[tuple[str, int]] = [
    (DEEP, 15),
    (MANY_ALIASES, 50),
    (BOMB, 50),
    ("{ " + "__typename " * 501 + "}", 500),
    ("{ " + "__typename " * 10_001 + "}", 10_000),
    ("{ endpoints(first: 201) { edges { cursor } } }", 200),
    (NESTED, 50_000),
    ("query($n: Int = 201) { endpoints(first: $n) { edges { cursor } } }", 200),
]


@pytest.mark.parametrize(("query", "limit"), TOO_MUCH, ids=range(len(TOO_MUCH)))
async def test_a_request_above_a_limit_is_refused_and_the_limit_named(api: Api, query: str, limit: int) -> None:
    assert await api.error(query) == {"code": "LIMIT_EXCEEDED", "limit": limit}


async def test_a_body_above_a_mebibyte_is_refused(api: Api) -> None:
    response = await api.post({"query": "{ __typename }", "variables": {"a": "x" * 1_048_576}})
    assert response.status_code == 413
    assert errors(response) == [{"code": "LIMIT_EXCEEDED", "limit": 1_048_576}]


async def test_a_batch_answers_each_and_has_at_most_ten(api: Api) -> None:
    answers = (await api.post([{"query": "{ a: __typename }"}, {"query": "{ b: __typename }"}])).json()
    assert answers == [{"data": {"a": "Query"}}, {"data": {"b": "Query"}}]
    response = await api.post([{"query": "{ __typename }"}] * 11)
    assert response.status_code == 400
    assert errors(response) == [{"code": "LIMIT_EXCEEDED", "limit": 10}]


BROKEN: list[tuple[Any, int]] = [
    ("no json", 400),
    ('"text"', 400),
    ("[1]", 400),
    ("[]", 400),
    ("{}", 400),
    ('{"query": 5}', 400),
    ('{"query": "{ __typename }", "variables": []}', 400),
    ('{"query": "{ __typename }", "operationName": "B"}', 400),
    ('{"query": "{ __typename }", "variables": {"a": NaN}}', 400),
    (b"\xff\xfe", 400),
]


@pytest.mark.parametrize(("body", "status"), BROKEN, ids=range(len(BROKEN)))
async def test_an_invalid_request_is_refused(api: Api, body: Any, status: int) -> None:
    response = await api.post(body)
    assert response.status_code == status
    assert errors(response)[0]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("query", ["{", "{ nonsense }", "query A { __typename } query B { __typename }"])
@pytest.mark.parametrize(("accept", "status"), [(NEW_MEDIA_TYPE, 400), ("application/json", 200), ("*/*", 200)])
async def test_a_request_error_has_no_data(api: Api, query: str, accept: str, status: int) -> None:
    response = await api.post({"query": query}, accept=accept)
    assert response.status_code == status
    assert response.headers["content-type"].startswith(accept if accept != "*/*" else "application/json")
    assert "data" not in response.json()
    assert errors(response)[0]["code"] == "BAD_USER_INPUT"


WRITE = {"endpoint": "d", "path": "/5/0/1", "value": {"string": "a"}}
UNCOERCED: list[tuple[dict[str, Any], str]] = [
    ({**WRITE, "value": {"integer": "1x"}}, "value.integer"),
    ({**WRITE, "value": {"integer": 2**64}}, "value.integer"),
    ({**WRITE, "value": {"time": "2026-11-23T10:00:00"}}, "value.time"),
    ({**WRITE, "kind": "NONSENSE"}, "kind"),
    ({"path": "/5/0/1"}, "endpoint"),
    ({**WRITE, "value": {"multiple": [{"id": 0, "value": {"boolean": 1}}]}}, "value.multiple.0.value.boolean"),
]


@pytest.mark.parametrize(("given", "field"), UNCOERCED, ids=range(len(UNCOERCED)))
async def test_a_value_that_cannot_be_coerced_names_its_field(api: Api, given: dict[str, Any], field: str) -> None:
    query = "mutation($input: CreateDeviceOperationInput!) { createDeviceOperation(input: $input) { created } }"
    assert await api.error(query, input=given) == {"code": "BAD_USER_INPUT", "field": field}
    query = "mutation($inputs: [CreateDeviceOperationInput!]!) { createDeviceOperations(inputs: $inputs) { created } }"
    error = await api.error(query, inputs=[WRITE, given])
    assert error == {"code": "BAD_USER_INPUT", "field": field, "index": 1}


async def test_get_is_for_queries(api: Api) -> None:
    headers = {"authorization": f"Bearer {OPERATOR}"}
    answer = await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
    assert answer.json() == {"data": {"__typename": "Query"}}
    refused = await api.http.get("/graphql", params={"query": PROVISION}, headers=headers)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert errors(refused)[0]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("method", ["PUT", "HEAD", "OPTIONS", "DELETE"])
async def test_another_method_receives_the_allowed_ones(api: Api, method: str) -> None:
    headers = {"authorization": f"Bearer {OPERATOR}"}
    refused = await api.http.request(method, "/graphql", headers=headers)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("kind", ["Application/JSON", "APPLICATION/JSON; Charset=UTF-8"])
async def test_a_media_type_has_no_case(api: Api, kind: str) -> None:
    response = await api.post({"query": "{ __typename }"}, content_type=kind)
    assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_requests_that_a_foreign_page_can_send_are_refused(api: Api, kind: str) -> None:
    response = await api.post({"query": PROVISION}, content_type=kind)
    assert response.status_code == 415
    assert (await api.ask('{ endpoint(name: "d") { id } }'))["endpoint"] is None


async def test_browsers_are_shown_graphiql_without_a_token(api: Api) -> None:
    page = await api.http.get("/graphql", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "GraphiQL" in page.text
    assert (await api.http.get("/graphql")).status_code == 401


async def test_errors_of_ours_are_masked_with_a_reference(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("app.schema.api.queries.operation_counts", broken)
    response = await api.post({"query": "{ operationCounts { count } transitionCursor }"})
    assert "secret" not in response.text
    body = response.json()
    assert body["data"]["transitionCursor"]
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert len(error["extensions"]["reference"]) == 12


async def test_an_unavailable_database_is_unavailable(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise LedgerUnavailable("connection refused")

    monkeypatch.setattr(Ledger, "submit", away)
    assert await api.error(PROVISION) == {"code": "UNAVAILABLE"}


async def test_the_cursor_is_read_before_all_other_fields(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change during the execution of the document comes after its cursor."""
    await world.ingest(registered("d"))

    async def meanwhile(endpoint: str | None) -> Any:
        await world.create(new("d"))
        return await operation_counts(endpoint)

    monkeypatch.setattr("app.schema.api.queries.operation_counts", meanwhile)
    before = (await api.ask("{ transitionCursor }"))["transitionCursor"]
    data = await api.ask("{ operationCounts { count } ...F } fragment F on Query { late: transitionCursor }")
    assert data["late"] == before
    assert (await api.ask("{ transitionCursor }"))["transitionCursor"] != before


QUEUED = '{"data":{"operationTransitions":{"toStatus":"QUEUED","operation":{"path":"/5/0/1"}}}}'
APOLLO_PART = (
    "--graphql\r\nContent-Type: application/json; charset=utf-8\r\n"
    f'Content-Length: {len(QUEUED) + 12}\r\n\r\n{{"payload":{QUEUED}}}\r\n--graphql'
)
STREAMS = [
    ("text/event-stream", "text/event-stream", f"event: next\ndata: {QUEUED}\n\n"),
    (URQL, "text/event-stream", f"event: next\ndata: {QUEUED}\n\n"),
    ("*/*", "text/event-stream", f"event: next\ndata: {QUEUED}\n\n"),
    (APOLLO_SUBSCRIBES, "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json", APOLLO_PART),
]


@pytest.mark.parametrize(("accept", "media_type", "event"), STREAMS, ids=["sse", "urql", "any", "apollo"])
async def test_a_subscription_over_http(  # noqa: PLR0917 - fixtures
    world: LedgerWorld, live: LiveLog, address: str, accept: str, media_type: str, event: str
) -> None:
    await world.ingest(registered("d"))
    query = "subscription { operationTransitions { toStatus operation { path } } }"
    headers = {"authorization": f"Bearer {VIEWER}", "accept": accept}
    async with loopback.AsyncClient() as client, asyncio.timeout(BOUND):
        stream = client.stream("POST", f"http://{address}/graphql", json={"query": query}, headers=headers)
        async with stream as response:
            assert response.headers["content-type"] == media_type
            await eventually(lambda: live.subscribers == 1)
            await world.create(new("d"))
            received = ""
            async for text in response.aiter_text():
                received += text
                if event in received:
                    return
            pytest.fail(f"the event did not come: {received!r}")


async def test_introspection_is_answered(api: Api) -> None:
    assert (await api.ask(get_introspection_query()))["__schema"]["queryType"]["name"] == "Query"


async def test_only_a_listed_origin_may_use_the_api(world: LedgerWorld, live: LiveLog) -> None:
    listed, other = "https://dashboard.example", "https://evil.example"
    transport = httpx.ASGITransport(app=app_of(world, live, allowed_origins=(listed,)))
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    async with loopback.AsyncClient(transport=transport, base_url="http://reveille") as client:
        for origin, may in ((listed, True), (other, False)):
            preflight = await client.options("/graphql", headers={"origin": origin, **asks})
            answer = await Api(client).post({"query": "{ transitionCursor }"}, VIEWER, origin=origin)
            for response in (preflight, answer):
                assert response.headers.get("access-control-allow-origin") == (listed if may else None)
            assert preflight.is_success is may


OTHER_MEDIA_TYPES = [
    "image/png",
    "application/json;q=0, application/graphql-response+json;q=0, text/*;q=0",
    "x/y, */*;q=0",
]


async def test_urql_s_accept_gets_json_for_queries_and_mutations(world: LedgerWorld, api: Api) -> None:
    for query in ("{ transitionCursor }", PROVISION):
        response = await api.post({"query": query}, accept=URQL)
        assert response.headers["content-type"] == f"{NEW_MEDIA_TYPE}; charset=utf-8"
        assert response.json()["data"]


@pytest.mark.parametrize("accept", ["text/event-stream", "text/event-stream, application/json;q=0.5"])
async def test_a_client_that_prefers_a_stream_gets_one_result_as_events(
    world: LedgerWorld, api: Api, accept: str
) -> None:
    response = await api.post({"query": PROVISION}, accept=accept)
    assert response.headers["content-type"] == "text/event-stream"
    assert (
        response.content
        == b'event: next\ndata: {"data":{"provisionEndpoint":{"name":"d"}}}\n\nevent: complete\ndata:\n\n'
    )


async def test_several_accept_headers_are_one_list(api: Api) -> None:
    accepts = [("accept", "application/json;q=0.1"), ("accept", "text/event-stream")]
    headers = [("authorization", f"Bearer {VIEWER}"), *accepts]
    answer = await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("accept", OTHER_MEDIA_TYPES)
@pytest.mark.parametrize("batch", [False, True])
async def test_a_request_that_cannot_be_answered_is_not_executed(
    world: LedgerWorld, api: Api, accept: str, batch: bool
) -> None:
    request = {"query": PROVISION}
    response = await api.post([request] if batch else request, accept=accept)
    assert response.status_code == 406
    assert errors(response)[0]["code"] == "BAD_USER_INPUT"
    assert (await api.ask('{ endpoint(name: "d") { id } }'))["endpoint"] is None


SUBSCRIPTION = "subscription { endpointPresence { cursor } }"


async def test_a_subscription_is_not_answered_as_json(api: Api) -> None:
    for accept in ("application/json", "application/json, text/event-stream;q=0", "multipart/mixed"):
        response = await api.post({"query": SUBSCRIPTION}, accept=accept)
        assert response.status_code == 406
        assert "text/event-stream" in response.json()["errors"][0]["message"]


async def test_a_stream_executes_no_mutation_by_get(world: LedgerWorld, api: Api) -> None:
    headers = {"authorization": f"Bearer {OPERATOR}", "accept": "text/event-stream"}
    refused = await api.http.get("/graphql", params={"query": PROVISION}, headers=headers)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    answer = await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
    assert answer.text.startswith('event: next\ndata: {"data":{"__typename":"Query"}}\n\n')


async def test_an_accept_of_thousands_of_characters_is_refused(api: Api) -> None:
    response = await api.post({"query": "{ __typename }"}, accept="text/html, " * 200)
    assert response.status_code == 431
    assert errors(response) == [{"code": "LIMIT_EXCEEDED", "limit": 2_000}]


async def test_errors_of_one_operation_of_a_batch_affect_only_it(world: LedgerWorld, api: Api) -> None:
    """The other operations are executed, so their results must be delivered."""
    batch = [{"query": PROVISION}, {"query": SUBSCRIPTION}, {}, {"query": "{ a }", "operationName": "B"}, hash_only()]
    response = await api.post(batch)
    assert response.status_code == 200
    first, *others = response.json()
    assert first == {"data": {"provisionEndpoint": {"name": "d"}}}
    codes = [(*answer, answer["errors"][0]["extensions"]["code"]) for answer in others]
    assert codes == [("errors", "BAD_USER_INPUT")] * 3 + [("errors", "PERSISTED_QUERY_NOT_SUPPORTED")]


MISTYPED = [("query", 5), ("variables", [1]), ("operationName", {}), ("extensions", "x")]


@pytest.mark.parametrize(("field", "value"), MISTYPED)
async def test_a_field_of_another_type_is_refused_and_named(
    world: LedgerWorld, api: Api, field: str, value: Any
) -> None:
    broken = {"query": "{ __typename }", field: value}
    for body, place in ((broken, {}), ([{"query": PROVISION}, broken], {"index": 1})):
        response = await api.post(body)
        assert response.status_code == 400
        assert errors(response)[0]["code"] == "BAD_USER_INPUT"
        if place:
            assert errors(response) == [{"code": "BAD_USER_INPUT", "field": field, **place}]
    assert (await api.ask('{ endpoint(name: "d") { id } }'))["endpoint"] is None


def hash_only(**more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}, **more}


@pytest.mark.parametrize(("accept", "status"), [(NEW_MEDIA_TYPE, 400), ("application/json", 200), (URQL, 400)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_hash_without_its_query_is_persisted_query_not_supported(
    api: Api, method: str, accept: str, status: int
) -> None:
    headers = {"authorization": f"Bearer {OPERATOR}", "accept": accept}
    if method == "GET":
        params = {"extensions": json.dumps(hash_only()["extensions"])}
        response = await api.http.get("/graphql", params=params, headers=headers)
    else:
        response = await api.http.post("/graphql", json=hash_only(), headers=headers)
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "errors": [{"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}]
    }


async def test_a_query_beside_its_hash_is_executed(api: Api) -> None:
    assert (await api.post(hash_only(query="{ __typename }"))).json() == {"data": {"__typename": "Query"}}
