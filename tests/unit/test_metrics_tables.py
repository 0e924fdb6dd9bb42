"""The page of the metrics is made from the code."""

from __future__ import annotations

import pytest

from tools.metrics_tables import METRICS, PAGE, filled, name_of


def test_the_page_has_every_metric() -> None:
    text = PAGE.read_text()
    assert filled(text) == text
    assert [name_of(metric) for metric in METRICS if f"| `{name_of(metric)}` |" not in text] == []


def test_a_page_without_its_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one table"):
        filled("# Metrics")
