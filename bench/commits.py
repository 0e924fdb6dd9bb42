"""Events of devices, from the ledger's door to the commit that makes them durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.main import Parts
from app.models.ledger import Hear, HeardEvent
from bench.devices import registered, updated
from bench.measuring import Figure, rate


async def commits(parts: Parts, devices: int, events: int) -> list[Figure]:
    """Registrations of all devices, then so many updates, all asked for at once."""
    names = [f"heard-{number}" for number in range(devices)]
    registrations = [registered(name) for name in names]
    updates = [updated(names[n % len(names)], n // len(names) + 2) for n in range(events)]
    return [
        ("registrations committed", f"{await rate(len(names), lambda: _hear(parts, registrations)):,.0f}/s"),
        ("updates committed", f"{await rate(events, lambda: _hear(parts, updates)):,.0f}/s"),
    ]


async def _hear(parts: Parts, events: Sequence[HeardEvent]) -> None:
    await asyncio.gather(*(parts.ledger.submit(Hear([event])) for event in events))
