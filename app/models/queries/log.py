"""Reading the log in order, in bounded pieces: both subscribers that catch up and the live reader use it.

Each piece is one statement, so it is one snapshot: rows, the log's head and its horizon are consistent. The ledger
draws ``seq`` and commits under one lock, so a snapshot that shows a row shows every row before it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from app.domain.enums import OperationStatus
from app.models.dialect import among
from app.models.queries.criteria import ENDPOINT_BY_NAME, below
from app.models.queries.reading import MAX_SEQ, Statement, fetch, on_postgres
from app.models.queries.views import Large, PresenceChangeView, ResourceChangeView, Row, TransitionView, columns

WINDOW: Final = 50_000
"""The range of ``seq`` that one statement scans if no index finds the matching rows."""


class Entry(Protocol):
    """A row of the log."""

    seq: int

    @classmethod
    def load(cls, row: Row) -> Self: ...


E = TypeVar("E", bound=Entry)
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
) -> Piece[TransitionView]:
    """Return transitions with ``after < seq <= until``.

    Raises:
        Expired: the log has been pruned beyond ``after``.
        ReadUnavailable: the database cannot be reached.
    """
    source, windowed = "transition l", False
    statement = Statement("", [after, until, limit])
    conditions = []
    if endpoint is not None:
        source += " JOIN operation o ON o.seq = l.operation_id"
        conditions.append("o.endpoint_id = " + ENDPOINT_BY_NAME.format(name=statement.add(endpoint)))
        windowed = True
    if operation_seqs is not None:
        conditions.append(among("l.operation_id", statement.add(list(operation_seqs)), "bigint"))
        windowed = False
    elif to_statuses is not None:
        windowed = True
    if to_statuses is not None:
        conditions.append(f"l.to_status IN ({', '.join(repr(str(s)) for s in to_statuses) or 'NULL'})")
    return await _read(TransitionView, source, conditions, statement, windowed=windowed)


async def read_presences(
    after: int, limit: int, *, until: int = MAX_SEQ, endpoint: str | None = None
) -> Piece[PresenceChangeView]:
    """Return presence changes with ``after < seq <= until``. Raise as :func:`read_transitions` does."""
    statement = Statement("", [after, until, limit])
    conditions = _of_endpoint(endpoint, statement)
    return await _read(PresenceChangeView, "presence_change l", conditions, statement)


async def read_resources(
    after: int, limit: int, *, until: int = MAX_SEQ, endpoint: str | None = None, path_prefix: str | None = None
) -> Piece[ResourceChangeView]:
    """Return values with ``after < seq <= until``. Raise as :func:`read_transitions` does."""
    statement = Statement("", [after, until, limit])
    conditions = _of_endpoint(endpoint, statement)
    if path_prefix is not None:
        conditions.append(f"({' OR '.join(below('l.path', path_prefix, statement))})")
    return await _read(ResourceChangeView, "resource_change l", conditions, statement, windowed=path_prefix is not None)


def _of_endpoint(endpoint: str | None, statement: Statement) -> list[str]:
    if endpoint is None:
        return []
    return ["l.endpoint_id = " + ENDPOINT_BY_NAME.format(name=statement.add(endpoint))]


async def _read(
    view: type[E], source: str, conditions: list[str], statement: Statement, *, windowed: bool = False
) -> Piece[E]:
    after, until, limit = statement.values[:3]
    if windowed:
        until = statement.values[1] = min(until, after + WINDOW)
    statement.sql = log_sql(view, source, conditions)
    found = await fetch(statement.sql, statement.values)
    head, horizon = found[0][0], found[0][1]
    if horizon > after:
        raise Expired(f"The log has been pruned up to {horizon}; read the list again, then subscribe.")
    rows = [view.load(tuple(row)[2:]) for row in found if row[2] is not None]
    upto = rows[-1].seq if len(rows) >= limit else min(until, head)
    return Piece(rows, max(upto, after), head)


def log_sql(view: type[Any], source: str, conditions: list[str]) -> str:
    """Return the statement of a piece: head and horizon precede every row, and form the only row if there is no
    other."""
    where = " AND ".join(["l.seq > $1", "l.seq <= $2", *conditions])
    large = Large.SHORT if hasattr(view, "LARGE") else Large.ALL
    selected = columns(view, "l", large, postgres=on_postgres())  # type: ignore[arg-type]  # a class is hashable
    rows = f"SELECT {selected} FROM {source} WHERE {where} ORDER BY l.seq LIMIT $3"  # noqa: S608
    return f"SELECT h.seq, h.horizon, r.* FROM ledger_head h LEFT JOIN ({rows}) r ON TRUE ORDER BY r.seq"  # noqa: S608
