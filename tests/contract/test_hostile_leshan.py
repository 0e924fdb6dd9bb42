"""A Leshan server that sends without end, or more than allowed: a clear outcome, bounded memory, and other tasks run.

The content is harmless to parsers in the sizes used here, and would be hundreds of MiB without limits.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, count, repeat
from typing import Any, Final

import orjson
import pytest

from app.domain.enums import OperationKind
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan import client, connection, event_stream, registrations, response_pieces
from app.leshan.answers import read_answer
from app.leshan.bounded import MAX_CONTAINERS, parse_json
from app.leshan.client import LeshanClient
from app.leshan.connection import MAX_ANSWER, MAX_FRAMING
from app.leshan.events import BrokenEvent, parse_event
from app.leshan.links import MAX_ATTRIBUTES, read_links
from app.leshan.nodes import MAX_PROBLEMS, MAX_RESOURCES, decode_content
from app.leshan.object_models import MAX_MODELS, InvalidModels, parse_object_specs
from app.leshan.past_calls import CallStatus, read_state
from app.leshan.registrations import LeshanUnavailable
from app.leshan.transport import Exchange

pytestmark = pytest.mark.asyncio

MIB: Final = 1024 * 1024
LIMIT: Final = 256 * MIB
"""Bytes after which the server stops, so that the test ends even if a limit is missing."""

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED: Final = OK + b"Connection: close\r\n\r\n"
STREAM: Final = UNTIL_CLOSED.replace(b"application/json", b"text/event-stream")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Server:
    """A server that sends the given pieces to every client and counts their bytes."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._pieces = pieces
        self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for piece in self._pieces():
                writer.write(piece)
                await writer.drain()
                self.sent += len(piece)
                if self.sent > LIMIT:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hostile(*components: bytes | Iterator[bytes]) -> AsyncIterator[tuple[LeshanClient, Server]]:
    """Yield a client of a server that sends these parts, and the server; an iterator may be endless."""
    one = Server(lambda: chain.from_iterable([part] if isinstance(part, bytes) else part for part in components))
    listening = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    leshan = LeshanClient(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    try:
        yield leshan, one
    finally:
        await leshan.aclose()
        listening.close()


async def peak_of(work: Awaitable[Any]) -> tuple[Any, int]:
    """Return the result of the work and the peak number of bytes allocated in addition to those before it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = await work
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


async def call(leshan: LeshanClient) -> Outcome:
    return await leshan.call(OperationRequest("dev", OperationKind.READ, "/3/0/0"), time.monotonic() + 60)


# --- the hot call

ENDLESS: Final = {
    "fields": (OK, b"a:\r\n" * 8_000),
    "a value": (OK + b"a: ", b"x" * 32_000),
    "a status line": (b"HTTP/1.1 200 ", b"x" * 32_000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\na: x\r\n\r\n" * 1_000),
    "trailers": (CHUNKED + chunk(b"{}") + b"0\r\n", b"a:\r\n" * 8_000),
    "a trailer's value": (CHUNKED + chunk(b"{}") + b"0\r\na: ", b"x" * 32_000),
    "a chunk extension": (CHUNKED + b"2;", b"x" * 32_000),
    "chunks of one byte with extensions": (CHUNKED, (b"1;" + b"x" * 60 + b"\r\n \r\n") * 500),
    "a body": (UNTIL_CLOSED, b" " * 32_000),
    "chunks": (CHUNKED, chunk(b" " * 32_000)),
    "chunks of one byte": (CHUNKED, chunk(b" ") * 5_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_call_that_is_answered_without_end_is_lost(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_ANSWER", MIB // 2)
    begin, piece = ENDLESS[kind]
    async with hostile(begin, repeat(piece)) as (leshan, server):
        outcome, peak = await peak_of(call(leshan))
        assert outcome.kind is OutcomeKind.ANSWER_LOST
        assert outcome.detail
        assert not outcome.deadline_passed
        assert peak < 8 * MIB
        assert server.sent < 16 * MIB


async def test_an_answer_with_trailers_and_small_chunks_is_read() -> None:
    body = b'{"status":"CHANGED(204)","success":true}'
    sent = CHUNKED + b"".join(chunk(body[i : i + 1]) for i in range(len(body))) + b"0\r\nTransfer: x\r\n\r\n"
    async with hostile(sent) as (leshan, _):
        assert (await call(leshan)).kind is OutcomeKind.SUCCESS
    async with hostile(CHUNKED + chunk(body) + b"0\r\n" + b"a: x\r\n" * (MAX_FRAMING // 8) + b"\r\n") as (leshan, _):
        assert (await call(leshan)).kind is OutcomeKind.SUCCESS


REGISTRATIONS: Final = {
    "of nobody": b"[]",
    "without an id": b'{"endpoint":"dev"}',
    "of another client": b'{"endpoint":"another","registrationId":"a"}',
    "no JSON": b"<html>",
}


@pytest.mark.parametrize("kind", REGISTRATIONS)
async def test_an_answer_with_another_registration_is_none(kind: str) -> None:
    body = REGISTRATIONS[kind]
    async with hostile(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as (leshan, _):
        assert await leshan.registration("dev", time.monotonic() + 5) is None


# --- GET /clients

ENTRY: Final = orjson.dumps(
    {"endpoint": "dev", "registrationId": "a", "objectLinks": [{"url": "/3", "attributes": {}}]}
)


async def read_list(leshan: LeshanClient) -> int:
    async with leshan.registrations() as listed:
        return len([known async for known in listed])


LISTS: Final = {
    "arrays in arrays": (b"[", b"[" * 32_000),
    "objects in objects": (b"[", b'{"a":' * 6_000),
    "arrays in a string's company": (b"[", b'["]]]",' * 4_000),
    "a name": (b'[{"endpoint":"', b"x" * 32_000),
    "an entry": (b'[{"a":[0', b",0" * 16_000),
    "a number": (b"[1", b"1" * 32_000),
    "blanks": (b"[", b" " * 32_000),
}


@pytest.mark.parametrize("framing", ["until closed", "chunks"])
@pytest.mark.parametrize("kind", LISTS)
async def test_an_endless_list_of_registrations_is_aborted(
    kind: str, framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "MAX_ENTRY", MIB // 2)
    begin, piece = LISTS[kind]
    form = chunk if framing == "chunks" else bytes
    head = CHUNKED if framing == "chunks" else UNTIL_CLOSED
    async with hostile(head, form(begin), repeat(form(piece))) as (leshan, server):

        async def read() -> None:
            with pytest.raises(LeshanUnavailable, match="GET /clients: "):
                await read_list(leshan)

        _, peak = await peak_of(read())
        assert peak < 32 * MIB
        assert server.sent < 16 * MIB


async def test_a_list_with_too_many_registrations_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrations, "MAX_REGISTRATIONS", 1_000)
    async with hostile(UNTIL_CLOSED, b"[" + b",".join([ENTRY] * 1_000) + b"]") as (leshan, _):
        assert await read_list(leshan) == 1_000
    async with hostile(UNTIL_CLOSED, b"[" + ENTRY, repeat(b"," + ENTRY)) as (leshan, _):
        with pytest.raises(LeshanUnavailable, match="more than 1000 entries"):
            await read_list(leshan)


async def test_a_slow_list_of_registrations_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on single reads would restart with each byte."""
    monkeypatch.setattr(registrations, "LIST_SECONDS", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UNTIL_CLOSED + b"[")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    leshan = LeshanClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(LeshanUnavailable, match="TimeoutError"):
        await read_list(leshan)
    await leshan.aclose()
    server.close()


async def test_brackets_and_quotes_in_strings_are_no_depth() -> None:
    entry = orjson.dumps({"endpoint": "d", "registrationId": "a", "x": '[{"' * 1_000 + "\\" * 999, "y": "\\"})
    whole = b"[" + b",".join([entry] * 100) + b"]"
    async with hostile(UNTIL_CLOSED, (whole[at : at + 97] for at in range(0, len(whole), 97))) as (leshan, _):
        assert await read_list(leshan) == 100


async def test_a_compressed_answer_is_refused() -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    async with hostile(head, b"[]") as (leshan, _):
        with pytest.raises(LeshanUnavailable, match="content coding"):
            await read_list(leshan)
        with pytest.raises(LeshanUnavailable, match="content coding"):
            await leshan.object_models("dev")
        with pytest.raises(event_stream.StreamLost, match="content coding"):
            await _first_event(leshan)


# --- object models


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"[", b"{}," * 10_000), (b"[", b"[" * 32_000), (b'[{"id":3,"name":"', b"x" * 32_000), (b"", b" " * 32_000)],
    ids=["models", "depth", "name", "blanks"],
)
async def test_endless_object_models_are_aborted(begin: bytes, piece: bytes) -> None:
    async with hostile(UNTIL_CLOSED, begin, repeat(piece)) as (leshan, server):

        async def read() -> None:
            with pytest.raises(LeshanUnavailable, match=f"more than {client.MAX_SPECS} bytes"):
                await leshan.object_models("dev")

        _, peak = await peak_of(read())
        assert peak < 24 * MIB
        assert server.sent < 32 * MIB


