"""Views of rows for readers: slotted, created by position in one step, enumerations, JSON parsed on access.

A page of 50 operations creates 150 of them, so they are not Tortoise models: those cost five times as much to create.
They are values: no code changes one. Large columns are omitted unless requested (:class:`Large`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum, auto
from functools import cache
from typing import Any, ClassVar, Final, Self, cast

from app.domain.enums import (
    Instant,
    OperationStatus,
    Presence,
    ReadingOrigin,
    ReasonCode,
    TimeSource,
    ValueType,
)
from app.domain.values import JsonValue, number_of
from app.models.contacts import usual_interval
from app.models.endpoint_index import tags_of
from app.models.fields import load_json, members_of

Row = Sequence[Any]
"""A row of either driver, its columns in the order of a view's fields."""


_STATUS: Final = members_of(OperationStatus)
_PRESENCE: Final = members_of(Presence)
_REASON: Final = members_of(ReasonCode)


INLINE: Final = 2_048
"""Maximum bytes of a large column that is read with its row in a list."""


class Large(Enum):
    """The large columns to read: one value may have a mebibyte, and a page 200 rows."""

    ALL = auto()
    SHORT = auto()
    """Columns of at most :data:`INLINE` bytes; the row's ``weight`` is the size of all large columns."""
    NONE = auto()


class _Counted:
    """Mixin: the stored counters, one per status."""

    __slots__ = ()

    @property
    def counts(self) -> dict[OperationStatus, int]:
        """The number of operations by status, zeros included."""
        return {status: getattr(self, status.lower()) for status in OperationStatus}


@dataclass(slots=True)
class EndpointView(_Counted):
    """A device. Columns that readers do not need (Leshan's own dates, setbacks) are omitted."""

    LARGE: ClassVar = ("object_links", "tags")
    id: int
    server_id: int
    name: str
    presence: Presence
    last_seen_at: Instant | None
    awake_until: Instant | None
    lifetime_ends_at: Instant | None
    awake_window_seconds: int | None
    wake_seq: int
    lease_operation: int | None
    lease_wake_seq: int | None
    call_open: bool
    ready_at: Instant | None
    down_since: Instant | None
    silent: bool
    next_operation: int | None
    paused: bool
    queued: int
    sending: int
    confirmed: int
    failed: int
    canceled: int
    expired: int
    registration_id: str | None
    registered_at: Instant | None
    last_update_at: Instant | None
    lifetime_seconds: int | None
    lwm2m_version: str | None
    binding_mode: str | None
    queue_mode: bool | None
    address: str | None
    object_links_json: str | None
    observations_json: str | None
    overdue: bool
    first_seen_at: Instant | None
    contacts_json: str | None
    tags_json: str | None
    deleted_at: Instant | None
    weight: int = 0

    @property
    def tags(self) -> list[str]:
        """The tags, sorted."""
        return tags_of(self.tags_json)

    @property
    def next_contact_by(self) -> Instant | None:
        """The end of the registration's lifetime; None while it is not registered, or without a known lifetime."""
        return self.lifetime_ends_at if self.registered else None

    @property
    def usual_contact_interval(self) -> Instant | None:
        """The median of the intervals between the last contacts; None before the third contact."""
        return usual_interval(self.contacts_json)

    @property
    def pending(self) -> int:
        """The number of operations that have not ended."""
        return self.queued + self.sending

    @property
    def registered(self) -> bool:
        """Whether a registration is known that Leshan has not ended."""
        return self.registered_at is not None

    @classmethod
    def load(cls, row: Row) -> Self:
        values = list(row)
        values[_PRESENCE_AT] = _PRESENCE[values[_PRESENCE_AT]]
        values[_CALL_OPEN_AT] = bool(values[_CALL_OPEN_AT])
        values[_SILENT_AT] = bool(values[_SILENT_AT])
        values[_PAUSED_AT] = bool(values[_PAUSED_AT])
        values[_OVERDUE_AT] = bool(values[_OVERDUE_AT])
        if values[_QUEUE_MODE_AT] is not None:
            values[_QUEUE_MODE_AT] = bool(values[_QUEUE_MODE_AT])
        return cls(*values)


@dataclass(slots=True)
class TransitionView:
    """One step of an operation; ``seq`` is its position in the log."""

    seq: int
    operation_seq: int
    number: int
    from_status: OperationStatus | None
    to_status: OperationStatus
    attempt: int
    reason: ReasonCode | None
    detail: str | None
    at: Instant

    @classmethod
    def load(cls, row: Row) -> Self:
        seq, operation, number, from_status, to_status, attempt, reason, detail, at = row
        to = OperationStatus(to_status)
        return cls(seq, operation, number, _STATUS[from_status], to, attempt, _REASON[reason], detail, at)


@dataclass(slots=True)
class PresenceChangeView:
    """One change of an endpoint's presence, as it is published to subscribers."""

    seq: int
    endpoint_id: int
    presence: Presence
    at: Instant

    @classmethod
    def load(cls, row: Row) -> Self:
        seq, endpoint_id, presence, at = row
        return cls(seq, endpoint_id, Presence(presence), at)


