"""A Leshan that answers every call at once, as cheaply as Python can: what is measured against it is Reveille's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_BODY: Final = b'{"status":"CHANGED(204)","valid":true,"success":true,"failure":false}'
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY


class FakeLeshan:
    """Where it listens, and when it was last called (of ``time.perf_counter``)."""

    def __init__(self) -> None:
        self.address = ""
        self.called_at = 0.0
        self.called = asyncio.Event()

    def note(self) -> None:
        """A request has arrived."""
        self.called_at = time.perf_counter()
        self.called.set()


class _Calls(asyncio.Protocol):
    """One connection: an answer for each complete request, without looking at what it asks."""

    def __init__(self, leshan: FakeLeshan) -> None:
        self._leshan = leshan

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _content_length(self._buffer[:end])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._leshan.note()
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":", 1)[1])
    return 0


@asynccontextmanager
async def fake_leshan() -> AsyncIterator[FakeLeshan]:
    """Serve on a free port of this machine."""
    leshan = FakeLeshan()
    server = await asyncio.get_running_loop().create_server(lambda: _Calls(leshan), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        leshan.address = f"http://{host}:{port}"
        yield leshan
