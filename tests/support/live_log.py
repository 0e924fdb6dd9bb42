"""Helpers for tests of reads: a world open for reading, a live log that polls, a follower that collects its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from app.models.database import reading
from app.models.ledger import open_store
from app.models.live import LiveLog
from tests.support.ledger import LedgerWorld
from tests.support.waiting import BOUND

POLL: Final = 0.002


@asynccontextmanager
async def live_log(**settings: Any) -> AsyncIterator[LiveLog]:
    live = LiveLog(asyncio.sleep, poll=POLL, **settings)
    await live.start()
    try:
        yield live
    finally:
        await live.close()


class Follower:
    """A subscriber that collects events in its own task until it is stopped."""

    def __init__(self, events: AsyncGenerator[Any, None]) -> None:
        self.events: list[Any] = []
        self._arrived = asyncio.Event()
        self._source = events
        self._task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async for event in self._source:
            self.events.append(event)
            self._arrived.set()

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.events]

    async def upto(self, seq: int) -> list[Any]:
        """Return the events, once one of ``seq`` or later is among them."""
        async with asyncio.timeout(BOUND):
            while not (self.events and self.events[-1].seq >= seq):
                self._arrived.clear()
                await self._arrived.wait()
        return self.events

    async def ended(self) -> None:
        """Wait for the end of the subscription; raise the error that ended it."""
        async with asyncio.timeout(BOUND):
            await self._task

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@asynccontextmanager
async def readable_world(database_url: str) -> AsyncIterator[LedgerWorld]:
    """A world with one ledger, whose database is open for reading."""
    reader = open_store(database_url, unsafe=True)
    await reader.open()
    made = LedgerWorld(database_url, reader)
    await made.ledger()
    async with reading(database_url):
        yield made
    for ledger in made.ledgers:
        await ledger.close()
    await reader.close()
