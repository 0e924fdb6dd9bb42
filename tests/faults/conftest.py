"""Real processes for all of this folder, and their logs where a test fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.cluster import Cluster
from tests.e2e.fixtures import pycache, pytest_runtest_makereport, started, whole
from tests.faults.site import Site, adopted

__all__ = ["pycache", "pytest_runtest_makereport", "started", "whole"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(whole: Cluster) -> AsyncIterator[Site]:
    """The cluster of this folder, its processes to be ended, frozen and replaced."""
    async with adopted(whole) as here:
        yield here


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def healed(site: Site) -> AsyncIterator[None]:
    """Whatever a test leaves behind, the next one finds all processes running."""
    yield
    for process in site.whole.processes.running:
        if process.server.process.poll() is None:
            process.server.thaw()
    await site.well_behaved()
