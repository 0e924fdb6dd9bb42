"""A device wakes, with one operation queued: from the webhook's call to the request at Leshan, under light load."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from bench.devices import names, provision, queue
from bench.events import registration
from bench.measuring import Figure, share
from bench.site import FakeLeshan, Site, fake_leshan, site
from bench.size import Size

PAUSE = 0.03


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """One device after the other."""
    async with fake_leshan() as leshan, site(kind) as place:
        await place.run(leshan, web=True)
        return [await _round(place, leshan, size, number) for number in range(size.rounds)]


async def _round(place: Site, leshan: FakeLeshan, size: Size, number: int) -> list[Figure]:
    devices = names(f"waking-{number}", size.wakes)
    await provision(place.ledger, devices)
    await queue(place.ledger, devices, size.wakes)
    await leshan.figures(begin=True)
    woken = {}
    assert place.web is not None
    async with aiohttp.ClientSession() as session:
        for name in devices:
            woken[name] = time.monotonic()
            async with session.post(f"{place.web.url}/leshan/events", data=registration(name)) as answer:
                answer.raise_for_status()
            await asyncio.sleep(PAUSE)
    await place.confirmed((number + 1) * size.wakes)
    delays = [(at - woken[name]) * 1e3 for name, at in await leshan.arrivals() if name in woken]
    return [
        Figure("wake (webhook called) to request at Leshan, p50", share(delays, 0.5), "ms", "< 10 ms"),
        Figure("wake (webhook called) to request at Leshan, p99", share(delays, 0.99), "ms", "< 50 ms"),
    ]
