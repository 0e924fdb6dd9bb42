"""One group commit: the rows that its commands read and changed, written back in a handful of statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from app.domain.enums import Instant, OperationStatus, Presence, ReasonCode
from app.domain.values import TypedValue
from app.models.fields import dump_json, storable_text
from app.models.ledger.queues import Next, next_of, read_queues
from app.models.ledger.readiness import callable_at, ready_at
from app.models.ledger.rows import (
    ENDPOINT_COLUMNS,
    LIVE_COLUMNS,
    REGISTRATION_COLUMNS,
    EndpointRow,
    LedgerHead,
    PresenceChange,
    ResourceChange,
    ServerRow,
    TransitionRow,
    values_of,
)
from app.models.ledger.rules import Rules
from app.models.ledger.statements import (
    INSERT_CHANGE,
    INSERT_ENDPOINT,
    INSERT_OPERATION,
    INSERT_PRESENCE,
    INSERT_TRANSITION,
    UPDATE_ENDPOINT,
    UPDATE_HEAD,
    UPDATE_LIVE,
    UPDATE_OPERATION,
    UPDATE_SERVER,
    UPSERT_STATE,
)
from app.models.ledger.store import Row, Store, Write, Writing
from app.models.lifecycle import TERMINAL, check_move
from app.models.operation import CHANGING_COLUMNS, OPERATION_COLUMNS, Operation

HEAD_ID: Final = 1
MAX_DETAIL: Final = 1_000
_READY_AT: Final = LIVE_COLUMNS.index("ready_at")
_AWAKE_UNTIL: Final = LIVE_COLUMNS.index("awake_until")
_REGISTRATION: Final = slice(len(ENDPOINT_COLUMNS) - len(REGISTRATION_COLUMNS), None)
_LIVE: Final = slice(_REGISTRATION.start - len(LIVE_COLUMNS), _REGISTRATION.start)
_CHANGING: Final = slice(len(OPERATION_COLUMNS) - len(CHANGING_COLUMNS), None)


Values: TypeAlias = tuple[Any, ...]

Move: TypeAlias = tuple[OperationStatus | None, OperationStatus, ReasonCode | None]
"""A step of an operation: from, to, and reason."""


@dataclass(slots=True)
class Group:
    """The working set of one transaction. Commands find rows here and change them; the group writes the changed ones.

    ``now`` is the database's time, read once after the append lock was acquired; ``seq`` continues the single counter.
    ``again`` is set when the group is retried because the response to its COMMIT was lost.
    """

    store: Store
    rules: Rules
    server: ServerRow
    now: Instant
    seq: int
    horizon: int
    again: bool = False
    endpoints: dict[int, EndpointRow] = field(default_factory=dict)
    names: dict[str, EndpointRow] = field(default_factory=dict)
    operations: dict[int, Operation] = field(default_factory=dict)
    ids: dict[str, Operation] = field(default_factory=dict)
    keys: dict[tuple[int, str], Operation] = field(default_factory=dict)
    targets: dict[tuple[int, str | None], list[Operation]] = field(default_factory=dict)
    retries: dict[int, list[Operation]] = field(default_factory=dict)
    early: dict[str, Any] = field(default_factory=dict)
    next: dict[int, Next] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    logged: bool = False
    woken: bool = False
    moves: Counter[Move] = field(default_factory=Counter)
    _live: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _registered: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _steps: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _server: tuple[Any, ...] = ()
    _written: tuple[int, int] = (0, 0)
    _transitions: list[TransitionRow] = field(default_factory=list)
    _presences: list[PresenceChange] = field(default_factory=list)
    _changes: list[ResourceChange] = field(default_factory=list)
    statements: list[tuple[str, list[tuple[Any, ...]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = self.server.stored()
        self._written = (self.seq, self.horizon)

    def draw(self) -> int:
        """Return the next number of the single sequence of operations, transitions and changes."""
        self.seq += 1
        return self.seq

    # --- loading

    def take_endpoints(self, rows: Iterable[Row]) -> None:
        """Add endpoints from rows selected by ``ENDPOINT_COLUMNS``; endpoints that are loaded already remain
        unchanged."""
        for row in rows:
            if row[0] not in self.endpoints:
                endpoint = EndpointRow.load(row)
                self.endpoints[endpoint.id] = self.names[endpoint.name] = endpoint
                self._live[endpoint.id], self._registered[endpoint.id] = row[_LIVE], row[_REGISTRATION]

    def take_operations(self, rows: Iterable[Row]) -> None:
        """Add operations from rows selected by ``OPERATION_COLUMNS``; those that are loaded already remain
        unchanged."""
        for row in rows:
            if row[0] not in self.operations:
                operation = Operation.load(row)
                self._know(operation)
                self._steps[operation.seq] = row[_CHANGING]

    def new_endpoint(self, name: str) -> EndpointRow:
        """Create an unknown endpoint, OFFLINE until its first registration."""
        endpoint = EndpointRow(id=self.draw(), server_id=self.server.id, name=name)
        self.endpoints[endpoint.id] = self.names[name] = endpoint
        return endpoint

    def add_operation(self, operation: Operation) -> None:
        self._know(operation)
        self.move(operation, OperationStatus.QUEUED, None)

    def _know(self, operation: Operation) -> None:
        """Index an operation by its seq, its id, its endpoint and idempotency key, its endpoint and path, and the
        operation that it retries."""
        self.operations[operation.seq] = self.ids[operation.id] = operation
        if operation.retry_of is not None:
            self.retries.setdefault(operation.retry_of, []).append(operation)
        if operation.idempotency_key is not None:
            self.keys[operation.endpoint_id, operation.idempotency_key] = operation
        self.targets.setdefault((operation.endpoint_id, operation.path), []).append(operation)

    # --- the only code that writes a status

    def move(
        self, operation: Operation, to: OperationStatus, reason: ReasonCode | None, detail: str | None = None
    ) -> None:
        """Move an operation one step: row, counters and log together.

        Raises:
            IllegalMove: the lifecycle table has no such move.
        """
        before = operation.status if operation.version else None
        check_move(before, to)
        detail = storable_text(detail, MAX_DETAIL) if detail else None
        operation.status, operation.reason, operation.detail = to, reason, detail
        operation.version += 1
        operation.last_seq = self.draw()
        operation.finished_at = self.now if to in TERMINAL else None
        self._count(operation, before, to)
        self.next.pop(operation.endpoint_id, None)
        self.moves[before, to, reason] += 1
        self._transitions.append(
            TransitionRow(
                operation.last_seq,
                operation.seq,
                operation.version,
                before,
                to,
                operation.attempt,
                reason,
                detail,
                self.now,
            )
        )

    def _count(self, operation: Operation, before: OperationStatus | None, to: OperationStatus) -> None:
        for counts in (self.endpoints[operation.endpoint_id], self.server):
            if before is not None:
                counts.count(before, -1)
            counts.count(to, 1)

    # --- values

    def report(self, endpoint: EndpointRow, values: Mapping[str, TypedValue], at: Instant) -> None:
        """Publish values to subscribers, in order of arrival; the latest by (time, arrival) is a resource's state."""
        for path, typed in values.items():
            value = dump_json(typed.value)
            self._changes.append(ResourceChange(self.draw(), endpoint.id, path, typed.type, value, at))

    # --- writing back

    async def flush(self) -> None:
        """Write the changes so far; may be called again after further changes."""
        self._tell_presences()
        await self.walk_queues()
        self._settle_readiness()
        arrived = await self._write_but_arrivals()
        await self.store.execute_together(
            [arrived, *self._changed_endpoints(), *self._new_in_the_log(), *self._moved_heads()]
        )

    async def write_operations(self) -> None:
        """Write the rows from which queues are read: operations, the endpoints that they need, and pauses.

        A claim checks the loaded endpoints before it reads others from the database, so that an endpoint whose call
        ended and whose next one begins in the same group is written once.
        """
        await self._many(*await self._write_but_arrivals())

    async def walk_queues(self) -> None:
        """Find the next operation of callable endpoints that have an operation waiting for its retry."""
        walked = {
            endpoint.id: endpoint
            for endpoint in self.endpoints.values()
            if endpoint.next_operation is not None and endpoint.id not in self.next and ready_at(endpoint) is not None
        }
        if not walked:
            return
        await self.write_operations()
        for id_, queue in (await read_queues(self.store, walked)).items():
            endpoint = walked[id_]
            self.next[id_] = found = next_of(queue, endpoint.wake_seq, self.now)
            endpoint.next_operation = found.operation if found.waiting else None

    def ready_at(self, endpoint: EndpointRow) -> Instant | None:
        """Return the earliest time at which the endpoint may be claimed, with operations that wait for their retry."""
        earliest = ready_at(endpoint)
        if endpoint.next_operation is None or earliest is None:
            return earliest
        due = self.next[endpoint.id].at
        return None if due is None else max(earliest, due)

    async def _write_but_arrivals(self) -> Writing:
        """Write everything but operations that become SENDING, and return those: because the partial unique index
        checks each row, an endpoint's old SENDING row must leave before its new one arrives."""
        await self._insert_endpoints()
        new, left, arrived = self._changed_operations()
        await self._many(INSERT_OPERATION, new)
        await self._many(UPDATE_OPERATION, left)
        for sql, rows in self.statements:
            await self.store.execute_many(sql, rows)
        self.statements.clear()
        return UPDATE_OPERATION, arrived

    async def _insert_endpoints(self) -> None:
        new = [endpoint for endpoint in self.endpoints.values() if endpoint.id not in self._live]
        await self._many(INSERT_ENDPOINT, [endpoint.stored(ENDPOINT_COLUMNS) for endpoint in new])
        for endpoint in new:
            self._keep_stored(endpoint)

    def _keep_stored(self, endpoint: EndpointRow) -> None:
        self._live[endpoint.id] = endpoint.stored(LIVE_COLUMNS)
        self._registered[endpoint.id] = endpoint.stored(REGISTRATION_COLUMNS)

    async def _many(self, write: Write, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await self.store.execute_many(write.each, rows, write.at_once)

    def _tell_presences(self) -> None:
        for endpoint in self.endpoints.values():
            if endpoint.presence is endpoint.told_presence:
                endpoint.announce_at = None
            elif endpoint.announce_at is None or endpoint.presence is not Presence.OFFLINE:
                self.tell_presence(endpoint)

    def tell_presence(self, endpoint: EndpointRow) -> None:
        """Append an endpoint's presence to the log."""
        endpoint.told_presence, endpoint.announce_at = endpoint.presence, None
        self._presences.append(PresenceChange(self.draw(), endpoint.id, endpoint.presence, self.now))

    def _settle_readiness(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.ready_at = self.ready_at(endpoint)
            if callable_at(endpoint.ready_at, endpoint.awake_until, self.now) and not self._was_callable(endpoint):
                self.woken = True

    def _was_callable(self, endpoint: EndpointRow) -> bool:
        """Whether dispatchers could find the endpoint before. The clock decides, because the sweeper may be late."""
        known = self._live.get(endpoint.id)
        return known is not None and callable_at(known[_READY_AT], known[_AWAKE_UNTIL], self.now)

    def _changed_operations(self) -> tuple[list[Values], list[Values], list[Values]]:
        """Return the operations that are new, those that changed and are not SENDING, and those that changed and
        are."""
        new: list[Values] = []
        left: list[Values] = []
        arrived: list[Values] = []
        for operation in self.operations.values():
            steps = operation.stored(CHANGING_COLUMNS)
            before = self._steps.get(operation.seq)
            self._steps[operation.seq] = steps
            if before is None:
                new.append(operation.stored(OPERATION_COLUMNS))
            elif before != steps:
                changed = arrived if operation.status is OperationStatus.SENDING else left
                changed.append((operation.seq, *steps))
        return new, left, arrived

    def _changed_endpoints(self) -> Iterator[Writing]:
        """Yield each row in one writing at most: of two updates in the same statement only one would take effect."""
        live: list[Values] = []
        whole: list[Values] = []
        for endpoint in self.endpoints.values():
            known = self._live[endpoint.id], self._registered[endpoint.id]
            self._keep_stored(endpoint)
            now_live, now_registered = self._live[endpoint.id], self._registered[endpoint.id]
            if now_registered != known[1]:
                whole.append((endpoint.id, *now_live, *now_registered))
            elif now_live != known[0]:
                live.append((endpoint.id, *now_live))
        yield UPDATE_LIVE, live
        yield UPDATE_ENDPOINT, whole

    def _new_in_the_log(self) -> Iterator[Writing]:
        if not (self._transitions or self._presences or self._changes):
            return
        self.logged = True
        step = values_of(TransitionRow.__slots__)
        yield INSERT_TRANSITION, [step(transition) for transition in self._transitions]
        yield INSERT_PRESENCE, self._presences
        yield INSERT_CHANGE, self._changes
        yield UPSERT_STATE, self._latest_values()
        self._transitions, self._presences, self._changes = [], [], []

    def _latest_values(self) -> list[ResourceChange]:
        """Return the latest value of each resource by (time, arrival): one statement must not change a row twice."""
        latest: dict[tuple[int, str], ResourceChange] = {}
        for change in self._changes:
            known = latest.setdefault((change.endpoint_id, change.path), change)
            if known.at <= change.at:
                latest[change.endpoint_id, change.path] = change
        return list(latest.values())

    def _moved_heads(self) -> Iterator[Writing]:
        stored = self.server.stored()
        if stored != self._server:
            self._server = stored
            yield UPDATE_SERVER, [stored]
        if (self.seq, self.horizon) != self._written:
            self._written = (self.seq, self.horizon)
            yield UPDATE_HEAD, [LedgerHead(HEAD_ID, *self._written)]
