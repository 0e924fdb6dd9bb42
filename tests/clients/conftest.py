"""A Reveille with a token for JavaScript's clients, Node.js, and our npm package as a registry would deliver it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.clients.node import FOLDER, Node
from tests.conftest import missing
from tests.support.process_fixtures import ProcessesIn, forks, processes_in, pytest_runtest_makereport, started
from tests.support.processes import ROOT

__all__ = ["forks", "processes_in", "pytest_runtest_makereport", "started"]

TOKEN: Final = "a-token-of-javascript-clients"

Counts = dict[str, tuple[int, int]]
_COUNTS: Final = pytest.StashKey[Counts]()


@pytest.fixture(scope="session")
def counts(request: pytest.FixtureRequest) -> Counts:
    """Number of passed tests and of all tests, by JavaScript suite."""
    return request.config.stash.setdefault(_COUNTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(_COUNTS, {})
    if counts:
        terminalreporter.section("JavaScript clients")
    for suite, (passed, of) in counts.items():
        terminalreporter.write_line(f"{suite:24} {passed} of {of} passed")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node.js with the clients of ``package-lock.json``, and ``@reveille/client`` as npm packs it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node.js and npm")
    stamp = FOLDER / "node_modules/.installed"
    if not stamp.exists() or stamp.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        missing("the npm packages of tests/clients: make clients")
    folder = tmp_path_factory.mktemp("npm-pack")
    pack = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    subprocess.run(pack, cwd=ROOT / "frontend-examples/node-client", check=True, capture_output=True)
    (packed,) = folder.glob("*.tgz")
    subprocess.run(["tar", "-xzf", str(packed), "-C", str(folder)], check=True)
    target = FOLDER / "node_modules/@reveille/client"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder / "package", target)
    return Node(dict(os.environ))


@pytest.fixture(scope="session")
def clients(node: Node, tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[Node]:
    """Node.js with the address of one ``reveille serve``: SQLite, the built-in simulator, one token."""
    with processes_in(tmp_path_factory.mktemp("serve")) as group:
        database = f"sqlite://{group.folder / 'reveille.db'}"
        url = group.start("serve", database_url=database, auth=f"clients:operator:{TOKEN}").url
        yield Node({**node.environment, "REVEILLE_CLIENTS_URL": f"{url}/graphql", "REVEILLE_CLIENTS_TOKEN": TOKEN})


@pytest.fixture
def limited_clients(node: Node, tmp_path: Path, processes_in: ProcessesIn) -> Iterator[Node]:
    """Node.js with the address of a ``reveille serve`` that admits one request a minute from each of its tokens."""
    with processes_in(tmp_path) as group:
        auth = ",".join(f"{name}:viewer:{name}-{TOKEN}" for name in ("apollo", "urql", "request", "sse", "socket"))
        url = group.start("serve", auth=auth, requests_per_minute=1).url
        yield Node({**node.environment, "REVEILLE_CLIENTS_URL": f"{url}/graphql", "REVEILLE_CLIENTS_TOKEN": TOKEN})
