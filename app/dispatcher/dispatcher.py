"""The dispatcher: it claims sendable operations for its slots, and makes their calls.

A slot is in one state at a time (:class:`Slot`). The methods of :class:`Dispatcher` that move it follow this order::

      FREE <--------------------------------------------------+
       |    claim, after a wake, a poll, or the end of a call |
       v                                                      |
    CLAIMING, until the claim is committed -------------------+  _claimed: there is no operation for this slot
       |    _claimed, or _recover if the response was lost    |
       v                                                      |
    STARTING: its operation is SENDING in the database -------+  _stop: release the operation
       |    _start, a few in each turn of the event loop      |
       v                                                      |
    CALLING: the request leaves, and the device responds -----+  _settling: the result is enqueued at the ledger
                                                                 _call: there is no result, and the lease will expire

So SENDING is committed before the request leaves. A slot does not wait for the commit of its result: the claim for its
next operation joins that commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final

import structlog

from app.backoff import DATABASE_PAUSES, Backoff
from app.bus import Bus, Channel, Subscription
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

RELEASE_SECONDS: Final = 5.0
"""Time for which a stopping dispatcher waits for an unresponsive database when it releases operations that it has
claimed but not started."""


class Slot(Enum):
    """The states of a slot."""

    FREE = auto()
    CLAIMING = auto()
    STARTING = auto()
    CALLING = auto()


@dataclass(slots=True)
class _OpenClaim:
    """A claim without a response. ``since`` is the monotonic time before it was submitted: the deadlines of the
    operations that it returns count from there."""

    claim: Claim
    since: float
    answer: asyncio.Future[list[Claimed]]


@dataclass(slots=True, eq=False)
class _Attempt:
    """A claimed operation and the state of its slot; ``since`` as in :class:`_OpenClaim`."""

    claimed: Claimed
    since: float
    slot: Slot = Slot.STARTING


class Dispatcher:
    """Dispatches the operations of one Leshan server. It never claims more operations than it has free slots.

    Several claims may be open, each in a commit of its own; the slots are divided by ``pieces``. With 2, one half
    makes its calls while a database in another process writes the other half; with a single claim for all slots every
    call waited for every commit, and every commit for every call. SQLite runs in this process: there 1 is better.
    """

    def __init__(
        self,
        ledger: Ledger,
        bus: Bus,
        runner: Runner,
        *,
        slots: int,
        pieces: int = 1,
        clock: Callable[[Instant], Instant] = lambda now: now,
    ) -> None:
        self._ledger, self._bus, self._runner, self._clock = ledger, bus, runner, clock
        self._piece = max(1, slots // pieces)
        self._at_once = AT_ONCE if pieces > 1 else slots
        self._slots = Counter({Slot.FREE: slots})
        self._claims: dict[str, _OpenClaim] = {}  # by token, the newest last
        self._lost: dict[str, _OpenClaim] = {}  # claims whose response was lost
        self._starting: deque[_Attempt] = deque()
        self._attempts: set[asyncio.Task[None]] = set()  # calls, and attempts that wait for the commit of their result
        self._wakes = Subscription()
        self._stopping = False

    async def run(self) -> None:
        """Dispatch forever. When canceled, release the operations that have not started, and wait up to
        :data:`DRAIN_SECONDS` for the open calls."""
        backoff = Backoff(*DATABASE_PAUSES)
        try:
            with self._bus.subscribe(Channel.WAKE) as self._wakes:
                while True:
                    await self._wakes.wait(POLL_SECONDS)
                    try:
                        await self._recover()
                        if self._slots[Slot.FREE] and await anything_ready(self._ledger.server_id, self._clock):
                            self.claim()
                        backoff.reset()
                    except (LedgerUnavailable, ReadUnavailable) as error:
                        self._ledger.outage.failed(error)
                        await asyncio.sleep(backoff.next())
                    except Exception:
                        log.exception("claim_failed")
                        await asyncio.sleep(backoff.next())
        finally:
            await self._stop()

    def _move(self, before: Slot, after: Slot, count: int = 1) -> None:
        self._slots[before] -= count
        self._slots[after] += count

    async def _recover(self) -> None:
        """Fetch, by their tokens, the operations of claims whose response was lost. Until then their slots remain
        CLAIMING. Raise LedgerUnavailable if the database is still unavailable."""
        for token, lost in list(self._lost.items()):
            CLAIMS.inc()
            claimed = await self._ledger.enqueue(Claim(0, token))
            del self._lost[token]
            self._take(claimed, lost)

    def claim(self) -> None:
        """Claim for the free slots, at most one piece; extend the newest claim if it has not begun and has room for
        more. Raise LedgerUnavailable if the ledger accepts no command."""
        slots = min(self._slots[Slot.FREE], self._piece)
        if slots <= 0 or self._stopping:
            return
        newest = next(reversed(self._claims.values()), None)
        if newest is not None and not newest.claim.begun and newest.claim.slots < self._piece:
            slots = min(slots, self._piece - newest.claim.slots)
            newest.claim.slots += slots
        else:
            claim, since = Claim(slots, str(uuid.uuid4())), time.monotonic()
            answer = self._ledger.enqueue(claim)
            CLAIMS.inc()
            self._claims[claim.token] = _OpenClaim(claim, since, answer)
            answer.add_done_callback(lambda _: self._claimed(claim.token))
        self._move(Slot.FREE, Slot.CLAIMING, slots)

    def _claimed(self, token: str) -> None:
        """Apply the response to a claim."""
        if self._stopping:
            return  # _stop() releases its operations
        open_ = self._claims.pop(token)
        try:
            claimed = open_.answer.result()
        except LedgerUnavailable as error:
            self._ledger.outage.failed(error)
            self._lost[token] = open_
            self._wakes.notify()
        except Exception:
            log.exception("claim_failed")
            self._move(Slot.CLAIMING, Slot.FREE, open_.claim.slots)
        else:
            self._take(claimed, open_)
            if len(claimed) == open_.claim.slots and self._slots[Slot.FREE]:
                self._wakes.notify()  # there may be more

    def _take(self, claimed: Sequence[Claimed], open_: _OpenClaim) -> None:
        """Start the operations that a claim returned."""
        self._move(Slot.CLAIMING, Slot.STARTING, len(claimed))
        self._move(Slot.CLAIMING, Slot.FREE, open_.claim.slots - len(claimed))
        idle = not self._starting
        self._starting.extend(_Attempt(one, open_.since) for one in claimed)
        if idle:
            self._start()

    def _start(self) -> None:
        """Start a few calls in this turn of the event loop, and the others in the next turns."""
        for _ in range(min(self._at_once, len(self._starting))):
            attempt = self._starting.popleft()
            attempt.slot = Slot.CALLING
            self._move(Slot.STARTING, Slot.CALLING)
            task = asyncio.create_task(self._call(attempt), name=f"attempt {attempt.claimed.id}")
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        if self._starting:
            asyncio.get_running_loop().call_soon(self._start)

    async def _call(self, attempt: _Attempt) -> None:
        """Make an attempt, and settle it."""
        claimed = attempt.claimed
        try:
            await self._runner.run(claimed, attempt.since, partial(self._settling, attempt))
        except LedgerUnavailable as error:
            log.critical("result_not_stored", operation=claimed.id, attempt=claimed.attempt, error=str(error))
        except Exception:
            # the lease expires and the outcome is "perhaps": never guess here whether the device received the request
            log.exception("attempt_failed", operation=claimed.id, attempt=claimed.attempt)
        if attempt.slot is Slot.CALLING:  # it failed before it had a result to settle
            self._move(Slot.CALLING, Slot.FREE)
            self._wakes.notify()

    def _settling(self, attempt: _Attempt) -> None:
        """Free the slot of an attempt whose result has been enqueued at the ledger. Claim for it, and for its endpoint,
        which may have more operations: the claim joins the commit that settles the attempt."""
        if attempt.slot is Slot.CALLING:
            attempt.slot = Slot.FREE
            self._move(Slot.CALLING, Slot.FREE)
        with contextlib.suppress(LedgerUnavailable):
            self.claim()

    async def _stop(self) -> None:
        """Release the operations that have not started, then wait for the open calls. Those that stay open keep their
        leases, whose expiry records that the outcome is unknown."""
        self._stopping = True
        answers = [open_.answer for open_ in self._claims.values()]
        with contextlib.suppress(LedgerUnavailable):
            answers += [self._ledger.enqueue(Claim(0, token)) for token in self._lost]
        releases = [self._release(answer) for answer in answers]
        releases += [self._release([attempt.claimed]) for attempt in self._starting]
        self._starting.clear()
        if releases:
            await asyncio.wait([asyncio.create_task(release) for release in releases], timeout=RELEASE_SECONDS)
        if self._attempts:
            log.info("waiting_for_open_calls", calls=len(self._attempts))
            await asyncio.wait(self._attempts, timeout=DRAIN_SECONDS)
        for task in self._attempts:
            task.cancel()

    async def _release(self, claimed: list[Claimed] | asyncio.Future[list[Claimed]]) -> None:
        """Release operations. No failure stops the shutdown: the lease ends an operation that is not released."""
        try:
            operations = claimed if isinstance(claimed, list) else await claimed
        except Exception as error:
            log.warning("claim_not_released", error=str(error) or type(error).__name__)
            return
        releases = (self._ledger.submit(Release(one.seq, one.attempt)) for one in operations)
        for result in await asyncio.gather(*releases, return_exceptions=True):
            if isinstance(result, Exception):
                log.warning("claim_not_released", error=str(result) or type(result).__name__)
