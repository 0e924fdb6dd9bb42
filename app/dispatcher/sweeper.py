"""Time-dependent work: expiry, lost leases, ends of windows, probes of a Leshan server that was down, observation
rules, and pruning."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from app.backoff import DATABASE_PAUSES, Backoff
from app.dispatcher.inquiry import Inquirer
from app.dispatcher.withdrawing import Withdrawer
from app.domain.enums import Instant
from app.ingest.server_info import ServerInfoWatch
from app.leshan.client import LeshanClient
from app.models.ledger import (
    AggregateReadings,
    ApplyRules,
    Command,
    CorrectCounters,
    Ledger,
    LedgerUnavailable,
    Probed,
    Prune,
    PruneReadings,
    Sweep,
    TakeProbe,
)
from app.models.queries import ReadUnavailable
from app.models.queries.gauges import counter_differences, counters_due
from app.models.ready import due_for_probe, due_for_sweep, rules_due
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

Piece = TypeVar("Piece", bound=Command[bool])

BETWEEN_PIECES: Final = 0.05
BUSY_SHARE: Final = 4
"""Pruning and aggregation take one part in this many of the time: on a slow database it pauses for longer."""


class Sweeper:
    """Runs in every dispatcher; the first one in each ``timing.sweep`` does the work of all."""

    def __init__(
        self,
        ledger: Ledger,
        client: LeshanClient,
        inquirer: Inquirer,
        watch: ServerInfoWatch,
        withdrawer: Withdrawer,
        *,
        clock: Callable[[Instant], Instant] = lambda now: now,
        timing: Timing = DEFAULT,
    ) -> None:
        self._timing = timing
        self._ledger, self._client, self._clock = ledger, client, clock
        self._inquirer, self._watch, self._withdrawer = inquirer, watch, withdrawer
        self._has_turn = asyncio.Event()

    async def run(self) -> None:
        """Sweep, probe, apply observation rules and prune forever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self._timing.sweep, self._sweep))
            tasks.create_task(self._every(self._timing.sweep, self._probe))
            tasks.create_task(self._every(0, self._apply_rules))
            tasks.create_task(self._every(self._timing.aggregate, self._aggregate))
            tasks.create_task(self._every(self._timing.prune, self._prune))
            tasks.create_task(self._every(self._timing.prune, self._correct_counters))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(*DATABASE_PAUSES)
        while True:
            wait = seconds
            try:
                await work()
                backoff.reset()
            except (LedgerUnavailable, ReadUnavailable) as error:
                self._ledger.outage.failed(error)
                wait = max(seconds, backoff.next())
            except Exception:
                log.exception("sweeper_failed")
            await asyncio.sleep(wait)

    async def _sweep(self) -> None:
        """Sweep in short transactions, with pauses in which other commands are written."""
        if await due_for_sweep(self._ledger.server_id, self._timing.sweep, self._clock):
            self._has_turn.set()
            sweep = self._ledger.submit(Sweep())
            _, _, more = await asyncio.gather(self._inquirer.take_lost(), self._withdrawer.withdraw(), sweep)
            while more:
                await asyncio.sleep(BETWEEN_PIECES)
                more = await self._ledger.submit(Sweep())

    async def _probe(self) -> None:
        if not await due_for_probe(self._ledger.server_id, self._clock):
            return
        endpoint = await self._ledger.submit(TakeProbe())
        if endpoint is not None:
            probe = await self._client.probe(endpoint)
            log.info("leshan_probed", healthy=probe.healthy, detail=probe.detail)
            if probe.healthy:
                self._watch.nudge()  # it may have been restarted, or replaced
            await self._ledger.submit(Probed(probe.healthy, probe.detail))

    async def _apply_rules(self) -> None:
        """Apply observation rules in short transactions, with pauses, at the turn of this process to sweep, so that the
        other processes do not read whether they are due. No sweep waits for this. After a wake the ledger does so once,
        at once."""
        await self._has_turn.wait()
        self._has_turn.clear()
        more = await rules_due(self._ledger.server_id, self._clock)
        while more:
            more = await self._ledger.submit(ApplyRules())
            await asyncio.sleep(BETWEEN_PIECES)

    async def _prune(self) -> None:
        await self._in_pieces(Prune)
        pruned = await self._in_pieces(PruneReadings)
        horizon, hours = max(piece.horizon or 0 for piece in pruned), sum(piece.hours for piece in pruned)
        if horizon or hours:
            log.info("readings_pruned", up_to=horizon or None, hours=hours)

    async def _correct_counters(self) -> None:
        """Compare the counters for the metrics with the rows, if that was not done for an hour."""
        if not await counters_due(self._ledger.server_id, self._clock):
            return
        try:
            differences, checked = await counter_differences(self._ledger.server_id)
        except ReadUnavailable as error:  # with very many rows the statement may exceed its timeout
            log.warning("counters_not_checked", error=str(error))
            return
        corrected = await self._ledger.submit(CorrectCounters(differences, checked))
        if corrected and differences and checked is not None:
            log.info("counters_corrected", **differences)

    async def _aggregate(self) -> None:
        if readings := sum(piece.added for piece in await self._in_pieces(AggregateReadings)):
            log.info("readings_aggregated", readings=readings)

    async def _in_pieces(self, piece: Callable[[], Piece]) -> list[Piece]:
        """Submit commands until there is no more work, with pauses in which others are written: no caller waits. Return
        the commands."""
        pieces: list[Piece] = []
        more = True
        while more:
            begun = time.monotonic()
            pieces.append(piece())
            more = await self._ledger.submit(pieces[-1])
            await asyncio.sleep(max(BETWEEN_PIECES, (BUSY_SHARE - 1) * (time.monotonic() - begun)))
        return pieces
