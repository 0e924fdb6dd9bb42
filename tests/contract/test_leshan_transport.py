"""The hot call: it is certain whether a request was sent, and at most one request of an attempt arrives at the server.

The server speaks raw TCP, misbehaves in a chosen way after it has read a request, and counts the requests that arrive.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.operations import OperationRequest
from app.domain.outcomes import OutcomeKind
from app.leshan.answers import outcome_of
from app.leshan.client import LeshanClient
from app.leshan.connection import MAX_ANSWER
from app.leshan.requests import LeshanRequest
from app.leshan.transport import Exchange, Failure, PooledTransport, tls_context
from tests.conftest import missing
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"
BODY = b'{"status":"CHANGED(204)","success":true}       '
METHODS = ("PUT", "POST", "DELETE", "GET")

Writer = asyncio.StreamWriter
Answer = Callable[[Writer], Coroutine[Any, Any, None]]


async def answer_well(writer: Writer) -> None:
    writer.write(OK + BODY)


async def close(writer: Writer) -> None:
    writer.close()


async def reset(writer: Writer) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_a_head(writer: Writer) -> None:
    writer.write(OK[:25])
    writer.close()


async def half_a_body(writer: Writer) -> None:
    writer.write(OK + BODY[:20])
    writer.close()


async def nonsense(writer: Writer) -> None:
    writer.write(b"220 smtp.example.com ESMTP\r\n")
    writer.close()


async def never(writer: Writer) -> None:
    del writer


async def slow_body(writer: Writer) -> None:
    writer.write(OK)
    for byte in BODY[:-1]:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)


async def chunked_without_end(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    writer.close()


async def too_large(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER + 1))


async def too_large_chunked(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for _ in range(5):
        writer.write(piece)


async def redirect(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")


async def cookie(writer: Writer) -> None:
    writer.write(OK[:-2] + b"Set-Cookie: session=1; Path=/\r\n\r\n" + BODY)


async def interim_first(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + BODY)


async def until_the_end(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY)
    writer.close()


async def two_answers(writer: Writer) -> None:
    writer.write(OK + BODY + OK + BODY)


async def one_more_later(writer: Writer) -> None:
    writer.write(OK + BODY)
    await asyncio.sleep(0.02)
    writer.write(OK + BODY)


async def another_protocol(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")


async def endless_head(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(20_000):
        writer.write(b"X-%d: x\r\n" % number)


@dataclass
class Server:
    """A server that counts the requests that arrive. The n-th of ``answers`` responds to the n-th request; the last one
    repeats."""

    answers: list[Answer]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await read_request(reader))
                await self.answers[min(len(self.requests), len(self.answers)) - 1](writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended += 1
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/leshan/api"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    return head + body


@asynccontextmanager
async def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(list(answers))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def transport(url: str, **settings: Any) -> AsyncIterator[PooledTransport]:
    made = PooledTransport(url, **{"max_in_flight": 4, **settings})
    try:
        yield made
    finally:
        await made.aclose()


def request(method: str) -> LeshanRequest:
    body = b'{"id":1}' if method in {"PUT", "POST"} else None
    return LeshanRequest(
        method, "/clients/dev%201/5/0/1?timeout=5", body, "application/json; charset=utf-8" if body else None
    )


TO_SEND: Final = 0.8
"""Seconds within which even a busy machine sends a request; a request without a response then passes its deadline."""


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


LOST: list[tuple[Answer, Failure]] = [
    (close, Failure.LOST),
    (reset, Failure.LOST),
    (half_a_head, Failure.LOST),
    (half_a_body, Failure.LOST),
    (nonsense, Failure.LOST),
    (chunked_without_end, Failure.LOST),
    (another_protocol, Failure.LOST),
    (endless_head, Failure.LOST),
    (too_large, Failure.TOO_LARGE),
    (too_large_chunked, Failure.TOO_LARGE),
    (never, Failure.DEADLINE),
    (slow_body, Failure.DEADLINE),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize(("answer", "failure"), LOST, ids=[answer.__name__ for answer, _ in LOST])
async def test_a_lost_answer_means_one_request_received(
    method: str, kept: bool, answer: Answer, failure: Failure
) -> None:
    async with serving(*([answer_well] if kept else []), answer) as server, transport(server.url) as sender:
        if kept:
            assert (await sender.exchange(request(method), soon())).failure is None
        before = len(server.requests)
        deadline = soon(TO_SEND) if failure is Failure.DEADLINE else soon()
        exchange = await sender.exchange(request(method), deadline)
        await sender.aclose()
        await asyncio.sleep(0)
    assert (exchange.left, exchange.failure) == (True, failure)
    assert len(server.requests) - before == 1
    assert server.connections == 1
    outcome = outcome_of(OperationKind.WRITE, exchange)
    assert (outcome.kind, outcome.deadline_passed) == (OutcomeKind.ANSWER_LOST, failure is Failure.DEADLINE)


@pytest.mark.parametrize("method", METHODS)
async def test_a_stale_kept_connection_never_causes_a_second_request(method: str) -> None:
    """The server closes while the connection idles: the request is sent on a new connection, or counts as perhaps
    read."""

    async def answer_and_close(writer: Writer) -> None:
        await answer_well(writer)
        writer.close()

    async with serving(answer_and_close) as server, transport(server.url) as sender:
        for attempt in range(1, 6):
            exchange = await sender.exchange(request(method), soon())
            assert len(server.requests) <= attempt
            assert exchange.failure is None or exchange.left


async def test_a_valid_answer_is_returned_whole_with_its_request() -> None:
    async with (
        serving(answer_well) as server,
        transport(server.url, headers={"Authorization": "Bearer abc", "X-Own": "1"}) as sender,
    ):
        exchange = await sender.exchange(request("PUT"), soon(), {"traceparent": "00-1"})
    assert exchange == Exchange(left=True, status=200, headers=exchange.headers, body=BODY)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "PUT /leshan/api/clients/dev%201/5/0/1?timeout=5 HTTP/1.1"
    assert {"Authorization: Bearer abc", "X-Own: 1", "traceparent: 00-1", "Content-Length: 8"} <= set(lines)
    assert "Content-Type: application/json; charset=utf-8" in lines
    assert body == b'{"id":1}'


@pytest.mark.parametrize("answer", [interim_first, until_the_end])
async def test_every_whole_form_of_an_answer_is_read(answer: Answer) -> None:
    async with serving(answer) as server, transport(server.url) as sender:
        for _ in range(2):
            exchange = await sender.exchange(request("PUT"), soon())
            assert (exchange.status, exchange.headers["content-type"]) == (200, "application/json")
            assert exchange.body == BODY


async def test_a_second_answer_is_never_returned_to_the_next_call() -> None:
    async with serving(two_answers, one_more_later, answer_well) as server, transport(server.url) as sender:
        for arrived in (1, 2):
            assert (await sender.exchange(request("PUT"), soon())).body == BODY
            assert server.connections == arrived
        await eventually(lambda: server.ended == 2)
        assert (await sender.exchange(request("PUT"), soon())).body == BODY
    assert (len(server.requests), server.connections) == (3, 3)


async def test_text_that_would_end_a_header_line_is_not_sent() -> None:
    async with serving(answer_well) as server, transport(server.url) as sender:
        split = LeshanRequest("GET", "/clients/dev\r\nX-Own: 1")
        assert not (await sender.exchange(split, soon())).left
        assert not (await sender.exchange(request("GET"), soon(), {"X-Own": "1\nX-Other: 2"})).left
    assert server.requests == []


@pytest.mark.parametrize("method", METHODS)
async def test_a_refused_connection_sends_nothing(method: str, unused_port: int) -> None:
    async with transport(f"http://127.0.0.1:{unused_port}/api") as sender:
        exchange = await sender.exchange(request(method), soon())
    assert (exchange.left, exchange.failure) == (False, Failure.UNREACHABLE)
    assert outcome_of(OperationKind.WRITE, exchange).kind is OutcomeKind.UNREACHABLE


async def test_an_unknown_host_receives_nothing() -> None:
    async with transport("http://leshan.invalid/api") as sender:
        exchange = await sender.exchange(request("PUT"), soon())
    assert (exchange.left, exchange.failure) == (False, Failure.UNREACHABLE)


@pytest.mark.parametrize("method", METHODS)
async def test_nothing_is_sent_after_the_deadline(method: str) -> None:
    async with serving(answer_well) as server, transport(server.url) as sender:
        exchange = await sender.exchange(request(method), time.monotonic() - 0.001)
        assert server.requests == []
    assert (exchange.left, exchange.failure) == (False, Failure.TOO_LATE)
    assert outcome_of(OperationKind.WRITE, exchange).kind is OutcomeKind.TOO_LATE


@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
async def test_a_process_frozen_past_the_deadline_sends_nothing(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps after the claim and before the write, as after SIGSTOP or on a suspended machine."""
    async with serving(answer_well) as server, transport(server.url) as sender:
        if kept:
            await sender.exchange(request("POST"), soon())
        before = len(server.requests)
        calls, real = iter(range(100)), time.monotonic
        monkeypatch.setattr("app.leshan.transport.time.monotonic", lambda: real() + (3600 if next(calls) else 0))
        exchange = await sender.exchange(request("POST"), soon())
        monkeypatch.undo()
        assert len(server.requests) == before
    assert not exchange.left
    assert exchange.failure in {Failure.TOO_LATE, Failure.UNREACHABLE}


