"""Which operations a filter means, all of them: for cancelling and retrying many."""

# ruff: noqa: S608 - every name that is put into these statements is a word of ours

from __future__ import annotations

from collections.abc import Collection

from app.models.queries.criteria import OperationCriteria
from app.models.queries.operations import RETRIED, operation_branches
from app.models.queries.reading import Lane, Statement, among, array, fetch, reading_through


async def operation_seqs(criteria: OperationCriteria, most: int, *, by_endpoint: bool = False) -> list[int]:
    """The ``seq`` of every operation that the criteria admit, oldest first, at most so many; with ``by_endpoint`` those
    of an endpoint beside each other, so that a piece of them touches few endpoints.

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
    """Those of these operations that are there and nobody asked for again, oldest first. Raises as
    :func:`operation_seqs` does."""
    statement = not_retried_statement(seqs)
    return [row[0] for row in await fetch(statement.sql, statement.values)]


def not_retried_statement(seqs: Collection[int]) -> Statement:
    """The statement of :func:`not_retried`."""
    sql = f"SELECT o.seq FROM operation o WHERE {among('o.seq', '$1', 'bigint')} AND NOT {RETRIED} ORDER BY o.seq"
    return Statement(sql, [array(seqs)])


async def exact_count(criteria: OperationCriteria) -> int:
    """How many operations the criteria admit, counted to the end. Raises as :func:`operation_seqs` does."""
    if criteria.impossible:
        return 0
    statement = Statement("", [])
    branches = " UNION ALL ".join(operation_branches(criteria, statement))
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(f"SELECT count(*) FROM ({branches}) b", statement.values)
    return int(count)
