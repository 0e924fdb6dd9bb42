"""An hour's backlog: very many operations, whose devices all wake within a minute.

They must be drained in order, with the open calls at the limit all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence

from bench.devices import names, provision, queue, wake
from bench.scale.common import Measured, options, run
from bench.site import FakeLeshan, Site, fake_leshan, site

DISORDER = """
    SELECT count(*) FROM (
        SELECT o.seq AS queued, lag(o.seq) OVER (PARTITION BY o.endpoint_id ORDER BY t.seq) AS before
        FROM transition t JOIN operation o ON o.seq = t.operation_id
        WHERE t.to_status = 'SENDING' AND t.attempt = 1
    ) sent WHERE before > queued
"""
SENDING = "SELECT count(*) FROM endpoint WHERE lease_operation IS NOT NULL"
MOMENTS = 60


def main() -> None:
    """Queue, wake, drain and report."""
    parser = options("bench.scale.backlog", __doc__)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--minute", type=float, default=60.0, help="seconds within which all devices wake")
    parser.add_argument("--delay", type=float, default=0.1, help="seconds until a device answers")
    parser.add_argument("--limit", type=int, default=120, help="calls that may be open")
    parser.add_argument("--dispatchers", type=int, default=1)
    parser.add_argument("--within", type=float, default=3_600.0, help="seconds after which it is given up")
    arguments = parser.parse_args()
    run(
        _drain(arguments), f"{arguments.operations:,} operations of {arguments.devices:,} devices, {arguments.database}"
    )


async def _drain(arguments: argparse.Namespace) -> list[Measured]:
    devices = names("slept", arguments.devices)
    ideal = arguments.operations * arguments.delay / arguments.limit
    async with (
        fake_leshan(arguments.delay) as leshan,
        site(arguments.database, max_in_flight=arguments.limit) as system,
    ):
        await provision(system.ledger, devices)
        await queue(system.ledger, devices, arguments.operations)
        await system.run(leshan, dispatchers=arguments.dispatchers, leshan_max_in_flight=arguments.limit)
        await leshan.figures(begin=True)
        started, used, database = time.monotonic(), system.used(), system.used_by_database()
        waking = asyncio.create_task(_wake(system, devices, arguments.minute))
        leased, opened = await _watch(system, leshan, arguments.operations, arguments.within)
        await waking
        seconds = time.monotonic() - started
        calls, spent, by_database = await leshan.figures(), system.used(), system.used_by_database()
        return [
            ("drained in", seconds, "s"),
            ("operations a second", arguments.operations / seconds, "/s"),
            ("ideal (always as many calls open as may be)", ideal, "s"),
            ("most calls open", calls["mostOpen"], f"of {arguments.limit}"),
            ("calls open in the mean, first call to last answer", calls["meanOpen"], f"of {arguments.limit}"),
            ("samples at which fewer than 90 % were open (first and last second apart)", opened, "%"),
            ("samples at which fewer than 90 % of the limit were SENDING, their results not yet stored", leased, "%"),
            ("first sends out of queue order", float(await system.one(DISORDER)), ""),
            ("CPU of the dispatchers", (spent.cpu - used.cpu) / seconds * 100, "% of a core"),
            ("CPU of PostgreSQL", (by_database.cpu - database.cpu) / seconds * 100, "% of a core"),
            ("memory of the dispatchers", spent.memory, "MiB"),
        ]


async def _wake(system: Site, devices: list[str], seconds: float) -> None:
    """Wake the devices, evenly distributed over the given time."""
    piece = -(-len(devices) // MOMENTS)
    for start in range(0, len(devices), piece):
        begun = time.monotonic()
        await wake(system.ledger, devices[start : start + piece])
        await asyncio.sleep(max(0.0, seconds / MOMENTS - (time.monotonic() - begun)))


async def _watch(system: Site, leshan: FakeLeshan, operations: int, within: float) -> tuple[float, float]:
    """Sample four times a second until all operations are confirmed.

    Returns:
        The shares of samples, in percent, with less SENDING than allowed, and with fewer calls open: an attempt is
            SENDING from its claim until its result is stored, and its call is open for a part of that.
    """
    samples: list[tuple[float, float]] = []
    async with asyncio.timeout(within):
        while await system.one("SELECT confirmed FROM leshan_server") < operations:
            samples.append((float(await system.one(SENDING)), (await leshan.figures())["open"]))
            await asyncio.sleep(0.25)
    leased, opened = zip(*samples[4:-4] or samples or [(0.0, 0.0)], strict=True)
    return _short(leased), _short(opened)


def _short(samples: Sequence[float]) -> float:
    return sum(1 for sample in samples if sample < 0.9 * max(samples)) / len(samples) * 100


if __name__ == "__main__":
    main()
