"""How the dispatch stands, for people: what waits where, since when, and which calls are out."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.enums import Instant, Presence
from app.models.queries.reading import fetch


@dataclass(frozen=True, slots=True)
class Waiting:
    """Endpoints of one presence that have something queued, and how much that is."""

    presence: Presence
    endpoints: int
    queued: int


@dataclass(frozen=True, slots=True)
class Leases:
    """What is SENDING: calls that are out, requests that a stock Leshan holds, and those whose lease has run out."""

    calls: int
    held: int
    late: int


async def open_calls() -> tuple[int, int]:
    """Return how many calls are open, and how many of them to endpoints that did not answer last time. Raises
    ReadUnavailable."""
    sql = """
        SELECT count(CASE WHEN call_open THEN 1 END), count(CASE WHEN call_open AND silent THEN 1 END)
        FROM endpoint WHERE lease_operation IS NOT NULL
    """
    ((calls, silent),) = await fetch(sql)
    return calls, silent


async def waiting_endpoints() -> list[Waiting]:
    """What waits, by what is known of the devices. Raises ReadUnavailable."""
    sql = "SELECT presence, count(*), CAST(sum(queued) AS BIGINT) FROM endpoint WHERE queued > 0 GROUP BY presence"
    found = {row[0]: Waiting(Presence(row[0]), row[1], row[2]) for row in await fetch(sql)}
    return [found[presence] for presence in Presence if presence in found]


async def longest_waiting(most: int) -> list[int]:
    """The oldest queued operation, by ``seq``, of each of those endpoints that wait longest. Raises ReadUnavailable."""
    sql = """
        SELECT w.seq FROM (
            SELECT (SELECT min(o.seq) FROM operation o WHERE o.endpoint_id = e.id AND o.status = 'QUEUED') AS seq
            FROM endpoint e WHERE e.queued > 0
        ) w WHERE w.seq IS NOT NULL ORDER BY w.seq LIMIT $1
    """
    return [row[0] for row in await fetch(sql, [most])]


async def leases(now: Instant) -> Leases:
    """What is SENDING at this time of the database. Raises ReadUnavailable."""
    sql = """
        SELECT count(CASE WHEN call_open THEN 1 END), count(CASE WHEN NOT call_open THEN 1 END),
               count(CASE WHEN lease_until < $1 THEN 1 END)
        FROM endpoint WHERE lease_operation IS NOT NULL
    """
    ((calls, held, late),) = await fetch(sql, [now])
    return Leases(calls, held, late)
