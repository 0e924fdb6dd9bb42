"""Every combination of filters is served by the indexes that ``docs/queries.md`` names; no table is read whole."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.enums import OperationKind, OperationStatus, Presence, ReasonCode
from app.models.database import reading
from app.models.ledger import batches, maintenance, queues, sequences
from app.models.operation import Operation
from app.models.operation_index import filing
from app.models.queries import EndpointCriteria, OperationCriteria
from app.models.queries.access import Statement, fetch, on_postgres
from app.models.queries.criteria import below
from app.models.queries.endpoints import PRESENCE_PAGE, endpoint_statement
from app.models.queries.log import log_sql
from app.models.queries.many import not_retried_statement
from app.models.queries.operations import operation_statement
from app.models.queries.views import EndpointView, PresenceChangeView, ReadingView, TransitionView
from tests.integration.reads.many_rows import execute
from tests.support.servers.databases import KIND, DatabaseKind

S, K, R = OperationStatus, OperationKind, ReasonCode
FIRST = 1_700_000_000_000_000
MINUTE = 60_000_000
END = 2**63 - 1

ANALYZED = [True] if KIND is DatabaseKind.POSTGRES else [True, False]
"""ANALYZE may never run on an embedded SQLite; PostgreSQL's autovacuum runs it by itself."""


def statistics(analyze: bool) -> tuple[str, ...]:
    """Return the statement that collects the planner's statistics, or none."""
    return ("ANALYZE",) if analyze else ()


MORE: list[dict[str, Any]] = [
    {"batch": "batch-7"},
    {"created_by": "creator-3"},
    {"reasons": [R.NO_ANSWER]},
    {"reasons": [R.NO_ANSWER, R.DEVICE_REFUSED], "kinds": [K.READ]},
    {"endpoints": ["device-1007", "device-1008"]},
    {"endpoints": ["device-1007", "device-1008"], "reasons": [R.NO_ANSWER]},
    {"batch": "batch-7", "retried": False},
]


def operation_criteria() -> Iterator[OperationCriteria]:
    for endpoint, statuses, kinds, path, (after, before) in itertools.product(
        (None, "device-1007"),
        (None, [S.FAILED], [S.QUEUED, S.SENDING, S.FAILED]),
        (None, [K.READ], [K.READ, K.EXECUTE]),
        (None, "/3", "/3303/0/5700"),
        ((None, None), (FIRST + 490 * MINUTE, None), (None, FIRST + 10 * MINUTE), (FIRST, FIRST + 10 * MINUTE)),
    ):
        yield OperationCriteria(
            endpoint, statuses, kinds=kinds, path_prefix=path, created_after=after, created_before=before
        )

    for statuses, more in itertools.product((None, [S.QUEUED], [S.CONFIRMED, S.FAILED]), MORE):
        yield OperationCriteria(statuses=statuses, **more)


ON_POSTGRES = KIND is DatabaseKind.POSTGRES


def filed(column: str) -> set[str]:
    """Return the index of a column that never changes; on PostgreSQL it belongs to another table."""
    return {f"ix_filing_{column}" if ON_POSTGRES else f"ix_operation_{column}"}


BY_NAME = {"ix_endpoint_name", "uq_endpoint_name", "ix_endpoint_tombstone"}
BROUGHT: dict[str, set[str]] = {
    "endpoint": {*filed("endpoint"), "uq_operation_sending", *BY_NAME},
    "statuses": {"ix_operation_status", "uq_operation_sending", "ix_operation_queue"},
    "kinds": filed("kind"),
    "path_prefix": filed("path"),
    "endpoints": {*filed("endpoint"), *BY_NAME},
    "batch": filed("batch"),
    "created_by": filed("creator"),
    "reasons": {"ix_operation_reason"},
    "retried": {"ix_operation_retry"},
    "created_after": filed("created"),
    "created_before": filed("created"),
}


def admitted_indexes(criteria: OperationCriteria) -> set[str]:
    """Return the indexes by the table of ``docs/queries.md``: each filter adds its index, any one of them may lead."""
    given = {name for name in BROUGHT if getattr(criteria, name) is not None}
    indexes = {"operation_pkey"}.union(*(BROUGHT[name] for name in given))
    if ON_POSTGRES:
        indexes.add("operation_filing_pkey")
    if "statuses" in given and given & {"endpoint", "endpoints"}:
        indexes.add("ix_operation_endpoint_status")
    return indexes


async def plan(statement: Statement) -> list[str]:
    explain = "EXPLAIN" if on_postgres() else "EXPLAIN QUERY PLAN"
    return [str(row[0 if on_postgres() else 3]) for row in await fetch(f"{explain} {statement.sql}", statement.values)]


def used_indexes(lines: list[str]) -> set[str]:
    found = re.findall(r"(?:using|Bitmap Index Scan on|INDEX) ([a-z]\w+)", "\n".join(lines))
    return {re.sub(r"sqlite_autoindex_(\w+)_\d+", r"\1_pkey", name) for name in found if name != "TEMP"}


def whole_tables(lines: list[str]) -> list[str]:
    """Return the lines that read a table from one end to the other, in no order. A walk in an index's order ends with
    the page."""
    if on_postgres():
        return [line for line in lines if "Seq Scan on" in line and "ledger_head" not in line]
    return [line for line in lines if re.match(r"SCAN (o|e|n|l)\b(?!.*USING)", line)]


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_every_combination_of_filters_has_its_index(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *statistics(analyze))
    async with reading(many_rows_url):
        for criteria in operation_criteria():
            for before in (END, 40_000):
                lines = await plan(operation_statement(criteria, before, 51))
                assert not whole_tables(lines), (criteria, lines)
                assert used_indexes(lines) <= admitted_indexes(criteria), (criteria, lines)


