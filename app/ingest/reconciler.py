"""Reconcile with ``GET /clients``: recover events that were dropped, or missed while no connection was open.

This runs after each (re)connect of the event stream, when the Leshan server reports that it dropped events, and when it
was restarted, as registrations may be gone then. It runs after a replayed stream too: it costs one GET, and the
server's replay buffer is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

import structlog

from app.domain.enums import SECOND
from app.domain.events import Updated
from app.ingest.event_ingestor import EventIngestor
from app.ingest.server_info import ServerInfoWatch
from app.leshan.client import LeshanClient
from app.leshan.registrations import KnownRegistration, LeshanUnavailable
from app.models.ledger import (
    READING,
    EndListing,
    Ledger,
    LedgerUnavailable,
    Listed,
    ReadLedgerTime,
    Reconciled,
    RenewBridgeLease,
)
from app.models.queries import ReadUnavailable
from app.models.ready import registrations_missed
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

PIECE: Final = 200


class Reconciler:
    """Reads all registrations of one Leshan server."""

    def __init__(
        self,
        ledger: Ledger,
        ingestor: EventIngestor,
        client: LeshanClient,
        watch: ServerInfoWatch,
        timing: Timing = DEFAULT,
    ) -> None:
        self._timing = timing
        self._ledger, self._ingestor, self._client, self._watch = ledger, ingestor, client, watch
        self.completed = 0
        """Number of reconciliations since the process started."""

    async def is_wanted(self) -> bool:
        """Return whether events may have been missed since the last reconciliation; False if the database cannot be
        read."""
        try:
            return await registrations_missed(self._ledger.server_id)
        except ReadUnavailable as error:
            self._ledger.outage.failed(error, READING)
            return False
        except Exception as error:
            log.warning("reconciling_unknown", error=str(error))
            return False

    async def run(self) -> None:
        """Reconcile once, retrying until it succeeds."""
        while True:
            try:
                await self._read_list()
            except LeshanUnavailable as error:
                log.warning("not_reconciled", reason=str(error))
            except LedgerUnavailable as error:
                self._ledger.outage.failed(error)
            except Exception:
                log.exception("reconciling_failed")
            else:
                return
            await asyncio.sleep(self._timing.reconcile_retry)

    async def run_without_stream(self) -> None:
        """Reconcile whenever it is needed, one process at a time, forever. For servers that only send webhooks."""
        holder = str(uuid.uuid4())
        while True:
            await asyncio.sleep(self._timing.reconcile_check)
            try:
                if await self.is_wanted() and await self._hold(holder):
                    await self._run_while_held(holder)
                    await self._ledger.submit(RenewBridgeLease(holder, 0))
            except LedgerUnavailable as error:
                self._ledger.outage.failed(error)

    async def _hold(self, holder: str) -> bool:
        return await self._ledger.submit(RenewBridgeLease(holder, self._timing.reconcile_lease * SECOND))

    async def _run_while_held(self, holder: str) -> None:
        """Reconcile, however long that takes: a site that needed more than one lease period was restarted from the
        beginning forever. A lease that could not be renewed may be held by another process by now, and ends the
        reconciliation."""
        reading = asyncio.create_task(self.run())
        held_until = time.monotonic() + self._timing.reconcile_lease
        try:
            while not reading.done() and time.monotonic() < held_until:
                await asyncio.wait([reading], timeout=self._timing.reconcile_renewal)
                renewed = time.monotonic()
                with contextlib.suppress(LedgerUnavailable):  # the ledger logs it
                    if not reading.done() and await self._hold(holder):
                        held_until = renewed + self._timing.reconcile_lease
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read_list(self) -> None:
        await self._watch.refresh()
        begun_at = await self._ledger.submit(ReadLedgerTime())
        count = 0
        async with self._client.registrations() as listed:
            async for piece in _pieces(listed):
                events = [self._as_event(known, listed.server_millis) for known in piece]
                await self._ingestor.ingest_with_retry(events, source="listing", missed=True)
                asleep = frozenset(known.endpoint for known in piece if known.registration.sleeping)
                await self._ledger.submit(Listed([known.endpoint for known in piece], asleep, begun_at))
                count += len(piece)
        gone = 0
        while marked := await self._ledger.submit(EndListing(begun_at)):
            gone += marked
        await self._ledger.submit(Reconciled(begun_at))
        self.completed += 1
        log.info("reconciled", registered=count, gone=gone, skipped=listed.skipped)

    def _as_event(self, known: KnownRegistration, server_millis: int | None) -> Updated:
        registration = known.registration
        age = 0
        if server_millis is not None and registration.last_update is not None:
            age = max(0, server_millis - registration.last_update) * 1000
        asleep = registration.sleeping is True
        return Updated(endpoint=known.endpoint, age=age, registration=registration, asleep=asleep)


async def _pieces(listed: AsyncIterable[KnownRegistration]) -> AsyncIterator[list[KnownRegistration]]:
    piece: list[KnownRegistration] = []
    async for known in listed:
        piece.append(known)
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
        yield piece
