"""The dispatcher: on a bus notification, a free slot or a poll, it claims sendable operations and starts their
attempts."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from app.backoff import DATABASE_PAUSES, Backoff
from app.bus import Bus, Channel
from app.dispatcher.runner import Runner
from app.domain.enums import Instant
from app.models.ledger import Claim, Claimed, Ledger, LedgerUnavailable, Release
from app.models.queries import ReadUnavailable
from app.models.ready import anything_ready
from app.telemetry import CLAIMS

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 2.0
"""Interval of the poll that finds work whose bus notification was lost."""

AT_ONCE: Final = 4
"""Number of calls started in one turn of the event loop while a group is written. When all calls of a claim started at
once, the group's next statement waited for their requests and then for their responses, and the database waited for
it."""

DRAIN_SECONDS: Final = 20.0
"""Time for which a stopping dispatcher waits for its open calls."""

GIVE_BACK_SECONDS: Final = 5.0
"""Time for which a stopping dispatcher waits for an unresponsive database when it releases operations that it has
claimed but not started."""


@dataclass(slots=True)
class _Asked:
    """A claim that is under way. ``asked_at`` is the monotonic time before the claim was submitted: the deadlines of
    the operations that it returns count from there."""

    claim: Claim
    asked_at: float
    answer: asyncio.Future[list[Claimed]]


@dataclass(frozen=True, slots=True)
class _Due:
    """A claimed operation whose call has not started; ``asked_at`` as in :class:`_Asked`."""

    claimed: Claimed
    asked_at: float


class Dispatcher:
    """Dispatches the operations of one Leshan server. It never claims more operations than it has free slots.

    Several claims may be under way, each in a commit of its own; the slots are divided by ``pieces``. With 2, one half
    makes its calls while a database in another process writes the other half; with a single claim for all slots every
    call waited for every commit, and every commit for every call. SQLite runs in this process: there 1 is better.
    """

    def __init__(
        self,
        ledger: Ledger,
        bus: Bus,
        *,
        slots: int,
        pieces: int = 1,
        clock: Callable[[Instant], Instant] = lambda now: now,
    ) -> None:
        self._ledger, self._bus, self._slots, self._clock = ledger, bus, slots, clock
        self._piece = max(1, slots // pieces)
        self._at_once = AT_ONCE if pieces > 1 else slots
        self._runner: Runner  # passed to run()
        self._running: set[asyncio.Task[None]] = set()
        self._calling: set[asyncio.Task[None]] = set()
        self._due: deque[_Due] = deque()
        self._asked: dict[str, _Asked] = {}
        self._unanswered: dict[str, float] = {}
        self._look = asyncio.Event()
        self._stopping = False

    def nudge(self) -> None:
        """Claim for the slot that an ending call frees, and for its endpoint, which may have more operations. The claim
        joins the commit that settles the call.

        Call this in the attempt's own task, once its result has been enqueued at the ledger.
        """
        task = asyncio.current_task()
        if task is not None:
            self._calling.discard(task)
        with contextlib.suppress(LedgerUnavailable):
            self._request_claim()

    async def run(self, runner: Runner) -> None:
        """Dispatch forever; when canceled, stop claiming and wait up to :data:`DRAIN_SECONDS` for the open calls."""
        self._runner = runner
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._serve())
        finally:
            self._stopping = True
            await self._give_back()
            await self._drain()

    async def _listen(self) -> None:
        with self._bus.subscribe(Channel.WAKE) as subscription:
            while True:
                await subscription.wait(POLL_SECONDS)
                self._look.set()

    async def _serve(self) -> None:
        backoff = Backoff(*DATABASE_PAUSES)
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._poll()
                backoff.reset()
            except (LedgerUnavailable, ReadUnavailable) as error:
                self._ledger.outage.failed(error)
                await asyncio.sleep(backoff.next())
            except Exception:
                log.exception("claim_failed")
                await asyncio.sleep(backoff.next())

    async def _poll(self) -> None:
        await self._recover_unanswered_claims()
        if self._free() > 0 and await anything_ready(self._ledger.server_id, self._clock):
            self._request_claim()

    async def _recover_unanswered_claims(self) -> None:
        """Fetch, by their tokens, the operations of claims whose response from the database was lost."""
        for token, asked_at in list(self._unanswered.items()):
            CLAIMS.inc()
            claimed = await self._ledger.enqueue(Claim(0, token))
            del self._unanswered[token]
            self._begin(claimed, asked_at)

    def _free(self) -> int:
        """Return the number of free slots. An attempt that waits for its result to be stored no longer occupies a
        slot."""
        claims = sum(asked.claim.slots for asked in self._asked.values())
        return self._slots - len(self._calling) - len(self._due) - claims

    def _request_claim(self) -> None:
        """Claim for the free slots, at most one piece; extend the newest claim if it has not begun and has room for
        more."""
        slots = min(self._free(), self._piece)
        if slots <= 0 or self._stopping:
            return
        newest = next(reversed(self._asked.values()), None)
        if newest is not None and not newest.claim.begun and newest.claim.slots < self._piece:
            newest.claim.slots = min(newest.claim.slots + slots, self._piece)
        else:
            self._claim(slots)

    def _claim(self, slots: int) -> None:
        claim, asked_at = Claim(slots, str(uuid.uuid4())), time.monotonic()
        answer = self._ledger.enqueue(claim)
        CLAIMS.inc()
        self._asked[claim.token] = _Asked(claim, asked_at, answer)
        answer.add_done_callback(lambda _: self._answered(claim.token))

    def _answered(self, token: str) -> None:
        if self._stopping:
            return  # _give_back() releases its operations
        asked = self._asked.pop(token)
        try:
            claimed = asked.answer.result()
        except LedgerUnavailable as error:
            self._ledger.outage.failed(error)
            self._unanswered[token] = asked.asked_at
            self._look.set()
        except Exception:
            log.exception("claim_failed")
        else:
            self._begin(claimed, asked.asked_at)
            if len(claimed) >= asked.claim.slots and self._free() > 0:
                self._look.set()  # there may be more

    async def _give_back(self) -> None:
        """Release at once the operations that were claimed and not started."""
        returning = [self._release(due.claimed) for due in self._due]
        self._due.clear()
        answers = [asked.answer for asked in self._asked.values()]
        with contextlib.suppress(LedgerUnavailable):
            answers += [self._ledger.enqueue(Claim(0, token)) for token in self._unanswered]
        returning += [self._release_all(one) for one in answers]
        if returning:
            await asyncio.wait([asyncio.create_task(one) for one in returning], timeout=GIVE_BACK_SECONDS)

    async def _release_all(self, answer: asyncio.Future[list[Claimed]]) -> None:
        """Release all operations of a claim. No failure stops the shutdown: the lease ends an operation that is not
        released."""
        try:
            await asyncio.gather(*map(self._release, await answer))
        except Exception as error:
            log.warning("claim_not_given_back", error=str(error) or type(error).__name__)

    async def _release(self, claimed: Claimed) -> None:
        """Release one operation. No failure stops the shutdown: the lease ends an operation that is not released."""
        try:
            await self._ledger.submit(Release(claimed.seq, claimed.attempt))
        except Exception as error:
            log.warning("claim_not_given_back", error=str(error) or type(error).__name__)

    def _begin(self, claimed: Sequence[Claimed], asked_at: float) -> None:
        beginning = bool(self._due)
        self._due.extend(_Due(one, asked_at) for one in claimed)
        if not beginning:
            self._start_next_batch()

    def _start_next_batch(self) -> None:
        """Start a few calls in this turn of the event loop, and the others in the next turns."""
        for _ in range(min(self._at_once, len(self._due))):
            due = self._due.popleft()
            task = asyncio.create_task(self._guarded(due), name=f"attempt {due.claimed.id}")
            self._running.add(task)
            self._calling.add(task)
            task.add_done_callback(self._ended)
        if self._due:
            asyncio.get_running_loop().call_soon(self._start_next_batch)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task in self._calling:  # it failed before it had a result to settle
            self._calling.discard(task)
            self._look.set()

    async def _guarded(self, due: _Due) -> None:
        claimed = due.claimed
        try:
            await self._runner.run(claimed, due.asked_at)
        except LedgerUnavailable as error:
            log.critical("result_not_stored", operation=claimed.id, attempt=claimed.attempt, error=str(error))
        except Exception:
            # the lease expires and the outcome is "perhaps": never guess here whether the device received the request
            log.exception("attempt_failed", operation=claimed.id, attempt=claimed.attempt)

    async def _drain(self) -> None:
        """Wait for open calls; calls that stay open keep their leases, whose expiry records that the outcome is
        unknown."""
        if self._running:
            log.info("waiting_for_open_calls", calls=len(self._running))
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
