"""Hearing: events become presence, values, ended delayed requests, and wakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from app.domain.enums import SECOND, Instant, OperationStatus
from app.domain.events import Deregistered, Event, Registered, RequestResponse, Updated
from app.domain.outcomes import OutcomeKind
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.models.fields import dump_json
from app.models.ledger import presence
from app.models.ledger.commands import Command, Needs, Phase
from app.models.ledger.early_responses import report_to_json
from app.models.ledger.group import Group
from app.models.ledger.leases import drop_held, end_attempt, expect_answer, give_up_held
from app.models.ledger.rows import EndpointRow, ServerRow

_KEEP_EARLY: Final = (
    "INSERT INTO early_response (request_id, endpoint, outcome, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
_KEEP_DELIVERY: Final = "INSERT INTO webhook_delivery (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of one moment: ``at`` of the device's clock, None for the moment at which they were heard."""

    values: Mapping[str, TypedValue]
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event with its values typed, oldest first, and for a RequestResponse what it says of the request."""

    event: Event
    readings: Sequence[Reading] = ()
    report: Report | None = None


EARLIEST_CLOCK: Final[Instant] = 1_262_304_000 * SECOND
"""2010-01-01: a device's clock that says less was not set."""

MADE_UP: Final = "#"
"""Begins a :attr:`StreamPosition.id` that the Leshan server knows nothing of."""


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Where events stand in a Leshan server's event stream: up to which ``id`` it is heard by them (a made-up one where
    the server tells none), and by whom, as :class:`RenewBridgeLease` knows it."""

    id: str | None
    holder: str | None = None


@dataclass(slots=True)
class IngestEvents(Command[int]):
    """Take a list of events, whole or not at all; answers how many were taken (0 for a delivery taken before).

    ``missed`` says that events may have been lost before these (a stream was reopened): a delayed request of an
    endpoint that has woken meanwhile is then over, and nobody can say how. ``gap`` says that the Leshan server itself
    had to drop some: all registrations are to be read.

    Events with a ``place`` are taken from the bridge's present holder only: one that was frozen past its hold brings
    what its socket kept meanwhile, and the present one has heard all that. ``again``: they were told before, and nobody
    knows whether they were taken. The stream's place, one column of a row, says so: a receipt for each batch would be a
    row for each, to be kept and pruned, and would say no more.
    """

    phase: ClassVar[Phase] = Phase.INGEST
    events: Sequence[DecodedEvent]
    delivery_id: str | None = None
    missed: bool = False
    gap: bool = False
    place: StreamPosition | None = None
    again: bool = False

    @property
    def weight(self) -> int:
        return sum(max(1, len(heard.readings)) for heard in self.events)

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.update(heard.event.endpoint for heard in self.events)
        needs.request_ids.update(h.event.request_id for h in self.events if isinstance(h.event, RequestResponse))
        if self.delivery_id is not None:
            needs.delivery_ids.add(self.delivery_id)

    def apply(self, group: Group) -> int:
        if self.delivery_id is not None:
            if self.delivery_id in group.delivered:
                return 0
            group.delivered.add(self.delivery_id)
            group.statements.append((_KEEP_DELIVERY, [(self.delivery_id, group.now)]))
        if self.place is not None and not self._moves(group, self.place):
            return 0
        if self.gap or self._tell_of_another_run(group.server):
            group.server.missed_at = group.now
        if group.server.boot_id is None:  # a server that has none was replaced by one that has: whoever watches it asks
            group.server.boot_id = next((h.event.boot_id for h in self.events if h.event.boot_id is not None), None)
        for heard in self.events:
            self._apply_one(group, heard)
        return len(self.events)

    def _moves(self, group: Group, place: StreamPosition) -> bool:
        """Whether the stream is heard further by these; then it stands at their place."""
        server = group.server
        if place.holder is not None and place.holder != server.bridge_holder:
            return False
        if place.id is None:
            return True
        known, server.stream_id = server.stream_id, place.id
        return known != place.id or not (self.again or group.again)

    def _tell_of_another_run(self, server: ServerRow) -> bool:
        """Whether some happened before the server was started anew (or in a run that we do not know of yet): their
        registrations may be gone."""
        present = {None, server.boot_id}
        return server.boot_id is not None and any(heard.event.boot_id not in present for heard in self.events)

    def _apply_one(self, group: Group, heard: DecodedEvent) -> None:
        event = heard.event
        endpoint = group.names.get(event.endpoint) or group.new_endpoint(event.endpoint)
        if isinstance(event, RequestResponse):
            _answered(group, event, heard.report)
        before = endpoint.wake_seq
        held_since_claim = before == endpoint.lease_wake_seq
        known = endpoint.registration_id, endpoint.leshan_registered_at
        presence.apply(endpoint, event, group.now, group.rules)
        if isinstance(event, Registered | Updated | Deregistered):
            replaced = _replaced(known, endpoint)
            self._see_to_held(
                group, endpoint, replaced=replaced, woke=endpoint.wake_seq > before, calm=held_since_claim
            )
        heard_at = group.now - event.age
        for reading in heard.readings:
            group.report(endpoint, reading.values, _time_of(reading, heard_at))

    def _see_to_held(self, group: Group, endpoint: EndpointRow, *, replaced: bool, woke: bool, calm: bool) -> None:
        """What an event means for a request that Leshan holds. ``calm``: no wake had come since it was delayed."""
        if self.missed and (replaced or woke):
            give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, "events were missed while Leshan held the request")
        elif replaced and calm:
            drop_held(group, endpoint, "the registration ended while Leshan held the request")
        elif woke:
            expect_answer(group, endpoint)


def _time_of(reading: Reading, heard_at: Instant) -> Instant:
    """The device's time, where its clock can be right: a value is not from after it was received, and one that a clock
    without the time has dated 1970 must not stay behind all earlier ones for ever."""
    if reading.at is None or reading.at < EARLIEST_CLOCK:
        return heard_at
    return min(reading.at, heard_at)


def _replaced(known: tuple[str | None, int | None], endpoint: EndpointRow) -> bool:
    """Whether another registration, or none, has taken the known one's place; learning the id of one is no change."""
    id_, date = known
    if id_ is None and endpoint.registered:
        return date is not None and date != endpoint.leshan_registered_at
    return known != (endpoint.registration_id, endpoint.leshan_registered_at)


def _answered(group: Group, event: RequestResponse, report: Report | None) -> None:
    """The answer to a delayed request: it ends its operation, or is kept for our own commit of "delayed"."""
    if report is None:
        return
    report = replace(report, at=group.now - event.age)
    for operation in group.operations.values():
        if operation.request_id == event.request_id:
            if operation.status is OperationStatus.SENDING and _holds(group, operation.endpoint_id, operation.seq):
                end_attempt(group, operation, report)
            return
    group.early[event.request_id] = kept = report_to_json(report)
    group.statements.append((_KEEP_EARLY, [(event.request_id, event.endpoint, dump_json(kept), group.now)]))


def _holds(group: Group, endpoint_id: int, seq: int) -> bool:
    endpoint = group.endpoints[endpoint_id]
    return endpoint.lease_operation == seq and not endpoint.call_open