@pytest.mark.asyncio
async def test_several_statuses_are_walked_in_order_and_not_sorted(many_rows_url: str) -> None:
    """The branch per status ends with the page: no statement reads a million CONFIRMED to show the newest fifty."""
    await execute(many_rows_url, "ANALYZE")
    async with reading(many_rows_url):
        criteria = OperationCriteria(statuses=[S.CONFIRMED, S.FAILED])
        statement = operation_statement(criteria, END, 51)
        if on_postgres():
            rows = await fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.sql}", statement.values)
            examined = [int(count) for row in rows for count in re.findall(r"actual rows=(\d+)", row[0])]
            assert max(examined) <= 2 * 51
        else:
            assert "ix_operation_status" in used_indexes(await plan(statement))


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_retries_of_given_operations_are_found_by_an_index(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *statistics(analyze))
    async with reading(many_rows_url):
        lines = await plan(not_retried_statement(range(1_000, 2_000)))
        assert not whole_tables(lines), lines
        assert "ix_operation_retry" in used_indexes(lines), lines


# a long queue with many sequences, so that a plan that reads it whole is worse
_LONG_QUEUE = (
    "UPDATE operation SET endpoint_id = 31 WHERE status IN ('QUEUED', 'FAILED')",
    "UPDATE operation SET sequence = 'sequence-' || (seq % 50) WHERE endpoint_id = 31",
    "UPDATE operation SET not_before = created_at WHERE endpoint_id = 31 AND seq % 100 = 0",
)


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_sequences_and_times_are_found_by_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *_LONG_QUEUE, *statistics(analyze))
    async with reading(many_rows_url):
        lines = await plan(Statement(queues._QUEUE.format(number=2), [FIRST, 31]))
        assert not whole_tables(lines), lines
        of_the_queue = {"ix_operation_queue", "ix_operation_endpoint_status"}
        assert used_indexes(lines) <= {*of_the_queue, "ix_operation_not_before", "ix_operation_sequence"}, lines
        # with statistics SQLite may read all of a queue, which it takes for a short one
        assert "ix_operation_not_before" in used_indexes(lines) or (analyze and not on_postgres()), lines
        lines = await plan(Statement(sequences.stopped_sql(1), [31, "sequence-17"]))
        assert not whole_tables(lines), lines
        assert used_indexes(lines) == {"ix_operation_sequence"}, lines


_BATCHES = """
    INSERT INTO operation_batch
        (id, name, endpoint_filter, template, fingerprint, begun_by, begun_at, continued_at, finished_at)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    SELECT i, 'batch-' || i, '{}', '{}', 'f', 'olga', i, i, i FROM n
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_batches_are_found_by_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, _BATCHES, *statistics(analyze))
    async with reading(many_rows_url):
        for condition, value, index in (("name = $1", "batch-17", "name"), ("id = $1", 17, "pkey")):
            lines = await plan(Statement(batches.BY + condition, [value]))
            assert not any("SCAN" in line or "Seq Scan" in line for line in lines), lines
            expected = f"{'uq_' if index == 'name' else ''}operation_batch_{index}"
            assert used_indexes(lines) == {expected if on_postgres() else "operation_batch_pkey"}, lines
        old = maintenance.BATCHES.format(filing=filing(postgres=on_postgres()))
        lines = await plan(Statement(old, [100, 200]))
        assert not whole_tables(lines), lines
        assert used_indexes(lines) <= {"ix_operation_batch_continued", *filed("batch")}, lines


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_endpoints_are_walked_by_name(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *statistics(analyze))
    async with reading(many_rows_url):
        for part, presences in itertools.product((None, "17"), (None, [Presence.ONLINE], [*Presence][:2])):
            lines = await plan(endpoint_statement(EndpointCriteria(part, presences), "device-1100", 51))
            assert not whole_tables(lines), lines
            by_name = {"uq_endpoint_name", "ix_endpoint_name"}
            admitted = {*by_name, "ix_endpoint_presence"}
            assert used_indexes(lines) <= (admitted if presences else by_name), lines


TRANSITIONS = (TransitionView, Operation, EndpointView)
PRESENCES = (PresenceChangeView, EndpointView)
RESOURCES = (ReadingView, EndpointView)


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_the_log_is_read_along_its_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *statistics(analyze))
    async with reading(many_rows_url):
        pathed = Statement("", [])
        prefix = f"({' OR '.join(below('l.path', '/5/0', pathed))})".replace("$3", "$6").replace("$2", "$5")
        prefix = prefix.replace("$1", "$4")
        of_endpoint, of_operation = ("l.endpoint_id = $4",), ("l.operation_id = $4",)
        for shapes, source, conditions, values in (
            (TRANSITIONS, "transition l", (), []),
            (TRANSITIONS, "transition l JOIN operation p ON p.seq = l.operation_id", ("p.endpoint_id = $4",), [7]),
            (TRANSITIONS, "transition l", of_operation, [1010]),
            (PRESENCES, "presence_change l", (), []),
            (PRESENCES, "presence_change l", of_endpoint, [7]),
            (RESOURCES, "reading l", of_endpoint, [7]),
            (RESOURCES, "reading l", (prefix,), pathed.values),
        ):
            sql = log_sql(shapes, source, conditions, postgres=on_postgres())
            lines = await plan(Statement(sql, [129_000, 129_500, 500, *values]))
            assert not whole_tables(lines), (sql, lines)


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_the_history_of_a_presence_is_read_along_its_index(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *statistics(analyze))
    async with reading(many_rows_url):
        lines = await plan(Statement(PRESENCE_PAGE, [7, END, 51]))
        assert used_indexes(lines) == {"ix_presence_change_endpoint"}, lines
        assert not whole_tables(lines), lines
