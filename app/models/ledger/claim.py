"""Claiming: SENDING is committed, with fence and lease, before anything leaves."""

# ruff: noqa: S608 - every name that is put into these statements is a word of ours

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import ClassVar, Final, NamedTuple, TypeAlias

from app.domain.operations import OperationRequest
from app.domain.words import SECOND, Instant
from app.models.ledger.brake import HELD_BACK
from app.models.ledger.group import Group
from app.models.ledger.leases import take_lease
from app.models.ledger.load import load_endpoints, load_operations
from app.models.ledger.members import Member, Phase
from app.models.ledger.readiness import callable_at, ready_at
from app.models.ledger.rows import EndpointRow, OperationRow
from app.models.ledger.rules import START_MARGIN

SILENT_SHARE: Final = 4
"""Endpoints that did not answer at their last wake share one part in four of the open calls."""

_CALLS: Final = """
    SELECT lease_operation, lease_token, silent FROM endpoint
    WHERE server_id = $1 AND lease_operation IS NOT NULL AND call_open AND NOT ({loaded})
"""
_HEAD: Final = """
    SELECT q.{column} FROM operation q
    WHERE q.endpoint_id = e.id AND q.status = 'QUEUED' AND (q.expires_at IS NULL OR q.expires_at > $3)
    ORDER BY q.priority DESC, q.seq LIMIT 1
"""
_READY: Final = f"""
    SELECT e.id, e.awake_until, ({_HEAD.format(column="seq")}) AS head
    FROM endpoint e
    WHERE e.server_id = $1 AND e.silent = $2 AND e.ready_at IS NOT NULL AND e.ready_at <= $3 AND e.awake_until > $3
      AND NOT e.paused AND NOT EXISTS ({HELD_BACK.format(server="$1")}) AND NOT ({{loaded}})
      AND (e.awake_until - $3 >= {START_MARGIN}
           OR e.awake_until - $3 >= ({_HEAD.format(column="timeout_seconds")}) * {SECOND})
    ORDER BY e.awake_until LIMIT $4
"""
"""Too little of the window left is told apart here and not afterwards: a thousand windows that are nearly over would
hide everybody else. Heads are looked for behind the limit: a condition on them made PostgreSQL do so for every ready
endpoint. What expired is passed over, though nobody may have swept it yet; then there may be no head. The brake is
looked at here, within the claim's transaction: whoever commits a pause knows that no later claim takes anything."""

_HEADS: Final = f"""
    SELECT e.id, ({_HEAD.format(column="seq")}) AS head, ({_HEAD.format(column="timeout_seconds")}) AS timeout_seconds
    FROM endpoint e WHERE {{loaded}} AND NOT EXISTS ({HELD_BACK.format(server="$1")})
"""
"""Of endpoints that the group has loaded: their rows in memory are newer than those in the database."""

_SPARE: Final = 16
"""Read a few more than there are slots: some may have nothing left but what expired."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that may be made now: the operation is SENDING, this attempt's number is the fence, and ``token`` says
    that the lease is the holder's own."""

    seq: int
    id: str
    attempt: int
    endpoint_id: int
    request: OperationRequest
    object_links: str | None
    token: str = ""


class _Call(NamedTuple):
    """A call that is open at Leshan."""

    operation: int
    token: str
    silent: bool


_Ready: TypeAlias = tuple[Instant, int, int]
"""An endpoint that may be called: when its window ends, the endpoint, the head of its queue."""


def _of_server(group: Group) -> list[EndpointRow]:
    return [endpoint for endpoint in group.endpoints.values() if endpoint.server_id == group.server.id]


def _is_ready(endpoint: EndpointRow, now: Instant) -> bool:
    return callable_at(ready_at(endpoint), endpoint.awake_until, now)


