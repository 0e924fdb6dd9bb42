"""List + cursor + subscribe has no gap: a thousand subscribers join while the ledger writes (invariant 9)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from app.domain.enums import OperationStatus
from app.models import queries
from app.models.ledger import Claim, Create, Ledger, Settle, open_store
from app.models.ledger.store import Store
from app.models.live import LiveLog, TransitionCriteria
from app.models.queries import OperationCriteria
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, new, registered
from tests.support.live_log import Follower, live_log
from tests.support.waiting import eventually

ENDPOINTS = [f"d{n}" for n in range(8)]
JOINS = 1_000
AT_ONCE = 25
PAGE = 40


@asynccontextmanager
async def load(world: LedgerWorld, *ledgers: Ledger) -> AsyncIterator[None]:
    """Create, claim and settle with every ledger at once, until the context ends."""
    await world.ingest(*(registered(name) for name in ENDPOINTS))
    over = asyncio.Event()

    async def work(ledger: Ledger, dice: random.Random) -> None:
        while not over.is_set():
            await ledger.submit(Create([new(dice.choice(ENDPOINTS)) for _ in range(dice.randrange(1, 4))]))
            for claimed in await ledger.submit(Claim(4, f"{id(ledger)}/{dice.random()}"[:36])):
                report = SUCCESS if dice.random() < 0.7 else REFUSED
                await ledger.submit(Settle(claimed.seq, claimed.attempt, report))

    tasks = [asyncio.create_task(work(ledger, random.Random(n))) for n, ledger in enumerate(ledgers)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def join(
    live: LiveLog, most: int | None = None, upto: asyncio.Future[int] | None = None
) -> tuple[int, dict[int, tuple[int, OperationStatus]], list[Any]]:
    """Join as a frontend does: read the cursor first, then the list, then events since the cursor, merged by version:
    ``most`` of them, or those up to the ``seq`` that the future returns."""
    cursor = await queries.log_position()
    page = await queries.operation_page(OperationCriteria(), PAGE)
    merged = {operation.seq: (operation.version, operation.status) for operation in page.items}
    events: list[Any] = []
    async with aclosing(live.transitions(TransitionCriteria(), cursor)) as source:
        async for event in source:
            events.append(event)
            known = merged.get(event.operation.seq, (0, OperationStatus.QUEUED))
            merged[event.operation.seq] = max(known, (event.operation.version, event.operation.status))
            assert event.operation.version >= event.transition.number
            if len(events) == most or (upto is not None and upto.done() and event.seq >= upto.result()):
                break
    return cursor, merged, events


async def steps(world: LedgerWorld) -> list[int]:
    return [row["seq"] for row in await world.rows("SELECT seq FROM transition ORDER BY seq")]


@pytest.mark.asyncio
@pytest.mark.parametrize("turn", [1, 2_000])
async def test_a_thousand_joins_under_load(
    world: LedgerWorld, live: LiveLog, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.live.feed.TURN", turn)
    joined: list[tuple[int, list[int]]] = []

    async def join_again(dice: random.Random) -> None:
        for _ in range(JOINS // AT_ONCE):
            cursor, _, events = await join(live, dice.randrange(1, 30))
            joined.append((cursor, [event.seq for event in events]))

    async with load(world, world.ledgers[0]):
        await asyncio.gather(*(join_again(random.Random(n)) for n in range(AT_ONCE)))
    log = await steps(world)
    assert len(joined) == JOINS
    for cursor, seqs in joined:
        assert seqs == [seq for seq in log if cursor < seq <= seqs[-1]]


@pytest.mark.asyncio
async def test_the_merged_state_is_the_databases(world: LedgerWorld) -> None:
    """Two processes have live logs; subscribers stay until all is written, and compare with the database."""
    async with live_log() as one, live_log() as other:
        last = asyncio.get_running_loop().create_future()
        async with load(world, world.ledgers[0]):
            staying = []
            for n in range(50):
                staying.append(asyncio.create_task(join((one, other)[n % 2], upto=last)))
                await eventually(lambda n=n: one.subscribers + other.subscribers > n)  # type: ignore[misc]
        last.set_result((await steps(world))[-1] + 1)
        await world.ledgers[0].submit(Create([new(ENDPOINTS[0])]))
        joined = await asyncio.gather(*staying)
    log = await steps(world)
    for cursor, merged, events in joined:
        assert [event.seq for event in events] == [seq for seq in log if seq > cursor]
        rows = await queries.operations_by_seq(list(merged))
        assert merged == {seq: (row.version, row.status) for seq, row in rows.items()}


class Gate:
    """The store of another process that is slow to commit: it waits until the gate is opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self) -> None:
        self.arrived.set()
        await self.opened.wait()
        await self._store.commit()


@pytest.mark.asyncio
async def test_a_slow_commit_is_neither_skipped_nor_read_twice(world: LedgerWorld, live: LiveLog) -> None:
    """The slow commit has drawn its numbers first, so nothing of the quick one may be visible before it."""
    await world.ingest(registered("d"))
    gate = Gate(open_store(world.url, unsafe=True))
    gate.opened.set()
    slow = await world.ledger(gate)
    follower = Follower(live.transitions(TransitionCriteria()))
    await eventually(lambda: live.subscribers == 1)
    start = await queries.log_position()
    for _ in range(10):
        gate.opened.clear()
        gate.arrived.clear()
        behind = slow.enqueue(Create([new("d"), new("d")]))
        await gate.arrived.wait()
        ahead = world.ledgers[0].enqueue(Create([new("d")]))
        piece = await queries.read_transitions(start, 100)
        assert piece.head == piece.upto == start
        gate.opened.set()
        first, second = (await behind)[0].seq, (await ahead)[0].seq
        assert first < second
        start = await queries.log_position()
    await follower.upto(start)
    assert follower.seqs == await steps(world)
    await follower.stop()


@pytest.mark.asyncio
async def test_several_writers_at_once_are_read_in_one_order(world: LedgerWorld, live: LiveLog) -> None:
    others = [await world.ledger() for _ in range(2)]
    follower = Follower(live.transitions(TransitionCriteria(), 0))
    async with load(world, world.ledgers[0], *others):
        await eventually(lambda: len(follower.events) > 400)
    log = await steps(world)
    await follower.upto(log[-1])
    assert follower.seqs == log
    await follower.stop()
