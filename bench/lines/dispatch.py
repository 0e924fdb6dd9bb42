"""Operations confirmed per second, by 1, 2 and 4 dispatchers, compared with a bare aiohttp loop and the same Leshan."""

from __future__ import annotations

import asyncio
import json
from statistics import mean

from bench.devices import names, provision, queue, wake
from bench.measuring import Figure
from bench.site import FakeLeshan, Site, fake_leshan, ran, site
from bench.size import Size

IDLE_WAKES = 2_000


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Drain operations queued while the devices slept; then create operations while they are awake; then wake devices
    that have none."""
    rounds = []
    async with fake_leshan() as leshan:
        for _ in range(size.rounds):
            figures = []
            for dispatchers in (1,) if kind == "sqlite" else (1, 2, 4):
                async with site(kind) as system:
                    figures += await _round(system, leshan, size, dispatchers)
            rounds.append(figures)
    return rounds


async def _round(system: Site, leshan: FakeLeshan, size: Size, dispatchers: int) -> list[Figure]:
    devices = names("called", size.devices)
    await provision(system.ledger, devices)
    await queue(system.ledger, devices, size.operations)
    await system.run(leshan, dispatchers=dispatchers)
    await leshan.figures(begin=True)
    before = await _bare(leshan, size.operations)
    drained = await _drain(system, devices, size.operations)
    created = await _create(system, devices, size.operations)
    after = await _bare(leshan, size.operations)
    idle = await _idle(system) if system.kind == "postgres" else []
    by = f"{dispatchers} dispatcher{'s' if dispatchers > 1 else ''}"
    bare = mean((before["rate"], after["rate"]))
    goal = {1: ">= 40 %", 2: ">= 50 %"}.get(dispatchers, "")
    memory = system.used().memory
    return [
        *([Figure("bare aiohttp loop, 100 open", bare, "/s")] if dispatchers == 1 else []),
        *([Figure("bare aiohttp loop, CPU of a call", before["cpu"] * 1e6, "us")] if dispatchers == 1 else []),
        Figure(f"{by}: queued operations confirmed", drained["rate"], "/s"),
        Figure(f"{by}: confirmed / bare", drained["rate"] / bare * 100, "%", goal),
        Figure(f"{by}: CPU of an operation, dispatchers", drained["cpu"] * 1e6, "us"),
        *([Figure(f"{by}: CPU of an operation, PostgreSQL", drained["database"] * 1e6, "us")] if system.server else []),
        Figure(f"{by}: operations created and confirmed", created, "/s"),
        Figure(f"{by}: ledger transactions an operation", drained["groups"], "", "<= 1.2"),
        Figure(f"{by}: claims asked an operation", drained["claims"], ""),
        Figure(f"{by}: memory", memory, "MiB"),
        *(Figure(f"{by}: {one.what}", one.value, one.unit, one.goal) for one in idle),
    ]


async def _bare(leshan: FakeLeshan, calls: int) -> dict[str, float]:
    answer: dict[str, float] = json.loads(await ran("bench.bare_calls", leshan.address, "--calls", str(calls)))
    return answer


async def _drain(system: Site, devices: list[str], operations: int) -> dict[str, float]:
    """Wake all devices at once. The duration is by the database's clock, from the first claim to the last settle."""
    seq, used, database = await system.seq(), system.used(), system.used_by_database()
    groups, claims = await _groups(system), await _claims(system)
    await wake(system.ledger, devices)
    await system.confirmed(operations)
    spent, by_database = system.used().cpu - used.cpu, system.used_by_database().cpu - database.cpu
    return {
        "rate": operations / await _seconds(system, seq),
        "cpu": spent / operations,
        "database": by_database / operations,
        "groups": (await _groups(system) - groups) / operations,
        "claims": (await _claims(system) - claims) / operations,
    }


async def _create(system: Site, devices: list[str], operations: int) -> float:
    seq, confirmed = await system.seq(), int(await system.one("SELECT confirmed FROM leshan_server"))
    await queue(system.ledger, devices, operations)
    await system.confirmed(confirmed + operations)
    return operations / await _seconds(system, seq)


async def _idle(system: Site) -> list[Figure]:
    """Wake devices that have no operations, and count the dispatchers' work beyond their sweeps, which continue at the
    same pace."""
    await asyncio.sleep(3)
    started = await _groups(system), await _claims(system)
    await asyncio.sleep(4)
    quiet = await _groups(system) - started[0], await _claims(system) - started[1]
    begun = await _groups(system), await _claims(system)
    rest = asyncio.create_task(asyncio.sleep(4))
    idle = names("idle", IDLE_WAKES)
    for number in range(0, IDLE_WAKES, 50):
        await wake(system.ledger, idle[number : number + 50])
        await asyncio.sleep(0.05)
    await rest
    woken = await _groups(system) - begun[0], await _claims(system) - begun[1]
    what = f"{IDLE_WAKES:,} wakes with nothing queued"
    return [
        Figure(f"{what}: transactions beyond those of 4 quiet seconds", woken[0] - quiet[0], "", "0"),
        Figure(f"{what}: claims asked", woken[1] - quiet[1], "", "0"),
    ]


async def _groups(system: Site) -> float:
    return await system.metric("reveille_ledger_group_size_count")


async def _claims(system: Site) -> float:
    return await system.metric("reveille_claims_total")


async def _seconds(system: Site, seq: int) -> float:
    sql = "SELECT max(at) - min(at) FROM transition WHERE seq > $1"
    return int(await system.one(sql, seq)) / 1e6
