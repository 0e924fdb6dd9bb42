"""Cancelling: only what is still QUEUED can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.domain.words import OperationStatus, ReasonCode
from app.models.ledger.group import Group
from app.models.ledger.members import Conflict, Member, Needs, NotFound, Phase


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
