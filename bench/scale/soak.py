"""All processes under load for minutes: does one take more and more memory, files or connections?

PostgreSQL, a Redis-protocol server, two processes of each role and a simulated Leshan whose devices wake in turn.
Clients create operations, subscribe and leave again all the while. At the end, the invariants and the requests that the
devices received are checked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.console import Console

from app.models.invariant_check import violations
from app.telemetry import configure_logging
from bench.scale.common import judge
from bench.scale.soaking import Sample, courses, growing, held_by, table
from tests.faults import checks
from tests.support.api import live, write
from tests.support.cluster import Cluster, cluster
from tests.support.processes import processes
from tests.support.servers.forks import fork_server

JUDGED_FROM: Final = 5.0
"""Minutes: a shorter run allows no conclusion about growth, because caches and pools still fill."""

TRANSITIONS: Final = "subscription { operationTransitions { cursor number operation { id status endpoint { name } } } }"
PAGE: Final = """
{ deviceOperations(first: 50) { edges { node { id status transitions(first: 9) { edges { node { toStatus } } } } } } }
"""
UNFINISHED: Final = """
    SELECT DISTINCT e.name FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE o.finished_at IS NULL
"""
ENDED_WITHIN: Final = 180.0
SECOND: Final = 1.0
VISIT: Final = 5.0


@dataclass
class Soak:
    """One run."""

    whole: Cluster
    names: list[str]
    wakes: int
    operations: int
    dice: random.Random = field(default_factory=lambda: random.Random(5))
    samples: list[Sample] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)

    async def run(self, seconds: float, sample_every: float) -> None:
        """Run the load for so long."""
        work: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (SECOND, self._wake),
            (SECOND, self._create),
            (SECOND, self._visit),
            (SECOND, self._read),
            (sample_every, self.sample),
        ]
        listeners = [asyncio.create_task(self._listen(api.url)) for api in self.whole.apis]
        async with asyncio.TaskGroup() as tasks:
            for every, act in work:
                tasks.create_task(self._repeat(every, act, self.begun + seconds))
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)

    async def _repeat(self, every: float, act: Callable[[], Awaitable[None]], until: float) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            await act()
            await asyncio.sleep(max(0.0, every - (time.monotonic() - begun)))

    # --- the actions of devices and clients, each second

    async def _wake(self) -> None:
        """Wake some devices, each for a while; one in ten registers again."""
        for name in self.dice.sample(self.names, min(self.wakes, len(self.names))):
            await self.whole.tell("register" if self.dice.random() < 0.1 else "wake", name)
            self.did["wakes"] += 1

    async def _create(self) -> None:
        inputs = [self._operation(self.dice.choice(self.names)) for _ in range(self.operations)]
        await self.dice.choice(self.whole.apis).create(*inputs)
        self.did["operations"] += len(inputs)

    def _operation(self, name: str) -> dict[str, Any]:
        kind = self.dice.choice(("WRITE", "READ", "EXECUTE"))
        if kind == "WRITE":
            return write(name, text=f"https://url.com/{self.dice.random()}.bin")
        return {"endpoint": name, "kind": kind, "path": {"READ": "/3/0/0", "EXECUTE": "/3442/0/0"}[kind]}

    async def _visit(self) -> None:
        """Subscribe, wait for one message, and leave; at the end of the run there may be no message."""
        async with live(self.dice.choice(self.whole.apis).url) as connection:
            subscription = await connection.subscribe(TRANSITIONS)
            with contextlib.suppress(TimeoutError):
                await subscription.next(within=VISIT)
        self.did["visits"] += 1

    async def _read(self) -> None:
        await self.dice.choice(self.whole.apis).ask(PAGE)
        self.did["pages"] += 1

    async def _listen(self, url: str) -> None:
        """Subscribe for the whole run."""
        async with live(url) as connection:
            subscription = await connection.subscribe(TRANSITIONS)
            while True:
                await subscription.next(within=600)
                self.did["received by who stayed"] += 1

    async def sample(self) -> None:
        """Record the resources of each process."""
        pids = {process.name: process.pid for process in self.whole.processes.running}
        pids |= {"PostgreSQL": self.whole.database.server.process.pid, "Valkey": self.whole.valkey.server.process.pid}
        held = {name: held_by(pid) for name, pid in pids.items()}
        self.samples.append(Sample((time.monotonic() - self.begun) / 60, held))

    # --- the end

    async def let_everything_end(self) -> None:
        """Wake devices until all remaining operations have ended."""
        async with asyncio.timeout(ENDED_WITHIN):
            while waiting := [row["name"] for row in await self.whole.rows(UNFINISHED)]:
                await self.whole.wake(*waiting[:200])
                await asyncio.sleep(SECOND)

    async def breaches(self) -> tuple[list[str], Counter[str]]:
        """Return the violations, by the database compared with the devices, and how operations ended."""
        evidence = await checks.gather(self.whole, self.names)
        broken = await violations(self.whole.settings["database_url"])
        return [*checks.breaches(evidence), *broken], evidence.ends()


def main() -> None:
    """Run, sample, judge and report; exit with 1 if an invariant is violated, or a resource grows."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help=f"from {JUDGED_FROM:.0f} on, growth is judged")
    parser.add_argument("--devices", type=int, default=3_000)
    parser.add_argument("--wakes", type=int, default=30, help="devices that wake a second")
    parser.add_argument("--operations", type=int, default=20, help="operations created a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    arguments = parser.parse_args()
    configure_logging(level="warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        judge(runner.run(_soak(arguments)))


async def _soak(arguments: argparse.Namespace) -> list[str]:
    with (
        tempfile.TemporaryDirectory(prefix="reveille-bench-") as own,
        fork_server() as forks,
        processes(Path(own), forks) as group,
    ):
        async with cluster(group) as whole:
            names = await whole.devices("soak", arguments.devices)
            soak = Soak(whole, names, arguments.wakes, arguments.operations)
            await soak.run(arguments.minutes * 60, arguments.every)
            found = courses(soak.samples)
            await soak.let_everything_end()
            broken, ends = await soak.breaches()
    console = Console(width=120, file=sys.stdout)
    console.print(table(found))
    console.print(f"{len(soak.samples)} samples; {', '.join(f'{count:,} {what}' for what, count in soak.did.items())}")
    console.print(f"ended: {', '.join(f'{count:,} {how}' for how, count in ends.most_common())}")
    return broken + (growing(found) if arguments.minutes >= JUDGED_FROM else [])


if __name__ == "__main__":
    main()
