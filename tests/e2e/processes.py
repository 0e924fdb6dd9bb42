"""Reveille's own processes, as a person or a service manager starts them: ``reveille serve``, ``api``, ``dispatch`` ..

Each takes a free port, is ready when it says so by its log and its health, and dies with the test run.
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
from typing import Final

import httpx

from tests.servers.process import Server, ServerFailed, start

ROOT: Final = Path(__file__).parents[2]
BOUND: Final = 60.0
"""Seconds after which a process that must be ready, or gone, is not. No test's verdict depends on its size."""

COMMAND: Final = (sys.executable, "-m", "app.cli")
"""What the console script ``reveille`` runs; a clone that is only being tested need not have installed it."""

_ADDRESS: Final = {
    "serve": re.compile(r"\bpage=(http://\S+?)/\s"),
    "api": re.compile(r"\bpage=(http://\S+?)/\s"),
    "dispatch": re.compile(r"\bhealth .*\bport=(\d+)"),
    "bridge": re.compile(r"\bhealth .*\bport=(\d+)"),
    "simulate": re.compile(r"\baddress=(http://\S+)"),
}


def environment(pycache: Path, settings: Mapping[str, object]) -> dict[str, str]:
    """Of a child process: no setting but these, and bytecode that is compiled once for all of them."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("REVEILLE_")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    own |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(pycache), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
    return own | {f"REVEILLE_{name.upper()}": str(value) for name, value in settings.items()}


@dataclass
class Process:
    """One running process of ours.

    Attributes:
        url: where it serves HTTP: the API, or health alone.
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
        """As a crash."""
        self.server.kill()

    def end(self, how: signal.Signals = signal.SIGTERM, within: float = BOUND) -> int:
        """Tell it to stop and return its exit code; a process that does not stop is a failure."""
        self.server.process.send_signal(how)
        return self.server.process.wait(within)


Launch = Callable[[Sequence[str], Path, Mapping[str, str]], Server]
"""Starts ``reveille ..`` with these arguments in a folder of its own, with this environment; does not wait for it."""


def command(arguments: Sequence[str], folder: Path, values: Mapping[str, str]) -> Server:
    """As a service manager does it."""
    return start([*COMMAND, *arguments], folder, ready=lambda: True, environment=values)


@dataclass
class Processes:
    """Starts processes and keeps them, so that all are ended and a failed test can show their logs."""

    folder: Path
    pycache: Path
    launch: Launch = command
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
        values = environment(self.pycache, settings)
        server = self.launch([verb, *options], own, values)
        process = Process(name, server)
        self.running.append(process)
        return process

    def ready(self, *processes: Process) -> None:
        """Wait until these have said where they serve, and answer there."""
        for process in processes:
            pattern = _ADDRESS[process.name.partition("-")[0]]
            self.until(process, lambda process=process, pattern=pattern: _found(process, pattern))  # type: ignore[misc]
            self.until(process, lambda process=process: _answers(process.url))  # type: ignore[misc]

    def until(self, process: Process, condition: Callable[[], bool]) -> None:
        """Wait for something of a process that has to run meanwhile."""
        deadline = time.monotonic() + BOUND
        while not condition():
            if not process.lives or time.monotonic() > deadline:
                raise ServerFailed(f"{process.name} is not ready:\n{process.log[-4_000:]}")
            time.sleep(0.01)

    def run(self, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run ``reveille ..`` to its end."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=environment(self.pycache, settings),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    def end_all(self) -> None:
        """End what still runs, the newest first: a dispatcher ends before the server that it calls."""
        for process in reversed(self.running):
            if process.lives:
                process.server.process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            process.server.stop()


@contextmanager
def processes(folder: Path, pycache: Path, launch: Launch = command) -> Iterator[Processes]:
    """Processes that end with the block."""
    started = Processes(folder, pycache, launch)
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
    """Whether it answers at all: what else the road to the devices needs may start later."""
    try:
        return _http().get(f"{url}/health/live").status_code in {200, 404}
    except httpx.TransportError:
        return False


@functools.cache
def _http() -> httpx.Client:
    """One for all: each would read all certificate authorities anew."""
    return httpx.Client(trust_env=False, timeout=5, limits=httpx.Limits(max_keepalive_connections=0))
