"""Direct routes: the server passes their requests to a coroutine, without ASGI's middlewares, router and messages.

A stock Leshan server posts each event alone, so the cost of a call limits the events that a process accepts
(``docs/decisions/0028-webhook-before-starlette.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.calls import Answer, Call, Reply

DirectRoutes = Mapping[bytes, Answer]
"""Routes by the target of their POST requests: a path without a query."""

_STATUS_LINES: Final = {int(status): f"HTTP/1.1 {status:d} {status.phrase}\r\n".encode() for status in HTTPStatus}


class DirectResponse:
    """The ASGI application that uvicorn runs for one request to a direct route.

    The request's ``send`` would validate each header field, and take the response in two messages.
    """

    __slots__ = ("_answer", "_cycle")

    def __init__(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        self._cycle, self._answer = cycle, answer

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        cycle = self._cycle
        body = None if cycle.more_body else bytes(cycle.body)
        reply = await self._answer(Call(scope, receive, body))
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(self._encode(reply))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def _encode(self, reply: Reply) -> bytes:
        lines = [_STATUS_LINES[reply.status]]
        lines += [b"%b: %b\r\n" % field for field in (*self._cycle.default_headers, *reply.headers)]
        if not self._cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        return b"".join((*lines, b"\r\n", reply.body))
