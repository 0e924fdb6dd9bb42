"""Shared parts of the commands: their options, and the table at the end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Iterable
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from app.telemetry import configure_logging
from bench.measuring import share
from bench.page import shown

Measured = tuple[str, float | str, str]
"""Name, figure, unit."""


def options(module: str, description: str | None, *, database: bool = True) -> argparse.ArgumentParser:
    """Return a parser; with ``--database`` unless the command needs several processes, and so PostgreSQL."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    if database:
        parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    return parser


def run(work: Coroutine[Any, Any, Iterable[Measured]], title: str) -> None:
    """Run the measurement on the event loop that serving uses, and print its figures."""
    configure_logging(level="warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(work)
    table = Table("what", "figure", title=title, title_justify="left")
    for what, figure, unit in figures:
        table.add_row(what, f"{figure if isinstance(figure, str) else shown(figure)} {unit}".strip())
    Console(width=140).print(table)


def judge(broken: list[str]) -> None:
    """Print the violations, or that there are none; exit with 1 if there are any."""
    print("\n".join(broken) or "all is as promised")
    if broken:
        sys.exit(1)


def compared_wakes(without: list[float], beside: list[float], part: float, when: str) -> list[Measured]:
    """Return a percentile of the delays of wakes in ms without and beside other work, and their ratio."""
    name = f"wake (webhook called) to request at Leshan, p{part * 100:.0f}"
    first, second = share(without, part), share(beside, part) if beside else 0.0
    return [
        (f"{name}, without", first, "ms"),
        (f"{name}, {when}", second, "ms"),
        (name, second / first, "x"),
    ]


async def never(_seconds: float) -> None:
    """Wait forever, as for a bus without messages."""
    await asyncio.get_running_loop().create_future()
