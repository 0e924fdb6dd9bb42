"""Readings are read along the indexes that ``docs/queries.md`` names; no table is read whole."""

from __future__ import annotations

import re
import time

import pytest

from app.domain.enums import DAY, HOUR, Presence
from app.models.database import migrate, reading
from app.models.ledger import open_store
from app.models.ledger.writing import UPSERT_STATE
from app.models.queries import EndpointCriteria, Interval, ReadingCriteria
from app.models.queries.access import Statement, on_postgres
from app.models.queries.readings import latest_statement, page_statement, series_statement
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, FIRST, plan, statistics, used_indexes, whole_tables

PATHS = ["/5/0/1", "/5/0/2"]
ENDPOINT = 7

_STATES = """
    INSERT INTO resource_state (id, endpoint_id, path, type, value, at)
    SELECT i * 10000 + id, id, '/5/0/' || i, 'STRING', '"x"', 1
    FROM endpoint, (SELECT 1 AS i UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) paths
"""
_HOURS = f"""
    INSERT INTO reading_hour (endpoint_id, path, hour, count, numbers, last_at, last_value)
    SELECT endpoint_id, path, {FIRST // HOUR * HOUR} + seq / 3000 * {HOUR}, 1, 0, at, '"x"' FROM reading
"""  # noqa: S608 - constants

READINGS = {"ix_reading_path"}
HOURS = {"ix_reading_path", "ix_reading_seq", "reading_hour_pkey"}
BY_PATH = {"ix_resource_state_path", "endpoint_pkey"}
BY_NAME = {
    *("uq_endpoint_name", "ix_endpoint_name", "ix_endpoint_presence"),
    *("uq_resource_state_endpoint_path", "resource_state_pkey"),
}


def statements() -> list[tuple[Statement, set[str]]]:
    """Return the statements with their indexes."""
    day = ReadingCriteria(ENDPOINT, None, FIRST, FIRST + DAY)
    return [
        (page_statement(ReadingCriteria(ENDPOINT), PATHS[:1], 101), READINGS),
        (page_statement(ReadingCriteria(ENDPOINT), PATHS, 101, (FIRST, 5)), READINGS),
        (page_statement(day, PATHS, 101, (FIRST + HOUR, 5)), READINGS),
        (series_statement(ENDPOINT, PATHS, Interval.of(FIRST, FIRST + DAY, 300)), READINGS),
        (series_statement(ENDPOINT, PATHS, Interval.of(FIRST, FIRST + 30 * DAY, 300)), HOURS),
        (latest_statement(PATHS[0], EndpointCriteria(), "device-1100", 51), BY_PATH | BY_NAME),
        (latest_statement(PATHS[0], EndpointCriteria("17", [Presence.ONLINE]), "device-1100", 51), BY_PATH | BY_NAME),
    ]


def named(lines: list[str]) -> set[str]:
    """Return the indexes of a plan. PostgreSQL gives those of a partition the names of their columns."""
    names = "\n".join(used_indexes(lines))
    names = re.sub(r"reading_\d{8}_endpoint_id_path_at.*", "ix_reading_path", names)
    return {*re.sub(r"reading_\d{8}_seq_idx", "ix_reading_seq", names).split("\n")} - {""}


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_readings_are_found_by_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, _STATES, _HOURS, *statistics(analyze))
    async with reading(many_rows_url):
        for statement, admitted in statements():
            lines = await plan(statement)
            assert not whole_tables(lines), lines
            assert named(lines) <= admitted, lines
            assert named(lines), lines
        assert on_postgres() or "SEARCH h USING PRIMARY KEY" in "\n".join(await plan(statements()[4][0]))


@pytest.mark.asyncio
async def test_states_are_copied_by_index_from_the_partition_of_their_time(database_url: str) -> None:
    """A plan that is made while the partition is empty is used when it is full."""
    await migrate(database_url)
    store = open_store(database_url, unsafe=True)
    await store.open()
    if store.postgres:
        rows = await store.fetch(f"EXPLAIN {UPSERT_STATE.at_once}", [1, 2], [time.time_ns() // 1000] * 2)
    else:
        rows = await store.fetch(f"EXPLAIN QUERY PLAN {UPSERT_STATE.each}", 1, FIRST)
    await store.close()
    text = "\n".join(str(row[0 if store.postgres else 3]) for row in rows)
    if store.postgres:
        assert "Seq Scan" not in text
        assert named(text.splitlines()) == {"ix_reading_seq"}
        assert len({*re.findall(r"reading_\d{8}", text)}) == 1
    else:
        assert "INTEGER PRIMARY KEY" in text
