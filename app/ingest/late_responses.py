"""Responses that Leshan also sends as events: they settle attempts whose direct response was lost.

For almost every attempt the runner receives the response and settles it before the event is processed here: so the
check is a plain read, once for many attempts, and only an attempt that is still open leads to a transaction. Nothing is
stored until then; if the event is lost with the process, the attempt's lease expires and Leshan is queried.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog

from app.domain.events import AttemptEnded
from app.domain.outcomes import Outcome
from app.ingest.object_model_cache import ObjectModelCache
from app.ingest.reports import typed_report
from app.leshan.answers import read_answer, read_own_error, read_response_object
from app.leshan.content_formats import may_be_called_again
from app.models import tables
from app.models.ledger import Ledger, LedgerUnavailable, Settle
from app.models.queries import ReadUnavailable, object_versions_of
from app.models.ready import open_attempts
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

PIECE: Final = 500
MOST_WAITING: Final = 20_000


class LateResponses:
    """Responses that wait for their grace period to end. When the queue is full, the oldest are dropped."""

    def __init__(self, ledger: Ledger, shelf: ObjectModelCache, timing: Timing = DEFAULT) -> None:
        self._timing = timing
        self._ledger, self._shelf = ledger, shelf
        self._waiting: deque[tuple[float, AttemptEnded]] = deque(maxlen=MOST_WAITING)
        self._came = asyncio.Event()

    def offer(self, answers: Iterable[AttemptEnded]) -> None:
        """Enqueue responses from events. Never blocks."""
        due = time.monotonic() + self._timing.late_response
        for answer in answers:
            self._waiting.append((due, answer))
            self._came.set()

    async def run(self) -> None:
        """Settle, forever, the attempts that are still open when their grace period is over."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                await asyncio.sleep(max(0.0, self._waiting[0][0] - time.monotonic()))
                try:
                    await self._settle(self._take())
                except (LedgerUnavailable, ReadUnavailable) as error:
                    log.warning("late_answers_not_settled", error=str(error))
                except Exception:
                    log.exception("late_answers_failed")

    def _take(self) -> list[AttemptEnded]:
        now, taken = time.monotonic(), list[AttemptEnded]()
        while self._waiting and self._waiting[0][0] <= now and len(taken) < PIECE:
            taken.append(self._waiting.popleft()[1])
        return taken

    async def _settle(self, answers: list[AttemptEnded]) -> None:
        rows = await open_attempts({answer.operation_id for answer in answers})
        for answer in answers:
            row = rows.get(answer.operation_id)
            if row is not None and row.attempt == answer.attempt:
                await self._settle_one(row, answer)

    async def _settle_one(self, row: tables.Operation, answer: AttemptEnded) -> None:
        outcome = outcome_of(row, answer)
        if may_be_called_again(row.kind, row.format, outcome):
            return  # its runner calls again in another format; if it is gone, Leshan is queried when the lease expires
        versions = (await object_versions_of([answer.endpoint])).get(answer.endpoint, {})
        report = typed_report(row.path, outcome, self._shelf.of(versions))
        status = await self._ledger.submit(Settle(row.seq, answer.attempt, report))
        log.info("late_answer", operation=answer.operation_id, attempt=answer.attempt, status=status)


def outcome_of(row: tables.Operation, answer: AttemptEnded) -> Outcome:
    """Return the outcome that a direct call would have had."""
    if answer.error is not None:
        return read_own_error(row.kind, answer.error)
    if answer.response is None:
        return read_answer(row.kind, 200, {}, b"")
    return read_response_object(row.kind, answer.response)
