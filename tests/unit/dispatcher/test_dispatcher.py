"""Claims without a response: none is lost, and none prevents a process from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final
from unittest import mock

import pytest

from app.bus.memory import MemoryBus
from app.dispatcher import dispatcher as module
from app.dispatcher.dispatcher import Dispatcher, Slot
from app.domain.enums import OperationKind
from app.domain.operations import OperationRequest
from app.models.ledger import Claim, Claimed, LedgerUnavailable, Release
from app.models.ledger.outage import Outage
from app.timing import Timing
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio

ONE: Final = Claimed(1, "one", 1, 1, OperationRequest("d", OperationKind.READ, "/3"), None)


class Ledger:
    """A ledger whose responses the test controls; it records the claims."""

    server_id = 1

    def __init__(self) -> None:
        self.claims: list[tuple[Claim, asyncio.Future[Any]]] = []
        self.released: list[Release] = []
        self.asked = asyncio.Event()
        self.outage = Outage()

    def enqueue(self, claim: Claim) -> asyncio.Future[Any]:
        answer = asyncio.get_running_loop().create_future()
        self.claims.append((claim, answer))
        self.asked.set()
        return answer

    async def submit(self, release: Release) -> bool:
        self.released.append(release)
        return True

    async def next_claim(self) -> tuple[Claim, asyncio.Future[Any]]:
        async with asyncio.timeout(BOUND):
            await self.asked.wait()
        self.asked.clear()
        return self.claims[-1]

    @property
    def asked_slots(self) -> list[int]:
        return [claim.slots for claim, _ in self.claims]

    def answer_all(self, claimed: list[Claimed]) -> None:
        """Answer all pending claims."""
        for _, answer in self.claims:
            if not answer.done():
                answer.set_result(claimed)


class Runner:
    """A runner that records the first operation that it is given."""

    def __init__(self) -> None:
        self.ran: asyncio.Future[tuple[Claimed, float]] = asyncio.get_running_loop().create_future()

    async def run(self, claimed: Claimed, since: float, _settling: Callable[[], None]) -> None:
        if not self.ran.done():
            self.ran.set_result((claimed, since))


@pytest.fixture(autouse=True)
def always_ready() -> Iterator[None]:
    with mock.patch.object(module, "anything_ready", return_value=True):
        yield


async def test_it_stops_although_the_database_does_not_answer_its_claim() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=5)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    dispatcher.claim()
    _, answer = await ledger.next_claim()
    running.cancel()
    await asyncio.sleep(0)
    answer.set_exception(LedgerUnavailable("the database is away"))
    done, _ = await asyncio.wait([running], timeout=BOUND)
    assert done
    assert running.cancelled()


async def test_a_claim_whose_answer_was_lost_is_recovered_by_its_token() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=5)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    dispatcher.claim()
    first, answer = await ledger.next_claim()
    asked_before = asyncio.get_running_loop().time()
    answer.set_exception(LedgerUnavailable("nobody knows whether it was committed"))
    again, answer = await ledger.next_claim()
    assert (again.token, again.slots) == (first.token, 0)
    answer.set_result([ONE])
    async with asyncio.timeout(BOUND):
        claimed, since = await runner.ran
    assert claimed is ONE
    assert since <= asked_before
    fresh, _ = await ledger.next_claim()
    assert fresh.token != first.token
    ledger.answer_all([])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_slots_of_a_lost_claim_are_not_claimed_again_until_it_is_recovered() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=2)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    dispatcher.claim()
    _, answer = await ledger.next_claim()
    answer.set_exception(LedgerUnavailable("it is not known whether it was committed"))
    again, recovered = await ledger.next_claim()
    assert again.slots == 0
    dispatcher.claim()
    assert ledger.asked_slots == [2, 0]
    recovered.set_result([ONE])
    await runner.ran
    fresh, _ = await ledger.next_claim()
    assert fresh.slots == 1
    running.cancel()
    ledger.answer_all([])
    await asyncio.gather(running, return_exceptions=True)


async def test_a_claim_is_for_half_of_the_slots_at_most() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=8, pieces=2)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    dispatcher.claim()
    assert ledger.asked_slots == [4]
    dispatcher.claim()
    assert ledger.asked_slots == [4, 4]
    dispatcher.claim()  # no slot is free
    assert ledger.asked_slots == [4, 4]
    _, first = ledger.claims[0]
    first.set_result([ONE])  # three of its four slots are free again
    await asyncio.sleep(0)
    dispatcher.claim()
    assert ledger.asked_slots == [4, 4, 3]
    running.cancel()
    ledger.answer_all([])
    await asyncio.gather(running, return_exceptions=True)


async def test_slots_join_the_newest_claim_until_it_has_begun() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=4, pieces=2)  # type: ignore[arg-type]
    dispatcher._move(Slot.FREE, Slot.CALLING, 3)
    dispatcher.claim()
    dispatcher._move(Slot.CALLING, Slot.FREE)
    dispatcher.claim()
    assert ledger.asked_slots == [2]
    ledger.claims[-1][0].begun = True
    dispatcher._move(Slot.CALLING, Slot.FREE)
    dispatcher.claim()
    assert ledger.asked_slots == [2, 1]


async def test_operations_claimed_while_it_stops_are_released() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=5)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    dispatcher.claim()
    running.cancel()
    while not dispatcher._stopping:  # noqa: ASYNC110 - no event signals it
        await asyncio.sleep(0)
    ledger.answer_all([ONE])
    await asyncio.wait([running], timeout=BOUND)
    assert running.cancelled()
    assert ledger.released == [Release(ONE.seq, ONE.attempt)]
    assert not runner.ran.done()


async def test_claimed_operations_that_have_not_begun_are_released_at_the_stop() -> None:
    """Calls start a few at a time in each turn of the event loop; a dispatcher that is stopping starts no more."""
    ledger, ran = Ledger(), list[int]()
    runner = mock.AsyncMock()
    runner.run.side_effect = lambda claimed, *_: ran.append(claimed.seq)
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=200, pieces=2)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    dispatcher.claim()
    _, answer = await ledger.next_claim()
    answer.set_result([replace(ONE, seq=seq) for seq in range(100)])
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)
    released = [release.operation_seq for release in ledger.released]
    assert released
    assert sorted(ran + released) == list(range(100))


async def test_operations_of_a_lost_claim_are_released_when_it_stops() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=1)  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    dispatcher.claim()
    first, answer = await ledger.next_claim()
    answer.set_exception(LedgerUnavailable("nobody knows whether it was committed"))
    await ledger.next_claim()  # by its token, and again without a response
    running.cancel()
    await asyncio.sleep(0)
    again, answer = await ledger.next_claim()
    assert (again.token, again.slots) == (first.token, 0)
    answer.set_result([ONE])
    await asyncio.wait([running], timeout=BOUND)
    assert ledger.released == [Release(ONE.seq, ONE.attempt)]
    assert not runner.ran.done()


async def test_it_stops_although_the_database_is_unresponsive() -> None:
    ledger, runner = Ledger(), Runner()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=5, timing=Timing(release=0))  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    dispatcher.claim()
    await ledger.next_claim()
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)
    assert running.cancelled()


class Hanging(Runner):
    """A runner whose calls end only when they are canceled."""

    async def run(self, claimed: Claimed, since: float, settling: Callable[[], None]) -> None:
        await super().run(claimed, since, settling)
        await asyncio.get_running_loop().create_future()


async def test_an_open_call_keeps_its_lease_and_does_not_block_the_stop() -> None:
    ledger, runner = Ledger(), Hanging()
    dispatcher = Dispatcher(ledger, MemoryBus(), runner, slots=1, timing=Timing(drain=0))  # type: ignore[arg-type]
    running = asyncio.create_task(dispatcher.run())
    dispatcher.claim()
    _, answer = await ledger.next_claim()
    answer.set_result([ONE])
    await runner.ran
    (attempt,) = [task for task in asyncio.all_tasks() if task.get_name() == f"attempt {ONE.id}"]
    running.cancel()
    await asyncio.wait([running, attempt], timeout=BOUND)
    assert running.cancelled()
    assert attempt.cancelled()
    assert ledger.released == [], "nobody knows what became of it: its lease will say so"
