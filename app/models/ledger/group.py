"""One group commit: the rows that its commands read and change. :mod:`app.models.ledger.writing` writes them back."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from app.domain.enums import Instant, OperationStatus, Presence, ReadingOrigin, ReasonCode
from app.models.counters import PRESENCES, REASONS
from app.models.fields import load_json, storable_text
from app.models.ledger.queues import Next
from app.models.ledger.rows import (
    CHANGING_ENDPOINT,
    ENDPOINT_COLUMNS,
    INDEXED_VALUES,
    STATUS_COLUMNS,
    AuditEntry,
    AuditRow,
    CampaignChangeRow,
    EndpointRow,
    PresenceChange,
    ReadingRow,
    ServerRow,
    TransitionRow,
)
from app.models.ledger.rules import Rules
from app.models.ledger.store import Row, Store, Write
from app.models.lifecycle import MOVES, STOPPING, TERMINAL
from app.models.operation import CHANGING_COLUMNS, OPERATION_COLUMNS, Operation

MAX_DETAIL: Final = 1_000

MANY: Final = 250
"""More operations than the calls that end together come from a cancellation by filter, many of them of the same
endpoint: then endpoints are read once, in a statement of their own."""

_STOPPED_BEFORE: Final = frozenset({ReasonCode.SEQUENCE_STOPPED, ReasonCode.ENDPOINT_DELETED})
"""Reasons of operations whose sequence ends with them, so that no other has to be canceled."""

_CHANGING: Final = slice(len(OPERATION_COLUMNS) - len(CHANGING_COLUMNS), None)

_ENDPOINT_COLUMNS: Final = ", ".join(f"e.{column}" for column in ENDPOINT_COLUMNS)
_OPERATION_COLUMNS: Final = ", ".join(f"o.{column}" for column in OPERATION_COLUMNS)
_ENDPOINTS: Final = f"SELECT {_ENDPOINT_COLUMNS} FROM endpoint e WHERE e.id = ANY($1::bigint[])"
_ENDPOINTS_BY_NAME: Final = f"""
    SELECT {_ENDPOINT_COLUMNS} FROM endpoint e
    WHERE e.name = ANY($1::text[]) AND e.server_id = $2 AND e.deleted_at IS {{deleted}}NULL
"""
_KNOWN: Final = _ENDPOINTS_BY_NAME.format(deleted="")
_DELETED: Final = _ENDPOINTS_BY_NAME.format(deleted="NOT ")
"""Two statements, because each has an index of its own, and the names of deleted endpoints are seldom needed."""
_OPERATIONS: Final = f"SELECT {_OPERATION_COLUMNS} FROM operation o WHERE "
_BY_SEQ: Final = "o.seq = ANY($1::bigint[])"
_BY_ID: Final = "o.id = ANY($1::uuid[])"
_BY_REQUEST: Final = "o.request_id = ANY($1::text[])"
_OF_ENDPOINTS: Final = "o.endpoint_id = ANY($1::bigint[])"
_BY_KEY: Final = f"{_OF_ENDPOINTS} AND o.idempotency_key = ANY($2::text[])"
_BY_PATH: Final = (
    f"{_OF_ENDPOINTS} AND o.path = ANY($2::text[]) AND o.kind = 'WRITE' AND o.status IN ('QUEUED', 'SENDING')"
)
_BY_RETRIED: Final = "o.retry_of = ANY($1::bigint[]) AND o.status IN ('QUEUED', 'SENDING')"
_WITH_ENDPOINTS: Final = f"""
    SELECT {_OPERATION_COLUMNS}, {_ENDPOINT_COLUMNS} FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
    WHERE {_BY_SEQ}
