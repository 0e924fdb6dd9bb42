"""Every mutation by every role and by every way in which a mutation can be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio

from app.models.live import LiveLog
from app.schema.execution.schema import schema
from app.security import Role
from tests.support.api import Api
from tests.support.ledger import LedgerWorld
from tests.support.schema import ADMIN, OPERATOR, VIEWER, Socket, app_of, served, socket

pytestmark = pytest.mark.asyncio

TOKENS: Final = {Role.VIEWER: VIEWER, Role.OPERATOR: OPERATOR, Role.ADMIN: ADMIN}
RULE: Final = 'input: { name: "r", filter: {}, paths: ["/3/0/0"] }'
NO_RULE: Final = 'id: "T2JzZXJ2YXRpb25SdWxlOjE="'
FIELDS: Final = {
    "createDeviceOperation": '(input: { endpoint: "none", kind: READ, path: "/3/0/0" }) { created }',
    "createDeviceOperations": '(inputs: [{ endpoint: "none", kind: READ, path: "/3/0/0" }]) { created }',
    "createDeviceOperationsFor": '(filter: { names: ["none"] }, input: { kind: READ, path: "/3/0/0" }, batch: "b", '
    "expectedCount: 0) { created }",
    "cancelDeviceOperation": '(id: "none") { id }',
    "retryDeviceOperation": '(id: "none") { created }',
    "cancelDeviceOperations": '(filter: { endpoint: "none" }, expectedCount: 1) { canceled }',
    "retryDeviceOperations": '(filter: { endpoint: "none" }, expectedCount: 1) { created }',
    "pauseDispatch": '(endpoint: "none", reason: "r") { reason }',
    "resumeDispatch": '(endpoint: "none") { reason }',
    "provisionEndpoint": '(name: "") { name }',
    "updateEndpoint": '(name: "none", input: {}) { name }',
    "tagEndpoints": '(filter: { names: ["none"] }, add: ["t"])',
    "deleteEndpoint": '(name: "none")',
    "createObservationRule": '(input: { name: "", filter: {}, paths: ["/3/0/0"] }) { id }',
    "updateObservationRule": f"({NO_RULE}, {RULE}) {{ id }}",
    "deleteObservationRule": f"({NO_RULE})",
    "createFirmwarePackage": '(input: { name: "", version: "1", uri: "coap://h/f" }) { id }',
    "deleteFirmwarePackage": '(id: "none")',
    "updateFirmware": '(endpoint: "none", packageId: "none") { id }',
    "cancelFirmwareUpdate": '(id: "none") { id }',
    "createCampaign": '(input: { name: "", filter: {} }) { id }',
    "pauseCampaign": '(id: "none", reason: "r") { id }',
    "resumeCampaign": '(id: "none") { id }',
    "approveCampaignWave": '(id: "none") { id }',
    "cancelCampaign": '(id: "none", reason: "r") { id }',
    "retryCampaign": '(id: "none") { id }',
    "createApiToken": '(name: "", role: ADMIN) { secret }',
    "revokeApiToken": '(id: "none") { id }',
}
"""Each mutation with arguments that its resolver accepts or refuses, so that nothing is changed."""


def ways(name: str) -> dict[str, str]:
    """Return the documents that execute a mutation."""
    field = name + FIELDS[name]
    return {
        "plain": f"mutation {{ {field} }}",
        "alias": f"mutation {{ other: {field} }}",
        "fragment": f"mutation {{ ...F }} fragment F on Mutation {{ {field} }}",
        "inline fragment": f"mutation {{ ... {{ ... on Mutation {{ {field} }} }} }}",
        "beside another field": f"mutation {{ __typename {field} }}",
        "directive": f"mutation ($yes: Boolean = true) {{ {name}{_with_directive(FIELDS[name])} }}",
        "one of two operations": f"query Q {{ __typename }} mutation M {{ {field} }}",
    }


def _with_directive(rest: str) -> str:
    end = rest.rindex(")") + 1
    return f"{rest[:end]} @include(if: $yes){rest[end:]}"


@pytest_asyncio.fixture
async def address(world: LedgerWorld, live: LiveLog) -> AsyncIterator[str]:
    async with served(app_of(world, live)) as address:
        yield address


async def test_there_is_an_example_of_every_mutation() -> None:
    assert FIELDS.keys() == schema.mutation_roles.keys()


@pytest.mark.parametrize("role", Role)
async def test_a_mutation_requires_its_role_by_every_way(
    world: LedgerWorld, api: Api, address: str, role: Role
) -> None:
    async with socket(address) as client:
        await client.begin(TOKENS[role])
        for name, required in schema.mutation_roles.items():
            is_forbidden = role.rank < required.rank
            for way, document in ways(name).items():
                body = {"query": document, **({"operationName": "M"} if "one of" in way else {})}
                for transport, codes in {
                    "post": _codes((await api.post(body, TOKENS[role])).content),
                    "batch": _codes((await api.post([body], TOKENS[role])).content),
                    "sse": _events((await api.post(body, TOKENS[role], accept="text/event-stream")).text),
                    "websocket": await _over_socket(client, body),
                }.items():
                    case = role, name, way, transport, codes
                    assert (codes == ["FORBIDDEN"]) if is_forbidden else ("FORBIDDEN" not in codes), case
            query = {"query": ways(name)["plain"]}
            answer = await api.http.get("/graphql", params=query, headers={"authorization": f"Bearer {TOKENS[role]}"})
            assert answer.status_code == 405, (role, name)
    events = await world.rows("SELECT action, actor FROM audit_event")
    executed = {name for name, required in schema.mutation_roles.items() if role.rank >= required.rank}
    assert {event["action"] for event in events} == executed
    per_way = len(ways("deleteEndpoint")) * 4
    assert len(events) == per_way * len(executed), "each was written once, and no forbidden one"


@pytest.mark.parametrize("role", Role)
async def test_a_query_requires_its_role(api: Api, role: Role) -> None:
    for query in ("{ apiTokens { id } }", "{ a: apiTokens { id } }", "{ auditLog { edges { cursor } } }"):
        answer = await api.answer(query, TOKENS[role])
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        assert codes == ([] if role is Role.ADMIN else ["FORBIDDEN"]), query
        assert list(answer["data"].values()) != [None] or role is not Role.ADMIN


def _codes(body: bytes) -> list[str]:
    answer = orjson.loads(body)
    (one,) = answer if isinstance(answer, list) else [answer]
    return [error["extensions"]["code"] for error in one.get("errors", ())]


def _events(text: str) -> list[str]:
    (event,) = [part for part in text.split("\n\n") if part.startswith("event: next")]
    return _codes(event.partition("data: ")[2].encode())


async def _over_socket(client: Socket, body: dict[str, Any]) -> list[str]:
    await client.say({"type": "subscribe", "id": "1", "payload": body})
    message = await client.receive()
    if message["type"] == "error":
        return [error["extensions"]["code"] for error in message["payload"]]
    assert (await client.receive())["type"] == "complete"
    return [error["extensions"]["code"] for error in message["payload"].get("errors", ())]
