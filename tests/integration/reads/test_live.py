"""The live log: every event once and in order, whenever a subscriber joins, and never a silent gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from app.domain.enums import OperationStatus, Presence, ValueType
from app.domain.values import TypedValue
from app.models import queries
from app.models.cursors import InvalidCursor, parse_log_cursor
from app.models.ledger import AggregateReadings, DecodedEvent, Prune, PruneReadings, TypedSample
from app.models.live import CursorExpired, Lagged, LiveLog, TransitionCriteria
from app.models.queries import access
from tests.support.ledger import SUCCESS, LedgerWorld, delayed, deregistered, new, registered, response, updated
from tests.support.live_log import POLL, Follower, live_log
from tests.support.waiting import eventually

S = OperationStatus
ALL = TransitionCriteria()


async def logged(world: LedgerWorld, after: int = 0, where: str = "TRUE") -> list[int]:
    """Return the ``seq`` of the transitions after a position, as the log has them."""
    joined = "transition t JOIN operation o ON o.seq = t.operation_id"
    sql = f"SELECT t.seq FROM {joined} WHERE t.seq > $1 AND {where} ORDER BY t.seq"  # noqa: S608
    return [row["seq"] for row in await world.rows(sql, after)]


async def take(events: AsyncGenerator[Any, None], seqs: list[int], after: Callable[[], bool] = lambda: True) -> None:
    """Collect events to the end, once a condition holds."""
    await eventually(after)
    async for event in events:
        seqs.append(event.seq)  # noqa: PERF401 - the events before an error count


async def confirmed(world: LedgerWorld, endpoint: str = "d") -> int:
    """Create one more operation and confirm it; return its last ``seq``."""
    await world.create(new(endpoint))
    await world.attempt(SUCCESS)
    return await queries.log_position()


@pytest.mark.asyncio
async def test_from_now_on(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(registered("d"))
    before = await confirmed(world)
    follower = Follower(live.transitions(ALL))
    await eventually(lambda: live.subscribers == 1)
    events = await follower.upto(await confirmed(world))
    assert [event.transition.to_status for event in events] == [S.QUEUED, S.SENDING, S.CONFIRMED]
    assert follower.seqs == await logged(world, before)
    assert {event.endpoint.name for event in events} == {"d"}
    assert all(event.operation.version >= event.transition.number for event in events)
    assert [parse_log_cursor(event.cursor) for event in events] == follower.seqs
    await follower.stop()
    assert live.subscribers == 0


@pytest.mark.asyncio
async def test_after_a_cursor_first_the_log_then_live(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(registered("d"))
    cursor = await confirmed(world)
    for _ in range(5):
        await confirmed(world)
    follower = Follower(live.transitions(ALL, cursor))
    await eventually(lambda: len(follower.events) >= 15)
    await follower.upto(await confirmed(world))
    assert follower.seqs == await logged(world, cursor)
    await follower.stop()


@pytest.mark.asyncio
async def test_a_subscriber_far_behind_is_served_in_pieces(
    world: LedgerWorld, live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("d"), registered("e"))
    monkeypatch.setattr("app.models.live.log.NEAR", 10)
    monkeypatch.setattr("app.models.live.events.PIECE", 7)
    monkeypatch.setattr("app.models.queries.log.WINDOW", 11)
    for _ in range(20):
        await world.create(new("d"), new("e"))
    everybody = Follower(live.transitions(ALL, 0))
    one = Follower(live.transitions(TransitionCriteria(endpoint="e", to_statuses=[S.QUEUED]), 0))
    await world.create(*(new("e") for _ in range(30)))
    last = await queries.log_position()
    await everybody.upto(last)
    await one.upto(last)
    assert everybody.seqs == await logged(world)
    endpoint = await queries.endpoint_by_name("e")
    assert endpoint is not None
    assert one.seqs == await logged(world, 0, f"o.endpoint_id = {endpoint.id}")
    await everybody.stop()
    await one.stop()


@pytest.mark.asyncio
@pytest.mark.parametrize("live_part", [True, False])
async def test_subscribers_receive_what_their_filters_select(
    world: LedgerWorld, live: LiveLog, live_part: bool
) -> None:
    await world.ingest(registered("d"), registered("e"))
    (first,) = await world.create(new("d"))
    (second,) = await world.create(new("e"))
    ids = {seq: operation.id for seq, operation in (await queries.operations_by_seq([first, second])).items()}
    asked = {
        "TRUE": ALL,
        f"o.seq = {first}": TransitionCriteria(endpoint="d"),
        f"o.seq = {second}": TransitionCriteria(operation_ids=[ids[second].upper(), ids[second]]),
        "t.to_status = 'CONFIRMED'": TransitionCriteria(to_statuses=[S.CONFIRMED]),
        f"o.seq = {first} AND t.to_status <> 'QUEUED'": TransitionCriteria("d", None, [S.SENDING, S.CONFIRMED]),
        f"o.seq IN ({first}) AND t.to_status = 'SENDING'": TransitionCriteria("d", list(ids.values()), [S.SENDING]),
        "o.seq = -1": TransitionCriteria("d", [ids[second]], None),
        "o.seq = -2": TransitionCriteria(operation_ids=[]),
        "o.seq = -3": TransitionCriteria(endpoint="nobody"),
    }
    start = await queries.log_position()
    followers = {where: Follower(live.transitions(criteria, start)) for where, criteria in asked.items()}
    if live_part:
        await eventually(lambda: live.subscribers == len(asked))
    for claimed in await world.claim():
        await world.settle(claimed, SUCCESS)
    await followers["TRUE"].upto(await queries.log_position())
    for where, follower in followers.items():
        expected = await logged(world, start, where)
        if expected:
            await follower.upto(expected[-1])
        assert follower.seqs == expected, where
        await follower.stop()


@pytest.mark.asyncio
async def test_presence_and_resources(world: LedgerWorld, live: LiveLog) -> None:
    start = await queries.log_position()
    followers = [
        Follower(live.presences(after=start)),
        Follower(live.presences("d", start)),
        Follower(live.resources(after=start)),
        Follower(live.resources("d", "/3", start)),
    ]
    await eventually(lambda: live.subscribers == 4)
    values = {path: TypedValue(ValueType.INTEGER, path) for path in ("/3/0/9", "/3303/0/5700")}
    for name in ("e", "d"):
        await world.ingest(DecodedEvent(registered(name), samples=[TypedSample(values)]))
    await world.ingest(DecodedEvent(updated("d", 2), samples=[TypedSample(values)]), deregistered("e"))
    world.pass_(3)
    await world.sweep()
    last = await queries.log_position()
    await followers[0].upto(last)
    await eventually(lambda: [len(f.events) for f in followers] == [3, 1, 6, 2])
    told = [(event.endpoint.name, event.change.presence) for event in followers[0].events]
    assert told == [("e", Presence.ONLINE), ("d", Presence.ONLINE), ("e", Presence.OFFLINE)]
    assert [event.change.value for event in followers[3].events] == ["/3/0/9", "/3/0/9"]
    late = [
        Follower(live.presences("e", start)),
        Follower(live.resources("d", "/3303", start)),
        Follower(live.resources(None, "/3/0", start)),
    ]
    await eventually(lambda: [len(f.events) for f in late] == [2, 2, 3])
    for follower in (*followers, *late):
        assert follower.seqs == sorted(set(follower.seqs))
        await follower.stop()


@pytest.mark.asyncio
async def test_a_slow_subscriber_receives_the_cursor_to_resume_from(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    async with live_log(queue_limit=4) as live:
        start = await queries.log_position()
        async with aclosing(live.transitions(ALL, start)) as events:
            first = asyncio.ensure_future(anext(events))
            await eventually(lambda: live.subscribers == 1)
            await world.create(new("d"))
            taken = [(await first).seq]
            await world.create(*(new("d") for _ in range(20)))
            with pytest.raises(Lagged) as lagged:
                await take(events, taken, after=lambda: any(s.ending for s in live._transitions._subscribers))
        assert parse_log_cursor(lagged.value.cursor) == taken[-1]
        again = Follower(live.transitions(ALL, parse_log_cursor(lagged.value.cursor)))
        await again.upto(await queries.log_position())
        assert taken + again.seqs == await logged(world, start)
        await again.stop()


@pytest.mark.asyncio
async def test_one_slow_subscriber_delays_no_other(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    async with live_log(queue_limit=4) as live, aclosing(live.transitions(ALL)) as stuck:
        first = asyncio.ensure_future(anext(stuck))
        quick = Follower(live.transitions(ALL))
        await eventually(lambda: live.subscribers == 2)
        start = await queries.log_position()
        for _ in range(10):
            await quick.upto((await world.create(new("d")))[0])
        assert quick.seqs == await logged(world, start)
        assert (await first).seq == quick.seqs[0]
        await quick.stop()


@pytest.mark.asyncio
async def test_a_pruned_cursor_is_refused(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(registered("d"))
    old = await queries.log_position()
    edge = await confirmed(world)
    value = TypedSample({"/3/0/9": TypedValue(ValueType.INTEGER, "7")})
    await world.ingest(DecodedEvent(updated("d", 2), samples=[value]))
    world.pass_(3_650 * 24 * 3600)  # past the partition of the migration
    await world.ingest(updated("d", 3))
    for command in (Prune, AggregateReadings, PruneReadings):
        while await world.ledgers[0].submit(command()):
            pass
    for events in (live.transitions(ALL, old), live.presences(None, old), live.resources(None, None, old)):
        with pytest.raises(CursorExpired):
            await anext(events)
    follower = Follower(live.transitions(ALL, edge))
    await follower.upto(await confirmed(world))
    assert follower.seqs == await logged(world, edge)
    await follower.stop()


@pytest.mark.asyncio
async def test_pruning_during_a_read_of_the_log_is_detected(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("d"))
    start = await queries.log_position()
    for _ in range(5):
        await confirmed(world)
    monkeypatch.setattr("app.models.live.events.PIECE", 3)
    async with live_log() as live, aclosing(live.transitions(ALL, start)) as events:
        assert (await anext(events)).operation.status is S.CONFIRMED
        world.pass_(91 * 24 * 3600)
        await world.ledgers[0].submit(Prune())
        with pytest.raises(CursorExpired):
            await take(events, [])


@pytest.mark.asyncio
async def test_a_reader_overtaken_by_pruning_reports_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    started = asyncio.Event()

    async def never_told(poll: float) -> None:
        started.set()
        await pruned.wait()
        await asyncio.sleep(POLL)

    pruned = asyncio.Event()
    live = LiveLog(never_told)
    await live.start()
    await started.wait()
    follower = Follower(live.transitions(ALL))
    await eventually(lambda: live.subscribers == 1)
    await confirmed(world)
    world.pass_(91 * 24 * 3600)
    await world.ledgers[0].submit(Prune())
    pruned.set()
    with pytest.raises(CursorExpired):
        await follower.ended()
    assert follower.events == []
    await live.close()


@pytest.mark.asyncio
async def test_a_cursor_from_beyond_the_log_is_refused(world: LedgerWorld, live: LiveLog) -> None:
    with pytest.raises(InvalidCursor):
        await anext(live.transitions(ALL, await queries.log_position() + 1))


@pytest.mark.asyncio
async def test_closing_ends_every_subscription_without_an_error(world: LedgerWorld) -> None:
    async with live_log() as live:
        followers = [Follower(live.transitions(ALL)), Follower(live.presences()), Follower(live.resources())]
        await eventually(lambda: live.subscribers == 3)
    for follower in followers:
        await follower.ended()
    late = Follower(live.transitions(ALL, 0))
    await late.ended()
    assert live.subscribers == 0


@pytest.mark.asyncio
async def test_an_unavailable_database_is_retried(
    world: LedgerWorld, live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("d"))
    follower = Follower(live.transitions(ALL))
    await eventually(lambda: live.subscribers == 1)
    tries: list[Any] = []

    async def away(_reader: Any, sql: str, _values: Any) -> Any:
        tries.append(sql)
        raise ConnectionRefusedError("no database")

    start = await queries.log_position()
    monkeypatch.setattr(type(access.reader()), "execute_query", away)
    late = Follower(live.transitions(ALL, start))
    await world.create(new("d"))
    await eventually(lambda: len(tries) >= 5)
    monkeypatch.undo()
    last = (await world.create(new("d")))[0] + 1
    for waited in (follower, late):
        await waited.upto(last)
        assert waited.seqs == await logged(world, start)
        await waited.stop()


@pytest.mark.asyncio
async def test_the_response_to_a_delayed_request_is_read_in_order(world: LedgerWorld, live: LiveLog) -> None:
    """One group may move an operation twice; each step is a separate event."""
    await world.ingest(registered("d"))
    follower = Follower(live.transitions(ALL))
    await eventually(lambda: live.subscribers == 1)
    await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(response("d", "r", SUCCESS))
    await world.settle(claimed, delayed("r"))
    events = await follower.upto(await queries.log_position())
    assert [event.transition.to_status for event in events] == [S.QUEUED, S.SENDING, S.SENDING, S.CONFIRMED]
    assert [event.transition.number for event in events] == [1, 2, 3, 4]
    await follower.stop()
