"""The hourly aggregates equal their readings, however late these arrive and whatever is repeated."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.enums import DAY, HOUR, MILLISECOND, SECOND, Instant, ValueType
from app.domain.events import Reported
from app.domain.values import JsonValue, TypedValue
from app.models.fields import load_json
from app.models.invariant_check import violations
from app.models.ledger import (
    AggregateReadings,
    DecodedEvent,
    DeleteEndpoint,
    IngestEvents,
    Ledger,
    LedgerUnavailable,
    PruneReadings,
    RebuildAggregates,
    TypedSample,
    open_store,
)
from app.models.ledger.aggregates import NEVER
from app.models.ledger.readings import EARLIEST_CLOCK, MAX_NUMBER
from app.models.rebuild import ReadingsPruned, Rebuilt, UnknownEndpoint, rebuild_aggregates
from tests.support.ledger import START, LedgerWorld, LosingStore, registered

pytestmark = pytest.mark.asyncio

PATH: Final = "/3303/0/5700"
THIS_HOUR: Final = START // HOUR * HOUR


async def store(
    world: LedgerWorld, *values: tuple[Instant | None, JsonValue], path: str = PATH, endpoint: str = "d"
) -> None:
    """Store values with their times in one message; texts are STRING, numbers FLOAT."""
    samples = [
        TypedSample({path: TypedValue(ValueType.STRING if isinstance(value, str) else ValueType.FLOAT, value)}, at)
        for at, value in values
    ]
    await world.ingest(DecodedEvent(Reported(endpoint=endpoint, nodes={}), samples=samples))


async def aggregate(world: LedgerWorld) -> int:
    """Aggregate all that is due; return how many pieces it took."""
    pieces = 1
    while await world.ledgers[0].submit(AggregateReadings()):
        pieces += 1
    return pieces


async def hours(world: LedgerWorld) -> list[dict[str, Any]]:
    return await world.rows("SELECT * FROM reading_hour ORDER BY endpoint_id, path, hour")


def expected(readings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute the hours of readings in order of arrival."""
    by_hour: dict[tuple[int, str, int], list[dict[str, Any]]] = defaultdict(list)
    for one in readings:
        by_hour[one["endpoint_id"], one["path"], one["at"] // HOUR * HOUR].append(one)
    computed = []
    for key in sorted(by_hour):
        members = by_hour[key]
        numbers = [one["number"] for one in members if one["number"] is not None]
        last = max(members, key=lambda one: (one["at"], one["seq"]))
        computed.append(
            dict(zip(("endpoint_id", "path", "hour"), key, strict=True))
            | {"count": len(members), "numbers": len(numbers)}
            | {"low": min(numbers, default=None), "high": max(numbers, default=None)}
            | {"total": pytest.approx(math.fsum(numbers), abs=1e-9 * sum(map(abs, numbers))) if numbers else None}
            | {"last_at": last["at"], "last_value": last["value"]}
        )
    return computed


async def assert_right(world: LedgerWorld) -> None:
    """Assert that the hours equal those computed from all readings up to the mark."""
    sql = "SELECT * FROM reading WHERE seq <= (SELECT aggregated FROM ledger_head) ORDER BY seq"
    assert await hours(world) == expected(await world.rows(sql))


async def test_an_hour_has_count_minimum_maximum_sum_and_last_value(world: LedgerWorld) -> None:
    at = THIS_HOUR - HOUR
    await store(world, (at, 2.0), (at + 30 * SECOND, -1.5), (at + 10 * SECOND, 4.0), (at + HOUR - 1, 3.0))
    await store(world, (at + HOUR - 1, 3.5))
    world.pass_(3600)
    await aggregate(world)
    (hour,) = await hours(world)
    assert (hour["hour"], hour["count"], hour["numbers"]) == (at, 5, 5)
    assert (hour["low"], hour["high"], hour["total"]) == (-1.5, 4.0, 11.0)
    assert (hour["last_at"], hour["last_value"]) == (at + HOUR - 1, "3.5"), "of equal times the later arrival"


async def test_readings_are_added_when_the_hour_of_their_commit_is_over(world: LedgerWorld) -> None:
    world.now = THIS_HOUR + HOUR - 1
    await store(world, (None, 1.0))
    await aggregate(world)
    assert await hours(world) == []
    world.now = THIS_HOUR + HOUR
    await store(world, (None, 2.0))
    await aggregate(world)
    assert [(hour["hour"], hour["total"]) for hour in await hours(world)] == [(THIS_HOUR, 1.0)]
    world.now += HOUR
    await aggregate(world)
    assert [hour["total"] for hour in await hours(world)] == [1.0, 2.0]
    await assert_right(world)


async def test_late_readings_change_their_own_hour(world: LedgerWorld) -> None:
    await store(world, (START, 5.0))
    world.pass_(3600)
    await aggregate(world)
    (before,) = await hours(world)
    await store(world, (START - 3 * HOUR, 1.0), (START - 60 * SECOND, 9.0), (START + 60 * SECOND, "text"))
    world.pass_(3600)
    await aggregate(world)
    early, same = await hours(world)
    assert (early["hour"], early["count"], early["last_value"]) == (THIS_HOUR - 3 * HOUR, 1, "1.0")
    assert (same["hour"], same["count"], same["numbers"]) == (before["hour"], 3, 2)
    assert (same["low"], same["high"], same["total"]) == (5.0, 9.0, 14.0)
    assert (same["last_at"], same["last_value"]) == (START + 60 * SECOND, '"text"')
    await assert_right(world)


async def test_an_hour_of_texts_has_no_numbers_until_one_arrives(world: LedgerWorld) -> None:
    await store(world, (START, "on"), (START + 1, "off"))
    world.pass_(3600)
    await aggregate(world)
    (hour,) = await hours(world)
    assert (hour["count"], hour["numbers"], hour["last_value"]) == (2, 0, '"off"')
    assert (hour["low"], hour["high"], hour["total"]) == (None, None, None)
    await store(world, (START + 2, 7.0))
    world.pass_(3600)
    await aggregate(world)
    (hour,) = await hours(world)
    assert (hour["count"], hour["numbers"], hour["low"], hour["high"], hour["total"]) == (3, 1, 7.0, 7.0, 7.0)
    await store(world, (START + 3, "on"))
    world.pass_(3600)
    await aggregate(world)
    (hour,) = await hours(world)
    assert (hour["count"], hour["numbers"], hour["low"], hour["total"]) == (4, 1, 7.0, 7.0)


async def test_huge_numbers_do_not_stop_the_aggregation(world: LedgerWorld) -> None:
    largest = 1.7976931348623157e308
    await store(
        world, *((START + n, value) for n, value in enumerate((MAX_NUMBER, MAX_NUMBER, largest, -largest, 1.0)))
    )
    world.pass_(3600)
    await aggregate(world)
    (hour,) = await hours(world)
    assert (hour["count"], hour["numbers"], hour["high"]) == (5, 3, MAX_NUMBER)
    assert hour["total"] == pytest.approx(2e300)


async def test_readings_are_added_in_pieces(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.aggregates.PIECE", 3)
    await store(world, *((START + n * HOUR // 5, float(n)) for n in range(-10, 1)))
    world.pass_(3600)
    assert await aggregate(world) == 4
    await assert_right(world)
    assert sum(hour["count"] for hour in await hours(world)) == 11
    assert await aggregate(world) == 1, "nothing is added twice"
    await assert_right(world)


async def test_a_run_reads_only_a_piece_of_the_open_hour(world: LedgerWorld) -> None:
    with mock.patch("app.models.ledger.aggregates.PIECE", 3):
        await store(world, *((None, float(n)) for n in range(10)))
        assert not await world.ledgers[0].submit(AggregateReadings())
        assert await hours(world) == []
        world.pass_(3600)
        await aggregate(world)
    (hour,) = await hours(world)
    assert hour["count"] == 10


async def test_a_clock_that_is_set_back_leaves_no_reading_out(world: LedgerWorld) -> None:
    """The database's clock passes a full hour, is set back by NTP, and passes it again."""
    world.now = THIS_HOUR + HOUR + SECOND
    await store(world, (None, 1.0))
    world.now = THIS_HOUR + HOUR - SECOND
    await store(world, (None, 2.0))
    world.now = THIS_HOUR + HOUR + 2 * SECOND
    await aggregate(world)
    await store(world, (None, 4.0))
    world.now += 2 * HOUR
    await aggregate(world)
    assert sum(hour["total"] for hour in await hours(world)) == 7.0
    await assert_right(world)


@pytest.mark.parametrize("lost", ["after_commit", "before_commit"])
async def test_each_reading_is_added_once_although_a_transaction_is_lost(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr("app.models.ledger.aggregates.PIECE", 2)
    losing = LosingStore(open_store(empty_world.url, unsafe=True))
    await empty_world.ledger(losing)
    await store(empty_world, *((START - n * HOUR // 3, float(n)) for n in range(7)))
    empty_world.pass_(3600)
    more = True
    while more:
        setattr(losing, lost, 1)
        more = await empty_world.ledgers[0].submit(AggregateReadings())
    await assert_right(empty_world)
    assert sum(hour["count"] for hour in await hours(empty_world)) == 7


async def test_two_processes_add_each_reading_once(empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.aggregates.PIECE", 5)
    ledgers = [await empty_world.ledger() for _ in range(2)]
    await store(empty_world, *((START - n * HOUR // 7, float(n)) for n in range(40)))
    empty_world.pass_(3600)

    async def run(ledger: Ledger) -> None:
        while await ledger.submit(AggregateReadings()):
            pass

    await asyncio.gather(*(run(ledger) for ledger in ledgers))
    await assert_right(empty_world)
    assert sum(hour["count"] for hour in await hours(empty_world)) == 40


NUMBERS: Final = st.floats(-1e12, 1e12, allow_nan=False) | st.sampled_from(["a", "b", 0.0, 1e300, -1e300])
REPORTS: Final = st.lists(
    st.tuples(
        st.sampled_from(["d", "e"]),
        st.sampled_from([PATH, "/3303/0/5701"]),
        st.lists(st.tuples(st.integers(-5 * HOUR, 2 * HOUR).map(lambda n: n // MILLISECOND), NUMBERS), max_size=4),
        st.integers(0, 3_000),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REPORTS, st.integers(1, 7))
async def test_random_readings_in_random_pieces_have_the_right_hours(
    world: LedgerWorld, reports: list[tuple[str, str, list[tuple[int, JsonValue]], int]], piece: int
) -> None:
    await world.clear()
    with mock.patch("app.models.ledger.aggregates.PIECE", piece):
        for endpoint, path, values, pause in reports:
            samples = [(world.now + offset * MILLISECOND, value) for offset, value in values]
            await store(world, *samples, path=path, endpoint=endpoint)
            world.pass_(pause)
            await world.ledgers[0].submit(AggregateReadings())
        world.pass_(3 * 3600)
        await aggregate(world)
    await assert_right(world)
    before = await hours(world)
    await rebuild(world, 0)
    for one in before:
        one["total"] = None if one["total"] is None else pytest.approx(one["total"], rel=1e-9, abs=1e291)
    assert await hours(world) == before


# --- computed again


async def rebuild(world: LedgerWorld, since: Instant, endpoint: str | None = None) -> Rebuilt:
    steps: list[tuple[int, int]] = []
    done = await rebuild_aggregates(world.ledgers[0], world.url, since, endpoint, lambda *step: steps.append(step))
    assert steps == [] or steps[-1] == (done.resources, done.resources)
    return done


async def damaged(world: LedgerWorld) -> list[dict[str, Any]]:
    """Store readings of five hours of two endpoints, return their hours, and falsify all of them."""
    for endpoint in ("d", "e"):
        for path in (PATH, "/3303/0/5701"):
            samples = [(START - n * HOUR // 2, float(n)) for n in range(10)]
            await store(world, *samples, path=path, endpoint=endpoint)
    world.pass_(3600)
    await aggregate(world)
    right = await hours(world)
    last = "(SELECT max(hour) FROM reading_hour)"
    for sql in (
        "UPDATE reading_hour SET count = count + 1, total = 0",
        f"DELETE FROM reading_hour WHERE hour = {last}",  # noqa: S608
        "UPDATE reading_hour SET hour = hour - 360000000000 WHERE hour = (SELECT min(hour) FROM reading_hour)",
    ):
        await world.reader.execute(sql)
    return right


async def test_a_rebuild_of_a_name_is_not_that_of_a_deleted_endpoint(world: LedgerWorld) -> None:
    await store(world, (START, 1.0), endpoint="d")
    await world.ledgers[0].submit(DeleteEndpoint("d", "olga"))
    with pytest.raises(UnknownEndpoint):
        await rebuild(world, 0, "d")
    world.pass_(1)
    await world.ingest(registered("d", "r2"))
    await store(world, (None, 2.0), endpoint="d")
    world.pass_(3600)
    await aggregate(world)
    right = await hours(world)
    (live,) = await world.rows("SELECT id FROM endpoint WHERE deleted_at IS NULL")
    await world.reader.execute("UPDATE reading_hour SET count = 7 WHERE endpoint_id = $1", live["id"])
    await rebuild(world, 0, "d")
    assert await hours(world) == right


@pytest.mark.parametrize("limit", [1, 4, 10_000])
async def test_a_rebuild_restores_hours_from_their_readings(
    world: LedgerWorld, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.rebuild.READINGS", limit)
    monkeypatch.setattr("app.models.rebuild.RESOURCES", 3)
    right = await damaged(world)
    await store(world, (None, 100.0))  # not aggregated yet, and not added by the rebuild
    done = await rebuild(world, START - 200 * HOUR)
    assert (done.resources, done.readings) == (4, 41)
    assert await hours(world) == right
    world.pass_(3600)
    await aggregate(world)
    await assert_right(world)


async def test_a_rebuild_of_an_endpoint_since_a_time_changes_nothing_else(world: LedgerWorld) -> None:
    right = await damaged(world)
    (d,) = {one["endpoint_id"] for one in right if one["path"] == PATH} - {(await world.endpoint("e"))["id"]}
    since = START - HOUR
    before = await hours(world)
    done = await rebuild(world, since, "d")
    assert done.since == since // HOUR * HOUR
    chosen = {(d, since // HOUR * HOUR), (d, since // HOUR * HOUR + HOUR)}
    after = await hours(world)
    assert [one for one in after if (one["endpoint_id"], one["hour"]) in chosen] == [
        one for one in right if (one["endpoint_id"], one["hour"]) in chosen
    ]
    assert [one for one in after if (one["endpoint_id"], one["hour"]) not in chosen] == [
        one for one in before if (one["endpoint_id"], one["hour"]) not in chosen
    ]
    await rebuild(world, 0)
    assert await hours(world) == right


async def test_a_rebuild_of_an_unknown_endpoint_changes_nothing(world: LedgerWorld) -> None:
    with pytest.raises(UnknownEndpoint):
        await rebuild(world, START, "nobody")


async def test_hours_of_pruned_readings_are_not_computed_again(empty_world: LedgerWorld) -> None:
    world = empty_world
    ledger = await world.ledger(reading_retention=2 * DAY, aggregate_retention=100 * 365 * DAY)
    world.now = (START + 3_650 * DAY) // DAY * DAY - 1  # the last moment of a day after the migration
    await store(world, (world.now - HOUR, 1.0))
    first = await world.row("SELECT seq FROM reading")
    world.pass_(2 * 3600)
    await aggregate(world)
    world.pass_(10 * 86_400)
    await store(world, (None, 2.0), (EARLIEST_CLOCK, 3.0))
    kept = world.now
    world.pass_(3600)
    await aggregate(world)
    before = await hours(world)
    while await ledger.submit(PruneReadings()):
        pass
    assert await world.row("SELECT reading_horizon AS seq FROM ledger_head") == first
    assert len(await world.rows("SELECT * FROM reading")) == 2
    with pytest.raises(ReadingsPruned) as refused:
        await rebuild(world, kept - HOUR)
    complete = refused.value.complete_from
    assert complete is not None
    assert kept < complete <= kept + 2 * HOUR
    assert (await rebuild(world, complete)).resources == 1
    resource = before[0]["endpoint_id"], PATH
    await ledger.submit(RebuildAggregates(*resource, 0, NEVER))  # as if they had been pruned meanwhile
    assert await hours(world) == before


async def test_a_rebuild_without_any_stored_reading_is_refused(world: LedgerWorld) -> None:
    await world.reader.execute("UPDATE ledger_head SET seq = 9, reading_horizon = 9")
    with pytest.raises(ReadingsPruned) as refused:
        await rebuild(world, START)
    assert refused.value.complete_from is None


async def test_a_rebuild_ends_with_an_error_if_the_database_is_unavailable(empty_world: LedgerWorld) -> None:
    losing = LosingStore(open_store(empty_world.url, unsafe=True))
    await empty_world.ledger(losing)
    right = await damaged(empty_world)
    losing.before_commit = 4
    with pytest.raises(LedgerUnavailable):
        await rebuild(empty_world, 0)
    await rebuild(empty_world, 0)
    assert await hours(empty_world) == right


# --- the invariants of readings: each is violated by hand, and named

BREACHES: Final = {
    "a wrong count": (15, "UPDATE reading_hour SET count = count + 1"),
    "a wrong number of numbers": (15, "UPDATE reading_hour SET numbers = numbers - 1"),
    "a wrong minimum": (15, "UPDATE reading_hour SET low = low - 1"),
    "a wrong maximum": (15, "UPDATE reading_hour SET high = NULL"),
    "a wrong sum": (15, "UPDATE reading_hour SET total = total * 1.00001"),
    "a wrong last value": (15, "UPDATE reading_hour SET last_value = '7.5'"),
    "a wrong last time": (15, "UPDATE reading_hour SET last_at = last_at + 1"),
    "a missing hour": (15, "DELETE FROM reading_hour"),
    "an hour without readings": (15, "UPDATE reading_hour SET hour = hour + 3600000000"),
    "a reading that was counted and is gone": (15, "DELETE FROM reading WHERE value = '1.0'"),
    "a reading that was never counted": (15, "UPDATE ledger_head SET aggregated = seq"),
    "a state with another value": (16, "UPDATE resource_state SET value = '7.5'"),
    "a state with another type": (16, "UPDATE resource_state SET type = 'INTEGER'"),
    "a state that is too old": (16, "UPDATE resource_state SET at = at - 1"),
    "a state that is too new": (16, "UPDATE resource_state SET at = at + 1"),
    "a reading beyond the head": (17, "UPDATE reading SET seq = seq + 100 WHERE value = '3.0'"),
}


@pytest.mark.parametrize(("number", "breach"), BREACHES.values(), ids=BREACHES.keys())
async def test_a_violated_invariant_of_readings_is_named(world: LedgerWorld, number: int, breach: str) -> None:
    await store(world, (START, 1.0), (START + SECOND, 2.0))
    world.pass_(3600)
    await aggregate(world)
    await store(world, (START + 2 * SECOND, 3.0))
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute(breach)
    broken = await violations(world.url, now=world.now)
    named = [sentence for sentence in broken if sentence.startswith(f"invariant {number}: ")]
    assert named, broken
    if number != 17:
        assert all(sentence.startswith(f"invariant {number}: d {PATH}") for sentence in named)
    await world.clear()


async def test_only_the_hours_of_the_last_day_are_verified_if_so_requested(world: LedgerWorld) -> None:
    """The day ends at the newest reading, not now: the check of an old copy must not pass because it is old."""
    old, recent = START - 25 * HOUR, START - 23 * HOUR
    await store(world, (old, 1.0), (recent, 2.0), (START, 3.0))
    world.pass_(40 * DAY // SECOND)
    await aggregate(world)
    damage = "UPDATE reading_hour SET count = count + {} WHERE hour = {}"
    await world.reader.execute(damage.format(1, old // HOUR * HOUR))
    assert len(await violations(world.url, now=world.now)) == 1
    assert await violations(world.url, now=world.now, recent_only=True) == []
    await world.reader.execute(damage.format(1, recent // HOUR * HOUR))
    (broken,) = await violations(world.url, now=world.now, recent_only=True)
    assert broken.startswith(f"invariant 15: d {PATH}, hour from {recent // HOUR * 3_600} s")
    await world.clear()


UNGUARDED: Final = {
    True: "ALTER TABLE ledger_head DROP CONSTRAINT ck_ledger_head_readings",
    False: "PRAGMA ignore_check_constraints = ON",
}


@pytest.mark.parametrize("column", ["aggregated", "reading_horizon"])
async def test_a_mark_beyond_the_head_is_named(world: LedgerWorld, column: str) -> None:
    await world.reader.execute(UNGUARDED[world.reader.postgres])
    await world.reader.execute(f"UPDATE ledger_head SET {column} = seq + 1")  # noqa: S608
    (broken,) = await violations(world.url, now=world.now)
    assert broken.startswith("invariant 17: ")
    await world.reader.execute(f"UPDATE ledger_head SET {column} = 0")  # noqa: S608


async def test_hours_that_need_not_be_kept_are_not_reported(world: LedgerWorld) -> None:
    await store(world, (EARLIEST_CLOCK, 1.0), (None, 2.0))
    world.pass_(3600)
    await aggregate(world)
    while await world.ledgers[0].submit(PruneReadings()):
        pass
    (hour,) = await hours(world)
    assert load_json(hour["last_value"]) == 2.0
    assert await violations(world.url, now=world.now) == []
    await world.clear()


async def test_a_group_counts_its_readings_by_origin(world: LedgerWorld) -> None:
    with mock.patch.object(world.ledgers[0], "_observe") as observed:
        command = IngestEvents(
            [
                DecodedEvent(
                    Reported(endpoint="d", nodes={}), samples=[TypedSample({PATH: TypedValue(ValueType.FLOAT, 1.0)})]
                )
            ]
        )
        await world.ledgers[0].submit(command)
    assert observed.call_args.args[0].readings == {"NOTIFICATION": 1}
