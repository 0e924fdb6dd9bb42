"""The figures of a run as JSON, and as a page with plots: bars, drawn as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

import orjson

ROW: Final = 22
LEFT: Final = 560
BAR: Final = 300
COLOURS: Final = {"sqlite": "#5b8db8", "postgres": "#336791", "celery": "#8a9a5b"}

_Bar = tuple[str, str, float]
"""Database, name of the figure, value."""


def shown(value: float) -> str:
    """Format a value for people: three significant digits are enough."""
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"


def write_page(report: Mapping[str, Any], folder: Path) -> None:
    """Write ``figures.json``, ``README.md`` and an SVG for each line of the table into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    for line, by_database in report["lines"].items():
        (folder / f"{line}.svg").write_text(plot(by_database))
    (folder / "README.md").write_text("\n".join(_page(report)) + "\n")


def _page(report: Mapping[str, Any]) -> Iterable[str]:
    machine = report["machine"]
    yield "# Speed: one run of `make bench`"
    yield ""
    yield "Written by `make bench`; nothing here is written by hand. Ratios count, figures belong to the machine: "
    yield f"{machine['cores']} cores, Python {machine['python']}, load at the end {machine['load']},"
    yield f"{machine['taken']}."
    yield ""
    for database, settings in report["settings"].items():
        yield f"- {database}: " + ", ".join(f"`{name}={value}`" for name, value in settings.items())
    for line, by_database in report["lines"].items():
        yield from _section(line, by_database)


def _section(line: str, by_database: Mapping[str, list[dict[str, Any]]]) -> Iterable[str]:
    databases = list(by_database)
    yield from ("", f"## {line}", "", f"![{line}]({line}.svg)", "")
    yield "| what | goal | " + " | ".join(databases) + " |"
    yield "|---|---|" + "---:|" * len(databases)
    goals = {one["what"]: one["goal"] for figures in by_database.values() for one in figures}
    for what, goal in goals.items():
        cells = [_cell(by_database[database], what) for database in databases]
        yield f"| {what} | {goal} | " + " | ".join(cells) + " |"


def _cell(figures: Iterable[Mapping[str, Any]], what: str) -> str:
    return next((f"{shown(one['value'])} {one['unit']}".strip() for one in figures if one["what"] == what), "")


def plot(by_database: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return an SVG with bars of the figures, each unit on its own scale."""
    units: dict[str, list[_Bar]] = {}
    for database, figures in by_database.items():
        for one in figures:
            units.setdefault(one["unit"], []).append((database, one["what"], one["value"]))
    rows = [row for unit, bars in units.items() for row in _rows(unit, sorted(bars, key=lambda bar: bar[1]))]
    size = f'width="{LEFT + BAR + 120}" height="{ROW * (len(rows) + 1)}"'
    drawn = [f'<g transform="translate(0,{ROW * number})">{row}</g>' for number, row in enumerate(rows)]
    style = 'font-family="sans-serif" font-size="12" fill="#333"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', *drawn, "</svg>", ""])


def _rows(unit: str, bars: list[_Bar]) -> Iterable[str]:
    most = max((abs(value) for _, _, value in bars), default=0) or 1
    for database, what, value in bars:
        width = max(0.0, value) / most * BAR
        yield (
            f'<text x="{LEFT - 8}" y="15" text-anchor="end">{escape(f"{what} · {database}")}</text>'
            f'<rect x="{LEFT}" y="3" width="{width:.1f}" height="{ROW - 6}" fill="{COLOURS.get(database, "#999")}"/>'
            f'<text x="{LEFT + width + 6:.1f}" y="15">{shown(value)} {escape(unit)}</text>'
        )
