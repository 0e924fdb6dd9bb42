"""Hourly aggregates of readings: count, minimum, maximum, sum and last value of each resource in each hour.

Every reading is added once: one transaction adds those after ``ledger_head.aggregated`` to their hours, and moves that
number. So a late reading changes its own hour, and a query reads the aggregates, and the readings after that number. A
reading is added only once the hour of its commit is over: a device that reports every minute then changes one row an
hour, and not sixty. (If the database's clock is set back, a reading of the open hour may be added earlier, and is not
added again.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import HOUR, Instant
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.readings import CLOCK_AHEAD
from app.models.ledger.store import LONG_STATEMENT_SECONDS

PIECE: Final = 5_000
"""Readings that one transaction adds: some 30 ms of work on PostgreSQL and 60 on SQLite, in which no other one is
written."""

NEVER: Final[Instant] = 2**62
"""Later than every hour."""

COMPLETE_FROM: Final = f"""
    SELECT CASE WHEN reading_horizon = 0 THEN 0 ELSE coalesce(
        ((SELECT stored_at FROM reading ORDER BY seq LIMIT 1) + {CLOCK_AHEAD + HOUR - 1}) / {HOUR} * {HOUR}, {NEVER}
    ) END AS hour FROM ledger_head
"""  # noqa: S608 - constants
"""The first hour of which no reading can have been pruned: pruned readings were stored before the oldest one that
remains, and no reading was stored more than :data:`CLOCK_AHEAD` before its ``at``."""

_UP_TO: Final = """
    SELECT max(seq) AS upto, count(*) AS found FROM (
        SELECT seq, stored_at FROM reading WHERE seq > $1 ORDER BY seq LIMIT $2
    ) piece WHERE stored_at < $3
"""
"""A piece is read from the table before ``stored_at`` is checked: otherwise each run would scan all readings of the
hour that is not over."""

SUMMED: Final = f"""
    SELECT endpoint_id, path, hour, count(*) AS count, count(number) AS numbers, min(number) AS low,
        max(number) AS high, sum(number) AS total, max(CASE WHEN place = 1 THEN at END) AS last_at,
        max(CASE WHEN place = 1 THEN value END) AS last_value{{more}}
    FROM (
        SELECT r.*, r.at / {HOUR} * {HOUR} AS hour,
            row_number() OVER (PARTITION BY endpoint_id, path, r.at / {HOUR} ORDER BY at DESC, seq DESC) AS place
        FROM reading r WHERE {{condition}}
    ) placed
    GROUP BY endpoint_id, path, hour
"""  # noqa: S608 - constants

_INSERT: Final = (
    "INSERT INTO reading_hour (endpoint_id, path, hour, count, numbers, low, high, total, last_at, last_value)"
)

_ADD: Final = f"""
    {_INSERT}
    {SUMMED.format(more="", condition="seq > $1 AND seq <= $2")}
    ON CONFLICT (endpoint_id, path, hour) DO UPDATE SET
        count = reading_hour.count + excluded.count,
        numbers = reading_hour.numbers + excluded.numbers,
        low = CASE WHEN excluded.low < reading_hour.low THEN excluded.low
            ELSE coalesce(reading_hour.low, excluded.low) END,
        high = CASE WHEN excluded.high > reading_hour.high THEN excluded.high
            ELSE coalesce(reading_hour.high, excluded.high) END,
        total = coalesce(reading_hour.total + excluded.total, reading_hour.total, excluded.total),
        last_value = CASE WHEN excluded.last_at >= reading_hour.last_at THEN excluded.last_value
            ELSE reading_hour.last_value END,
        last_at = CASE WHEN excluded.last_at >= reading_hour.last_at THEN excluded.last_at
            ELSE reading_hour.last_at END
"""

_REBUILD: Final = f"""
    {_INSERT}
    {SUMMED.format(more="", condition="endpoint_id = $1 AND path = $2 AND at >= $3 AND at < $4 AND seq <= $5")}
"""


@dataclass(slots=True)
class AggregateReadings(Command[bool]):
    """Add a limited number of readings to their hours; return whether there are more."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    added: int = field(default=0, init=False)

    async def find(self, group: Group) -> None:
        (head,) = await group.store.fetch("SELECT aggregated FROM ledger_head")
        (row,) = await group.store.fetch(_UP_TO, head["aggregated"], PIECE, group.now // HOUR * HOUR)
        self.added = row["found"]
        if row["upto"] is not None:
            await group.store.execute(_ADD, head["aggregated"], row["upto"])
            await group.store.execute("UPDATE ledger_head SET aggregated = $1", row["upto"])

    def apply(self, group: Group) -> bool:  # noqa: ARG002 - find() does the work
        return self.added == PIECE


@dataclass(slots=True)
class RebuildAggregates(Command[None]):
    """Compute the hours of one resource from ``since`` to ``until`` (both whole hours) again; those of which readings
    have been pruned (:data:`COMPLETE_FROM`) remain unchanged."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    endpoint_id: int
    path: str
    since: Instant
    until: Instant

    async def find(self, group: Group) -> None:
        (complete,) = await group.store.fetch(COMPLETE_FROM)
        key = self.endpoint_id, self.path, max(self.since, complete["hour"]), self.until
        await group.store.execute(
            "DELETE FROM reading_hour WHERE endpoint_id = $1 AND path = $2 AND hour >= $3 AND hour < $4", *key
        )
        (head,) = await group.store.fetch("SELECT aggregated FROM ledger_head")
        await group.store.execute(_REBUILD, *key, head["aggregated"])

    def apply(self, group: Group) -> None:
        pass
