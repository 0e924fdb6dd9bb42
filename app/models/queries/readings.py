"""Readings: pages by time, series for plots, and the latest value of each endpoint."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import Final

from app.domain.enums import DAY, HOUR, Instant
from app.models.cursors import InvalidCursor, page_cursor, parse_page_cursor
from app.models.ledger.readings import CLOCK_AHEAD
from app.models.queries.access import Lane, Statement, fetch, on_postgres, reading_through
from app.models.queries.criteria import EndpointCriteria, below
from app.models.queries.pages import Page, merged, uncounted
from app.models.queries.views import INLINE, Large, ReadingView, Row, columns, stored_size

LONG: Final = 2 * DAY
"""The interval from which a series is made of hourly aggregates: a value every second is 172,800 readings."""

_KIND: Final = "reading"
_LATEST: Final = "latest"
_PATHS_AT_ONCE: Final = 100
"""Resources that one statement merges: each is an ordered scan of the index that ends early."""


@dataclass(frozen=True, slots=True)
class ReadingCriteria:
    """Readings of one endpoint: at a path or below it (whole parts), with ``start <= at < end``. None means any."""

    endpoint_id: int
    path: str | None = None
    start: Instant | None = None
    end: Instant | None = None


def _columns(large: Large) -> str:
    return columns(ReadingView, "l", large, postgres=on_postgres())


async def reading_page(
    criteria: ReadingCriteria, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[ReadingView]:
    """Return a page of readings, newest first by (``at``, arrival).

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of readings.
        ReadUnavailable: the database cannot be reached.
    """
    position = None if after is None else _parse_position(after)
    found: list[ReadingView] = []
    paths = await resource_paths(criteria)
    for begin in range(0, len(paths), _PATHS_AT_ONCE):
        statement = page_statement(criteria, paths[begin : begin + _PATHS_AT_ONCE], first + 1, position, large)
        rows = [ReadingView.load(row) for row in await fetch(statement.sql, statement.values)]
        found = list(islice(heapq.merge(found, rows, key=_newest_first), first + 1))

    total = partial(uncounted, len(found))
    return Page.of(_KIND, found, first, _position, continued=after is not None, total=total)


def page_statement(
    criteria: ReadingCriteria,
    paths: Sequence[str],
    limit: int,
    position: tuple[int, int] | None = None,
    large: Large = Large.ALL,
) -> Statement:
    """Return the statement of the newest ``limit`` readings of these resources that are before a position."""
    statement = Statement("", [criteria.endpoint_id, limit])
    conditions = ["l.endpoint_id = $1", *_within(criteria.start, criteria.end, statement)]
    if position is not None:
        at, seq = map(statement.add, position)
        conditions.append(f"(l.at, l.seq) < ({at}, {seq})")
    select = f"SELECT {_columns(large)} FROM reading l WHERE {' AND '.join(conditions)}"
    branches = [f"{select} AND l.path = {statement.add(path)}" for path in paths]
    order = "l.at DESC, l.seq DESC" if len(branches) == 1 else "at DESC, seq DESC"
    statement.sql = merged(branches, order, "$2")
    return statement


def _within(start: Instant | None, end: Instant | None, statement: Statement) -> list[str]:
    """Return the conditions on the time of the readings ``l``; the partitions that are too old are not read. A
    reading's ``at`` is at most :data:`CLOCK_AHEAD` after its commit, which chooses its partition."""
    conditions = []
    if start is not None:
        conditions.append(f"l.at >= {statement.add(start)}")
        if on_postgres():
            conditions.append(f"l.stored_at >= {statement.add(start - CLOCK_AHEAD)}")
    if end is not None:
        conditions.append(f"l.at < {statement.add(end)}")
    return conditions


async def resource_paths(criteria: ReadingCriteria) -> list[str]:
    """Return the paths of the endpoint's resources that match, sorted: each that ever had a value has a state."""
    statement = Statement("SELECT r.path FROM resource_state r WHERE r.endpoint_id = $1", [criteria.endpoint_id])
    if criteria.path is not None:
        statement.sql += f" AND ({' OR '.join(below('r.path', criteria.path, statement))})"
    return [row[0] for row in await fetch(f"{statement.sql} ORDER BY r.path", statement.values)]


