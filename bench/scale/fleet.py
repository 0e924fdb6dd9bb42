"""A whole campaign of firmware updates on two processes of each role, with very many simulated devices that sleep, wake
and fail: waves, an approval, a pause, an abort, and retries, compared with what the devices counted."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from app.models.invariant_check import violations
from bench.measuring import used_by
from bench.scale.common import Measured, judge, options, run
from tests.support.campaign_run import CampaignRun
from tests.support.cluster import cluster
from tests.support.processes import Command, processes


def main() -> None:
    """Run the campaign, judge and report; exit with 1 if a count was wrong or an image was not applied exactly once."""
    parser = options("bench.scale.fleet", __doc__, database=False)
    parser.add_argument("--devices", type=int, default=10_000)
    less_often = "devices wake so many times less often than every 20 to 60 s (540 events a second of 10,000)"
    parser.add_argument("--pace", type=float, default=1.0, help=less_often)
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"a campaign of {arguments.devices:,} simulated devices, PostgreSQL")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as folder, processes(Path(folder), Command()) as group:
        async with cluster(group, like="reveille") as whole:
            campaign = CampaignRun(whole, arguments.devices, arguments.pace)
            await campaign.run()
            broken += [*campaign.broken, *await violations(whole.settings["database_url"])]
            spent = used_by(process.pid for process in whole.dispatchers)
            (row,) = await whole.rows("SELECT count(*), sum(executions) FROM firmware_update")
            return [
                *((what, seconds, "s") for what, seconds in campaign.seconds.items()),
                ("firmware updates, and requests to install", f"{row[0]:,}, {row[1]:,}", ""),
                ("memory of both dispatchers at the peak", spent.memory, "MiB"),
                ("CPU of the dispatchers", spent.cpu, "s"),
                ("comparisons of the counts with the targets", float(campaign.looks), ""),
                ("responses of both API processes", float(campaign.answers), ""),
            ]


if __name__ == "__main__":
    main()
