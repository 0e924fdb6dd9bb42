"""The readers' connections at their time limit, and the errors of a database that does not respond."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
import pytest_asyncio

from app.models.database import READ_SECONDS
from app.models.postgres import BoundedClient
from app.models.queries import ReadUnavailable, access
from app.models.sqlite import SqliteReader
from tests.support.servers.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

ENDLESS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest_asyncio.fixture
async def sqlite_reader(tmp_path: Path) -> AsyncIterator[SqliteReader]:
    """A lane on a SQLite file, used by ``fetch``; it does not wait for locks."""
    client = SqliteReader(tmp_path / "reveille.db", seconds=READ_SECONDS, lock_milliseconds=0)
    await client.open()
    with access.using(dict.fromkeys(access.Lane, client)):
        yield client
    await client.close()


async def test_a_statement_that_waited_too_long_for_its_lane_is_unavailable(sqlite_reader: SqliteReader) -> None:
    running = asyncio.create_task(access.fetch(ENDLESS))
    await eventually(lambda: sqlite_reader.busy)
    with mock.patch.object(sqlite_reader, "seconds", 0.0):
        waiting = asyncio.create_task(access.fetch("SELECT 1"))
        running.cancel()
        with pytest.raises(ReadUnavailable, match="no answer within"):
            await waiting
    assert [tuple(row) for row in await access.fetch("SELECT 1")] == [(1,)]


async def test_a_sqlite_statement_at_its_time_limit_is_unavailable(sqlite_reader: SqliteReader) -> None:
    with mock.patch.object(sqlite_reader, "seconds", 0.5), pytest.raises(ReadUnavailable, match="interrupted"):
        await access.fetch(ENDLESS)
    assert not sqlite_reader.busy


async def test_a_locked_sqlite_file_is_unavailable(sqlite_reader: SqliteReader, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "reveille.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ReadUnavailable, match="locked"):
            await access.fetch("SELECT name FROM sqlite_schema")


async def test_a_sqlite_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    client = SqliteReader(tmp_path / "missing" / "reveille.db", seconds=READ_SECONDS)
    with (
        access.using(dict.fromkeys(access.Lane, client)),
        pytest.raises(ReadUnavailable, match="unable to open"),
    ):
        await access.fetch("SELECT 1")


async def test_a_bad_statement_does_not_count_as_an_unavailable_sqlite(sqlite_reader: SqliteReader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        await access.fetch("SELECT missing")
    assert not sqlite_reader.busy


# --- PostgreSQL


@pytest_asyncio.fixture
async def postgres_reader(postgres_server: PostgresServer) -> AsyncIterator[BoundedClient]:
    """A lane with two connections, whose callers wait for 3 s; PostgreSQL ends a statement after 2 s."""
    client = BoundedClient(postgres_server.url(), seconds=3.0, size=2)
    assert await client.execute_query("SELECT 1")
    yield client
    client.discard_pool()


async def test_a_statement_that_began_late_terminates_no_other_connection(postgres_reader: BoundedClient) -> None:
    pool = postgres_reader._pool
    assert pool is not None
    async with pool.acquire() as other:
        async with pool.acquire() as busy:
            late = asyncio.create_task(postgres_reader.execute_query("SELECT pg_sleep(600)"))
            await busy.execute("SELECT pg_sleep(1.5)")
        with pytest.raises(TimeoutError, match="no answer within 3 s"):
            await late
        assert await other.fetchval("SELECT 1") == 1
        assert pool.get_size() == 1, "its own connection is terminated"
    assert postgres_reader._pool is pool
    assert await asyncio.gather(*(postgres_reader.execute_query("SELECT 1") for _ in range(4)))


async def test_an_unanswered_statement_discards_all_connections(postgres_reader: BoundedClient) -> None:
    pool = postgres_reader._pool
    assert pool is not None
    async with pool.acquire():
        async with pool.acquire() as silent:
            await silent.execute("SET statement_timeout = '20s'")  # as if PostgreSQL were frozen
        with pytest.raises(TimeoutError, match="no answer within 3 s"):
            await postgres_reader.execute_query("SELECT pg_sleep(600)")
        assert pool.get_size() == 0
    assert await postgres_reader.execute_query("SELECT 1")
