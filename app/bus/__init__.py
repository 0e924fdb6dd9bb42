"""The bus whispers: "look now". It carries no facts, so nothing depends on a message that comes.

Every message may be lost, doubled, late or merged with its like; the database speaks (``app/models``). What the
implementations promise is held by one suite, ``tests/contract/test_bus.py``.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from app.bus.contract import EVERYTHING, Bus, BusHealth, Channel, Subscription
from app.bus.memory import memory_bus
from app.bus.redis import redis_bus

__all__ = ["EVERYTHING", "Bus", "BusHealth", "Channel", "Subscription", "open_bus"]


def open_bus(url: str) -> AbstractAsyncContextManager[Bus]:
    """The bus that REVEILLE_REDIS_URL names: ``memory://``, or ``redis://``, ``rediss://``, ``unix://``.

    Entering never waits for Redis: a bus that cannot connect yet is merely silent, and says so in its health.
    """
    return memory_bus() if url.startswith("memory:") else redis_bus(url)
