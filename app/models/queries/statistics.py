"""Statistics of the operations that ended last, for an overview.

However many have ended, two statements read at most :data:`MOST` rows of the index ``ix_operation_finished``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.enums import MILLISECOND, SECOND, Instant, OperationStatus, ReasonCode
from app.models.contacts import last_contact
from app.models.queries.access import Lane, fetch, reading_through

MOST: Final = 10_000
"""Maximum number of ended operations that are counted."""
SAMPLE: Final = 2_000
"""Maximum number of CONFIRMED operations whose time since the wake is computed."""
INTERVALS: Final = 30

_ENDED: Final = """
    SELECT {columns} FROM operation
    WHERE finished_at > $1 AND finished_at <= $2 ORDER BY finished_at DESC LIMIT {most}
"""
_COLUMNS: Final = "status, created_at, not_before, finished_at, endpoint_id"
COUNTS: Final = f"""
    WITH ended AS ({_ENDED.format(columns="status, reason, finished_at", most=MOST + 1)}),
         span AS (
            SELECT CASE WHEN count(*) > {MOST} THEN min(finished_at) ELSE $1 END AS since, count(*) > {MOST} AS capped
            FROM ended
         )
    SELECT since, capped, status, reason, (finished_at - since - 1) * {INTERVALS} / ($2 - since), count(*)
    FROM span LEFT JOIN ended ON finished_at > since
    GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - constants
"""One row without a status if none has ended. Where there are too many, all that ended together with the oldest one are
left out, so that the time that is covered has all of its operations."""
WAKES: Final = f"""
    SELECT created_at, not_before, finished_at, (SELECT contacts FROM endpoint WHERE id = endpoint_id)
    FROM (
        SELECT * FROM ({_ENDED.format(columns=_COLUMNS, most=MOST)}) ended
        WHERE status = 'CONFIRMED' ORDER BY finished_at DESC LIMIT {SAMPLE}
    ) confirmed
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class EndedStatistics:
    """Statistics of the operations that ended after ``start`` and not after ``end``.

    Attributes:
        capped: whether more than :data:`MOST` ended in the time that was requested, so that ``start`` is later.
        counts: by status and reason.
        ended: those of each of :data:`INTERVALS` equal intervals, in order of time.
        confirmed: those of ``ended`` that were CONFIRMED.
        wake_millis: milliseconds from the wake to the end, ascending, of the newest CONFIRMED operations that waited
            for their device's wake (:func:`millis_from_wake`).
    """

    start: Instant
    end: Instant
    capped: bool
    counts: Mapping[tuple[OperationStatus, ReasonCode | None], int]
    ended: Sequence[int]
    confirmed: Sequence[int]
    wake_millis: Sequence[int]


async def ended_statistics(now: Instant, seconds: int) -> EndedStatistics:
    """Return the statistics of the operations that ended in the last ``seconds`` before ``now``. Raise
    ReadUnavailable."""
    with reading_through(Lane.SEARCH):
        rows = await fetch(COUNTS, [now - seconds * SECOND, now])
        start, capped = rows[0][:2]
        samples = await fetch(WAKES, [start, now])
    counts: Counter[tuple[OperationStatus, ReasonCode | None]] = Counter()
    ended, confirmed = [0] * INTERVALS, [0] * INTERVALS
    for _, _, status, reason, interval, count in rows:
        if status is not None:
            counts[OperationStatus(status), None if reason is None else ReasonCode(reason)] += count
            ended[interval] += count
            if status == OperationStatus.CONFIRMED:
                confirmed[interval] += count
    waits = (millis_from_wake(*sample) for sample in samples)
    return EndedStatistics(
        start, now, bool(capped), counts, ended, confirmed, sorted(wait for wait in waits if wait is not None)
    )


def millis_from_wake(
    created_at: Instant, not_before: Instant | None, finished_at: Instant, contacts: str | None
) -> int | None:
    """Return the milliseconds from the device's last contact before the end of an operation to this end.

    None if the operation did not wait for this contact, because it was created (or its ``notBefore`` came) later, or if
    the contact is not known any more.
    """
    wake = last_contact(contacts, finished_at)
    if wake is None or max(created_at, not_before or 0) > wake:
        return None
    return (finished_at - wake) // MILLISECOND
