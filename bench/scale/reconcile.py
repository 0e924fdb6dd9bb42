"""Reconciling with a Leshan server that has very many registrations: time and memory of the bridge, and its events.

First without registrations (the baseline of the process), then with all of them unknown, then with all of them known
and a few deregistered while no bridge was connected. Those few must be reported as OFFLINE, and no others.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from app.models.invariant_check import violations
from bench.measuring import used_by
from bench.scale.common import Measured, judge, options, run
from bench.site import FakeLeshan, Site, address_of, python, site
from simulator import Mode
from tests.support import loopback

PIECE: Final = 2_000
OFFLINE: Final = """
    SELECT e.name FROM presence_change c JOIN endpoint e ON e.id = c.endpoint_id WHERE c.presence = 'OFFLINE'
"""
THOUGHT_OFFLINE: Final = "SELECT name FROM endpoint WHERE presence = 'OFFLINE'"
ENDPOINTS: Final = "SELECT count(*) FROM endpoint"
FAREWELLS: Final = "SELECT count(*) FROM endpoint WHERE announce_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One reconciliation by a bridge that was just started: seconds until it was done, CPU, and peak memory (MiB)."""

    seconds: float
    cpu: float
    memory: float


def main() -> None:
    """Register, reconcile three times, judge and report; exit with 1 if a report is wrong, or memory grew."""
    parser = options("bench.scale.reconcile", __doc__, database=False)
    parser.add_argument("--registrations", type=int, default=100_000)
    parser.add_argument("--gone", type=int, default=100, help="that deregister while no bridge runs")
    parser.add_argument("--mode", type=Mode, choices=Mode, default=Mode.M18, help="the Leshan server that it is like")
    parser.add_argument("--grow", type=float, default=100.0, help="MiB by which the bridge may grow")
    parser.add_argument("--within", type=float, default=900.0, help="seconds after which a reconciling is given up")
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"reconciled with {arguments.registrations:,} registrations, {arguments.mode}")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    async with site("postgres") as system, _simulated(arguments) as (leshan, sim):
        await system.run(leshan)  # it announces the endpoints that are gone
        empty = await _reconcile(system, leshan, arguments.within)
        (await sim.post("/sim/register")).raise_for_status()
        unknown = await _reconcile(system, leshan, arguments.within)
        registered = int(await system.one(ENDPOINTS))
        gone = {f"dev-{number:04d}" for number in range(arguments.gone)}
        for name in gone:
            (await sim.post("/sim/deregister", params={"ep": name})).raise_for_status()
        known = await _reconcile(system, leshan, arguments.within)
        await _farewells_said(system)
        offline = [row[0] for row in await system.reader.fetch(OFFLINE)]
        thought = {row[0] for row in await system.reader.fetch(THOUGHT_OFFLINE)}
        growth = max(unknown.memory, known.memory) - empty.memory
        if registered != arguments.registrations:
            broken.append(f"{registered:,} endpoints are known of {arguments.registrations:,}")
        if sorted(offline) != sorted(gone) or thought != gone:
            broken.append(f"{len(offline)} were reported OFFLINE, {len(thought)} are taken as such, {len(gone)} are")
        if growth > arguments.grow:
            broken.append(f"the bridge grew by {growth:.0f} MiB")
        broken += await violations(system.database_url)
        return [
            ("all unknown: until reconciled", unknown.seconds, "s"),
            ("all known: until reconciled", known.seconds, "s"),
            ("CPU of the bridge for one, all known", (known.cpu - empty.cpu) / arguments.registrations * 1e6, "us"),
            ("memory of the bridge, no device registered", empty.memory, "MiB"),
            ("memory of the bridge, all unknown", unknown.memory, "MiB"),
            ("memory of the bridge, all known", known.memory, "MiB"),
            ("grown by", growth, "MiB"),
            ("reported OFFLINE", f"{len(offline)} of {len(gone)} that are", ""),
            ("reported OFFLINE falsely", f"{len(set(offline) - gone)}", ""),
        ]


@asynccontextmanager
async def _simulated(arguments: argparse.Namespace) -> AsyncIterator[tuple[FakeLeshan, httpx.AsyncClient]]:
    own = ("--endpoints", "0", "--mode", arguments.mode.value)
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as folder:
        server = await asyncio.to_thread(python, "bench.scale.simulated", *own, folder=Path(folder))
        try:
            address = address_of(server)
            async with loopback.AsyncClient(base_url=address, timeout=arguments.within) as sim:
                for start in range(0, arguments.registrations, PIECE):
                    count = min(PIECE, arguments.registrations - start)
                    (await sim.post("/sim/devices", json={"count": count})).raise_for_status()
                yield FakeLeshan(server, address), sim
        finally:
            server.kill()


async def _reconcile(system: Site, leshan: FakeLeshan, within: float) -> Reconciled:
    """Reconcile with a new bridge, which is stopped afterwards."""
    started = time.monotonic()
    bridge = system.processes.spawn("bridge", **system.settings(leshan.address, leshan_events="stream"))
    async with asyncio.timeout(within):
        while " reconciled " not in bridge.log:
            if not bridge.lives:
                raise RuntimeError(bridge.log[-2_000:])
            await asyncio.sleep(0.1)
    seconds, used = time.monotonic() - started, used_by([bridge.pid])
    await system.stop(bridge)
    return Reconciled(seconds, used.cpu, used.memory)


async def _farewells_said(system: Site) -> None:
    """Wait until no announcement is pending: an endpoint is announced as OFFLINE after a pause, and one that is not
    announced by now never will be."""
    async with asyncio.timeout(60):
        while await system.one(FAREWELLS):  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
