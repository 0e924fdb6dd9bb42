"""The bus of a single process: notifications go directly from publisher to subscriber."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.bus.contract import Bus, BusHealth, Subscribers
from app.telemetry import BUS_CONNECTED


class MemoryBus(Subscribers):
    """The bus of ``memory://``. It loses no notification, and notifies no other process."""

    def health(self) -> BusHealth:
        """See :class:`Bus`."""
        return BusHealth(ok=True, detail="in this process")


@asynccontextmanager
async def memory_bus() -> AsyncIterator[Bus]:
    """Open a :class:`MemoryBus`."""
    BUS_CONNECTED.set(1)
    yield MemoryBus()
