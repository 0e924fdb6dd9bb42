"""Readings: how reported values become rows, and how old rows are removed.

On PostgreSQL a partition holds the readings that were stored on one day (UTC). The ledger creates partitions ahead, in
the transaction that needs them, so that no background task can be late; retention drops whole partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import SECOND, Instant, ReadingOrigin, TimeSource
from app.domain.values import TypedValue, number_of
from app.models.fields import codes_of, dump_json
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.rows import EndpointRow, ReadingRow
from app.models.ledger.store import LONG_STATEMENT_SECONDS

EARLIEST_CLOCK: Final[Instant] = 1_262_304_000 * SECOND
"""2010-01-01: a device's clock that is earlier was never set."""

CLOCK_AHEAD: Final[Instant] = 300 * SECOND
"""How far a device's clock may be ahead of the receipt."""

MAX_NUMBER: Final = 1e300
"""Greater numbers have no ``number``: a sum of them would not be a number of double precision."""

PIECE: Final = 1_000
"""Hourly aggregates that one transaction deletes."""

_ORIGINS: Final = codes_of(ReadingOrigin)
_TIME_SOURCES: Final = codes_of(TimeSource)


@dataclass(frozen=True, slots=True)
class TypedSample:
    """Values of one moment: ``at`` of the device's clock, or None for the time of their receipt."""

    values: Mapping[str, TypedValue]
    at: Instant | None = None


def report(
    group: Group, endpoint: EndpointRow, samples: Iterable[TypedSample], origin: ReadingOrigin, received_at: Instant
) -> None:
    """Add the values of one message to the history, in order of arrival; the greatest by (``at``, arrival) is its
    resource's state."""
    seq, report_, origin_, row = group.seq, group.seq + 1, _ORIGINS[origin], ReadingRow._make
    for sample in samples:
        at, source = _time_of(sample, received_at)
        message = endpoint.id, at, received_at, group.now, report_
        for path, typed in sample.values.items():
            number = number_of(typed.type, typed.value)
            if number is not None and not -MAX_NUMBER <= number <= MAX_NUMBER:
                number = None
            seq += 1
            value = dump_json(typed.value)
            group.readings.append(row((seq, *message, number, origin_, source, path, typed.type, value)))
    group.reported[origin] += seq - group.seq
    group.seq = seq


def _time_of(sample: TypedSample, received_at: Instant) -> tuple[Instant, int]:
    """Return the time of a sample, and its source: the device's if its clock can be right. A value dated 1970 would
    remain behind all earlier ones forever, and one dated 2038 before all later ones."""
    if sample.at is None or not EARLIEST_CLOCK <= sample.at <= received_at + CLOCK_AHEAD:
        return received_at, _TIME_SOURCES[TimeSource.SERVER]
    return sample.at, _TIME_SOURCES[TimeSource.DEVICE]


def latest(readings: Sequence[ReadingRow]) -> Iterable[ReadingRow]:
    """Return the latest reading of each resource by (``at``, arrival): one statement must not change a row twice."""
    found: dict[tuple[int, str], ReadingRow] = {}
    for reading in readings:
        resource = reading.endpoint_id, reading.path
        known = found.get(resource)
        if known is None or known.at <= reading.at:
            found[resource] = reading
    return found.values()


_OLD_HOURS: Final = "SELECT endpoint_id, path, hour FROM reading_hour WHERE hour < $1 ORDER BY hour LIMIT $2"
_DELETE_HOUR: Final = "DELETE FROM reading_hour WHERE endpoint_id = $1 AND path = $2 AND hour = $3"


@dataclass(slots=True)
class PruneReadings(Command[bool]):
    """Delete readings and hourly aggregates older than their retention, a limited number at a time; return whether
    there may be more.

    Readings that are not in the aggregates yet remain. ``reading_horizon`` moves with the deletion, so that an older
    cursor is refused (CURSOR_EXPIRED) and never silently skips.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    horizon: int | None = field(default=None, init=False)
    hours: int = field(default=0, init=False)

    async def find(self, group: Group) -> None:
        store, rules = group.store, group.rules
        edge, hour_edge = group.now - rules.reading_retention, group.now - rules.aggregate_retention
        (head,) = await store.fetch("SELECT aggregated FROM ledger_head")
        self.horizon = await store.drop_readings(edge, head["aggregated"])
        if self.horizon is not None:
            await store.execute("UPDATE ledger_head SET reading_horizon = $1 WHERE reading_horizon < $1", self.horizon)
        hours = await store.fetch(_OLD_HOURS, hour_edge, PIECE)
        await store.execute_many(_DELETE_HOUR, [tuple(hour) for hour in hours])
        self.hours = len(hours)

    def apply(self, group: Group) -> bool:  # noqa: ARG002 - find() does the work
        return self.horizon is not None or self.hours == PIECE
