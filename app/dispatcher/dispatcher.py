"""The dispatcher: woken by a whisper, a free slot or the poll, it claims what may be sent now and makes attempts."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Final

import structlog

from app.bus import Bus, Channel
from app.dispatcher.runner import Runner
from app.domain.words import Instant
from app.models.ledger import Claim, Claimed, Ledger, LedgerUnavailable, Release, pauses
from app.models.queries import ReadUnavailable
from app.models.ready import anything_ready
from app.telemetry import CLAIMS

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 2.0
"""A whisper may be lost: this is how much later it is found all the same."""

DRAIN_SECONDS: Final = 20.0
"""How long a dispatcher that is told to stop waits for its open calls."""


class Dispatcher:
    """Serves one Leshan server. Never holds more work than it has free hands: a claim is asked for free slots only."""

    def __init__(
        self, ledger: Ledger, bus: Bus, *, slots: int, clock: Callable[[Instant], Instant] = lambda now: now
    ) -> None:
        self._ledger, self._bus, self._slots, self._clock = ledger, bus, slots, clock
        self._running: set[asyncio.Task[None]] = set()
        self._calling: set[asyncio.Task[None]] = set()
        self._asked: Claim | None = None
        self._look = asyncio.Event()
        self._unanswered: tuple[str, float] | None = None
        self._sure = False

    def nudge(self) -> None:
        """A call ends: its endpoint may have more, and a slot gets free. The claim joins the commit that settles it.

        To be called in the attempt's own task.
        """
        self._has_called(asyncio.current_task())
        self._sure = True
        self._look.set()

    async def run(self, runner: Runner) -> None:
        """Dispatch for ever; when cancelled, claim no more and wait a while for the open calls."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._serve(runner))
        finally:
            await self._drain()

    async def _listen(self) -> None:
        with self._bus.subscribe(Channel.WAKE) as whispers:
            while True:
                await whispers.wait(POLL_SECONDS)
                self._look.set()

    async def _serve(self, runner: Runner) -> None:
        waits = pauses()
        while True:
            await self._look.wait()
            self._look.clear()
            sure, self._sure = self._sure, False
            try:
                await self._claim_all(runner, sure=sure)
                waits = pauses()
            except (LedgerUnavailable, ReadUnavailable) as error:
                self._ledger.outage.failed(error)
                await asyncio.sleep(next(waits))
            except Exception:
                log.exception("claim_failed")
                await asyncio.sleep(next(waits))

    async def _claim_all(self, runner: Runner, *, sure: bool) -> None:
        await self._take_up_unanswered(runner)
        while free := self._free():
            if not sure and not await anything_ready(self._ledger.server_id, self._clock):
                return
            claimed = await self._claim_free(runner)
            if claimed < free:
                return
            sure = False

    async def _take_up_unanswered(self, runner: Runner) -> None:
        """What a claim got whose answer the database still owes, found by its token. Its deadline counts from then."""
        if self._unanswered is not None:
            token, asked_at = self._unanswered
            for one in await self._claim(Claim(0, token)):
                self._begin(runner, one, asked_at)
            self._unanswered = None

    async def _claim_free(self, runner: Runner) -> int:
        """Claim for the free slots; how many got something to do."""
        token, asked_at = str(uuid.uuid4()), time.monotonic()
        self._asked = Claim(self._free(), token)
        try:
            claimed = await self._claim(self._asked)
        except LedgerUnavailable:
            self._unanswered = token, asked_at
            raise
        finally:
            self._asked = None
        for one in claimed:
            self._begin(runner, one, asked_at)
        return len(claimed)

    def _free(self) -> int:
        """Slots are for calls: an attempt that waits for its result to be stored has left its own."""
        return self._slots - len(self._calling)

    async def _claim(self, claim: Claim) -> list[Claimed]:
        CLAIMS.inc()
        claimed = self._ledger.enqueue(claim)
        try:
            return await asyncio.shield(claimed)
        except asyncio.CancelledError:
            # told to stop while the claim is being committed: nothing of it was sent, so it goes back at once
            await self._give_back(claimed)
            raise

    async def _give_back(self, claimed: asyncio.Future[list[Claimed]]) -> None:
        """Whatever comes in the way, stopping goes on: what is not given back is ended by its lease."""
        try:
            for one in await claimed:
                await self._ledger.submit(Release(one.seq, one.attempt))
        except Exception as error:
            log.warning("claim_not_given_back", error=str(error))

    def _begin(self, runner: Runner, claimed: Claimed, asked_at: float) -> None:
        task = asyncio.create_task(self._guarded(runner, claimed, asked_at), name=f"attempt {claimed.id}")
        self._running.add(task)
        self._calling.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._has_called(task)
        self._look.set()

    def _has_called(self, task: asyncio.Task[None] | None) -> None:
        if task in self._calling:
            self._calling.discard(task)
            if self._asked is not None:
                self._asked.slots += 1  # it still waits for its group, or the next claim takes this slot

    async def _guarded(self, runner: Runner, claimed: Claimed, asked_at: float) -> None:
        try:
            await runner.run(claimed, asked_at)
        except LedgerUnavailable as error:
            log.critical("result_not_stored", operation=claimed.id, attempt=claimed.attempt, error=str(error))
        except Exception:
            # the lease runs out and says "perhaps": never guess here what the device may have had
            log.exception("attempt_failed", operation=claimed.id, attempt=claimed.attempt)

    async def _drain(self) -> None:
        """Wait for open calls; those that stay open keep their leases, which say what is not known."""
        if self._running:
            log.info("waiting_for_open_calls", calls=len(self._running))
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
