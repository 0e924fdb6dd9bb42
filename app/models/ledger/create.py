"""Creation of operations: a batch is stored as a whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from app.domain.enums import OperationStatus, ReasonCode
from app.models.ledger import sequences
from app.models.ledger.commands import Command, Conflict, LimitExceeded, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.queues import may_be_passed_over
from app.models.ledger.rows import EndpointRow
from app.models.lifecycle import TERMINAL
from app.models.operation import NewOperation, Operation

QUEUE_SETTING: Final = "REVEILLE_MAX_QUEUED"
"""The setting of ``Rules.max_queued``, as errors name it."""


@dataclass(frozen=True, slots=True)
class Created:
    """The operation's identity, and whether this call created it (False for a known idempotency key)."""

    id: str
    seq: int
    created: bool


@dataclass(slots=True)
class Create(Command[list[Created]]):
    """Create operations as QUEUED; those of a sequence that has stopped are CANCELED in the same commit.

    Raise NotFound for an unknown endpoint or a pruned operation to retry, Conflict for a key used with another input or
    an operation that cannot be retried, LimitExceeded for a sequence or an endpoint with too many; all carry ``index``.
    """

    phase: ClassVar[Phase] = Phase.CREATE
    operations: Sequence[NewOperation]

    def __post_init__(self) -> None:
        self.weight = len(self.operations)

    def needs(self, needs: Needs) -> None:
        for new in self.operations:
            need(needs, new)
            needs.operation_ids.add(new.id)
            if new.idempotency_key is not None:
                needs.idempotency_keys.add(new.idempotency_key)
            if new.retry_of is not None:
                needs.retried_seqs.add(new.retry_of)
                needs.operation_seqs.add(new.retry_of)

    def apply(self, group: Group) -> list[Created]:
        self._check_keys()
        found = [_find(group, index, new) for index, new in enumerate(self.operations)]
        self._check_sequences(group, found)
        self._check_queues(group, found)
        return [known or _take(group, new) for new, known in zip(self.operations, found, strict=True)]

    def _check_sequences(self, group: Group, found: Sequence[Created | None]) -> None:
        """Raise LimitExceeded if a sequence would have too many QUEUED operations."""
        added: Counter[tuple[int, str]] = Counter()
        for index, (new, known) in enumerate(zip(self.operations, found, strict=True)):
            if new.sequence is not None and known is None:
                pair = group.names[new.request.endpoint].id, new.sequence
                added[pair] += 1
                if group.members[pair] + added[pair] > sequences.MAX_QUEUED:
                    most = sequences.MAX_QUEUED
                    message = f"Too many operations wait in the sequence; at most {most} are allowed."
                    raise LimitExceeded(message, index=index, limit=most)

    def _check_queues(self, group: Group, found: Sequence[Created | None]) -> None:
        """Raise LimitExceeded if an endpoint would have too many QUEUED operations. One that supersedes a QUEUED
        operation takes its place."""
        added: Counter[int] = Counter()
        for index, (new, known) in enumerate(zip(self.operations, found, strict=True)):
            endpoint = group.names[new.request.endpoint]
            if known is None and not any(one.status is OperationStatus.QUEUED for one in _superseded(group, new)):
                added[endpoint.id] += 1
                if is_full(group, endpoint, added[endpoint.id]):
                    most = group.rules.max_queued
                    message = f"Too many operations are QUEUED for {endpoint.name!r}; at most {most} are allowed."
                    facts = {"endpoint": endpoint.name, "setting": QUEUE_SETTING}
                    raise LimitExceeded(message, index=index, limit=most, **facts)

    def _check_keys(self) -> None:
        """Raise Conflict if the batch has a key twice with different inputs."""
        first: dict[tuple[str, str], NewOperation] = {}
        for index, new in enumerate(self.operations):
            if new.idempotency_key is not None:
                earlier = first.setdefault((new.request.endpoint, new.idempotency_key), new)
                if earlier.fingerprint != new.fingerprint:
                    message = "The idempotency key occurs twice in the batch, with different inputs."
                    raise Conflict(message, index=index, id=earlier.id, field="idempotencyKey")


