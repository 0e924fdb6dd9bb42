"""Devices that take 2 seconds to respond, all awake at once: ratio to the ideal duration, and number of open calls."""

from __future__ import annotations

from bench.devices import names, provision, queue, wake
from bench.measuring import Figure
from bench.site import fake_leshan, site
from bench.size import Size

DELAY = 2.0


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure against the ideal: the number of open calls is always at the limit."""
    rounds = []
    devices = names("slow", size.slow_devices)
    ideal = -(-size.slow_devices // size.slow_limit) * DELAY
    async with fake_leshan(DELAY) as leshan:
        for _ in range(size.rounds):
            async with site(kind, max_in_flight=size.slow_limit) as system:
                await provision(system.ledger, devices)
                await queue(system.ledger, devices, size.slow_devices)
                await system.run(leshan, leshan_max_in_flight=size.slow_limit)
                await leshan.figures(begin=True)
                await wake(system.ledger, devices)
                await system.confirmed(size.slow_devices)
                figures = await leshan.figures()
                spent = system.used()
            what = f"{size.slow_devices:,} devices that answer in 2 s, {size.slow_limit} calls may be open"
            rounds.append(
                [
                    Figure(f"{what}: first call to last answer", figures["seconds"], "s"),
                    Figure(f"{what}: that / the ideal", figures["seconds"] / ideal, "x", "<= 1.15x"),
                    Figure(f"{what}: most open at once", figures["mostOpen"], "calls", "= the limit"),
                    Figure(f"{what}: open in the mean", figures["meanOpen"], "calls"),
                    Figure(f"{what}: memory of the dispatcher", spent.memory, "MiB"),
                ]
            )
    return rounds
