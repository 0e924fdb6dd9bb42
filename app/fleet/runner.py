"""Takes the next steps of firmware updates and campaigns that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from app.backoff import DATABASE_PAUSES, Backoff
from app.bus import Bus, Channel
from app.domain.enums import Instant
from app.fleet.updates import AdvanceUpdates, UpdateRules
from app.models.ledger import Ledger, LedgerUnavailable
from app.models.queries import ReadUnavailable
from app.models.ready import updates_due
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

BETWEEN_PIECES: Final = 0.02
"""Seconds between two transactions of a long list, in which other commands are written."""


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
        """Advance what is due forever: after a notification at once, otherwise every ``timing.fleet`` seconds."""
        backoff = Backoff(*DATABASE_PAUSES)
        with self._bus.subscribe(Channel.FLEET) as notifications:
            while True:
                pause = self._timing.fleet
                try:
                    await self._advance_updates()
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
