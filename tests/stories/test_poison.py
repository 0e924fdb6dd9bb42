"""The promise: an operation that can never succeed ends by itself, and nobody else waits for it."""

from __future__ import annotations

import pytest

from app.leshan.simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.stories.world import WITNESS, World

pytestmark = pytest.mark.asyncio

OTHERS = ("a", "b", "c", "d")


async def others_are_served(world: World) -> None:
    await world.confirmed(*[await world.create("READ", "/3/0/0", device=name) for name in OTHERS])
    await world.confirmed(await world.create("WRITE", "/3442/0/110", "x", device=WITNESS))
    assert (await world.parts.health.checks())["leshan"].ok


@pytest.mark.parametrize("status", [404, 413])
async def test_an_address_that_is_not_served_ends_as_an_invalid_request(begin: Begin, status: int) -> None:
    """Leshan is asked how it is: it answers others well, so it is this request that it does not take."""
    async with begin("dev", *OTHERS) as world:
        await world.wake("dev", WITNESS, *OTHERS)
        world.simulator.behave("dev", Behaviour(kind=Kind.HTTP, status=status, path="/3442"))
        op = await world.create("WRITE", "/3442/0/110", "poison")
        after = await world.create("READ", "/3/0/0")
        await others_are_served(world)
        await world.becomes(op, "FAILED", "INVALID_REQUEST", attempts=0)
        await world.confirmed(after)
        assert len(world.received()) == 2


async def test_an_answer_that_is_always_an_html_500_uses_its_attempts_up(begin: Begin) -> None:
    async with begin("dev", *OTHERS) as world:
        await world.wake(WITNESS, *OTHERS)
        page = "<html><head><title>Oops</title></head></html>"
        world.simulator.behave("dev", Behaviour(kind=Kind.HTTP, status=500, text=page, path="/3442"))
        await world.asleep()
        op = await world.create("WRITE", "/3442/0/110", "poison")
        after = await world.create("READ", "/3/0/0")
        for attempt in (1, 2):
            await world.wake()
            await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
            await others_are_served(world)
        await world.wake()
        await world.becomes(op, "FAILED", "NO_ANSWER", attempts=3)
        assert (await world.operation(op)).detail == "Oops"
        await world.wake()
        await world.confirmed(after)
