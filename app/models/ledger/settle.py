"""Settling: what a call came to ends the attempt, if it is still the present one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.domain.enums import OperationStatus
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger.commands import Command, Needs, Phase
from app.models.ledger.early_responses import report_from_json
from app.models.ledger.group import Group
from app.models.ledger.leases import end_attempt
from app.models.ledger.rows import OperationRow


@dataclass(slots=True)
class Settle(Command[OperationStatus | None]):
    """End an attempt with what came back. Answers the operation's new status; None when the fence was stale, that is,
    when the attempt had been ended by somebody else: then nothing changes.

    ``token`` is the lease's. One who lost the lease to somebody that asks what became of the call has no say any more;
    None speaks for Leshan itself, whoever holds the lease.
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
        if operation is None or not is_present(group, operation, self.attempt, self.token):
            return None
        if not group.endpoints[operation.endpoint_id].call_open:
            return operation.status
        end_attempt(group, operation, self.report)
        if self.report.outcome.kind is OutcomeKind.DELAYED:
            early = group.early.get(self.report.outcome.request_id or "")
            if early is not None:
                end_attempt(group, operation, report_from_json(early))
        return operation.status


def is_present(group: Group, operation: OperationRow, attempt: int, token: str | None) -> bool:
    """Whether this attempt is the one that is out, and its lease still the one of this token."""
    if operation.status is not OperationStatus.SENDING or operation.attempt != attempt:
        return False
    return token is None or group.endpoints[operation.endpoint_id].lease_token == token


@dataclass(slots=True)
class Release(Command[bool]):
    """Give an attempt back that was claimed and not sent (shut-down, or its deadline passed before it left)."""

    phase: ClassVar[Phase] = Phase.SETTLE
    operation_seq: int
    attempt: int

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.add(self.operation_seq)

    def apply(self, group: Group) -> bool:
        settle = Settle(self.operation_seq, self.attempt, Report(Outcome(OutcomeKind.TOO_LATE)))
        return settle.apply(group) is OperationStatus.QUEUED
