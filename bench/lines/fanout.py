"""Transitions sent to WebSockets with the same subscription: delay from the commit, and messages a second."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.devices import names, provision, write
from bench.measuring import Figure, share, used_by
from bench.site import WITHIN, Site, fake_leshan, python, site
from bench.size import Size

BURST: Final = 200
SETTLED: Final = 1.0
"""Seconds for the server to process the last socket's subscription: the protocol does not acknowledge it."""


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure one subscriber and many, one transition after the other; then many at once."""
    async with fake_leshan() as leshan, site(kind) as place:
        await place.run(leshan, web=True)
        devices = names("listened", 50)
        await provision(place.ledger, devices)
        return [await _round(place, devices, size) for _ in range(size.rounds)]


async def _round(place: Site, devices: list[str], size: Size) -> list[Figure]:
    one, _ = await _delays(place, devices, 1, size.transitions, 0)
    many, speed = await _delays(place, devices, size.subscribers, size.transitions, BURST)
    assert place.web is not None
    what = f"commit to the last of {size.subscribers:,} identical subscribers"
    return [
        Figure("commit to subscriber, p50", share(one, 0.5), "ms", "< 20 ms"),
        Figure("commit to subscriber, p99", share(one, 0.99), "ms"),
        Figure(f"{what}, p50", share(many, 0.5), "ms", "< 60 ms"),
        Figure(f"{what}, p99", share(many, 0.99), "ms"),
        Figure(f"messages to {size.subscribers:,} sockets", speed, "/s", ">= 25,000/s"),
        Figure("memory of the API process", used_by([place.web.pid]).memory, "MiB"),
    ]


async def _delays(
    place: Site, devices: list[str], sockets: int, transitions: int, burst: int
) -> tuple[list[float], float]:
    """Return the milliseconds from each commit to the last socket, and the messages a second of the burst after
    them."""
    assert place.web is not None
    committed = []
    options = ("--sockets", str(sockets), "--messages", str(transitions + burst))
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as own:
        listeners = await asyncio.to_thread(
            python, "bench.listeners", f"{place.web.url}/graphql", *options, folder=Path(own)
        )
        try:
            await asyncio.sleep(SETTLED)
            for number in range(transitions):
                await place.ledger.submit(write(devices[number % len(devices)]))
                committed.append(time.monotonic())
                await asyncio.sleep(0.15)
            await asyncio.gather(*(place.ledger.submit(write(devices[n % len(devices)])) for n in range(burst)))
            await asyncio.to_thread(listeners.process.wait, WITHIN)
            told = json.loads(listeners.log.read_text().splitlines()[-1])
        finally:
            listeners.kill()
    delays = [(at - begun) * 1e3 for at, begun in zip(told["last"], committed, strict=False)]
    span = told["last"][-1] - told["first"][transitions] if burst else 1.0
    return delays, burst * sockets / span
