"""Keep the tables of ``docs/metrics.md`` equal to the metrics in ``app/telemetry.py``: write them, or with `--check`
only compare.

The tables are named `metrics of a process` and `metrics of the database`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from app import telemetry
from tools.pages import with_table, write_or_check

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
    """Return the text of the page with its tables replaced by the current ones. Raises as :func:`with_table` does."""
    text = with_table(text, "metrics of a process", table(OF_A_PROCESS))
    return with_table(text, "metrics of the database", table(OF_THE_DATABASE))


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, filled))
