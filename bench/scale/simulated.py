"""A simulated Leshan with very many devices, which each wake once within a time or act only when commanded: the other
commands start it."""

from __future__ import annotations

import argparse
import asyncio

import uvloop

from app.serving import termination_signal
from simulator import Mode, Simulator, SimulatorConfig

ALL_DAY = 86_400
"""Seconds: devices that register all at once must not all fall asleep, or expire, at once."""


def main() -> None:
    """Serve until the process is terminated; the first line of output is the address."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale.simulated", description=__doc__)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--seconds", type=float, help="within which each wakes once; else all do what /sim tells them")
    parser.add_argument("--webhook", help="where events are posted to")
    parser.add_argument("--mode", type=Mode, choices=Mode, default=Mode.M18, help="the server that it is like")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> None:
    seconds = arguments.seconds or 1.0
    config = SimulatorConfig(
        devices=arguments.endpoints,
        mode=arguments.mode,
        autonomous=arguments.seconds is not None,
        awake_window_seconds=93.0 if arguments.seconds is not None else ALL_DAY,
        start_within_seconds=seconds,
        asleep_seconds=(seconds, 2 * seconds),
        lifetime_seconds=ALL_DAY,
        objects=(1, 3, 5),
        received_kept=1,
        webhook_url=arguments.webhook,
    )
    stop = asyncio.Event()
    async with Simulator(config).serve() as simulator:
        print(f"address={simulator.url}", flush=True)
        stop = termination_signal()
        await stop.wait()


if __name__ == "__main__":
    main()
