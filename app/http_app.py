"""The Starlette application of a process, with the headers and the trust of loopback that all its routes have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.authentication import Authenticator
from app.security import is_direct_loopback, is_loopback
from app.settings import Settings

SAFE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class SafeHeaders:
    """Add the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


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
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client = scope.get("client")
        # of several hosts, one may be a loopback name, and another the one used elsewhere
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        names_loopback = bool(hosts) and all(is_loopback(_host(host)) for host in hosts)
        if names_loopback and is_direct_loopback(client[0] if client else None, headers):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403})
        else:
            text = "No tokens are set, so only direct requests to localhost from this machine are served."
            await PlainTextResponse(text, 403)(scope, receive, send)


def _host(header: str) -> str:
    """Return the name in a Host header, without the port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if ":" in header else header


async def _client_left(_request: Request, _error: Exception) -> Response:
    """Respond to a request whose client closed the connection before its body was read: no client receives the
    response, and it is not an error of this server."""
    return Response(status_code=400)


_HANDLERS: Final = {ClientDisconnect: _client_left}


class _Direct:
    """Pass POST requests to some paths to their own applications, and all others to Starlette."""

    def __init__(self, direct: Mapping[str, ASGIApp], others: ASGIApp) -> None:
        self._direct, self._others = direct, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        app = self._direct.get(scope["path"], self._others) if is_post else self._others
        await app(scope, receive, send)


def application(
    settings: Settings,
    authenticator: Authenticator,
    routes: Sequence[BaseRoute],
    direct: Mapping[str, ASGIApp] | None = None,
) -> ASGIApp:
    """Return the application that serves these routes.

    Args:
        direct: applications by the paths whose POST requests do not pass through Starlette.
    """
    starlette = Starlette(routes=list(routes), exception_handlers=_HANDLERS)
    app = SafeHeaders(_Direct(direct, starlette) if direct else starlette)
    if settings.trusts_loopback and not settings.allow_open:
        return LoopbackOnly(app, lambda: authenticator.has_credentials)
    return app