async def test_object_models_are_bounded_in_number_and_text() -> None:
    with pytest.raises(InvalidModels, match="more than"):
        parse_object_specs([{"id": 3}] * (MAX_MODELS + 1))
    with pytest.raises(InvalidModels, match="more than"):
        parse_object_specs([{"id": 3, "resourcedefs": [0] * 15_000}] * 2)
    resource = {"id": 0, "name": "x" * 100_000, "range": "y" * 100_000}
    (model,) = parse_object_specs([{"id": 3, "name": "z" * 100_000, "resourcedefs": [resource]}])
    assert {len(text) for text in (model.name, model.resources[0].name, model.resources[0].range)} == {1_000}


# --- the event stream


async def _first_event(leshan: LeshanClient) -> Any:
    async for event in event_stream.event_stream(leshan.cold):
        if not isinstance(event, event_stream.Opened):
            return event
    return None


AWAKE: Final = b'event: AWAKE\ndata: {"ep":"dev"}\n\n'

EVENTS: Final = {
    "an event's data": chain([b"event: AWAKE\ndata: "], repeat(b"x" * 32_000, 20), [b"\n\n", AWAKE]),
    "data lines": chain(repeat(b"data: x\n" * 4_000, 20), [b"\n", AWAKE]),
    "comments": chain(repeat(b": x\n" * 8_000, 10), [b"\n", AWAKE]),
    "a field's name": chain(repeat(b"x" * 32_000, 20), [b"\n\n", AWAKE]),
    "an id": chain([b"id: "], repeat(b"9" * 32_000, 20), [b"\n\n", AWAKE]),
    "arrays": chain([b"event: AWAKE\ndata: "], repeat(b"[" * 32_000, 20), [b"\n\n", AWAKE]),
}


