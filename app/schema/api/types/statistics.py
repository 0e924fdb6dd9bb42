"""Statistics of operations that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import strawberry

from app.domain.enums import SECOND
from app.models.lifecycle import TERMINAL
from app.models.queries import EndedStatistics
from app.schema.api.enums import OperationStatus, ReasonCode
from app.schema.api.scalars import DateTime, clamped_int
from app.schema.api.types.change import OperationCount


@strawberry.type(description="Number of ended operations with one status and reason.")
class ReasonCount:
    status: OperationStatus = strawberry.field(description="Final status: FAILED, EXPIRED or CANCELED.")
    reason: ReasonCode = strawberry.field(description="The reason.")
    count: int = strawberry.field(description="Number of operations with this status and reason.")


@strawberry.type(
    description="Distribution of the time from the device's wake to CONFIRMED, of the newest CONFIRMED operations that "
    "waited for the wake: at most 2,000. The wake is the last contact of the device before the end. Operations that "
    "were created after it (or whose `notBefore` came after it) are left out, also those whose wake is not among the "
    "12 newest contacts of their device any more."
)
class WakeToConfirmed:
    operations: int = strawberry.field(description="Number of operations from which the percentiles are computed.")
    p50_ms: int | None = strawberry.field(description="Median in milliseconds; null without operations.")
    p95_ms: int | None = strawberry.field(description="95th percentile in milliseconds; null without operations.")
    p99_ms: int | None = strawberry.field(description="99th percentile in milliseconds; null without operations.")


@strawberry.type(description="Operations that ended within one interval.")
class EndedBucket:
    from_: DateTime = strawberry.field(name="from", description="Start of the interval, exclusive.")
    ended: int = strawberry.field(description="Number of operations that ended, CONFIRMED ones included.")
    confirmed: int = strawberry.field(description="Number of operations that were CONFIRMED.")


@strawberry.type(description="Statistics of the operations that ended between `from` and `to`.")
class OperationStatistics:
    from_: DateTime = strawberry.field(
        name="from",
        description="Start of the time that is covered: `windowSeconds` before `to`, or later if `capped`.",
    )
    to: DateTime = strawberry.field(description="End of the time that is covered: the database's time of the query.")
    capped: bool = strawberry.field(
        description="Whether more than 10,000 operations ended within `windowSeconds`: then `from` is later, so that "
        "at most the newest 10,000 are counted, and all that ended since `from` are."
    )
    counts: list[OperationCount] = strawberry.field(
        description="Number of ended operations by status: one entry for each final status, also if the number is 0."
    )
    reasons: list[ReasonCount] = strawberry.field(
        description="Number of FAILED, EXPIRED and CANCELED operations by status and reason, the largest first."
    )
    wake_to_confirmed: WakeToConfirmed = strawberry.field(description="Time from the wake to CONFIRMED.")
    bucket_seconds: float = strawberry.field(description="Length of each interval of `buckets`.")
    buckets: list[EndedBucket] = strawberry.field(
        description="Operations by the time of their end: 30 intervals of equal length from `from` to `to`, in order."
    )


def statistics_of(view: EndedStatistics) -> OperationStatistics:
    by_status = dict.fromkeys((status for status in OperationStatus if status in TERMINAL), 0)
    for (status, _), count in view.counts.items():
        by_status[status] += count
    largest = sorted(view.counts.items(), key=lambda item: (-item[1], item[0]))
    span, intervals = view.end - view.start, len(view.ended)
    return OperationStatistics(
        from_=DateTime(view.start),
        to=DateTime(view.end),
        capped=view.capped,
        counts=[OperationCount(status=status, count=count) for status, count in by_status.items()],
        reasons=[
            ReasonCount(status=status, reason=reason, count=count)
            for (status, reason), count in largest
            if reason is not None
        ],
        wake_to_confirmed=WakeToConfirmed(
            operations=len(view.wake_millis),
            p50_ms=_percentile(view.wake_millis, 50),
            p95_ms=_percentile(view.wake_millis, 95),
            p99_ms=_percentile(view.wake_millis, 99),
        ),
        bucket_seconds=span / intervals / SECOND,
        buckets=[
            EndedBucket(from_=DateTime(view.start + span * number // intervals), ended=ended, confirmed=confirmed)
            for number, (ended, confirmed) in enumerate(zip(view.ended, view.confirmed, strict=True))
        ],
    )


def _percentile(ascending: Sequence[int], percent: int) -> int | None:
    """Return the smallest value that at least ``percent`` of the values do not exceed; None if there are none."""
    return clamped_int(ascending[ceil(len(ascending) * percent / 100) - 1]) if ascending else None
