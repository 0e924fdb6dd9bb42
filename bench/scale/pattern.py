"""Very many endpoints in the simulator's wake pattern: each wakes once within the time, a few have an operation queued.

Every operation must be delivered in the awake window of its device's wake; memory and CPU of each process are reported.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bench.devices import provision, queue
from bench.measuring import used_by
from bench.scale.common import Measured, options, run
from bench.site import FakeLeshan, Site, python, site
from tests.support.processes import Process

WINDOW = 93
LATE = """
    SELECT count(*) AS all_of_them, coalesce(max(o.finished_at - e.registered_at), 0) AS longest,
        sum(CASE WHEN o.finished_at - e.registered_at > $1 THEN 1 ELSE 0 END) AS late,
        sum(CASE WHEN o.attempts > 0 THEN 1 ELSE 0 END) AS tried_before
    FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE o.status = 'CONFIRMED'
"""
MEDIAN = """
    SELECT o.finished_at - e.registered_at FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
    WHERE o.status = 'CONFIRMED' ORDER BY 1 LIMIT 1 OFFSET {half}
"""


def main() -> None:
    """Let the devices wake, and report."""
    parser = options("bench.scale.pattern", __doc__, database=False)
    parser.add_argument("--endpoints", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="within which each wakes once")
    parser.add_argument("--share", type=int, default=10, help="one in so many has something queued")
    arguments = parser.parse_args()
    run(_live(arguments), f"{arguments.endpoints:,} endpoints, each wakes once in {arguments.seconds:,.0f} s, postgres")


async def _live(arguments: argparse.Namespace) -> list[Measured]:
    devices = [f"dev-{number:04d}" for number in range(0, arguments.endpoints, arguments.share)]
    async with site("postgres") as system:
        await provision(system.ledger, devices)
        await queue(system.ledger, devices, len(devices))
        # the simulator needs the address for events before it starts, and the dispatcher that of the simulator
        api = await asyncio.to_thread(system.processes.start, "api", **system.settings("http://127.0.0.1:9"))
        with tempfile.TemporaryDirectory(prefix="reveille-bench-") as own:
            simulator = await asyncio.to_thread(
                python,
                *("bench.scale.simulated", "--endpoints", str(arguments.endpoints)),
                *("--seconds", str(arguments.seconds), "--webhook", f"{api.url}/leshan/events"),
                folder=Path(own),
            )
            try:
                address = simulator.log.read_text().partition("address=")[2].split()[0]
                await system.run(FakeLeshan(simulator, address))
                return await _watch(system, api, simulator.process.pid, arguments, len(devices))
            finally:
                system.end()
                simulator.kill()


async def _watch(
    system: Site, api: Process, simulator: int, arguments: argparse.Namespace, count: int
) -> list[Measured]:
    started = time.monotonic()
    await asyncio.sleep(arguments.seconds)
    await system.confirmed(count, within=WINDOW + 60)
    seconds = time.monotonic() - started
    row = (await system.reader.fetch(LATE, WINDOW * 1_000_000))[0]
    figures: list[Measured] = [
        ("operations delivered", float(row["all_of_them"]), f"of {count:,}"),
        (f"delivered later than {WINDOW} s after the device woke", float(row["late"]), ""),
        ("that needed more than one attempt", float(row["tried_before"]), ""),
        ("wake (Leshan reports it) to confirmed, median", await _median(system, count), "ms"),
        ("wake (Leshan reports it) to confirmed, longest", row["longest"] / 1e3, "ms"),
        ("endpoints known", float(await system.one("SELECT count(*) FROM endpoint")), ""),
    ]
    server = system.server.server.process.pid if system.server else 0
    pids = {"api": api.pid, "dispatch": system.dispatchers[0].pid, "PostgreSQL": server, "simulator": simulator}
    for name, pid in pids.items():
        used = used_by([pid])
        figures += [(f"{name}: CPU", used.cpu / seconds * 100, "% of a core"), (f"{name}: memory", used.memory, "MiB")]
    return figures


async def _median(system: Site, count: int) -> float:
    return float(await system.one(MEDIAN.format(half=count // 2))) / 1e3


if __name__ == "__main__":
    main()
