"""Devices that do not respond cannot delay those that do, and the limit of open calls holds."""

from __future__ import annotations

import pytest

from app.models import tables
from app.process import Role
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.servers.valkey import ValkeyServer
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

SILENT = tuple(f"silent-{number:03}" for number in range(300))
HEALTHY = tuple(f"healthy-{number:02}" for number in range(50))
LIMIT = 40

NO_ANSWER_AT_ONCE = Behaviour(kind=Kind.HTTP, status=504, text="Request timeout", times=1)
"""The result of a silent device, without the wait: the test is about the next wake."""


async def all_wake(world: SimulatedWorld, *names: str) -> None:
    for name in names:
        world.simulator.wake(name)
    for name in names:
        await world.registration_known(name)


async def test_unresponsive_devices_do_not_starve_the_others(begin: Begin, valkey_server: ValkeyServer) -> None:
    """300 devices were silent at their last wake. They wake again together with 50 healthy ones, two dispatchers run,
    and every healthy device is served before the first of the silent ones has timed out."""
    settings = {"leshan_max_in_flight": LIMIT, "redis_url": valkey_server.url}
    async with begin(*SILENT, *HEALTHY, **settings) as world:
        await world.joined_by(Role.DISPATCH)
        silent = [world.wanted("READ", "/3/0/0", device=name, timeout=20) for name in SILENT]
        for name in SILENT:
            await world.provision(name)
            world.simulator.behave(name, NO_ANSWER_AT_ONCE)
        dead = await world.create_many(silent)
        await all_wake(world, *SILENT)

        async def all_were_silent() -> bool:
            return await tables.Endpoint.filter(silent=True).count() == len(SILENT)

        await eventually(all_were_silent, "each silent device did not answer once")
        world.simulator.behave_all(Behaviour(kind=Kind.SILENT))
        for name in HEALTHY:
            await world.provision(name)
            world.simulator.behave_well(name)
        world.simulator.stats.reset()
        living = await world.create_many([world.wanted("READ", "/3/0/0", device=name) for name in HEALTHY])
        await all_wake(world, *SILENT, *HEALTHY)

        await world.confirmed(*living)
        ended = await tables.Transition.filter(operation_id__in=dead, from_status="SENDING", attempt=2).count()
        assert ended == 0, "no call to a silent device had timed out yet"
        assert world.simulator.stats.open_calls <= LIMIT // 4
        assert world.simulator.stats.max_open_calls <= LIMIT


async def test_the_limit_of_open_calls_holds_over_all_processes(begin: Begin, valkey_server: ValkeyServer) -> None:
    settings = {"leshan_max_in_flight": 10, "redis_url": valkey_server.url}
    async with begin(*HEALTHY, **settings) as world:
        for _ in range(2):
            await world.joined_by(Role.DISPATCH)
        world.simulator.behave_all(Behaviour(delay_ms=200))
        for name in HEALTHY:
            await world.provision(name)
        wanted = [world.wanted("READ", "/3/0/0", device=name) for name in HEALTHY for _ in range(4)]
        ops = await world.create_many(wanted)
        await all_wake(world, *HEALTHY)
        await world.confirmed(*ops)
        assert world.simulator.stats.max_open_calls == 10, "and all of it is used"
