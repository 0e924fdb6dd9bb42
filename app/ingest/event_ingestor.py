"""Event ingestion: the event stream, webhooks and the registration list end in :meth:`EventIngestor.ingest`.

It types the values and commits the events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
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
from app.ingest.object_model_cache import ObjectModelCache
from app.ingest.reports import read_values, typed_report
from app.leshan.answers import read_response_object
from app.leshan.nodes import Models
from app.leshan.webhook_http import Batch, IngestUnavailable
from app.models.ledger import (
    ANSWER_SECONDS,
    DecodedEvent,
    IngestEvents,
    Ledger,
    LedgerUnavailable,
    Reading,
    StreamPosition,
)
from app.models.queries import ReadUnavailable, object_versions_of
from app.telemetry import BROKEN_EVENTS, HEARD_EVENTS
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

MAX_KNOWN: Final = 50_000


class EventIngestor:
    """Ingests events from any source.

    Args:
        webhook_readings: whether to store values from a webhook; false if the event stream is read too, which delivers
            the same values in order.
    """

    def __init__(
        self, ledger: Ledger, shelf: ObjectModelCache, *, webhook_readings: bool, timing: Timing = DEFAULT
    ) -> None:
        self._timing = timing
        self._ledger, self._shelf = ledger, shelf
        self._webhook_readings = webhook_readings
        self._late = LateResponses(ledger, shelf, timing)
        self._versions: dict[str, Mapping[int, str]] = {}

    async def from_webhook(self, batch: Batch) -> None:
        """Ingest a batch from a webhook route. Raise IngestUnavailable while the database cannot be reached."""
        events = batch.events
        if not self._webhook_readings:
            events = [_without_values(event) if isinstance(event, Reported) else event for event in events]
        try:
            await self._take(events, str(batch.form), batch.delivery_id)
        except LedgerUnavailable as error:
            raise IngestUnavailable(str(error)) from error

    async def _take(self, events: Sequence[LeshanEvent], source: str, delivery_id: str | None) -> None:
        """Commit a delivery. An event that can never be stored is dropped alone: if the delivery were refused, the
        sender would repeat it forever, and all its other deliveries would wait behind it."""
        try:
            await self.ingest(events, source=source, delivery_id=delivery_id)
        except LedgerUnavailable:
            raise
        except Exception:
            for number, event in enumerate(events):
                await self._take_or_drop(event, source, _part(delivery_id, number))
            if delivery_id is not None:
                await self.ingest([], source=source, delivery_id=delivery_id)

    async def _take_or_drop(self, event: LeshanEvent, source: str, part: str | None) -> None:
        try:
            await self.ingest([event], source=source, delivery_id=part)
        except LedgerUnavailable:
            raise
        except Exception as error:
            _drop(event, source, error)

    async def run(self) -> None:
        """Settle late responses forever."""
        await self._late.run()

    async def ingest(
        self,
        told: Sequence[LeshanEvent],
        *,
        source: str,
        delivery_id: str | None = None,
        missed: bool = False,
        place: StreamPosition | None = None,
        again: bool = False,
    ) -> None:
        """Commit events in one transaction. ``place`` is their position in the event stream; ``again`` says that an
        earlier attempt to commit them may have succeeded. Raise LedgerUnavailable if the database cannot be reached."""
        events: list[Event] = [event for event in told if not isinstance(event, AttemptEnded | Gap)]
        gap = any(isinstance(event, Gap) for event in told)
        for event in told:
            HEARD_EVENTS.labels(source, type(event).__name__).inc()
        self._late.offer(event for event in told if isinstance(event, AttemptEnded))
        if events or gap or delivery_id is not None:
            await self._learn_versions(events)
            heard = [self._typed(event) for event in events]
            ingest = IngestEvents(heard, delivery_id, missed=missed, gap=gap, place=place, again=again)
            taken = await self._ledger.submit(ingest, within=ANSWER_SECONDS)
            if place is not None and taken == 0 and heard:
                log.warning("stream_events_not_taken", events=len(heard), again=again)

    async def ingest_with_retry(
        self, told: Sequence[LeshanEvent], *, source: str, missed: bool = False, place: StreamPosition | None = None
    ) -> None:
        """Commit events, retrying for as long as the database is unavailable. An event that can never be stored is
        dropped alone."""
        again = False
        while True:
            try:
                await self.ingest(told, source=source, missed=missed, place=place, again=again)
            except LedgerUnavailable:  # the ledger logs it
                again = True
                await asyncio.sleep(self._timing.ingest_retry)
            except Exception as error:
                if len(told) > 1:
                    before = None if place is None else replace(place, id=None)
                    for event in told[:-1]:
                        await self.ingest_with_retry([event], source=source, missed=missed, place=before)
                    await self.ingest_with_retry(told[-1:], source=source, missed=missed, place=place)
                else:
                    _drop(told[0], source, error)
                return
            else:
                return

    def _typed(self, event: Event) -> DecodedEvent:
        models = self._models(event.endpoint)
        match event:
            case Reported():
                return DecodedEvent(event, readings=self._readings(event, models))
            case RequestResponse():
                outcome = read_response_object(OperationKind.READ, event.response)
                return DecodedEvent(event, report=typed_report(_one_path(event), outcome, models))
            case _:
                return DecodedEvent(event)

    def _readings(self, event: Reported, models: Models) -> tuple[Reading, ...]:
        samples = event.samples or (Sample(None, event.nodes),)
        return tuple(_reading(sample, models) for sample in samples if sample.nodes)

    def _models(self, endpoint: str) -> Models:
        return self._shelf.of(self._versions.get(endpoint, {}))

    async def _learn_versions(self, events: Sequence[Event]) -> None:
        """Learn the object versions of the events' devices: from a registration among the events, or by one read."""
        for event in events:
            if isinstance(event, Registered | Updated) and event.registration.object_links is not None:
                registration = event.registration
                links, release = registration.object_links, registration.lwm2m_version
                self._remember(event.endpoint, object_versions(links, release))
        unknown = {e.endpoint for e in events if isinstance(e, Reported | RequestResponse)} - self._versions.keys()
        if unknown:
            for name, versions in (await _versions_of(unknown)).items():
                self._remember(name, versions)

    def _remember(self, endpoint: str, versions: Mapping[int, str]) -> None:
        if len(self._versions) >= MAX_KNOWN:
            self._versions.clear()
        self._versions[endpoint] = versions


