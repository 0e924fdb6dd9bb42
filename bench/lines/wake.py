"""A device wakes, with one operation queued: from the webhook's call to the request at Leshan, under light load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

from bench.devices import names, provision, queue
from bench.events import registration
from bench.measuring import Figure, share
from bench.site import FakeLeshan, Site, fake_leshan, site
from bench.size import Size

PAUSE = 0.03


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure one device after the other."""
    async with fake_leshan() as leshan, site(kind) as system:
        await system.run(leshan, web=True)
        return [await _round(system, leshan, size, number) for number in range(size.rounds)]


async def _round(system: Site, leshan: FakeLeshan, size: Size, number: int) -> list[Figure]:
    devices = names(f"waking-{number}", size.wakes)
    await provision(system.ledger, devices)
    await queue(system.ledger, devices, size.wakes)
    await leshan.figures(begin=True)
    woken = await wake_in_turn(system, devices)
    await system.confirmed((number + 1) * size.wakes)
    delays = await delays_of(woken, leshan)
    return [
        Figure("wake (webhook called) to request at Leshan, p50", share(delays, 0.5), "ms", "< 10 ms"),
        Figure("wake (webhook called) to request at Leshan, p99", share(delays, 0.99), "ms", "< 50 ms"),
    ]


async def wake_in_turn(
    system: Site, devices: list[str], enough: Callable[[], Awaitable[bool]] | None = None
) -> dict[str, float]:
    """Wake one device after the other by the webhook, until ``enough`` returns true; return when each was woken, by
    ``time.monotonic``."""
    woken: dict[str, float] = {}
    assert system.web is not None
    async with aiohttp.ClientSession() as session:
        for name in devices:
            if enough is not None and await enough():
                break
            woken[name] = time.monotonic()
            async with session.post(f"{system.web.url}/leshan/events", data=registration(name)) as answer:
                answer.raise_for_status()
            await asyncio.sleep(PAUSE)
    return woken


async def delays_of(woken: dict[str, float], leshan: FakeLeshan) -> list[float]:
    """Return the milliseconds from each wake to its request at Leshan."""
    return [(at - woken[name]) * 1e3 for name, at in await leshan.arrivals() if name in woken]
