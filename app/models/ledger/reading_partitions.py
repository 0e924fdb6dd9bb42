"""The partitions of the table ``reading`` on PostgreSQL: one for each day (UTC) of ``stored_at``.

A partition is named after its last day, and begins where the one before it ends, so that there is no time without a
partition. It is created as a table of its own and then attached: that blocks no reader, while CREATE TABLE .. PARTITION
OF does.
"""

# ruff: noqa: S608 - names and bounds are made here, from numbers

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg

from app.domain.enums import DAY, Instant

Connection: TypeAlias = "asyncpg.Connection[Any]"

DAYS_AHEAD: Final = 3
DROP_LOCK_MILLIS: Final = 100
"""How long a drop may wait for readers of the table, while no other command is written; it is tried again later."""

_EPOCH: Final = date(1970, 1, 1)
_PREFIX: Final = "reading_"
_ATTACHED: Final = f"""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'reading'::regclass AND c.relname ~ '^{_PREFIX}[0-9]{{8}}$' ORDER BY c.relname
"""


def start_of(day: date) -> Instant:
    """Return the first moment of a day."""
    return (day - _EPOCH).days * DAY


def day_of(moment: Instant) -> date:
    return datetime.fromtimestamp(moment // 1_000_000, UTC).date()


def create_statements(day: date, begin: str) -> str:
    """Return the SQL that creates the partition from ``begin`` (a bound) to the end of ``day``."""
    name, end = f"{_PREFIX}{day:%Y%m%d}", start_of(day + timedelta(days=1))
    return (
        f"CREATE TABLE {name} (LIKE reading INCLUDING ALL); "
        f"ALTER TABLE reading ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end});"
    )


async def create_partitions(connection: Connection, now: Instant) -> Instant:
    """Create the missing partitions up to :data:`DAYS_AHEAD` days from ``now``; return the end of the last one."""
    attached = await _attached(connection)
    begin = attached[-1] + timedelta(days=1) if attached else day_of(now)
    day = max(begin, day_of(now))
    while day <= day_of(now) + timedelta(days=DAYS_AHEAD):
        await connection.execute(create_statements(day, str(start_of(begin)) if attached else "MINVALUE"))
        attached.append(day)
        begin = day = day + timedelta(days=1)
    return start_of(begin)


async def drop_oldest(connection: Connection, edge: Instant, aggregated: int) -> int | None:
    """Drop the oldest partition if it ends before ``edge`` and all its readings are in the aggregates.

    Return the greatest ``seq`` in it (0 if it was empty), or None if nothing was dropped: nothing is due, or readers
    held the table for longer than :data:`DROP_LOCK_MILLIS`.
    """
    attached = await _attached(connection)
    if not attached or start_of(attached[0] + timedelta(days=1)) > edge:
        return None
    name = f"{_PREFIX}{attached[0]:%Y%m%d}"
    greatest = await connection.fetchval(f"SELECT coalesce(max(seq), 0) FROM {name}")
    if greatest > aggregated:
        return None
    try:
        await connection.execute(f"SAVEPOINT dropping; SET LOCAL lock_timeout = {DROP_LOCK_MILLIS}; DROP TABLE {name}")
    except asyncpg.LockNotAvailableError:
        await connection.execute("ROLLBACK TO SAVEPOINT dropping")
        return None
    await connection.execute("SET LOCAL lock_timeout = DEFAULT")
    return int(greatest)


async def _attached(connection: Connection) -> list[date]:
    """Return the last days of all partitions, in order."""
    rows = await connection.fetch(_ATTACHED)
    return [date.fromisoformat(row["relname"].removeprefix(_PREFIX)) for row in rows]
