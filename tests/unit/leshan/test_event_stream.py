"""The event stream over HTTP, as Leshan writes it, and as it should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.domain.enums import ReadingOrigin
from app.domain.events import Awake, EndpointEvent, LeshanEvent, Reported, Sleeping
from app.leshan.event_stream import MAX_EVENT, Cursor, Opened, StreamLost, event_stream
from tests.support import loopback
from tests.unit.leshan.captures import FOLDER

pytestmark = pytest.mark.asyncio

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving(
    *pieces: bytes, head: bytes = HEAD, hold: bool = False
) -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """Run a server that writes these pieces one by one, then closes or stops sending."""
    requests: list[bytes] = []
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if hold:
            await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with loopback.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
        try:
            yield client, requests
        finally:
            silent.set()
            server.close()


async def listen(client: httpx.AsyncClient, **settings: Any) -> tuple[list[Opened | LeshanEvent], str]:
    """Return the items received until the stream was lost, and the reason for the loss."""
    heard: list[Opened | LeshanEvent] = []

    async def run() -> None:
        async for item in event_stream(client, **settings):
            heard.append(item)  # noqa: PERF401 - the items before the end of the stream count

    with pytest.raises(StreamLost) as lost:
        await run()
    return heard, str(lost.value)


def counter() -> tuple[list[None], Callable[[], None]]:
    counted: list[None] = []
    return counted, lambda: counted.append(None)


def event(name: str, data: str, end: str = "\r\n") -> bytes:
    return f"event: {name}{end}data: {data}{end}{end}".encode()


async def test_the_recorded_stream_with_its_broken_event() -> None:
    recorded = (FOLDER / "m18-events.sse").read_bytes().replace(b"\n", b"\r\n")
    broken, count = counter()
    async with serving(recorded) as (client, requests):
        heard, _ = await listen(client, on_broken=count)
    assert b"GET /api/event HTTP/1.1" in requests[0]
    assert b"accept: text/event-stream\r\n" in requests[0].lower()
    assert isinstance(heard[0], Opened)
    assert len(heard) == recorded.count(b"event: ") - len(broken) + 1
    assert len(broken) == 1
    last = heard[-1]
    assert isinstance(last, EndpointEvent)
    assert (last.endpoint, last.ordered) == ('a"b', True)


async def test_heartbeats_and_pieces_of_any_size() -> None:
    stream = b"\r\n\r\n" + event("AWAKE", '{"ep":"\u00e9\u2028x"}') + b"\r\n" + event("SLEEPING", '{"ep":"b"}', "\n")
    async with serving(*(stream[index : index + 1] for index in range(len(stream)))) as (client, _):
        heard, reason = await listen(client)
    assert heard == [Opened(), Awake(endpoint="é\u2028x", ordered=True), Sleeping(endpoint="b", ordered=True)]
    assert "closed" in reason


async def test_broken_events_affect_only_themselves() -> None:
    broken, count = counter()
    pieces = [
        event("AWAKE", '{"ep":"a"b"}'),
        event("AWAKE", '{"ep":5}'),
        event("UPDATED", "[]"),
        event("AWAKE", "\xff" + "[" * 10_000),
        event("COAPLOG", "{}"),
        event("AWAKE", '{"ep":"good"}'),
    ]
    async with serving(*pieces) as (client, _):
        heard, _ = await listen(client, on_broken=count)
    assert heard == [Opened(), Awake(endpoint="good", ordered=True)]
    assert len(broken) == 4


async def test_an_endless_event_is_dropped_and_the_next_is_read() -> None:
    broken, count = counter()
    surplus = [b"event: AWAKE\r\ndata: ", *[b"x" * 1_000_000] * (MAX_EVENT // 1_000_000 + 3), b"\r\n\r\n"]
    lines = [b"data: x\r\n" * 100_000] * (MAX_EVENT // 900_000 + 2)
    async with serving(*surplus, b"event: AWAKE\r\n", *lines, b"\r\n", event("AWAKE", '{"ep":"good"}')) as (client, _):
        heard, _ = await listen(client, on_broken=count)
    assert heard == [Opened(), Awake(endpoint="good", ordered=True)]
    assert len(broken) == 2


async def test_the_result_of_another_users_call_is_not_broken() -> None:
    theirs = event("REQUEST_RESPONSE", '{"ep":"a","requestId":"nightly-job/1","delayed":false,"response":{}}')
    broken, count = counter()
    async with serving(theirs, event("AWAKE", '{"ep":"a"}')) as (client, _):
        heard, _ = await listen(client, on_broken=count)
    assert heard == [Opened(), Awake(endpoint="a", ordered=True)]
    assert not broken


async def test_silence_ends_the_stream() -> None:
    async with serving(event("AWAKE", '{"ep":"a"}'), hold=True) as (client, _):
        heard, reason = await listen(client, heartbeat_seconds=0.05)
    assert len(heard) == 2
    assert "ReadTimeout" in reason


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n", "405"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n", "302"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>", "text/html"),
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
    ],
)
async def test_an_invalid_stream_is_reported(head: bytes, reason: str) -> None:
    async with serving(head=head) as (client, _):
        _, lost = await listen(client)
    assert reason in lost


async def test_an_unreachable_server_is_reported() -> None:
    async with serving() as (client, _):
        pass
    async with loopback.AsyncClient(base_url="http://127.0.0.1:1/api") as client:
        heard, reason = await listen(client)
    assert (heard, "ConnectError" in reason) == ([], True)


async def test_the_server_decides_whether_notifications_wake() -> None:
    async with serving(event("SEND", '{"ep":"a","val":{}}')) as (client, _):
        heard, _ = await listen(client, notifications_wake=True)
    assert heard[1:] == [Reported(endpoint="a", nodes={}, origin=ReadingOrigin.SEND, wakes=True, ordered=True)]


ENVELOPE = (
    '{"id":"e7","seq":7,"server":"leshan","bootId":"b1","time":1795448700000,"event":"AWAKE",'
    '"data":{"ep":"a","until":1795448760000,"cause":"UPDATE"}}'
)


async def test_an_envelope_has_its_time_and_the_stream_resumes_after_an_id() -> None:
    cursor = Cursor("3")
    frames = f"id: 7\r\nevent: AWAKE\r\ndata: {ENVELOPE}\r\n\r\n\r\n\r\n"
    # 1795448700 is 15:45 of that day
    head = HEAD.replace(b"Connection", b"Date: Mon, 23 Nov 2026 15:46:40 GMT\r\nConnection")
    async with serving(frames.encode(), head=head) as (client, requests):
        heard, _ = await listen(client, envelope=True, cursor=cursor)
    assert requests[0].startswith(b"GET /api/event?envelope=true ")
    assert b"last-event-id: 3\r\n" in requests[0].lower()
    (awake,) = [event for event in heard if isinstance(event, Awake)]
    assert (awake.window, awake.boot_id) == (60_000_000, "b1")
    assert 100_000_000 <= awake.age < 130_000_000
    assert cursor.id == "7"
