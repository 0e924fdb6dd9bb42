"""The limits of incoming HTTP, on a real server: heads, trailers, pipelines, times and numbers of connections."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app import http_protocol
from app.http_protocol import LONG_BODY, MAX_DISCARDED, MAX_FIELDS, MAX_FRAMING, MAX_HEAD, MAX_PIPELINED, RESERVE
from app.serving import listen, serving
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio

START = b"GET /name HTTP/1.1\r\nHost: reveille\r\n"
GET = START + b"\r\n"
HEALTH = GET.replace(b"/name", b"/health/live")
CHUNKED = b"POST /read HTTP/1.1\r\nHost: reveille\r\nTransfer-Encoding: chunked\r\n\r\n"


class App:
    """The application under test, with counters of its requests."""

    def __init__(self) -> None:
        self.served = self.reading = 0
        self.may_end = asyncio.Event()
        self.broken_off = asyncio.Event()

    async def name(self, request: Request) -> Response:
        self.served += 1
        return PlainTextResponse(",".join(request.headers.keys()))

    async def read(self, request: Request) -> Response:
        self.reading += 1
        try:
            body = await request.body()
        except Exception:
            self.broken_off.set()
            raise
        return PlainTextResponse(f"{len(body)} {','.join(request.headers.keys())}")

    async def receive(self, request: Request) -> Response:
        request.scope["extensions"][LONG_BODY]()
        return await self.read(request)

    async def wait(self, request: Request) -> Response:
        self.served += 1
        await self.may_end.wait()
        return PlainTextResponse("waited")

    async def refuse(self, request: Request) -> Response:
        return PlainTextResponse("no", 401, {"Connection": "close"} if "close" in request.url.query else None)

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    def routes(self) -> Starlette:
        routes = [
            Route("/name", self.name),
            Route("/health/live", self.name),
            Route("/read", self.read, methods=["POST"]),
            Route("/firmware", self.receive, methods=["POST"]),
            Route("/wait", self.wait),
            Route("/refuse", self.refuse, methods=["POST"]),
            WebSocketRoute("/socket", self.socket),
        ]
        return Starlette(routes=routes)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """A server under test and the connections to it."""

    def __init__(self, app: App, port: int) -> None:
        self.app = app
        self.port = port
        self.opened: list[asyncio.StreamWriter] = []

    async def connect(self, first: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(writer)
        writer.write(first)
        return reader, writer

    async def ask(self, request: bytes) -> bytes:
        """Return the response to a request on a separate connection."""
        reader, _ = await self.connect(request)
        return await response(reader)


@asynccontextmanager
async def server(most: int | None = None, *, websockets: bool = True) -> AsyncIterator[Server]:
    app, listening = App(), listen("127.0.0.1", 0)
    async with serving(app.routes(), [listening], most=most, max_message=1 << 20 if websockets else 0):
        one = Server(app, listening.getsockname()[1])
        try:
            yield one
        finally:
            app.may_end.set()
            for writer in one.opened:
                writer.close()


async def response(reader: asyncio.StreamReader) -> bytes:
    """Return one response: the end of its status line, and its body."""
    async with asyncio.timeout(BOUND):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head.partition(b"\r\n")[0].removeprefix(b"HTTP/1.1 ") + b"|" + await reader.readexactly(length)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(BOUND):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def flood(writer: asyncio.StreamWriter, piece: bytes, most: int) -> int:
    """Send a piece repeatedly until the server closes or ``most`` bytes are sent; return the number of bytes sent."""
    sent = 0
    try:
        async with asyncio.timeout(BOUND):
            while sent < most and not writer.is_closing():
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
    except ConnectionError:
        pass
    return sent


@pytest.mark.parametrize(
    "more",
    [
        b"a:\r\n" * (MAX_FIELDS + 1),
        b"a: " + b"x" * MAX_HEAD + b"\r\n",
        b"x" * MAX_HEAD + b": a\r\n",
        b"a: x\r\n" * (MAX_HEAD // 6),
    ],
    ids=["fields", "value", "name", "bytes"],
)
async def test_a_head_above_the_limit_is_431_and_the_connection_closes(more: bytes) -> None:
    async with server() as one:
        reader, _ = await one.connect(START + more + b"\r\n")
        assert (await response(reader)).startswith(b"431 ")
        assert await is_closed(reader)
        assert (await one.ask(b"GET /" + b"x" * MAX_HEAD + b" HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"431 ")
        assert (await one.ask(START + b"a: x\r\n" * (MAX_FIELDS - 1) + b"\r\n")).startswith(b"200 ")
        assert one.app.served == 1


@pytest.fixture
def memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


ENDLESS = {
    "fields": (START, b"a:\r\n" * 8_000),
    "value": (START + b"a: ", b"x" * 32_000),
    "url": (b"GET /", b"x" * 32_000),
    "empty lines in a chunked body's trailers": (CHUNKED + b"0\r\n", b"a:\r\n" * 8_000),
    "a trailer's value": (CHUNKED + b"0\r\na: ", b"x" * 32_000),
    "chunk extensions": (CHUNKED + b"1;", b"x" * 32_000),
    "pipelined requests": (GET.replace(b"/name", b"/wait"), GET * 800),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.usefixtures("memory")
async def test_endless_input_is_cut_off_with_bounded_memory(kind: str) -> None:
    """The client would send 64 MiB; without limits the server would store all of it."""
    begin, piece = ENDLESS[kind]
    async with server() as one:
        _, writer = await one.connect(begin)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        sending = asyncio.create_task(flood(writer, piece, 64 * 1024 * 1024))
        if "pipelined" in kind:  # the server reads nothing while a response is pending, so the sender waits
            await eventually(lambda: one.app.served == 1)
            assert await one.ask(HEALTH)
            one.app.may_end.set()
        assert await sending < 16 * 1024 * 1024
        assert tracemalloc.get_traced_memory()[1] - before < 8 * 1024 * 1024
        assert (await one.ask(HEALTH)).startswith(b"200 ")


async def test_trailers_within_the_limit_are_discarded_and_are_no_headers() -> None:
    async with server() as one:
        reader, writer = await one.connect(CHUNKED + b"2;a=b\r\nab\r\n0\r\nauthorization: x\r\n\r\n")
        assert await response(reader) == b"200 OK|2 host,transfer-encoding"
        writer.write(CHUNKED + b"0\r\n" + b"a: x\r\n" * (MAX_FRAMING // 6) + b"\r\n")
        assert (await response(reader)).startswith(b"400 ")
        assert await is_closed(reader)


async def test_a_body_of_chunks_of_one_byte_is_read() -> None:
    async with server() as one:
        assert (await one.ask(CHUNKED + b"001\r\na\r\n" * 50_000 + b"0\r\n\r\n")).startswith(b"200 OK|50000 ")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_pipelined_requests_are_answered_in_order_one_at_a_time(method: str) -> None:
    one_of = {"GET": GET, "POST": b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"}[method]
    async with server() as one:
        reader, _ = await one.connect(one_of * 50)
        assert {(await response(reader))[:4] for _ in range(50)} == {b"200 "}
        first, _ = await one.connect(GET.replace(b"/name", b"/wait") + GET * 3)
        served = 51 if method == "GET" else 1
        await eventually(lambda: one.app.served == served)
        assert await one.ask(HEALTH)
        assert one.app.served == served + 1
        one.app.may_end.set()
        assert [(await response(first))[:4] for _ in range(4)] == [b"200 "] * 4


@pytest.mark.parametrize("cut", [1, 5, 15, len(START), len(GET) - 1])
async def test_a_pipelined_request_in_two_pieces_is_served(cut: int) -> None:
    post = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    async with server() as one:
        for first in (GET, post):
            reader, writer = await one.connect(first + GET[:cut])
            assert (await response(reader)).startswith(b"200 ")
            writer.write(GET[cut:])
            assert (await response(reader)).startswith(b"200 ")


async def test_pipelined_bytes_above_the_limit_close_after_the_response() -> None:
    async with server() as one:
        reader, writer = await one.connect(GET.replace(b"/name", b"/wait"))
        await eventually(lambda: one.app.served == 1)
        writer.write(GET * (2 * MAX_PIPELINED // len(GET)))
        one.app.may_end.set()
        await eventually(lambda: reader.at_eof() or one.app.served > 1)
        assert one.app.served < 2 * MAX_PIPELINED // len(GET)


async def test_a_request_behind_a_chunked_one_in_a_slice_closes_the_connection() -> None:
    """The server does not check the second head there: it closes the connection, and the client sends the request
    again."""
    async with server() as one:
        reader, _ = await one.connect(CHUNKED + b"0\r\n\r\n" + GET)
        assert (await response(reader)).startswith(b"200 OK|0")
        assert await is_closed(reader)
        assert one.app.served == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Host: a\r\n", b"200 "),
        (b"Host: [::1]:8000\r\n", b"200 "),
        (b"Host:\r\n", b"200 "),
        (b"", b"400 "),
        (b"Host: a\r\nHost: a\r\n", b"400 "),
        (b"Host: a\r\nhOST: b\r\n", b"400 "),
        (b"Host: a b\r\n", b"400 "),
        (b"Host: a/b\r\n", b"400 "),
        (b"Host: user@a\r\n", b"400 "),
    ],
)
async def test_a_request_has_one_valid_host(fields: bytes, status: bytes) -> None:
    """Apply RFC 9112, 3.2."""
    async with server() as one:
        assert (await one.ask(b"GET /name HTTP/1.1\r\n" + fields + b"\r\n")).startswith(status)
        assert one.app.served == (status == b"200 ")
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        reader, _ = await one.connect(b"GET /socket HTTP/1.1\r\n" + fields + upgrade + key)
        line = await reader.readline()
        assert line.startswith(b"HTTP/1.1 101 " if status == b"200 " else b"HTTP/1.1 400 ")


async def test_http_1_0_needs_no_host() -> None:
    async with server() as one:
        assert (await one.ask(b"GET /name HTTP/1.0\r\n\r\n")).startswith(b"200 ")
        assert (await one.ask(b"GET /name HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")).startswith(b"400 ")


NO_HTTP = [b"nonsense\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", GET[:9] + b"\r\n\r\n"]


@pytest.mark.parametrize("bytes_", NO_HTTP)
async def test_invalid_http_is_400(bytes_: bytes) -> None:
    async with server() as one:
        assert (await one.ask(bytes_)).startswith(b"400 ")


async def test_without_websockets_an_offer_of_one_is_ignored() -> None:
    """Apply RFC 9110, 7.8: a server that does not know a protocol ignores the offer."""
    async with server(websockets=False) as one:
        for offer in (b"Upgrade: websocket\r\n", b"upgrade:WebSocket, h2c\r\n"):
            head = b"GET /name HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" + offer
            assert (await one.ask(head + b"Sec-WebSocket-Version: 13\r\n\r\n")).startswith(b"200 ")
        reader, _ = await one.connect(b"CONNECT http://a/name HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await response(reader)).startswith(b"405 ")
        assert await is_closed(reader)


async def test_a_websocket_request_has_the_same_limit_of_fields() -> None:
    async with server() as one:
        async with connect(f"ws://127.0.0.1:{one.port}/socket", proxy=None) as websocket:
            assert await websocket.recv() == "hello"
        fields = {f"x-{number}": "x" for number in range(MAX_FIELDS)}
        with pytest.raises(InvalidStatus, match="431"):
            async with connect(f"ws://127.0.0.1:{one.port}/socket", proxy=None, additional_headers=fields):
                pass


@pytest.mark.parametrize("query", ["", "?close"])
async def test_a_response_that_did_not_wait_for_the_body_reaches_the_client(query: str) -> None:
    """The server discards further bytes within bounds; a reset would lose the response."""
    start = f"POST /refuse{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n".encode()
    async with server() as one:
        reader, writer = await one.connect(start)
        writer.write(b"x" * (MAX_DISCARDED // 2))
        assert await response(reader) == b"401 Unauthorized|no"
        assert await flood(writer, b"x" * 65_536, 100_000_000) < 32 * 1024 * 1024


# --- time limits


async def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
    async with server() as one:
        silent, _ = await one.connect()
        slow, writer = await one.connect(START)
        assert await is_closed(silent)
        assert (await response(slow)).startswith(b"408 ")
        assert await is_closed(slow)
        kept, writer = await one.connect(GET)
        assert (await response(kept)).startswith(b"200 ")
        writer.write(START)
        assert (await response(kept)).startswith(b"408 ")


async def test_a_body_that_is_not_complete_in_time_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.05)
    async with server() as one:
        reader, _ = await one.connect(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na")
        assert (await response(reader)).startswith(b"408 ")
        assert await is_closed(reader)
        async with asyncio.timeout(BOUND):
            await one.app.broken_off.wait()


async def test_a_permitted_long_body_is_limited_in_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.5)
    async with server() as one:
        reader, writer = await one.connect(b"POST /firmware HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        for _ in range(9):
            await asyncio.sleep(0.1)
            writer.write(b"a")
        assert (await response(reader)).startswith(b"200 OK|9 ")
        writer.write(b"POST /firmware HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na")
        assert (await response(reader)).startswith(b"408 ")


async def test_a_body_that_is_incomplete_soon_after_the_shutdown_is_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_protocol, "SHUTDOWN_BODY_SECONDS", 0.2)
    head = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    app, listening = App(), listen("127.0.0.1", 0)
    async with serving(app.routes(), [listening]):
        one = Server(app, listening.getsockname()[1])
        endless, _ = await one.connect(head + b"a")
        soon, writer = await one.connect(head + b"a")
        await eventually(lambda: app.reading == 2)
        asyncio.get_running_loop().call_later(0.1, writer.write, b"bcde")
    assert (await response(soon)).startswith(b"200 ")
    assert (await response(endless)).startswith(b"503 ")
    assert await is_closed(endless)
    assert app.broken_off.is_set()
    for writer in one.opened:
        writer.close()


# --- connection limits


async def test_silent_connections_give_way_to_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "SILENT_SECONDS", 0.0)
    async with server(most=20) as one:
        silent = [await one.connect(START if number % 2 else b"") for number in range(200)]
        for _ in range(30):
            assert (await one.ask(GET)).startswith(b"200 ")
        assert await is_closed(silent[0][0])


async def test_health_is_answered_where_all_connections_are_busy() -> None:
    async with server(most=5) as one:
        for _ in range(5):
            await one.connect(GET.replace(b"/name", b"/wait"))
        await eventually(lambda: one.app.served == 5)
        silent = [await one.connect() for _ in range(3 * RESERVE)]
        assert (await one.ask(HEALTH)).startswith(b"200 ")
        assert (await one.ask(GET)).startswith(b"503 ")
        assert await is_closed(silent[0][0])
        one.app.may_end.set()


async def test_incomplete_heads_of_all_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HELD", 10 * len(START))
    async with server() as one:
        heads = [await one.connect(START) for _ in range(20)]
        assert (await one.ask(GET)).startswith(b"200 ")
        async with asyncio.timeout(BOUND):
            done, _ = await asyncio.wait(
                {asyncio.create_task(reader.readline()) for reader, _ in heads}, return_when=asyncio.FIRST_COMPLETED
            )
        assert {await task for task in done} == {b"HTTP/1.1 503 Service Unavailable\r\n"}
