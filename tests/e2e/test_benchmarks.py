"""Run the benchmarks at a small size, so that they work when their figures are needed.

The only checked figure is not a time: the SQL of a transition does not grow with the number of subscribers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.site import FORKED
from tests.support.processes import ROOT, environment
from tests.support.servers.databases import KIND
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.database, pytest.mark.slow, pytest.mark.timeout(4 * BOUND)]


def run(*arguments: str, forked: bool = False) -> str:
    """Run a program; return its output. ``forked`` saves the imports of all but one of Reveille's processes."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment({}) | ({FORKED: "1"} if forked else {}),
        capture_output=True,
        text=True,
        timeout=3 * BOUND,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return done.stdout


def test_lines_of_the_table_are_measured_and_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    output = run("bench", "--small", "--only", "wake", "--only", "pages", "--database", KIND, "--out", str(out))
    assert f"wake, {KIND}" in output
    assert f"pages, {KIND}" in output
    assert {file.name for file in out.iterdir()} == {"README.md", "figures.json", "wake.svg", "pages.svg"}


@pytest.mark.browser
def test_plots_are_measured_from_the_click_to_the_drawn_plot() -> None:
    size = ("--endpoints", "2", "--readings", "300", "--rounds", "1")
    output = run("bench.scale.plot", "--database", KIND, *size)
    assert "click on 30 d, to drawn: p95" in output


def test_the_statements_of_a_transition_do_not_grow_with_subscribers() -> None:
    options = ("--database", KIND, "--subscribers", "1", "40", "--transitions", "10")
    output = run("bench.scale.statements", *options)
    # a notification may arrive between two reads of one commit and cause a read or two more than needed
    one, many = (float(figure) for figure in re.findall(r"subscribers\s*│\s*([\d.]+)", output))
    assert many <= one + 3


def test_the_plans_with_many_rows_are_shown() -> None:
    output = run("bench.scale.plans", "--database", KIND, "--rows", "2000", "--plans")
    assert "2,000 queued: claim" in output
    assert "ix_endpoint_ready" in output
