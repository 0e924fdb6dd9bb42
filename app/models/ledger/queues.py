"""Queues in which an operation waits for its retry: find the operation that goes next, and its time.

An operation that the device answered with an error holds back its object instances until the retry, and nothing else
(``docs/lifecycle.md``). Only queues of endpoints with such an operation are read here; everywhere else the head of the
queue goes next, and the claim reads it in its own statement.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from app.domain.enums import Instant, OperationKind
from app.domain.operations import Instances, instances_of
from app.models.fields import load_json
from app.models.ledger.store import Store

IN_SIGHT: Final = 500
"""Maximum of operations read from one queue: those further back wait until one of these has ended."""

NOTHING: Final = 0
"""Value of ``next_operation``: no operation goes before the endpoint's next wake."""

_TOGETHER: Final = 100
_COLUMNS: Final = (
    *("endpoint_id", "seq", "kind", "path", "paths", "priority"),
    *("timeout_seconds", "expires_at", "held_wake_seq", "retry_at"),
)
_QUEUE: Final = f"""
    SELECT * FROM (
        SELECT {", ".join(_COLUMNS)} FROM operation WHERE endpoint_id = ${{number}} AND status = 'QUEUED'
        ORDER BY priority DESC, seq LIMIT {IN_SIGHT}
    ) AS queue_{{number}}
"""


class Next(NamedTuple):
    """The operation that goes next (``NOTHING``: none), the earliest time (None: not before a wake), and whether an
    operation of the queue waits for its retry, so that the next one is not always the first."""

    operation: int
    at: Instant | None
    timeout_seconds: int
    waiting: bool


class Retried(Protocol):
    """The properties of an operation that decide when it may be retried: a row of the ledger or a reader's view."""

    held_wake_seq: int | None
    retry_at: Instant | None


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

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: higher priority first, then the queue's order."""
        return -self.priority, self.seq

    @property
    def instances(self) -> Instances:
        return instances_of(OperationKind(self.kind), self.path, load_json(self.paths))


async def read_queues(store: Store, endpoint_ids: Collection[int]) -> dict[int, list[Queued]]:
    """Return the first :data:`IN_SIGHT` QUEUED operations of each endpoint, in sending order."""
    queues: dict[int, list[Queued]] = {id_: [] for id_ in endpoint_ids}
    every = list(queues)
    for ids in (every[start : start + _TOGETHER] for start in range(0, len(every), _TOGETHER)):
        parts = (_QUEUE.format(number=number) for number in range(1, len(ids) + 1))
        for row in await store.fetch(" UNION ALL ".join(parts), *ids):
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
    waiting = len(queue) >= IN_SIGHT or any(waits_for_retry(one, wake_seq, now) for one in alive)
    best = Next(NOTHING, None, 0, waiting)
    for operation in _in_front(alive):
        due = retry_due(operation, wake_seq)
        if due is not None and (best.at is None or due < best.at):
            best = Next(operation.seq, due, operation.timeout_seconds, waiting)
        if not waits_for_retry(operation, wake_seq, now):
            break
    return best


def waits_for_retry(operation: Retried, wake_seq: int, now: Instant) -> bool:
    """Return whether the device answered the operation with an error, and its retry is not due yet."""
    due = retry_due(operation, wake_seq)
    return due is None or due > now


def retry_due(operation: Retried, wake_seq: int) -> Instant | None:
    """Return the earliest time at which an operation may be sent; None for not before the endpoint's next wake.

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
