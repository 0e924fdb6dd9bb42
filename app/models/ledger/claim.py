"""Claims: SENDING is committed, with fence and lease, before a request is sent."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from app.domain.enums import SECOND, Instant
from app.domain.operations import OperationRequest
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.leases import take_lease
from app.models.ledger.pauses import SERVER_PAUSE
from app.models.ledger.presence import window_of
from app.models.ledger.queues import may_be_passed_over
from app.models.ledger.readiness import callable_at
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import MARGIN_PARTS, START_MARGIN, silent_share, start_margin
from app.models.ledger.store import Row
from app.models.ledger.writing import next_ready_at, walk_queues
from app.models.operation import Operation

_HEAD: Final = """
    SELECT q.{column} FROM operation q
    WHERE q.endpoint_id = e.id AND q.status = 'QUEUED' AND (q.expires_at IS NULL OR q.expires_at > $3)
    ORDER BY q.priority DESC, q.seq LIMIT 1
"""
_NEXT: Final = f"""
    CASE WHEN e.next_operation IS NULL THEN ({_HEAD}) ELSE (
        SELECT q.{{column}} FROM operation q
        WHERE q.seq = e.next_operation AND q.status = 'QUEUED' AND (q.expires_at IS NULL OR q.expires_at > $3)
    ) END
"""
"""The next operation: the head of the queue, or the one found behind operations that wait for their retry."""

_OWN_WINDOW: Final = f"CAST(e.awake_window_seconds AS BIGINT) * {SECOND}"
_LONG_MILLIS: Final = START_MARGIN * MARGIN_PARTS // 1000
_AT: Final = f"""
    CASE WHEN e.awake_millis BETWEEN 0 AND {_LONG_MILLIS} THEN e.awake_millis
         WHEN e.awake_millis IS NOT NULL THEN {_LONG_MILLIS} END * 1000
"""
"""The awake window from the attribute ``at``, capped where it stops changing the margin: a device may send any
number."""

_NOT_PAUSED: Final = f"NOT EXISTS ({SERVER_PAUSE.format(server='$1')})"
_OPEN: Final = """
    SELECT 'OPEN' AS what, e.id, e.lease_operation AS operation, 0 AS number, e.lease_token AS token, e.silent
    FROM endpoint e
    WHERE e.server_id = $1 AND e.lease_operation IS NOT NULL AND e.call_open AND NOT ({loaded})
"""
"""Calls that are open at the Leshan server."""
_LOADED: Final = f"""
    SELECT 'LOADED', e.id, ({_HEAD.format(column="seq")}), ({_HEAD.format(column="timeout_seconds")}), '', e.silent
    FROM endpoint e WHERE {{ready}} AND {_NOT_PAUSED}
"""
"""Queue heads of endpoints that the group has loaded: their rows in memory are newer than those in the database."""
_READY: Final = f"""
    SELECT 'READY', e.id, {_NEXT.format(column="seq")}, e.awake_until, '', e.silent
    FROM endpoint e
    WHERE e.server_id = $1 AND {{silent}} AND e.ready_at IS NOT NULL AND e.ready_at <= $3 AND e.ready_until > $3
      AND NOT e.paused AND {_NOT_PAUSED} AND NOT ({{loaded}})
      AND (e.awake_until - $3 >= {START_MARGIN}
           OR e.awake_until - $3 >= {{window}} / {MARGIN_PARTS}
           OR e.awake_until - $3 >= ({_NEXT.format(column="timeout_seconds")}) * {SECOND})
    ORDER BY e.ready_until LIMIT {{most}}
"""
"""Endpoints that the group has not loaded, by the end of their window. The remaining window is filtered here and not
afterwards: a thousand windows that are nearly over would hide all other endpoints. Heads are looked up after the
limit: with a condition on them, PostgreSQL looked them up for every ready endpoint. Expired operations are skipped even
if no sweep has seen them yet; then there may be no head. The brake is checked here, within the claim's transaction:
once a pause is committed, no later claim takes anything."""

_SPARE: Final = 16
"""Rows read beyond the number of slots: some endpoints may have only expired operations left."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt to be made now. The operation is SENDING, this attempt's number is the fence, and ``token`` proves
    that the lease is the holder's. ``trace``: see ``app.models.operation.NewOperation``."""

    seq: int
    id: str
    attempt: int
    endpoint_id: int
    request: OperationRequest
    object_links: str | None
    token: str = ""
    registration_id: str | None = None
    lwm2m_version: str | None = None
    trace: str | None = None
    created_at: Instant = 0
    claimed_at: Instant = 0


class _Call(NamedTuple):
    """A call that is open at Leshan."""

    operation: int
    token: str | None
    silent: bool


class _Head(NamedTuple):
    """The head of the queue of an endpoint that can be called."""

    window_ends: Instant
    unknown: bool  # not loaded by the group: sorts after those that are
    endpoint: int
    operation: int
    silent: bool


def _found(*windows: str) -> str:
    """Return the statement that reads open calls and callable endpoints; ``windows`` are an endpoint's awake windows,
    the first that it has counts. It is one statement because each further one would be another round trip."""
    known = {"loaded": "e.id = ANY($2::bigint[])", "window": f"coalesce({', '.join(windows)})"}
    talking = _READY.format(**known, silent="e.silent = false", most="$5")
    silent = _READY.format(**known, silent="e.silent = true", most="$6")
    return f"""
        {_OPEN.format(loaded=known["loaded"])} UNION ALL {_LOADED.format(ready="e.id = ANY($4::bigint[])")}
        UNION ALL SELECT * FROM ({talking}) AS talking UNION ALL SELECT * FROM ({silent}) AS silent
    """


