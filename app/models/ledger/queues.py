"""Queues in which an operation waits for its retry, its ``notBefore`` or its sequence: find the operation that goes
next, and its time.

An operation that the device answered with an error holds back its object instances until the retry, and nothing else
(``docs/lifecycle.md``). One that waits for its ``notBefore``, or for an earlier operation of its sequence, holds back
nothing but its sequence. Only queues of endpoints with such an operation are read here; everywhere else the head of the
queue goes next, and the claim reads it in its own statement.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from app.domain.enums import Instant, OperationKind
from app.domain.operations import Instances, instances_of
from app.models.fields import load_json
from app.models.ledger.store import Store

IN_SIGHT: Final = 500
"""Maximum of operations read from one queue, without those that wait for their ``notBefore`` or their sequence: those
further back wait until one of these has ended."""

NOTHING: Final = 0
"""Value of ``next_operation``: no operation goes before the endpoint's next wake."""

_TOGETHER: Final = 100
_COLUMNS: Final = (
    *("endpoint_id", "seq", "kind", "path", "paths", "priority"),
    *("timeout_seconds", "expires_at", "held_wake_seq", "retry_at", "not_before", "sequence"),
)
FIRST_OF_SEQUENCES: Final = """
    SELECT min(seq) FROM operation
    WHERE endpoint_id = ${number} AND status = 'QUEUED' AND sequence IS NOT NULL GROUP BY sequence
"""
"""Subquery: the first QUEUED operation of each sequence of an endpoint, whatever their priorities. It is read once, and
only if the queue has a sequence; correlated with the queue's rows it read the queue again for each of them."""

_QUEUED: Final = f"""
    SELECT {", ".join(_COLUMNS)} FROM operation
    WHERE endpoint_id = ${{number}} AND status = 'QUEUED' AND (sequence IS NULL OR seq IN ({FIRST_OF_SEQUENCES}))
"""
_QUEUE: Final = f"""
    SELECT * FROM (
        {_QUEUED} AND (not_before IS NULL OR not_before <= $1) ORDER BY priority DESC, seq LIMIT {IN_SIGHT}
    ) AS queue_{{number}}
    UNION ALL SELECT * FROM ({_QUEUED} AND not_before > $1 ORDER BY not_before LIMIT 1) AS later_{{number}}
"""
"""The queue of one endpoint, and the operation whose ``notBefore`` comes next."""


class Next(NamedTuple):
    """The operation that goes next (``NOTHING``: none), the earliest time (None: not before a wake), and whether an
    operation of the queue waits for its retry or its ``notBefore``, or has a sequence, so that the next one is not
    always the first."""

    operation: int
    at: Instant | None
    timeout_seconds: int
    waiting: bool


class Retried(Protocol):
    """The properties of an operation that decide when it may be retried: a row of the ledger or a reader's view."""

    held_wake_seq: int | None
    retry_at: Instant | None


class Intended(Protocol):
    """The properties of an operation that its creator gave it for its place in the queue."""

    not_before: Instant | None
    sequence: str | None


@dataclass(slots=True)
class Queued:
    """A QUEUED operation with the properties that decide the order of its queue."""

    endpoint_id: int
    seq: int
    kind: str
    path: str | None
    paths: str
    priority: int
    timeout_seconds: int
    expires_at: Instant | None
    held_wake_seq: int | None
    retry_at: Instant | None
    not_before: Instant | None
    sequence: str | None

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: higher priority first, then the queue's order."""
        return -self.priority, self.seq

    @property
    def instances(self) -> Instances:
        return instances_of(OperationKind(self.kind), self.path, load_json(self.paths))


