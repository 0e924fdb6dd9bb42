"""The ready list, read without a lock: a dispatcher's check before it requests a claim.

Each function raises ReadUnavailable while the database cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.domain.enums import SECOND, Instant, OperationStatus
from app.models.ledger.ingest import MADE_UP
from app.models.ledger.pauses import SERVER_PAUSE
from app.models.operation import Operation
from app.models.queries import Large, database_now, operations_by_id
from app.models.queries.access import fetch

_READY: Final = """
    SELECT 1 AS ready FROM endpoint
    WHERE server_id = {server} AND silent IN (FALSE, TRUE) AND ready_at IS NOT NULL AND ready_at <= {now}
      AND ready_until > {now} AND NOT paused AND NOT EXISTS ({server_pause})
    LIMIT 1
"""
_UNWANTED: Final = """
    SELECT o.seq, o.attempt, e.name FROM operation o
    JOIN endpoint e ON e.id = o.endpoint_id AND e.lease_operation = o.seq
    WHERE o.status = 'SENDING' AND e.server_id = {server} AND NOT e.call_open AND e.wake_seq = e.lease_wake_seq
      AND (o.cancel_requested OR o.superseded OR o.expires_at <= {now}) AND o.seq NOT IN ({tried})
    LIMIT {most}
"""
_STREAM: Final = "SELECT stream_id, missed_at FROM leshan_server WHERE id = {server}"
_BOOT_ID: Final = "SELECT boot_id FROM leshan_server WHERE id = {server}"
RULES_DUE: Final = """
    SELECT 1 FROM leshan_server s WHERE s.id = {server} AND s.rules_seq > 0 AND (
        (SELECT min(e.rules_seq) FROM endpoint e WHERE e.server_id = {server}) < s.rules_seq
        OR (SELECT min(o.check_at) FROM observation o WHERE o.check_at IS NOT NULL) <= {now}
    )
"""
UPDATES_DUE: Final = "SELECT 1 FROM firmware_update WHERE due_at IS NOT NULL AND due_at <= {now} LIMIT 1"
_SWEPT: Final = "SELECT swept_at, probe_at FROM leshan_server WHERE id = {server}"


async def anything_ready(server_id: int, clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether some endpoint could be claimed now, as far as a read without the ledger shows."""
    now = clock(await database_now())
    server_pause = SERVER_PAUSE.format(server=int(server_id))
    sql = _READY.format(server=int(server_id), now=int(now), server_pause=server_pause)
    return bool(await fetch(sql))


async def stream_position(server_id: int) -> str | None:
    """Return the id of the event up to which the Leshan server's stream was read; None if it sends none."""
    rows = await fetch(_STREAM.format(server=int(server_id)))
    position = rows[0][0] if rows else None
    return None if position is None or position.startswith(MADE_UP) else position


async def known_boot_id(server_id: int) -> str | None:
    """Return the Leshan server's ``bootId``, as the latest process received it; None for a server that has none."""
    rows = await fetch(_BOOT_ID.format(server=int(server_id)))
    return rows[0][0] if rows else None


async def registrations_missed(server_id: int) -> bool:
    """Return whether events may have been missed and the registrations have not all been read since."""
    rows = await fetch(_STREAM.format(server=int(server_id)))
    return bool(rows) and rows[0][1] is not None


async def open_attempts(ids: Iterable[str]) -> dict[str, Operation]:
    """Return those of these operations, by id, that are SENDING."""
    found = await operations_by_id(list(ids), Large.SHORT)
    return {id_: operation for id_, operation in found.items() if operation.status is OperationStatus.SENDING}


@dataclass(frozen=True, slots=True)
class Unwanted:
    """An attempt that Leshan holds and that must not be sent any more."""

    seq: int
    attempt: int
    endpoint: str


async def unwanted(
    server_id: int,
    most: int,
    clock: Callable[[Instant], Instant] = lambda now: now,
    *,
    tried: Iterable[int] = (),
) -> list[Unwanted]:
    """Return requests that Leshan holds although the operation was canceled, superseded, or has expired. Those just
    ``tried`` are excluded, so that they do not block the others."""
    now = clock(await database_now())
    known = ", ".join(map(str, map(int, (0, *tried))))
    sql = _UNWANTED.format(server=int(server_id), now=int(now), most=int(most), tried=known)
    return [Unwanted(*row) for row in await fetch(sql)]


async def due_for_sweep(server_id: int, every: float, clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether no sweep ran within the last ``every`` seconds: of many dispatchers one a second is enough."""
    now = clock(await database_now())
    rows = await fetch(_SWEPT.format(server=int(server_id)))
    return not rows or rows[0][0] is None or now - rows[0][0] >= every * SECOND


async def due_for_probe(server_id: int, clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether a probe of Leshan is due."""
    now = clock(await database_now())
    rows = await fetch(_SWEPT.format(server=int(server_id)))
    return bool(rows) and rows[0][1] is not None and rows[0][1] <= now


async def rules_due(server_id: int, clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether observation rules have to be applied, or observations have to be checked."""
    now = clock(await database_now())
    return bool(await fetch(RULES_DUE.format(server=int(server_id), now=int(now))))


async def updates_due(clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether a firmware update is due."""
    now = clock(await database_now())
    return bool(await fetch(UPDATES_DUE.format(now=int(now))))
