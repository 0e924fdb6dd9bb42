"""Many callers, one commit: a bad command fails alone, a caller that leaves changes nothing, a lost response repeats
nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio

from app.dispatcher.verdict import judge
from app.domain.enums import ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.ledger import (
    Cancel,
    Claim,
    Conflict,
    Create,
    DecodedEvent,
    HandOver,
    IngestEvents,
    Ledger,
    LedgerOverloaded,
    LedgerUnavailable,
    Rules,
    Settle,
    StreamPosition,
    TypedSample,
    UnsafeDatabase,
    open_store,
)
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.store import LONG_STATEMENT_SECONDS, STATEMENT_SECONDS, Store, StoreUnavailable
from tests.support.ledger import LOST, SUCCESS, LedgerWorld, LosingStore, new, registered
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio


@dataclass
class Losing:
    """A world whose only ledger uses a :class:`LosingStore`."""

    world: LedgerWorld
    store: LosingStore

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Lose the response to the next COMMIT."""
        self.store.after_commit = 1
        yield
        assert self.store.after_commit == 0


@pytest_asyncio.fixture
async def losing(empty_world: LedgerWorld) -> Losing:
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    await empty_world.ledger(store)
    await empty_world.ingest(registered("d"))
    return Losing(empty_world, store)


async def test_a_create_whose_commit_was_not_answered_is_stored_once(losing: Losing) -> None:
    with losing.lost():
        (created,) = await losing.world.ledgers[0].submit(Create([new("d")]))
    assert created.created
    assert (await losing.world.endpoint("d"))["queued"] == 1


async def test_a_keyed_create_is_found_after_a_lost_commit_as_created(losing: Losing) -> None:
    with losing.lost():
        (created,) = await losing.world.ledgers[0].submit(Create([new("d", idempotency_key="k")]))
    assert created.created
    (again,) = await losing.world.ledgers[0].submit(Create([new("d", idempotency_key="k")]))
    assert (again.seq, again.created) == (created.seq, False)


async def test_a_claim_is_found_by_its_token_after_a_lost_commit(losing: Losing) -> None:
    world = losing.world
    (seq,) = await world.create(new("d"))
    with losing.lost():
        claimed = await world.claim_one()
    assert (claimed.seq, claimed.attempt) == (seq, 1)
    assert (await world.operation(seq))["attempt"] == 1
    assert await world.settle(claimed, SUCCESS) == "CONFIRMED"


async def test_a_settle_is_applied_once_over_a_lost_commit(losing: Losing) -> None:
    world = losing.world
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    with losing.lost():
        await world.settle(claimed, SUCCESS)
    assert len(await world.steps(seq)) == 3


async def test_a_cancel_does_not_conflict_with_itself_over_a_lost_commit(losing: Losing) -> None:
    operation = new("d")
    (seq,) = await losing.world.create(operation)
    with losing.lost():
        assert await losing.world.ledgers[0].submit(Cancel(operation.id)) == seq


async def test_a_delivery_takes_effect_once_over_a_lost_commit(losing: Losing) -> None:
    with losing.lost():
        await losing.world.ingest(registered("d", "r2"), delivery="w1")
    await losing.world.ingest(registered("d", "r3"), delivery="w1")
    endpoint = await losing.world.endpoint("d")
    assert (endpoint["registration_id"], endpoint["wake_seq"]) == ("r2", 2)


def told(place: StreamPosition, *, again: bool = False) -> IngestEvents:
    reading = TypedSample({"/3303/0/5700": TypedValue(ValueType.FLOAT, 21.5)})
    return IngestEvents(
        [DecodedEvent(Reported(endpoint="d", nodes={}), samples=(reading,))], position=place, again=again
    )


async def values(world: LedgerWorld) -> int:
    return int((await world.row("SELECT count(*) AS n FROM reading"))["n"])


async def test_events_of_a_stream_take_effect_once_over_a_lost_commit(losing: Losing) -> None:
    world = losing.world
    with losing.lost():
        await world.ledgers[0].submit(told(StreamPosition("#a")))
    assert await values(world) == 1
    assert await world.ledgers[0].submit(told(StreamPosition("#a"), again=True)) == 0, "the ledger was away for longer"
    assert await world.ledgers[0].submit(told(StreamPosition("#b"), again=True)) == 1, "nothing was committed before"
    assert await values(world) == 2
    assert await world.ledgers[0].submit(told(StreamPosition("#b"))) == 1, "a place is looked at only when in doubt"


