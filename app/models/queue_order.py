"""Check an endpoint's queue by its raw rows (invariants 6 and 7): operations that were overtaken, or could be sent.

Both checks know which object instances an operation that waits for its retry holds back (``docs/lifecycle.md``), and
that one that waits for its ``notBefore`` or its sequence holds back none. They share the conflict rule with the ledger,
and none of its derived state.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, TypeAlias

from app.domain.enums import Instant, OperationKind, OperationStatus, ReasonCode
from app.domain.operations import Instances, conflict, instances_of
from app.models.fields import load_json
from app.models.ledger.queues import FIRST_OF_SEQUENCES, IN_SIGHT

Rows: TypeAlias = Sequence[Mapping[str, Any]]


_ORDER: Final = attrgetter("order")

ENDED: Final = 20_000
"""Maximum of ended operations of one endpoint that are replayed, the latest ones: an endpoint may have millions."""

HISTORY: Final = f"""
    SELECT o.seq, o.priority, o.kind, o.path, o.paths, o.expires_at, o.finished_at, o.last_seq,
           o.not_before, o.sequence, t.seq AS step, t.to_status, t.reason, t.at
    FROM (
        SELECT seq FROM (
            SELECT seq FROM operation WHERE endpoint_id = $1 AND finished_at IS NOT NULL
            ORDER BY last_seq DESC LIMIT {ENDED}
        ) ended
        UNION ALL SELECT seq FROM operation WHERE endpoint_id = $1 AND finished_at IS NULL
    ) chosen JOIN operation o ON o.seq = chosen.seq JOIN transition t ON t.operation_id = o.seq
    ORDER BY t.seq
"""
"""The history of an endpoint's operations, as :func:`overtaken` reads it."""

QUEUE: Final = f"""
    SELECT e.name, e.wake_seq, o.priority, o.seq, o.kind, o.path, o.paths, o.created_at, o.expires_at,
           o.held_wake_seq, o.retry_at, o.not_before
    FROM endpoint e JOIN operation o ON o.endpoint_id = e.id
    WHERE e.id = $1 AND o.status = 'QUEUED' AND (o.sequence IS NULL OR o.seq IN ({FIRST_OF_SEQUENCES.format(number=1)}))
    ORDER BY o.priority DESC, o.seq LIMIT {IN_SIGHT}
"""
"""An endpoint's queue, of each sequence only the first operation, as :func:`left_waiting` reads it."""


@dataclass(slots=True)
class _Queued:
    seq: int
    priority: int
    instances: Instances
    expires_at: Instant | None
    not_before: Instant | None
    sequence: str | None
    waits: bool = False

    @property
    def order(self) -> tuple[int, int]:
        return -self.priority, self.seq


def overtaken(history: Rows, _now: Instant, _overdue: Instant) -> list[int]:
    """Return the operations (``seq``) that were overtaken by one behind them, from the log of one endpoint.

    An operation may be overtaken if the device answered it with an error and it waits for its retry, if it touches an
    object instance of one that is overtaken, if it had expired, or if it waits for its ``notBefore`` or for an earlier
    one of its sequence. Except in the last two cases, no operation of the same object instance may overtake it at all.
    Between operations of different priorities only this last rule is checked.
    """
    # the step from which the history is complete: before it, operations that are not included were queued, too
    ends = {row["seq"]: row["last_seq"] for row in history if row["finished_at"] is not None}
    since = min(ends.values()) if len(ends) >= ENDED else 0
    known: dict[int, _Queued] = {}
    queue: list[_Queued] = []
    found: list[int] = []
    for row in history:
        one = known.get(row["seq"]) or known.setdefault(
            row["seq"],
            _Queued(
                row["seq"], row["priority"], _instances(row), row["expires_at"], row["not_before"], row["sequence"]
            ),
        )
        at = bisect_left(queue, one.order, key=_ORDER)
        queued = at < len(queue) and queue[at] is one
        if row["to_status"] == OperationStatus.QUEUED:
            one.waits = row["reason"] == ReasonCode.DEVICE_ERROR
            insort(queue, one, key=_ORDER)
            continue
        if queued and row["to_status"] == OperationStatus.SENDING and row["step"] >= since:
            found += _passed([other for other in queue[:at] if not _is_behind(other, queue)], one, row["at"])
        if queued:
            del queue[at]
    return sorted(set(found))


def _instances(row: Mapping[str, Any]) -> Instances:
    return instances_of(OperationKind(row["kind"]), row["path"], load_json(row["paths"]))


def _is_behind(one: _Queued, queue: Sequence[_Queued]) -> bool:
    """Return whether an earlier operation of its sequence is in the queue."""
    return one.sequence is not None and any(o.sequence == one.sequence and o.seq < one.seq for o in queue)


def _passed(earlier: Sequence[_Queued], sent: _Queued, at: Instant) -> list[int]:
    """Return those of the earlier operations that this one may not overtake."""
    held: dict[Instances, int] = {}
    for one in earlier:
        if one.expires_at is not None and one.expires_at <= at:
            continue
        if one.not_before is not None and one.not_before > at:
            continue
        if one.waits or any(conflict(one.instances, instances) for instances in held):
            held.setdefault(one.instances, one.seq)
        elif one.priority == sent.priority:
            return [one.seq]
    return [seq for instances, seq in held.items() if conflict(instances, sent.instances)][:1]


def left_waiting(queue: Rows, now: Instant, overdue: Instant) -> list[str]:
    """Return the endpoint's name if an operation of its queue could have been sent since before ``overdue``."""
    earlier: set[Instances] = set()
    for row in queue:
        if row["expires_at"] is not None and row["expires_at"] <= now:
            continue
        if row["not_before"] is not None and row["not_before"] > now:
            continue
        instances = _instances(row)
        free = not any(conflict(instances, one) for one in earlier)
        if free and row["created_at"] < overdue and not _waits(row, overdue):
            return [row["name"]]
        earlier.add(instances)
    return []


def _waits(row: Mapping[str, Any], overdue: Instant) -> bool:
    if row["not_before"] is not None and row["not_before"] >= overdue:
        return True
    if row["held_wake_seq"] is None or row["wake_seq"] > row["held_wake_seq"]:
        return False
    return row["retry_at"] is None or bool(row["retry_at"] >= overdue)
