"""Reveille's own processes: ``reveille serve``, ``api``, ``dispatch`` ..

Each uses a free port, is ready according to its log and its health, and dies with the test run. A launcher starts them:
:class:`Command` as a person or a service manager does, a fork server (``servers/forks.py``) without the cost of their
imports.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import httpx

from tests.support import loopback
from tests.support.servers.process import Server, ServerFailed, start
from tests.support.waiting import BOUND

ROOT: Final = Path(__file__).parents[2]
_ADDRESS: Final = {
    "serve": re.compile(r"\bpage=(http://\S+?)/\s"),
    "api": re.compile(r"\bpage=(http://\S+?)/\s"),
    "dispatch": re.compile(r"\bhealth .*\bport=(\d+)"),
    "bridge": re.compile(r"\bhealth .*\bport=(\d+)"),
    "simulate": re.compile(r"\baddress=(http://\S+)"),
}


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the environment of a child process: no settings but these, and bytecode is written: compiling is most of a
    start."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("REVEILLE_")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    own |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
    return own | {f"REVEILLE_{name.upper()}": str(value) for name, value in settings.items()}


@dataclass
class Process:
    """One running process of Reveille.

    Attributes:
        url: the address of its HTTP server: the API, or health alone.
    """

    name: str
    server: Server
    url: str = ""

    @property
    def log(self) -> str:
        return self.server.log.read_text()

    @property
    def pid(self) -> int:
        return self.server.process.pid

    @property
    def lives(self) -> bool:
        return self.server.process.poll() is None

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self.server.kill()

    def end(self, how: signal.Signals = signal.SIGTERM, within: float = BOUND) -> int:
        """Signal the process to stop and return its exit code; a process that does not stop is a failure."""
        self.server.process.send_signal(how)
        return self.server.process.wait(within)


class Launcher(Protocol):
    """Starts ``reveille ..`` with arguments in a folder, with an environment."""

    def launch(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
        """Start it without waiting for it; the folder is its own."""

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""


@dataclass(frozen=True)
class Command:
    """The launcher that starts a command, by default what the console script ``reveille`` runs: a clone that is only
    being tested need not have installed it."""

    words: Sequence[str] = (sys.executable, "-m", "app.cli")

    def launch(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
        return start([*self.words, *arguments], folder, ready=lambda: True, environment=environment)

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.words, *arguments],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )


@dataclass
class Processes:
    """The processes that were started, so that all are stopped and a failed test can show their logs."""

    folder: Path
    launcher: Launcher
    running: list[Process] = field(default_factory=list)

    def start(self, verb: str, *options: str, **settings: object) -> Process:
        """Start ``reveille VERB`` and wait until it is ready."""
        process = self.spawn(verb, *options, **settings)
        self.ready(process)
        return process

    def spawn(self, verb: str, *options: str, **settings: object) -> Process:
        """Start ``reveille VERB`` on a free port, without waiting. Settings are named as their fields."""
        name = f"{verb}-{len(self.running)}"
        own = self.folder / name
        own.mkdir()
        if verb in {"dispatch", "bridge"}:
            options = ("--health-port", "0", *options)
        elif verb == "simulate":
            options = ("--port", "0", *options)
        else:
            settings = {"port": 0} | settings
        server = self.launcher.launch([verb, *options], own, environment(settings))
        process = Process(name, server)
        self.running.append(process)
        return process

    def ready(self, *processes: Process) -> None:
        """Wait until these processes have logged their address, and respond there."""
        for process in processes:
            pattern = _ADDRESS[process.name.partition("-")[0]]
            self.until(process, lambda process=process, pattern=pattern: _found(process, pattern))  # type: ignore[misc]
            self.until(process, lambda process=process: _answers(process.url))  # type: ignore[misc]

    def until(self, process: Process, condition: Callable[[], bool]) -> None:
        """Wait for a condition of a process that must keep running meanwhile."""
        deadline = time.monotonic() + BOUND
        while not condition():
            if not process.lives or time.monotonic() > deadline:
                raise ServerFailed(f"{process.name} is not ready:\n{process.log[-4_000:]}")
            time.sleep(0.01)

    def run(self, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run ``reveille ..`` to its end."""
        return self.launcher.run(arguments, self.folder, environment(settings))

    def end_all(self) -> None:
        """Stop all running processes, the newest first: a dispatcher stops before the server that it calls."""
        for process in reversed(self.running):
            if process.lives:
                process.server.process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            process.server.stop()


@contextmanager
def processes(folder: Path, launcher: Launcher) -> Iterator[Processes]:
    """Provide processes that end with the block."""
    started = Processes(folder, launcher)
    try:
        yield started
    finally:
        started.end_all()


def _found(process: Process, pattern: re.Pattern[str]) -> bool:
    found = pattern.search(process.log)
    if found is None:
        return False
    process.url = found[1] if found[1].startswith("http") else f"http://127.0.0.1:{found[1]}"
    return True


def _answers(url: str) -> bool:
    """Return whether the process responds at all: the rest of the path to the devices may start later."""
    try:
        return _http().get(f"{url}/health/live").status_code in {200, 404}
    except httpx.TransportError:
        return False


@functools.cache
def _http() -> httpx.Client:
    """Return one client for all: each would read all certificate authorities again."""
    return loopback.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0))
