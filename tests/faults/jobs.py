"""Concurrent runs: each job is a process with its own site, which is kept as long as no run fails."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final

from tests.faults.plan import plan
from tests.faults.run import Result, run
from tests.faults.site import site
from tests.support.servers.process import die_with_parent

KEPT: Final = Path("test-results") / "faults"
"""The folder for the logs of a failed run."""

RUN_WITHIN: Final = 900.0
"""Seconds within which some run of all jobs ends, successfully or not."""


def results(seeds: range, jobs: int) -> Iterator[Result]:
    """Yield the results of all these runs, as they arrive."""
    context = multiprocessing.get_context("spawn")
    told: Queue[str] = context.Queue()
    workers = [
        context.Process(target=work, args=(seeds[job::jobs], told, os.getpid()), daemon=True) for job in range(jobs)
    ]
    for worker in workers:
        worker.start()
    for _ in seeds:
        yield Result(**json.loads(told.get(timeout=RUN_WITHIN)))
    for worker in workers:
        worker.join()


def work(seeds: range, told: Queue[str], parent: int) -> None:
    """Run one job; it ends, and its servers with it, when ``parent`` ends."""
    die_with_parent(parent)
    asyncio.run(_work(seeds, told))


async def _work(seeds: Sequence[int], told: Queue[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="reveille-faults-") as own:
        while seeds:
            folder = Path(tempfile.mkdtemp(dir=own))
            try:
                seeds = await _as_long_as_whole(seeds, folder, Path(own) / "pycache", told)
            except Exception as error:
                told.put(_broken(seeds[0], f"no site for it: {error!r}"))
                seeds = seeds[1:]


async def _as_long_as_whole(seeds: Sequence[int], folder: Path, pycache: Path, told: Queue[str]) -> Sequence[int]:
    """Run seeds on one site, until a run fails or requires another Leshan server; return the remaining seeds."""
    like = plan(seeds[0]).like
    async with site(folder, pycache, like) as here:
        for index, seed in enumerate(seeds):
            begun, planned = time.monotonic(), plan(seed)
            if planned.like != like:
                return seeds[index:]
            try:
                result = json.dumps(asdict(await run(here, planned)))
            except Exception as error:
                result = _broken(seed, f"could not be finished: {error!r}", time.monotonic() - begun)
            told.put(result)
            if json.loads(result)["broken"]:
                _keep(folder, seed)
                return seeds[index + 1 :]
    return []


def _broken(seed: int, how: str, seconds: float = 0.0) -> str:
    return json.dumps(asdict(Result(seed, seconds, broken=[how])))


def _keep(folder: Path, seed: int) -> None:
    kept = KEPT / str(seed)
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*/server.log"):
        (kept / f"{log.parent.name}.log").write_bytes(log.read_bytes())
