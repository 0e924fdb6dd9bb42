"""Lost calls: their process died, froze, or received no response. If the Leshan server stores request ids, it is
queried.

Meanwhile the attempt remains SENDING, under a lease that the querying dispatcher takes over with its own token. So only
one of several dispatchers queries, and the former owner, should it resume, can no longer settle the attempt
(``docs/decisions/0012-query-lost-calls.md``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import SECOND, OperationStatus, ReasonCode
from app.domain.verdicts import Report
from app.models.ledger import breaker
from app.models.ledger.claim import Claimed, claimed
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import attempt_of
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import ANSWER_MARGIN, LEASE_MARGIN, QUERY_LIMIT, QUERY_SPAN
from app.models.ledger.settle import is_current
from app.models.operation import Operation

MOST: Final = 500

_LOST: Final = """
    SELECT id, lease_operation FROM endpoint
    WHERE server_id = $1 AND lease_operation IS NOT NULL AND lease_until <= $2 AND call_open LIMIT $3
"""


def can_be_queried(group: Group, endpoint: EndpointRow, operation: Operation) -> bool:
    """Return whether the Leshan server can report the outcome of the open call, and the limit for querying has not
    passed."""
    if not group.server.request_ids or not endpoint.call_open:
        return False
    margins = ANSWER_MARGIN + LEASE_MARGIN + QUERY_LIMIT
    return group.now < (operation.last_attempt_at or 0) + operation.timeout_seconds * SECOND + margins


@dataclass(slots=True)
class TakeLost(Command[list[Claimed]]):
    """Take over the leases that expired while a call was open, to query the Leshan server for the call's outcome."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    token: str
    found: list[tuple[int, int]] = field(default_factory=list)

    async def find(self, group: Group) -> None:
        self.found = []
        if group.server.request_ids:
            rows = await group.store.fetch(_LOST, group.server.id, group.now, MOST)
            self.found = [(row["id"], row["lease_operation"]) for row in rows]
        await group.load_operations({seq for _, seq in self.found})
        await group.load_endpoints({id_ for id_, _ in self.found})

    def apply(self, group: Group) -> list[Claimed]:
        taken = []
        for id_, seq in self.found:
            endpoint, operation = group.endpoints[id_], group.operations.get(seq)
            if operation is None or operation.status is not OperationStatus.SENDING:
                continue  # a bug in Reveille, which the sweep logs: the others are queried anyway
            if endpoint.lease_operation == seq and can_be_queried(group, endpoint, operation):
                self._take(group, endpoint, operation)
                taken.append(claimed(group, operation))
        return taken

    def _take(self, group: Group, endpoint: EndpointRow, operation: Operation) -> None:
        endpoint.lease_token, endpoint.lease_until = self.token, group.now + QUERY_SPAN
        if operation.reason is None:
            detail = "the process of the call has ended: Leshan is queried for the outcome"
            group.move(operation, OperationStatus.SENDING, ReasonCode.LEASE_LOST, detail)


@dataclass(slots=True)
class HandOver(Command[bool]):
    """Release the lease of a call whose response was lost and for which Leshan could not be queried, so that the next
    dispatcher queries. ``report`` updates the breaker, and its detail is logged. Return False if the attempt is no
    longer the caller's."""

    phase: ClassVar[Phase] = Phase.SETTLE
    operation_seq: int
    attempt: int
    token: str
    report: Report

    def needs(self, needs: Needs) -> None:
        needs.operation_seqs.add(self.operation_seq)

    def apply(self, group: Group) -> bool:
        operation = group.operations.get(self.operation_seq)
        if operation is None or not is_current(group, operation, self.attempt, self.token):
            return False
        if operation.reason is ReasonCode.LESHAN_UNREACHABLE:
            return True  # recorded before, and the response to that COMMIT was lost
        endpoint = group.endpoints[operation.endpoint_id]
        breaker.record(group, endpoint, group.rules.judge(attempt_of(operation, endpoint), self.report))
        endpoint.lease_until = group.now
        detail = f"Leshan will be queried for the outcome: {self.report.outcome.detail or 'there was no response'}"
        group.move(operation, OperationStatus.SENDING, ReasonCode.LESHAN_UNREACHABLE, detail)
        return True
