"""Hearing: all of Leshan's ways of telling end in :meth:`Hearing.hear`, which types the values and has it committed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from app.dispatcher.models_shelf import ModelShelf
from app.dispatcher.reports import NO_VALUES, read_values, typed_report
from app.domain.events import Event, Registered, Reported, RequestResponse, Updated
from app.domain.object_models import object_versions
from app.domain.paths import InvalidPath, LwM2mPath
from app.domain.values import TypedValue
from app.domain.words import OperationKind
from app.leshan.answers import read_response_object
from app.leshan.nodes import Models
from app.leshan.webhook_http import Batch, HearingUnavailable
from app.models.ledger import Hear, HeardEvent, Ledger, LedgerUnavailable
from app.models.queries import ReadUnavailable, object_links_of
from app.telemetry import HEARD_EVENTS

MAX_KNOWN: Final = 50_000


class Hearing:
    """Takes events from any source.

    Args:
        webhook_readings: whether values that a webhook brings are taken; not when the event stream is heard too, which
            brings the same values in order.
    """

    def __init__(self, ledger: Ledger, shelf: ModelShelf, *, webhook_readings: bool) -> None:
        self._ledger, self._shelf = ledger, shelf
        self._webhook_readings = webhook_readings
        self._versions: dict[str, Mapping[int, str]] = {}

    async def from_webhook(self, batch: Batch) -> None:
        """What the webhook routes call. Raises HearingUnavailable while the database cannot be reached."""
        events = batch.events
        if not self._webhook_readings:
            events = [_without_values(event) for event in events]
        try:
            await self.hear(events, source=str(batch.form), delivery_id=batch.delivery_id)
        except LedgerUnavailable as error:
            raise HearingUnavailable(str(error)) from error

    async def hear(
        self, events: Sequence[Event], *, source: str, delivery_id: str | None = None, missed: bool = False
    ) -> None:
        """Have events committed, all together. Raises LedgerUnavailable."""
        await self._learn_versions(events)
        heard = [self._typed(event) for event in events]
        for event in events:
            HEARD_EVENTS.labels(source, type(event).__name__).inc()
        await self._ledger.submit(Hear(heard, delivery_id, missed))

    def _typed(self, event: Event) -> HeardEvent:
        models = self._models(event.endpoint)
        match event:
            case Reported():
                return HeardEvent(event, self._values(event, models))
            case RequestResponse():
                outcome = read_response_object(OperationKind.READ, event.response)
                return HeardEvent(event, report=typed_report(_one_path(event), outcome, models))
            case _:
                return HeardEvent(event)

    def _values(self, event: Reported, models: Models) -> Mapping[str, TypedValue]:
        return read_values(None, event.nodes, models) if event.nodes else NO_VALUES

    def _models(self, endpoint: str) -> Models:
        return self._shelf.of(self._versions.get(endpoint, {}))

    async def _learn_versions(self, events: Sequence[Event]) -> None:
        """Know which versions of objects these devices have: told by this very event, or read once."""
        for event in events:
            if isinstance(event, Registered | Updated) and event.registration.object_links is not None:
                self._remember(event.endpoint, object_versions(event.registration.object_links))
        unknown = {e.endpoint for e in events if isinstance(e, Reported | RequestResponse)} - self._versions.keys()
        if unknown:
            for name, links in (await _links_of(unknown)).items():
                self._remember(name, object_versions(links))

    def _remember(self, endpoint: str, versions: Mapping[int, str]) -> None:
        if len(self._versions) >= MAX_KNOWN:
            self._versions.clear()
        self._versions[endpoint] = versions


async def _links_of(endpoints: Collection[str]) -> Mapping[str, Any]:
    """What the database cannot tell now it cannot take either: the events are told again, as after a lost commit."""
    try:
        return await object_links_of(endpoints)
    except ReadUnavailable as error:
        raise LedgerUnavailable(str(error)) from error


def _without_values(event: Event) -> Event:
    if not isinstance(event, Reported):
        return event
    return Reported(endpoint=event.endpoint, age=event.age, ordered=event.ordered, nodes={}, wakes=event.wakes)


def _one_path(event: RequestResponse) -> str | None:
    """The path that the answer is about; None for a composite, whichever way it names its paths."""
    try:
        return None if event.path is None else str(LwM2mPath.parse(event.path))
    except InvalidPath:
        return None
