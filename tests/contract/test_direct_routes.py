"""Direct routes on a real server: the webhook's answers, headers and limits are those of the application's routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
import pytest_asyncio

from app.calls import Call, Reply
from app.http_app import application, direct_routes
from app.leshan.webhook import Batch, direct_answers, webhook_routes
from app.leshan.webhook_http import MAX_BODY
from app.serving import SAFE_HEADERS, listen, serving
from app.settings import Settings
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio

EVENT: Final = json.dumps({"event": "AWAKE", "data": {"ep": "dev"}}).encode()
ACCEPTED: Final = b'HTTP/1.1 202 Accepted|{"accepted":1}'


def request(body: bytes = EVENT, target: str = "/leshan/events", *fields: str, host: str = "localhost:80") -> bytes:
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Server:
    """A server whose webhook is a direct route, and what it received."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.direct: list[str] = []
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.authenticator: Any = SimpleNamespace(has_credentials=False)
        self.port = 0

    async def ingest(self, batch: Batch) -> None:
        await self.may_commit.wait()
        self.batches.append(batch)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, *pieces: bytes) -> bytes:
        """Return the whole response to a request that is sent in pieces on its own connection, which closes then."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        answer = await response(reader)
        writer.close()
        return answer


async def response(reader: asyncio.StreamReader, *, whole: bool = False) -> bytes:
    """Return the status line and the body of a response, or its head."""
    async with asyncio.timeout(BOUND):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        return head if whole else head.partition(b"\r\n")[0] + b"|" + body


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    one, listening, settings = Server(), listen("127.0.0.1", 0), Settings()
    routes = webhook_routes(one.ingest)

    async def fail(_call: Call) -> Reply:
        raise ZeroDivisionError

    async def counted(call: Call) -> Reply:
        one.direct.append("complete" if call.body is not None else "pieces")
        return await direct_answers(routes)["/leshan/events"](call)

    direct = direct_routes(settings, one.authenticator, {"/leshan/events": counted, "/fail": fail})
    async with serving(application(settings, one.authenticator, routes), [listening], direct=direct):
        one.port = listening.getsockname()[1]
        yield one


async def test_the_webhook_is_served_without_the_application(server: Server) -> None:
    assert await server.ask(request()) == ACCEPTED
    assert (server.direct, len(server.batches)) == (["complete"], 1)


async def test_a_body_that_comes_later_is_read(server: Server) -> None:
    whole = request()
    assert await server.ask(whole[:-9], whole[-9:]) == ACCEPTED
    chunked = request(b"", "/leshan/events", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    assert await server.ask(chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)) == ACCEPTED
    assert server.direct == ["pieces", "pieces"]


async def test_responses_have_the_headers_of_all_others(server: Server) -> None:
    reader, writer = await server.connect()
    heads = []
    for target in ("/leshan/events", "/leshan/events?direct=no"):
        writer.write(request(target=target))
        heads.append((await response(reader, whole=True)).lower().split(b"\r\n"))
    assert sorted(heads[0]) == sorted(heads[1])
    assert {f"{name}: {value}".lower().encode() for name, value in SAFE_HEADERS} < set(heads[0])
    assert server.direct == ["complete"]
    writer.close()


async def test_requests_of_one_connection_are_answered_in_order(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(request() + request(b"{") + request())
    answers = [await response(reader) for _ in range(3)]
    assert [answer[9:12] for answer in answers] == [b"202", b"400", b"202"]
    writer.close()


async def test_the_connection_closes_if_the_client_wants_it(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(request(EVENT, "/leshan/events", "Connection: close"))
    head = await response(reader, whole=True)
    assert b"connection: close" in head.lower()
    async with asyncio.timeout(BOUND):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    ("fields", "host"),
    [([], "reveille.example"), (["X-Forwarded-For: 10.0.0.1"], "localhost"), (["Via: 1"], "[::1]:80")],
)
async def test_only_direct_requests_to_this_machine_are_served(server: Server, fields: list[str], host: str) -> None:
    message = request(EVENT, "/leshan/events", *fields, host=host)
    refused = await server.ask(message)
    assert refused == await server.ask(message.replace(b"/leshan/events", b"/leshan/events?direct=no"))
    assert refused.startswith(b"HTTP/1.1 403")
    server.authenticator.has_credentials = True
    # the route's own trust of loopback
    assert (await server.ask(message))[9:12] == (b"202" if not fields else b"401")
    assert len(server.batches) == (0 if fields else 1)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(server: Server) -> None:
    head = (
        request()
        .partition(b"\r\n\r\n")[0]
        .replace(b"Content-Length: %d" % len(EVENT), b"Content-Length: %d" % (MAX_BODY + 1))
    )
    assert (await server.ask(head + b"\r\n\r\n "))[9:12] == b"413"


async def test_a_route_that_fails_is_an_internal_error_like_any_other(server: Server) -> None:
    assert (await server.ask(request(target="/fail"))).endswith(b"|Internal Server Error")


async def test_a_client_that_leaves_cancels_nothing(server: Server) -> None:
    server.may_commit.clear()
    _, writer = await server.connect()
    writer.write(request())
    await eventually(lambda: server.direct == ["complete"])
    writer.close()
    await writer.wait_closed()
    server.may_commit.set()
    await eventually(lambda: len(server.batches) == 1)
    assert await server.ask(request()) == ACCEPTED
