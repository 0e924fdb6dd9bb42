"""A simulated Leshan whose devices each wake once within a time: what ``bench.scale.pattern`` starts."""

from __future__ import annotations

import argparse
import asyncio

import uvloop

from app.leshan.simulator import Simulator, SimulatorConfig
from app.serving import told_to_end


def main() -> None:
    """Serve until the process is ended; the first line says where."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale.simulated", description=__doc__)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--webhook", required=True, help="where events are posted to")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> None:
    config = SimulatorConfig(
        devices=arguments.endpoints,
        start_within_seconds=arguments.seconds,
        asleep_seconds=(arguments.seconds, 2 * arguments.seconds),
        lifetime_seconds=86_400,
        objects=(1, 3, 5),
        received_kept=1,
        webhook_url=arguments.webhook,
    )
    told = asyncio.Event()
    async with Simulator(config).serve() as simulator:
        print(f"address={simulator.url}", flush=True)
        told = told_to_end()
        await told.wait()


if __name__ == "__main__":
    main()
