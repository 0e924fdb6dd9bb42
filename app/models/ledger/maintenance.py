"""Maintenance: changes due to time alone. One ``Sweep`` a second over all processes is enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import SECOND, Instant, OperationStatus, Presence, ReasonCode
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger import breaker, presence
from app.models.ledger.api_tokens import prune_tokens
from app.models.ledger.audit import prune_audit
from app.models.ledger.commands import Command, Phase
from app.models.ledger.deletion import cancel_of_deleted
from app.models.ledger.fleet_retention import prune_fleet
from app.models.ledger.group import Group
from app.models.ledger.isolation import isolated
from app.models.ledger.leases import drop_held, end_attempt, give_up_held
from app.models.ledger.lost import can_be_queried
from app.models.ledger.rows import ENDPOINT_COLUMNS, STATUS_COLUMNS
from app.models.ledger.rules import DELIVERY_SPAN, EARLY_RESPONSE_SPAN, PROBE_LIMIT
from app.models.ledger.store import LONG_STATEMENT_SECONDS
from app.models.operation_index import filing

PIECE: Final = 500
"""Maximum of rows of each kind in one sweep: a long list is processed in several short transactions."""

LESHAN_EVENT_SPAN: Final = 30 * SECOND
"""How long after the end of a registration's lifetime Leshan's own event about it is awaited."""

PRUNE_PIECE: Final = 200
"""Maximum of operations or changes pruned in one transaction: pruning is not urgent, but every wake meanwhile waits for
it at each of its commits."""

RECEIPTS_PIECE: Final = 1_000
"""Maximum of receipts pruned in one transaction: they are small, and no horizon moves with them; a busy webhook leaves
many thousands a minute."""

_EXPIRED: Final = """
    SELECT seq FROM operation WHERE status = 'QUEUED' AND expires_at IS NOT NULL AND expires_at <= $1
    ORDER BY expires_at LIMIT $2
"""
_LOST: Final = """
    SELECT id, lease_operation FROM endpoint
    WHERE server_id = $3 AND lease_operation IS NOT NULL AND lease_until <= $1 LIMIT $2
"""
_PRESENCES: Final = "SELECT id FROM endpoint WHERE server_id = $3 AND presence_due_at <= $1 LIMIT $2"
_DEREGISTERED: Final = """
    SELECT id FROM endpoint WHERE server_id = $3 AND announce_at IS NOT NULL AND announce_at <= $1 LIMIT $2
"""

_OF_DELETED: Final = """
    SELECT o.seq FROM endpoint e JOIN operation o ON o.endpoint_id = e.id AND o.status = 'QUEUED'
    WHERE e.server_id = $2 AND e.deleted_at IS NOT NULL AND e.queued > 0 LIMIT $1
"""
_OVERDUE: Final = "SELECT id FROM endpoint WHERE server_id = $3 AND overdue_check_at <= $1 LIMIT $2"


@dataclass(slots=True)
class Sweep(Command[bool]):
    """Apply expiry, lost leases, ends of windows and lifetimes, delayed deregistrations, and missing contacts. This is
    also the heartbeat of the dispatchers.

    Return whether more is due now.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    expired: list[int] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    presences: list[int] = field(default_factory=list)
    deregistered: list[int] = field(default_factory=list)
    overdue: list[int] = field(default_factory=list)
    of_deleted: list[int] = field(default_factory=list)

    async def find(self, group: Group) -> None:
        fetch, now, server = group.store.fetch, group.now, group.server.id
        self.expired = [row["seq"] for row in await fetch(_EXPIRED, now, PIECE)]
        self.lost = [(row["id"], row["lease_operation"]) for row in await fetch(_LOST, now, PIECE, server)]
        self.presences = [row["id"] for row in await fetch(_PRESENCES, now, PIECE, server)]
        self.deregistered = [row["id"] for row in await fetch(_DEREGISTERED, now, PIECE, server)]
        self.overdue = [row["id"] for row in await fetch(_OVERDUE, now, PIECE, server)]
        self.of_deleted = [row["seq"] for row in await fetch(_OF_DELETED, PIECE, server)]
        await group.load_operations({*self.expired, *self.of_deleted, *(seq for _, seq in self.lost)})
        owners = {operation.endpoint_id for operation in group.operations.values()}
        await group.load_endpoints(owners.union(self.presences, self.deregistered, self.overdue))
        await group.load_held()
        self.lost = [
            (id_, seq)
            for id_, seq in self.lost
            if (operation := group.operations.get(seq)) is None
            or not can_be_queried(group, group.endpoints[id_], operation)
        ]

    def apply(self, group: Group) -> bool:
        group.server.swept_at = group.now
        for seq in self.expired:
            with isolated(group, "expiry", operation=seq):
                operation = group.operations[seq]
                if operation.status is OperationStatus.QUEUED:
                    group.move(operation, OperationStatus.EXPIRED, ReasonCode.EXPIRED)
        for id_, seq in self.lost:
            with isolated(group, "lost lease", endpoint=id_, operation=seq):
                self._lose(group, id_, seq)
        for id_ in self.presences:
            endpoint = group.endpoints[id_]
            if (endpoint.lifetime_ends_at or presence.NO_END) <= group.now:
                with isolated(group, "lifetime", endpoint=id_, operation=endpoint.lease_operation):
                    _end_lifetime(group, id_)
            elif endpoint.presence is Presence.ONLINE and (endpoint.awake_until or 0) <= group.now:
                presence.fall_asleep(endpoint)
        for id_ in self.deregistered:
            group.publish_presence(group.endpoints[id_])
        for id_ in self.overdue:
            presence.check_contact(group.endpoints[id_], group.now)
        cancel_of_deleted(group, self.of_deleted)
        found = (self.expired, self.lost, self.presences, self.overdue, self.of_deleted)
        return any(len(rows) == PIECE for rows in found)

    def _lose(self, group: Group, endpoint_id: int, seq: int) -> None:
        endpoint, operation = group.endpoints[endpoint_id], group.operations[seq]
        if endpoint.lease_operation != seq:
            return
        if endpoint.call_open:
            detail = "the process of the call has ended, and its outcome is unknown"
            end_attempt(group, operation, Report(Outcome(OutcomeKind.LEASE_LOST, detail=detail)))
        else:
            give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, "Leshan held the request and reported no response")