@dataclass(slots=True)
class Claim(Member[list[Claimed]]):
    """Take up to ``slots`` operations of different endpoints, those whose window ends first before the others.

    ``token`` is made before the transaction: when the answer to the COMMIT is lost, the repeat finds what it claimed.
    Until it has ``begun`` more slots may be added.
    """

    phase: ClassVar[Phase] = Phase.CLAIM
    slots: int
    token: str
    chosen: list[tuple[int, int]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    free: int = 0
    free_silent: int = 0
    begun: bool = False

    async def find(self, group: Group) -> None:
        self.begun = True
        open_calls = await self._open_calls(group)
        self.held = [call.operation for call in open_calls if call.token == self.token]
        self.chosen = []
        if group.server.breaker_opened_at is None and not self.held:
            self.chosen = await self._choose(group, open_calls)
        heads = {head for _, head in self.chosen} | set(self.held)
        await load_operations(group, "o.seq", heads - group.operations.keys(), "bigint")
        owners = {operation.endpoint_id for operation in group.operations.values()}
        await load_endpoints(group, owners | {id_ for id_, _ in self.chosen})

    async def _open_calls(self, group: Group) -> list[_Call]:
        sql = _CALLS.format(loaded=group.store.among("id", "$2", "bigint"))
        others = await group.store.fetch(sql, group.server.id, group.store.array(group.endpoints))
        own = [
            _Call(endpoint.lease_operation, endpoint.lease_token or "", endpoint.silent)
            for endpoint in _of_server(group)
            if endpoint.call_open and endpoint.lease_operation is not None
        ]
        return [_Call(*row) for row in others] + own

    async def _choose(self, group: Group, open_calls: Sequence[_Call]) -> list[tuple[int, int]]:
        limit = group.rules.max_in_flight
        self.free = min(self.slots, limit - len(open_calls))
        self.free_silent = max(1, limit // SILENT_SHARE) - sum(call.silent for call in open_calls)
        loaded = await self._ready_of_loaded(group)
        talking = await self._ready(group, silent=False, most=self.free)
        silent = await self._ready(group, silent=True, most=min(self.free, self.free_silent))
        # of equal windows those that the group writes anyway go first
        ordered = sorted((*loaded, *talking, *silent), key=itemgetter(0))
        return [(endpoint, head) for _, endpoint, head in ordered]

    async def _ready(self, group: Group, *, silent: bool, most: int) -> list[_Ready]:
        """Ready endpoints that only the database knows, those first whose window ends first."""
        if most <= 0:
            return []
        store = group.store
        sql = _READY.format(loaded=store.among("e.id", "$5", "bigint"))
        rows = await store.fetch(sql, group.server.id, silent, group.now, most + _SPARE, store.array(group.endpoints))
        return [(row["awake_until"], row["id"], row["head"]) for row in rows if row["head"] is not None]

    async def _ready_of_loaded(self, group: Group) -> list[_Ready]:
        """The same of what the group has loaded: mostly endpoints whose call has just ended."""
        ready = {endpoint.id: endpoint for endpoint in _of_server(group) if _is_ready(endpoint, group.now)}
        if self.free <= 0 or not ready:
            return []
        sql = _HEADS.format(loaded=group.store.among("e.id", "$2", "bigint"))
        rows = await group.store.fetch(sql, group.server.id, group.store.array(ready), group.now)
        windows = {row["id"]: ready[row["id"]].awake_until or 0 for row in rows}
        return [
            (windows[row["id"]], row["id"], row["head"])
            for row in rows
            if row["head"] is not None
            and windows[row["id"]] - group.now >= min(START_MARGIN, row["timeout_seconds"] * SECOND)
        ]

    def apply(self, group: Group) -> list[Claimed]:
        taken = [claimed(group, group.operations[seq]) for seq in self.held]
        for endpoint_id, head in self.chosen:
            endpoint, operation = group.endpoints[endpoint_id], group.operations[head]
            if self._admits(endpoint):
                take_lease(group, endpoint, operation, self.token)
                taken.append(claimed(group, operation))
        return taken

    def _admits(self, endpoint: EndpointRow) -> bool:
        if self.free <= 0 or (endpoint.silent and self.free_silent <= 0):
            return False
        self.free -= 1
        self.free_silent -= endpoint.silent
        return True


def claimed(group: Group, operation: OperationRow) -> Claimed:
    """What the holder of an operation's lease has to know of it."""
    endpoint = group.endpoints[operation.endpoint_id]
    request = operation.request(endpoint.name)
    token = endpoint.lease_token or ""
    return Claimed(operation.seq, operation.id, operation.attempt, endpoint.id, request, endpoint.object_links, token)
