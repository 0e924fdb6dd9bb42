"""uvicorn's HTTP/1.1 protocol with limits on everything that a client may send before it is authenticated.

httptools limits neither the size nor the number of header fields and trailers, and uvicorn neither the time of a head
nor the number of pipelined requests. So this protocol buffers bytes until a head is complete and within its limits, and
passes one request at a time to the parser (``docs/decisions/0018-bounded-http.md`` has the figures).

It also removes ``Upgrade`` offers from a head, other than of ``websocket`` if that is served: a server that does not
know a protocol must ignore the offer (RFC 9110, 7.8), and httptools would take the body after the head for that
protocol. The older kind of Leshan server offers ``h2c`` with every POST.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.direct import DirectResponse, DirectRoutes
from app.response_transport import ResponseTransport

MAX_HEAD: Final = 64 * 1024
"""Maximum bytes of the request line and the header fields."""

MAX_FIELDS: Final = 128
"""Maximum header fields of a request; the websockets library has the same limit."""

MAX_FRAMING: Final = 64 * 1024
"""Maximum bytes of chunk sizes, extensions and trailers, plus :data:`FRAMING_PER_BYTE` for each byte of the body."""

FRAMING_PER_BYTE: Final = 8
"""A chunk of one byte has five bytes of framing, up to ten with leading zeros of its size."""

MAX_PIPELINED: Final = 64 * 1024
"""Maximum bytes of further requests that are buffered while a response is pending."""

MAX_HELD: Final = 32 * 1024 * 1024
"""Maximum bytes of the incomplete heads of all connections."""

MAX_DISCARDED: Final = 1024 * 1024
"""Maximum bytes that are read and discarded after a response that did not wait for them."""

HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
LINGER_SECONDS: Final = 2.0

SHUTDOWN_BODY_SECONDS: Final = 2.0
"""Time for the rest of a body when the server shuts down."""

RESERVE: Final = 32
"""Connections beyond the limit, for health requests."""

SILENT_SECONDS: Final = 1.0
"""After this long without a request, a connection is closed in favor of a new one if the limit is reached."""

HEALTH: Final = (b"/health/", b"/metrics")
LONG_BODY: Final = "reveille.long_body"
"""ASGI extension of requests to ``/firmware``: a call lets :data:`BODY_SECONDS` limit only the pauses of a body."""

_SLICE: Final = 16 * 1024
_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,15})")
_OFFER: Final = re.compile(rb"\r\nupgrade:[ \t]*+(?!websocket[ \t]*\r\n)[^\r\n]*(?=\r\n)", re.IGNORECASE)
_ANY_OFFER: Final = re.compile(rb"\r\nupgrade:[^\r\n]*(?=\r\n)", re.IGNORECASE)
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


class _Phase(Enum):
    """The phase of a connection."""

    HEAD = auto()
    """No request, or a part of a head."""
    BODY = auto()
    """The head was passed on; its body is not complete."""
    RESPONSE = auto()
    """The request is complete, its response is not."""
    CLOSED = auto()
    """Further bytes are discarded, or belong to the WebSocket that took over the connection."""


class ConnectionLimit:
    """The connections of one server, and the choice of the one to close when there are too many.

    Attributes:
        most: maximum connections that are served.
        waiting: connections without a complete head, the longest waiting first, with the time since when they wait.
        held: bytes of incomplete heads.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: dict[HttpProtocol, float] = {}
        self.held = 0

    def admit(self, new: HttpProtocol, present: int) -> bool:
        """Make room for a new connection if ``present`` exceeds the limit; return whether it may be served.

        The connection that has waited longest without a request is closed. If all are busy, the new one may only
        request health; beyond the reserve for this, a connection without a request is closed however short it has
        waited.
        """
        if present <= self.most:
            return True
        oldest = next((one for one in self.waiting if one is not new), None)
        is_silent = oldest is not None and new.loop.time() - self.waiting[oldest] >= SILENT_SECONDS
        if oldest is not None and (is_silent or present > self.most + RESERVE):
            oldest.disconnect()
        elif present > self.most + RESERVE:
            new.disconnect()
        return is_silent


