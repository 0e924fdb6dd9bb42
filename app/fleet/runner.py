"""Takes the next steps of firmware updates and campaigns that are due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from app.backoff import DATABASE_PAUSES, Backoff
from app.bus import Bus, Channel
from app.domain.enums import Instant
from app.fleet.campaigns import AdvanceCampaign
from app.fleet.updates import AdvanceUpdates, UpdateRules
from app.models.ledger import Ledger, LedgerUnavailable
from app.models.queries import ReadUnavailable, database_now, due_campaigns
from app.models.ready import updates_due
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

BETWEEN_PIECES: Final = 0.02
"""Seconds between two transactions of a long list, in which other commands are written."""

MAX_PAUSE: Final = 0.5
"""Maximum of the seconds between two pieces of a campaign, on a slow database."""


class FleetRunner:
    """Runs in every dispatcher. Two of them may find the same update: the ledger's append lock orders their
    transactions, and the second one finds nothing due."""

    def __init__(
        self,
        ledger: Ledger,
        bus: Bus,
        rules: UpdateRules,
        *,
        clock: Callable[[Instant], Instant] = lambda now: now,
        timing: Timing = DEFAULT,
    ) -> None:
        self._ledger, self._bus, self._rules, self._clock, self._timing = ledger, bus, rules, clock, timing

    async def run(self) -> None:
        """Advance what is due forever. A large campaign does not delay the updates."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._advance_updates))
            tasks.create_task(self._repeat(self._advance_campaigns))

    async def _repeat(self, advance: Callable[[], Awaitable[None]]) -> None:
        """Advance after a notification at once, otherwise every ``timing.fleet`` seconds."""
        backoff = Backoff(*DATABASE_PAUSES)
        with self._bus.subscribe(Channel.FLEET) as notifications:
            while True:
                pause = self._timing.fleet
                try:
                    await advance()
                    backoff.reset()
                except (LedgerUnavailable, ReadUnavailable) as error:
                    self._ledger.outage.failed(error)
                    await asyncio.sleep(backoff.next())
                except Exception:
                    log.exception("fleet_failed")
                    await asyncio.sleep(pause)
                await notifications.wait(pause)

    async def _advance_updates(self) -> None:
        while await updates_due(self._clock):
            await self._ledger.submit(AdvanceUpdates(self._rules))
            await asyncio.sleep(BETWEEN_PIECES)

    async def _advance_campaigns(self) -> None:
        """Do one piece of each campaign that is due, in turn, until none is. After a piece other commands are written
        for as long as it took, so that a large campaign delays no wake."""
        failed: set[int] = set()
        while due := await self._due_campaigns(failed):
            for id_ in due:
                begun = time.monotonic()
                try:
                    await self._ledger.submit(AdvanceCampaign(id_))
                except LedgerUnavailable:
                    raise
                except Exception:
                    log.exception("campaign_failed", campaign=id_)
                    failed.add(id_)
                await asyncio.sleep(min(max(BETWEEN_PIECES, time.monotonic() - begun), MAX_PAUSE))

    async def _due_campaigns(self, failed: set[int]) -> list[int]:
        now = self._clock(await database_now())
        return [id_ for id_ in await due_campaigns(now) if id_ not in failed]
