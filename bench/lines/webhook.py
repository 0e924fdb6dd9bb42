"""Events that the webhook accepts and commits, in one process, over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.models.ledger import open_store
from bench.devices import names, provision, wake
from bench.events import updates
from bench.measuring import Figure, used_by
from bench.site import WITHIN, Site, address_of, fake_leshan, python, site
from bench.size import Size
from tests.support.processes import ROOT

BATCHES: Final = (1, 50)
INSERTS: Final = 1_000


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure single events and lists, with the bare route for comparison; and the cost of one commit per event."""
    async with fake_leshan() as leshan, bare_route() as bare, site(kind) as system:
        await system.run(leshan, web=True)
        devices = names("heard", size.devices)
        await provision(system.ledger, devices)
        await wake(system.ledger, devices)
        return [await _round(system, bare, devices, size.events, number) for number in range(size.rounds)]


async def _round(system: Site, bare: BareRoute, devices: list[str], events: int, number: int) -> list[Figure]:
    assert system.web is not None
    figures = [Figure("one INSERT a transaction", await _inserts(system), "/s")]
    for index, batch in enumerate(BATCHES):
        # updates that are new, in every round and for every size of batch
        first = (number * len(BATCHES) + index) * events
        bodies = posted(devices, first, events, batch)
        least = await post(bare.address, bodies)
        cpu = used_by([system.web.pid]).cpu
        seconds = await post(f"{system.web.url}/leshan/events", bodies)
        cpu = used_by([system.web.pid]).cpu - cpu
        what = named(batch)
        figures += [
            Figure(f"{what}: bare Starlette route", events / least, "events/s"),
            Figure(f"{what}: accepted and committed", events / seconds, "events/s", ">= 3,000/s"),
            Figure(f"{what}: of the bare route", least / seconds * 100, "%"),
            Figure(f"{what}: CPU of an event", cpu / events * 1e6, "us"),
        ]
    return [*figures, Figure("webhook: memory", used_by([system.web.pid]).memory, "MiB")]


def named(batch: int) -> str:
    """Return the name of a batch size."""
    return "webhook, an event a call" if batch == 1 else f"webhook, {batch} events a call"


def posted(devices: list[str], first: int, events: int, batch: int) -> list[bytes]:
    """Return the bodies of so many updates after the ``first``, so many per body."""
    bodies = updates(devices, first + events, 1)[first:]
    if batch == 1:
        return bodies
    return [b"[" + b",".join(bodies[at : at + batch]) + b"]" for at in range(0, events, batch)]


async def post(address: str, bodies: list[bytes]) -> float:
    """Return the seconds until all received the response 202."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load", address),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(WITHIN):
            output, _ = await process.communicate(b"\n".join(bodies))
    except BaseException:
        process.kill()
        raise
    result = json.loads(output)
    assert result["statuses"] == {"202": len(bodies)}, result["statuses"]
    return float(result["seconds"])


async def _inserts(system: Site) -> float:
    store = open_store(system.database_url)
    await store.open()
    await store.execute("CREATE TABLE IF NOT EXISTS bench_insert (id BIGINT PRIMARY KEY, body TEXT)")
    await store.execute("DELETE FROM bench_insert")
    started = time.perf_counter()
    for number in range(INSERTS):
        await store.execute("INSERT INTO bench_insert (id, body) VALUES ($1, $2)", number, "x" * 200)
    seconds = time.perf_counter() - started
    await store.close()
    return INSERTS / seconds


@dataclass(frozen=True, slots=True)
class BareRoute:
    """The process of the bare route."""

    pid: int
    address: str


@asynccontextmanager
async def bare_route() -> AsyncIterator[BareRoute]:
    """Run the bare route."""
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as own:
        server = python("bench.bare_route", folder=Path(own))
        try:
            yield BareRoute(server.process.pid, f"{address_of(server)}/leshan/events")
        finally:
            server.stop()