async def test_waiting_past_the_deadline_for_a_connection_sends_nothing() -> None:
    async with serving(never) as server, transport(server.url, max_in_flight=1) as sender:
        first = asyncio.create_task(sender.exchange(request("POST"), soon(TO_SEND)))
        await eventually(lambda: len(server.requests) == 1)
        second = await sender.exchange(request("POST"), soon(0.05))
        await first
    assert (second.left, second.failure) == (False, Failure.TOO_LATE)
    assert len(server.requests) == 1


async def test_another_kept_connection_causes_no_second_request() -> None:
    """The connection closes after the request was read while another one idles in the pool."""
    both = asyncio.Barrier(2)

    async def together(writer: Writer) -> None:
        await both.wait()
        await answer_well(writer)

    async with serving(together, together, close) as server, transport(server.url) as sender:
        await asyncio.gather(*(sender.exchange(request("GET"), soon()) for _ in range(2)))
        assert server.connections == 2
        exchange = await sender.exchange(request("PUT"), soon())
    assert (exchange.left, exchange.failure) == (True, Failure.LOST)
    assert (len(server.requests), server.connections) == (3, 2)


async def test_lost_and_late_calls_release_their_connections() -> None:
    async with serving(*[close] * 10, never, answer_well) as server, transport(server.url, max_in_flight=1) as sender:
        for _ in range(10):
            assert (await sender.exchange(request("PUT"), soon())).failure is Failure.LOST
        assert (await sender.exchange(request("PUT"), soon(TO_SEND))).failure is Failure.DEADLINE
        for _ in range(5):
            assert (await sender.exchange(request("PUT"), soon(-1))).failure is Failure.TOO_LATE
        assert (await sender.exchange(request("PUT"), soon())).status == 200
    assert len(server.requests) == 12