async def oldest_readings(
    criteria: ReadingCriteria, path: str, limit: int, after: tuple[int, int] | None = None
) -> list[ReadingView]:
    """Return readings of one resource in order of (``at``, arrival), after a position. Large values are left out."""
    statement = Statement("", [criteria.endpoint_id, path, limit])
    conditions = ["l.endpoint_id = $1", "l.path = $2", *_within(criteria.start, criteria.end, statement)]
    if after is not None:
        at, seq = map(statement.add, after)
        conditions.append(f"(l.at, l.seq) > ({at}, {seq})")
    where = " AND ".join(conditions)
    statement.sql = f"SELECT {_columns(Large.SHORT)} FROM reading l WHERE {where} ORDER BY l.at, l.seq LIMIT $3"
    return [ReadingView.load(row) for row in await fetch(statement.sql, statement.values)]


def _newest_first(view: ReadingView) -> tuple[int, int]:
    return -view.at, -view.seq


def _position(view: ReadingView) -> str:
    return f"{view.at}.{view.seq}"


def _parse_position(cursor: str) -> tuple[int, int]:
    at, _, seq = parse_page_cursor(_KIND, cursor).partition(".")
    if not (at.isascii() and at.isdecimal() and seq.isascii() and seq.isdecimal() and max(len(at), len(seq)) <= 18):
        raise InvalidCursor(f"Invalid cursor {cursor[:100]!r}; a cursor of this list is expected.")
    return int(at), int(seq)


async def reading_values(seqs: Collection[int]) -> dict[int, str]:
    """Return the stored JSON of these readings' values, by ``seq``; pruned ones are omitted."""
    rows = await fetch("SELECT seq, value FROM reading WHERE seq = ANY($1::bigint[])", [list(seqs)])
    return {row[0]: row[1] for row in rows}


# --- series


