"""State of the dispatch, for operators: waiting operations and endpoints, and open calls."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.enums import Instant, Presence
from app.models.queries.access import fetch


@dataclass(frozen=True, slots=True)
class Waiting:
    """Endpoints of one presence that have queued operations, and the number of these operations."""

    presence: Presence
    endpoints: int
    queued: int


@dataclass(frozen=True, slots=True)
class Leases:
    """Numbers of SENDING operations: open calls, requests that a stock Leshan holds, and those with an expired
    lease."""

    calls: int
    held: int
    late: int


async def open_calls() -> tuple[int, int]:
    """Return how many calls are open, and how many of them to endpoints that did not respond last time. Raise
    ReadUnavailable."""
    sql = """
        SELECT count(CASE WHEN call_open THEN 1 END), count(CASE WHEN call_open AND silent THEN 1 END)
        FROM endpoint WHERE lease_operation IS NOT NULL
    """
    ((calls, silent),) = await fetch(sql)
    return calls, silent


async def waiting_endpoints() -> list[Waiting]:
    """Return the endpoints that wait, by presence. Raise ReadUnavailable."""
    sql = "SELECT presence, count(*), CAST(sum(queued) AS BIGINT) FROM endpoint WHERE queued > 0 GROUP BY presence"
    found = {row[0]: Waiting(Presence(row[0]), row[1], row[2]) for row in await fetch(sql)}
    return [found[presence] for presence in Presence if presence in found]


async def longest_waiting(most: int) -> list[int]:
    """Return the oldest queued operation, by ``seq``, of each of the endpoints that wait longest. Raise
    ReadUnavailable."""
    sql = """
        SELECT w.seq FROM (
            SELECT (SELECT min(o.seq) FROM operation o WHERE o.endpoint_id = e.id AND o.status = 'QUEUED') AS seq
            FROM endpoint e WHERE e.queued > 0
        ) w WHERE w.seq IS NOT NULL ORDER BY w.seq LIMIT $1
    """
    return [row[0] for row in await fetch(sql, [most])]


async def leases(now: Instant) -> Leases:
    """Count the SENDING operations at this time of the database. Raise ReadUnavailable."""
    sql = """
        SELECT count(CASE WHEN call_open THEN 1 END), count(CASE WHEN NOT call_open THEN 1 END),
               count(CASE WHEN lease_until < $1 THEN 1 END)
        FROM endpoint WHERE lease_operation IS NOT NULL
    """
    ((calls, held, late),) = await fetch(sql, [now])
    return Leases(calls, held, late)
