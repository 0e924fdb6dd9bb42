"""Widely used GraphQL clients at their default settings against a running Reveille."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from tests.clients.conftest import Counts
from tests.clients.node import FOLDER, Node, Result
from tests.support.processes import ROOT

SUITES: Final = {
    "urql-5": 14,
    "urql-6": 14,
    "apollo": 12,
    "graphql-request": 4,
    "relay": 5,
    "graphql-ws": 5,
    "graphql-sse": 5,
    "resuming": 2,
    "readme": 4,
    "audits": 62,
}
"""Number of tests by suite; `audits` also has one that checks that there are 61 audits."""

LIMITS: Final = "limits"
LIMITED_CLIENTS: Final = 5

PACKAGE: Final = ROOT / "frontend-examples/node-client"
PACKAGE_TESTS: Final = 10


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_a_client_at_its_default_settings(suite: str, clients: Node, counts: Counts, subtests: pytest.Subtests) -> None:
    results = clients.test(FOLDER / f"{suite}.test.js")
    counts[suite] = passed_of(results, SUITES[suite])
    report(results, SUITES[suite], subtests)


@pytest.mark.slow
def test_a_client_that_is_refused_by_a_limit(limited_clients: Node, counts: Counts, subtests: pytest.Subtests) -> None:
    results = limited_clients.test(FOLDER / f"{LIMITS}.test.js")
    counts[LIMITS] = passed_of(results, LIMITED_CLIENTS)
    report(results, LIMITED_CLIENTS, subtests)


def test_the_package_that_resumes_subscriptions(node: Node, counts: Counts, subtests: pytest.Subtests) -> None:
    results = node.test(PACKAGE / "test/resuming.test.js")
    counts["@reveille/client"] = passed_of(results, PACKAGE_TESTS)
    report(results, PACKAGE_TESTS, subtests)


def test_the_command_of_the_package_s_readme_runs_its_tests(node: Node) -> None:
    (command,) = re.findall(r"^`(npm .*?)`", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    done = node.shell(command, folder=PACKAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"pass {PACKAGE_TESTS}\n" in done.stdout


def test_the_types_of_the_package_fit_its_clients(node: Node) -> None:
    done = node.run("node_modules/typescript/bin/tsc", "--project", "types")
    assert done.returncode == 0, done.stdout


def test_the_package_contains_what_its_manifest_names(node: Node) -> None:
    package = FOLDER / "node_modules/@reveille/client"
    files = {path.name for path in package.iterdir()}
    assert files == {"README.md", "index.d.ts", "index.js", "package.json"}
    manifest = json.loads((package / "package.json").read_text())
    assert {Path(file).name for file in manifest["exports"]["."].values()} <= files


def test_every_suite_is_run() -> None:
    assert {file.name.removesuffix(".test.js") for file in FOLDER.glob("*.test.js")} == {*SUITES, LIMITS}


def passed_of(results: list[Result], expected: int) -> tuple[int, int]:
    return sum(result.passed for result in results), max(expected, len(results))


def report(results: list[Result], expected: int, subtests: pytest.Subtests) -> None:
    """Show each JavaScript test as a subtest, so that pytest counts them."""
    for result in results:
        with subtests.test(result.name):
            assert result.passed, result.output
    assert len(results) == expected, [result.name for result in results]
