"""Statistics of ended operations: what they count, that they agree with the log of operations, and that they read a
limited number of rows."""

from __future__ import annotations

import re

import pytest

from app.domain.enums import SECOND, OperationStatus, ReasonCode
from app.models.database import reading
from app.models.ledger import Committed
from app.models.queries import EndedStatistics, ended_statistics
from app.models.queries.access import Statement, fetch, on_postgres
from app.models.queries.statistics import COUNTS, MOST, SAMPLE, WAKES
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, FIRST, plan, statistics, used_indexes, whole_tables
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, awake, new, registered, updated

pytestmark = pytest.mark.asyncio

S, R = OperationStatus, ReasonCode
HOUR = 3_600


async def read(world: LedgerWorld, seconds: int = HOUR) -> EndedStatistics:
    return await ended_statistics(world.now, seconds)


async def wake(world: LedgerWorld, number: int) -> None:
    """Let an hour pass, then the device updates its registration."""
    world.pass_(HOUR)
    await world.ingest(updated("a", number))


async def test_ended_operations_are_counted_by_status_reason_and_time(world: LedgerWorld) -> None:
    await world.ingest(registered("a"))
    await world.create(*[new("a", max_attempts=1) for _ in range(4)])
    await world.attempt(SUCCESS)
    await wake(world, 2)
    await world.attempt(REFUSED)
    await wake(world, 3)
    await world.send_all()
    found = await read(world, 2 * HOUR + 1)
    assert (found.start, found.end, found.capped) == (world.now - (2 * HOUR + 1) * SECOND, world.now, False)
    assert found.counts == {(S.CONFIRMED, None): 3, (S.FAILED, R.DEVICE_REFUSED): 1}
    assert {number: count for number, count in enumerate(found.ended) if count} == {0: 1, 15: 1, 29: 2}
    assert {number: count for number, count in enumerate(found.confirmed) if count} == {0: 1, 29: 2}
    assert sum((await read(world, 2 * HOUR)).ended) == 3, "the first one ended two hours ago, not less"
    world.pass_(HOUR)
    nothing = await read(world)
    assert (nothing.counts, sum(nothing.ended), nothing.wake_millis) == ({}, 0, [])


async def test_the_time_from_the_wake_is_that_of_the_log(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[int | None] = []

    def observe(committed: Committed) -> None:
        logged.extend(ended.ms_from_wake for ended in committed.ended)

    monkeypatch.setattr(world.ledgers[0], "_observe", observe)
    await world.ingest(registered("a"))
    for number, seconds in enumerate((1.5, 0.25, 2), start=2):
        await world.create(new("a"))
        await wake(world, number)
        claimed = await world.claim_one()
        world.pass_(seconds)
        await world.settle(claimed, SUCCESS)
    await wake(world, 9)  # a later wake does not change the earlier ones
    found = await read(world, 5 * HOUR)
    assert found.wake_millis == sorted(ms for ms in logged if ms is not None) == [250, 1_500, 2_000]


async def test_an_operation_that_did_not_wait_for_the_wake_has_no_time(world: LedgerWorld) -> None:
    await world.ingest(registered("a"))
    world.pass_(5)
    await world.create(new("a"))
    await world.attempt(SUCCESS)
    await world.create(new("a", not_before=world.now + (HOUR + 60) * SECOND))
    await wake(world, 2)
    world.pass_(60)
    await world.attempt(SUCCESS)
    found = await read(world, 3 * HOUR)
    assert (found.counts, found.wake_millis) == ({(S.CONFIRMED, None): 2}, [])


async def test_a_wake_without_an_update_counts(world: LedgerWorld) -> None:
    await world.ingest(registered("a"))
    world.pass_(600)
    await world.create(new("a"))
    await world.ingest(awake("a"))
    claimed = await world.claim_one()
    world.pass_(3)
    await world.settle(claimed, SUCCESS)
    assert (await read(world)).wake_millis == [3_000]


END = FIRST + 30_000 * SECOND
ENDED = (
    "UPDATE operation SET finished_at = created_at WHERE finished_at IS NOT NULL",
    f"UPDATE endpoint SET contacts = '[{FIRST // 1000 + 25_000_000},60000]'",  # noqa: S608 - constants
)
"""One ended operation in each second but every thirtieth; their devices woke 5,000 s before the end."""


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_a_limited_number_of_rows_is_read_along_the_index(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *ENDED, *statistics(analyze))
    async with reading(many_rows_url):
        for sql in (COUNTS, WAKES):
            for start in (END - HOUR * SECOND, FIRST):
                statement = Statement(sql, [start, END])
                lines = await plan(statement)
                assert not whole_tables(lines), lines
                assert "ix_operation_finished" in used_indexes(lines), lines
                if on_postgres():
                    rows = await fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", statement.values)
                    examined = [int(count) for row in rows for count in re.findall(r"actual rows=(\d+)", row[0])]
                    assert max(examined) <= MOST + 1, rows


async def test_the_time_that_is_covered_is_shorter_if_too_many_ended(many_rows_url: str) -> None:
    await execute(many_rows_url, *ENDED)
    async with reading(many_rows_url):
        found = await ended_statistics(END, 30_000)
        assert found.capped
        assert sum(found.ended) == sum(found.counts.values()) == MOST
        assert found.start == END - (MOST + MOST // 29 + 1) * SECOND
        assert min(found.ended) > MOST / len(found.ended) - 12, "each interval has all of its operations"
        assert len(found.wake_millis) == 0, "the newest ones were created after the wake"
        await execute(many_rows_url, "UPDATE operation SET created_at = 1")
        found = await ended_statistics(END, 30_000)
        assert len(found.wake_millis) == SAMPLE
        assert found.wake_millis[-1] == 4_999_000


async def test_one_transaction_may_have_ended_too_many(many_rows_url: str) -> None:
    await execute(many_rows_url, "UPDATE operation SET finished_at = 1000000 WHERE finished_at IS NOT NULL")
    async with reading(many_rows_url):
        found = await ended_statistics(2_000_000, 60)
        assert (found.capped, found.start, sum(found.ended)) == (True, 1_000_000, 0)
