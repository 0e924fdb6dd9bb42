"""The bus of a single process: notifications go directly from publisher to subscriber."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from app.bus.contract import Bus, BusHealth, Channel, Subscribers, Subscription


class MemoryBus:
    """The bus of ``memory://``. It loses no notification, and notifies no other process."""

    def __init__(self) -> None:
        self._subscribers = Subscribers()

    def notify(self, channel: Channel) -> None:
        """See :class:`Bus`."""
        self._subscribers.notify(channel)

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        """See :class:`Bus`."""
        return self._subscribers.subscribe(channel)

    def health(self) -> BusHealth:
        """See :class:`Bus`."""
        return BusHealth(ok=True, detail="in this process")


@asynccontextmanager
async def memory_bus() -> AsyncIterator[Bus]:
    """Open a :class:`MemoryBus`."""
    yield MemoryBus()
