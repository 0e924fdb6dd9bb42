"""Limits of a caller over HTTP, in batches, over WebSocket and event streams, and those of an endpoint's queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from app.models.ledger import Cancel, Provision
from app.models.live import LiveLog
from app.schema.caller_limits import CallerLimiter
from app.schema.limits import CallerLimits
from app.telemetry import LIMIT_REFUSALS
from tests.support import loopback
from tests.support.api import CREATE, Api, write
from tests.support.ledger import LedgerWorld, new
from tests.support.schema import ADMIN, OPERATOR, VIEWER, app_of, served, socket
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio

QUERY: Final = {"query": "{ viewer { name } }"}
STEPS: Final = "subscription { operationTransitions { number } }"
RETRY_CANCELED: Final = "mutation { retryDeviceOperations(filter: { statuses: [CANCELED] }) { created passedOver } }"
JSON: Final = "application/json"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def limited(world: LedgerWorld, live: LiveLog, clock: Clock | None = None, **limits: int) -> Any:
    return app_of(world, live, limiter=CallerLimiter(CallerLimits(**limits), clock or Clock()))


@asynccontextmanager
async def client_of(app: Any, token: str = OPERATOR) -> AsyncIterator[Api]:
    client = Api.within(app, token)
    async with client.http:
        yield client


def refusals(setting: str) -> float:
    return float(LIMIT_REFUSALS.labels(setting)._value.get())


def of_its_own(id_: str) -> str:
    """Return a subscription that shares its execution with no other one."""
    return STEPS.replace("number", f"number n{id_}: number")


def extensions(answer: Any) -> dict[str, Any]:
    (error,) = answer.json()["errors"]
    facts: dict[str, Any] = error["extensions"]
    return facts


async def test_requests_of_each_caller_are_counted(world: LedgerWorld, live: LiveLog) -> None:
    clock, setting = Clock(), "REVEILLE_REQUESTS_PER_MINUTE"
    before = refusals(setting)
    async with client_of(limited(world, live, clock, requests_per_minute=4)) as api:
        for accept in (JSON, "application/graphql-response+json", "text/event-stream", "*/*"):
            assert (await api.post(QUERY, accept=accept)).status_code == 200
        limit = {"code": "LIMIT_EXCEEDED", "limit": 4, "setting": setting, "retryAfterSeconds": 15}
        for accept in (JSON, "application/graphql-response+json", "text/event-stream"):
            answer = await api.post(QUERY, accept=accept)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "15")
            assert extensions(answer) == limit
            assert "data" not in answer.json()
        headers = {"authorization": f"Bearer {OPERATOR}"}
        assert (await api.http.get("/graphql", params=QUERY, headers=headers)).status_code == 429
        export = await api.http.get("/export/readings.csv", params={"endpoint": "d"}, headers=headers)
        assert (export.status_code, export.headers["retry-after"], extensions(export)) == (429, "15", limit)
        assert refusals(setting) == before + 5
        assert (await api.post(QUERY, VIEWER)).status_code == 200, "another caller"
        assert (await api.post(QUERY, "an-unknown-token-of-tests")).status_code == 401
        clock.now += 15
        assert (await api.post(QUERY)).status_code == 200
        assert (await api.post(QUERY)).status_code == 429


async def test_a_web_page_can_read_when_to_retry(world: LedgerWorld, live: LiveLog) -> None:
    origin = "https://dashboard.example"
    limiter = CallerLimiter(CallerLimits(requests_per_minute=1), Clock())
    async with client_of(app_of(world, live, limiter=limiter, allowed_origins=(origin,))) as api:
        await api.post(QUERY)
        answer = await api.post(QUERY, origin=origin)
        assert (answer.status_code, answer.headers["access-control-expose-headers"]) == (429, "Retry-After")
        assert answer.headers["access-control-allow-origin"] == origin


async def test_a_batch_counts_as_its_operations(world: LedgerWorld, live: LiveLog) -> None:
    async with client_of(limited(world, live, requests_per_minute=12)) as api:
        assert len((await api.post([QUERY] * 10)).json()) == 10
        answer = await api.post([QUERY] * 3)
        assert (answer.status_code, extensions(answer)["retryAfterSeconds"]) == (429, 5)
        assert (await api.post(QUERY)).status_code == 200, "the refused one counts as one request"
        assert (await api.post(QUERY)).status_code == 429
    async with client_of(limited(world, live, requests_per_minute=5)) as api:
        answer = await api.post([QUERY] * 10)
        assert (answer.status_code, "retry-after" in answer.headers) == (429, False), "it can never succeed"


async def test_an_operation_of_a_websocket_counts_as_a_request(world: LedgerWorld, live: LiveLog) -> None:
    async with served(limited(world, live, requests_per_minute=2)) as address, socket(address) as client:
        await client.begin()
        for id_ in ("1", "2"):
            await client.subscribe(id_, QUERY["query"])
            assert await client.data(id_) == {"viewer": {"name": "olga"}}
            assert (await client.receive())["type"] == "complete"
        await client.subscribe("3", QUERY["query"])
        message = await client.receive()
        assert (message["type"], message["id"]) == ("error", "3")
        assert message["payload"][0]["extensions"]["setting"] == "REVEILLE_REQUESTS_PER_MINUTE"
        await client.say({"type": "ping"})
        assert (await client.receive())["type"] == "pong", "the socket stays open"


async def test_open_subscriptions_of_sockets_and_streams_are_counted(world: LedgerWorld, live: LiveLog) -> None:
    app = limited(world, live, subscriptions=2)
    headers = {"authorization": f"Bearer {OPERATOR}", "accept": "text/event-stream"}
    async with served(app) as address, socket(address) as client, loopback.AsyncClient(timeout=BOUND) as http:
        await client.begin()
        await client.subscribe("1", STEPS)
        await eventually(lambda: live.subscribers == 1)
        stream = http.stream("POST", f"http://{address}/graphql", json={"query": STEPS}, headers=headers)
        async with stream as response:
            assert response.status_code == 200
            await eventually(lambda: live.subscribers == 2)
            answer = await http.post(f"http://{address}/graphql", json={"query": STEPS}, headers=headers)
            limit = {"limit": 2, "setting": "REVEILLE_MAX_SUBSCRIPTIONS", "retryAfterSeconds": 5}
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
            assert extensions(answer) == {"code": "LIMIT_EXCEEDED", **limit}
            await client.subscribe("2", of_its_own("2"))
            message = await client.receive()
            assert (message["type"], message["payload"][0]["extensions"]["limit"]) == ("error", 2)
            assert (await http.post(f"http://{address}/graphql", json=QUERY, headers=headers)).status_code == 200
        await eventually(lambda: live.subscribers == 1)
        await client.subscribe("3", of_its_own("3"))
        await eventually(lambda: live.subscribers == 2)
        await client.say({"type": "complete", "id": "1"})
        await client.say({"type": "complete", "id": "3"})
        await eventually(lambda: live.subscribers == 0)
        for id_ in ("4", "5"):
            await client.subscribe(id_, of_its_own(id_))
        await eventually(lambda: live.subscribers == 2)


async def test_created_operations_are_counted_before_any_is_created(world: LedgerWorld, live: LiveLog) -> None:
    clock = Clock()
    await world.ledgers[0].submit(Provision("d"))
    async with client_of(limited(world, live, clock, operations_per_minute=6)) as api:
        await api.create(*[write("d") for _ in range(4)])
        answer = await api.post({"query": CREATE, "variables": {"inputs": [write("d")] * 3}})
        limit = {"limit": 6, "setting": "REVEILLE_OPERATIONS_PER_MINUTE", "retryAfterSeconds": 10}
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (200, ["createDeviceOperations"])
        assert extensions(answer) == {"code": "LIMIT_EXCEEDED", **limit}
        assert (await world.endpoint("d"))["queued"] == 4
        assert (await world.row("SELECT count(*) AS n FROM audit_event"))["n"] == 1, "the refusal costs no commit"
        clock.now += 10
        await api.create(*[write("d") for _ in range(3)])
        never = await api.error(CREATE, inputs=[write("d")] * 7)
        assert "retryAfterSeconds" not in never
        assert (await api.answer(CREATE, ADMIN, inputs=[write("d")]))["data"] is not None, "another caller"


async def test_retries_are_created_operations(world: LedgerWorld, live: LiveLog) -> None:
    await world.ledgers[0].submit(Provision("d"))
    operations = [new("d") for _ in range(3)]
    await world.create(*operations)
    for one in operations:
        await world.ledgers[0].submit(Cancel(one.id))
    async with client_of(limited(world, live, operations_per_minute=2)) as api:
        assert (await api.error(RETRY_CANCELED))["setting"] == "REVEILLE_OPERATIONS_PER_MINUTE"
        assert (await world.endpoint("d"))["queued"] == 0


async def test_the_queue_of_an_endpoint_has_a_limit(world: LedgerWorld, live: LiveLog) -> None:
    await world.ledger(max_queued=2)
    world.ledgers.reverse()
    await world.ledgers[0].submit(Provision("d"))
    await world.ledgers[0].submit(Provision("e"))
    setting = "REVEILLE_MAX_QUEUED"
    before = refusals(setting)
    async with client_of(app_of(world, live)) as api:
        facts = await api.error(CREATE, inputs=[write("e"), write("d"), write("d"), write("d")])
        limit = {"code": "LIMIT_EXCEEDED", "endpoint": "d", "limit": 2, "setting": setting}
        assert facts == {**limit, "index": 3}
        assert refusals(setting) == before + 1
        assert (await world.endpoint("e"))["queued"] == 0
        operations = [new("d"), new("d"), new("e")]
        await world.create(*operations)
        for one in operations:
            await world.ledgers[0].submit(Cancel(one.id))
        await api.create(write("d"), write("d"))
        single = "mutation ($input: CreateDeviceOperationInput!) { createDeviceOperation(input: $input) { created } }"
        assert await api.error(single, input=write("d")) == limit
        done = (await api.ask(RETRY_CANCELED))["retryDeviceOperations"]
        assert done == {"created": 1, "passedOver": 2}, "the retries of a full queue are passed over"
