"""The client's own requests: probe, registrations in pieces, object models, and operations that cannot be sent."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import pytest

from app.domain.enums import OperationKind
from app.domain.operations import OperationRequest
from app.domain.outcomes import OutcomeKind
from app.leshan.client import LeshanClient, api_root
from app.leshan.registrations import LeshanUnavailable
from app.leshan.requests import LeshanRequest, Unaddressable
from app.leshan.transport import Exchange, Failure
from tests.unit.leshan.captures import answered, load

pytestmark = pytest.mark.asyncio


def answer(status: str, body: bytes, headers: str = "Content-Type: application/json\r\n") -> list[bytes]:
    return [f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}Connection: close\r\n\r\n".encode(), body]


@asynccontextmanager
async def serving(pieces: Iterable[bytes]) -> AsyncIterator[tuple[LeshanClient, list[bytes]]]:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = LeshanClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/leshan", headers={"X-Key": "k"})
    try:
        yield client, requests
    finally:
        await client.aclose()
        server.close()


async def test_the_root_of_the_api() -> None:
    assert api_root("http://leshan:8080") == "http://leshan:8080/api"
    assert api_root("http://leshan:8080/") == "http://leshan:8080/api"
    assert api_root("https://proxy/leshan/api/") == "https://proxy/leshan/api"
    assert api_root("http://api") == "http://api/api"


REGISTRATION = next(one["response"]["body"] for one in answered("m18-rest.json") if one["label"] == "0 client")


@pytest.mark.parametrize(
    ("status", "body", "healthy"),
    [
        ("200 OK", REGISTRATION, True),
        ("400 Bad Request", "No registered client with id 'x'", True),
        ("400 Bad Request", "no registered client with id 'x'", True),
        ("400 Bad Request", "<html><title>Error 400</title></html>", False),
        ("200 OK", "<html>a login page</html>", False),
        ("200 OK", "{}", False),
        ("404 Not Found", "", False),
        ("503 Service Unavailable", "", False),
    ],
)
async def test_a_probe_accepts_only_leshans_own_responses(status: str, body: str, healthy: bool) -> None:
    async with serving(answer(status, body.encode())) as (client, requests):
        probe = await client.probe("x")
    assert probe.healthy is healthy
    assert probe.detail
    assert requests[0].startswith(b"GET /leshan/api/clients/x HTTP/1.1\r\n")
    assert b"x-key: k" in requests[0].lower()


async def test_a_probe_of_a_name_that_cannot_be_sent_uses_another() -> None:
    async with serving(answer("400 Bad Request", b"No registered client with id 'reveille-probe'")) as (
        client,
        requests,
    ):
        assert (await client.probe("a/b")).healthy
    assert b"/clients/reveille-probe " in requests[0]


async def test_a_probe_of_a_name_that_a_proxy_refuses_uses_another() -> None:
    class Proxy:
        async def exchange(self, request: LeshanRequest, *_: object) -> Exchange:
            if "script" in request.target:
                return Exchange(left=True, status=404, body=b"<html>not here</html>")
            return Exchange(left=True, status=400, body=b"No registered client with id 'reveille-probe'")

        async def aclose(self) -> None:
            pass

    client = LeshanClient("http://leshan", transport=Proxy())
    assert (await client.probe("<script>")).healthy
    await client.aclose()


async def test_a_probe_has_a_slot_beside_unanswered_calls() -> None:
    called = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/discover" in await reader.readuntil(b"\r\n\r\n"):
            called.set()
            await reader.read()
        writer.writelines(answer("400 Bad Request", b"No registered client with id 'x'"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = LeshanClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", max_in_flight=1)
    discover = OperationRequest("x", OperationKind.DISCOVER, "/3")
    call = asyncio.create_task(client.call(discover, time.monotonic() + 60))
    async with asyncio.timeout(30):
        await called.wait()
    assert (await client.probe("x")).healthy
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await client.aclose()
    server.close()


async def test_registrations_with_their_clock() -> None:
    entries = [json.loads(REGISTRATION), {"endpoint": "x"}, 7, {**json.loads(REGISTRATION), "endpoint": "b"}]
    body = json.dumps(entries).encode()
    before = time.monotonic()
    pieces = answer("200 OK", body, "Date: Mon, 23 Nov 2026 17:24:18 GMT\r\n")
    async with serving(pieces) as (client, requests), client.registrations() as found:
        names = [known.endpoint async for known in found]
    assert names == ["plain-2", "b"]
    assert found.skipped == 2
    assert found.server_millis == 1_795_454_658_000
    assert before <= found.sent_at <= time.monotonic()
    assert requests[0].startswith(b"GET /leshan/api/clients HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "pieces",
    [
        answer("500 Oops", b"[]"),
        answer("200 OK", b"{}"),
        answer("200 OK", b""),
        answer("200 OK", b'  "x"'),
        answer("200 OK", b'[{"endpoint":'),
        answer("200 OK", b'[{"endpoint":"a"b"}]'),
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1"],
    ],
    ids=range(7),
)
async def test_an_incomplete_list_is_rejected(pieces: list[bytes]) -> None:
    async with serving(pieces) as (client, _):
        with pytest.raises(LeshanUnavailable):
            await everyone(client)


async def everyone(client: LeshanClient) -> int:
    async with client.registrations() as found:
        return len([None async for _ in found])


async def test_an_unreachable_server_is_reported() -> None:
    client = LeshanClient("http://127.0.0.1:1")
    with pytest.raises(LeshanUnavailable):
        await everyone(client)
    with pytest.raises(LeshanUnavailable):
        await client.object_models("a")
    await client.aclose()


async def test_a_long_list_is_read_in_pieces() -> None:
    """Three thousand registrations are two megabytes; far less is in memory at once."""
    entry = json.loads(REGISTRATION)

    def pieces() -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n["
        for number in range(3_000):
            yield (b"," if number else b"") + json.dumps({**entry, "endpoint": f"dev-{number}"}).encode()
        yield b"]"

    async with serving(pieces()) as (client, _), client.registrations() as found:
        tracemalloc.start()
        count = len([None async for _ in found])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 3_000
    assert peak < 2_000_000


async def test_object_models_and_their_failures() -> None:
    body = json.dumps(load("m18-objectspecs.json")).encode()
    async with serving(answer("200 OK", body)) as (client, requests):
        models = await client.object_models("urn:x")
        with pytest.raises(Unaddressable):
            await client.object_models("a/b")
    assert 3442 in {model.id for model in models}
    assert requests[0].startswith(b"GET /leshan/api/objectspecs/urn%3Ax HTTP/1.1\r\n")
    for pieces in (answer("500 Oops", b"<html><title>Null</title>"), answer("200 OK", b"{}"), answer("200 OK", b"[")):
        async with serving(pieces) as (client, _):
            with pytest.raises(LeshanUnavailable):
                await client.object_models("a")


class Wire:
    """A transport that answers from memory."""

    def __init__(self, exchange: Exchange) -> None:
        self.answer = exchange
        self.sent: list[tuple[LeshanRequest, Mapping[str, str] | None]] = []

    async def exchange(
        self, request: LeshanRequest, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        self.sent.append((request, headers))
        return self.answer

    async def aclose(self) -> None:
        return None


async def call(op: OperationRequest, exchange: Exchange) -> tuple[OutcomeKind, Wire, str | None]:
    wire = Wire(exchange)
    client = LeshanClient("http://leshan", transport=wire)
    outcome = await client.call(op, time.monotonic() + 5, {"x-request-id": "1"})
    await client.aclose()
    return outcome.kind, wire, outcome.detail


@pytest.mark.parametrize("name", ["x/3/0/4?a=1#", "..", "a;b"])
async def test_a_name_that_cannot_be_sent_ends_the_operation_without_a_call(name: str) -> None:
    kind, wire, detail = await call(OperationRequest(name, OperationKind.READ, path="/3"), Exchange(left=True))
    assert kind is OutcomeKind.BAD_REQUEST
    assert wire.sent == []
    assert "Leshan cannot be queried" in (detail or "")


async def test_an_operation_without_a_request_ends_without_a_call() -> None:
    for op in (
        OperationRequest("a", OperationKind.READ),
        OperationRequest("a", OperationKind.CREATE, path="/3", value=None),
        OperationRequest("a", OperationKind.WRITE_COMPOSITE, values={"/3/0/0": {}}),
    ):
        kind, wire, _ = await call(op, Exchange(left=True))
        assert (kind, wire.sent) == (OutcomeKind.BAD_REQUEST, [])


async def test_the_outcome_is_read_from_the_exchange() -> None:
    op = OperationRequest("a", OperationKind.READ, path="/3/0/0")
    body = b'{"status":"CONTENT(205)","success":true,"content":{"id":0}}'
    kind, wire, _ = await call(op, Exchange(left=True, status=200, body=body))
    assert kind is OutcomeKind.SUCCESS
    assert wire.sent[0][1] == {"x-request-id": "1"}
    assert (await call(op, Exchange(left=False, failure=Failure.UNREACHABLE)))[0] is OutcomeKind.UNREACHABLE
    assert (await call(op, Exchange(left=True, failure=Failure.LOST, status=200)))[0] is OutcomeKind.ANSWER_LOST
