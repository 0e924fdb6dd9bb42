"""Rows as the ledger uses them during a transaction: loaded once, changed in memory, written back together.

A JSON column is stored as its text: most rows are only passed through, and nothing here parses it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

from app.domain.enums import (
    Instant,
    OperationStatus,
    Presence,
    ReasonCode,
    ValueType,
)
from app.models.fields import members_of

STATUS_COLUMNS: Final = {status: status.lower() for status in OperationStatus}
"""The column that counts operations of a status, on the endpoint and on the Leshan server."""


_PRESENCES: Final = members_of(Presence)


NOT_OPEN: Final[Instant] = 0
"""Value of ``bridge_open_since``: the bridge's holder has no open stream. NULL is a bridge of a version that does not
report it."""


@dataclass(slots=True, kw_only=True)
class ServerRow:
    """A Leshan server: breaker, bridge, reported capabilities, and counters. Columns as in
    ``app.models.tables.LeshanServer``."""

    id: int
    name: str
    swept_at: Instant | None = None
    breaker_opened_at: Instant | None = None
    breaker_reason: str | None = None
    breaker_failures: int = 0
    breaker_endpoints: str | None = None
    probe_at: Instant | None = None
    probe_backoff: int = 0
    bridge_holder: str | None = None
    bridge_until: Instant | None = None
    bridge_open_since: Instant | None = None
    boot_id: str | None = None
    request_ids: bool = False
    notifications_wake: bool = False
    open_calls: int | None = None
    stream_id: str | None = None
    missed_at: Instant | None = None
    rules_seq: int = 0
    queued: int = 0
    sending: int = 0
    confirmed: int = 0
    failed: int = 0
    canceled: int = 0
    expired: int = 0

    @classmethod
    def load(cls, row: Any) -> Self:
        return cls(**{column: row[column] for column in SERVER_COLUMNS})


SERVER_COLUMNS: Final = tuple(field.name for field in fields(ServerRow))


@dataclass(slots=True)
class EndpointRow:
    """A device, with everything that decides whether it may be called now. Columns as in
    ``app.models.tables.Endpoint``."""

    id: int
    server_id: int
    name: str
    listed_at: Instant | None = None
    presence_check_at: Instant | None = None
    overdue_check_at: Instant | None = None
    overdue: bool = False
    seen_hour: int | None = None
    presence: Presence = Presence.OFFLINE
    told_presence: Presence = Presence.OFFLINE
    announce_at: Instant | None = None
    leshan_last_update: int | None = None
    last_update_at: Instant | None = None
    contacts: str | None = None
    last_seen_at: Instant | None = None
    lifetime_ends_at: Instant | None = None
    awake_until: Instant | None = None
    wake_seq: int = 0
    ready_at: Instant | None = None
    lease_operation: int | None = None
    lease_token: str | None = None
    lease_until: Instant | None = None
    lease_wake_seq: int | None = None
    call_open: bool = False
    held_wake_seq: int | None = None
    retry_at: Instant | None = None
    retries: int = 0
    not_before: Instant | None = None
    setbacks: int = 0
    down_since: Instant | None = None
    next_operation: int | None = None
    answered_wake_seq: int | None = None
    silent: bool = False
    paused: bool = False
    queued: int = 0
    sending: int = 0
    confirmed: int = 0
    failed: int = 0
    canceled: int = 0
    expired: int = 0
    registration_id: str | None = None
    past_registrations: str | None = None
    leshan_registered_at: int | None = None
    registered_at: Instant | None = None
    lifetime_seconds: int | None = None
    lwm2m_version: str | None = None
    binding_mode: str | None = None
    queue_mode: bool | None = None
    awake_millis: int | None = None
    address: str | None = None
    object_links: str | None = None
    observations: str | None = None
    composites: str | None = None
    awake_window_seconds: int | None = None
    rules_seq: int = 0
    first_seen_at: Instant | None = None
    tags: str | None = None
    deleted_at: Instant | None = None
    deleted_seq: int | None = None
    update_id: int | None = None

    @classmethod
    def load(cls, row: Any) -> Self:
        """Load a row selected by ``ENDPOINT_COLUMNS``, in their order."""
        endpoint = cls(*row)
        endpoint.presence = _PRESENCES[endpoint.presence]
        endpoint.told_presence = _PRESENCES[endpoint.told_presence]
        endpoint.call_open = bool(endpoint.call_open)
        endpoint.silent = bool(endpoint.silent)
        endpoint.paused = bool(endpoint.paused)
        endpoint.overdue = bool(endpoint.overdue)
        endpoint.queue_mode = None if endpoint.queue_mode is None else bool(endpoint.queue_mode)
        return endpoint

    @property
    def registration_key(self) -> str | None:
        """What distinguishes its registration from others: the id, or the date if only the older webhook reports it."""
        if not self.registered:
            return None
        return self.registration_id or f"@{self.leshan_registered_at or self.registered_at}"

    @property
    def counted_presence(self) -> Presence | None:
        """The presence with which it is counted; None if it is deleted."""
        return self.presence if self.deleted_at is None else None

    @property
    def registered(self) -> bool:
        """Whether a registration is known and was not ended by Leshan."""
        return self.registered_at is not None

    @property
    def sleeps(self) -> bool:
        """Whether the device uses queue mode. Unknown devices are assumed to."""
        return self.queue_mode is not False


ENDPOINT_COLUMNS: Final = tuple(field.name for field in fields(EndpointRow))
CHANGING_ENDPOINT: Final = slice(ENDPOINT_COLUMNS.index("listed_at"), None)
"""All columns but the id, the server and the name."""


def _span(first: str, last: str) -> slice:
    columns = ENDPOINT_COLUMNS[CHANGING_ENDPOINT]
    return slice(columns.index(first), columns.index(last) + 1)


ENDPOINT_SPANS: Final = (
    _span("leshan_last_update", "ready_at"),  # an update from a device that is awake
    _span("listed_at", "ready_at"),  # a wake
    _span("last_seen_at", "expired"),  # a claim, or the end of a call
    slice(0, len(ENDPOINT_COLUMNS)),
)
"""Spans of the changing columns that change together, within :data:`CHANGING_ENDPOINT`, the shortest first.

