"""Event ingestion: events become presence, values, ended delayed requests, and wakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

from app.domain.enums import OperationStatus, ReadingOrigin
from app.domain.events import Deregistered, Event, Registered, Reported, RequestResponse, Updated
from app.domain.outcomes import OutcomeKind
from app.domain.verdicts import Report
from app.models.fields import dump_json
from app.models.ledger import presence
from app.models.ledger.commands import Command, Phase
from app.models.ledger.early_responses import report_to_json
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import drop_held, end_attempt, expect_answer, give_up_held
from app.models.ledger.readings import TypedSample, report
from app.models.ledger.rows import EndpointRow

_OF_REGISTRATIONS: Final = (Registered, Updated, Deregistered)

_STORE_EARLY: Final = (
    "INSERT INTO early_response (request_id, endpoint, outcome, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
_STORE_DELIVERY: Final = "INSERT INTO webhook_delivery (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING"


class DecodedEvent(NamedTuple):
    """An event with its values typed, oldest first, and for a RequestResponse the report on the request."""

    event: Event
    samples: Sequence[TypedSample] = ()
    report: Report | None = None

    @property
    def weight(self) -> int:
        """The number of events that take as long."""
        if not self.samples:
            return 1
        return max(len(self.samples), sum(len(sample.values) for sample in self.samples) // VALUES)


_FIRMWARE_UPDATE: Final = "/5/"
"""Paths of the Firmware Update object (LwM2M Core 1.1, appendix E.6)."""

VALUES: Final = 10
"""Values that weigh as much as one event: many messages with thousands of values each must not share a transaction."""

MADE_UP: Final = "#"
"""Prefix of a :attr:`StreamPosition.id` that the Leshan server does not know."""


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The position of events in a Leshan server's event stream: they are read up to ``id`` (a made-up one if the server
    sends none) by ``holder``, as :class:`RenewBridgeLease` names it."""

    id: str | None
    holder: str | None = None