class HttpProtocol(HttpToolsProtocol):
    """One connection. uvicorn creates it through ``Config(http=partial(HttpProtocol, limit=..))``."""

    def __init__(self, *args: Any, limit: ConnectionLimit, direct: DirectRoutes | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit, self._direct = limit, direct or {}
        self._phase = _Phase.HEAD
        self._buffer = b""
        self._held = self._searched = self._discarded = 0
        self._length = self._received = self._body = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = self._is_surplus = self._has_overrun = self._is_long = False
        self._refusal: tuple[int, str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._cycles = ResponseTransport(self.transport, self.loop, self.close_after_response)
        self._enter(_Phase.HEAD)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._time_out)
        self._is_surplus = not self._limit.admit(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(_Phase.CLOSED)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process the next bytes, however they are split."""
        if self._phase is _Phase.CLOSED:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.transport.abort()
            return
        if self._is_idle or self._is_long:
            self._is_idle = False
            self._stop_timer()
        self._buffer += data
        self._advance()

    # --- from bytes to requests

    def _advance(self) -> None:
        """Pass the bytes of one request to the parser, and start the timer for the rest."""
        while self._buffer and not self.transport.is_closing():
            if self._phase is _Phase.HEAD:
                if not self._pass_head():
                    break
            elif self._phase is _Phase.BODY:
                self._pass_body()
            else:
                self._keep_pipelined()
                break
            if self._refusal is not None:
                self._refuse(*self._refusal)
        if self._timer is None and self._phase in (_Phase.HEAD, _Phase.BODY):
            self._start_timer()

    def _pass_head(self) -> bool:
        """Pass on the next head if it is complete; return whether it was."""
        if self._buffer[0] in b"\r\n":  # empty lines before a request are ignored (RFC 9112, 2.2)
            self._buffer = self._buffer.lstrip(b"\r\n")
            self._searched = 0
        buffer = self._buffer
        end = buffer.find(_END, max(0, self._searched - len(_END)))
        if end < 0 and len(buffer) <= MAX_HEAD:
            self._searched = len(buffer)
            self._hold(len(buffer))
            return False
        if not 0 <= end <= MAX_HEAD or buffer.count(b"\n", 0, end) > MAX_FIELDS:
            self._refuse(431, f"A request's head has at most {MAX_HEAD} bytes and {MAX_FIELDS} fields.")
            return False
        head = buffer[: end + len(_END)]
        lowered = head.lower()
        length = _LENGTH.search(lowered)  # the body's received part is passed on, too; the parser validates the field
        request = buffer[: len(head) + int(length[1])] if length else head
        self._buffer = buffer[len(request) :]
        self._searched = 0
        body_size = len(request) - len(head)
        if b"\nupgrade:" in lowered:
            offers = _OFFER if self.ws_protocol_class else _ANY_OFFER
            request = offers.sub(b"", head) + request[len(head) :]
        self._feed(request, body_size)
        return True

    def _hold(self, size: int) -> None:
        """Count the bytes of an incomplete head. This is rare: heads arrive in one piece."""
        self._limit.held += size - self._held
        self._held = size
        if size and self._limit.held > MAX_HELD:
            self._refuse(503, "Too many incomplete requests: try again.")

    def _pass_body(self) -> None:
        """Pass on the bytes of the body: a slice if it is chunked, because its end is not known."""
        left = self._length - self._received
        piece = self._buffer[: left if left > 0 else _SLICE]
        self._buffer = self._buffer[len(piece) :]
        self._feed(piece, len(piece))

    def _keep_pipelined(self) -> None:
        """Leave further requests in the buffer until the response to this one is complete."""
        self.flow.pause_reading()
        if len(self._buffer) > MAX_PIPELINED:
            self._close_when_answered()

    def _close_when_answered(self) -> None:
        self._buffer = b""
        self.cycle.keep_alive = False

    def _feed(self, data: bytes, size: int) -> None:
        """Pass the next bytes to the parser; the last ``size`` of them follow the head."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._refusal is None and self.ws_protocol_class is None:  # CONNECT, which no application serves
                self._close_when_answered()
            elif self._refusal is None:
                self._enter(_Phase.CLOSED)
                self._buffer = b""
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            if not self._has_overrun:
                self._refusal = self._refusal or (400, "Invalid HTTP request received.")
        self._received += size
        if self._received - self._body > MAX_FRAMING + FRAMING_PER_BYTE * self._body:
            self._refusal = 400, "The body has too much framing: tiny chunks, chunk extensions or trailers."
        if self._has_overrun:  # a request after a chunked one: its head was not validated, so it is not served
            self._close_when_answered()

    # --- called by the parser

    def on_message_begin(self) -> None:
        if self._phase is _Phase.HEAD:
            super().on_message_begin()
        else:
            self._has_overrun = True

    def on_headers_complete(self) -> None:
        """Start the request, unless it is refused. The body follows."""
        if self._phase is not _Phase.HEAD:
            return
        self._refusal = self._refusal_of_head()
        if self._refusal is not None:
            return
        before, self._is_long = self.cycle, False
        if self.url.startswith(b"/firmware"):
            self.scope["extensions"] = cast(Any, {LONG_BODY: partial(setattr, self, "_is_long", True)})
        super().on_headers_complete()
        if self.cycle is before:
            return  # an upgrade to WebSocket
        self.cycle.transport = cast(asyncio.Transport, self._cycles)
        self.headers = []  # trailers, which are ignored (RFC 9110, 6.5.1); the request has its own list
        self._body = self._received = 0
        self._enter(_Phase.BODY)

    def on_body(self, body: bytes) -> None:
        if self._phase is _Phase.BODY and not self._has_overrun:
            self._body += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._phase is _Phase.BODY:
            super().on_message_complete()
            self._enter(_Phase.RESPONSE)

    def _refusal_of_head(self) -> tuple[int, str] | None:
        hosts = []
        self._length = 0
        for name, value in self.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"content-length":
                self._length = int(value)
        is_old = not hosts and self.parser.get_http_version() == "1.0"
        if not is_old and (len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip())):
            return 400, "One valid Host header is expected (RFC 9112, 3.2)."
        is_full = self._is_surplus and len(self.connections) > self._limit.most
        if is_full and not self.url.startswith(HEALTH):
            return 503, "Too many connections: try again."
        return None

    # --- the response

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the application for a request, or the direct route that replaces it."""
        answer = self._direct.get(self.url) if self.scope["method"] == "POST" else None
        served: Any = DirectResponse(cycle, self._cycles, answer) if answer else app
        super()._start_asgi_task(cycle, served)

    def on_response_complete(self) -> None:
        """Continue with the next request; a body that the response did not wait for is not read any further."""
        self.server_state.total_requests += 1
        self._cycles.flush()
        if self._phase is _Phase.BODY:
            self._linger()
        if self._phase is _Phase.CLOSED or self.transport.is_closing():
            return
        self._enter(_Phase.HEAD)
        self._is_idle = not self._buffer
        self.flow.resume_reading()
        self._advance()

    def close_after_response(self) -> None:
        """Close the connection because the response requires it."""
        self._cycles.flush()
        if self._phase is _Phase.BODY:
            self._linger()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close the connection. A request in progress gets its response first if its body is complete soon."""
        super().shutdown()
        if self._phase is _Phase.BODY:
            self._stop_timer()
            self._timer = self.loop.call_later(
                SHUTDOWN_BODY_SECONDS, self._refuse, 503, "The server is shutting down: try again."
            )

    def disconnect(self) -> None:
        """Close the connection now; no request is in progress."""
        self._enter(_Phase.CLOSED)
        self.transport.abort()

    def _refuse(self, status: int, text: str) -> None:
        """Send an error response to a request that is not served, and close. A response that has begun is aborted."""
        if self._phase is _Phase.BODY:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._enter(_Phase.CLOSED)
                self.transport.abort()
                return
        body = text.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        headers += [(b"retry-after", b"2")] if status == 503 else []
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        head += [b"%s: %s" % field for field in [*self.server_state.default_headers, *headers]]
        self.transport.write(b"\r\n".join([*head, b"connection: close", b"", body]))
        self._linger()

    def _linger(self) -> None:
        """Send EOF, then discard further bytes, within limits, until the client closes."""
        self._enter(_Phase.CLOSED)
        self._buffer = b""
        self._refusal = None
        self.flow.resume_reading()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _enter(self, phase: _Phase) -> None:
        self._stop_timer()
        self._phase = phase
        if phase is _Phase.HEAD:
            self._limit.waiting[self] = self.loop.time()
            return
        self._limit.waiting.pop(self, None)
        if self._held:
            self._hold(0)

    def _start_timer(self) -> None:
        if self._phase is _Phase.BODY:
            seconds = BODY_SECONDS
        else:
            seconds = self.timeout_keep_alive if self._is_idle else HEAD_SECONDS
        self._timer = self.loop.call_later(seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        """Handle a timeout: the head or the body took too long, or no bytes arrived at all."""
        if self.transport.is_closing():
            return
        if self._is_long and self.flow.read_paused:  # the application is slow, not the client
            self._start_timer()
        elif self._phase is _Phase.HEAD and not self._buffer:
            self._enter(_Phase.CLOSED)
            self.transport.close()
        else:
            self._refuse(408, "The request was not complete in time.")
