"""Settlement: the report of a call ends the attempt, if it is still the current one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.domain.enums import OperationStatus
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger.commands import Command, Phase
from app.models.ledger.early_responses import report_from_json
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import end_attempt
from app.models.operation import Operation


@dataclass(slots=True)
class Settle(Command[OperationStatus | None]):
    """End an attempt with its report. Return the operation's new status, or None without any change if the fence is
    stale, that is, if the attempt has already ended.

    ``token`` is the lease's: a caller that lost the lease to a dispatcher that queries the call's outcome can no longer
    settle it. None stands for Leshan itself, whatever the lease.
    """

    phase: ClassVar[Phase] = Phase.SETTLE
    operation_seq: int
    attempt: int
    report: Report
    token: str | None = None

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.add(self.operation_seq)
        if self.report.outcome.request_id is not None:
            needs.request_ids.add(self.report.outcome.request_id)

    def apply(self, group: Group) -> OperationStatus | None:
        operation = group.operations.get(self.operation_seq)
        if operation is None or not is_current(group, operation, self.attempt, self.token):
            return None
        if not group.endpoints[operation.endpoint_id].call_open:
            return operation.status
        end_attempt(group, operation, self.report)
        if self.report.outcome.kind is OutcomeKind.DELAYED:
            early = group.early.get(self.report.outcome.request_id or "")
            if early is not None:
                end_attempt(group, operation, report_from_json(early))
        return operation.status


def is_current(group: Group, operation: Operation, attempt: int, token: str | None) -> bool:
    """Return whether this attempt is the open one, and the token is that of its lease."""
    if operation.status is not OperationStatus.SENDING or operation.attempt != attempt:
        return False
    return token is None or group.endpoints[operation.endpoint_id].lease_token == token


@dataclass(slots=True)
class Release(Command[bool]):
    """Requeue an attempt that was claimed and not sent (shutdown, or its deadline passed before sending)."""

    phase: ClassVar[Phase] = Phase.SETTLE
    operation_seq: int
    attempt: int

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.add(self.operation_seq)

    def apply(self, group: Group) -> bool:
        settle = Settle(self.operation_seq, self.attempt, Report(Outcome(OutcomeKind.TOO_LATE)))
        return settle.apply(group) is OperationStatus.QUEUED