@dataclass(frozen=True, slots=True)
class Bucket:
    """The readings of one resource in one interval, which begins at ``start``. ``low``, ``high`` and ``mean`` are of
    those that are numbers, None if there are none; ``last_json`` is the newest by (``at``, arrival), None if it was not
    read. ``weight``: its size in bytes, 0 if it is not selected."""

    path: str
    start: Instant
    count: int
    low: float | None
    high: float | None
    mean: float | None
    last_json: str | None
    last_at: Instant
    weight: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Equal buckets from ``start`` to ``end``, each ``width`` microseconds long."""

    start: Instant
    end: Instant
    width: int

    @classmethod
    def of(cls, start: Instant, end: Instant, points: int) -> Interval:
        """Return at most ``points`` buckets (one more with whole hours). From :data:`LONG` on they are whole hours, and
        begin at one: they are made of the hourly aggregates."""
        width = max(1, -(-(end - start) // points))
        if width < HOUR and end - start < LONG:
            return cls(start, end, width)
        return cls(start // HOUR * HOUR, -(-end // HOUR) * HOUR, -(-width // HOUR) * HOUR)

    @property
    def aggregated(self) -> bool:
        return self.width % HOUR == 0 and self.start % HOUR == 0


_UNREAD: Final = "#"
"""Precedes the size of a large value instead of its JSON."""


async def reading_series(
    endpoint_id: int, paths: Sequence[str], interval: Interval, large: Large = Large.ALL
) -> dict[str, list[Bucket]]:
    """Return the buckets that have readings, by path and in order of time: one statement."""
    statement = series_statement(endpoint_id, paths, interval, large)
    with reading_through(Lane.SEARCH):
        rows = await fetch(statement.sql, statement.values)
    return {
        path: [_bucket(row, interval) for row in of_path] for path, of_path in groupby(rows, key=lambda row: row[0])
    }


def _bucket(row: Row, interval: Interval) -> Bucket:
    path, number, count, numbers, low, high, total, last_at, last = row
    mean = None if not numbers else min(max(total / numbers, low), high)
    weight = len(last or "")
    if last is not None and last.startswith(_UNREAD):
        weight, last = int(last.removeprefix(_UNREAD)), None
    return Bucket(path, interval.start + number * interval.width, int(count), low, high, mean, last, last_at, weight)


def series_statement(endpoint_id: int, paths: Sequence[str], interval: Interval, large: Large = Large.ALL) -> Statement:
    """Return the statement of a series: from readings, or from hourly aggregates and the readings not in them yet."""
    statement = Statement("", [endpoint_id, list(paths), interval.start, interval.width])
    of_readings = _within(interval.start, interval.end, statement)
    if interval.aggregated:
        of_readings.append(_not_aggregated("l"))
    sums = (
        "SELECT l.path, (l.at - $3) / $4 AS bucket, count(*) AS n, count(l.number) AS numbers, min(l.number) AS low, "
        "max(l.number) AS high, sum(l.number) AS total, max(l.at) AS last_at FROM reading l "
        f"WHERE l.endpoint_id = $1 AND l.path = ANY($2::text[]) AND {' AND '.join(of_readings)} GROUP BY 1, 2"
    )
    newest = "v.endpoint_id = $1 AND v.path = b.path AND v.at = b.last_at"
    if interval.aggregated:
        end = statement.add(interval.end)
        sums += (
            " UNION ALL SELECT h.path, (h.hour - $3) / $4, sum(h.count), sum(h.numbers), min(h.low), max(h.high), "
            "sum(h.total), max(h.last_at) FROM reading_hour h "
            f"WHERE h.endpoint_id = $1 AND h.path = ANY($2::text[]) AND h.hour >= $3 AND h.hour < {end} GROUP BY 1, 2"
        )
        newest += f" AND {_not_aggregated('v')}"
    elif on_postgres():
        newest += f" AND v.stored_at >= b.last_at - {CLOCK_AHEAD}"
    last = f"(SELECT {_value('v.value', large)} FROM reading v WHERE {newest} ORDER BY v.seq DESC LIMIT 1)"
    if interval.aggregated:
        of_hour = f"h.endpoint_id = $1 AND h.path = b.path AND h.hour = b.last_at / {HOUR} * {HOUR}"
        last = f"coalesce({last}, (SELECT {_value('h.last_value', large)} FROM reading_hour h WHERE {of_hour}))"
    if large is Large.NONE:
        last = "NULL"
    statement.sql = (
        f"SELECT b.path, b.bucket, b.n, b.numbers, b.low, b.high, b.total, b.last_at, {last} FROM ("
        "SELECT path, bucket, CAST(sum(n) AS BIGINT) AS n, CAST(sum(numbers) AS BIGINT) AS numbers, min(low) AS low, "
        f"max(high) AS high, sum(total) AS total, max(last_at) AS last_at FROM ({sums}) p "
        "GROUP BY path, bucket) b ORDER BY b.path, b.bucket"
    )
    return statement


def _value(column: str, large: Large) -> str:
    """Return the expression for a stored value: of large ones only the size, unless all are read."""
    if large is Large.ALL:
        return column
    size = stored_size(column, postgres=on_postgres())
    return f"CASE WHEN {size} <= {INLINE} THEN {column} ELSE '{_UNREAD}' || {size} END"


def _not_aggregated(table: str) -> str:
    """Return the condition that a reading is not in the hourly aggregates yet; older partitions are not read."""
    mark = "(SELECT aggregated FROM ledger_head)"
    if not on_postgres():
        return f"{table}.seq > {mark}"
    # an hour less: the database's clock may have been set back since
    oldest = f"SELECT n.stored_at - {HOUR} FROM reading n WHERE n.seq > {mark} ORDER BY n.seq LIMIT 1"
    return f"{table}.seq > {mark} AND {table}.stored_at >= ({oldest})"


# --- the latest values of a fleet


async def latest_page(
    path: str, criteria: EndpointCriteria, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[ReadingView]:
    """Return a page of the latest readings of one resource, by the names of their endpoints.

    Raises:
        InvalidCursor: ``after`` is no cursor of such a list.
        ReadUnavailable: the database cannot be reached.
    """
    name = "" if after is None else parse_page_cursor(_LATEST, after)
    statement = latest_statement(path, criteria, name, first + 1, large)
    with reading_through(Lane.SEARCH):
        rows = await fetch(statement.sql, statement.values)
    names = [row[0] for row in rows]
    found = [ReadingView.load(tuple(row)[1:]) for row in rows]
    cursors = [page_cursor(_LATEST, name) for name in names[:first]]
    return Page(found[:first], cursors, len(found) > first, after is not None, partial(uncounted, len(found)))


def latest_statement(
    path: str, criteria: EndpointCriteria, after: str, limit: int, large: Large = Large.ALL
) -> Statement:
    """Return the statement of one page of :func:`latest_page`, after the endpoint with this name."""
    statement = Statement("", [path, after, limit])
    conditions = " AND ".join(criteria.conditions("e", statement, postgres=on_postgres()))
    selected = columns(ReadingView, "l", large, postgres=on_postgres())
    for column in ("seq", "report"):  # of a value from before revision 8
        selected = selected.replace(f"l.{column}", f"coalesce(l.{column}, l.id)")
    statement.sql = (
        f"SELECT e.name, {selected} FROM endpoint e JOIN resource_state l ON l.endpoint_id = e.id "
        f"WHERE l.path = $1 AND e.name > $2 AND {conditions} ORDER BY e.name LIMIT $3"
    )
    return statement
