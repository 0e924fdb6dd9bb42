"""Keep the tables of ``docs/metrics.md`` equal to the metrics in ``app/telemetry.py``: write them, or with `--check`
only compare.

The tables are between the lines `<!-- metrics of a process -->` or `<!-- metrics of the database -->` and
`<!-- /metrics -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from app import telemetry

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"

METRICS: Final = tuple(metric for metric in vars(telemetry).values() if isinstance(metric, MetricWrapperBase))
OF_THE_DATABASE: Final = tuple(
    metric for metric in METRICS if metric in telemetry.READ_GAUGES or metric is telemetry.BREAKER_OPEN
)
OF_A_PROCESS: Final = tuple(metric for metric in METRICS if metric not in OF_THE_DATABASE)


def name_of(metric: MetricWrapperBase) -> str:
    """Return the name of a metric as it is exposed; a histogram is exposed with suffixes."""
    (described,) = metric.describe()
    return f"{described.name}_total" if described.type == "counter" else described.name


def table(metrics: Iterable[MetricWrapperBase]) -> str:
    """Return the table of some metrics in Markdown, sorted by name."""
    rows = sorted(_row(metric) for metric in metrics)
    return "\n".join(["| Metric | Type | Labels | Description |", "|---|---|---|---|", *rows])


def _row(metric: MetricWrapperBase) -> str:
    (described,) = metric.describe()
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - there is no public access
    return f"| `{name_of(metric)}` | {described.type} | {labels} | {described.documentation} |"


def filled(text: str) -> str:
    """Return the text with its tables replaced by the current ones.

    Raises:
        ValueError: the text has not exactly these two tables.
    """
    for name, metrics in (("a process", OF_A_PROCESS), ("the database", OF_THE_DATABASE)):
        pattern = re.compile(rf"(?<=<!-- metrics of {name} -->\n).*?(?=<!-- /metrics -->)", re.DOTALL)
        text, tables = pattern.subn(lambda _, metrics=metrics: f"\n{table(metrics)}\n\n", text)  # type: ignore[misc]
        if tables != 1:
            raise ValueError(f"Invalid metrics.md; exactly one table of the metrics of {name} is expected.")
    return text


def main() -> int:
    text = PAGE.read_text()
    new = filled(text)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new)
    elif new != text:
        print("docs/metrics.md: the tables are out of date; run `make schema`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