async def test_a_lost_call_is_handed_over_once_over_a_lost_commit(losing: Losing) -> None:
    world = losing.world
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    hand_over = HandOver(seq, claimed.attempt, claimed.token, LOST)
    with losing.lost():
        assert await world.ledgers[0].submit(hand_over)
    assert await world.ledgers[0].submit(hand_over)
    assert await world.steps(seq) == [("QUEUED", None), ("SENDING", None), ("SENDING", "LESHAN_UNREACHABLE")]


class BadAfterAll(Command[None]):
    """A command that is accepted at first, and refused when it is repeated."""

    phase = Phase.MAINTENANCE

    def apply(self, group: Group) -> None:
        if group.again:
            raise RuntimeError("bad after all")


async def test_a_bad_command_after_a_lost_commit_does_not_hide_the_loss(losing: Losing) -> None:
    operation, ledger = new("d"), losing.world.ledgers[0]
    (seq,) = await losing.world.create(operation)
    with losing.lost():
        cancel, bad = ledger.enqueue(Cancel(operation.id)), ledger.enqueue(BadAfterAll())
        results = await asyncio.gather(cancel, bad, return_exceptions=True)
    assert results[0] == seq
    assert isinstance(results[1], RuntimeError)


async def test_a_connection_lost_before_the_commit_is_replaced_without_loss(losing: Losing) -> None:
    losing.store.before_commit = 2
    (seq,) = await losing.world.create(new("d"))
    assert await losing.world.status(seq) == "QUEUED"
    assert losing.store.opened == 3


async def test_an_outage_is_reported_and_later_commands_are_stored(losing: Losing) -> None:
    losing.store.before_commit = 4
    with pytest.raises(LedgerUnavailable):
        await losing.world.create(new("d"))
    assert (await losing.world.endpoint("d"))["queued"] == 0
    await losing.world.create(new("d"))
    assert (await losing.world.endpoint("d"))["queued"] == 1


