"""Real processes for all tests of this folder, and their logs if a test fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process_fixtures import pycache, pytest_runtest_makereport, started, whole
from tests.support.processes import Processes, processes

__all__ = ["pycache", "pytest_runtest_makereport", "started", "whole"]


@pytest.fixture
def own_processes(tmp_path: Path, pycache: Path, started: list[Processes]) -> Iterator[Processes]:
    """Processes of one test."""
    with processes(tmp_path, pycache) as group:
        started.append(group)
        yield group
        started.remove(group)


@pytest.fixture(scope="session")
def reveille_url(tmp_path_factory: pytest.TempPathFactory, pycache: Path, started: list[Processes]) -> Iterator[str]:
    """The address of one ``reveille serve`` for the session: SQLite, the built-in simulator, no tokens."""
    with processes(tmp_path_factory.mktemp("serve"), pycache) as group:
        started.append(group)
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'reveille.db'}").url
        started.remove(group)