A row is updated by the first span that has all its changes: to write every column took PostgreSQL's driver three times
as long as the few that an update of a registration changes, and SQLite five times, with the indexes of all columns."""


@dataclass(slots=True, frozen=True)
class TransitionRow:
    """One step, as it is written to the log."""

    seq: int
    operation_id: int
    number: int
    from_status: OperationStatus | None
    to_status: OperationStatus
    attempt: int
    reason: ReasonCode | None
    detail: str | None
    at: Instant


class LedgerHead(NamedTuple):
    """The last number of the sequence, and the highest that was pruned from the log."""

    id: int
    seq: int
    horizon: int


class PresenceChange(NamedTuple):
    """A published presence, as it is written to the log."""

    seq: int
    endpoint_id: int
    presence: Presence
    at: Instant


class CampaignChangeRow(NamedTuple):
    """A change of a campaign or of one of its targets, as it is written to the log."""

    seq: int
    campaign_id: int
    target_id: int | None
    at: Instant


class TagRow(NamedTuple):
    """A tag of an endpoint, as a row of its own."""

    endpoint_id: int
    tag: str
    overdue: bool
    name: str


class ObjectRow(NamedTuple):
    """An object that an endpoint registered, as a row of its own."""

    endpoint_id: int
    object_id: int
    name: str


class ReadingRow(NamedTuple):
    """A reported value. Columns as in ``app.models.tables.Reading``."""

    seq: int
    endpoint_id: int
    at: Instant
    received_at: Instant
    stored_at: Instant
    report: int
    number: float | None
    origin: int
    time_source: int
    path: str
    type: ValueType
    value: str | None


class AuditEntry(NamedTuple):
    """The change that a caller requested with a command: who, what, about which object. ``detail`` is JSON."""

    actor: str
    action: str
    target: str | None = None
    detail: str | None = None


class AuditRow(NamedTuple):
    """An :class:`AuditEntry` with its time. Columns as in ``app.models.tables.AuditEvent``."""

    id: int
    at: Instant
    actor: str
    action: str
    target: str | None
    detail: str | None


SERVER_VALUES: Final = attrgetter(*SERVER_COLUMNS)
ENDPOINT_VALUES: Final = attrgetter(*ENDPOINT_COLUMNS)
CHANGING_ENDPOINT_VALUES: Final = attrgetter(*ENDPOINT_COLUMNS[CHANGING_ENDPOINT])
INDEXED_VALUES: Final = attrgetter("tags", "overdue", "object_links")
"""Columns that rows of other tables repeat (``models/endpoint_index.py``)."""
NOT_INDEXED: Final = (None, False, None)
"""The same of an endpoint that has no such rows."""
