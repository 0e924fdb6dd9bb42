"""``reveille aggregate``: compute the hourly aggregates again from the readings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.enums import HOUR, Instant
from app.models.database import reading_slowly
from app.models.dialect import for_sqlite
from app.models.ledger import Ledger, RebuildAggregates
from app.models.ledger.aggregates import COMPLETE_FROM, NEVER
from app.models.queries.access import Reader

READINGS: Final = 10_000
"""Readings whose hours one transaction computes, unless a single hour has more."""

RESOURCES: Final = 50
"""Maximum of resources in one transaction, and of those that one statement reads."""

_ENDPOINT: Final = "SELECT id FROM endpoint WHERE name = $1 AND deleted_at IS NULL"
_COUNT: Final = "SELECT count(*) AS resources FROM resource_state WHERE endpoint_id >= $1 AND endpoint_id <= $2"
_RESOURCES: Final = """
    SELECT endpoint_id, path FROM resource_state
    WHERE (endpoint_id, path) > ($1, $2) AND endpoint_id <= $3 ORDER BY endpoint_id, path LIMIT $4
"""
_HOURS: Final = f"""
    SELECT at / {HOUR} * {HOUR} AS hour, count(*) AS readings FROM reading
    WHERE endpoint_id = $1 AND path = $2 AND at >= $3 GROUP BY at / {HOUR} ORDER BY 1
"""  # noqa: S608 - constants

Progress = Callable[[int, int], None]
"""Called with the number of resources that are done, and of all."""


class UnknownEndpoint(LookupError):
    """There is no endpoint of this name."""


class ReadingsPruned(ValueError):
    """Readings of the requested time have been pruned. ``complete_from`` is the first hour that can be computed, None
    if no readings are stored."""

    def __init__(self, complete_from: Instant | None) -> None:
        super().__init__(complete_from)
        self.complete_from = complete_from


@dataclass(slots=True)
class Rebuilt:
    """The hours that were computed: ``since`` is the beginning of the first one."""

    since: Instant
    resources: int = 0
    readings: int = 0


async def rebuild_aggregates(
    ledger: Ledger, database_url: str, since: Instant, endpoint: str | None, progress: Progress
) -> Rebuilt:
    """Compute all hours from that of ``since`` again, of one endpoint or of all, in short transactions.

    Readings may arrive and be aggregated meanwhile. Half of the time is left to other writers. An interrupted run has
    left every hour either as it was or computed again.

    Raises:
        UnknownEndpoint, ReadingsPruned: nothing was changed.
        LedgerUnavailable: the database cannot be reached.
    """
    rebuilt = Rebuilt(since // HOUR * HOUR)
    async with reading_slowly(database_url) as reader:
        first, last = await _endpoints(reader, endpoint)
        (complete,) = await _rows(reader, COMPLETE_FROM)
        if rebuilt.since < complete["hour"]:
            raise ReadingsPruned(None if complete["hour"] == NEVER else complete["hour"])
        (counted,) = await _rows(reader, _COUNT, first, last)
        async for resources in _resources(reader, first, last):
            commands = [
                command for resource in resources async for command in _commands(reader, *resource, rebuilt.since)
            ]
            for together in _batches(commands):
                begun = time.monotonic()
                await asyncio.gather(*(ledger.submit(command) for command, _ in together))
                rebuilt.readings += sum(readings for _, readings in together)
                await asyncio.sleep(time.monotonic() - begun)
            rebuilt.resources += len(resources)
            progress(rebuilt.resources, counted["resources"])
    return rebuilt


_Counted = tuple[RebuildAggregates, int]
"""A command, and the number of readings whose hours it computes."""


async def _rows(reader: Reader, sql: str, *values: Any) -> Sequence[Any]:
    return await reader.execute_query(sql if reader.postgres else for_sqlite(sql), values)


async def _endpoints(reader: Reader, name: str | None) -> tuple[int, int]:
    """Return the first and the last id of the endpoints to compute."""
    if name is None:
        return 0, NEVER
    rows = await _rows(reader, _ENDPOINT, name)
    if not rows:
        raise UnknownEndpoint(name)
    return rows[0]["id"], rows[0]["id"]


async def _resources(reader: Reader, first: int, last: int) -> AsyncIterator[list[tuple[int, str]]]:
    after = first, ""
    while rows := await _rows(reader, _RESOURCES, *after, last, RESOURCES):
        resources = [(row["endpoint_id"], row["path"]) for row in rows]
        yield resources
        after = resources[-1]


async def _commands(reader: Reader, endpoint_id: int, path: str, since: Instant) -> AsyncIterator[_Counted]:
    """Yield commands that cover all hours of a resource from ``since`` on, also those that should not exist."""
    begin, held = since, 0
    for row in await _rows(reader, _HOURS, endpoint_id, path, since):
        if held and held + row["readings"] > READINGS:
            yield RebuildAggregates(endpoint_id, path, begin, row["hour"]), held
            begin, held = row["hour"], 0
        held += row["readings"]
    yield RebuildAggregates(endpoint_id, path, begin, NEVER), held


def _batches(commands: Iterable[_Counted]) -> Iterator[list[_Counted]]:
    """Yield the commands in batches: the ledger commits commands that are submitted together in one transaction."""
    batch: list[_Counted] = []
    held = 0
    for command in commands:
        if batch and (held + command[1] > READINGS or len(batch) == RESOURCES):
            yield batch
            batch, held = [], 0
        batch.append(command)
        held += command[1]
    if batch:
        yield batch
