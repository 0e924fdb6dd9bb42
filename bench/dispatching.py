"""Operations from their creation to CONFIRMED, beside a loop that only makes the calls; and one, from wake to call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp

from app.main import Parts
from app.models import tables
from app.models.ledger import Hear, Provision
from bench.devices import registered, write
from bench.fake_leshan import FakeLeshan
from bench.measuring import Figure, rate, spread

BARE_OPEN = 100
WAKES = 200


async def dispatching(parts: Parts, leshan: FakeLeshan, devices: int, operations: int) -> list[Figure]:
    """So many operations for devices that are awake, by one dispatcher; the bare loop before and after it."""
    names = [f"called-{number}" for number in range(devices)]
    await parts.ledger.submit(Hear([registered(name) for name in names]))
    before = await rate(operations, lambda: _bare(leshan.address, operations))
    cpu = time.process_time()
    ours = await rate(operations, lambda: _confirm(parts, names, operations))
    cpu = time.process_time() - cpu
    after = await rate(operations, lambda: _bare(leshan.address, operations))
    bare = (before + after) / 2
    return [
        (f"bare aiohttp loop, {BARE_OPEN} open", f"{bare:,.0f}/s"),
        ("operations created and confirmed, one process", f"{ours:,.0f}/s"),
        ("CPU of an operation, the fake Leshan's with it", f"{cpu / operations * 1e6:,.0f} us"),
        ("confirmed / bare", f"{ours / bare:.0%}"),
    ]


async def _bare(address: str, calls: int) -> None:
    """The least that anybody could do: the same calls, from a loop with nothing behind it."""
    left = iter(range(calls))

    async def one(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.put(f"{address}/api/clients/x/5/0/1", json={"id": 1}) as answer:
                await answer.json()

    connector = aiohttp.TCPConnector(limit=BARE_OPEN)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one(session) for _ in range(BARE_OPEN)))


async def _confirm(parts: Parts, names: Sequence[str], operations: int) -> None:
    confirmed = (await tables.LeshanServer.get(id=1)).confirmed
    wishes = [write(names[number % len(names)]) for number in range(operations)]
    await asyncio.gather(*(parts.ledger.submit(wish) for wish in wishes))
    while (await tables.LeshanServer.get(id=1)).confirmed < confirmed + operations:  # noqa: ASYNC110 - the database is what is asked
        await asyncio.sleep(0.02)


async def waking(parts: Parts, leshan: FakeLeshan) -> list[Figure]:
    """Devices that wake one after the other, each with one operation queued: event to the request at Leshan."""
    delays = []
    for number in range(WAKES):
        name = f"waking-{number}"
        await parts.ledger.submit(Provision(name))
        await parts.ledger.submit(write(name))
        leshan.called.clear()
        woken = time.perf_counter()
        await parts.ledger.submit(Hear([registered(name)]))
        await leshan.called.wait()
        delays.append(leshan.called_at - woken)
    return [("wake to request at Leshan, light load", spread(delays))]
