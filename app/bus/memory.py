"""The bus of a process that is alone: whispers go straight from publisher to subscriber."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from app.bus.contract import EVERYTHING, Bus, BusHealth, Channel, Subscribers, Subscription


class MemoryBus:
    """``memory://``: nothing is lost, and no other process hears."""

    def __init__(self) -> None:
        self._subscribers = Subscribers()

    def publish(self, channel: Channel, payload: str = EVERYTHING) -> None:
        self._subscribers.tell(channel, payload)

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        return self._subscribers.subscribe(channel)

    def health(self) -> BusHealth:
        return BusHealth(ok=True, detail="in this process")


@asynccontextmanager
async def memory_bus() -> AsyncIterator[Bus]:
    yield MemoryBus()
