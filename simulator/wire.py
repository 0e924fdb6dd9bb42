"""The connection: uvicorn's HTTP protocol with a handle for the app, so that faults really happen on the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_HANDLE: Final = "reveille.connection"
_LINGER_NOTHING: Final = struct.pack("ii", 1, 0)
_KEEP_ALIVE_SECONDS: Final = 30


class Connection(HttpToolsProtocol):
    """One HTTP connection. The app finds it by :func:`connection_of`."""

    on_lost: Callable[[], None] | None = None
    """Called once when the connection ends, by either side."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_HANDLE: {_HANDLE: self}}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def close(self) -> None:
        """Close it in an orderly way (FIN), with or without a response."""
        self.transport.close()

    def reset(self) -> None:
        """Close it with a TCP reset (RST)."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
        self.transport.abort()

    def half_answer(self, body: bytes) -> None:
        """Begin a valid response, break off in its middle, and close."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body[: len(body) // 2])
        self.transport.close()


def connection_of(scope: Any) -> Connection:
    """Return the connection of a request."""
    return cast(Connection, scope["extensions"][_HANDLE][_HANDLE])


class Server:
    """Listens on one socket and passes requests to an ASGI app, on the running loop. It sets no signal handler."""

    def __init__(self, app: Any) -> None:
        config = Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        config.load()
        self._config = config
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Start listening; return the port, for 0 the one that was free.

        Raises:
            OSError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.Protocol:
            return Connection(config=self._config, server_state=self._state, app_state={}, _loop=loop)

        self._server = await loop.create_server(connection, host, port, backlog=4096)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and reset every connection; requests under way end without a response."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=5)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
