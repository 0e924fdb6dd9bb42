"""API tokens, the audit, and the sessions that end with their credential, over the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from starlette.applications import Starlette

from app.models.live import LiveLog
from app.models.queries import ReadUnavailable
from app.schema.execution.schema import schema
from app.security import new_secret
from tests.support import loopback
from tests.support.api import Api, write
from tests.support.api import api as api_at
from tests.support.ledger import LedgerWorld
from tests.support.schema import ADMIN, OPERATOR, VIEWER, app_of, served, socket
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio

VIEWER_QUERY: Final = "{ viewer { name role expiresAt } }"
TOKENS: Final = "{ apiTokens { id name role createdBy expiresAt revokedAt lastUsedAt } }"
CREATE: Final = """
mutation ($name: String = "ci", $role: Role = VIEWER, $expiresAt: DateTime) {
  createApiToken(name: $name, role: $role, expiresAt: $expiresAt) { secret token { id name role createdBy expiresAt } }
}"""
REVOKE: Final = "mutation ($id: ID!) { revokeApiToken(id: $id) { id revokedAt } }"
AUDIT: Final = """
query ($first: Int, $after: String) {
  auditLog(first: $first, after: $after) {
    pageInfo { hasNextPage endCursor } edges { node { id at actor action target detail } }
  }
}"""
STEPS: Final = "subscription { operationTransitions { number } }"
CREATE_OPERATION: Final = """
mutation ($input: CreateDeviceOperationInput!) { createDeviceOperation(input: $input) { operation { id } } }"""
PROVISION: Final = "mutation ($name: String!) { provisionEndpoint(name: $name) { name } }"


async def created(api: Api, **variables: Any) -> tuple[dict[str, Any], str]:
    """Return a new token and its secret."""
    payload = (await api.ask(CREATE, ADMIN, **variables))["createApiToken"]
    return payload["token"], payload["secret"]


async def audit(api: Api) -> list[dict[str, Any]]:
    """Return the newest events of the audit, oldest first."""
    edges = (await api.ask(AUDIT, ADMIN, first=200))["auditLog"]["edges"]
    return [edge["node"] for edge in reversed(edges)]


@asynccontextmanager
async def api_and_address(app: Starlette) -> AsyncIterator[tuple[Api, str]]:
    """Provide an administrator's client of a served application, and its address."""
    async with served(app) as address, api_at(f"http://{address}", ADMIN) as client:
        yield client, address


