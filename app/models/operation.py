"""An operation: to be created (:class:`NewOperation`), and as the database stores it (:class:`Operation`).

Both are the one shape that the schema, the ledger and the queries share. Fields with the same name are copied by name,
so that a new column is added here, to ``app/models/tables.py`` and to the GraphQL types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from types import NoneType
from typing import Any, ClassVar, Final, Self, TypeAlias, get_args, get_type_hints

from app.domain.enums import (
    SECOND,
    ContentFormat,
    Delivery,
    Instant,
    OperationKind,
    OperationStatus,
    ReasonCode,
    ValueType,
)
from app.domain.operations import OperationRequest
from app.models.fields import dump_json, load_json, members_of

_Getter: TypeAlias = Callable[[Any], tuple[Any, ...]]

_RESPONSES: Final = frozenset({ReasonCode.DEVICE_REFUSED, ReasonCode.DEVICE_ERROR})
"""Reasons of a FAILED operation that are a response of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """A validated operation to be created.

    Attributes:
        id: a UUID created before the transaction, so that a retry after a lost COMMIT finds the operation.
        batch: the caller's own label for operations that belong together.
        not_before: it is not sent before this.
        sequence: of operations of the endpoint that are sent one after the other, until one is not CONFIRMED.
        rule_id: the observation rule that it was created for.
        trace: the W3C ``traceparent`` of the span that created it; None if that is not traced.
        fleet_id: the firmware update or the campaign's target that it was created for.
        fingerprint: a digest of the whole input: an idempotency key may be repeated only with the same one.
    """

    id: str
    request: OperationRequest
    priority: int = 0
    max_attempts: int
    repeatable: bool
    validated: bool
    ttl_seconds: int | None = None
    supersede: bool = False
    idempotency_key: str | None = None
    fingerprint: str
    created_by: str | None = None
    retry_of: int | None = None
    batch: str | None = None
    not_before: Instant | None = None
    sequence: str | None = None
    rule_id: int | None = None
    trace: str | None = None
    fleet_id: int | None = None

    @property
    def weight(self) -> int:
        """Bytes of its values, arguments and paths as they are stored."""
        request = self.request
        stored = (dump_json(request.value), dump_json(dict(request.values) or None), request.arguments)
        return sum(len(text.encode()) for text in (*stored, dump_json(list(request.paths))) if text)


