"""graphql-transport-ws over a real socket: live events, resumed subscriptions, and clients that violate the
protocol."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from app.models.ledger import Provision
from app.models.live import LiveLog
from tests.support.api import Api
from tests.support.ledger import SUCCESS, LedgerWorld, new, registered
from tests.support.live_log import live_log
from tests.support.schema import OPERATOR, VIEWER, app_of, served, socket
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = """
  subscription($endpoint: String, $ids: [ID!], $statuses: [OperationStatus!], $after: String) {
    operationTransitions(endpoint: $endpoint, operationIds: $ids, toStatuses: $statuses, after: $after) {
      cursor number toStatus operation { id version endpoint { name presence } lastTransition { number } waitingFor }
    }
  }
"""
CURSOR = "{ transitionCursor }"


async def test_every_transition_is_sent_live_with_its_operation(
    world: LedgerWorld, live: LiveLog, api: Api, address: str
) -> None:
    await world.ingest(registered("d"))
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS)
        await eventually(lambda: live.subscribers == 1)
        await world.create(new("d"))
        await world.attempt(SUCCESS)
        events = [(await ws.data("1"))["operationTransitions"] for _ in range(3)]
        assert [event["toStatus"] for event in events] == ["QUEUED", "SENDING", "CONFIRMED"]
        assert [event["number"] for event in events] == [1, 2, 3]
        assert all(event["operation"]["version"] >= event["number"] for event in events)
        assert events[-1]["operation"]["endpoint"] == {"name": "d", "presence": "ONLINE"}
        assert events[-1]["operation"]["waitingFor"] == "NOTHING"
        await ws.say({"type": "complete", "id": "1"})
        await eventually(lambda: live.subscribers == 0)


async def test_a_subscriber_resumes_after_its_cursor_without_gap_and_repeat(
    world: LedgerWorld, live: LiveLog, api: Api, address: str
) -> None:
    await world.ingest(registered("d"))
    cursor = (await api.ask(CURSOR))["transitionCursor"]
    await world.create(*(new("d", path=f"/5/0/{index}") for index in range(5)))
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS, after=cursor)
        stored = [(await ws.data("1"))["operationTransitions"]["cursor"] for _ in range(5)]
        await world.create(new("d"))
        stored.append((await ws.data("1"))["operationTransitions"]["cursor"])
        assert len(set(stored)) == 6
        await ws.subscribe("2", STEPS, after=stored[3])
        again = [(await ws.data("2"))["operationTransitions"]["cursor"] for _ in range(2)]
        assert again == stored[4:]


async def test_filters_by_endpoint_operation_and_status(
    world: LedgerWorld, live: LiveLog, api: Api, address: str
) -> None:
    await world.ingest(registered("d"), registered("e"))
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("endpoint", STEPS, endpoint="e")
        await ws.subscribe("status", STEPS, statuses=["SENDING"])
        await eventually(lambda: live.subscribers == 2)
        await world.create(new("d"))
        await world.create(new("e"))
        assert (await ws.data("endpoint"))["operationTransitions"]["operation"]["endpoint"]["name"] == "e"
        await world.claim()
        told = await ws.receive()
        while told["id"] != "status":
            told = await ws.receive()
        assert told["payload"]["data"]["operationTransitions"]["toStatus"] == "SENDING"
        await ws.subscribe("id", STEPS, ids=["nonsense"])
        error = await ws.receive()
        while error["id"] != "id":
            error = await ws.receive()
        assert error["type"] == "error"
        assert error["payload"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "operationIds.0"}


async def test_presence_changes_are_sent(world: LedgerWorld, live: LiveLog, address: str) -> None:
    await world.ledgers[0].submit(Provision("d"))
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("p", "subscription { endpointPresence { cursor presence at endpoint { name presence } } }")
        await eventually(lambda: live.subscribers == 1)
        await world.ingest(registered("d"))
        told = (await ws.data("p"))["endpointPresence"]
        assert (told["presence"], told["endpoint"]["name"]) == ("ONLINE", "d")


@pytest.mark.parametrize("after", ["nonsense", "bG9nOjk5OTk5OTk5"])
async def test_an_invalid_cursor_is_an_error_of_that_subscription(address: str, after: str) -> None:
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS, after=after)
        message = await ws.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "after"}
        await ws.say({"type": "ping"})
        assert (await ws.receive())["type"] == "pong"


async def test_a_cursor_from_before_the_horizon_is_expired(world: LedgerWorld, address: str) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    store = world.reader
    await store.begin()
    await store.execute("UPDATE ledger_head SET horizon = seq")
    await store.commit()
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS, after="bG9nOjE")
        message = await ws.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "CURSOR_EXPIRED"


async def test_queries_and_mutations_run_over_the_socket(world: LedgerWorld, address: str) -> None:
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("m", 'mutation { provisionEndpoint(name: "x") { name } }')
        assert await ws.data("m") == {"provisionEndpoint": {"name": "x"}}
        assert await ws.receive() == {"id": "m", "type": "complete"}


async def test_identical_subscriptions_are_executed_once(world: LedgerWorld, live: LiveLog, address: str) -> None:
    await world.ingest(registered("d"))
    async with socket(address) as one, socket(address) as two:
        for ws in (one, two):
            await ws.begin()
            for id_ in ("a", 'b"'):
                await ws.subscribe(id_, STEPS)
        await ws.subscribe("other", STEPS, endpoint="d")
        await eventually(lambda: live.subscribers == 2)
        await world.create(new("d"))
        for ws in (one, two):
            told = {message["id"]: message for message in [await ws.receive(), await ws.receive()]}
            assert "a" in told or "other" in told
            assert all(message["type"] == "next" for message in told.values())
        await one.connection.close()
        await two.say({"type": "complete", "id": "a"})
        await two.say({"type": "complete", "id": 'b"'})
        await eventually(lambda: live.subscribers == 1)


BROKEN: list[Any] = [
    "no json",
    [],
    5,
    "5",
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1", "payload": "text"},
    {"type": "subscribe", "id": "1", "payload": {"query": 5}},
    {"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}},
    {"type": "complete"},
    {"type": "nonsense"},
]


@pytest.mark.parametrize("message", BROKEN)
async def test_a_broken_message_closes_with_4400(address: str, message: Any) -> None:
    async with socket(address) as ws:
        await ws.begin()
        await ws.say(message)
        assert await ws.closed() == 4400


async def test_a_syntax_error_affects_only_its_own_operation(world: LedgerWorld, live: LiveLog, address: str) -> None:
    await world.ingest(registered("d"))
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("good", STEPS)
        await eventually(lambda: live.subscribers == 1)
        await ws.subscribe("bad", "subscription {")
        message = await ws.receive()
        assert (message["id"], message["type"]) == ("bad", "error")
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await world.create(new("d"))
        await ws.data("good")


@pytest.mark.parametrize("query", [{}, {"query": ""}, {"query": None}])
async def test_a_hash_without_its_query_is_an_error_of_its_operation(
    world: LedgerWorld, live: LiveLog, address: str, query: dict[str, Any]
) -> None:
    """The socket stays open, so that the client can send the query itself."""
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
    async with socket(address) as ws:
        await ws.begin()
        await ws.say({"type": "subscribe", "id": "1", "payload": {**query, "extensions": extensions}})
        (error,) = (await ws.receive())["payload"]
        assert error == {
            "message": "PersistedQueryNotSupported",
            "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
        }
        await ws.subscribe("1", "{ __typename }")
        assert await ws.data("1") == {"__typename": "Query"}


async def test_only_valid_tokens_may_connect(address: str) -> None:
    async with socket(address) as ws:
        await ws.say({"type": "connection_init"})
        assert await ws.closed() == 4401
    async with socket(address) as ws:
        await ws.say({"type": "connection_init", "payload": {"token": "somebody-elses-token"}})
        assert await ws.closed() == 4403
    async with socket(address) as ws:
        await ws.subscribe("1", CURSOR)
        assert await ws.closed() == 4401
    async with socket(address) as ws:
        await ws.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {VIEWER}"}})
        assert (await ws.receive())["type"] == "connection_ack"
        await ws.subscribe("m", 'mutation { provisionEndpoint(name: "x") { name } }')
        (error,) = (await ws.receive())["payload"]["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
    async with socket(address, additional_headers={"Authorization": f"Bearer {OPERATOR}"}) as ws:
        await ws.say({"type": "connection_init"})
        assert (await ws.receive())["type"] == "connection_ack"


async def test_a_page_of_another_origin_may_not_connect(address: str) -> None:
    with pytest.raises(InvalidStatus):
        async with socket(address, origin="http://evil.example"):
            pass
    async with socket(address, origin=f"http://{address}") as ws:
        await ws.begin()


async def test_too_many_operations_on_one_connection(
    world: LedgerWorld, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.schema.transport.websocket.MAX_SUBSCRIPTIONS", 2)
    async with socket(address) as ws:
        await ws.begin()
        for id_ in ("1", "2", "3"):
            await ws.subscribe(id_, STEPS)
        message = await ws.receive()
        assert (message["id"], message["type"]) == ("3", "error")
        assert message["payload"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 2}


async def test_a_silent_connection_is_closed(world: LedgerWorld, live: LiveLog) -> None:
    app = app_of(world, live, connection_init_timeout=timedelta(milliseconds=1))
    async with served(app) as address, socket(address) as ws:
        assert await ws.closed() == 4408


async def test_disconnected_clients_leave_no_tasks_behind(world: LedgerWorld, live: LiveLog, address: str) -> None:
    async def visit(number: int) -> None:
        async with socket(address) as ws:
            await ws.begin()
            await ws.subscribe("s", STEPS, after=None)
            await ws.subscribe("m", f'mutation {{ provisionEndpoint(name: "d{number}") {{ name }} }}')
            ws.connection.transport.abort()

    await asyncio.gather(*(visit(number) for number in range(20)))
    await eventually(lambda: live.subscribers == 0)
    await world.ledgers[0].submit(Provision("afterwards"))


async def test_closing_the_log_completes_every_subscription(world: LedgerWorld, live: LiveLog, address: str) -> None:
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS)
        await eventually(lambda: live.subscribers == 1)
        await live.close()
        assert await ws.receive() == {"id": "1", "type": "complete"}


async def test_a_slow_client_receives_the_cursor_to_resume_from(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    async with live_log(queue_limit=5) as live, served(app_of(world, live)) as address, socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS)
        await eventually(lambda: live.subscribers == 1)
        await world.create(*(new("d", path=f"/5/0/{index}") for index in range(20)))
        message = await ws.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        facts = message["payload"][0]["extensions"]
        assert facts["code"] == "LAGGED"
        await ws.subscribe("2", STEPS, after=facts["cursor"])
        numbers = [(await ws.data("2"))["operationTransitions"]["number"] for _ in range(20)]
        assert numbers == [1] * 20


@pytest.mark.parametrize("variable", ["endpoint", "ids", "statuses", "after"])
@pytest.mark.parametrize("kind", ["nested", "large"])
async def test_variables_that_cannot_be_compared_are_bad_user_input(
    world: LedgerWorld, live: LiveLog, address: str, variable: str, kind: str
) -> None:
    """Equal subscriptions share an execution; a variable that cannot be part of their key is validated by the
    document's types."""
    value: Any = 2**70
    if kind == "nested":
        for _ in range(300):
            value = [value]
    async with socket(address) as ws:
        await ws.begin()
        await ws.subscribe("1", STEPS, **{variable: value})
        message = await ws.receive()
        assert (message["type"], message["id"]) == ("error", "1")
        (error,) = message["payload"]
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "NOT_FOUND"}
        await ws.subscribe("2", "subscription { operationTransitions { number } }", unused=value)
        await eventually(lambda: live.subscribers == 1)
