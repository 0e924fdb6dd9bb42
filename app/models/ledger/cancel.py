"""Cancellation: a QUEUED operation ends at once, one that a stock Leshan holds when Leshan has dropped the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from app.domain.enums import OperationStatus, ReasonCode
from app.domain.events import Registration
from app.domain.outcomes import OutcomeKind
from app.models.ledger.commands import Command, Conflict, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import expect_answer, give_up_held, received_all_since, take_as_sent
from app.models.ledger.presence import is_registered_under
from app.models.ledger.readiness import leshan_holds
from app.models.ledger.rows import EndpointRow
from app.models.operation import Operation


@dataclass(slots=True)
class Cancel(Command[int]):
    """Cancel a QUEUED operation and return its ``seq``. If Leshan holds its request, only record that the cancellation
    is requested: a dispatcher displaces the request (:class:`Withdraw`). Raise NotFound, or Conflict with the current
    status."""

    phase: ClassVar[Phase] = Phase.CANCEL
    id: str

    def needs(self, needs: Needs) -> None:
        needs.operation_ids.add(self.id)

    def apply(self, group: Group) -> int:
        operation = group.ids.get(self.id)
        if operation is None:
            raise NotFound(f"Unknown operation {self.id!r}.", field="id")
        if group.again and operation.reason is ReasonCode.CANCELED_BY_USER:
            return operation.seq
        if leshan_holds(group.endpoints[operation.endpoint_id], operation.seq):
            operation.cancel_requested = True
            return operation.seq
        if operation.status is not OperationStatus.QUEUED:
            message = f"The operation is {operation.status}. Only a QUEUED operation can be canceled."
            raise Conflict(message, id=operation.id, status=operation.status)
        group.move(operation, OperationStatus.CANCELED, ReasonCode.CANCELED_BY_USER)
        return operation.seq


@dataclass(slots=True)
class Withdraw(Command[OperationStatus | None]):
    """Apply the outcome of a request that was sent to displace one that Leshan holds: a stock Leshan keeps one request
    per registration, and drops the older one. ``outcome`` is that of the displacing request. Return the operation's
    status, or None if the attempt is over.

    DELAYED means that Leshan holds the newer request now. The older one was never sent, unless the device woke before.
    If ``registration``, which Leshan reported after that, is the known one, without any later update, and no events
    were missed, the operation ends its attempt as not sent; otherwise its outcome is "perhaps". An outcome of an awake
    device means that the wake came first: Leshan has sent the older request, and its response decides.
    """

    phase: ClassVar[Phase] = Phase.SETTLE
    operation_seq: int
    attempt: int
    outcome: OutcomeKind
    registration: Registration | None = None

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.add(self.operation_seq)

    def apply(self, group: Group) -> OperationStatus | None:
        operation = group.operations.get(self.operation_seq)
        if operation is None or operation.attempt != self.attempt:
            return None
        endpoint = group.endpoints[operation.endpoint_id]
        if not leshan_holds(endpoint, operation.seq):
            return None
        if self.outcome is OutcomeKind.DELAYED:
            sure = self._has_not_woken(endpoint) and received_all_since(group, operation.last_attempt_at or 0)
            kind = OutcomeKind.DELAYED_DROPPED if sure else OutcomeKind.DELAYED_LOST
            give_up_held(group, endpoint, kind, "withdrawn: a newer request took its place at Leshan")
        elif self.outcome in _AWAKE:
            take_as_sent(endpoint)  # known before the wake's own event: a later DELAYED proves nothing any more
            expect_answer(group, endpoint)
        return operation.status

    def _has_not_woken(self, endpoint: EndpointRow) -> bool:
        """Return whether Leshan knows of no wake that the ledger has not received yet."""
        reported = self.registration
        if reported is None or reported.last_update is None or not is_registered_under(endpoint, reported):
            return False
        return reported.last_update == endpoint.leshan_last_update


_AWAKE: Final = frozenset(
    {
        OutcomeKind.SUCCESS,
        OutcomeKind.DEVICE_ANSWERED_NO,
        OutcomeKind.DEVICE_ANSWERED_NONSENSE,
        OutcomeKind.DEVICE_SILENT,
    }
)
"""Outcomes of a call that Leshan sent at once: it considered the device awake."""


@dataclass(slots=True)
class CancelMany(Command[int]):
    """Cancel the QUEUED operations among these ``seqs``, each with a transition of its own, as :class:`Cancel` does.
    Skip the others. Return the number of canceled operations. It is one short transaction: split a long list."""

    phase: ClassVar[Phase] = Phase.CANCEL
    seqs: Sequence[int]

    def __post_init__(self) -> None:
        self.weight = len(self.seqs)

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.update(self.seqs)

    def apply(self, group: Group) -> int:
        return sum(self._cancel(group, group.operations.get(seq)) for seq in self.seqs)

    def _cancel(self, group: Group, operation: Operation | None) -> bool:
        if operation is None:
            return False
        if operation.status is OperationStatus.QUEUED:
            group.move(operation, OperationStatus.CANCELED, ReasonCode.CANCELED_BY_USER)
            return True
        return group.again and operation.reason is ReasonCode.CANCELED_BY_USER
