"""Real processes for all of this folder, and their logs where a test fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.processes import Processes, processes

_LOGS: Final = pytest.StashKey[list[Processes]]()


@pytest.fixture(scope="session")
def pycache(request: pytest.FixtureRequest) -> Path:
    """Where child processes keep their bytecode: on two cores compiling is most of a start."""
    return Path(request.config.cache.mkdir("pycache"))


@pytest.fixture(scope="session")
def _started(request: pytest.FixtureRequest) -> list[Processes]:
    """All groups of processes of this session."""
    return request.session.stash.setdefault(_LOGS, [])


@pytest.fixture
def own_processes(tmp_path: Path, pycache: Path, _started: list[Processes]) -> Iterator[Processes]:
    """Processes of one test."""
    with processes(tmp_path, pycache) as group:
        _started.append(group)
        yield group
        _started.remove(group)


@pytest.fixture(scope="module")
def module_processes(
    tmp_path_factory: pytest.TempPathFactory, pycache: Path, _started: list[Processes]
) -> Iterator[Processes]:
    """Processes of one module."""
    with processes(tmp_path_factory.mktemp("processes"), pycache) as group:
        _started.append(group)
        yield group
        _started.remove(group)


@pytest.fixture(scope="session")
def reveille_url(tmp_path_factory: pytest.TempPathFactory, pycache: Path, _started: list[Processes]) -> Iterator[str]:
    """The address of one ``reveille serve`` for the session: SQLite, the built-in simulator, no tokens."""
    with processes(tmp_path_factory.mktemp("serve"), pycache) as group:
        _started.append(group)
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'reveille.db'}").url
        _started.remove(group)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log beside a failure."""
    report = yield
    if report.failed:
        for group in item.session.stash.get(_LOGS, []):
            for process in group.running:
                report.sections.append((f"log of reveille {process.name}", process.log[-6_000:]))
    return report
