"""Names come from devices and are hostile input; no call ever reaches another path or another client.

Names that the simulator cannot address, a stock Leshan cannot address either: it cuts off ``;x``, resolves ``..`` and
refuses ``%2F``.
"""

from __future__ import annotations

from typing import Final

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

ADDRESSABLE: Final = ('a"b', "urn:uuid:0001", "a b", "ünï©ode-😀", "a?b=1#c", "a&b+c", "...", "<script>", "a'b")
UNADDRESSABLE: Final = ("x/3/0/4?a=1#", "..", ".", "../server/endpoint", "100%", "a;x=1", "a\\b", "%2e%2e", "a\nb")
VICTIMS: Final = ("x", "a", "b", "100")
"""Clients that an unescaped address would reach."""


def broken_events() -> float:
    return REGISTRY.get_sample_value("reveille_broken_events_total", {"source": "stream"}) or 0.0


async def listed(world: SimulatedWorld, *names: str) -> None:
    """Register the devices, and wait until Reveille knows them."""
    for name in names:
        world.simulator.register(name)
    for name in names:
        await world.registration_known(name)


async def test_an_addressable_name_reaches_its_own_device_and_no_other(begin: Begin) -> None:
    async with begin(*ADDRESSABLE, *VICTIMS) as world:
        await listed(world, *ADDRESSABLE, *VICTIMS)
        ops = [await world.create("READ", "/3/0/0", device=name) for name in ADDRESSABLE]
        await world.confirmed(*ops)
        assert [len(world.received(name)) for name in ADDRESSABLE] == [1] * len(ADDRESSABLE)
        assert [world.received(name) for name in VICTIMS] == [[]] * len(VICTIMS)
        assert world.simulator.stats.unknown_clients == 0


async def test_a_name_that_cannot_be_addressed_fails_without_a_call(begin: Begin) -> None:
    async with begin(*UNADDRESSABLE, *VICTIMS) as world:
        await listed(world, *UNADDRESSABLE, *VICTIMS)
        ops = [await world.create("EXECUTE", "/3/0/4", device=name) for name in UNADDRESSABLE]
        for op in ops:
            await world.becomes(op, "FAILED", "INVALID_REQUEST")
        await world.settled()
        assert [world.received(name) for name in (*UNADDRESSABLE, *VICTIMS)] == [[]] * (len(ops) + len(VICTIMS))
        assert world.simulator.stats.unknown_clients == 0
        assert (await world.components.health.checks())["leshan"].ok


async def test_a_broken_event_costs_one_log_line_and_the_next_is_received(begin: Begin) -> None:
    """Stock Leshan concatenates AWAKE, SLEEPING and NOTIFICATION as text: a quote in a name breaks their JSON."""
    async with begin('a"b', "dev") as world:
        await listed(world, 'a"b', "dev")
        await world.settled()
        before = broken_events()
        with capture_logs() as lines:
            world.simulator.notify('a"b', "/3303/0/5700", "21.5", anyway=True)
            await world.wake()
            await world.confirmed(await world.create("READ", "/3/0/0"))
        broken = [line for line in lines if line["event"] == "stream_event_broken"]
        assert len(broken) == 1
        assert broken_events() - before == 1
