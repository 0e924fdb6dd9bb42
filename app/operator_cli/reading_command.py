"""The command ``reveille readings`` and its options."""

# ruff: noqa: PLC0415 - as in commands.py

from __future__ import annotations

from typing import Annotated, Final

import typer

from app.command_error import CommandError
from app.operator_cli.options import DEFAULT_URL, AsJson, Token, Url

_EXCLUSIVE: Final = (("list", "csv", "ndjson"), ("json", "csv", "ndjson"), ("points", "list", "csv", "ndjson"))
"""Options of which at most one may be given."""


def readings(
    endpoint: Annotated[str, typer.Argument(help="Name of the endpoint.")],
    path: Annotated[str | None, typer.Argument(help="At or below this path: /3 is object 3.")] = None,
    *,
    since: Annotated[
        str, typer.Option("--since", help="Earliest time: 2026-11-23T10:00:00Z, or 90s, 30m, 24h, 7d back from now.")
    ] = "24h",
    until: Annotated[str | None, typer.Option("--until", help="Time before which readings are shown.")] = None,
    points: Annotated[
        int | None, typer.Option("--points", min=1, help="Maximum number of intervals. Default: as many as fit.")
    ] = None,
    newest: Annotated[
        int | None, typer.Option("--list", "-n", min=1, max=10_000, help="List so many readings, newest first.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write all readings as CSV, in order of path and time.")] = False,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Write all readings as JSON, one per line, in the same order.")
    ] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Show what a device reported: the latest value of each resource, and number, minimum, mean, maximum and a
    sparkline of its readings; or list or export the readings."""
    from datetime import UTC, datetime

    from app.operator_cli import readings as implementation
    from app.operator_cli.connection import Api
    from app.operator_cli.times import time_range

    given = {"list": newest is not None, "csv": csv, "ndjson": ndjson, "json": as_json, "points": points is not None}
    for options in _EXCLUSIVE:
        if len(both := [f"--{option}" for option in options if given[option]]) > 1:
            raise CommandError(f"{' and '.join(both)} exclude each other", 2)
    times = time_range(since, until, datetime.now(UTC))
    api = Api(url, token)
    if csv or ndjson:
        implementation.export(api, endpoint, path, times, "csv" if csv else "ndjson")
    elif newest is not None:
        implementation.show_list(api, endpoint, path, times, newest, as_json=as_json)
    else:
        implementation.show_table(api, endpoint, path, times, points, as_json=as_json)