async def read_queues(store: Store, endpoint_ids: Collection[int], now: Instant) -> dict[int, list[Queued]]:
    """Return the first :data:`IN_SIGHT` QUEUED operations of each endpoint, in sending order. Of those that wait for
    their ``notBefore`` only the next one is included, of each sequence only the first one."""
    queues: dict[int, list[Queued]] = {id_: [] for id_ in endpoint_ids}
    every = list(queues)
    for ids in (every[start : start + _TOGETHER] for start in range(0, len(every), _TOGETHER)):
        parts = (_QUEUE.format(number=number) for number in range(2, len(ids) + 2))
        for row in await store.fetch(" UNION ALL ".join(parts), now, *ids):
            queues[row[0]].append(Queued(*row))
    for queue in queues.values():
        queue.sort(key=attrgetter("order"))
    return queues


def next_of(queue: Sequence[Queued], wake_seq: int, now: Instant) -> Next:
    """Return the next operation of an endpoint's queue.

    An operation may go if it does not wait itself, and no earlier one of the queue touches one of its object instances.
    If there is none, the next one is the first to be due of those that wait for a time.
    """
    alive = [one for one in queue if one.expires_at is None or one.expires_at > now]
    timely = [one for one in alive if one.not_before is None or one.not_before <= now]
    later = [one for one in alive if one.not_before is not None and one.not_before > now]
    waiting = (
        len(queue) >= IN_SIGHT
        # an expired one counts: it still hides those behind it in its sequence, and those of a later time
        or any(may_be_passed_over(one, now) for one in queue)
        or any(waits_for_retry(one, wake_seq, now) for one in alive)
    )
    best = Next(NOTHING, None, 0, waiting)
    for operation in chain(_in_front(timely), later):
        due = due_at(operation, wake_seq)
        if due is not None and (best.at is None or due < best.at):
            best = Next(operation.seq, due, operation.timeout_seconds, waiting)
        if due is not None and due <= now:
            break
    return best


def due_at(operation: Queued, wake_seq: int) -> Instant | None:
    """Return the earliest time at which an operation may be sent: after its retry's pause and its ``notBefore``. None:
    not before the endpoint's next wake."""
    retry = retry_due(operation, wake_seq)
    return None if retry is None else max(retry, operation.not_before or 0)


def may_be_passed_over(operation: Intended, now: Instant) -> bool:
    """Return whether the endpoint's queue is not always sent from its head as long as it contains this operation,
    whatever its attempts."""
    return operation.sequence is not None or (operation.not_before or 0) > now


def waits_for_retry(operation: Retried, wake_seq: int, now: Instant) -> bool:
    """Return whether the device answered the operation with an error, and its retry is not due yet."""
    due = retry_due(operation, wake_seq)
    return due is None or due > now


def retry_due(operation: Retried, wake_seq: int) -> Instant | None:
    """Return the earliest time of an operation's retry; None for not before the endpoint's next wake.

    It waits for its retry if the device answered it with an error since its last wake.
    """
    if operation.held_wake_seq is None or wake_seq > operation.held_wake_seq:
        return 0
    return operation.retry_at


def _in_front(queue: Iterable[Queued]) -> Iterator[Queued]:
    """Yield the operations that no earlier one of the queue conflicts with."""
    earlier = _Earlier()
    for operation in queue:
        instances = operation.instances
        if not earlier.add(instances):
            yield operation
        if instances is None:
            return


class _Earlier:
    """The object instances of the earlier operations."""

    __slots__ = ("_instances", "_objects")

    def __init__(self) -> None:
        self._instances: set[tuple[int, int | None]] = set()
        self._objects: set[int] = set()

    def add(self, instances: Instances) -> bool:
        """Add those of one more operation. Return whether one of them was there already."""
        if instances is None:
            return bool(self._instances)
        known = any(self._holds(*one) for one in instances)
        self._instances.update(instances)
        self._objects.update(object_id for object_id, _ in instances)
        return known

    def _holds(self, object_id: int, instance: int | None) -> bool:
        if instance is None:
            return object_id in self._objects
        return (object_id, instance) in self._instances or (object_id, None) in self._instances
