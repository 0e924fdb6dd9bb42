"""Leshan's event stream, ``GET /api/event`` (server-sent events), as the domain's events.

A stock server's stream has no event ids and no replay: events are lost while no client is connected, so that after
:class:`Opened` the caller reads all registrations. Our own server has both, and wraps events in envelopes with their
times. The caller reconnects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import httpx
import orjson
import structlog
from httpx_sse import EventSource, ServerSentEvent, SSEError

from app.domain.events import LeshanEvent
from app.domain.values import JsonValue
from app.leshan.bounded import parse_json
from app.leshan.events import UnknownEvent, UnreadableEvent, parse_event
from app.leshan.registrations import server_millis
from app.leshan.response_pieces import pieces_of

HEARTBEAT_SECONDS: Final = 30.0
"""Silence after which the stream is taken as dead; Leshan's heartbeat comes every 10 seconds."""

OPEN_SECONDS: Final = 30.0
"""Time for the response's head, however many interim responses come before it."""

MAX_EVENT_ID: Final = 64
"""Maximum characters of an event's id: the width of a database column; our own server's ids are numbers."""

MAX_EVENT: Final = 4 * 1024 * 1024
"""Maximum bytes of one event. The surplus is dropped, so that the event is broken and the next one is read."""

BLOCK: Final = 8 * 1024
"""Number of bytes that are split into lines before other tasks run: they may be thousands of lines."""

# Leshan's servlet compares the whole header: with anything beside this media type it answers 405.
_HEADERS: Final = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Accept-Encoding": "identity"}

_log = structlog.get_logger(__name__)


class StreamLost(Exception):
    """Raised if the stream did not open, or ended. The message says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open: from now on no event is missed until the stream is lost."""


@dataclass(slots=True)
class Cursor:
    """The position of a stream: the id of the event that was yielded last, if the server sends ids."""

    id: str | None = None


@dataclass(frozen=True, slots=True)
class _Clock:
    """The server's clock as its response reported it, in milliseconds; it counts whole seconds, so no event that
    happened just now is taken as older than it is."""

    millis: int | None
    since: float

    def age(self, time: JsonValue) -> int:
        """Return the microseconds since ``time`` of the server's clock; 0 if either is unknown."""
        if self.millis is None or not isinstance(time, int):
            return 0
        return max(0, self.millis + int((monotonic() - self.since) * 1000) - time) * 1000


async def event_stream(
    client: httpx.AsyncClient,
    *,
    envelope: bool = False,
    cursor: Cursor | None = None,
    notifications_wake: bool = False,
    on_broken: Callable[[], None] = lambda: None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[Opened | LeshanEvent, None]:
    """Yield :class:`Opened`, then every event that can be read.

    Args:
        client: rooted at Leshan's API (``LeshanClient.cold``).
        envelope: the server has envelopes.
        cursor: the position to continue from, if its id is set and the server replays; it follows the yielded events.
        notifications_wake: whether this server takes a device that notifies as awake.
        on_broken: called once for each event that cannot be read, beside its log line.
        heartbeat_seconds: silence after which the stream is lost.

    Raises:
        StreamLost: it did not open, ended, or was silent for too long. It always ends so.
    """
    timeout = httpx.Timeout(10.0, read=heartbeat_seconds)
    cursor = cursor or Cursor()
    headers = _HEADERS if cursor.id is None else {**_HEADERS, "Last-Event-ID": cursor.id}
    target = "/event?envelope=true" if envelope else "/event"
    try:
        async with (
            asyncio.timeout(OPEN_SECONDS) as opening,
            client.stream("GET", target, headers=headers, timeout=timeout) as answer,
        ):
            opening.reschedule(None)
            if answer.status_code != 200:
                raise StreamLost(f"the event stream answers HTTP {answer.status_code}")
            media_type = {"Content-Type": answer.headers.get("Content-Type", "")}
            source = EventSource(httpx.Response(200, headers=media_type, stream=_Bounded(answer)))
            clock = _Clock(server_millis(answer), monotonic())
            yield Opened()
            async for sse in source.aiter_sse():
                if (event := _read(sse, clock, notifications_wake, on_broken)) is not None:
                    cursor.id = sse.id[:MAX_EVENT_ID] or cursor.id
                    yield event
    except TimeoutError:
        raise StreamLost(f"the event stream did not open within {OPEN_SECONDS:.0f} s") from None
    except (httpx.HTTPError, httpx.StreamError, SSEError) as error:
        raise StreamLost(f"the event stream: {type(error).__name__}: {error}") from error
    raise StreamLost("the event stream was closed by the server")


def _read(
    sse: ServerSentEvent, clock: _Clock, notifications_wake: bool, on_broken: Callable[[], None]
) -> LeshanEvent | None:
    """Return one event, None if it is not used or cannot be read: a name with a quote breaks Leshan's own JSON."""
    if not sse.data:
        return None  # once an id was sent, an empty line (the heartbeat) is read as an event
    try:
        data = parse_json(sse.data)
        facts: dict[str, Any] = {}
        if isinstance(data, dict) and isinstance(data.get("event"), str) and isinstance(data.get("data"), dict):
            time = data.get("time")
            facts = {"age": clock.age(time), "time": time if isinstance(time, int) else None}
            facts["boot_id"], data = data.get("bootId"), data["data"]
        return parse_event(sse.event, data, ordered=True, notifications_wake=notifications_wake, **facts)
    except UnknownEvent:
        return None
    except (orjson.JSONDecodeError, UnreadableEvent) as error:
        on_broken()
        _log.warning("stream_event_broken", stream_event=sse.event[:50], reason=str(error)[:200], data=sse.data[:200])
        return None


class _Bounded(httpx.AsyncByteStream):
    """The response's bytes without the surplus of an event that is too large; line ends are kept."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._event = 0
        self._line = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in pieces_of(self._answer):
            for at in range(0, len(piece), BLOCK):
                if at:
                    await asyncio.sleep(0)
                yield b"".join(map(self._kept, piece[at : at + BLOCK].splitlines(keepends=True)))

    def _kept(self, line: bytes) -> bytes:
        """Return the kept part of a line or of a piece of one. An empty line ends the event, and resets its count."""
        text = line.rstrip(b"\r\n")
        end = line[len(text) :]
        room = max(0, MAX_EVENT - self._event)
        self._event += len(text)
        self._line += len(text)
        if b"\n" in end:
            if self._line == 0:
                self._event = 0
            self._line = 0
        return text[:room] + end
