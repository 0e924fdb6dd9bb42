"""Cancelling: only what is still QUEUED can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.domain.words import OperationStatus, ReasonCode
from app.models.ledger.group import Group
from app.models.ledger.members import Conflict, Member, Needs, NotFound, Phase
from app.models.ledger.rows import OperationRow


@dataclass(slots=True)
class Cancel(Member[int]):
    """QUEUED to CANCELED; answers the operation's ``seq``. Raises NotFound, or Conflict with the present status."""

    phase: ClassVar[Phase] = Phase.CANCEL
    id: str

    def needs(self, needs: Needs) -> None:
        needs.operation_ids.add(self.id)

    def apply(self, group: Group) -> int:
        operation = group.ids.get(self.id)
        if operation is None:
            raise NotFound("no operation has this id", field="id")
        if group.again and operation.reason is ReasonCode.CANCELED_BY_USER:
            return operation.seq
        if operation.status is not OperationStatus.QUEUED:
            message = f"the operation is {operation.status}: only a QUEUED one can be canceled"
            raise Conflict(message, id=operation.id, status=operation.status)
        group.move(operation, OperationStatus.CANCELED, ReasonCode.CANCELED_BY_USER)
        return operation.seq


@dataclass(slots=True)
class CancelMany(Member[int]):
    """QUEUED to CANCELED for these, by ``seq``: each a transition of its own, as if canceled alone. What is not QUEUED
    any more is passed over. Answers how many were canceled. One short transaction: give it a piece of a long list."""

    phase: ClassVar[Phase] = Phase.CANCEL
    seqs: Sequence[int]

    @property
    def weight(self) -> int:
        return len(self.seqs)

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.update(self.seqs)

    def apply(self, group: Group) -> int:
        return sum(self._cancel(group, group.operations.get(seq)) for seq in self.seqs)

    def _cancel(self, group: Group, operation: OperationRow | None) -> bool:
        if operation is None:
            return False
        if operation.status is OperationStatus.QUEUED:
            group.move(operation, OperationStatus.CANCELED, ReasonCode.CANCELED_BY_USER)
            return True
        return group.again and operation.reason is ReasonCode.CANCELED_BY_USER
