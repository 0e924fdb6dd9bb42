"""Event ingestion: the event stream, webhooks and the registration list end in :meth:`EventIngestor.ingest`.

It types the values and commits the events.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

import structlog

from app.domain.enums import MILLISECOND, OperationKind
from app.domain.events import (
    AttemptEnded,
    Event,
    Gap,
    LeshanEvent,
    Registered,
    Reported,
    RequestResponse,
    Sample,
    Updated,
)
from app.domain.object_models import object_versions
from app.domain.paths import InvalidPath, LwM2mPath
from app.ingest.late_responses import LateResponses
from app.ingest.reports import report_of
from app.leshan.answers import read_response_object
from app.leshan.nodes import decode_content
from app.leshan.webhook_http import Batch, IngestUnavailable
from app.models.ledger import (
    ANSWER_SECONDS,
    DecodedEvent,
    IngestEvents,
    Ledger,
    LedgerUnavailable,
    StreamPosition,
    TypedSample,
)
from app.models.object_models import ObjectModelCache
from app.models.queries import ReadUnavailable, object_versions_of
from app.telemetry import BROKEN_EVENTS, INGESTED_EVENTS
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

MAX_KNOWN: Final = 50_000

_WITH_REGISTRATION: Final = (Registered, Updated)
_WITH_VALUES: Final = (Reported, RequestResponse)

_ingested = functools.cache(INGESTED_EVENTS.labels)
"""The counter of a source and a kind of event."""


class EventIngestor:
    """Ingests events from any source.

    Args:
        webhook_readings: whether to store values from a webhook; false if the event stream is read too, which delivers
            the same values in order.
    """

    def __init__(
        self, ledger: Ledger, object_models: ObjectModelCache, *, webhook_readings: bool, timing: Timing = DEFAULT
    ) -> None:
        self._timing = timing
        self._ledger, self._object_models = ledger, object_models
        self._webhook_readings = webhook_readings
        self._late = LateResponses(ledger, object_models, timing)
        self._versions: dict[str, Mapping[int, str]] = {}

    async def run(self) -> None:
        """Settle late responses forever."""
        await self._late.run()

    async def from_webhook(self, batch: Batch) -> None:
        """Commit a delivery to a webhook route.

        An event that can never be stored is dropped alone: if the delivery were refused, the sender would repeat it
        forever, and all its other deliveries would wait behind it.

        Raises:
            IngestUnavailable: the database cannot be reached; the delivery may be repeated.
        """
        events, source = batch.events, batch.form.value
        if not self._webhook_readings:
            events = [replace(e, nodes={}, samples=()) if isinstance(e, Reported) else e for e in events]
        try:
            try:
                await self.ingest(events, source=source, delivery_id=batch.delivery_id)
            except LedgerUnavailable:
                raise
            except Exception:
                await self._ingest_one_by_one(events, source, batch.delivery_id)
        except LedgerUnavailable as error:
            raise IngestUnavailable(str(error)) from error

    async def _ingest_one_by_one(self, events: Sequence[LeshanEvent], source: str, delivery_id: str | None) -> None:
        """Commit each event of a delivery in its own transaction, and last the delivery's id. The events have ids of
        their own: if the database fails halfway, a repeated delivery stores no event twice."""
        part = None
        for number, event in enumerate(events):
            if delivery_id is not None:
                part = f"{sha256(delivery_id.encode()).hexdigest()}#{number}"
            try:
                await self.ingest([event], source=source, delivery_id=part)
            except LedgerUnavailable:
                raise
            except Exception as error:
                _drop(event, source, error)
        if delivery_id is not None:
            await self.ingest([], source=source, delivery_id=delivery_id)

    async def ingest_with_retry(
        self,
        events: Sequence[LeshanEvent],
        *,
        source: str,
        missed: bool = False,
        position: StreamPosition | None = None,
    ) -> None:
        """Commit events, retrying for as long as the database is unavailable. An event that can never be stored is
        dropped alone."""
        again = False
        while True:
            try:
                await self.ingest(events, source=source, missed=missed, position=position, again=again)
            except LedgerUnavailable:  # the ledger logs it
                again = True
                await asyncio.sleep(self._timing.ingest_retry)
            except Exception as error:
                if len(events) > 1:
                    before = None if position is None else replace(position, id=None)
                    for event in events[:-1]:
                        await self.ingest_with_retry([event], source=source, missed=missed, position=before)
                    await self.ingest_with_retry(events[-1:], source=source, missed=missed, position=position)
                else:
                    _drop(events[0], source, error)
                return
            else:
                return

    async def ingest(
        self,
        events: Sequence[LeshanEvent],
        *,
        source: str,
        delivery_id: str | None = None,
        missed: bool = False,
        position: StreamPosition | None = None,
        again: bool = False,
    ) -> None:
        """Commit events in one transaction.

        Args:
            position: of the events in the event stream.
            again: whether an earlier attempt to commit them may have succeeded.

        Raises:
            LedgerUnavailable: the database cannot be reached.
        """
        stored: list[Event] = []
        gap = False
        for event in events:
            _ingested(source, type(event).__name__).inc()
            if isinstance(event, AttemptEnded):
                self._late.offer(event)
            elif isinstance(event, Gap):
                gap = True
            else:
                stored.append(event)
        if not stored and not gap and delivery_id is None:
            return
        await self._learn_versions(stored)
        decoded = [self._decoded(event) for event in stored]
        command = IngestEvents(decoded, delivery_id, missed=missed, gap=gap, position=position, again=again)
        taken = await self._ledger.submit(command, within=ANSWER_SECONDS)
        if position is not None and taken == 0 and decoded:
            log.warning("stream_events_not_ingested", events=len(decoded), again=again)

    async def _learn_versions(self, events: Sequence[Event]) -> None:
        """Learn the object versions of the events' devices: from a registration among the events, or by one read.

        Raises:
            LedgerUnavailable: the read failed, as after a lost commit, so that the events are delivered again.
        """
        known: dict[str, Mapping[int, str]] = {}
        unknown: set[str] = set()
        for event in events:
            if isinstance(event, _WITH_REGISTRATION):
                registration = event.registration
                if registration.object_links is not None:
                    known[event.endpoint] = object_versions(registration.object_links, registration.lwm2m_version)
            elif isinstance(event, _WITH_VALUES) and event.endpoint not in self._versions:
                unknown.add(event.endpoint)
        if unknown := unknown - known.keys():
            try:
                known |= await object_versions_of(unknown)
            except ReadUnavailable as error:
                raise LedgerUnavailable(str(error)) from error
        if not known:
            return
        if len(self._versions) + len(known) > MAX_KNOWN:
            self._versions.clear()
        self._versions |= known

    def _decoded(self, event: Event) -> DecodedEvent:
        """Decode the values of an event with the object models of its device."""
        if isinstance(event, Reported):
            models = self._object_models.of(self._versions.get(event.endpoint, {}))
            samples = [
                TypedSample(
                    decode_content(None, sample.nodes, models).values,
                    None if sample.time is None else sample.time * MILLISECOND,
                )
                for sample in event.samples or (Sample(None, event.nodes),)
                if sample.nodes
            ]
            return DecodedEvent(event, samples=tuple(samples))
        if isinstance(event, RequestResponse):
            models = self._object_models.of(self._versions.get(event.endpoint, {}))
            outcome = read_response_object(OperationKind.READ, event.response)
            try:
                path = None if event.path is None else str(LwM2mPath.parse(event.path))
            except InvalidPath:
                path = None  # a composite, in whichever way it names its paths
            return DecodedEvent(event, report=report_of(path, outcome, models))
        return DecodedEvent(event)


def _drop(event: LeshanEvent, source: str, error: Exception) -> None:
    """Count and log an event that can never be stored."""
    BROKEN_EVENTS.labels(source).inc()
    log.error("event_not_ingested", source=source, leshan_event=repr(event)[:200], exc_info=error)
