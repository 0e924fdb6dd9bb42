"""Real processes for all tests of this folder, and their logs if a test fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process_fixtures import (
    ProcessesIn,
    forks,
    processes_in,
    pytest_runtest_makereport,
    started,
    whole,
)
from tests.support.processes import Command, Processes

__all__ = ["forks", "processes_in", "pytest_runtest_makereport", "started", "whole"]


@pytest.fixture
def own_processes(tmp_path: Path, processes_in: ProcessesIn) -> Iterator[Processes]:
    """Processes of one test."""
    with processes_in(tmp_path) as group:
        yield group


@pytest.fixture(scope="module")
def reveille_url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of one ``reveille serve`` for a file: SQLite, the built-in simulator, no tokens."""
    with processes_in(tmp_path_factory.mktemp("serve"), Command()) as group:
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'reveille.db'}").url
