"""PostgreSQL's partitions of readings: created ahead without gaps, and dropped by retention."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import pytest

from app.domain.enums import DAY, HOUR, SECOND, Instant, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.ledger import (
    AggregateReadings,
    Create,
    DecodedEvent,
    IngestEvents,
    Ledger,
    PruneReadings,
    TypedSample,
    open_store,
)
from app.models.ledger.reading_partitions import DAYS_AHEAD, day_of, start_of
from tests.support.ledger import LedgerWorld, LosingStore, new

pytestmark = pytest.mark.asyncio

MIDNIGHT: Final = time.time_ns() // 1000 // DAY * DAY + 10 * DAY
"""The beginning of a day for which the migration made no partition."""

NOON: Final = MIDNIGHT + DAY // 2
BOUNDS: Final = re.compile(r"FROM \((?:'(\d+)'|MINVALUE)\) TO \('(\d+)'\)")


def reported(value: float = 1.0) -> IngestEvents:
    sample = TypedSample({"/3303/0/5700": TypedValue(ValueType.FLOAT, value)})
    return IngestEvents([DecodedEvent(Reported(endpoint="d", nodes={}), samples=[sample])])


async def store(world: LedgerWorld, at: Instant, value: float = 1.0) -> str:
    """Store a value at this time; return the name of its partition."""
    world.now = at
    await world.ledgers[0].submit(reported(value))
    sql = "SELECT tableoid::regclass::text AS name FROM reading ORDER BY seq DESC LIMIT 1"
    return str((await world.row(sql))["name"])


async def partitions(world: LedgerWorld) -> dict[str, tuple[Instant | None, Instant]]:
    """Return the bounds of the partitions; assert that there is no gap between them."""
    rows = await world.rows("""
        SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'reading'::regclass ORDER BY 1
    """)
    found: dict[str, tuple[Instant | None, Instant]] = {}
    for row in rows:
        bounds = BOUNDS.search(row["bounds"])
        assert bounds is not None, row
        found[row["name"]] = (int(bounds[1]) if bounds[1] else None, int(bounds[2]))
    ends = [end for _, end in found.values()]
    assert [begin for begin, _ in found.values()][1:] == ends[:-1]
    assert list(found) == [name_of(end - 1) for end in ends]
    return found


def name_of(moment: Instant) -> str:
    return f"reading_{day_of(moment):%Y%m%d}"


async def aggregate(world: LedgerWorld) -> None:
    while await world.ledgers[0].submit(AggregateReadings()):
        pass


async def prune(ledger: Ledger) -> int:
    """Prune all that is due; return how many partitions were dropped."""
    dropped = 0
    while await ledger.submit(PruneReadings()):
        dropped += 1
    return dropped


@asynccontextmanager
async def open_reader(world: LedgerWorld) -> AsyncIterator[Any]:
    """A session that has read the table in a transaction that it does not end."""
    connection = await asyncpg.connect(world.url)
    await connection.execute("BEGIN; SELECT count(*) FROM reading")
    yield connection
    await connection.close()


async def test_partitions_are_created_ahead_without_a_gap(world: LedgerWorld) -> None:
    migrated = await partitions(world)
    assert await store(world, NOON) == name_of(NOON)
    found = await partitions(world)
    assert list(found)[-1] == name_of(NOON + DAYS_AHEAD * DAY)
    assert found[name_of(NOON)] == (max(end for _, end in migrated.values()), MIDNIGHT + DAY)
    before = list(found)
    assert await store(world, NOON + HOUR) == name_of(NOON)
    assert list(await partitions(world)) == before


async def test_a_partition_ends_at_midnight(world: LedgerWorld) -> None:
    await store(world, NOON)
    end = MIDNIGHT + DAY
    assert await store(world, end - 1) == name_of(NOON)
    assert await store(world, end) == name_of(NOON + DAY)
    for day in range(2, 8):
        assert await store(world, NOON + day * DAY) == name_of(NOON + day * DAY)
    await partitions(world)


async def test_days_without_readings_leave_no_gap(world: LedgerWorld) -> None:
    await store(world, NOON)
    known = await partitions(world)
    later = NOON + 40 * DAY
    assert await store(world, later) == name_of(later)
    found = await partitions(world)
    assert len(found) == len(known) + 1 + DAYS_AHEAD
    assert found[name_of(later)][0] == MIDNIGHT + (1 + DAYS_AHEAD) * DAY
    assert await store(world, later - 20 * DAY) == name_of(later), "a clock that is set back"


async def test_a_partition_of_a_transaction_that_was_rolled_back_is_created_again(empty_world: LedgerWorld) -> None:
    losing = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(losing)
    empty_world.now = NOON
    losing.before_commit = 2
    await ledger.submit(reported())
    empty_world.now += 10 * DAY
    losing.after_commit = 1
    await ledger.submit(reported())
    empty_world.now += 10 * DAY
    good, bad = ledger.enqueue(reported()), ledger.enqueue(Create([new("d", priority=1_000)]))
    results = await asyncio.gather(good, bad, return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], Exception)
    rows = await empty_world.rows("SELECT tableoid::regclass::text AS name FROM reading ORDER BY seq")
    assert {row["name"] for row in rows} == {name_of(NOON + days * DAY) for days in (0, 10, 20)}
    await partitions(empty_world)


async def test_two_processes_create_partitions_at_once(empty_world: LedgerWorld) -> None:
    ledgers = [await empty_world.ledger() for _ in range(2)]
    for day in range(0, 30, 3):
        empty_world.now = NOON + day * DAY
        await asyncio.gather(*(ledger.submit(reported()) for ledger in ledgers for _ in range(3)))
    assert (await empty_world.row("SELECT count(*) AS n FROM reading"))["n"] == 60
    await partitions(empty_world)


async def test_a_partition_is_created_beside_a_reader(world: LedgerWorld) -> None:
    async with open_reader(world):
        async with asyncio.timeout(2):
            await store(world, NOON)
        assert name_of(NOON) in await partitions(world)


async def test_retention_drops_days_that_are_aggregated(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(reading_retention=2 * DAY)
    seqs = []
    for day in range(3):
        for value in (1.0, 2.0):
            await store(empty_world, NOON + day * DAY, value)
        seqs.append((await empty_world.row("SELECT max(seq) AS seq FROM reading"))["seq"])
    empty_world.now = MIDNIGHT + 3 * DAY - 1
    await aggregate(empty_world)
    await prune(ledger)
    assert (await empty_world.row("SELECT reading_horizon FROM ledger_head"))["reading_horizon"] == 0
    empty_world.now += 1  # the first day ended two days ago
    assert await prune(ledger) == 1
    assert (await empty_world.row("SELECT reading_horizon FROM ledger_head"))["reading_horizon"] == seqs[0]
    assert (await empty_world.row("SELECT min(seq) AS seq FROM reading"))["seq"] == seqs[0] + 1
    assert next(iter(await partitions(empty_world))) == name_of(NOON + DAY)
    await store(empty_world, NOON + 9 * DAY, 3.0)
    assert await prune(ledger) >= 2
    found = await partitions(empty_world)
    assert next(iter(found)) == name_of(NOON + 9 * DAY), "the reading of that day is not aggregated yet"
    empty_world.now = NOON + 20 * DAY
    assert await prune(ledger) == 0
    await aggregate(empty_world)
    assert await prune(ledger) == 1 + DAYS_AHEAD
    assert await partitions(empty_world) == {}
    (head,) = await empty_world.rows("SELECT seq, reading_horizon, aggregated FROM ledger_head")
    assert head["reading_horizon"] == head["aggregated"] == head["seq"]
    await store(empty_world, NOON + 20 * DAY, 4.0)
    await partitions(empty_world)


async def test_a_drop_that_finds_a_reader_is_tried_again_later(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(reading_retention=2 * DAY)
    await store(empty_world, NOON)
    await store(empty_world, NOON + 5 * DAY, 2.0)
    empty_world.now += HOUR
    await aggregate(empty_world)
    await prune(ledger)
    await store(empty_world, NOON + 30 * DAY, 3.0)
    before = await partitions(empty_world)
    async with open_reader(empty_world) as reader:
        async with asyncio.timeout(2):
            pruned, stored = ledger.enqueue(PruneReadings()), ledger.enqueue(reported(4.0))
            assert await pruned is False
            assert await stored == 1
        assert await partitions(empty_world) == before
        assert await reader.fetchval("SELECT count(*) FROM reading WHERE number = 2") == 1
    assert await prune(ledger) >= 1
    assert await empty_world.rows("SELECT * FROM reading WHERE number < 3") == []
    assert len(await empty_world.rows("SELECT * FROM reading")) == 2
    (lock,) = await empty_world.rows("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND granted")
    assert lock["n"] == 0
    timeout = await ledger._store.fetch("SHOW lock_timeout")
    assert timeout[0]["lock_timeout"] == "2500ms"


async def test_a_day_begins_at_midnight_utc() -> None:
    assert day_of(start_of(day_of(NOON))) == day_of(NOON)
    assert day_of(MIDNIGHT - SECOND) != day_of(MIDNIGHT)