@dataclass(slots=True)
class CampaignChangeView:
    """A change of a campaign, or of one of its targets."""

    seq: int
    campaign_id: int
    target_id: int | None
    at: Instant

    @classmethod
    def load(cls, row: Row) -> Self:
        return cls(*row)


@dataclass(slots=True, kw_only=True)
class ResourceStateView:
    """The latest known value of a resource."""

    LARGE: ClassVar = ("value",)
    path: str
    type: ValueType
    value_json: str | None
    at: Instant
    received_at: Instant
    origin: ReadingOrigin
    time_source: TimeSource
    weight: int = 0

    @property
    def value(self) -> JsonValue:
        """The value in the contract's form."""
        return load_json(self.value_json)

    @property
    def number(self) -> float | None:
        """The value as a number, if its type has one."""
        return None if self.value_json is None else number_of(self.type, self.value)

    @classmethod
    def load(cls, row: Row) -> Self:
        """Load a row selected by :func:`columns`."""
        values = dict(zip(_names(cast(Any, cls)), row, strict=True))
        values["type"] = ValueType(values["type"])
        values["received_at"] = values["at"] if values["received_at"] is None else values["received_at"]
        values["origin"], values["time_source"] = _ORIGINS[values["origin"]], _TIME_SOURCES[values["time_source"]]
        return cls(**values)


@dataclass(slots=True, kw_only=True)
class ReadingView(ResourceStateView):
    """One value that a resource had. ``report`` is the ``seq`` of the first value of the same message."""

    HORIZON: ClassVar = "reading_horizon"
    seq: int
    endpoint_id: int
    report: int


@cache
def _names(view: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(view))


_ORIGINS: Final = tuple(ReadingOrigin)
_TIME_SOURCES: Final = tuple(TimeSource)


@dataclass(slots=True)
class ServerView(_Counted):
    """A Leshan server: breaker, heartbeat of the dispatchers, counters, whether all of it is paused, and the database's
    time of the read."""

    id: int
    name: str
    swept_at: Instant | None
    breaker_opened_at: Instant | None
    breaker_reason: str | None
    probe_at: Instant | None
    bridge_holder: str | None
    bridge_until: Instant | None
    bridge_open_since: Instant | None
    open_calls: int | None
    queued: int
    sending: int
    confirmed: int
    failed: int
    canceled: int
    expired: int
    paused: bool
    now: Instant

    @classmethod
    def load(cls, row: Row) -> Self:
        values = list(row)
        values[-2] = bool(values[-2])  # paused
        return cls(*values)


@dataclass(slots=True)
class PauseView:
    """A current or former pause of the dispatch. The names are of its scope; both None: everything."""

    id: int
    server: str | None
    endpoint: str | None
    reason: str
    paused_by: str
    paused_at: Instant
    resumed_by: str | None
    resumed_at: Instant | None

    @classmethod
    def load(cls, row: Row) -> Self:
        return cls(*row)


_COLUMN_OF: Final = {"operation_seq": "operation_id"}


def stored_size(column: str, *, postgres: bool) -> str:
    """Return the SQL expression for the bytes of a text."""
    return f"octet_length({column})" if postgres else f"length(CAST({column} AS BLOB))"


@cache
def columns(view: Any, table: str, large: Large = Large.ALL, *, postgres: bool = False) -> str:
    """Return a view's columns, in the order of its fields, for a SELECT in which ``table`` is the table's alias."""

    def size(column: str) -> str:
        return stored_size(f"{table}.{column}", postgres=postgres)

    def selected(name: str) -> str:
        if name == "weight":
            sizes = [f"coalesce({size(column)}, 0)" for column in view.LARGE]
            return " + ".join(sizes) if large is Large.SHORT else "0"
        column = _COLUMN_OF.get(name, name.removesuffix("_json"))
        if large is Large.ALL or column not in getattr(view, "LARGE", ()):
            return f"{table}.{column}"
        short = f"CASE WHEN {size(column)} <= {INLINE} THEN {table}.{column} END"
        return f"{short if large is Large.SHORT else 'NULL'} AS {column}"

    return ", ".join(selected(field.name) for field in fields(view))


_ENDPOINT_FIELDS: Final = [field.name for field in fields(EndpointView)]
_PRESENCE_AT: Final = _ENDPOINT_FIELDS.index("presence")
_CALL_OPEN_AT: Final = _ENDPOINT_FIELDS.index("call_open")
_SILENT_AT: Final = _ENDPOINT_FIELDS.index("silent")
_PAUSED_AT: Final = _ENDPOINT_FIELDS.index("paused")
_OVERDUE_AT: Final = _ENDPOINT_FIELDS.index("overdue")
_QUEUE_MODE_AT: Final = _ENDPOINT_FIELDS.index("queue_mode")
