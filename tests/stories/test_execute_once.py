"""An EXECUTE is never sent to a device twice, unless its creator declared it repeatable.

The end of every test in this folder checks the same for every device: by the device's own count, at most one request of
a non-repeatable operation was handed over.
"""

from __future__ import annotations

import pytest

from app.domain.enums import Delivery
from simulator import Behaviour, Kind
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

RESET = "/3442/0/0"
"""An executable resource of the test object."""

PERHAPS = [
    Behaviour(kind=Kind.SILENT, carry_out=True),
    Behaviour(kind=Kind.CLOSE, carry_out=True),
    Behaviour(kind=Kind.RESET, carry_out=True),
    Behaviour(kind=Kind.HALF_BODY),
    Behaviour(kind=Kind.UNREADABLE),
    Behaviour(kind=Kind.CANCELLED, carry_out=True),
    Behaviour(kind=Kind.UNEXPECTED, carry_out=True),
    Behaviour(kind=Kind.HTTP, status=502, carry_out=True),
]


@pytest.mark.parametrize("behaviour", PERHAPS, ids=lambda behaviour: behaviour.kind)
async def test_an_execute_that_may_have_been_received_is_not_sent_again(
    world: SimulatedWorld, behaviour: Behaviour
) -> None:
    await world.wake()
    world.simulator.behave("dev", behaviour)
    op = await world.create("EXECUTE", RESET, timeout=1)
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")
    assert (await world.operation(op)).delivery is Delivery.MAY_HAVE_REACHED
    world.simulator.behave_well()
    await world.wake()
    await world.confirmed(await world.create("READ", "/3/0/0"))
    assert world.simulator.device("dev").counters["handedOver"] == 2, "the EXECUTE once, the READ once"


async def test_an_execute_that_was_not_received_is_sent_again(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.SLEEPING, times=1))
    op = await world.create("EXECUTE", RESET)
    await world.becomes(op, "QUEUED", "DEVICE_ASLEEP")
    await world.wake()
    await world.confirmed(op)
    assert world.simulator.device("dev").counters["handedOver"] == 1


async def test_an_execute_created_as_repeatable_is_repeated(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await world.create("EXECUTE", RESET, timeout=1, repeatable=True)
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
    await world.wake()
    await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=1)
    await world.wake()
    await world.confirmed(op)
    assert world.simulator.device("dev").counters["handedOver"] == 2


async def test_a_registration_update_trigger_is_always_repeatable(world: SimulatedWorld) -> None:
    """EXECUTE 1/x/8 makes the device update, which is also the wake that a second attempt needs."""
    await world.asleep()
    op = await world.create("EXECUTE", "/1/0/8", timeout=1)
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    await world.wake()
    await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=1)
    await world.wake()
    await world.confirmed(op)