def _end_lifetime(group: Group, endpoint_id: int) -> None:
    endpoint = group.endpoints[endpoint_id]
    calm = endpoint.wake_seq == endpoint.lease_wake_seq
    presence.go_offline(endpoint)
    detail = "the registration's lifetime ended while Leshan held the request"
    if not calm:
        give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, detail)
    elif group.server.bridge_open_since is None:
        drop_held(group, endpoint, detail)
    elif endpoint.lease_operation is not None and not endpoint.call_open:
        # the bridge receives the end from Leshan, unless it has just died
        endpoint.lease_until = min(endpoint.lease_until or presence.NO_END, group.now + LESHAN_EVENT_SPAN)


@dataclass(slots=True)
class Prune(Command[bool]):
    """Delete rows older than the retention, a limited number at a time; return whether there are more.

    Ended operations are deleted with their transitions; the horizon moves with them, so that an older cursor is refused
    (CURSOR_EXPIRED) and never silently skips.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    operations: list[int] = field(default_factory=list)
    more: bool = False

    async def find(self, group: Group) -> None:
        edge = group.now - group.rules.retention
        self.more = False
        await self._find_operations(group, edge)
        await self._find_presences(group, edge)
        self.more |= await prune_fleet(group)
        await self._find_endpoints(group, edge)
        await self._forget_receipts(group, "webhook_delivery", "id", group.now - DELIVERY_SPAN)
        await self._forget_receipts(group, "early_response", "request_id", group.now - EARLY_RESPONSE_SPAN)
        await self._find_batches(group, edge)
        self.more |= await prune_audit(group)
        self.more |= await prune_tokens(group)
        group.statements.append(("DELETE FROM dispatch_pause WHERE resumed_at < $1", [(edge,)]))

    async def _find_operations(self, group: Group, edge: Instant) -> None:
        rows = await group.store.fetch(_ENDED, edge, PRUNE_PIECE)
        self.operations = [row["seq"] for row in rows]
        self.more |= len(rows) == PRUNE_PIECE
        await group.load_operations(self.operations)
        await group.load_endpoints({group.operations[seq].endpoint_id for seq in self.operations})
        group.horizon = max([group.horizon, *(group.operations[seq].last_seq for seq in self.operations)])

    async def _find_batches(self, group: Group, edge: Instant) -> None:
        """Find batches that were not continued for so long, and of which no operation is stored any more: without its
        row, the name would begin a new batch."""
        sql = BATCHES.format(filing=filing(postgres=group.store.postgres))
        gone = [row["id"] for row in await group.store.fetch(sql, edge, PRUNE_PIECE)]
        self.more |= len(gone) == PRUNE_PIECE
        group.statements.append(("DELETE FROM operation_batch WHERE id = $1", [(id_,) for id_ in gone]))

    async def _find_endpoints(self, group: Group, edge: Instant) -> None:
        """Find deleted endpoints without operations. What was logged about them was so before their deletion."""
        rows = await group.store.fetch(_DELETED, edge, PRUNE_PIECE)
        self.more |= len(rows) == PRUNE_PIECE
        group.horizon = max([group.horizon, *(row["deleted_seq"] for row in rows)])
        group.statements.append(("DELETE FROM endpoint WHERE id = $1", [(row["id"],) for row in rows]))

    async def _find_presences(self, group: Group, edge: Instant) -> None:
        rows = await group.store.fetch(_OLDEST_PRESENCES, PRUNE_PIECE)
        gone = [row["seq"] for row in rows if row["at"] < edge]
        self.more |= len(gone) == PRUNE_PIECE
        group.horizon = max([group.horizon, *gone])
        group.statements.append(("DELETE FROM presence_change WHERE seq = $1", [(seq,) for seq in gone]))

    async def _forget_receipts(self, group: Group, table: str, key: str, edge: Instant) -> None:
        """Delete receipts, also a limited number at a time: with millions at once, the statement timed out again and
        again, and nothing was ever deleted."""
        rows = await group.store.fetch(_RECEIPTS.format(table=table, key=key), edge, RECEIPTS_PIECE)
        self.more |= len(rows) == RECEIPTS_PIECE
        if rows:
            sql = f"DELETE FROM {table} WHERE {key} = ANY($1::text[])"  # noqa: S608 - constant names
            await group.store.execute(sql, [row["key"] for row in rows])

    def apply(self, group: Group) -> bool:
        for seq in self.operations:
            operation = group.operations.pop(seq)
            group.count(operation, operation.status, None)
        group.statements.append(("DELETE FROM operation WHERE seq = $1", [(seq,) for seq in self.operations]))
        return self.more


_ENDED: Final = (
    "SELECT seq FROM operation WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2"
)
_DELETED: Final = f"""
    SELECT id, deleted_seq FROM endpoint e
    WHERE deleted_at < $1 AND {" + ".join(STATUS_COLUMNS.values())} = 0
      AND NOT EXISTS (SELECT 1 FROM campaign_target WHERE endpoint_id = e.id)
      AND NOT EXISTS (SELECT 1 FROM firmware_update WHERE endpoint_id = e.id)
    ORDER BY deleted_at LIMIT $2
