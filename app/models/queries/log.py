"""Reading the log in order, in bounded pieces: both subscribers that catch up and the live reader use it.

Each piece is one statement, so it is one snapshot: entries, the rows that they belong to, the log's head and its
horizon are consistent. The ledger draws ``seq`` and commits under one lock, so a snapshot that shows a row shows every
row before it. Large values of related rows are not read: hundreds of events wait for each subscriber, and each
subscriber reads the values that it selects.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import Any, Final, Generic, TypeVar

from app.domain.enums import OperationStatus
from app.models.operation import Operation
from app.models.queries.access import MAX_SEQ, Statement, fetch, on_postgres
from app.models.queries.criteria import ENDPOINT_BY_NAME, below, of_name
from app.models.queries.views import (
    CampaignChangeView,
    EndpointView,
    Large,
    PresenceChangeView,
    ReadingView,
    TransitionView,
    columns,
)

WINDOW: Final = 50_000
"""The range of ``seq`` that one statement scans if no index finds the matching rows."""


T = TypeVar("T")


class Expired(Exception):
    """Part of the requested range has been pruned."""


@dataclass(slots=True)
class Piece(Generic[T]):
    """Rows after a position, in order. The next piece starts after ``upto``: no row is left between the last one and
    it."""

    rows: list[T]
    upto: int
    head: int


async def read_transitions(
    after: int,
    limit: int,
    *,
    until: int = MAX_SEQ,
    endpoint: str | None = None,
    operation_seqs: Collection[int] | None = None,
    to_statuses: Collection[OperationStatus] | None = None,
) -> Piece[tuple[TransitionView, Operation, EndpointView]]:
    """Return transitions with ``after < seq <= until``, each with its operation and the operation's endpoint.

    Raises:
        Expired: the log has been pruned beyond ``after``.
        ReadUnavailable: the database cannot be reached.
    """
    source, windowed = "transition l", False
    statement = Statement("", [after, until, limit])
    conditions = []
    if endpoint is not None:
        source += " JOIN operation p ON p.seq = l.operation_id"
        conditions.append(of_name("p.endpoint_id", endpoint, statement))
        windowed = True
    if operation_seqs is not None:
        conditions.append(f"l.operation_id = ANY({statement.add(list(operation_seqs))}::bigint[])")
        windowed = False
    elif to_statuses is not None:
        windowed = True
    if to_statuses is not None:
        conditions.append(f"l.to_status IN ({', '.join(repr(str(s)) for s in to_statuses) or 'NULL'})")
    return await _read((TransitionView, Operation, EndpointView), source, conditions, statement, windowed=windowed)


async def read_presences(
    after: int, limit: int, *, until: int = MAX_SEQ, endpoint: str | None = None
) -> Piece[tuple[PresenceChangeView, EndpointView]]:
    """Return presence changes with ``after < seq <= until``, each with its endpoint. Raise as :func:`read_transitions`
    does."""
    statement = Statement("", [after, until, limit])
    conditions = [] if endpoint is None else [of_name("l.endpoint_id", endpoint, statement)]
    return await _read((PresenceChangeView, EndpointView), "presence_change l", conditions, statement)


async def read_resources(
    after: int, limit: int, *, until: int = MAX_SEQ, endpoint: str | None = None, path_prefix: str | None = None
) -> Piece[tuple[ReadingView, EndpointView]]:
    """Return values with ``after < seq <= until``, each with its endpoint. Raise as :func:`read_transitions` does."""
    statement = Statement("", [after, until, limit])
    conditions = _of_endpoint(endpoint, statement)
    windowed = endpoint is not None or path_prefix is not None
    if path_prefix is not None:
        conditions.append(f"({' OR '.join(below('l.path', path_prefix, statement))})")
    shapes = (ReadingView, EndpointView)
    return await _read(shapes, "reading l", conditions, statement, windowed=windowed)


async def read_campaign_changes(
    after: int, limit: int, *, until: int = MAX_SEQ, campaign_id: int | None = None
) -> Piece[tuple[CampaignChangeView]]:
    """Return changes of campaigns and their targets with ``after < seq <= until``. Raise as :func:`read_transitions`
    does."""
    statement = Statement("", [after, until, limit])
    conditions = [] if campaign_id is None else [f"l.campaign_id = {statement.add(campaign_id)}"]
    return await _read((CampaignChangeView,), "campaign_change l", conditions, statement)


def _of_endpoint(endpoint: str | None, statement: Statement) -> list[str]:
    if endpoint is None:
        return []
    return ["l.endpoint_id = " + ENDPOINT_BY_NAME.format(name=statement.add(endpoint))]


async def _read(
    shapes: tuple[Any, ...], source: str, conditions: list[str], statement: Statement, *, windowed: bool = False
) -> Piece[Any]:
    after, until, limit = statement.values[:3]
    if windowed:
        until = statement.values[1] = min(until, after + WINDOW)
    statement.sql = log_sql(shapes, source, tuple(conditions), postgres=on_postgres())
    found = await fetch(statement.sql, statement.values)
    head, horizon = found[0][0], found[0][1]
    if horizon > after:
        raise Expired(f"The log has been pruned up to {horizon}; read the list again, then subscribe.")
    ends = list(accumulate(map(_width, shapes), initial=2))
    parts = [(shape, slice(*bounds)) for shape, bounds in zip(shapes, pairwise(ends), strict=True)]
    rows = [
        tuple(shape.load(values[part]) for shape, part in parts)
        for values in map(tuple, found)
        if values[2] is not None
    ]
    upto = rows[-1][0].seq if len(rows) >= limit else min(until, head)
    return Piece(rows, max(upto, after), head)


@cache
def _width(shape: Any) -> int:
    return len(fields(shape))


_RELATED: Final[Mapping[Any, tuple[str, str, str]]] = {
    Operation: ("o", "operation", "o.seq = r.operation_id"),
    EndpointView: ("e", "endpoint", "e.id = {source}.endpoint_id"),
}
"""Rows that an entry belongs to: alias, table, and the condition by which one is found."""


def _joined(alias: str, table: str, condition: str, *, postgres: bool) -> str:
    """Return the join of a row by its key. Without LATERAL, PostgreSQL may read the whole table instead of its index:
    it does not know that there are a few hundred rows only."""
    if postgres:
        return f"LEFT JOIN LATERAL (SELECT * FROM {table} {alias} WHERE {condition} LIMIT 1) {alias} ON TRUE"  # noqa: S608
    return f"LEFT JOIN {table} {alias} ON {condition}"


@lru_cache(maxsize=256)
def log_sql(shapes: tuple[Any, ...], source: str, conditions: tuple[str, ...] = (), *, postgres: bool) -> str:
    """Return the statement of a piece: head and horizon precede every row, and form the only row if there is no
    other. ``shapes`` are the entry's own and those of the rows that it belongs to."""
    view, *related = shapes
    where = " AND ".join(["l.seq > $1", "l.seq <= $2", *conditions])
    large = Large.SHORT if hasattr(view, "LARGE") else Large.ALL
    own = columns(view, "l", large, postgres=postgres)
    rows = f"SELECT {own} FROM {source} WHERE {where} ORDER BY l.seq LIMIT $3"  # noqa: S608
    selected, joins = ["r.*"], [f"ledger_head h LEFT JOIN ({rows}) r ON TRUE"]
    for shape in related:
        alias, table, condition = _RELATED[shape]
        condition = condition.format(source="o" if Operation in related else "r")
        selected.append(columns(shape, alias, Large.SHORT, postgres=postgres))
        joins.append(_joined(alias, table, condition, postgres=postgres))
    horizon = getattr(view, "HORIZON", "horizon")
    return f"SELECT h.seq, h.{horizon}, {', '.join(selected)} FROM {' '.join(joins)} ORDER BY r.seq"  # noqa: S608