_FOUND: Final = {True: _found(_OWN_WINDOW, _AT, "$7"), False: _found(_OWN_WINDOW, "$7")}
"""By ``Rules.honours_at``. ``$1`` is the Leshan server, ``$2`` the loaded endpoints, ``$3`` the time, ``$4`` those of
``$2`` that can be called, ``$5`` and ``$6`` the maximum of other endpoints, ``$7`` the default of the awake window."""


@dataclass(slots=True)
class Claim(Command[list[Claimed]]):
    """Claim up to ``slots`` operations of different endpoints, by the end of their window.

    ``token`` is created before the transaction: if the response to the COMMIT is lost, the retry finds the operations
    that it claimed. Until the command has ``begun``, slots may be added: those of calls whose end is in its group or an
    earlier one. Later ones would belong to calls that still count as open.
    """

    phase: ClassVar[Phase] = Phase.CLAIM
    slots: int
    token: str
    chosen: list[_Head] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    async def find(self, group: Group) -> None:
        rules, now = group.rules, group.now
        slots = self.slots if group.server.breaker_opened_at is None else 0
        limit, silent_limit = rules.max_in_flight, silent_share(rules.max_in_flight)
        await walk_queues(group)
        loaded = [endpoint for endpoint in group.endpoints.values() if endpoint.server_id == group.server.id]
        ready = {e.id: e for e in loaded if callable_at(next_ready_at(group, e), e.awake_until, now)} if slots else {}
        found = await group.store.fetch(
            _FOUND[rules.honours_at],
            *(group.server.id, list(group.endpoints), now, list(ready)),
            *((slots + _SPARE, min(slots, silent_limit) + _SPARE) if slots else (0, 0)),
            rules.awake_window,
        )
        calls = [_Call(row["operation"], row["token"], row["silent"]) for row in found if row["what"] == "OPEN"]
        calls += [
            _Call(e.lease_operation, e.lease_token, e.silent) for e in loaded if e.lease_operation and e.call_open
        ]
        self.held = [call.operation for call in calls if call.token == self.token]
        free, free_silent = min(slots, limit - len(calls)), silent_limit - sum(call.silent for call in calls)
        self.chosen = [] if self.held else _admitted(_heads(group, ready, found), free, free_silent)
        await group.load_operations([*self.held, *[head.operation for head in self.chosen]], with_endpoints=True)
        # where the next operation has ended or expired, it has to be found again: writing a loaded endpoint does so
        if headless := [row["id"] for row in found if row["what"] == "READY" and row["operation"] is None]:
            await group.load_endpoints(headless)
        self._distrust_heads(group)
        await walk_queues(group)
        if group.next:
            self.chosen = [head for one in self.chosen if (head := _current(group, one)) is not None]
            await group.load_operations([head.operation for head in self.chosen], with_endpoints=True)

    def _distrust_heads(self, group: Group) -> None:
        """Let the queues be walked whose chosen head may have to be passed over: a process of an older version, which
        does not know of that, may have written the endpoint."""
        for head in self.chosen:
            endpoint = group.endpoints[head.endpoint]
            if endpoint.next_operation is None and may_be_passed_over(group.operations[head.operation], group.now):
                endpoint.next_operation = head.operation

    def apply(self, group: Group) -> list[Claimed]:
        taken = [claimed(group, group.operations[seq]) for seq in self.held]
        for head in self.chosen:
            operation = group.operations[head.operation]
            take_lease(group, group.endpoints[head.endpoint], operation, self.token)
            taken.append(claimed(group, operation))
        return taken


def _heads(group: Group, ready: Mapping[int, EndpointRow], found: Iterable[Row]) -> list[_Head]:
    """Return the callable endpoints' heads by the end of their window; of equal windows, first those that the group has
    loaded and writes anyway. Endpoints with too little of their window left are omitted."""
    heads: list[_Head] = []
    for what, id_, operation, number, _, silent in found:
        if operation is not None and what == "READY":
            heads.append(_Head(number, True, id_, operation, bool(silent)))
        elif operation is not None and what == "LOADED":
            endpoint, head, timeout_seconds = ready[id_], operation, number
            if endpoint.next_operation is not None:
                head, _, timeout_seconds, _ = group.next[id_]
            until = endpoint.awake_until or 0
            if until - group.now >= min(start_margin(window_of(endpoint, group.rules)), timeout_seconds * SECOND):
                heads.append(_Head(until, False, id_, head, endpoint.silent))
    return sorted(heads)


def _current(group: Group, head: _Head) -> _Head | None:
    """Return a chosen endpoint's current next operation: since its row was written, a retry may have come due."""
    found = group.next.get(head.endpoint)
    if found is None:
        return head
    return None if found.at is None or found.at > group.now else head._replace(operation=found.operation)


def _admitted(heads: Iterable[_Head], free: int, free_silent: int) -> list[_Head]:
    """Return the heads for which there is a free call, before more of them is loaded."""
    admitted: list[_Head] = []
    for head in heads:
        if len(admitted) >= free:
            break
        if not head.silent or free_silent > 0:
            free_silent -= head.silent
            admitted.append(head)
    return admitted


def claimed(group: Group, operation: Operation) -> Claimed:
    """Return an operation's data for the holder of its lease."""
    endpoint = group.endpoints[operation.endpoint_id]
    return Claimed(
        seq=operation.seq,
        id=operation.id,
        attempt=operation.attempt,
        endpoint_id=endpoint.id,
        request=operation.request(endpoint.name),
        object_links=endpoint.object_links,
        token=endpoint.lease_token or "",
        registration_id=endpoint.registration_id,
        lwm2m_version=endpoint.lwm2m_version,
        trace=operation.trace,
        created_at=operation.created_at,
        claimed_at=operation.last_attempt_at or group.now,
    )
