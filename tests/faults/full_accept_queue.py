"""A Leshan server whose accept queue is full: a caller is still connecting, and cannot write yet."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SYN_SENT: Final = "02"
"""The state of a connection that has not been accepted, in ``/proc/net/tcp`` (proc(5))."""


@dataclass
class FullAcceptQueue:
    """A listening socket that accepts no connection until it is opened."""

    listening: socket.socket
    filler: socket.socket

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def connection_pending(self) -> bool:
        """Return whether a connection attempt is pending."""
        port = f":{self.listening.getsockname()[1]:04X}"
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return any(line[2].endswith(port) and line[3] == _SYN_SENT for line in lines)

    def open(self) -> bytes:
        """Accept every connection until none is pending; return the bytes that they sent."""
        heard = b""
        self.listening.settimeout(0.2)
        while True:
            try:
                caller, _ = self.listening.accept()
            except TimeoutError:
                if not self.connection_pending():
                    return heard
                continue
            with caller:
                caller.settimeout(0.2)
                heard += _said(caller)


def _said(caller: socket.socket) -> bytes:
    try:
        return caller.recv(65_536)
    except (TimeoutError, ConnectionResetError):
        return b""


@contextmanager
def full_accept_queue() -> Iterator[FullAcceptQueue]:
    """Provide a socket whose accept queue is full: one connection waits, and there is room for no other."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, socket.socket() as filler:
        filler.connect(listening.getsockname())
        yield FullAcceptQueue(listening, filler)