async def test_redirects_are_not_followed_and_cookies_not_stored() -> None:
    async with serving(redirect, cookie, answer_well) as server, transport(server.url) as sender:
        assert (await sender.exchange(request("DELETE"), soon())).status == 307
        assert len(server.requests) == 1
        await sender.exchange(request("DELETE"), soon())
        await sender.exchange(request("DELETE"), soon())
    assert b"cookie" not in server.requests[2].lower()


async def test_a_canceled_call_leaves_no_connection_that_could_mix_answers() -> None:
    async with serving(never, answer_well) as server, transport(server.url) as sender:
        task = asyncio.create_task(sender.exchange(request("PUT"), soon()))
        await eventually(lambda: len(server.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sender.exchange(request("PUT"), soon())).body == BODY
        assert server.connections == 2


async def test_execute_sends_its_length_even_when_empty() -> None:
    async with serving(answer_well) as server:
        client = LeshanClient(server.url)
        op = OperationRequest("dev", OperationKind.EXECUTE, path="/3/0/4")
        outcome = await client.call(op, soon())
        await client.aclose()
    assert outcome.kind is OutcomeKind.SUCCESS
    assert b"content-length: 0" in server.requests[0].lower()


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    async with serving(answer_well) as server, transport(server.url) as sender:
        assert (await sender.exchange(request("GET"), soon())).status == 200


async def test_an_untrusted_server_receives_nothing(certificate: tuple[Path, Path]) -> None:
    async with serving(answer_well, tls=server_tls(*certificate)) as server:
        url = f"https://localhost:{server.port}/api"
        async with transport(url, tls=tls_context(None, None, None)) as sender:
            exchange = await sender.exchange(request("PUT"), soon())
        assert (exchange.left, exchange.failure) == (False, Failure.UNREACHABLE)
        assert server.requests == []
        async with transport(url, tls=tls_context(certificate[0], None, None)) as sender:
            assert (await sender.exchange(request("PUT"), soon())).status == 200


async def test_a_client_certificate_is_shown(certificate: tuple[Path, Path]) -> None:
    tls = server_tls(*certificate)
    tls.load_verify_locations(str(certificate[0]))
    tls.verify_mode = ssl.CERT_REQUIRED
    op = OperationRequest("dev", OperationKind.WRITE, path="/5/0/1", value_type=ValueType.STRING, value="x")
    async with serving(answer_well, tls=tls) as server:
        url = f"https://localhost:{server.port}"
        client = LeshanClient(url, ca=certificate[0], cert=certificate[0], key=certificate[1])
        outcome = await client.call(op, soon())
        await client.aclose()
    assert outcome.kind is OutcomeKind.SUCCESS


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost and its key with the machine's openssl."""
    if shutil.which("openssl") is None:
        missing("openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key