async def test_a_refused_command_fails_without_the_others(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", idempotency_key="k"))
    ledger = world.ledgers[0]
    good = [ledger.enqueue(Create([new("d")])) for _ in range(3)]
    bad = ledger.enqueue(Create([new("d", idempotency_key="k", value="other")]))
    good.append(ledger.enqueue(Create([new("d")])))
    assert [(await future)[0].created for future in good] == [True] * 4
    with pytest.raises(Conflict):
        await bad


async def test_a_command_that_the_database_refuses_fails_without_the_others(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    ledger = world.ledgers[0]
    good = [ledger.enqueue(Create([new("d")])) for _ in range(3)]
    bad = ledger.enqueue(Create([new("d"), new("d", priority=1_000)]))
    also_good = ledger.enqueue(IngestEvents([DecodedEvent(registered("other"))]))
    results = await asyncio.gather(*good, bad, also_good, return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, False, False, True, False]
    assert not isinstance(results[3], LedgerUnavailable)
    assert (await world.endpoint("d"))["queued"] == 3
    assert await world.presence("other") == "ONLINE"


@pytest.mark.parametrize("name", ["n\ud800", "d" * 100], ids=["half a surrogate pair", "a number too large"])
async def test_input_that_the_driver_refuses_fails_without_the_others(world: LedgerWorld, name: str) -> None:
    await world.ingest(registered("d"))
    ledger = world.ledgers[0]
    good = ledger.enqueue(Create([new("d")]))
    event = registered(name, last_update=2**70 if len(name) > 2 else 1)
    bad = ledger.enqueue(IngestEvents([DecodedEvent(registered("whole")), DecodedEvent(event)]))
    results = await asyncio.gather(good, bad, return_exceptions=True)
    assert isinstance(results[1], Exception)
    assert not isinstance(results[1], LedgerUnavailable)
    assert not isinstance(results[0], BaseException)
    assert await world.rows("SELECT * FROM endpoint WHERE name = 'whole'") == []


async def test_canceled_callers_change_nothing_for_the_others(world: LedgerWorld) -> None:
    await world.ingest(*(registered(f"d{n}") for n in range(10)))
    ledger = world.ledgers[0]
    waiting = [asyncio.create_task(ledger.submit(Create([new(f"d{n % 10}")]))) for n in range(1_000)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    seqs = [result[0].seq for result in results[1::2] if not isinstance(result, BaseException)]
    assert len(set(seqs)) == 500
    stored = {row["seq"] for row in await world.rows("SELECT seq FROM operation")}
    assert set(seqs) <= stored
    assert len(await world.claim()) == 10


async def test_commands_of_one_commit_are_applied_events_first_claims_last(world: LedgerWorld) -> None:
    """The order of submission does not matter: a device that registers in this commit can be called in this commit."""
    ledger = world.ledgers[0]
    claim = ledger.enqueue(Claim(10, str(uuid.uuid4())))
    create = ledger.enqueue(Create([new("d")]))
    ledger.enqueue(IngestEvents([DecodedEvent(registered("d"))]))
    (created,) = await create
    assert [claimed.seq for claimed in await claim] == [created.seq]


async def test_a_claim_has_begun_before_anything_of_its_group_is_read(world: LedgerWorld) -> None:
    """A slot that becomes free from then on belongs to a call that the group counts as open. Added to this claim it
    used to receive nothing, and stayed free until another event made the dispatcher poll."""
    claim, begun = Claim(1, str(uuid.uuid4())), []
    begin = Ledger._begin

    async def watched(ledger: Ledger, seconds: float, *, again: bool) -> Group:
        begun.append(claim.begun)
        return await begin(ledger, seconds, again=again)

    with mock.patch.object(Ledger, "_begin", watched):
        answer = world.ledgers[0].enqueue(claim)
        assert not claim.begun
        await answer
    assert begun == [True]


async def test_notifications_are_published_after_the_commit_if_needed(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    world.published.clear()
    await world.ingest(registered("d"))
    assert world.published == []
    (seq,) = await world.create(new("d"))
    head = await world.row("SELECT seq FROM ledger_head")
    assert world.published == ["changed", "wake"]
    assert head["seq"] > seq


async def test_closing_writes_the_waiting_commands_and_accepts_no_new_ones(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger()
    futures = [ledger.enqueue(IngestEvents([DecodedEvent(registered(f"d{n}"))])) for n in range(50)]
    await ledger.close()
    assert all(future.done() and not future.exception() for future in futures)
    with pytest.raises(LedgerUnavailable):
        ledger.enqueue(IngestEvents([]))


@dataclass
class SwallowingStore:
    """A store behind a connection that drops everything: a transaction begins, and no response ever arrives."""

    store: Store
    swallows: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Future[None] | None = None

    async def begin(self, seconds: float = STATEMENT_SECONDS) -> None:
        if self.swallows:
            self.answer = asyncio.get_running_loop().create_future()
            self.asked.set()
            await self.answer
        await self.store.begin(seconds)

    async def close(self) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(StoreUnavailable("the connection was closed"))
        await self.store.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def test_a_queued_command_whose_caller_was_answered_is_dropped(empty_world: LedgerWorld) -> None:
    store = SwallowingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.swallows = True
    begun = ledger.enqueue(IngestEvents([DecodedEvent(registered("begun"))]))
    await store.asked.wait()
    with pytest.raises(LedgerUnavailable, match="no answer within 0 s"):
        await ledger.submit(IngestEvents([DecodedEvent(registered("given up"))]), within=0)
    left = asyncio.create_task(ledger.submit(IngestEvents([DecodedEvent(registered("left"))]), within=60))
    await asyncio.sleep(0)
    left.cancel()  # a client that leaves cancels nothing
    store.swallows = False
    assert store.answer is not None
    store.answer.set_result(None)
    assert await begun == 1
    await ledger.submit(IngestEvents([DecodedEvent(registered("after"))]), within=60)
    await ledger.close()
    rows = await empty_world.rows("SELECT name FROM endpoint ORDER BY name")
    assert [row["name"] for row in rows] == ["after", "begun", "left"]


async def test_commands_that_arrive_before_a_transaction_has_begun_belong_to_it(empty_world: LedgerWorld) -> None:
    store = SwallowingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    sizes: list[int] = []
    observed = mock.patch.object(ledger, "_observe", lambda committed: sizes.append(committed.commands))
    store.swallows = True
    first = ledger.enqueue(IngestEvents([DecodedEvent(registered("first"))]))
    await store.asked.wait()
    store.swallows = False
    joined = [ledger.enqueue(IngestEvents([DecodedEvent(registered(f"joined-{number}"))])) for number in range(3)]
    slow = ledger.enqueue(Slow())
    assert store.answer is not None
    with observed:
        store.answer.set_result(None)
        assert [await one for one in (first, *joined)] == [1] * 4
        assert await slow == "d"
    # its statements may take longer than those of a transaction that has begun already
    assert sizes == [4, 1]


class Slow(Command[str]):
    """A command whose statements may take long."""

    phase = Phase.INGEST
    seconds = LONG_STATEMENT_SECONDS

    def apply(self, group: Group) -> str:
        return group.new_endpoint("d").name


class UnsafeWhenReopened(LosingStore):
    """A store whose connection breaks, and whose database is unsafe then: that of a promoted server."""

    async def open(self) -> None:
        if self.opened:
            raise UnsafeDatabase("PostgreSQL runs with fsync = off.")
        await super().open()


async def test_a_promoted_server_that_is_unsafe_is_unavailable(empty_world: LedgerWorld) -> None:
    store = UnsafeWhenReopened(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.before_commit = 1
    with pytest.raises(LedgerUnavailable, match="fsync = off"):
        await ledger.submit(IngestEvents([DecodedEvent(registered("d"))]))


async def test_the_ledger_closes_although_the_database_is_unresponsive(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.ledger.CLOSE_SECONDS", 0)
    store = SwallowingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.swallows = True
    first = ledger.enqueue(IngestEvents([DecodedEvent(registered("d"))]))
    await store.asked.wait()
    second = ledger.enqueue(IngestEvents([DecodedEvent(registered("e"))]))
    async with asyncio.timeout(BOUND):
        await ledger.close()
    for waiting in (first, second):
        with pytest.raises(LedgerUnavailable):
            await waiting
    assert await empty_world.rows("SELECT name FROM endpoint") == []


async def test_more_commands_than_can_be_written_soon_are_refused(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.ledger.MAX_WAITING", 2)
    ledger = world.ledgers[0]
    futures = [ledger.enqueue(IngestEvents([])) for _ in range(2)]
    with pytest.raises(LedgerOverloaded):
        ledger.enqueue(IngestEvents([]))
    await asyncio.gather(*futures)


async def test_long_lists_are_split_into_several_transactions(losing: Losing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.ledger.MAX_WEIGHT", 5)
    with mock.patch.object(losing.store, "commit", wraps=losing.store.commit) as commits:
        lists = [[registered(f"d{n}") for n in range(length)] for length in (3, 3, 2, 7)]
        await asyncio.gather(*(losing.world.ingest(*events) for events in lists))
    assert commits.call_count == 3
    assert (await losing.world.row("SELECT count(*) AS n FROM endpoint"))["n"] == 8


async def test_a_failed_notification_repeats_nothing(empty_world: LedgerWorld) -> None:
    """Committed commands are not executed again when their notification fails."""

    def notify(_channel: str) -> None:
        raise RuntimeError("no bus")

    ledger = Ledger(open_store(empty_world.url, unsafe=True), Rules(judge=judge), notify=notify)
    await ledger.start()
    empty_world.ledgers.append(ledger)
    await empty_world.ingest(registered("d"))
    await empty_world.create(new("d"))
    claimed = await empty_world.claim_one()
    assert await ledger.submit(Settle(claimed.seq, claimed.attempt, SUCCESS)) == "CONFIRMED"


async def test_a_reader_never_sees_a_number_below_one_that_it_has_seen(empty_world: LedgerWorld) -> None:
    """Two processes write at once: the order of numbers is the order of commits."""
    ledgers = [await empty_world.ledger(clock=False) for _ in range(2)]
    await empty_world.ingest(*(registered(f"d{n}") for n in range(4)))
    seen: list[int] = []
    writing = True

    async def read() -> None:
        while writing:
            rows = await empty_world.rows("SELECT seq FROM transition ORDER BY seq")
            now = [row["seq"] for row in rows]
            assert now[: len(seen)] == seen
            seen[:] = now
            await asyncio.sleep(0)

    async def write(ledger: Ledger, name: str) -> None:
        for _ in range(40):
            await ledger.submit(Create([new(name)]))

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(ledgers[n % 2], f"d{n}") for n in range(4)))
    writing = False
    await reader
    assert (await empty_world.row("SELECT count(*) AS n FROM transition"))["n"] == 160
