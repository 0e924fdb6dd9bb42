"""Operations: pages newest first, and rows by their keys."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final, NamedTuple

from app.domain.enums import OperationKind, OperationStatus, ReasonCode
from app.models.cursors import parse_seq_cursor
from app.models.dialect import among
from app.models.operation_index import FILING
from app.models.queries.criteria import ENDPOINT_BY_NAME, OperationCriteria, below
from app.models.queries.pages import COUNT_LIMIT, Page, capped, merged
from app.models.queries.reading import MAX_SEQ, Lane, Statement, fetch, on_postgres, reading_through
from app.models.queries.server import operation_counts
from app.models.queries.views import Large, OperationView, columns

RETRIED: Final = "EXISTS (SELECT 1 FROM operation r WHERE r.retry_of = o.seq)"
"""Condition: an operation exists that retries the operation ``o``."""

_KIND: Final = "operation"


def _columns(large: Large) -> str:
    return columns(OperationView, "o", large, postgres=on_postgres())


async def operation_page(
    criteria: OperationCriteria, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[OperationView]:
    """Return a page of operations, newest first: one statement, and another one when the total is requested.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of operations.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_KIND, after)
    found: list[OperationView] = []
    if not criteria.impossible:
        statement = operation_statement(criteria, before, first + 1, large)
        with reading_through(Lane.SMALL if criteria.indexed else Lane.SEARCH):
            found = [OperationView.load(row) for row in await fetch(statement.sql, statement.values)]

    async def total() -> tuple[int, bool]:
        return await count_operations(criteria)

    return Page.of(_KIND, found, first, lambda o: o.seq, continued=after is not None, total=total)


class _Condition(NamedTuple):
    """A condition on a row of ``table``: ``o``, the operation, or ``f``, its row in the index table."""

    table: str
    sql: str


def _on(table: str, test: str) -> _Condition:
    """Return a condition that begins with a column of the table."""
    return _Condition(table, f"{table}.{test}")


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
    fixed = _conditions(criteria, statement)
    words = [one for one in (_statuses(criteria), _reasons(criteria), _kinds(criteria)) if one is not None]
    # one branch per value of one column is enough: branches for all columns would be more than a thousand
    for checked in words[1:]:
        fixed.append(_Condition(checked[0].table, f"({' OR '.join(one.sql for one in checked)})"))
    choices = [fixed]
    for alternatives in (words[0] if words else None, _paths(criteria, statement)):
        if alternatives is not None:
            choices = [[*chosen, one] for chosen in choices for one in alternatives]
    return [_select(chosen, before) for chosen in choices]


def _select(conditions: Collection[_Condition], before: str | None) -> str:
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


def _conditions(criteria: OperationCriteria, statement: Statement) -> list[_Condition]:
    filed = _filed()
    beside = filed if _statuses(criteria) is None else "o"  # an index of the operation table has both columns
    conditions = []
    if criteria.endpoint is not None:
        of_name = ENDPOINT_BY_NAME.format(name=statement.add(criteria.endpoint))
        conditions.append(_on(beside, f"endpoint_id = {of_name}"))
    if criteria.endpoints is not None:
        of_names = _any_of(statement.add(list(criteria.endpoints)))
        conditions.append(_on(beside, f"endpoint_id {of_names}"))
    if criteria.batch is not None:
        conditions.append(_on(filed, f"batch = {statement.add(criteria.batch)}"))
    if criteria.created_by is not None:
        conditions.append(_on(filed, f"created_by = {statement.add(criteria.created_by)}"))
    if criteria.retried is not None:
        conditions.append(_Condition("o", RETRIED if criteria.retried else f"NOT {RETRIED}"))
    if criteria.created_after is not None:
        conditions.append(_on(filed, f"created_at > {statement.add(criteria.created_after)}"))
    if criteria.created_before is not None:
        conditions.append(_on(filed, f"created_at < {statement.add(criteria.created_before)}"))
    return conditions


def _filed() -> str:
    """Return the table whose indexes serve the immutable columns of an operation."""
    return "f" if on_postgres() else "o"


def _any_of(names: str) -> str:
    """Return the condition on endpoints by names. PostgreSQL uses an array as a list of keys for the index; for a
    subquery it may join whole tables."""
    select = f"SELECT n.id FROM endpoint n WHERE {among('n.name', names, 'text')}"  # noqa: S608
    return f"= ANY(ARRAY({select}))" if on_postgres() else f"IN ({select})"


def _statuses(criteria: OperationCriteria) -> list[_Condition] | None:
    if criteria.statuses is None or set(criteria.statuses) == set(OperationStatus):
        return None
    return [_on("o", f"status = '{status}'") for status in OperationStatus if status in criteria.statuses]


def _kinds(criteria: OperationCriteria) -> list[_Condition] | None:
    if criteria.kinds is None or set(criteria.kinds) == set(OperationKind):
        return None
    filed = _filed()
    return [_on(filed, f"kind = '{kind}'") for kind in OperationKind if kind in criteria.kinds]


def _reasons(criteria: OperationCriteria) -> list[_Condition] | None:
    if criteria.reasons is None:
        return None
    return [_on("o", f"reason = '{reason}'") for reason in ReasonCode if reason in criteria.reasons]


def _paths(criteria: OperationCriteria, statement: Statement) -> list[_Condition] | None:
    if criteria.path_prefix is None:
        return None
    filed = _filed()
    return [_Condition(filed, one) for one in below(f"{filed}.path", criteria.path_prefix, statement)]


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


async def operation_by_id(id_: str, large: Large = Large.ALL) -> OperationView | None:
    """Return an operation by its UUID; None for an unknown one, and for a text that is no UUID."""
    return (await operations_by_id([id_], large)).get(id_)


async def operations_by_id(ids: Collection[str], large: Large = Large.ALL) -> dict[str, OperationView]:
    """Return operations by their UUIDs, keyed by the given texts; unknown ones are omitted."""
    canonical = {text: known for text in ids if (known := _uuid(text)) is not None}
    if not canonical:
        return {}
    sql = f"SELECT {_columns(large)} FROM operation o WHERE {among('o.id', '$1', 'uuid')}"  # noqa: S608
    rows = await fetch(sql, [list(set(canonical.values()))])
    found = {view.id: view for view in map(OperationView.load, rows)}
    return {text: found[known] for text, known in canonical.items() if known in found}


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


async def operations_by_seq(seqs: Collection[int], large: Large = Large.ALL) -> dict[int, OperationView]:
    """Return operations by their ``seq``; unknown ones are omitted."""
    if not seqs:
        return {}
    sql = f"SELECT {_columns(large)} FROM operation o WHERE {among('o.seq', '$1', 'bigint')}"  # noqa: S608
    return {view.seq: view for view in map(OperationView.load, await fetch(sql, [list(seqs)]))}
