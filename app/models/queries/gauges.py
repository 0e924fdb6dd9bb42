"""What waits, for the metrics: counters, and the first rows of indexes. No statement reads a table or a long index
whole, however many rows there are (:data:`MOST`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.campaigns import FINISHED
from app.domain.enums import HOUR, CampaignStatus, CampaignTargetState, Instant
from app.models.counters import CHECKED, COUNTERS, DIFFERENCES
from app.models.queries.access import Lane, fetch, reading_through
from app.models.queries.server import database_now

MOST: Final = 1_000
"""Maximum of rows that are counted."""

OLDEST_QUEUED: Final = """
    SELECT created_at FROM (
        SELECT status, created_at FROM operation WHERE (status, seq) >= ('QUEUED', 0) ORDER BY status, seq LIMIT 1
    ) first WHERE status = 'QUEUED'
"""
"""Written as a position in the index of status and ``seq``: with a condition on the status alone, PostgreSQL may walk
all ended operations in the order of ``seq``."""

LATE_LEASES: Final = f"""
    SELECT count(*), min(lease_until) FROM (
        SELECT lease_until FROM endpoint
        WHERE server_id = $1 AND lease_operation IS NOT NULL AND lease_until < $2 ORDER BY lease_until LIMIT {MOST}
    ) late
"""  # noqa: S608 - a constant
_SINCE: Final = """
    SELECT e.silent, e.ready_at, e.last_seen_at, (
        SELECT q.created_at FROM operation q WHERE q.endpoint_id = e.id AND q.status = 'QUEUED'
        ORDER BY q.priority DESC, q.seq LIMIT 1
    ) AS created_at
    FROM endpoint e
    WHERE e.server_id = $1 AND e.silent = {silent} AND e.ready_at IS NOT NULL AND e.ready_at <= $2
      AND e.ready_until > $2
    ORDER BY e.ready_until LIMIT {most}
"""
READY: Final = f"""
    SELECT count(*), min(CASE WHEN silent = TRUE THEN NULL
                              WHEN ready_at > created_at AND ready_at > coalesce(last_seen_at, 0) THEN ready_at
                              WHEN last_seen_at > created_at THEN last_seen_at ELSE created_at END)
    FROM (
        SELECT * FROM ({_SINCE.format(silent="FALSE", most=MOST)}) AS talking
        UNION ALL SELECT * FROM ({_SINCE.format(silent="TRUE", most=MOST)}) AS silent
    ) ready
"""  # noqa: S608 - constants
"""Endpoints that a claim would find, and since when one of them has waited that responded last time: since its last
message, its next operation was created, or its retry came due, whichever came last. Those that did not respond may use
a part of the calls only, and may have to wait."""

PAUSES: Final = f"""
    SELECT count(CASE WHEN server_id IS NULL THEN 1 END),
           count(CASE WHEN server_id IS NOT NULL AND endpoint_id IS NULL THEN 1 END),
           count(endpoint_id)
    FROM (SELECT server_id, endpoint_id FROM dispatch_pause WHERE resumed_at IS NULL LIMIT {MOST}) present
"""  # noqa: S608 - a constant
OLDEST: Final = {
    "operations": "SELECT finished_at FROM operation WHERE finished_at IS NOT NULL ORDER BY finished_at LIMIT 1",
    "readings": "SELECT stored_at FROM reading ORDER BY seq LIMIT 1",
    "aggregates": "SELECT hour FROM reading_hour ORDER BY hour LIMIT 1",
}
"""The time from which retention counts, of the oldest row."""

FLEET_DUE: Final = """
    SELECT min(due_at) FROM (
        SELECT due_at FROM (SELECT due_at FROM firmware_update WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1) u
        UNION ALL
        SELECT due_at FROM (SELECT due_at FROM campaign WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1) c
    ) due
