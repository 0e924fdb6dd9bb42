"""What a process reports of the operations that it has ended, after the commit: a log line, and a span of the trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.domain.enums import OperationStatus
from app.models.ledger import EndedOperation
from app.tracing import operation_attributes, record

log = structlog.get_logger(__name__)

LINES: Final = 1_000
SPAN_SECONDS: Final = 10.0
"""At most so many lines of each status in so many seconds. A line costs some 100 microseconds: for each of a thousand
operations a second it would take a tenth of a core."""


@dataclass(slots=True)
class _Written:
    """The lines of one status since the start of its present span, and those left out since the last one."""

    since: float = -math.inf
    lines: int = 0
    suppressed: int = 0


@dataclass(slots=True)
class OperationLog:
    """Writes the lines. Those beyond the limit are counted, and the next line of their status has their number."""

    clock: Callable[[], float] = time.monotonic
    _written: dict[OperationStatus, _Written] = field(default_factory=dict)

    def write(self, ended: Iterable[EndedOperation]) -> None:
        for one in ended:
            written = self._written.setdefault(one.operation.status, _Written())
            now = self.clock()
            if now - written.since >= SPAN_SECONDS:
                written.since, written.lines = now, 0
            if written.lines >= LINES:
                written.suppressed += 1
                continue
            written.lines += 1
            _write(one, written.suppressed)
            written.suppressed = 0


def record_ends(ended: Iterable[EndedOperation], seconds: float) -> None:
    """Record the span ``end`` in the traces of these operations; ``seconds`` is the duration of the commit."""
    for one in ended:
        operation = one.operation
        if operation.trace is None:
            continue
        now = time.time_ns()
        attributes = operation_attributes(operation.id, str(operation.kind), one.endpoint, operation.path)
        attributes |= {"reveille.operation.status": str(operation.status), "reveille.attempts": operation.attempt}
        if operation.reason is not None:
            attributes["reveille.operation.reason"] = str(operation.reason)
        record("end", operation.trace, now - int(seconds * 1e9), now, attributes)


def _write(ended: EndedOperation, suppressed: int) -> None:
    operation = ended.operation
    log.info(
        "operation_ended",
        operation=operation.id,
        endpoint=ended.endpoint,
        kind=str(operation.kind),
        status=str(operation.status),
        reason=None if operation.reason is None else str(operation.reason),
        attempts=operation.attempt,
        ms_from_wake=ended.ms_from_wake,
        **({"trace": operation.trace[3:35]} if operation.trace else {}),
        **({"suppressed": suppressed} if suppressed else {}),
    )
