"""One HTTP request of the simulated server, and the figures of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.device import Device
from simulator.requests import Call, read_query
from simulator.responses import HttpResponse
from simulator.wire import Connection, connection_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Stats:
    """Calls to devices: open now, the most that were open at once, and all; responses by status."""

    open_calls: int = 0
    max_open_calls: int = 0
    calls: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    unknown_clients: int = 0

    def reset(self) -> None:
        self.max_open_calls = self.open_calls
        self.calls = self.unknown_clients = 0
        self.statuses.clear()


class Http:
    """A request with its three ASGI parts."""

    __slots__ = ("_receive", "_send", "_stats", "method", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send, stats: Stats) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self._receive = receive
        self._send = send
        self._stats = stats

    @property
    def connection(self) -> Connection:
        return connection_of(self.scope)

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        query = self.scope["query_string"]
        return str((self.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1"))

    def header(self, name: bytes) -> str | None:
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value.decode("latin-1"))
        return None

    async def call(self, parts: Sequence[str]) -> Call:
        """Read the body to its end."""
        message = await self._receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await self._receive()
            body += message.get("body", b"")
        return Call(
            method=self.method,
            parts=parts,
            query=read_query(self.scope["query_string"]),
            content_type=self.header(b"content-type"),
            body=body,
            chunked=bool(body) and self.header(b"content-length") is None,
        )

    async def reply(self, answer: HttpResponse) -> None:
        """Send a complete response at once."""
        headers = [(b"content-length", b"%d" % len(answer.body))]
        if answer.content_type is not None:
            name = b"location" if 300 <= answer.status < 400 else b"content-type"
            headers.append((name, answer.content_type.encode()))
        await self.begin(answer.status, headers)
        await self.part(answer.body, more=False)

    async def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Begin a response that comes in parts."""
        self._stats.statuses[str(status)] += 1
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def gone(self) -> None:
        """Wait until the connection is gone: uvicorn requires an app that sends nothing to run until then."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class OpenCall:
    """One call as long as its HTTP client holds it open: until its response, or until the client disconnects."""

    __slots__ = ("_connection", "_device", "_stats")

    def __init__(self, stats: Stats, device: Device, connection: Connection) -> None:
        self._stats: Stats | None = stats
        self._device = device
        self._connection = connection
        stats.calls += 1
        stats.open_calls += 1
        stats.max_open_calls = max(stats.max_open_calls, stats.open_calls)
        device.open_calls += 1
        device.max_open_calls = max(device.max_open_calls, device.open_calls)
        connection.on_lost = self.end

    def end(self) -> None:
        """Count it as closed, once."""
        if self._stats is not None:
            self._stats.open_calls -= 1
            self._device.open_calls -= 1
            self._stats = None
            self._connection.on_lost = None
