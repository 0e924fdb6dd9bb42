"""Reveille processes without the cost of their imports: each is a fork of a process that has imported everything.

``reveille api`` needs 1.5 s of a core to start, and the tests start thousands of processes on two cores. Each fork has
its own pid, log, settings and event loop, and runs the same command line (``forking.py``). Tests of the start itself
use the command (``tests/support/processes.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tests.support.processes import environment
from tests.support.servers.process import Server
from tests.support.waiting import BOUND

EXIT: Final = "exit"
"""The name of the file with a process's exit code; a process that was killed leaves none."""


class Forked:
    """A process that is not a child of this one: the part of :class:`subprocess.Popen` that a :class:`Server` needs."""

    def __init__(self, pid: int, code: Path) -> None:
        self.pid = pid
        self._exit = code
        self._fd: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return None if self._lives(0) else self._code()

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code.

        Raises:
            subprocess.TimeoutExpired: the process still runs.
        """
        if self._lives(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self._code()

    def send_signal(self, how: signal.Signals) -> None:
        if self._fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _lives(self, timeout: float | None) -> bool:
        return self._fd is not None and not select.select([self._fd], [], [], timeout)[0]

    def _code(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int(self._exit.read_text())
        return -signal.SIGKILL

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


class ForkServer:
    """The process that forks. It ends, and its forks with it, when this process closes it or dies."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def launch(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
        """Run ``reveille ..`` in a new process; its log is ``server.log`` in the folder."""
        log = folder / "server.log"
        log.touch()
        return Server(self._fork(arguments, folder, environment, (log, log), folder / EXIT), folder)

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``reveille ..`` to its end.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time; it was killed.
        """
        with tempfile.TemporaryDirectory() as name:
            out, errors, code = (Path(name, file) for file in ("out", "errors", EXIT))
            process = self._fork(arguments, folder, environment, (out, errors), code)
            try:
                return subprocess.CompletedProcess(
                    ["reveille", *arguments], process.wait(BOUND), out.read_text(), errors.read_text()
                )
            finally:
                process.kill()

    def _fork(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        outputs: tuple[Path, Path],
        code: Path,
    ) -> Forked:
        """Fork a process; ``outputs`` are the files of its standard output and standard error."""
        order = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "outputs": list(map(str, outputs)),
            "code": str(code),
        }
        into, out = self._pipes()
        into.write(json.dumps(order) + "\n")
        into.flush()
        return Forked(int(out.readline()), code)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("started without pipes")
        return self._process.stdin, self._process.stdout


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    """Run a fork server for as long as the block lasts."""
    command = [sys.executable, "-m", "tests.support.servers.forking"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment({})
    ) as process:
        yield ForkServer(process)