@dataclass(slots=True)
class Operation:
    """An operation as it is stored. Fields are the columns of ``app.models.tables.Operation``, in their order.

    A JSON column (``paths``, ``value``, ``composite``, ``attributes``, ``answer``) is its stored text, because most
    rows are only passed through; :meth:`request` parses those of the request. ``weight`` is no column: it is the size
    of the :attr:`LARGE` ones in bytes, if they were read as ``Large.SHORT``.
    """

    LARGE: ClassVar = ("value", "composite", "arguments", "answer")
    seq: int
    id: str
    endpoint_id: int
    kind: OperationKind
    path: str | None
    paths: str
    value_type: ValueType | None
    value: str | None
    composite: str | None
    replace: bool
    arguments: str | None
    attributes: str | None
    format: ContentFormat | None
    priority: int
    max_attempts: int
    repeatable: bool
    validated: bool
    timeout_seconds: int
    created_at: Instant
    created_by: str | None
    expires_at: Instant | None
    idempotency_key: str | None
    fingerprint: str | None
    retry_of: int | None
    batch: str | None = None
    not_before: Instant | None = None
    sequence: str | None = None
    rule_id: int | None = None
    trace: str | None = None
    fleet_id: int | None = None
    status: OperationStatus = OperationStatus.QUEUED
    version: int = 0
    last_seq: int = 0
    attempt: int = 0
    attempts: int = 0
    delivery: Delivery = Delivery.NOT_SENT
    last_attempt_at: Instant | None = None
    finished_at: Instant | None = None
    reason: ReasonCode | None = None
    detail: str | None = None
    device_status: str | None = None
    answer: str | None = None
    request_id: str | None = None
    superseded: bool = False
    cancel_requested: bool = False
    held_wake_seq: int | None = None
    retry_at: Instant | None = None
    weight: int = 0

    @classmethod
    def create(cls, new: NewOperation, *, seq: int, endpoint_id: int, now: Instant) -> Self:
        """Return a QUEUED operation. Its time to live begins ``now``."""
        request = new.request
        return cls(
            seq=seq,
            endpoint_id=endpoint_id,
            created_at=now,
            expires_at=None if new.ttl_seconds is None else now + new.ttl_seconds * SECOND,
            paths=dump_json(list(request.paths)) or "[]",
            value=dump_json(request.value),
            composite=dump_json(dict(request.values) or None),
            attributes=dump_json(dict(request.attributes) or None),
            **dict(zip(_OF_REQUEST, _request_values(request), strict=True)),
            **dict(zip(_OF_NEW, _new_values(new), strict=True)),
        )

    @classmethod
    def load(cls, row: Sequence[Any]) -> Self:
        """Return the operation of a row whose values are in the order of the fields; the last ones may be absent."""
        values = list(row)
        for index, convert in _CONVERSIONS:
            values[index] = convert(values[index])
        return cls(*values)

    @property
    def is_refused(self) -> bool:
        """Whether it FAILED by the device's response to its last attempt. ``delivery`` does not show that: the device
        may have responded to an earlier attempt only."""
        return self.status is OperationStatus.FAILED and self.reason in _RESPONSES

    def request(self, endpoint: str) -> OperationRequest:
        """Return the operation's request, as the Leshan client sends it."""
        return OperationRequest(
            endpoint=endpoint,
            paths=tuple(load_json(self.paths)),
            value=load_json(self.value),
            values=load_json(self.composite) or {},
            attributes=load_json(self.attributes) or {},
            **dict(zip(_OF_REQUEST, _request_values(self), strict=True)),
        )

    def retry(
        self,
        endpoint: str,
        *,
        id_: str,
        fingerprint: str,
        created_by: str,
        idempotency_key: str | None,
        trace: str | None = None,
    ) -> NewOperation:
        """Return a new operation with the same request and settings; its time to live starts again.

        It has no ``not_before``, because it is wanted now, and no ``sequence``: there it would be behind the operation
        that it retries, and stopped by it. It belongs to no observation rule, firmware update or campaign: those create
        their own; and to the trace of the caller that retries it.
        """
        return NewOperation(
            id=id_,
            request=self.request(endpoint),
            ttl_seconds=None if self.expires_at is None else max(1, (self.expires_at - self.created_at) // SECOND),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            created_by=created_by,
            retry_of=self.seq,
            trace=trace,
            **dict(zip(_RETRIED, _retried_values(self), strict=True)),
        )


def _names(shape: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(shape))


def _conversion(hint: Any) -> Callable[[Any], Any] | None:
    """Return the conversion of a column's value: drivers return the text of an enumeration, SQLite 0 or 1 of a boolean,
    and PostgreSQL a UUID."""
    types = (hint, *get_args(hint))
    if bool in types:
        return _nullable_bool if NoneType in types else bool
    enum = next((type_ for type_ in types if isinstance(type_, type) and issubclass(type_, StrEnum)), None)
    return None if enum is None else members_of(enum).__getitem__


def _nullable_bool(value: Any) -> bool | None:
    return None if value is None else bool(value)


OPERATION_COLUMNS: Final = _names(Operation)[:-1]
CHANGING_COLUMNS: Final = OPERATION_COLUMNS[OPERATION_COLUMNS.index("status") :]
"""Columns that an operation's steps change; the others remain as created."""

OPERATION_VALUES: Final[_Getter] = attrgetter(*OPERATION_COLUMNS)
CHANGING_VALUES: Final[_Getter] = attrgetter(*CHANGING_COLUMNS)

_HINTS: Final = get_type_hints(Operation)
_CONVERSIONS: Final[tuple[tuple[int, Callable[[Any], Any]], ...]] = (
    (OPERATION_COLUMNS.index("id"), str),
    *(
        (index, convert)
        for index, name in enumerate(OPERATION_COLUMNS)
        if (convert := _conversion(_HINTS[name])) is not None
    ),
)
"""Conversions of a row's values, by index."""

_JSON: Final = ("paths", "value", "composite", "attributes")
_OF_REQUEST: Final = tuple(name for name in _names(OperationRequest) if name in OPERATION_COLUMNS and name not in _JSON)
_OF_NEW: Final = tuple(name for name in _names(NewOperation) if name in OPERATION_COLUMNS)
_OF_THIS_ONE: Final = (
    *("id", "idempotency_key", "fingerprint", "created_by", "retry_of", "not_before", "sequence", "rule_id", "trace"),
    "fleet_id",
)
_RETRIED: Final = tuple(name for name in _OF_NEW if name not in _OF_THIS_ONE)
_request_values: Final[_Getter] = attrgetter(*_OF_REQUEST)
_new_values: Final[_Getter] = attrgetter(*_OF_NEW)
_retried_values: Final[_Getter] = attrgetter(*_RETRIED)
