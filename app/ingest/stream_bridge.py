"""The bridge: reads a Leshan server's event stream, one process at a time, and reconciles at every (re)connect.

A stock server's stream has no ids and no replay: events are lost while no client is connected. So ``GET /clients`` is
read with the stream already open, and nothing falls between the two. Reveille's own Leshan server replays the events
after the last one that was committed, whichever process committed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, TypeAlias

import structlog

from app.backoff import Backoff
from app.bounded_queue import BoundedQueue
from app.domain.enums import SECOND
from app.domain.events import LeshanEvent
from app.ingest.event_ingestor import EventIngestor
from app.ingest.reconciler import Reconciler
from app.ingest.server_info import ServerInfoWatch
from app.leshan.client import LeshanClient
from app.leshan.event_stream import Cursor, Opened, StreamLost, event_stream
from app.models.ledger import MADE_UP, READING, Ledger, LedgerUnavailable, RenewBridgeLease, StreamPosition
from app.models.queries import ReadUnavailable
from app.models.ready import stream_position
from app.telemetry import BROKEN_EVENTS
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

BATCH: Final = 500
WAITING_EVENTS: Final = 50_000
"""Maximum number of events that wait for the database; when more arrive, the stream is closed and the next
reconciliation recovers them."""

Events: TypeAlias = BoundedQueue[tuple[LeshanEvent, str | None], StreamLost]
"""Events of one connection, each with the stream's position after it if the server replays events."""


class Bridge:
    """One candidate for the single active bridge of a Leshan server."""

    def __init__(
        self,
        ledger: Ledger,
        ingestor: EventIngestor,
        client: LeshanClient,
        reconciler: Reconciler,
        watch: ServerInfoWatch,
        *,
        notifications_wake: bool,
        timing: Timing = DEFAULT,
    ) -> None:
        self._timing = timing
        self._ledger, self._ingestor, self._client = ledger, ingestor, client
        self._reconciler, self._watch = reconciler, watch
        self._notifications_wake = notifications_wake
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
            self._changed.set()  # the readiness of every process reports it

    async def run(self) -> None:
        """Stand by until no other process holds the bridge lease, then read the event stream; forever."""
        try:
            while True:
                if await self._hold():
                    await self._listen_while_held()
                await asyncio.sleep(self._timing.bridge_renewal)
        finally:
            with contextlib.suppress(LedgerUnavailable):
                await self._ledger.submit(RenewBridgeLease(self._holder, 0))

    async def _hold(self) -> bool:
        try:
            since = self._open_since
            open_for = None if since is None else int((time.monotonic() - since) * SECOND)
            return await self._ledger.submit(
                RenewBridgeLease(self._holder, self._timing.bridge_lease * SECOND, open_for)
            )
        except LedgerUnavailable:  # the ledger logs it
            return False

    async def _listen_while_held(self) -> None:
        log.info("bridge_active")
        listening = asyncio.create_task(self._listen())
        held_until = time.monotonic() + self._timing.bridge_lease
        try:
            while not listening.done() and time.monotonic() < held_until:
                # until the lease is due for renewal, the stream has opened or ended, or the task has ended
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait(
                    [listening, changed], timeout=self._timing.bridge_renewal, return_when=asyncio.FIRST_COMPLETED
                )
                await _end([changed])
                self._changed.clear()
                renewed = time.monotonic()
                if await self._hold():
                    held_until = renewed + self._timing.bridge_lease
        finally:
            await _end([listening])
            self._note_open(is_open=False)

    async def _listen(self) -> None:
        backoff = Backoff(*self._timing.reconnect)
        while True:
            try:
                await self._one_stream()
            except StreamLost as error:
                log.warning("event_stream_lost", reason=str(error))
            except ReadUnavailable as error:
                self._ledger.outage.failed(error, READING)
            except Exception:
                log.exception("event_stream_failed")
            if self.listening:
                backoff.reset()
            self._note_open(is_open=False)
            await asyncio.sleep(backoff.next())

    async def _one_stream(self) -> None:
        """Read one connection to its end, which is always a StreamLost."""
        await self._watch.look()
        info = self._client.info
        events: Events = BoundedQueue(WAITING_EVENTS)
        cursor = Cursor(await stream_position(self._ledger.server_id) if info.event_replay else None)
        stream = event_stream(
            self._client.cold,
            envelope=info.event_envelope,
            cursor=cursor,
            notifications_wake=self._notifications_wake,
            on_broken=BROKEN_EVENTS.labels("stream").inc,
        )
        beside: list[asyncio.Task[None]] = []
        try:
            async with self._forwarding(events):
                async for item in stream:
                    if isinstance(item, Opened):
                        self._note_open(is_open=True)
                        # before the first event is ingested: its effect on a request that Leshan has held since before
                        # depends on the time since which the stream is open
                        if not await self._hold():
                            raise StreamLost("it is not on record that the stream is open")
                        log.info("event_stream_open")
                        beside.append(asyncio.create_task(self._keep_reconciled()))
                    elif not events.put((item, cursor.id if info.event_replay else None)):
                        raise StreamLost("the database is too slow for this many events")
        finally:
            await _end(beside)
            await stream.aclose()  # it is still open if this task was canceled between two events

    @contextlib.asynccontextmanager
    async def _forwarding(self, events: Events) -> AsyncIterator[None]:
        """Ingest the events that the block reads. When the stream is lost, the last of them are ingested first: a stock
        server does not send them again."""
        task = asyncio.create_task(self._forward(events))
        try:
            yield
        except StreamLost as lost:
            events.end(lost)
            await task
            raise
        finally:
            await _end([task])

    async def _keep_reconciled(self) -> None:
        await self._reconciler.run()
        while True:
            await asyncio.sleep(self._timing.bridge_renewal)
            if await self._reconciler.is_wanted():
                await self._reconciler.run()

    async def _forward(self, events: Events) -> None:
        while batch := await events.take_many(BATCH):
            position = StreamPosition(batch[-1][1] or f"{MADE_UP}{uuid.uuid4()}", self._holder)
            await self._ingestor.ingest_with_retry([event for event, _ in batch], source="stream", position=position)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
