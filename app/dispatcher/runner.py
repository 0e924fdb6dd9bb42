"""One attempt: call Leshan, read the outcome, settle it. No other code decides between the claim and the settlement."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from app.dispatcher.formats import ContentFormats
from app.dispatcher.inquiry import id_of, inquire
from app.dispatcher.pushed_packages import PushedPackages
from app.domain.enums import ContentFormat
from app.domain.kinds import READS
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.fleet.package_store import FirmwareStorage
from app.ingest.model_fetcher import ModelFetcher
from app.ingest.reports import report_of
from app.leshan.client import LeshanClient
from app.leshan.content_formats import depends_on_types, may_be_called_again
from app.leshan.past_calls import CallStatus
from app.leshan.registrations import LeshanUnavailable
from app.leshan.requests import Unaddressable
from app.models.ledger import Claimed, HandOver, Ledger, LedgerUnavailable, Settle
from app.models.object_models import ObjectModelCache, stored_versions
from app.telemetry import ATTEMPTS, CALL_SECONDS, OPEN_CALLS
from app.timing import DEFAULT, Timing
from app.tracing import NOTHING, Span, current_trace, operation_attributes, operation_span, record, span

log = structlog.get_logger(__name__)

RESETTLE_SECONDS: Final = 0.5
"""Time between two tries to settle a result while the database is unavailable."""

LOST_ON_THE_WAY: Final = frozenset({OutcomeKind.ANSWER_LOST, OutcomeKind.PROXY_ERROR})
"""Outcomes after which a server that records request ids knows more than Reveille."""

_EXPECTED: Final = frozenset({OutcomeKind.SUCCESS, OutcomeKind.DELAYED})
"""Outcomes that are no errors of an attempt."""

REQUEST_HEADER: Final = "Reveille-Request"
"""``{operation}/{attempt}``: a server that knows this header never sends the same attempt twice."""


class Runner:
    """Makes attempts."""

    def __init__(
        self,
        client: LeshanClient,
        ledger: Ledger,
        models: ObjectModelCache,
        fetcher: ModelFetcher,
        *,
        server: str,
        packages: PushedPackages | None = None,
        timing: Timing = DEFAULT,
    ) -> None:
        self._timing = timing
        self._packages = packages or PushedPackages(FirmwareStorage(), 0)
        self._client, self._ledger, self._models, self._fetcher = client, ledger, models, fetcher
        # looked up once: finding a metric by its labels takes a lock and builds a key
        self._call_seconds = CALL_SECONDS.labels(server)
        self._attempts = functools.cache(lambda kind: ATTEMPTS.labels(server, kind.name.lower()))
        self._formats = ContentFormats()
        self._open = 0
        OPEN_CALLS.labels(server).set_function(lambda: self._open)

    async def run(self, claimed: Claimed, since: float, settling: Callable[[], None]) -> None:
        """Make one attempt and settle it. Raise LedgerUnavailable if its result cannot be stored.

        Args:
            since: the monotonic time before the claim was submitted. The deadline counts from there, so that a process
                which was frozen after the claim sends nothing when it resumes.
            settling: called whenever the result has been enqueued at the ledger, so that a claim joins its commit.
        """
        if claimed.trace is None:
            await self._run(claimed, since, settling, NOTHING)
            return
        begin = time.time_ns() - int((time.monotonic() - since) * 1e9)
        with operation_span("attempt", claimed.trace, begin) as attempt:
            _describe(claimed, begin, attempt)
            await self._run(claimed, since, settling, attempt)

    async def _run(self, claimed: Claimed, since: float, settling: Callable[[], None], attempt: Span) -> None:
        request = claimed.request
        versions = stored_versions(claimed.object_links, claimed.lwm2m_version)
        self._fetcher.want(request.endpoint, versions)
        deadline = since + request.timeout_seconds + self._timing.response_margin
        started = time.monotonic()
        self._open += 1
        try:
            outcome, found = await self._calls_with_content(claimed, deadline)
        finally:
            self._open -= 1
        self._call_seconds.observe(time.monotonic() - started)
        self._attempts(outcome.kind).inc()
        log.debug(
            "attempt",
            operation=claimed.id,
            attempt=claimed.attempt,
            endpoint=request.endpoint,
            kind=str(request.kind),
            outcome=outcome.kind.name,
            http=outcome.http_status,
            detail=outcome.detail,
        )
        name = outcome.kind.name.lower()
        attempt.set({"reveille.outcome": name}, None if outcome.kind in _EXPECTED else name)
        report = report_of(request.path, outcome, self._models.of(versions))
        if outcome.kind is OutcomeKind.UNEXPECTED:
            report = replace(report, leshan_healthy=(await self._client.probe(request.endpoint)).healthy)
        elif outcome.kind is OutcomeKind.DELAYED:
            report = replace(report, held_under=await self._client.registration(request.endpoint, deadline))
        settle = HandOver if found is CallStatus.AWAY else Settle
        with span("settle"):
            await self._settle(settle(claimed.seq, claimed.attempt, report=report, token=claimed.token), settling)

    async def _calls_with_content(self, claimed: Claimed, deadline: float) -> tuple[Outcome, Outcome | CallStatus]:
        """Make the calls of :meth:`_calls`, with the content of a firmware package in place of its id."""
        package = claimed.request.package_id
        if package is None:
            return await self._calls(claimed, deadline)
        async with self._packages.content(package) as content:
            if isinstance(content, Outcome):
                return content, content
            return await self._calls(replace(claimed, request=replace(claimed.request, value=content)), deadline)

    async def _calls(self, claimed: Claimed, deadline: float) -> tuple[Outcome, Outcome | CallStatus]:
        """Make the attempt's call, and a second one in the other content format if the device refused the first format.
        Return the same as :meth:`_call`."""
        request = claimed.request
        if (
            self._client.typed is None
            and depends_on_types(request)
            and (failed := await self._recognize_server(request))
        ):
            return failed, failed
        first, *others = self._formats.of(claimed, typed=self._client.typed is True)
        outcome, found = await self._call(claimed, _in_format(request, first), deadline)
        if not others or not may_be_called_again(request.kind, request.format, outcome):
            return outcome, found
        # before the second call: if the device falls asleep first, its next wake must not begin with this refusal again
        self._formats.learn(claimed, others[0])
        left = max(1, int(deadline - self._timing.response_margin - time.monotonic()))
        again = replace(_in_format(request, others[0]), timeout_seconds=left)
        outcome, found = await self._call(claimed, again, deadline, again=True)
        if may_be_called_again(request.kind, request.format, outcome):
            self._formats.learn(claimed, first)
        outcome = replace(outcome, answered_before=True)
        return outcome, outcome if isinstance(found, Outcome) else found

    async def _call(
        self, claimed: Claimed, request: OperationRequest, deadline: float, *, again: bool = False
    ) -> tuple[Outcome, Outcome | CallStatus]:
        """Make one call. Return its outcome, and the server's response to the query about a lost response: a CallStatus
        if that is no outcome either."""
        outcome = await self._client.call(request, deadline, {REQUEST_HEADER: id_of(claimed, again=again)})
        found: Outcome | CallStatus = outcome
        if outcome.kind in LOST_ON_THE_WAY and self._client.info.request_ids:
            give_up, patience = deadline + self._timing.call_status, self._timing.unreachable
            found = await inquire(self._client, claimed, give_up, patience, again=again)
        return (found if isinstance(found, Outcome) else outcome), found

    async def _recognize_server(self, request: OperationRequest) -> Outcome | None:
        """Recognize the server before sending the first value that an old version would change. Until it is recognized,
        reads use the format that the device chooses, and no such value is written: return the outcome of a write."""
        try:
            await self._client.recognize(request.endpoint)
        except LeshanUnavailable as error:
            if request.kind in READS:
                return None
            return Outcome(OutcomeKind.UNREACHABLE, detail=f"the Leshan server is not recognized yet: {error}")
        except Unaddressable:
            return None  # this operation cannot be sent either
        return None

    async def _settle(self, settle: Settle | HandOver, settling: Callable[[], None]) -> None:
        give_up = time.monotonic() + self._timing.settle
        while True:
            try:
                settled: asyncio.Future[Any] = self._ledger.enqueue(settle)
                settling()
                if not await settled:
                    log.warning("stale_result", operation_seq=settle.operation_seq, attempt=settle.attempt)
            except LedgerUnavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(RESETTLE_SECONDS)
            else:
                return


def _describe(claimed: Claimed, begin: int, attempt: Span) -> None:
    """Describe the attempt of a traced operation, and record the time before it: in the queue, and of the claim."""
    request = claimed.request
    attributes = operation_attributes(claimed.id, str(request.kind), request.endpoint, request.path)
    attempt.set({**attributes, "reveille.attempt": claimed.attempt})
    if claimed.attempt == 1:
        record("wait", claimed.trace, claimed.created_at * 1_000, claimed.claimed_at * 1_000, {})
    record("claim", current_trace(), begin, time.time_ns(), {})


def _in_format(request: OperationRequest, format_: ContentFormat | None) -> OperationRequest:
    return request if format_ is request.format else replace(request, format=format_)
