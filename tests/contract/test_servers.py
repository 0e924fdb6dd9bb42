"""The servers that tests run on: PostgreSQL and Valkey start, answer, stop, and leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import aiosqlite
import asyncpg
import pytest

from app.models.database import migrate
from tests.support.ledger import SUCCESS, TABLES, new, registered
from tests.support.live_log import readable_world
from tests.support.servers.databases import KIND, DatabaseKind, Databases
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.valkey import ValkeyServer
from tests.support.waiting import eventually


async def execute(url: str, statement: str) -> None:
    if KIND is DatabaseKind.SQLITE:
        async with aiosqlite.connect(url.removeprefix("sqlite://")) as file:
            await file.execute(statement)
            await file.commit()
    else:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.mark.asyncio
async def test_every_test_has_a_database_of_its_own(empty_database_url: str, databases: Databases) -> None:
    await execute(empty_database_url, "CREATE TABLE mine (id int)")
    async with databases.empty() as other:
        assert other != empty_database_url
        await execute(other, "CREATE TABLE mine (id int)")


@pytest.mark.asyncio
async def test_a_test_has_a_migrated_database(database_url: str) -> None:
    assert await migrate(database_url) == []


@pytest.mark.asyncio
async def test_nothing_of_a_test_is_in_the_next_database(databases: Databases) -> None:
    found = []
    for _ in range(3):
        async with databases.copy() as url, readable_world(url) as world:
            tables = [*TABLES, "leshan_server", "ledger_head", "aerich"]
            before = {table: await world.rows(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
            await world.ingest(registered("one"))
            found.append((before, await world.create(new("one")), await world.attempt(SUCCESS)))
    first, *others = found
    assert others == [first, first]


@pytest.mark.asyncio
async def test_an_index_of_a_test_is_not_in_the_next_database(databases: Databases) -> None:
    for _ in range(3):
        async with databases.copy() as url:
            await execute(url, "CREATE INDEX ix_mine ON operation (fingerprint)")


@pytest.mark.asyncio
async def test_a_database_with_an_open_connection_is_dropped(postgres_server: PostgresServer) -> None:
    url = await postgres_server.create("held")
    held = await asyncpg.connect(url)
    await postgres_server.drop("held")
    await eventually(held.is_closed)


HOLDER = """
import sys, time
from tests.support.servers.{module} import {module}
with {module}() as running:
    print(running.server.process.pid, running.server.folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("module", ["postgres", "valkey"])
@pytest.mark.parametrize("ending", ["in order", "killed"])
async def test_a_server_ends_with_its_parent(
    module: str, ending: str, postgres_server: PostgresServer, valkey_server: ValkeyServer
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(module=module)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder, holder.stdout, holder.stdin:
        pid, folder = holder.stdout.readline().split()
        if ending == "killed":
            holder.send_signal(signal.SIGKILL)
    assert holder.wait(30) == (-signal.SIGKILL if ending == "killed" else 0)
    await eventually(lambda: not _runs(int(pid)))
    if ending == "in order":
        assert not Path(folder).exists()
    else:
        subprocess.run(["rm", "-rf", folder], check=True)


def _runs(pid: int) -> bool:
    """Return whether the process still runs; a dead process for which no parent has waited does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