def _find(group: Group, index: int, new: NewOperation) -> Created | None:
    """Return the existing operation for this input, if any. Raise NotFound or Conflict if it cannot be created."""
    endpoint = group.names.get(new.request.endpoint)
    if endpoint is None:
        name = new.request.endpoint
        raise NotFound(
            f"Unknown endpoint {name!r}. An endpoint is known once it has registered or was provisioned.",
            index=index,
            field="endpoint",
        )
    same = group.ids.get(new.id)
    if same is not None and same.endpoint_id == endpoint.id:
        return Created(same.id, same.seq, created=True)
    earlier = _of_key(group, endpoint, new)
    if earlier is None:
        _check_retry(group, index, new, endpoint)
        return None
    if earlier.fingerprint != new.fingerprint:
        message = "The idempotency key was used with another input."
        raise Conflict(message, index=index, id=earlier.id, field="idempotencyKey")
    return Created(earlier.id, earlier.seq, created=False)


def _of_key(group: Group, endpoint: EndpointRow, new: NewOperation) -> Operation | None:
    return None if new.idempotency_key is None else group.keys.get((endpoint.id, new.idempotency_key))


def _take(group: Group, new: NewOperation) -> Created:
    """Store the operation, unless an earlier one of this batch has the same key."""
    earlier = _of_key(group, group.names[new.request.endpoint], new)
    return store_operation(group, new) if earlier is None else Created(earlier.id, earlier.seq, created=False)


def _check_retry(group: Group, index: int, new: NewOperation, endpoint: EndpointRow) -> None:
    if new.retry_of is None:
        return
    old = group.operations.get(new.retry_of)
    if old is None:
        raise NotFound("The operation to be retried was deleted at the end of the retention.", index=index)
    if old.endpoint_id != endpoint.id:
        raise NotFound("The endpoint of the operation to be retried was deleted.", index=index)
    if old.status not in TERMINAL:
        message = f"The operation is {old.status}. Only an operation that has ended can be retried."
        raise Conflict(message, index=index, id=old.id, status=old.status)
    for operation in group.retries.get(old.seq, ()):
        if operation.status not in TERMINAL:
            message = "The operation has a retry that has not ended. Only one retry at a time is possible."
            raise Conflict(message, index=index, id=operation.id, status=operation.status)


def is_full(group: Group, endpoint: EndpointRow, more: int = 1) -> bool:
    """Return whether the queue of an endpoint has no room for so many more operations."""
    return 0 < group.rules.max_queued < endpoint.queued + more


def need(needs: Needs, new: NewOperation) -> None:
    """Add the rows that :func:`store_operation` needs."""
    needs.endpoint_names.add(new.request.endpoint)
    if new.supersede and new.request.path is not None:
        needs.superseded_paths.add(new.request.path)
    if new.sequence is not None:
        needs.sequences.add((new.request.endpoint, new.sequence))


def store_operation(group: Group, new: NewOperation) -> Created:
    """Create an operation of a known endpoint, and cancel those that it supersedes."""
    endpoint = group.names[new.request.endpoint]
    operation = Operation.create(new, seq=group.draw(), endpoint_id=endpoint.id, now=group.now)
    _supersede(group, new)
    group.new_operation(operation)
    if endpoint.next_operation is None and may_be_passed_over(operation, group.now):
        endpoint.next_operation = operation.seq  # must be found before the endpoint is written
    return Created(operation.id, operation.seq, created=True)


def _superseded(group: Group, new: NewOperation) -> Iterator[Operation]:
    """Yield the older writes to the same path, if the operation supersedes them."""
    if new.supersede:
        older = group.targets.get((group.names[new.request.endpoint].id, new.request.path), ())
        yield from (one for one in older if one.kind is new.request.kind)


def _supersede(group: Group, new: NewOperation) -> None:
    """Cancel older QUEUED writes to the same path; one that is SENDING now is canceled instead of requeued."""
    for older in _superseded(group, new):
        if older.status is OperationStatus.QUEUED:
            group.move(older, OperationStatus.CANCELED, ReasonCode.SUPERSEDED)
        elif older.status is OperationStatus.SENDING:
            older.superseded = True