@pytest.mark.parametrize("kind", EVENTS)
async def test_an_oversized_event_affects_only_itself(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT", 256 * 1024)
    async with hostile(STREAM, EVENTS[kind]) as (leshan, _):
        event, peak = await peak_of(_first_event(leshan))
        assert event is not None
        assert peak < 16 * MIB


async def test_a_stream_that_never_opens_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "OPEN_SECONDS", 0.2)
    async with hostile(repeat(b"HTTP/1.1 100 Continue\r\n\r\n")) as (leshan, _):
        with pytest.raises(event_stream.StreamLost):
            await _first_event(leshan)


async def test_chunks_of_one_byte_do_not_block_other_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = count()

    async def other() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    async with hostile(STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked"), _in_bytes(AWAKE)) as (
        leshan,
        _,
    ):
        running = asyncio.create_task(other())
        assert await _first_event(leshan) is not None
        running.cancel()
    assert next(turns) > 20_000 // response_pieces.TURN


def _in_bytes(end: bytes) -> Iterator[bytes]:
    yield from repeat(chunk(b":") * 1_000, 20)
    yield chunk(b"\n\n") + chunk(end)


# --- limits of parsing


async def test_json_has_a_limit_of_containers() -> None:
    assert len(parse_json(b"[" + b"{}," * (MAX_CONTAINERS - 2) + b"{}]")) == MAX_CONTAINERS - 1
    for text in (b"[" + b"{}," * MAX_CONTAINERS + b"{}]", "[" + "[]," * MAX_CONTAINERS + "[]]"):
        with pytest.raises(orjson.JSONDecodeError, match="more than"):
            parse_json(text)


