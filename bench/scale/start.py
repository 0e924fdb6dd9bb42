"""The start of each role: seconds until it is ready, its CPU and its memory at rest, beside another version's.

Each round starts the roles of both versions one after the other, on PostgreSQL and Redis; the median is printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

from bench.scale.common import Measured, options, run
from bench.site import POSTGRES, fake_leshan
from tests.support.processes import ROOT, Command, Process, Processes
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.valkey import valkey

ROLES: Final = ("api", "dispatch", "bridge", "serve")
REST_SECONDS: Final = 1.0
"""Seconds after the start at which a process's memory is read."""


@dataclass(frozen=True, slots=True)
class Started:
    """One start: seconds until the process responds to HTTP, its CPU seconds until then, and its RSS in MiB at rest."""

    seconds: float
    cpu: float
    memory: float


async def measure(against: Path | None, rounds: int) -> list[Measured]:
    """Start every role of each version in turns; return the medians and their ratios."""
    versions = {"this": ROOT, **({"other": against} if against else {})}
    starts: dict[tuple[str, str], list[Started]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reveille-bench-")))
        server, bus = stack.enter_context(postgres(POSTGRES)), stack.enter_context(valkey())
        numbers = count()
        async with fake_leshan() as leshan:
            shared = {"redis_url": bus.url, "leshan_url": leshan.address}
            urls = {name: await _database(server, name) for name in versions}
            for number in range(rounds + 1):
                for role in ROLES:
                    for name, root in versions.items():
                        url = f"sqlite://{folder / name}.db" if role == "serve" else urls[name]
                        own = folder / str(next(numbers))
                        own.mkdir()
                        one = _start(root, own, role, shared | {"database_url": url})
                        if number:  # the first start of each migrates, and writes its bytecode
                            starts.setdefault((role, name), []).append(one)
    return [figure for role in ROLES for figure in _figures(role, {name: starts[role, name] for name in versions})]


async def _database(server: PostgresServer, name: str) -> str:
    return await server.create(name)


def command_of(root: Path) -> Command:
    """Return the command ``reveille`` of a clone."""
    program = f"import sys; sys.path[:0] = [{str(root)!r}]; from app.cli import main; main()"
    return Command((sys.executable, "-c", program))


def _start(root: Path, folder: Path, role: str, settings: Mapping[str, object]) -> Started:
    processes = Processes(folder, command_of(root))
    started = time.perf_counter()
    try:
        process = processes.spawn(role, **settings)
        processes.ready(process)
        seconds, cpu = time.perf_counter() - started, _cpu(process)
        time.sleep(REST_SECONDS)
        return Started(seconds, cpu, _memory(process))
    finally:
        processes.end_all()


def _cpu(process: Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _figures(role: str, starts: dict[str, list[Started]]) -> Iterator[Measured]:
    for what, unit in (("seconds", "s"), ("cpu", "s"), ("memory", "MiB")):
        values = {name: median(getattr(one, what) for one in own) for name, own in starts.items()}
        for name, value in values.items():
            yield f"{role}, {what}, {name}", value, unit
        if "other" in values:
            yield f"{role}, {what}: this / other", values["this"] / values["other"], "x"


def main() -> None:
    """Measure and print."""
    parser = options("bench.scale.start", __doc__, database=False)
    parser.add_argument("--against", type=Path, help="the clone of another version, to start in turns with this one")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    run(measure(arguments.against, arguments.rounds), "start of a process")


if __name__ == "__main__":
    main()
