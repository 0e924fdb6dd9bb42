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
    async with fake_leshan() as leshan, site(kind) as system:
        await system.run(leshan, web=True)
        devices = names("listened", 50)
        await provision(system.ledger, devices)
        return [await _round(system, devices, size) for _ in range(size.rounds)]


async def _round(system: Site, devices: list[str], size: Size) -> list[Figure]:
    one, _ = await _delays(system, devices, 1, size.transitions, 0)
    many, speed = await _delays(system, devices, size.subscribers, size.transitions, BURST)
    assert system.web is not None
    what = f"commit to the last of {size.subscribers:,} identical subscribers"
    return [
        Figure("commit to subscriber, p50", share(one, 0.5), "ms", "< 20 ms"),
        Figure("commit to subscriber, p99", share(one, 0.99), "ms"),
        Figure(f"{what}, p50", share(many, 0.5), "ms", "< 60 ms"),
        Figure(f"{what}, p99", share(many, 0.99), "ms"),
        Figure(f"messages to {size.subscribers:,} sockets", speed, "/s", ">= 25,000/s"),
        Figure("memory of the API process", used_by([system.web.pid]).memory, "MiB"),
    ]


async def _delays(
    system: Site, devices: list[str], sockets: int, transitions: int, burst: int
) -> tuple[list[float], float]:
    """Return the milliseconds from each commit to the last socket, and the messages a second of the burst after
    them."""
    assert system.web is not None
    committed = []
    options = ("--sockets", str(sockets), "--messages", str(transitions + burst))
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as own:
        listeners = await asyncio.to_thread(
            python, "bench.listeners", f"{system.web.url}/graphql", *options, folder=Path(own)
        )
        try:
            await asyncio.sleep(SETTLED)
            for number in range(transitions):
                await system.ledger.submit(write(devices[number % len(devices)]))
                committed.append(time.monotonic())
                await asyncio.sleep(0.15)
            await asyncio.gather(*(system.ledger.submit(write(devices[n % len(devices)])) for n in range(burst)))
            await asyncio.to_thread(listeners.process.wait, WITHIN)
            result = json.loads(listeners.log.read_text().splitlines()[-1])
        finally:
            listeners.kill()
    delays = [(at - begun) * 1e3 for at, begun in zip(result["last"], committed, strict=False)]
    span = result["last"][-1] - result["first"][transitions] if burst else 1.0
    return delays, burst * sockets / span
