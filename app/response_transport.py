"""Sending responses in as few system calls as they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class ResponseTransport:
    """The transport of the requests of a connection, as uvicorn uses it.

    The head of a response is sent together with the first bytes of its body, if these come at once: a system call costs
    more than the rest of sending a short response.

    ``close`` does not lose the response if the request is not complete: a socket closed with unread bytes is reset, and
    the client may discard data that it has not read.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, close: Callable[[], None]
    ) -> None:
        self._transport, self._loop = transport, loop
        self.is_closing, self.close = transport.is_closing, close
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):  # bytes of a body that begin so are sent a moment later, too
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def write_whole(self, response: bytes) -> None:
        """Send a complete response."""
        self._transport.write(response)

    def flush(self) -> None:
        """Send a head that waits for its body."""
        if self._head:
            self.write(b"")