async def _read_events(address: str, token: str, received: list[str]) -> None:
    """Collect an event stream until the server ends it."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with loopback.AsyncClient(timeout=BOUND) as client:
        request = client.stream("POST", f"http://{address}/graphql", json={"query": STEPS}, headers=headers)
        async with request as response:
            assert response.status_code == 200
            received.append("")
            received.extend([text async for text in response.aiter_text()])


async def test_a_token_has_its_role_until_it_is_revoked(api: Api, world: LedgerWorld) -> None:
    token, secret = await created(api, name="dashboard", role="OPERATOR")
    assert token.items() >= {"name": "dashboard", "role": "OPERATOR", "createdBy": "ada", "expiresAt": None}.items()
    assert (await api.ask(VIEWER_QUERY, secret))["viewer"] == {
        "name": "dashboard",
        "role": "OPERATOR",
        "expiresAt": None,
    }
    assert (await api.ask(PROVISION, secret, name="d"))["provisionEndpoint"] == {"name": "d"}
    assert (await api.error(TOKENS, secret))["code"] == "FORBIDDEN"
    (stored,) = await world.rows("SELECT * FROM api_token")
    assert secret not in str(stored)
    assert len(stored["digest"]) == 64
    revoked = (await api.ask(REVOKE, ADMIN, id=token["id"]))["revokeApiToken"]
    assert revoked["revokedAt"]
    assert (await api.post({"query": VIEWER_QUERY}, secret)).status_code == 401
    assert (await api.ask(REVOKE, ADMIN, id=token["id"]))["revokeApiToken"] == revoked, "revoking again changes nothing"
    (listed,) = (await api.ask(TOKENS, ADMIN))["apiTokens"]
    assert (listed["id"], listed["revokedAt"]) == (token["id"], revoked["revokedAt"])


async def test_another_process_s_token_is_known_at_once(api: Api, world: LedgerWorld, live: LiveLog) -> None:
    other = Api.within(app_of(world, live), OPERATOR)
    async with other.http:
        for _ in range(2):
            _, secret = await created(api)
            assert (await other.ask(VIEWER_QUERY, secret))["viewer"]["role"] == "VIEWER"


async def test_a_token_that_expires(api: Api) -> None:
    assert await api.error(CREATE, ADMIN, expiresAt="2020-01-01T00:00:00Z") == {
        "code": "BAD_USER_INPUT",
        "field": "expiresAt",
    }
    token, secret = await created(api, expiresAt="2999-01-01T00:00:00Z")
    assert token["expiresAt"] == "2999-01-01T00:00:00Z"
    assert (await api.ask(VIEWER_QUERY, secret))["viewer"]["expiresAt"] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize("name", ["", "x" * 256, "line\nfeed", "nul\0", "cli:root"])
async def test_a_name_that_cannot_be_shown_is_refused(api: Api, world: LedgerWorld, name: str) -> None:
    assert await api.error(CREATE, ADMIN, name=name) == {"code": "BAD_USER_INPUT", "field": "name"}
    assert await world.rows("SELECT id FROM api_token") == []


@pytest.mark.parametrize("id_", ["nonsense", "RW5kcG9pbnQ6MQ==", "QXBpVG9rZW46MQ=="])
async def test_an_unknown_token_cannot_be_revoked(api: Api, id_: str) -> None:
    assert await api.error(REVOKE, ADMIN, id=id_) == {"code": "NOT_FOUND", "field": "id"}


async def test_a_token_is_a_node_for_administrators_only(api: Api) -> None:
    token, _ = await created(api)
    query = "query ($id: ID!) { node(id: $id) { id ... on ApiToken { name } } }"
    assert (await api.ask(query, ADMIN, id=token["id"]))["node"] == {"id": token["id"], "name": "ci"}
    assert (await api.error(query, OPERATOR, id=token["id"]))["code"] == "FORBIDDEN"


async def test_there_is_a_maximum_of_active_tokens(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.api_tokens.MAX_API_TOKENS", 2)
    token, _ = await created(api)
    await created(api)
    assert await api.error(CREATE, ADMIN) == {"code": "LIMIT_EXCEEDED", "limit": 2}
    await api.ask(REVOKE, ADMIN, id=token["id"])
    await created(api)


async def test_a_socket_is_closed_when_its_token_is_revoked(api: Api, world: LedgerWorld, live: LiveLog) -> None:
    app = app_of(world, live)
    async with api_and_address(app) as (admin, address), socket(address) as client, socket(address) as other:
        token, secret = await created(admin)
        await client.begin(secret)
        await other.begin()
        await client.subscribe("1", STEPS)
        await other.subscribe("1", STEPS)
        await admin.ask(REVOKE, ADMIN, id=token["id"])
        assert await client.closed() == 4403
        await admin.ask(PROVISION, OPERATOR, name="d")
        await admin.ask(CREATE_OPERATION, OPERATOR, input=write("d"))
        assert (await other.data("1"))["operationTransitions"] == {"number": 1}, "other sockets stay open"


async def test_an_event_stream_ends_with_an_error_when_its_token_is_revoked(world: LedgerWorld, live: LiveLog) -> None:
    async with api_and_address(app_of(world, live)) as (admin, address):
        token, secret = await created(admin)
        received: list[str] = []
        reading = asyncio.create_task(_read_events(address, secret, received))
        await eventually(lambda: bool(received))
        await admin.ask(REVOKE, ADMIN, id=token["id"])
        async with asyncio.timeout(BOUND):
            await reading
    events = "".join(received).replace("\r", "").split("\n\n")
    (error,) = [json.loads(event.partition("data: ")[2]) for event in events if event.startswith("event: next")]
    assert error["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert any(event.startswith("event: complete") for event in events)


async def test_every_mutation_is_audited_with_its_change(api: Api, world: LedgerWorld) -> None:
    await api.ask(PROVISION, OPERATOR, name="d")
    await api.ask(CREATE_OPERATION, OPERATOR, input=write("d", text="a-secret-value"))
    assert (await api.error(CREATE_OPERATION, OPERATOR, input=write("none")))["code"] == "NOT_FOUND"
    assert (await api.error(PROVISION, VIEWER, name="e"))["code"] == "FORBIDDEN"
    token, secret = await created(api)
    await api.ask(REVOKE, ADMIN, id=token["id"])
    provision, create, refused, token_created, revoked = await audit(api)
    assert (provision["actor"], provision["action"], provision["target"]) == ("olga", "provisionEndpoint", "d")
    assert (create["action"], create["target"]) == ("createDeviceOperation", "d")
    assert create["detail"]["input"].items() >= {"path": "/5/0/1", "kind": "WRITE", "value": "(not recorded)"}.items()
    assert (refused["target"], refused["detail"]["error"]) == ("none", "NOT_FOUND")
    assert (token_created["actor"], token_created["target"]) == ("ada", "ci")
    assert token_created["detail"] == {"name": "ci", "role": "VIEWER"}
    assert (revoked["action"], revoked["target"]) == ("revokeApiToken", token["id"])
    stored = str(await world.rows("SELECT * FROM audit_event"))
    assert "a-secret-value" not in stored
    assert secret not in stored


async def test_the_audit_is_paged_newest_first(api: Api) -> None:
    for number in range(5):
        await api.ask(PROVISION, OPERATOR, name=f"d{number}")
    seen, after = [], None
    for _ in range(3):
        page = (await api.ask(AUDIT, ADMIN, first=2, after=after))["auditLog"]
        seen += [edge["node"]["target"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == ["d4", "d3", "d2", "d1", "d0"]
    assert page["pageInfo"]["hasNextPage"] is False
    assert (await api.error(AUDIT, ADMIN, after="nonsense"))["code"] == "BAD_USER_INPUT"


async def test_an_event_of_the_audit_is_bounded(api: Api, world: LedgerWorld) -> None:
    await api.ask(PROVISION, OPERATOR, name="d")
    inputs = [write("d", idempotencyKey=f"{index}" * 60) for index in range(100, 200)]
    await api.create(*inputs)
    event = (await audit(api))[-1]
    assert event["action"] == "createDeviceOperations"
    assert event["detail"]["inputs"][-1] == "(90 more)"
    names = [f"{index:0>255}" for index in range(1_000)]
    filter_ = {"names": names, "tags": ["t" * 100]}
    tag = 'mutation ($filter: EndpointFilter!) { tagEndpoints(filter: $filter, add: ["x"]) }'
    await api.ask(tag, OPERATOR, filter=filter_)
    assert len(str((await audit(api))[-1])) < 5_000


async def test_a_mutation_in_pieces_is_audited_once(api: Api) -> None:
    await api.ask(PROVISION, OPERATOR, name="d")
    await api.create(*[write("d") for _ in range(3)])
    cancel = """mutation { cancelDeviceOperations(filter: { endpoint: "d" }, expectedCount: 3) { canceled } }"""
    await api.ask(cancel, OPERATOR)
    await api.ask(cancel.replace("3", "0"), OPERATOR)
    events = [event for event in await audit(api) if event["action"] == "cancelDeviceOperations"]
    assert [event["detail"]["expectedCount"] for event in events] == [3, 0]


async def test_every_mutation_declares_its_audit() -> None:
    mutations = schema.graphql_schema.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        extensions = [type(one).__name__ for one in field.extensions["strawberry-definition"].extensions]
        assert extensions == ["Audited", "RequiredRole"], name


async def test_a_credential_that_cannot_be_checked_is_no_wrong_one(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that receives 401 discards its token."""

    async def unreadable() -> None:
        raise ReadUnavailable("the database is away")

    _, secret = await created(api)
    monkeypatch.setattr("app.authentication.api_tokens.api_token_state", unreadable)
    assert (await api.post({"query": VIEWER_QUERY}, secret)).status_code == 200, "a known token"
    answer = await api.post({"query": VIEWER_QUERY}, new_secret())
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
    headers = {"authorization": f"Bearer {new_secret()}"}
    assert (await api.http.get("/export/readings.csv", headers=headers)).status_code == 503
    assert (await api.post({"query": VIEWER_QUERY}, "another-token-than-an-api-token")).status_code == 401
    async with socket(address) as client:
        await client.say({"type": "connection_init", "payload": {"token": new_secret()}})
        assert await client.closed() == 1013
