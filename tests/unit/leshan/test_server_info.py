"""A server's report about its features, and about a past call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.enums import OperationKind
from app.domain.outcomes import OutcomeKind
from app.leshan.client import LeshanClient
from app.leshan.past_calls import CallStatus
from app.leshan.registrations import PAGE, LeshanUnavailable
from app.leshan.server_info import STOCK, ServerInfo, read_server_info, reads_types
from tests.unit.leshan.captures import answered

FEATURES = {
    "neverDelayed": True,
    "requestIds": True,
    "requestHistorySeconds": 86400,
    "anyName": True,
    "paging": True,
    "jsonErrors": True,
    "eventEnvelope": 1,
    "eventReplay": True,
    "notificationsWake": True,
    "retransmit": True,
}
INFO = {"name": "reveille-leshan-server", "bootId": "b", "features": FEATURES, "limits": {"openCalls": 7}}
ALL = ServerInfo(
    request_ids=True,
    any_name=True,
    paging=True,
    json_errors=True,
    event_envelope=True,
    event_replay=True,
    notifications_wake=True,
    once=True,
    open_calls=7,
    boot_id="b",
)


def test_all_features_are_read() -> None:
    assert read_server_info(200, json.dumps(INFO).encode()) == ALL


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<html>Not Found</html>"),
        (200, "<html>a login page</html>"),
        (200, "[]"),
        (200, "{}"),
        (200, '{"features": []}'),
        (200, '{"features": {"requestIds": "yes", "eventEnvelope": 2}, "limits": {"openCalls": true}, "bootId": 1}'),
    ],
)
def test_any_other_response_is_of_a_stock_server(status: int, body: str) -> None:
    assert read_server_info(status, body.encode()) == STOCK


@asynccontextmanager
async def answering(status: int, body: Any) -> AsyncIterator[tuple[LeshanClient, list[str]]]:
    """Run a server that answers every request with this status and ``body``, which is JSON, or a function of the
    request's target that returns it; bytes are sent unchanged."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
        asked.append(f"{method.decode()} {target.decode()}")
        answer = body(target.decode()) if callable(body) else body
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = LeshanClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield client, asked
    finally:
        await client.aclose()
        server.close()


@pytest.mark.asyncio
async def test_a_recognized_server_is_remembered() -> None:
    async with answering(200, INFO) as (client, asked):
        assert await client.look() == client.info == ALL
        assert asked == ["GET /api/server/info"]


M4, M18 = b"no registered client with id 'd'", b"No registered client with id 'd'"


@pytest.mark.asyncio
@pytest.mark.parametrize(("before", "after"), [(M4, M18), (M18, M4)], ids=["upgraded", "downgraded"])
async def test_a_stock_server_is_recognized_again_after_each_reset(before: bytes, after: bytes) -> None:
    answers = [before, after]
    async with answering(400, lambda target: {} if target.endswith("/info") else answers.pop(0)) as (client, _):
        for answer in (before, after):
            await client.look()
            assert client.typed is None
            await client.recognize("d")
            assert client.typed is (answer == M18)


@pytest.mark.asyncio
async def test_a_server_that_reports_its_capabilities_reads_types() -> None:
    async with answering(200, INFO) as (client, _):
        client.typed = False
        await client.look()
        assert client.typed is True


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 429, 502, 503])
async def test_a_refusal_says_nothing_about_the_capabilities(status: int) -> None:
    async with answering(status, {}) as (client, _):
        client.info = ALL
        with pytest.raises(LeshanUnavailable):
            await client.look()
        assert client.info == ALL


DONE = {"status": 200, "contentType": "application/json", "body": '{"status":"CHANGED(204)","success":true}'}
REFUSED = {
    "status": 504,
    "contentType": "application/json",
    "body": '{"code":"REQUEST_TIMEOUT","text":"Request timeout"}',
}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (200, {"state": "DONE", "answer": DONE}, OutcomeKind.SUCCESS),
        (200, {"state": "DONE", "answer": REFUSED}, OutcomeKind.DEVICE_SILENT),
        (200, {"state": "NOT_RECEIVED"}, OutcomeKind.NOT_SENT),
        (200, {"state": "INTERRUPTED"}, OutcomeKind.ANSWER_LOST),
        (200, {"state": "INTERRUPTED", "delivery": "NOT_SENT"}, OutcomeKind.NOT_SENT),
        (200, {"state": "RUNNING"}, CallStatus.RUNNING),
        (200, {"state": "DONE"}, CallStatus.NO_IDS),
        (200, {"state": "NEW"}, CallStatus.NO_IDS),
        (200, [], CallStatus.NO_IDS),
        (404, "Not Found", CallStatus.NO_IDS),
        (502, {"state": "DONE", "answer": DONE}, CallStatus.AWAY),
        (401, {}, CallStatus.AWAY),
    ],
)
async def test_the_result_of_a_past_call(status: int, told: Any, expected: OutcomeKind | CallStatus) -> None:
    async with answering(status, told) as (client, asked):
        found = await client.call_status(OperationKind.WRITE, "0b1e/2", 3)
    assert (found if isinstance(found, CallStatus) else found.kind) is expected
    assert asked == ["DELETE /api/requests/0b1e/2?wait=3"]


@pytest.mark.asyncio
async def test_an_unreachable_server_is_away() -> None:
    client = LeshanClient("http://127.0.0.1:1")
    assert await client.call_status(OperationKind.WRITE, "0b1e/2", 0) is CallStatus.AWAY
    await client.aclose()


@pytest.mark.asyncio
async def test_registrations_by_pages() -> None:
    names = [f"dev/{number:04}" for number in range(PAGE + 2)]

    def page(target: str) -> list[dict[str, str]]:
        found = names[PAGE:] if "after=" in target else names[:PAGE]
        return [{"endpoint": name, "registrationId": "r"} for name in found] + [{}] * ("after=" in target)

    async with answering(200, page) as (client, asked):
        client.info = ALL
        async with client.registrations() as listed:
            assert [known.endpoint async for known in listed] == names
        assert listed.skipped == 1
    assert asked == [f"GET /api/clients?limit={PAGE}", f"GET /api/clients?limit={PAGE}&after=dev%2F{PAGE - 1:04}"]


@pytest.mark.parametrize(
    ("recorded", "label", "typed"),
    [
        ("m18-rest.json", " client unknown", True),
        ("m18-rest.json", " client", True),
        ("m4-rest-differences.json", " client unknown", False),
        ("m4-rest-differences.json", " client", False),
    ],
)
def test_a_server_is_recognized_by_its_answer_about_a_client(recorded: str, label: str, typed: bool) -> None:
    (body, *_) = [one["response"]["body"] for one in answered(recorded) if one["label"].endswith(label)]
    assert reads_types(body.encode()) is typed


def test_attributes_of_a_device_do_not_make_its_server_untyped() -> None:
    (body, *_) = [one["response"]["body"] for one in answered("m18-rest.json") if one["label"].endswith(" client")]
    client = json.loads(body)
    client["additionalRegistrationAttributes"] = {"registrationDate": "2026-11-29"}
    client["objectLinks"][0]["attributes"]["registrationDate"] = "x"
    assert reads_types(json.dumps(client).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"No", b'"registrationDate": "x"'])
def test_any_other_answer_about_a_client_is_of_a_typed_server(body: bytes) -> None:
    assert reads_types(body)
