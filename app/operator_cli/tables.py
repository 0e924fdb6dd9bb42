"""Format responses for a terminal."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.printable import printable, printable_json

Answer = Mapping[str, Any]
WIDTH: Final = 200
"""Width of tables that are written to a file or a pipe; on a terminal they are as wide as it is."""
_LEVELS: Final = "▁▂▃▄▅▆▇█"

_COLORS: Final = {
    **dict.fromkeys(("CONFIRMED", "ONLINE", "SUCCEEDED", "COMPLETED"), "green"),
    **dict.fromkeys(("FAILED", "PAUSED", "ABORTED", "LESHAN", "DISPATCHER", "NOT OK"), "red"),
    **dict.fromkeys(("CANCELED", "OFFLINE", "SKIPPED"), "dim"),
    **dict.fromkeys(("QUEUED", "WAITING", "SCHEDULED"), "cyan"),
    **dict.fromkeys(("SENDING", "RUNNING", "WAITING_FOR_APPROVAL"), "yellow"),
    "EXPIRED": "magenta",
    "ASLEEP": "blue",
}


def print_json(answer: Any) -> None:
    """Print one JSON document on one line."""
    typer.echo(printable_json(json.dumps(answer, ensure_ascii=False)))


def echo(line: str, *, err: bool = False) -> None:
    """Print one line; text of devices, servers and users in it is escaped."""
    typer.echo(printable(line), err=err)


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def show(*components: Any) -> None:
    output = console()
    for part in components:
        output.print(part)


def short_id(id_: str) -> str:
    """Return the UUID within a global id, as log lines have it; every command accepts either."""
    try:
        return base64.b64decode(id_).decode().partition(":")[2] or id_
    except ValueError:
        return id_


def cell_text(text: Any) -> str:
    """Return a cell's text, colored if it is a term of the API; text of devices and people is never markup."""
    plain = "" if text is None else escape(printable(str(text)))
    color = _COLORS.get(plain)
    return f"[{color}]{plain}[/]" if color else plain


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    made = Table(*columns, title=escape(printable(title)), title_justify="left", header_style="bold", expand=False)
    for column in made.columns:
        column.overflow = "fold"
    for row in rows:
        made.add_row(*(cell_text(cell) for cell in row))
    return made


def parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def age(text: str | None, now: datetime | None = None) -> str:
    """Return the elapsed time as :func:`duration` does."""
    at = parse_time(text)
    return "" if at is None else duration(((now or datetime.now(UTC)) - at).total_seconds())


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: ``3h 12m``."""
    seconds = max(0, int(seconds))
    units = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
    components: list[str] = []
    for size, unit in units:
        if seconds >= size or (unit == "s" and not components):
            components.append(f"{seconds // size}{unit}")
            seconds %= size
    return " ".join(components[:2])


def sparkline(values: Sequence[float | None]) -> str:
    """Return one character per value, from the lowest to the highest of them; None is a gap. Equal values are all in
    the middle."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known) / 2, max(known) / 2  # halved, so that the span of the greatest values is finite

    def level(value: float) -> int:
        return round((value / 2 - low) / (high - low) * (len(_LEVELS) - 1)) if high > low else 3

    return "".join(" " if value is None else _LEVELS[level(value)] for value in values)


def path_text(operation: Answer) -> str:
    """Return the path, or the paths of a composite."""
    return operation["path"] or ", ".join(operation.get("paths") or ())


def operation_row(operation: Answer) -> list[Any]:
    why = operation["reason"] if operation["waitingFor"] == "NOTHING" else operation["waitingFor"]
    counted = f"{operation['attempts']}/{operation['maxAttempts']}"
    about = [operation["endpoint"]["name"], operation["kind"], path_text(operation), operation["status"]]
    return [*about, why, operation["deliveryAttempts"], counted, age(operation["createdAt"]), short_id(operation["id"])]


def operations_table(operations: Iterable[Answer], title: str = "operations") -> Table:
    columns = ("endpoint", "kind", "path", "status", "waits for / reason", "attempts", "counted", "age", "id")
    return table(title, columns, map(operation_row, operations))


def fields_table(title: str, flat: Answer) -> Table:
    """Return a table of the fields that have a value."""
    rows = [(name, _text(value)) for name, value in flat.items() if value not in (None, [])]
    return table(title, ("field", "value"), rows)


def facts_table(operation: Answer) -> Table:
    """Return a table of every field of one operation that has a value."""
    flat = {**operation, "endpoint": operation["endpoint"]["name"], "presence": operation["endpoint"]["presence"]}
    flat["retryOf"] = (operation.get("retryOf") or {}).get("id")
    return fields_table("operation", {name: value for name, value in flat.items() if name != "transitions"})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def transitions_table(transitions: Iterable[Answer]) -> Table:
    columns = ("number", "at", "from", "to", "attempt", "reason", "detail")
    keys = ("number", "at", "fromStatus", "toStatus", "attempt", "reason", "detail")
    return table("transitions", columns, ([transition[key] for key in keys] for transition in transitions))


def pauses_table(pauses: Iterable[Answer]) -> Table:
    rows = [(scope(p), p["reason"], p["pausedBy"], p["pausedAt"], age(p["pausedAt"])) for p in pauses]
    return table("paused", ("scope", "reason", "by", "since", "age"), rows)


def scope(pause: Answer) -> str:
    """Return a description of the scope of a pause."""
    if pause["endpointName"] is not None:
        return f"endpoint {pause['endpointName']}"
    return f"Leshan server {pause['leshanServerName']}" if pause["leshanServerName"] is not None else "everything"