"""
_EARLY: Final = "SELECT request_id, outcome FROM early_response WHERE request_id = ANY($1::text[])"
_DELIVERED: Final = "SELECT id FROM webhook_delivery WHERE id = ANY($1::text[])"

Values: TypeAlias = tuple[Any, ...]

Move: TypeAlias = tuple[OperationStatus | None, OperationStatus, ReasonCode | None]
"""A step of an operation: from, to, and reason."""


class IllegalMove(RuntimeError):
    """A bug in Reveille: a move was requested that the table does not have."""


def check_move(before: OperationStatus | None, after: OperationStatus) -> None:
    """Raise IllegalMove unless the lifecycle table has this move."""
    if after not in MOVES[before]:
        raise IllegalMove(f"no operation moves from {before} to {after}")


class EndedOperation(NamedTuple):
    """An operation that has ended, the name of its endpoint, and the device's last registration and update by then."""

    operation: Operation
    endpoint: str
    registered_at: Instant | None
    last_update_at: Instant | None

    @property
    def ms_from_wake(self) -> int | None:
        """The milliseconds from the last wake to the end; None if the operation was never sent, or no wake is known."""
        wake = max(self.registered_at or 0, self.last_update_at or 0)
        if not wake or not self.operation.attempt:
            return None
        return max(0, (self.operation.finished_at or wake) - wake) // 1_000


