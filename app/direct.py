"""Direct routes: the server passes their requests to a coroutine, without ASGI's middlewares, router and messages.

A stock Leshan server posts each event alone, so the cost of a call limits the events that a process accepts
(``docs/decisions/0028-webhook-before-starlette.md``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.calls import Answer, Call, Reply
from app.response_transport import ResponseTransport

DirectRoutes = Mapping[bytes, Answer]
"""Routes by the target of their POST requests: a path without a query."""

_STATUS_LINES: Final = {int(status): f"HTTP/1.1 {status:d} {status.phrase}\r\n".encode() for status in HTTPStatus}


class DirectResponse:
    """The ASGI application that uvicorn runs for one request to a direct route.

    The request's ``send`` would validate each header field, and take the response in two messages.
    """

    __slots__ = ("_answer", "_cycle", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: ResponseTransport, answer: Answer) -> None:
        self._cycle, self._transport, self._answer = cycle, transport, answer

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        cycle = self._cycle
        body = None if cycle.more_body else bytes(cycle.body)
        reply = await self._answer(Call(scope, receive, body))
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        self._transport.write_whole(self._encode(reply))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()

    def _encode(self, reply: Reply) -> bytes:
        fields = _encode_fields(tuple(self._cycle.default_headers)) + _encode_fields(tuple(reply.headers))
        if not self._cycle.keep_alive:
            fields += b"connection: close\r\n"
        return b"%b%b\r\n%b" % (_STATUS_LINES[reply.status], fields, reply.body)


@functools.lru_cache(maxsize=16)
def _encode_fields(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Encode header fields; those of most responses are the same for a second, until their date changes."""
    return b"".join(b"%b: %b\r\n" % field for field in fields)
