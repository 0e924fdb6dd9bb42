"""The bridge: hears the event stream of a Leshan server, one process at a time, and reconciles at every (re)connect.

The stream has no ids and no replay: what happens while nobody listens is lost. So ``GET /clients`` is read with the
stream already open, and nothing falls between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any, Final

import structlog

from app.dispatcher.hearing import Hearing
from app.domain.events import Event, Updated
from app.domain.words import SECOND, Instant
from app.leshan.client import LeshanClient
from app.leshan.event_stream import Opened, StreamLost, event_stream
from app.leshan.registrations import KnownRegistration, LeshanUnavailable
from app.models.ledger import Ask, EndListing, HoldBridge, Ledger, LedgerUnavailable, Listed
from app.telemetry import BROKEN_EVENTS

log = structlog.get_logger(__name__)

HOLD_SECONDS: Final = 10
RENEW_SECONDS: Final = 3.0
RECONNECT_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
RECONCILE_SECONDS: Final = 2.0
PIECE: Final = 200
BATCH: Final = 500
WAITING_EVENTS: Final = 50_000
"""Events that wait for the database; when more come, the stream is dropped and the next reconciling finds them."""


class Bridge:
    """One candidate for the one active bridge of a Leshan server."""

    def __init__(
        self, ledger: Ledger, hearing: Hearing, client: LeshanClient, *, notifications_wake: bool, window: Instant
    ) -> None:
        self._ledger, self._hearing, self._client = ledger, hearing, client
        self._notifications_wake = notifications_wake
        self._window = window
        self._holder = str(uuid.uuid4())
        self._open_since: float | None = None
        self._changed = asyncio.Event()

    @property
    def listening(self) -> bool:
        """Whether the event stream is open."""
        return self._open_since is not None

    def _note_open(self, *, is_open: bool) -> None:
        if is_open is not self.listening:
            self._open_since = time.monotonic() if is_open else None
            self._changed.set()  # readiness of every process tells it

    async def run(self) -> None:
        """Stand by until nobody else listens, then listen; for ever."""
        try:
            while True:
                if await self._hold():
                    await self._listen_while_held()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            with contextlib.suppress(LedgerUnavailable):
                await self._ledger.submit(HoldBridge(self._holder, 0))

    async def _hold(self) -> bool:
        try:
            since = self._open_since
            open_for = None if since is None else int((time.monotonic() - since) * SECOND)
            return await self._ledger.submit(HoldBridge(self._holder, HOLD_SECONDS * SECOND, open_for))
        except LedgerUnavailable:  # the ledger tells of it
            return False

    async def _listen_while_held(self) -> None:
        log.info("bridge_listens")
        listening = asyncio.create_task(self._listen())
        held_until = time.monotonic() + HOLD_SECONDS
        try:
            while not listening.done() and time.monotonic() < held_until:
                await self._until_changed(listening)
                renewed = time.monotonic()
                if await self._hold():
                    held_until = renewed + HOLD_SECONDS
        finally:
            await _end([listening])
            self._note_open(is_open=False)

    async def _until_changed(self, listening: asyncio.Task[None]) -> None:
        """Wait until it is time to renew, the stream has opened or ended, or listening itself has."""
        changed = asyncio.create_task(self._changed.wait())
        await asyncio.wait([listening, changed], timeout=RENEW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        await _end([changed])
        self._changed.clear()

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                await self._one_stream()
            except StreamLost as error:
                log.warning("event_stream_lost", reason=str(error))
            except Exception:
                log.exception("event_stream_failed")
            failures = 0 if self.listening else failures + 1
            self._note_open(is_open=False)
            await asyncio.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])

    async def _one_stream(self) -> None:
        """Hear one connection to its end, which is always a StreamLost."""
        events: asyncio.Queue[Event] = asyncio.Queue(WAITING_EVENTS)
        beside: list[asyncio.Task[None]] = []
        stream = event_stream(self._client.cold, notifications_wake=self._notifications_wake, on_broken=_count_broken)
        try:
            async for item in stream:
                if isinstance(item, Opened):
                    self._note_open(is_open=True)
                    log.info("event_stream_open")
                    beside += [asyncio.create_task(self._forward(events)), asyncio.create_task(self._reconcile())]
                elif events.full():
                    raise StreamLost("the database is too slow for this many events")
                else:
                    events.put_nowait(item)
        finally:
            await _end(beside)

    async def _forward(self, events: asyncio.Queue[Event]) -> None:
        while True:
            batch = [await events.get()]
            while len(batch) < BATCH and not events.empty():
                batch.append(events.get_nowait())
            await self._commit(batch)

    async def _commit(self, batch: Sequence[Event], source: str = "stream", *, missed: bool = False) -> None:
        """Have events committed; what the database will never take costs itself alone."""
        while True:
            try:
                await self._hearing.hear(batch, source=source, missed=missed)
            except LedgerUnavailable:  # the ledger tells of it
                await asyncio.sleep(0.5)
            except Exception:
                if len(batch) > 1:
                    for event in batch:
                        await self._commit([event], source, missed=missed)
                else:
                    _count_broken()
                    log.exception("event_not_taken", endpoint=batch[0].endpoint, name=type(batch[0]).__name__)
                return
            else:
                return

    async def _reconcile(self) -> None:
        while True:
            try:
                await self._read_list()
            except (LeshanUnavailable, LedgerUnavailable) as error:
                log.warning("not_reconciled", reason=str(error))
            except Exception:
                log.exception("reconciling_failed")
            else:
                return
            await asyncio.sleep(RECONCILE_SECONDS)

    async def _read_list(self) -> None:
        asked_at = await self._ledger.submit(Ask())
        count = 0
        async with self._client.registrations() as listed:
            async for piece in _pieces(listed):
                events = [self._as_event(known, listed.server_millis) for known in piece]
                await self._commit(events, "listing", missed=True)
                asleep = frozenset(known.endpoint for known in piece if known.registration.sleeping)
                await self._ledger.submit(Listed([known.endpoint for known in piece], asleep, asked_at))
                count += len(piece)
        gone = 0
        while marked := await self._ledger.submit(EndListing(asked_at)):
            gone += marked
        log.info("reconciled", registered=count, gone=gone, skipped=listed.skipped)

    def _as_event(self, known: KnownRegistration, server_millis: int | None) -> Updated:
        registration = known.registration
        age = 0
        if server_millis is not None and registration.last_update is not None:
            age = max(0, server_millis - registration.last_update) * 1000
        if registration.sleeping:
            age = max(age, self._window)
        return Updated(endpoint=known.endpoint, age=age, registration=registration)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pieces(listed: AsyncIterable[KnownRegistration]) -> AsyncIterator[list[KnownRegistration]]:
    piece: list[KnownRegistration] = []
    async for known in listed:
        piece.append(known)
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _count_broken() -> None:
    BROKEN_EVENTS.labels("stream").inc()
