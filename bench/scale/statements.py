"""SQL statements of an API process per transition, with increasing numbers of subscribers with different filters."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from app.bus import Channel, open_bus
from app.models.database import reading
from app.models.live import LiveLog, LiveTransition, TransitionCriteria
from bench.devices import names, provision, write
from bench.recording import reads
from bench.scale.common import Measured, options, run
from bench.site import Site, site


def main() -> None:
    """Subscribe, create operations, count."""
    parser = options("bench.scale.statements", __doc__)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 100, 1_000])
    parser.add_argument("--transitions", type=int, default=100, help="one after the other")
    arguments = parser.parse_args()
    run(_count_all(arguments), f"SQL statements a transition, {arguments.database}")


async def _count_all(arguments: argparse.Namespace) -> list[Measured]:
    async with site(arguments.database) as system, reading(system.database_url), open_bus(system.bus_url) as bus:
        devices = names("told", max(arguments.subscribers))
        await provision(system.ledger, devices)
        with bus.subscribe(Channel.CHANGED) as changed:
            live = LiveLog(changed.wait)
            await live.start()
            figures: list[Measured] = [
                (f"{count:,} subscribers", await _count(system, live, devices[:count], arguments.transitions), "")
                for count in arguments.subscribers
            ]
            await live.close()
        return figures


async def _count(system: Site, live: LiveLog, devices: list[str], transitions: int) -> float:
    """Return the statements per transition. The device's subscriber receives each transition before the next is
    made."""
    feeds = {name: live.transitions(TransitionCriteria(endpoint=name)) for name in devices}
    received: dict[str, asyncio.Queue[LiveTransition]] = {name: asyncio.Queue() for name in devices}
    tasks = [asyncio.create_task(_follow(feeds[name], received[name])) for name in devices]
    while live.subscribers < len(devices):  # noqa: ASYNC110 - no event signals that a subscriber has joined
        await asyncio.sleep(0.01)
    with reads() as statements:
        for number in range(transitions):
            name = devices[number % len(devices)]
            await system.ledger.submit(write(name))
            await asyncio.wait_for(received[name].get(), 30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return len(statements) / transitions


async def _follow(events: AsyncIterator[LiveTransition], received: asyncio.Queue[LiveTransition]) -> None:
    with suppress(asyncio.CancelledError):
        async for event in events:
            received.put_nowait(event)


if __name__ == "__main__":
    main()
