"""The runner carries out what is due, in one process or two; a campaign that cannot be read delays no other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from app.bus.memory import memory_bus
from app.domain.campaigns import Wave
from app.fleet.campaigns import PauseCampaign
from app.fleet.runner import FleetRunner
from app.models.database import reading
from app.timing import Timing
from tests.support.campaigns import Fleet, names
from tests.support.firmware import RULES
from tests.support.ledger import LedgerWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


@contextlib.asynccontextmanager
async def runners(world: LedgerWorld) -> AsyncIterator[None]:
    """Run one runner for each ledger of the world."""
    timing = Timing(fleet=0.01)
    async with reading(world.url), memory_bus() as bus:
        tasks = [
            asyncio.create_task(FleetRunner(ledger, bus, RULES, clock=lambda _now: world.now, timing=timing).run())
            for ledger in world.ledgers
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_runners_carry_campaigns_out(world: LedgerWorld) -> None:
    await world.ledger()
    fleet = Fleet(world)
    await fleet.register(names(40))
    broken = await fleet.create("broken")
    await fleet.ledger.submit(PauseCampaign(broken, "a reason"))
    await world.reader.execute("UPDATE campaign SET status = 'RUNNING', criteria = '{\"unknown\": 1}'")
    id_ = await fleet.create(waves=(Wave(25), Wave(75)), max_running=7, starts_per_minute=60_000)
    async with runners(world):

        async def completed() -> bool:
            world.pass_(1)
            await fleet.answer()
            return (await fleet.status(id_))[0] == "COMPLETED"

        await eventually(completed)
    assert await fleet.counts(id_) == {"SUCCEEDED": 40}
    assert {row["attempts"] for row in await fleet.targets(id_)} == {1}
    assert (await fleet.status(broken))[0] == "RUNNING"
