"""What the commands share: their options, and a table at the end."""

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
from bench.page import shown

Measured = tuple[str, float | str, str]
"""What, figure, unit."""


def options(module: str, description: str | None, *, database: bool = True) -> argparse.ArgumentParser:
    """A parser; with ``--database`` unless the command needs several processes, and so PostgreSQL."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    if database:
        parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    return parser


def run(work: Coroutine[Any, Any, Iterable[Measured]], title: str) -> None:
    """Do the work on the loop that serves, and print what it told."""
    configure_logging(level="warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(work)
    table = Table("what", "figure", title=title, title_justify="left")
    for what, figure, unit in told:
        table.add_row(what, f"{figure if isinstance(figure, str) else shown(figure)} {unit}".strip())
    Console(width=140).print(table)


def judge(broken: list[str]) -> None:
    """Say that all is well, or what is not, and exit with 1."""
    print("\n".join(broken) or "all is as promised")
    if broken:
        sys.exit(1)


async def never(_seconds: float) -> None:
    """A bus that tells nothing, for ever."""
    await asyncio.get_running_loop().create_future()
