"""Trusted documents over every transport, and introspection that is switched off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from graphql import get_introspection_query, parse, print_ast, validate

from app.models.live import LiveLog
from app.schema.execution.schema import schema
from app.schema.trusted_documents import SHIPPED, DocumentPolicy, InvalidDocuments, TrustedDocuments, document_policy
from app.schema.trusted_documents import sha256 as hash_of
from tests.support.api import Api
from tests.support.ledger import LedgerWorld, new, registered
from tests.support.schema import OPERATOR, app_of, served, socket
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

COUNT: Final = """
# how many there are
query Count($filter: DeviceOperationFilter) { deviceOperationCount(filter: $filter) }
"""
STEPS: Final = "subscription Steps { operationTransitions { toStatus } }"
OTHER: Final = "{ operationCounts { count } }"
REFUSED: Final = {"code": "FORBIDDEN"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of documents in both formats."""
    (tmp_path / "count.graphql").write_text(COUNT)
    (tmp_path / "generated.json").write_text(json.dumps({"steps-1": STEPS}))
    (tmp_path / "README.md").write_text("other files are ignored {")
    return tmp_path


def policy(folder: Path, **more: bool) -> DocumentPolicy:
    return document_policy(folder, **{"only_trusted": True, "introspection": True} | more)


@pytest_asyncio.fixture
async def api(world: LedgerWorld, live: LiveLog, folder: Path) -> AsyncIterator[Api]:
    client = Api.within(app_of(world, live, document_policy=policy(folder)), OPERATOR)
    async with client.http:
        yield client


@pytest.fixture
def no_introspection(world: LedgerWorld, live: LiveLog, folder: Path) -> Api:
    limited = policy(folder, only_trusted=False, introspection=False)
    return Api.within(app_of(world, live, document_policy=limited), OPERATOR)


def by_hash(name: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}, **more}


def errors_of(answer: Any) -> list[dict[str, Any]]:
    return [error["extensions"] for error in answer["errors"]]


async def test_only_trusted_documents_are_executed(api: Api) -> None:
    assert await api.ask(COUNT) == {"deviceOperationCount": 0}
    assert await api.error(OTHER) == REFUSED
    assert await api.error('mutation { provisionEndpoint(name: "d") { name } }') == REFUSED
    assert await api.error("{ not GraphQL") == REFUSED
    assert await api.error(COUNT + OTHER) == REFUSED


async def test_white_space_and_comments_make_no_difference(api: Api) -> None:
    assert await api.ask(print_ast(parse(COUNT))) == {"deviceOperationCount": 0}
    assert await api.ask(" ".join(COUNT.partition("there are")[2].split())) == {"deviceOperationCount": 0}


async def test_a_batch_executes_the_trusted_members(api: Api) -> None:
    answers = (await api.post([{"query": OTHER}, by_hash(hash_of(COUNT)), {"query": COUNT}, by_hash("no")])).json()
    assert [errors_of(answer) if "errors" in answer else answer["data"] for answer in answers] == [
        [REFUSED],
        {"deviceOperationCount": 0},
        {"deviceOperationCount": 0},
        [{"code": "PERSISTED_QUERY_NOT_FOUND"}],
    ]


@pytest.mark.parametrize("name", [hash_of(COUNT), hash_of(print_ast(parse(COUNT)))])
async def test_a_document_is_named_by_its_hash(api: Api, world: LedgerWorld, name: str) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    extensions = by_hash(name)["extensions"]
    wanted = {"filter": {"statuses": ["QUEUED"]}}
    headers = {"authorization": f"Bearer {OPERATOR}"}
    params = {"extensions": json.dumps(extensions), "variables": json.dumps(wanted)}
    got = await api.http.get("/graphql", params=params, headers=headers)
    assert got.json() == {"data": {"deviceOperationCount": 1}}
    posted = await api.post(by_hash(name, variables=wanted))
    assert posted.json() == {"data": {"deviceOperationCount": 1}}


@pytest.mark.parametrize("extensions", [{"persistedQuery": None}, {"persistedQuery": {"sha256Hash": ["x"]}}])
async def test_an_unknown_hash_is_not_found(api: Api, extensions: Any) -> None:
    answer = (await api.post({"extensions": extensions})).json()
    assert answer["errors"][0]["message"] == "PersistedQueryNotFound"
    assert errors_of(answer) == [{"code": "PERSISTED_QUERY_NOT_FOUND"}]


async def test_a_socket_executes_only_trusted_documents(world: LedgerWorld, live: LiveLog, folder: Path) -> None:
    await world.ingest(registered("d"))
    async with served(app_of(world, live, document_policy=policy(folder))) as address, socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", "subscription { operationTransitions { number } }")
        assert (await ws.receive())["payload"][0]["extensions"] == REFUSED
        await ws.say({"type": "subscribe", "id": "2", "payload": by_hash("steps-1")})
        await ws.subscribe("3", STEPS)
        await ws.say({"type": "subscribe", "id": "4", "payload": by_hash(hash_of(COUNT))})
        assert await ws.data("4") == {"deviceOperationCount": 0}
        assert await ws.receive() == {"id": "4", "type": "complete"}
        await eventually(lambda: live.subscribers == 1, "the equal subscriptions share one")
        await world.create(new("d"))
        received = [await ws.receive() for _ in range(2)]
        assert {(one["id"], one["type"]) for one in received} == {("2", "next"), ("3", "next")}


async def test_introspection_can_be_switched_off(no_introspection: Api) -> None:
    for document in (get_introspection_query(), '{ a: __type(name: "Query") { name } }', "{ ...F } " + FRAGMENT):
        assert await no_introspection.error(document) == REFUSED
    assert await no_introspection.ask(OTHER)
    assert await no_introspection.ask('{ __typename endpoint(name: "__schema") { __typename } }') == {
        "__typename": "Query",
        "endpoint": None,
    }


FRAGMENT: Final = "fragment F on Query { __schema { queryType { name } } }"


async def test_all_shipped_documents_are_valid() -> None:
    shipped = TrustedDocuments.load([SHIPPED])
    assert len(shipped.by_hash) > 40
    for name, text in shipped.by_hash.items():
        assert name == hash_of(text)
        assert text in shipped
        assert validate(schema.graphql_schema, parse(text)) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.graphql", "query {"), ("a.json", "[]"), ("a.json", '{"a": 1}'), ("a.json", "{"), ("a.json", '{"a": "{"}')],
)
async def test_an_invalid_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidDocuments, match=str(tmp_path)):
        TrustedDocuments.load([tmp_path])
