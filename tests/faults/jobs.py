"""Concurrent runs: each job is a process with its own site, which is kept as long as no run fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final

from tests.faults.plan import plan
from tests.faults.run import Result, run
from tests.faults.site import Site, site
from tests.support.servers.forks import ForkServer, fork_server
from tests.support.servers.process import die_with_parent

KEPT: Final = Path("test-results") / "faults"
"""The folder for the logs of a failed run."""

RUN_WITHIN: Final = 900.0
"""Seconds within which some run of all jobs ends, successfully or not."""


class Job:
    """A process with a site of its own, which executes the runs of seeds one after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._seeds: Queue[int | None] = context.Queue()
        self._results: Queue[str] = context.Queue()
        arguments = (self._seeds, self._results, os.getpid())
        self._process = context.Process(target=work, args=arguments, daemon=True)
        self._process.start()

    def begin(self, seed: int) -> None:
        """Enqueue the run of a seed."""
        self._seeds.put(seed)

    def result(self) -> Result:
        """Return the result of the oldest run that was begun."""
        return Result(**json.loads(self._results.get(timeout=RUN_WITHIN)))

    def end(self) -> None:
        """Stop the site and the process after the last run."""
        self._seeds.put(None)
        self._process.join()


def results(seeds: range, jobs: int) -> Iterator[Result]:
    """Yield the results of all these runs, round by round."""
    running = [Job() for _ in range(jobs)]
    for number, seed in enumerate(seeds):
        running[number % jobs].begin(seed)
    for number, _ in enumerate(seeds):
        yield running[number % jobs].result()
    for job in running:
        job.end()


def work(seeds: Queue[int | None], results: Queue[str], parent: int) -> None:
    """Execute one job; it ends, and its servers with it, when ``parent`` ends."""
    die_with_parent(parent)
    asyncio.run(_work(seeds, results))


async def _work(seeds: Queue[int | None], results: Queue[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="reveille-faults-") as own, fork_server() as forks:
        kept = KeptSite(Path(own), forks)
        try:
            while (seed := await asyncio.to_thread(seeds.get)) is not None:
                results.put(json.dumps(asdict(await kept.run(seed))))
        finally:
            await kept.close()


class KeptSite:
    """A site that is kept from run to run, until a run fails or requires another Leshan server."""

    def __init__(self, folder: Path, forks: ForkServer) -> None:
        self._folder = folder
        self._forks = forks
        self._present: tuple[Site, str, Path] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def run(self, seed: int) -> Result:
        """Execute the plan of a seed. A run that cannot be finished is a violation, too."""
        planned, begun = plan(seed), time.monotonic()
        try:
            site, folder = await self._site(planned.like)
        except Exception as error:
            return Result(seed, broken=[f"no site for it: {error!r}"])
        try:
            result = await run(site, planned)
        except Exception as error:
            result = Result(seed, time.monotonic() - begun, broken=[f"could not be finished: {error!r}"])
        if result.broken:
            _keep_logs(folder, seed)
            with contextlib.suppress(Exception):
                await self.close()
        return result

    async def _site(self, like: str) -> tuple[Site, Path]:
        """Return a site with this kind of Leshan server, and its folder."""
        if self._present is None or self._present[1] != like:
            await self.close()
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            self._present = await self._stack.enter_async_context(site(folder, self._forks, like)), like, folder
        return self._present[0], self._present[2]

    async def close(self) -> None:
        """Stop the present site."""
        self._present = None
        await self._stack.aclose()


def _keep_logs(folder: Path, seed: int) -> None:
    kept = KEPT / str(seed)
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*/server.log"):
        (kept / f"{log.parent.name}.log").write_bytes(log.read_bytes())