"""  # noqa: S608 - constant names
_OLDEST_PRESENCES: Final = "SELECT seq, at FROM presence_change ORDER BY seq LIMIT $1"
BATCHES: Final = """
    SELECT b.id FROM operation_batch b WHERE b.continued_at < $1
      AND NOT EXISTS (SELECT 1 FROM {filing} o WHERE o.batch = b.name)
    ORDER BY b.continued_at LIMIT $2
"""
_RECEIPTS: Final = "SELECT {key} AS key FROM {table} WHERE at < $1 ORDER BY at LIMIT $2"


@dataclass(slots=True)
class TakeProbe(Command[str | None]):
    """Claim the probe of a Leshan server whose breaker is open, or may have to be: return the name of an endpoint to
    probe it with, or None if no probe is due or another process does it."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(_NEWEST_ENDPOINT, group.server.id)
        group.add_endpoints(rows)

    def apply(self, group: Group) -> str | None:
        server = group.server
        if server.probe_at is None or server.probe_at > group.now:
            return None
        pause = min(PROBE_LIMIT, SECOND << min(server.probe_backoff, 5))
        server.probe_backoff += 1
        server.probe_at = group.now + jittered(pause, group.seq)
        return next(iter(group.names), "reveille-probe")


def jittered(pause: Instant, seed: int) -> Instant:
    """Lengthen a pause by up to a quarter, so that processes do not call at the same moment."""
    return pause + pause * (seed * 2_654_435_761 % 1024) // 4096


_COLUMNS: Final = ", ".join(ENDPOINT_COLUMNS)
_NEWEST_ENDPOINT: Final = f"SELECT {_COLUMNS} FROM endpoint WHERE server_id = $1 ORDER BY id DESC LIMIT 1"  # noqa: S608


@dataclass(slots=True)
class Probed(Command[None]):
    """Apply a probe's result to the Leshan server's breaker."""

    phase: ClassVar[Phase] = Phase.SETTLE
    healthy: bool
    detail: str | None = None

    def apply(self, group: Group) -> None:
        breaker.probed(group, healthy=self.healthy, detail=self.detail or "the probe received no response")