"""
_CAMPAIGNS: Final = "SELECT 1 FROM campaign WHERE status = '{status}' ORDER BY id LIMIT {most}"
CAMPAIGNS: Final = " UNION ALL ".join(
    f"SELECT '{status}', count(*) FROM ({_CAMPAIGNS.format(status=status, most=MOST)}) c{number}"  # noqa: S608 - constants
    for number, status in enumerate(CampaignStatus)
)
_STATES: Final = tuple(state.lower() for state in CampaignTargetState)
_UNFINISHED: Final = " UNION ALL ".join(
    f"SELECT {', '.join(_STATES)} FROM campaign WHERE status = '{status}'"  # noqa: S608 - constants
    for status in CampaignStatus
    if status not in FINISHED
)
TARGETS: Final = f"SELECT {', '.join(f'coalesce(sum({state}), 0)' for state in _STATES)} FROM ({_UNFINISHED}) open"  # noqa: S608
"""The targets of all campaigns that have not finished, of which there is a maximum number."""


@dataclass(frozen=True, slots=True)
class FleetWork:
    """Firmware updates and campaigns. ``due_since`` is when the next step of one was or will be due; ``targets`` are
    those of campaigns that have not finished."""

    due_since: Instant | None
    campaigns: Mapping[str, int]
    targets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, at one time of the database; times of what is oldest are None if there is none.

    Attributes:
        counters: by their names (``app.models.counters``); None before they were counted for the first time.
        ready: endpoints that can be called now, at most twice :data:`MOST`; ``ready_since`` is of those that responded
            last time.
        pauses: the number of those of everything, of Leshan servers, and of endpoints.
        oldest: the oldest row of each kind that retention deletes.
    """

    now: Instant
    counters: Mapping[str, int] | None
    oldest_queued: Instant | None
    late_leases: int
    oldest_lease: Instant | None
    ready: int
    ready_since: Instant | None
    pauses: tuple[int, int, int]
    oldest: Mapping[str, Instant]
    fleet: FleetWork


async def waiting_now(server_id: int, clock: Callable[[Instant], Instant] = lambda now: now) -> Waiting:
    """Return what waits for this Leshan server. Raise ReadUnavailable."""
    now = clock(await database_now())
    counters = {row[0]: row[1] for row in await fetch(COUNTERS, [server_id])}
    queued = await fetch(OLDEST_QUEUED)
    ((late, lease),) = await fetch(LATE_LEASES, [server_id, now])
    ((ready, since),) = await fetch(READY, [server_id, now])
    ((everything, servers, endpoints),) = await fetch(PAUSES)
    oldest = {kind: rows[0][0] for kind, sql in OLDEST.items() if (rows := await fetch(sql))}
    return Waiting(
        now=now,
        counters=counters if CHECKED in counters else None,
        oldest_queued=queued[0][0] if queued else None,
        late_leases=late,
        oldest_lease=lease,
        ready=ready,
        ready_since=since,
        pauses=(everything, servers, endpoints),
        oldest=oldest,
        fleet=await fleet_work(),
    )


async def fleet_work() -> FleetWork:
    """Return how much fleet work there is. Raise ReadUnavailable."""
    ((due_since,),) = await fetch(FLEET_DUE)
    campaigns = {row[0]: row[1] for row in await fetch(CAMPAIGNS)}
    (sums,) = await fetch(TARGETS)
    return FleetWork(due_since, campaigns, dict(zip(CampaignTargetState, map(int, sums), strict=True)))


async def counters_due(server_id: int, clock: Callable[[Instant], Instant] = lambda now: now) -> bool:
    """Return whether the counters must be compared with the rows. Raise ReadUnavailable."""
    rows = await fetch(f"{COUNTERS} AND name = $2", [server_id, CHECKED])
    return not rows or clock(await database_now()) - rows[0][1] >= HOUR


async def counter_differences(server_id: int) -> tuple[dict[str, int], Instant | None]:
    """Return what must be added to the counters so that they equal the rows, and when they were last compared. This
    statement counts rows. Raise ReadUnavailable."""
    with reading_through(Lane.SEARCH):
        found = {row[0]: row[1] for row in await fetch(DIFFERENCES, [server_id])}
    checked = found.pop(CHECKED, None)
    return found, checked
