"""Ratios measured side by side in one run, on this machine: ``make bench BENCH_ARGS="--only pages"``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from app.main import Role, running
from app.models.database import migrate
from app.settings import LeshanEvents, Settings
from app.telemetry import configure_logging
from bench.commits import commits
from bench.dispatching import dispatching, waking
from bench.fake_leshan import fake_leshan
from bench.measuring import Figure
from bench.reading import fanout, pages

PARTS: Final = ("commits", "dispatching", "waking", "pages", "fanout")


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    configure_logging(level="warning")
    with tempfile.TemporaryDirectory() as folder:
        arguments.database = arguments.database or f"sqlite://{Path(folder) / 'bench.db'}"
        # the loop that `reveille serve` runs on
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_measure(arguments))
    table = Table("what", "figure", title=f"{arguments.database.split(':', 1)[0]}, durable commits")
    for what, figure in figures:
        table.add_row(what, figure)
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this; may be given again")
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--operations", type=int, default=6_000, help="also the number of updates")
    parser.add_argument("--database", help="sqlite://.. or postgres://.. of an empty database; default: a SQLite file")
    return parser.parse_args()


async def _measure(arguments: argparse.Namespace) -> list[Figure]:
    await migrate(arguments.database)
    async with fake_leshan() as leshan:
        settings = Settings(
            database_url=arguments.database, leshan_url=leshan.address, leshan_events=LeshanEvents.WEBHOOK
        )
        async with running(settings, Role.API | Role.DISPATCH) as parts:
            measures: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
                "commits": lambda: commits(parts, arguments.devices, arguments.operations),
                "dispatching": lambda: dispatching(parts, leshan, arguments.devices, arguments.operations),
                "waking": lambda: waking(parts, leshan),
                "pages": lambda: pages(parts),
                "fanout": lambda: fanout(parts),
            }
            return [figure for name in arguments.only or PARTS for figure in await measures[name]()]


if __name__ == "__main__":
    main()
