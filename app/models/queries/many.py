"""All operations that match a filter, for canceling and retrying many."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection

from app.models.queries.access import Lane, Statement, fetch, reading_through
from app.models.queries.criteria import RETRIED, OperationCriteria
from app.models.queries.operations import operation_branches


async def operation_seqs(criteria: OperationCriteria, most: int, *, by_endpoint: bool = False) -> list[int]:
    """Return the ``seq`` of every operation that matches the criteria, at most ``most``, oldest first. With
    ``by_endpoint`` they are grouped by endpoint instead, so that a part of the list concerns few endpoints.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    if criteria.impossible:
        return []
    statement = Statement("", [most])
    branches = " UNION ALL ".join(operation_branches(criteria, statement))
    statement.sql = f"SELECT seq FROM ({branches}) b ORDER BY seq LIMIT $1"
    if by_endpoint:
        joined = f"operation p JOIN ({branches}) b ON b.seq = p.seq"
        statement.sql = f"SELECT p.seq FROM {joined} ORDER BY p.endpoint_id, p.seq LIMIT $1"
    with reading_through(Lane.SEARCH):
        return [row[0] for row in await fetch(statement.sql, statement.values)]


async def not_retried(seqs: Collection[int]) -> list[int]:
    """Return those of these operations that exist and have not been retried, oldest first. Raise as
    :func:`operation_seqs` does."""
    statement = not_retried_statement(seqs)
    return [row[0] for row in await fetch(statement.sql, statement.values)]


def not_retried_statement(seqs: Collection[int]) -> Statement:
    """Return the statement of :func:`not_retried`."""
    sql = f"SELECT o.seq FROM operation o WHERE o.seq = ANY($1::bigint[]) AND NOT {RETRIED} ORDER BY o.seq"
    return Statement(sql, [list(seqs)])


async def exact_count(criteria: OperationCriteria) -> int:
    """Return the number of operations that match the criteria, counted to the end. Raise as :func:`operation_seqs`
    does."""
    if criteria.impossible:
        return 0
    statement = Statement("", [])
    branches = " UNION ALL ".join(operation_branches(criteria, statement))
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(f"SELECT count(*) FROM ({branches}) b", statement.values)
    return int(count)
