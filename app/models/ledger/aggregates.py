"""Hourly aggregates of readings: count, minimum, maximum, sum and last value of each resource in each hour.

Every reading is added once: one transaction adds those after ``ledger_head.aggregated`` to their hours, and moves that
number. So a late reading changes its own hour, and a query reads the aggregates, and the readings after that number. A
reading is added only once the hour of its commit is over: a device that reports every minute then changes one row an
hour, and not sixty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import HOUR, Instant
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.store import LONG_STATEMENT_SECONDS

PIECE: Final = 20_000
"""Readings that one transaction adds: some 50 ms of work, for which no other one is written."""

_UP_TO: Final = """
    SELECT max(p.seq) AS upto, count(*) AS found FROM (
        SELECT seq FROM reading WHERE seq > $1 AND stored_at < $2 ORDER BY seq LIMIT $3
    ) p
"""

_SUMMED: Final = f"""
    SELECT endpoint_id, path, hour, count(*), count(number), min(number), max(number), sum(number),
        max(CASE WHEN place = 1 THEN at END), max(CASE WHEN place = 1 THEN value END)
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
    {_SUMMED.format(condition="seq > $1 AND seq <= $2 AND stored_at < $3")}
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
    {_SUMMED.format(condition="endpoint_id = $1 AND path = $2 AND at >= $3 AND at < $4 AND seq <= $5")}
"""


@dataclass(slots=True)
class AggregateReadings(Command[bool]):
    """Add a limited number of readings to their hours; return whether there are more."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    more: bool = field(default=False, init=False)

    async def find(self, group: Group) -> None:
        edge = group.now // HOUR * HOUR
        (head,) = await group.store.fetch("SELECT aggregated FROM ledger_head")
        (row,) = await group.store.fetch(_UP_TO, head["aggregated"], edge, PIECE)
        self.more = row["found"] == PIECE
        if row["upto"] is not None:
            await group.store.execute(_ADD, head["aggregated"], row["upto"], edge)
            await group.store.execute("UPDATE ledger_head SET aggregated = $1", row["upto"])

    def apply(self, group: Group) -> bool:  # noqa: ARG002 - find() does the work
        return self.more


@dataclass(slots=True)
class RebuildAggregates(Command[None]):
    """Compute the hours of one resource from ``since`` to ``until`` again. Both are whole hours, and readings of that
    time must not have been pruned."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    endpoint_id: int
    path: str
    since: Instant
    until: Instant

    async def find(self, group: Group) -> None:
        key = self.endpoint_id, self.path, self.since, self.until
        await group.store.execute(
            "DELETE FROM reading_hour WHERE endpoint_id = $1 AND path = $2 AND hour >= $3 AND hour < $4", *key
        )
        (head,) = await group.store.fetch("SELECT aggregated FROM ledger_head")
        await group.store.execute(_REBUILD, *key, head["aggregated"])

    def apply(self, group: Group) -> None:
        pass
