"""Responses that Leshan also sends as events: they settle attempts whose direct response was lost.

For almost every attempt the runner receives the response and settles it before the event is processed here: so the
check is a plain read, once for many attempts, and only an attempt that is still open leads to a transaction. Nothing is
stored until then; if the event is lost with the process, the attempt's lease expires and Leshan is queried.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

import structlog

from app.domain.events import AttemptEnded
from app.domain.outcomes import Outcome
from app.ingest.reports import report_of
from app.leshan.answers import read_answer, read_own_error, read_response_object
from app.leshan.content_formats import may_be_called_again
from app.models.ledger import Ledger, LedgerUnavailable, Settle
from app.models.object_models import ObjectModelCache
from app.models.operation import Operation
from app.models.queries import ReadUnavailable, object_versions_of
from app.models.ready import open_attempts
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

PIECE: Final = 500
MOST_WAITING: Final = 20_000


class LateResponses:
    """Responses that wait for their grace period to end. When the queue is full, the oldest are dropped."""

    def __init__(self, ledger: Ledger, object_models: ObjectModelCache, timing: Timing = DEFAULT) -> None:
        self._timing = timing
        self._ledger, self._object_models = ledger, object_models
        self._waiting: deque[tuple[float, AttemptEnded]] = deque(maxlen=MOST_WAITING)
        self._came = asyncio.Event()

    def offer(self, response: AttemptEnded) -> None:
        """Enqueue a response from an event. Never blocks."""
        self._waiting.append((time.monotonic() + self._timing.late_response, response))
        self._came.set()

    async def run(self) -> None:
        """Settle, forever, the attempts that are still open when their grace period is over."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                await asyncio.sleep(max(0.0, self._waiting[0][0] - time.monotonic()))
                try:
                    await self._settle_due()
                except (LedgerUnavailable, ReadUnavailable) as error:
                    log.warning("late_answers_not_settled", error=str(error))
                except Exception:
                    log.exception("late_answers_failed")

    async def _settle_due(self) -> None:
        """Settle the attempts whose grace period is over, at most :data:`PIECE` of them, unless they were settled."""
        now, due = time.monotonic(), list[AttemptEnded]()
        while self._waiting and self._waiting[0][0] <= now and len(due) < PIECE:
            due.append(self._waiting.popleft()[1])
        rows = await open_attempts({response.operation_id for response in due})
        for response in due:
            row = rows.get(response.operation_id)
            if row is None or row.attempt != response.attempt:
                continue
            outcome = outcome_of(row, response)
            if may_be_called_again(row.kind, row.format, outcome):
                continue  # its runner calls again in another format; without it, Leshan is queried when the lease ends
            versions = (await object_versions_of([response.endpoint])).get(response.endpoint, {})
            report = report_of(row.path, outcome, self._object_models.of(versions))
            status = await self._ledger.submit(Settle(row.seq, response.attempt, report))
            log.info("late_answer", operation=response.operation_id, attempt=response.attempt, status=status)


def outcome_of(row: Operation, response: AttemptEnded) -> Outcome:
    """Return the outcome that a direct call would have had."""
    if response.error is not None:
        return read_own_error(row.kind, response.error)
    if response.response is None:
        return read_answer(row.kind, 200, {}, b"")
    return read_response_object(row.kind, response.response)
