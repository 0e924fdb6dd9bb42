"""``reveille readings``: what a device reported, as a table with sparklines, as a list, or as an export."""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import typer
from rich.table import Table

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api, Unreachable
from app.operator_cli.tables import age, console, duration, echo, print_json, show, sparkline, table
from app.operator_cli.times import TimeRange, rfc3339
from app.printable import printable, printable_lines

PATHS: Final = 20
"""Maximum resources of one request for series."""
RESOURCES: Final = 200
"""Maximum resources in the table."""
PAGE: Final = 50
"""Readings of one request: each may have a large value, and the size of a response is limited."""
SHOWN: Final = 40
"""Maximum characters of a value in a table."""
SPARKLINE: Final = (10, 60)
"""Minimum and maximum characters of a sparkline whose number of intervals is not given."""

_MEDIA_TYPES: Final = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_PLOTTED: Final = frozenset({"INTEGER", "UNSIGNED_INTEGER", "FLOAT", "BOOLEAN"})
"""Types whose minimum, mean and maximum are shown. Those of a TIME would be seconds since 1970."""
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = ("path", "name", "latest", "units", "age")
_FIGURES: Final = ("readings", "min", "mean", "max")
_FIGURES_WIDTH: Final = 46
"""Usual width of their columns, with the borders of the last one."""

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals of all series: equally long, from ``start`` to ``end``."""

    start: datetime
    end: datetime
    seconds: float

    @classmethod
    def of(cls, start: datetime, end: datetime, seconds: float) -> Intervals:
        """Return the intervals of this length: those of an hour or more are whole hours, and begin at one."""
        if seconds < _HOUR.total_seconds():
            return cls(start, end, seconds)
        return cls(start - (start - _EPOCH) % _HOUR, end + (_EPOCH - end) % _HOUR, seconds)

    def means(self, buckets: Sequence[Answer]) -> list[float | None]:
        """Return the mean of each interval; None if it has no number."""
        length = timedelta(seconds=self.seconds)
        means: list[float | None] = [None] * math.ceil((self.end - self.start) / length)
        for bucket in buckets:
            index = round((datetime.fromisoformat(bucket["from"]) - self.start) / length)
            if 0 <= index < len(means):
                means[index] = bucket["mean"]
        return means


def show_table(
    api: Api, endpoint: str, path: str | None, times: TimeRange, points: int | None, *, as_json: bool
) -> None:
    """Show the latest value of each resource, and its readings in the range of times."""
    found = _resources(api, documents.RESOURCES, endpoint, path)
    resources, left_out = found[:RESOURCES], max(0, len(found) - RESOURCES)
    start, end = times.start, times.end or times.now
    cells = [_latest(resource, times.now) for resource in resources]
    wanted = {"endpoint": endpoint, "from": rfc3339(start), "to": rfc3339(end), "points": points or _fitting(cells)}
    series: dict[str, Answer] = {}
    for begin in range(0, len(resources), PATHS):
        paths = [resource["path"] for resource in resources[begin : begin + PATHS]]
        series |= {one["path"]: one for one in api.execute(documents.SERIES, paths=paths, **wanted)["readingSeries"]}
    seconds = next((float(one["bucketSeconds"]) for one in series.values()), 0.0)
    intervals = Intervals.of(start, end, seconds)
    rows = [{**resource, **_figures(series[resource["path"]]["buckets"])} for resource in resources]
    if as_json:
        shown = {"from": rfc3339(intervals.start), "to": rfc3339(intervals.end), "bucketSeconds": seconds}
        print_json({"endpoint": endpoint, **shown, "resources": rows, "leftOut": left_out})
        return
    shown_rows = [[*latest, *_plotted(row, intervals)] for latest, row in zip(cells, rows, strict=True)]
    show(_table(endpoint, intervals, shown_rows))
    if left_out:
        echo(f"{left_out} more resources are left out; give a path to select some")


def _resources(api: Api, document: str, endpoint: str, path: str | None) -> list[Answer]:
    """Return the resources of an endpoint at or below a path that have a value, sorted by path."""
    found = api.execute(document, endpoint=endpoint, path=path)["endpoint"]
    if found is None:
        raise CommandError(f"{endpoint}: unknown endpoint")
    resources: list[Answer] = found["resources"]
    return resources


def _fitting(cells: Sequence[Sequence[str]]) -> int:
    """Return the number of characters that remain for a sparkline beside these cells and the figures."""
    rows = [_COLUMNS, *cells]
    used = sum(max(len(printable(row[column])) for row in rows) + 3 for column in range(len(_COLUMNS)))
    least, most = SPARKLINE
    return min(most, max(least, console().width - used - _FIGURES_WIDTH))


def _figures(buckets: Sequence[Answer]) -> dict[str, Any]:
    """Return number, minimum, mean and maximum of all intervals, and the intervals themselves."""
    numbers = [bucket for bucket in buckets if bucket["mean"] is not None]
    of_numbers = sum(bucket["count"] for bucket in numbers)
    return {
        "count": sum(bucket["count"] for bucket in buckets),
        "min": min((bucket["min"] for bucket in numbers), default=None),
        "mean": sum(bucket["mean"] * (bucket["count"] / of_numbers) for bucket in numbers) if numbers else None,
        "max": max((bucket["max"] for bucket in numbers), default=None),
        "buckets": buckets,
    }


def _table(endpoint: str, intervals: Intervals, rows: Sequence[Sequence[str]]) -> Table:
    title = f"{endpoint}: {len(rows)} resources"
    if rows:
        start, end = (rfc3339(at.replace(microsecond=0)) for at in (intervals.start, intervals.end))
        title += f", {start} to {end} in intervals of {_length(intervals.seconds)}"
    made = table(title, (*_COLUMNS, *_FIGURES, "means"), rows)
    for column in made.columns[len(_COLUMNS) : -1]:
        column.justify = "right"
    made.columns[-1].no_wrap = True
    return made


def _length(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else f"{seconds:.3g}s"


def _latest(resource: Answer, now: datetime) -> list[str]:
    value, since = _text(resource["value"]), age(resource["at"], now)
    return [resource["path"], resource["name"] or "", value, resource["units"] or "", since]


def _plotted(row: Answer, intervals: Intervals) -> list[str]:
    """Return the cells of the figures and the sparkline; for other values than numbers only their count."""
    count = f"{row['count']:,}"
    if row["type"] not in _PLOTTED or row["mean"] is None:
        return [count, "", "", "", ""]
    figures = (f"{row[name]:.5g}" for name in ("min", "mean", "max"))
    return [count, *figures, sparkline(intervals.means(row["buckets"]))]


def _text(value: Any) -> str:
    """Return a value on one line, shortened."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def show_list(api: Api, endpoint: str, path: str | None, times: TimeRange, most: int, *, as_json: bool) -> None:
    """List the newest readings in the range of times, page by page."""
    names = {one["path"]: one for one in _resources(api, documents.RESOURCE_NAMES, endpoint, path)}
    wanted: dict[str, Any] = {"endpoint": endpoint, "path": path, **_limits(times)}
    found: list[dict[str, Any]] = []
    after, continues = None, True
    while continues and len(found) < most:
        size = min(PAGE, most - len(found))
        page = api.execute(documents.READINGS, first=size, after=after, **wanted)["readings"]
        for reading in (edge["node"] for edge in page["edges"]):
            known = names.get(reading["path"], {})
            found.append({**reading, "name": known.get("name"), "units": known.get("units")})
        after, continues = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    if as_json:
        print_json(found)
        return
    rows = ((r["at"], r["path"], r["name"], _text(r["value"]), r["units"], r["origin"], r["timeSource"]) for r in found)
    columns = ("time", "path", "name", "value", "units", "origin", "clock")
    more = ", and there are more" if continues else ""
    show(table(f"{endpoint}: the newest {len(found)} readings{more}", columns, rows))


def _limits(times: TimeRange) -> dict[str, str]:
    end = {} if times.end is None else {"to": rfc3339(times.end)}
    return {"from": rfc3339(times.start), **end}


def export(api: Api, endpoint: str, path: str | None, times: TimeRange, ending: str) -> None:
    """Write the readings in the range of times to standard output as they arrive: of any number, in constant memory.

    Raises:
        CommandError: refused, or the connection was lost, and the output is incomplete.
    """
    wanted = {"endpoint": endpoint, **({} if path is None else {"path": path}), **_limits(times)}
    chunks = api.download(f"/export/readings.{ending}", _MEDIA_TYPES[ending], wanted)
    written = 0
    try:
        if sys.stdout.isatty():
            for text in codecs.iterdecode(chunks, "utf-8", "replace"):
                typer.echo(printable_lines(text.replace("\r", "")), nl=False)
            return
        output = typer.get_binary_stream("stdout")
        for chunk in chunks:
            written += output.write(chunk)
        output.flush()
    except Unreachable as error:
        if not written:
            raise
        raise CommandError(f"the output is incomplete, {written} bytes were written: {error}") from None
