"""A child process that dies with its parent and is ready when a condition holds."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class ServerFailed(RuntimeError):
    """A server did not start; the message ends with its log."""


@dataclass(frozen=True)
class Account:
    """The user that a server runs as: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


class Child(Protocol):
    """The part of :class:`subprocess.Popen` that a :class:`Server` needs."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, how: signal.Signals, /) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Server:
    """A running server process and its own folder."""

    process: Child
    folder: Path
    stop_signal: signal.Signals = signal.SIGTERM
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "server.log"

    def stop(self) -> None:
        """Stop the process gracefully, and by force after 10 seconds; it has left the process table when this
        returns."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Freeze the process until :meth:`thaw`: its sockets stay open, and it does not respond."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def start(
    arguments: Sequence[str | Path],
    folder: Path,
    *,
    ready: Callable[[], bool],
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    within: float = 30,
) -> Server:
    """Start a server and wait until it is ready.

    Call this from the main thread: Linux ties the death signal to the thread that forked.

    Raises:
        ServerFailed: the process ended, or was not ready within so many seconds.
    """
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            preexec_fn=partial(_in_child, os.getpid(), stop_signal),  # noqa: PLW1509 - only system calls
            **account_arguments(account),
        )
    server = Server(process, folder, stop_signal)
    deadline = time.monotonic() + within
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise ServerFailed(f"{Path(arguments[0]).name} did not start:\n{server.log.read_text()[-2_000:]}")
        time.sleep(0.005)
    return server


def _in_child(parent: int, stop_signal: signal.Signals) -> None:
    for ignored in (signal.SIGINT, signal.SIGHUP):  # ignored by nohup, and by shells for background commands
        signal.signal(ignored, signal.SIG_DFL)
    die_with_parent(parent, stop_signal)


def account_arguments(account: Account | None) -> dict[str, Any]:
    """Return the arguments of :class:`subprocess.Popen` that change the user."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def die_with_parent(parent: int, how: signal.Signals = signal.SIGTERM) -> None:
    """Make the kernel signal this process when its parent ends, however it ends (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:  # it ended before the line above
            os.kill(os.getpid(), signal.SIGKILL)
