"""Operations: pages newest first, and rows by their keys."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final

from app.domain.enums import OperationStatus
from app.models.cursors import parse_seq_cursor
from app.models.operation import Operation
from app.models.operation_index import FILING
from app.models.queries.access import MAX_SEQ, Lane, Statement, fetch, on_postgres, reading_through
from app.models.queries.criteria import Condition, OperationCriteria
from app.models.queries.pages import COUNT_LIMIT, Page, capped, merged
from app.models.queries.server import operation_counts
from app.models.queries.views import Large, columns

_KIND: Final = "operation"


def _columns(large: Large) -> str:
    return columns(Operation, "o", large, postgres=on_postgres())


async def operation_page(
    criteria: OperationCriteria, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[Operation]:
    """Return a page of operations, newest first: one statement, and another one when the total is requested.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of operations.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_KIND, after)
    found: list[Operation] = []
    if not criteria.impossible:
        statement = operation_statement(criteria, before, first + 1, large)
        small = criteria.indexed or criteria.fleet_id is not None
        with reading_through(Lane.SMALL if small else Lane.SEARCH):
            found = [Operation.load(row) for row in await fetch(statement.sql, statement.values)]

    async def total() -> tuple[int, bool]:
        return await count_operations(criteria)

    return Page.of(_KIND, found, first, lambda o: o.seq, continued=after is not None, total=total)


def operation_statement(criteria: OperationCriteria, before: int, limit: int, large: Large = Large.ALL) -> Statement:
    """Return the statement of one page: ``limit`` operations with a ``seq`` below ``before``."""
    statement = Statement("", [before, limit])
    branches = operation_branches(criteria, statement, before="$1")
    if len(branches) == 1 and branches[0].startswith(_SEQ):
        statement.sql = merged([branches[0].replace(_SEQ, f"SELECT {_columns(large)}", 1)], "o.seq DESC", "$2")
    else:
        seqs = merged(branches, "seq DESC", "$2")
        selected = f"SELECT {_columns(large)} FROM operation o"  # noqa: S608
        statement.sql = f"{selected} JOIN ({seqs}) p ON p.seq = o.seq ORDER BY o.seq DESC"
    return statement


_SEQ: Final = "SELECT o.seq"


def operation_branches(criteria: OperationCriteria, statement: Statement, before: str | None = None) -> list[str]:
    """Return disjoint SELECTs of ``seq``, each with conditions that one index serves in order. ``before`` is the
    placeholder of a ``seq`` that is an upper bound of all of them."""
    return [_select(conditions, before) for conditions in criteria.branches(statement)]


def _select(conditions: Collection[Condition], before: str | None) -> str:
    """Return a SELECT from the operations, their index table, or both, as the conditions require."""
    tables = {one.table for one in conditions} or {"o"}
    if tables == {"f"}:
        source = f"SELECT f.seq FROM {FILING} f"  # noqa: S608
    elif tables == {"o"}:
        source = f"{_SEQ} FROM operation o"
    else:
        source = f"{_SEQ} FROM {FILING} f JOIN operation o ON o.seq = f.seq"
    bounds = [f"{table}.seq < {before}" for table in sorted(tables) if before is not None]
    return f"{source} WHERE {' AND '.join([*(one.sql for one in conditions), *bounds]) or 'TRUE'}"


async def count_operations(criteria: OperationCriteria) -> tuple[int, bool]:
    """Return the number of operations, counted up to 10,000; from the stored counters if they suffice."""
    if criteria.impossible:
        return 0, False
    if criteria.indexed:
        wanted = OperationStatus if criteria.statuses is None else set(criteria.statuses)
        counts = await operation_counts(criteria.endpoint)
        return capped(sum(counts[status] for status in wanted))
    statement = count_statement(criteria)
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(statement.sql, statement.values)
    return capped(count)


def count_statement(criteria: OperationCriteria) -> Statement:
    """Return the statement that counts a list, up to one more than the limit."""
    statement = Statement("", [COUNT_LIMIT + 1])
    branches = " UNION ALL ".join(operation_branches(criteria, statement))
    statement.sql = f"SELECT count(*) FROM (SELECT 1 FROM ({branches}) b LIMIT $1) c"  # noqa: S608
    return statement


async def operation_by_id(id_: str, large: Large = Large.ALL) -> Operation | None:
    """Return an operation by its UUID; None for an unknown one, and for a text that is no UUID."""
    return (await operations_by_id([id_], large)).get(id_)


async def operations_by_id(ids: Collection[str], large: Large = Large.ALL) -> dict[str, Operation]:
    """Return operations by their UUIDs, keyed by the given texts; unknown ones are omitted."""
    canonical = {text: known for text in ids if (known := _uuid(text)) is not None}
    if not canonical:
        return {}
    sql = f"SELECT {_columns(large)} FROM operation o WHERE o.id = ANY($1::uuid[])"  # noqa: S608
    rows = await fetch(sql, [list(set(canonical.values()))])
    found = {view.id: view for view in map(Operation.load, rows)}
    return {text: found[known] for text, known in canonical.items() if known in found}


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


async def operations_by_seq(seqs: Collection[int], large: Large = Large.ALL) -> dict[int, Operation]:
    """Return operations by their ``seq``; unknown ones are omitted."""
    if not seqs:
        return {}
    sql = f"SELECT {_columns(large)} FROM operation o WHERE o.seq = ANY($1::bigint[])"  # noqa: S608
    return {view.seq: view for view in map(Operation.load, await fetch(sql, [list(seqs)]))}
