"""The bus between processes: notifications without payload, which mean "read the database now".

A notification may be lost, duplicated, late or merged with others; the database has the facts (``app/models``), and
every subscriber polls as well. One test suite checks all implementations: ``tests/contract/test_bus.py``.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from app.bus.contract import Bus, BusHealth, Channel, Subscription
from app.bus.memory import memory_bus

__all__ = ["Bus", "BusHealth", "Channel", "Subscription", "open_bus"]


def open_bus(url: str) -> AbstractAsyncContextManager[Bus]:
    """Open the bus of REVEILLE_REDIS_URL: ``memory://``, or one of Redis (:func:`app.addresses.redis_address`).

    Entering never waits for Redis: a bus that is not connected yet delivers nothing, and its health says so.
    """
    if url.startswith("memory:"):
        return memory_bus()
    # deferred: the address decides, and redis-py takes 9 MiB
    from app.bus.redis import redis_bus  # noqa: PLC0415

    return redis_bus(url)