@pytest.mark.parametrize("deep", [300, 1_000, 100_000])
async def test_an_answer_that_nests_deeply_is_unreadable(deep: int) -> None:
    body = b'{"status":"x","y":' + b"[" * deep + b"]" * deep + b"}"
    outcome = read_answer(OperationKind.READ, 200, {}, body)
    assert outcome.kind is OutcomeKind.ANSWER_LOST
    assert "unreadable" in (outcome.detail or "")
    with pytest.raises(BrokenEvent):
        parse_event("REQUEST_RESPONSE", {"ep": "a", "requestId": "b", "response": {"x": _nested(deep % 900)}})


def _nested(depth: int) -> Any:
    return [_nested(depth - 1)] if depth else []


async def test_a_content_with_too_many_members_is_read_up_to_the_limit() -> None:
    instance = {"id": 0, "kind": "instance", "resources": [0] * 300_000}
    decoded = decode_content("/3/0", instance, lambda _: None)
    assert len(decoded.problems) == MAX_PROBLEMS + 1
    assert "more than" in decoded.problems[-1]
    decoded = decode_content(None, {f"/3/0/{number}/x": 0 for number in range(5_000)}, lambda _: None)
    assert len(decoded.problems) == MAX_PROBLEMS + 1
    many = {"id": 7, "kind": "multiResource", "type": "INTEGER", "values": dict.fromkeys(map(str, range(15_000)), "1")}
    decoded = decode_content(
        "/3/0", {"id": 0, "kind": "instance", "resources": [many, {**many, "id": 8}]}, lambda _: None
    )
    assert list(decoded.values) == ["/3/0/7"]
    assert f"more than {MAX_RESOURCES}" in decoded.problems[-1]


async def test_links_and_locations_are_bounded() -> None:
    attributes = {f"a{number}": 1 for number in range(1_000)} | {"b": "x" * 10_000}
    links = read_links([{"url": "/3", "attributes": attributes}, {"url": "/" + "x" * 10_000, "attributes": {}}])
    assert links is not None
    assert [(link["url"], len(link["attributes"])) for link in links] == [("/3", MAX_ATTRIBUTES)]
    for location in ("x" * 10_000, "3/\x00"):
        body = orjson.dumps({"status": "CREATED(201)", "success": True, "location": location})
        assert read_answer(OperationKind.CREATE, 200, {}, body).location is None


@pytest.mark.parametrize("status", [0, -1, 2**40, 600])
async def test_an_invalid_status_of_a_past_call_is_ignored(status: int) -> None:
    body = orjson.dumps({"state": "DONE", "answer": {"status": status, "body": "{}"}})
    assert read_state(OperationKind.READ, Exchange(left=True, status=200, body=body)) is CallStatus.NO_IDS


async def test_the_largest_answer_is_read_whole() -> None:
    body = b'{"status":"CHANGED(204)","success":true}'.ljust(MAX_ANSWER)
    async with hostile(OK + b"Content-Length: %d\r\n\r\n" % len(body), body) as (leshan, _):
        assert (await call(leshan)).kind is OutcomeKind.SUCCESS