@dataclass(slots=True)
class Needs:
    """The rows that a group must load before its commands can be applied."""

    endpoint_names: set[str] = field(default_factory=set)
    endpoint_ids: set[int] = field(default_factory=set)
    operation_seqs: set[int] = field(default_factory=set)
    operation_ids: set[str] = field(default_factory=set)
    request_ids: set[str] = field(default_factory=set)
    idempotency_keys: set[str] = field(default_factory=set)
    superseded_paths: set[str] = field(default_factory=set)
    retried_seqs: set[int] = field(default_factory=set)
    sequences: set[tuple[str, str]] = field(default_factory=set)
    delivery_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Stored:
    """The columns as the database has them: what differs is written."""

    server: Values
    head: tuple[int, int]
    endpoints: dict[int, Values] = field(default_factory=dict)
    operations: dict[int, Values] = field(default_factory=dict)
    indexed: dict[int, Values] = field(default_factory=dict)
    presences: dict[int, Presence | None] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """The working set of one transaction. Commands find rows here and change them.

    ``now`` is the database's time, read once after the append lock was acquired; ``seq`` continues the single counter.
    ``again`` is set when the group is retried because the response to its COMMIT was lost. ``names`` are the endpoints
    that are not deleted, ``tombstones`` the newest deleted one of each name. ``next`` is the next operation of
    endpoints whose queue is not always sent from its head. ``sequences``, by endpoint id and name, may have to be
    stopped: an operation was added, or ended otherwise than CONFIRMED; ``members`` counts the QUEUED ones of those to
    which operations are added. ``observing`` are ended operations that may concern observation rules; ``rules_due``
    are endpoints to which these have to be applied. ``fleet_due`` are firmware updates and targets of campaigns about
    which there is news, ``fleet_woken`` whether one may be due now. The log's new rows are in ``transitions``,
    ``presence_changes``, ``campaign_changes`` and ``readings``; ``audits`` and ``statements`` are written beside them.
    ``counters`` are what is added to those of ``app.models.counters``.
    """

    store: Store
    rules: Rules
    server: ServerRow
    now: Instant
    seq: int
    horizon: int
    stored: Stored
    again: bool = False
    endpoints: dict[int, EndpointRow] = field(default_factory=dict)
    names: dict[str, EndpointRow] = field(default_factory=dict)
    tombstones: dict[str, EndpointRow] = field(default_factory=dict)
    operations: dict[int, Operation] = field(default_factory=dict)
    ids: dict[str, Operation] = field(default_factory=dict)
    keys: dict[tuple[int, str], Operation] = field(default_factory=dict)
    targets: dict[tuple[int, str | None], list[Operation]] = field(default_factory=dict)
    retries: dict[int, list[Operation]] = field(default_factory=dict)
    early: dict[str, Any] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    next: dict[int, Next] = field(default_factory=dict)
    sequences: set[tuple[int, str]] = field(default_factory=set)
    members: Counter[tuple[int, str]] = field(default_factory=Counter)
    observing: list[Operation] = field(default_factory=list)
    transitions: list[TransitionRow] = field(default_factory=list)
    presence_changes: list[PresenceChange] = field(default_factory=list)
    campaign_changes: list[CampaignChangeRow] = field(default_factory=list)
    readings: list[ReadingRow] = field(default_factory=list)
    audits: list[AuditRow] = field(default_factory=list)
    statements: list[tuple[str | Write, list[Values]]] = field(default_factory=list)
    moves: Counter[Move] = field(default_factory=Counter)
    reported: Counter[ReadingOrigin] = field(default_factory=Counter)
    ended: list[EndedOperation] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    logged: bool = False
    woken: bool = False
    rules_due: set[int] = field(default_factory=set)
    fleet_due: set[int] = field(default_factory=set)
    fleet_woken: bool = False

    def draw(self) -> int:
        """Return the next number of the single sequence of operations, transitions and changes."""
        self.seq += 1
        return self.seq

    def record(self, entry: AuditEntry) -> None:
        """Add an event to the audit."""
        self.audits.append(AuditRow(self.draw(), self.now, *entry))

    # --- loading: a handful of SELECTs, however many commands there are

    async def load(self, needs: Needs) -> None:
        """Load everything that ``needs`` names."""
        fetch = self.store.fetch
        if needs.operation_seqs:
            await self.load_operations(needs.operation_seqs, with_endpoints=len(needs.operation_seqs) <= MANY)
        for condition, keys in ((_BY_ID, needs.operation_ids), (_BY_REQUEST, needs.request_ids)):
            if keys:
                self.add_operations(await fetch(_OPERATIONS + condition, list(keys)))
        await self.load_endpoints(needs.endpoint_ids.union(o.endpoint_id for o in self.operations.values()))
        await self._load_names(needs.endpoint_names)
        # operations with which a new one may conflict: same key, same path to be superseded, retries of the same one
        if needs.idempotency_keys:
            keyed = await fetch(_OPERATIONS + _BY_KEY, list(self.endpoints), list(needs.idempotency_keys))
            self.add_operations(keyed)
        if needs.superseded_paths:
            writes = await fetch(_OPERATIONS + _BY_PATH, list(self.endpoints), list(needs.superseded_paths))
            self.add_operations(writes)
        if needs.retried_seqs:
            self.add_operations(await fetch(_OPERATIONS + _BY_RETRIED, list(needs.retried_seqs)))
        await self.load_held()
        if needs.request_ids:
            rows = await fetch(_EARLY, list(needs.request_ids))
            self.early.update({row["request_id"]: load_json(row["outcome"]) for row in rows})
        if needs.delivery_ids:
            self.delivered.update(row["id"] for row in await fetch(_DELIVERED, list(needs.delivery_ids)))

    async def _load_names(self, names: set[str]) -> None:
        """Load the endpoints of these names, and for the other names the deleted ones that had them."""
        for statement in (_KNOWN, _DELETED):
            if missing := names - self.names.keys():
                self.add_endpoints(await self.store.fetch(statement, list(missing), self.server.id))

    async def load_endpoints(self, ids: Iterable[int]) -> None:
        if missing := set(ids) - self.endpoints.keys():
            self.add_endpoints(await self.store.fetch(_ENDPOINTS, list(missing)))

    async def load_operations(self, seqs: Iterable[int], *, with_endpoints: bool = False) -> None:
        """Load operations. Their endpoints must also be loaded before they can be moved: in the same statement, or all
        at once afterwards."""
        missing = list(set(seqs) - self.operations.keys())
        if missing and with_endpoints:
            rows = await self.store.fetch(_WITH_ENDPOINTS, missing)
            self.add_endpoints([row[len(OPERATION_COLUMNS) :] for row in rows])
            self.add_operations([row[: len(OPERATION_COLUMNS)] for row in rows])
        elif missing:
            self.add_operations(await self.store.fetch(_OPERATIONS + _BY_SEQ, missing))

    async def load_held(self) -> None:
        """Load the delayed operations of loaded endpoints: a wake or a lost registration decides their fate."""
        held = [e.lease_operation for e in self.endpoints.values() if e.lease_operation and not e.call_open]
        await self.load_operations(held)

    def add_endpoints(self, rows: Iterable[Row]) -> None:
        """Add endpoints from rows selected by ``ENDPOINT_COLUMNS``; those that are loaded already remain unchanged."""
        for row in rows:
            if row[0] not in self.endpoints:
                endpoint = EndpointRow.load(row)
                self.endpoints[endpoint.id] = endpoint
                named = self.names if endpoint.deleted_at is None else self.tombstones
                if endpoint.name not in named or named[endpoint.name].id < endpoint.id:
                    named[endpoint.name] = endpoint
                self.stored.endpoints[endpoint.id] = row[CHANGING_ENDPOINT]
                self.stored.indexed[endpoint.id] = INDEXED_VALUES(endpoint)
                self.stored.presences[endpoint.id] = endpoint.counted_presence

    def add_operations(self, rows: Iterable[Row]) -> None:
        """Add operations from rows selected by ``OPERATION_COLUMNS``; those that are loaded already remain
        unchanged."""
        for row in rows:
            if row[0] not in self.operations:
                operation = Operation.load(row)
                self._index(operation)
                self.stored.operations[operation.seq] = row[_CHANGING]

    def _index(self, operation: Operation) -> None:
        self.operations[operation.seq] = self.ids[operation.id] = operation
        if operation.retry_of is not None:
            self.retries.setdefault(operation.retry_of, []).append(operation)
        if operation.idempotency_key is not None:
            self.keys[operation.endpoint_id, operation.idempotency_key] = operation
        self.targets.setdefault((operation.endpoint_id, operation.path), []).append(operation)

    # --- changes

    def new_endpoint(self, name: str) -> EndpointRow:
        """Create an unknown endpoint, OFFLINE until its first registration."""
        endpoint = EndpointRow(id=self.draw(), server_id=self.server.id, name=name)
        self.endpoints[endpoint.id] = self.names[name] = endpoint
        return endpoint

    def new_operation(self, operation: Operation) -> None:
        """Add a new operation as QUEUED."""
        self._index(operation)
        self.move(operation, OperationStatus.QUEUED, None)
        if operation.sequence is not None:
            self.sequences.add((operation.endpoint_id, operation.sequence))
            self.members[operation.endpoint_id, operation.sequence] += 1

    def move(
        self, operation: Operation, to: OperationStatus, reason: ReasonCode | None, detail: str | None = None
    ) -> None:
        """Move an operation one step: row, counters and log together. No other code writes a status.

        Raises:
            IllegalMove: the lifecycle table has no such move.
        """
        before = operation.status if operation.version else None
        check_move(before, to)
        detail = storable_text(detail, MAX_DETAIL) if detail else None
        self._count_reason(before, operation.reason, -1)
        self._count_reason(to, reason, 1)
        operation.status, operation.reason, operation.detail = to, reason, detail
        operation.version += 1
        operation.last_seq = seq = self.draw()
        operation.finished_at = self.now if to in TERMINAL else None
        stops = to in STOPPING and reason not in _STOPPED_BEFORE
        if stops and operation.sequence is not None:
            self.sequences.add((operation.endpoint_id, operation.sequence))
        self.count(operation, before, to)
        self.next.pop(operation.endpoint_id, None)
        self.moves[before, to, reason] += 1
        if to in TERMINAL:
            at = self.endpoints[operation.endpoint_id]
            self.ended.append(EndedOperation(operation, at.name, at.registered_at, at.last_update_at))
            if operation.fleet_id is not None:
                self.fleet_due.add(operation.fleet_id)
        self.transitions.append(
            TransitionRow(
                seq, operation.seq, operation.version, before, to, operation.attempt, reason, detail, self.now
            )
        )

    def count(self, operation: Operation, before: OperationStatus | None, to: OperationStatus | None) -> None:
        """Count an operation in another status, for its endpoint and the Leshan server; None: it does not exist."""
        for row in (self.endpoints[operation.endpoint_id], self.server):
            for status, by in ((before, -1), (to, 1)):
                if status is not None:
                    column = STATUS_COLUMNS[status]
                    setattr(row, column, getattr(row, column) + by)

    def _count_reason(self, status: OperationStatus | None, reason: ReasonCode | None, by: int) -> None:
        if reason is not None and status is not None and (name := REASONS.get((status, reason))) is not None:
            self.counters[name] += by

    def count_presence(self, endpoint: EndpointRow) -> None:
        """Count an endpoint whose presence differs from the one that it was counted with."""
        before, now = self.stored.presences.get(endpoint.id), endpoint.counted_presence
        if before is not now:
            for presence, by in ((before, -1), (now, 1)):
                if presence is not None:
                    self.counters[PRESENCES[presence]] += by
            self.stored.presences[endpoint.id] = now

    def publish_presence(self, endpoint: EndpointRow) -> None:
        """Publish an endpoint's presence to subscribers."""
        endpoint.told_presence, endpoint.announce_at = endpoint.presence, None
        self.presence_changes.append(PresenceChange(self.draw(), endpoint.id, endpoint.presence, self.now))
