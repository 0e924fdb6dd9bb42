"""The Starlette application of a process and its direct routes, with the trust of loopback that all of them have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.authentication import Authenticator
from app.calls import Answer, Call, Reply
from app.direct import DirectRoutes
from app.security import is_loopback
from app.settings import Settings


class LoopbackOnly:
    """Serve only this machine, as long as there is nothing that could authenticate callers.

    A request must come from loopback, without a header that a proxy adds, and must request a loopback name: a page on
    another site whose name was made to point to 127.0.0.1 (DNS rebinding) requests that name.
    """

    def __init__(self, app: ASGIApp, has_credentials: Callable[[], bool]) -> None:
        self._app, self._has_credentials = app, has_credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._has_credentials():
            await self._app(scope, receive, send)
            return
        call = Call(scope, receive)
        # of several hosts, one may be a loopback name, and another the one used elsewhere
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if call.is_direct and hosts and all(map(_names_loopback, hosts)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403})
        else:
            await _NOT_LOCAL.send(send)


_NOT_LOCAL: Final = Reply(
    403,
    b"No tokens are set, so only direct requests to localhost from this machine are served.",
    b"text/plain; charset=utf-8",
)


def _names_loopback(header: str) -> bool:
    """Return whether a Host header names this machine, with or without a port."""
    if header.startswith("["):
        return is_loopback(header[1:].partition("]")[0])
    return is_loopback(header.rpartition(":")[0] if ":" in header else header)


async def _client_left(_request: Request, _error: Exception) -> Response:
    """Respond to a request whose client closed the connection before its body was read: no client receives the
    response, and it is not an error of this server."""
    return Response(status_code=400)


_HANDLERS: Final = {ClientDisconnect: _client_left}


def application(settings: Settings, authenticator: Authenticator, routes: Sequence[BaseRoute]) -> ASGIApp:
    """Return the application that serves these routes."""
    app = Starlette(routes=list(routes), exception_handlers=_HANDLERS)
    return LoopbackOnly(app, lambda: authenticator.has_credentials) if _serves_loopback_only(settings) else app


def direct_routes(settings: Settings, authenticator: Authenticator, answers: Mapping[str, Answer]) -> DirectRoutes:
    """Return direct routes, by their paths, with the same trust of loopback."""
    routes = {path.encode(): answer for path, answer in answers.items()}
    if not _serves_loopback_only(settings):
        return routes
    return {target: _local_only(answer, authenticator) for target, answer in routes.items()}


def _serves_loopback_only(settings: Settings) -> bool:
    return settings.trusts_loopback and not settings.allow_open


def _local_only(answer: Answer, authenticator: Authenticator) -> Answer:
    async def local_only(call: Call) -> Reply:
        is_local = call.is_direct and "host" in call.headers and _names_loopback(call.headers["host"])
        return await answer(call) if is_local or authenticator.has_credentials else _NOT_LOCAL

    return local_only
