"""Serve HTTP with uvicorn, on a socket that this module opens."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from app.direct import DirectRoutes
from app.http_protocol import ConnectionLimit, HttpProtocol

STUCK_READER_MS: Final = 20_000
"""Milliseconds after which the kernel drops a peer that stopped reading: uvicorn's ping closes only once its buffer is
empty."""

SHUTDOWN_SECONDS: Final = 5

SAFE_HEADERS: Final = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
]
"""The security headers of every response."""

MAX_CONNECTIONS: Final = 4096
"""Maximum connections of one process: more clients need another process, or a proxy that shares its connections."""


class AddressUnusable(OSError):
    """The address to serve on is in use, or does not belong to this machine."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port.

    Raises:
        AddressUnusable: the address is in use, or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_READER_MS)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise AddressUnusable(f"{host}:{port} cannot be served on: {error.strerror}") from error
    listening.listen(2048)
    listening.setblocking(False)
    return listening


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Install no handlers: signals stop the components of the process in their order (``app.process``), not the
        HTTP server alone."""
        yield


def most_connections() -> int:
    """Return how many connections this process serves: at most half of the files that it may open.

    The soft limit of open files is raised to the hard one, as Go programs do: it is low for programs that use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses an unlimited one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    sockets: list[socket.socket],
    *,
    direct: DirectRoutes | None = None,
    most: int | None = None,
    max_message: int = 1 << 20,
) -> AsyncIterator[None]:
    """Serve as long as the block lasts; then finish the requests in progress, for at most :data:`SHUTDOWN_SECONDS`.

    Args:
        direct: routes that are served without the application.
        most: maximum concurrent connections, by default :func:`most_connections`.
        max_message: maximum bytes of one WebSocket message; 0 if no WebSocket is served.
    """
    protocol: Any = partial(HttpProtocol, limit=ConnectionLimit(most or most_connections()), direct=direct)
    config = uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=30,
        ws="auto" if max_message else "none",  # the library takes 0.6 MiB
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_max_size=max_message,
        ws_per_message_deflate=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        date_header=True,
        server_header=False,
        headers=SAFE_HEADERS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=sockets), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def termination_signal() -> asyncio.Event:
    """Return an event that is set at SIGTERM or SIGINT. From now on these signals stop nothing else."""
    terminated = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, terminated.set)
    return terminated