def _drop(event: LeshanEvent, source: str, error: Exception) -> None:
    """Count and log an event that can never be stored."""
    BROKEN_EVENTS.labels(source).inc()
    log.error("event_not_taken", source=source, told=repr(event)[:200], exc_info=error)


def _part(delivery_id: str | None, number: int) -> str | None:
    """Return the id of one event of a delivery: if the database fails halfway, a repeated delivery stores no event
    twice."""
    return None if delivery_id is None else f"{sha256(delivery_id.encode()).hexdigest()}#{number}"


async def _versions_of(endpoints: Collection[str]) -> Mapping[str, Mapping[int, str]]:
    """Read the object versions of endpoints. If the read fails, treat the ledger as unavailable, as after a lost
    commit, so that the events are delivered again."""
    try:
        return await object_versions_of(endpoints)
    except ReadUnavailable as error:
        raise LedgerUnavailable(str(error)) from error


def _reading(sample: Sample, models: Models) -> Reading:
    at = None if sample.time is None else sample.time * MILLISECOND
    return Reading(read_values(None, sample.nodes, models), at)


def _without_values(event: Reported) -> Reported:
    return replace(event, nodes={}, samples=())


def _one_path(event: RequestResponse) -> str | None:
    """Return the response's path; None for a composite, in whichever way it names its paths."""
    try:
        return None if event.path is None else str(LwM2mPath.parse(event.path))
    except InvalidPath:
        return None
