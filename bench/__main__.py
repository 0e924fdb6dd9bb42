"""Ratios measured side by side in one run, on this machine: ``make bench``, or ``make bench ONLY=dispatch``.

Each line of the table is measured a few times in its own process, with real databases configured for durable commits;
medians are printed, and written as JSON and as a page with plots. No process is left running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.console import Console
from rich.table import Table

from app.telemetry import configure_logging
from bench.celery_reference import NAME
from bench.lines import LINES
from bench.measuring import Figure, medians
from bench.page import shown, write_page
from bench.site import ran, settings_of, site
from bench.size import SMALL, Size

DATABASES: Final = ("sqlite", "postgres")
DOCS: Final = "docs/bench"


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    configure_logging(level="warning")
    if arguments.line:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(_measure(arguments.line, arguments.database[0], _size(arguments)))))
        return
    report = asyncio.run(_report(arguments))
    _print(report)
    if arguments.out:
        write_page(report, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=LINES, action="append", help="measure this line; may be given again")
    parser.add_argument("--database", choices=DATABASES, action="append", help="on this database; else on both")
    parser.add_argument("--rounds", type=int, help="how often each line is measured (default 3)")
    parser.add_argument("--small", action="store_true", help="one round at a small size: see that it runs")
    parser.add_argument("--out", type=Path, help=f"write figures.json and README.md with plots here, like {DOCS}")
    parser.add_argument(
        "--celery", action="store_true", help="also the same job done with Django and Celery, installed for it"
    )
    parser.add_argument("--line", choices=LINES, help=argparse.SUPPRESS)
    return parser.parse_args()


def _size(arguments: argparse.Namespace) -> Size:
    size = SMALL if arguments.small else Size()
    return Size(**{**_fields(size), "rounds": arguments.rounds or size.rounds})


def _fields(size: Size) -> dict[str, int]:
    return {name: getattr(size, name) for name in Size.__slots__}


async def _measure(line: str, database: str, size: Size) -> dict[str, Any]:
    """Measure one line in its own process: Tortoise binds its models to the first kind of database that it connects
    to."""
    async with site(database) as system:
        settings = await settings_of(system)
    return {"settings": settings, "figures": [one.as_json() for one in medians(await LINES[line](database, size))]}


async def _report(arguments: argparse.Namespace) -> dict[str, Any]:
    options = [*(["--small"] if arguments.small else []), "--rounds", str(_size(arguments).rounds)]
    databases = arguments.database or DATABASES
    lines: dict[str, dict[str, Any]] = {}
    settings: dict[str, Any] = {}
    for line in arguments.only or LINES:
        for database in databases:
            print(f"measuring {line} on {database} ..", file=sys.stderr, flush=True)
            output = await ran("bench", "--line", line, "--database", database, *options)
            result = json.loads(output.splitlines()[-1])
            settings[database] = result["settings"]
            lines.setdefault(line, {})[database] = result["figures"]
    if arguments.celery:
        print("measuring the same job done with Django and Celery ..", file=sys.stderr, flush=True)
        output = await ran("bench.celery_reference", *options)
        lines["celery"] = json.loads(output.splitlines()[-1])
        lines["celery"]["postgres"] += _beside_celery(lines)
    return {"machine": _machine(), "settings": settings, "lines": lines}


def _beside_celery(lines: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the ratios of Reveille's figures to the reference's in the same run, for the figures that were
    measured."""
    own = [
        (one, database)
        for line in ("webhook", "dispatch")
        for database, figures in lines.get(line, {}).items()
        for one in figures
    ]
    return [
        Figure(f"Reveille / {NAME}: {one['what']}, {database}", one["value"] / its["value"], "x", ">= 25x").as_json()
        for its in lines["celery"]["postgres"]
        for one, database in own
        if its["unit"].endswith("/s") and one["what"].endswith(its["what"].removeprefix(f"{NAME}: "))
    ]


def _machine() -> dict[str, Any]:
    loads = [round(load, 2) for load in os.getloadavg()]
    taken = datetime.now(UTC).isoformat(timespec="minutes")
    return {"taken": taken, "cores": os.cpu_count(), "python": platform.python_version(), "load": loads}


def _print(report: dict[str, Any]) -> None:
    console = Console(width=140)
    console.print(report["machine"])
    for database, settings in report["settings"].items():
        console.print(f"{database}: {', '.join(f'{name} = {value}' for name, value in settings.items())}")
    for line, by_database in report["lines"].items():
        for database, figures in by_database.items():
            table = Table("what", "figure", "goal", title=f"{line}, {database}", title_justify="left", width=130)
            for one in figures:
                table.add_row(one["what"], f"{shown(one['value'])} {one['unit']}", one["goal"])
            console.print(table)


if __name__ == "__main__":
    main()
