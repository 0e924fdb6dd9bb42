"""Calls of simple routes, which need neither ASGI's messages nor a router: one call, one reply.

HTTP passes them to the server's direct routes (:mod:`app.direct`), or as any other ASGI application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from app.security import is_direct_loopback


class Call:
    """One request.

    Attributes:
        headers: by their names in lower case; of several fields with a name, the first one counts. They are decoded
            once: Starlette's requests would search and decode them for each look-up.
        client: address of the caller; None for a Unix socket.
        token: the one in the address, if any.
        body: the body, if it is complete; otherwise None, and ``receive`` returns its pieces as ASGI's messages.
    """

    __slots__ = ("_is_direct", "body", "client", "headers", "receive", "token")

    def __init__(self, scope: Scope, receive: Receive, body: bytes | None = None) -> None:
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }
        client = scope.get("client")
        self.client: str | None = client[0] if client else None
        self.token: str | None = scope.get("path_params", {}).get("token")
        self.receive = receive
        self.body = body
        self._is_direct: bool | None = None

    @property
    def is_direct(self) -> bool:
        """Whether it comes from this machine itself, and not through a proxy on it."""
        if self._is_direct is None:
            self._is_direct = is_direct_loopback(self.client, self.headers)
        return self._is_direct


class Reply(NamedTuple):
    """The response to a call. ``retry_after`` is in seconds."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    retry_after: int | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Its header fields."""
        fields = [(b"content-length", b"%d" % len(self.body)), (b"content-type", self.content_type)]
        if self.retry_after is not None:
            fields.append((b"retry-after", b"%d" % self.retry_after))
        return fields

    async def send(self, send: Send) -> None:
        """Send it as an ASGI response."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


Answer = Callable[[Call], Awaitable[Reply]]
"""A route: it replies to every call, and raises nothing."""