@dataclass(slots=True)
class IngestEvents(Command[int]):
    """Apply a list of events, as a whole or not at all. Return how many were applied (0 for a delivery applied before).

    ``missed`` means that events may have been lost before these (a stream was reopened): then a delayed request of an
    endpoint that has woken meanwhile ends with an unknown outcome. ``gap`` means that the Leshan server itself had to
    drop events: all registrations must be read.

    Events with a ``position`` are accepted from the bridge's current holder only: one that was frozen past its lease
    delivers events buffered in its socket, and the current holder has received all of them. ``again`` means that they
    were submitted before, with an unknown result. The stream's position, one column of a row, decides whether they were
    applied: a receipt for each batch would add a row to store and prune, and no information.
    """

    phase: ClassVar[Phase] = Phase.INGEST
    events: Sequence[DecodedEvent]
    delivery_id: str | None = None
    missed: bool = False
    gap: bool = False
    position: StreamPosition | None = None
    again: bool = False

    def __post_init__(self) -> None:
        self.weight = sum([decoded.weight for decoded in self.events])

    def needs(self, needs: Needs) -> None:
        for event, _, _ in self.events:
            needs.endpoint_names.add(event.endpoint)
            if isinstance(event, RequestResponse):
                needs.request_ids.add(event.request_id)
        if self.delivery_id is not None:
            needs.delivery_ids.add(self.delivery_id)

    def apply(self, group: Group) -> int:
        if self.delivery_id is not None:
            if self.delivery_id in group.delivered:
                return 0
            group.delivered.add(self.delivery_id)
            group.statements.append((_STORE_DELIVERY, [(self.delivery_id, group.now)]))
        if self.position is not None and not self._moves(group, self.position):
            return 0
        server = group.server
        boot_ids = [decoded.event.boot_id for decoded in self.events if decoded.event.boot_id is not None]
        # events of another run of the server, before a restart or in a run not known yet: registrations may be gone
        if self.gap or (server.boot_id is not None and any(boot_id != server.boot_id for boot_id in boot_ids)):
            server.missed_at = group.now
        if server.boot_id is None and boot_ids:  # replaced by a server that has one; its watcher reads the rest
            server.boot_id = boot_ids[0]
        for decoded in self.events:
            self._apply_one(group, decoded)
        return len(self.events)

    def _moves(self, group: Group, position: StreamPosition) -> bool:
        """Store the stream's position. Return False for a holder that is not the current one, and for a retry at the
        stored position."""
        server = group.server
        if position.holder is not None and position.holder != server.bridge_holder:
            return False
        if position.id is None:
            return True
        known, server.stream_id = server.stream_id, position.id
        return known != position.id or not (self.again or group.again)

    def _apply_one(self, group: Group, decoded: DecodedEvent) -> None:
        event = decoded.event
        if isinstance(event, RequestResponse):
            _answered(group, event, decoded.report)
        endpoint, deleted = group.names.get(event.endpoint), group.tombstones.get(event.endpoint)
        if endpoint is None and deleted is not None and presence.is_over(deleted, event, group.now):
            return
        endpoint = endpoint or group.new_endpoint(event.endpoint)
        before = endpoint.wake_seq
        held_since_claim = before == endpoint.lease_wake_seq
        known = endpoint.registration_id, endpoint.leshan_registered_at
        presence.apply(endpoint, event, group.now, group.rules)
        if isinstance(event, _OF_REGISTRATIONS):
            replaced = _replaced(known, endpoint)
            self._apply_to_held(
                group, endpoint, replaced=replaced, woke=endpoint.wake_seq > before, calm=held_since_claim
            )
        if endpoint.update_id is not None and _concerns_update(decoded):
            group.fleet_due.add(endpoint.update_id)
        if decoded.samples:
            origin = event.origin if isinstance(event, Reported) else ReadingOrigin.READ
            report(group, endpoint, decoded.samples, origin, group.now - event.age)

    def _apply_to_held(self, group: Group, endpoint: EndpointRow, *, replaced: bool, woke: bool, calm: bool) -> None:
        """Apply an event to a request that Leshan holds. ``calm`` means that no wake has come since it was delayed."""
        if self.missed and (replaced or woke):
            give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, "events were missed while Leshan held the request")
        elif replaced and calm:
            drop_held(group, endpoint, "the registration ended while Leshan held the request")
        elif woke:
            expect_answer(group, endpoint)


def _concerns_update(decoded: DecodedEvent) -> bool:
    """Return whether an event may move a firmware update on: a registration, which follows a reboot, or values of the
    Firmware Update object."""
    if isinstance(decoded.event, Registered):
        return True
    return any(path.startswith(_FIRMWARE_UPDATE) for sample in decoded.samples for path in sample.values)


def _replaced(known: tuple[str | None, int | None], endpoint: EndpointRow) -> bool:
    """Return whether another registration, or none, has replaced the known one; learning its id is no change."""
    id_, date = known
    if id_ is None and endpoint.registered:
        return date is not None and date != endpoint.leshan_registered_at
    return known != (endpoint.registration_id, endpoint.leshan_registered_at)


def _answered(group: Group, event: RequestResponse, report: Report | None) -> None:
    """Apply the response to a delayed request: end its operation, or store it until the ledger commits the delay."""
    if report is None:
        return
    report = replace(report, at=group.now - event.age)
    for operation in group.operations.values():
        if operation.request_id == event.request_id:
            endpoint = group.endpoints[operation.endpoint_id]
            held = endpoint.lease_operation == operation.seq and not endpoint.call_open
            if held and operation.status is OperationStatus.SENDING:
                end_attempt(group, operation, report)
            return
    group.early[event.request_id] = stored = report_to_json(report)
    group.statements.append((_STORE_EARLY, [(event.request_id, event.endpoint, dump_json(stored), group.now)]))
