"""One line for each operation that ended, and a limited number of them."""

from __future__ import annotations

import uuid

import pytest
import structlog

from app.domain.enums import SECOND, OperationStatus, ReasonCode
from app.models.ledger import EndedOperation
from app.models.operation import Operation
from app.operation_log import LINES, SPAN_SECONDS, OperationLog
from tests.support.ledger import new

S = OperationStatus


def ended(
    status: OperationStatus = S.CONFIRMED, reason: ReasonCode | None = None, *, attempt: int = 1
) -> EndedOperation:
    operation = Operation.create(new("dev"), seq=1, endpoint_id=1, now=0)
    operation.id = str(uuid.uuid4())
    operation.status, operation.reason, operation.attempt = status, reason, attempt
    operation.finished_at = 5 * SECOND + 1_234_567
    return EndedOperation(operation, "dev", 2 * SECOND, 5 * SECOND)


def test_a_line_says_what_ended_and_how() -> None:
    log, one = OperationLog(), ended(S.FAILED, ReasonCode.NO_ANSWER, attempt=3)
    one.operation.trace = f"00-{'a' * 32}-{'b' * 16}-01"
    with structlog.testing.capture_logs() as lines:
        log.write([one, ended(S.CANCELED, ReasonCode.CANCELED_BY_USER, attempt=0)])
    assert lines[0] == {
        "event": "operation_ended",
        "log_level": "info",
        "operation": one.operation.id,
        "endpoint": "dev",
        "kind": "WRITE",
        "status": "FAILED",
        "reason": "NO_ANSWER",
        "attempts": 3,
        "ms_from_wake": 1_234,
        "trace": "a" * 32,
    }
    assert lines[1]["ms_from_wake"] is None, "it was never sent"


@pytest.mark.parametrize("status", [S.CONFIRMED, S.EXPIRED])
def test_lines_beyond_the_limit_are_counted(status: OperationStatus) -> None:
    now = [100.0]
    log = OperationLog(lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        log.write([ended(status)] * (LINES + 7))
        log.write([ended(S.FAILED)])
        now[0] += SPAN_SECONDS
        log.write([ended(status)] * 2)
    assert [line["status"] for line in lines] == [status] * LINES + [S.FAILED] + [status] * 2
    assert [line.get("suppressed") for line in lines[LINES:]] == [None, 7, None]
