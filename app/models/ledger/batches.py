"""Batches: one operation for each endpoint of a filter, created in pieces, each in a transaction of its own.

The batch's row has the name of the last endpoint that is done. A piece is created only if the row is still as the
caller read it, so that neither a repeated piece nor a second caller creates an operation twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final

from app.domain.enums import Instant
from app.models.ledger import sequences
from app.models.ledger.commands import Command, Conflict, NotFound, Phase
from app.models.ledger.create import is_full, need, store_operation
from app.models.ledger.group import Group, Needs
from app.models.operation import NewOperation


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored.

    Attributes:
        fingerprint: digest of filter and template, also of its operations.
        last_endpoint: name of the last endpoint that is done; None if none is. They are done in the order of names.
        created, passed_over: numbers of endpoints with and without a new operation.
        finished_at: None if endpoints may be left.
    """

    id: int
    name: str
    fingerprint: str
    last_endpoint: str | None = None
    created: int = 0
    passed_over: int = 0
    finished_at: Instant | None = None

    @property
    def done(self) -> int:
        """Number of endpoints that are done."""
        return self.created + self.passed_over


_COLUMNS: Final = ", ".join(column.name for column in fields(Batch))
BY: Final = f"SELECT {_COLUMNS} FROM operation_batch WHERE "  # noqa: S608 - constant names
_BEGIN: Final = (
    "INSERT INTO operation_batch (id, name, endpoint_filter, template, fingerprint, begun_by, begun_at, continued_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
)
_CONTINUE: Final = (
    "UPDATE operation_batch SET last_endpoint = $2, created = $3, passed_over = $4, finished_at = $5, "
    "continued_at = $6 WHERE id = $1"
)


@dataclass(slots=True)
class BeginBatch(Command[Batch]):
    """Return the batch of this name; begin it if there is none.

    Raise Conflict if there is one with another fingerprint, or if it is new and not ``expected`` endpoints match.

    Attributes:
        endpoint_filter, template: the input as JSON text, stored for the record.
        matching: number of endpoints that match now; not needed without ``expected``.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    name: str
    endpoint_filter: str
    template: str
    fingerprint: str
    by: str
    expected: int | None = None
    matching: int | None = None
    stored: Batch | None = field(default=None, init=False)

    async def find(self, group: Group) -> None:
        self.stored = await _find(group, "name = $1", self.name)

    def apply(self, group: Group) -> Batch:
        if self.stored is not None:
            if self.stored.fingerprint != self.fingerprint:
                message = f"The batch {self.name!r} was begun with another filter or input."
                raise Conflict(message, field="batch")
            return self.stored
        if self.expected is not None and self.matching != self.expected:
            message = f"The filter matches {self.matching} endpoints, not {self.expected}; nothing was created."
            raise Conflict(message, count=self.matching)
        batch = Batch(group.draw(), self.name, self.fingerprint)
        row = (batch.id, self.name, self.endpoint_filter, self.template, self.fingerprint, self.by, group.now)
        group.statements.append((_BEGIN, [row]))
        return batch


@dataclass(slots=True)
class ContinueBatch(Command[Batch]):
    """Create the next operations of a batch, and return it as it is then.

    If the stored batch is not ``batch`` any more, nothing is created: another caller has continued it, or this piece
    was committed already. Endpoints that are gone, and those whose queue or sequence is full, are passed over. Raise
    NotFound if the batch was deleted.

    Attributes:
        operations: at most one for each endpoint of the piece.
        passed_over: number of endpoints of the piece that have none.
        last_endpoint: name of the last endpoint of the piece.
        last: whether no endpoint is left after this piece.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    batch: Batch
    operations: Sequence[NewOperation]
    passed_over: int
    last_endpoint: str | None
    last: bool
    stored: Batch | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.weight = max(1, len(self.operations))

    def needs(self, needs: Needs) -> None:
        for new in self.operations:
            need(needs, new)

    async def find(self, group: Group) -> None:
        self.stored = await _find(group, "id = $1", self.batch.id)

    def apply(self, group: Group) -> Batch:
        if self.stored is None:
            raise NotFound("The batch was deleted at the end of the retention.", field="batch")
        if self.stored != self.batch:
            return self.stored
        created = sum(_create(group, new) for new in self.operations)
        batch = replace(
            self.batch,
            last_endpoint=self.last_endpoint,
            created=self.batch.created + created,
            passed_over=self.batch.passed_over + self.passed_over + len(self.operations) - created,
            finished_at=group.now if self.last else None,
        )
        row = (batch.id, batch.last_endpoint, batch.created, batch.passed_over, batch.finished_at, group.now)
        group.statements.append((_CONTINUE, [row]))
        return batch


async def _find(group: Group, condition: str, value: Any) -> Batch | None:
    rows = await group.store.fetch(BY + condition, value)
    return Batch(*rows[0]) if rows else None


def _create(group: Group, new: NewOperation) -> bool:
    """Create an operation; return False if its endpoint is gone, or its queue or its sequence is full."""
    endpoint = group.names.get(new.request.endpoint)
    if endpoint is None or is_full(group, endpoint):
        return False
    if new.sequence is not None and group.members[endpoint.id, new.sequence] >= sequences.MAX_QUEUED:
        return False
    store_operation(group, new)
    return True
