"""A Leshan server that stores request ids is queried before an outcome is reported as unknown.

The simulator runs in mode ``reveille``. The query closes an id that the server never received, so that a late packet is
not sent on: then the operation is sent again, even a non-repeatable one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio

from app.leshan.past_calls import CallStatus
from app.models import tables
from app.models.ledger import TakeLost, UpdateServerInfo
from app.process import Role
from simulator import Behaviour, Kind, Mode
from tests.stories.conftest import Begin
from tests.support.simulated_world import FAST, SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

RESET = "/3442/0/0"
"""An executable resource of the test object."""

ASKED = ["QUEUED", "SENDING", "SENDING LEASE_LOST"]


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[SimulatedWorld]:
    """A world with one device, ``dev``, and a Leshan server that stores request ids."""
    async with begin(simulated={"mode": Mode.REVEILLE}) as world:
        await world.server_info_known()
        yield world


@contextlib.contextmanager
def stuck(what: str) -> Iterator[list[Any]]:
    """Suspend every call of this function until the context ends, and yield the list of their arguments. For a runner's
    ``_settle`` this is a dispatcher that was killed after it had sent its request."""
    came: list[Any] = []
    ended = asyncio.Event()

    async def wait(*given: object) -> object:
        came.append(given)
        await ended.wait()
        return CallStatus.AWAY

    with mock.patch(what, wait):
        yield came
    ended.set()


CALLED = "app.dispatcher.runner.Runner.run"
SETTLES = "app.dispatcher.runner.Runner._settle"
EVENT = "app.ingest.late_responses.LateResponses.offer"
"""The function that receives a REQUEST_RESPONSE of the event stream."""
ASKS = "app.dispatcher.inquiry.inquire"


def handed_over(world: SimulatedWorld, name: str = "dev") -> int:
    return world.simulator.device(name).counters["handedOver"]


LOST_ON_THE_WAY = [
    Behaviour(kind=Kind.CLOSE, carry_out=True, times=1),
    Behaviour(kind=Kind.RESET, carry_out=True, times=1),
    Behaviour(kind=Kind.HALF_BODY, times=1),
    Behaviour(kind=Kind.UNREADABLE, times=1),
    Behaviour(kind=Kind.NEVER, carry_out=True, times=1),
    Behaviour(kind=Kind.HTTP, status=502, carry_out=True, times=1),
]


@pytest.mark.parametrize("behaviour", LOST_ON_THE_WAY, ids=lambda behaviour: behaviour.kind)
async def test_a_lost_answer_is_fetched(world: SimulatedWorld, behaviour: Behaviour) -> None:
    await world.wake()
    world.simulator.behave("dev", behaviour)
    op = await world.create("EXECUTE", RESET, timeout=1)
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert handed_over(world) == 1


async def test_a_call_that_the_server_never_received_is_sent_again(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.CLOSE, carry_out=False, times=1))
    op = await world.create("EXECUTE", RESET)
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "QUEUED RELEASED", "SENDING", "CONFIRMED"]
    assert handed_over(world) == 1
    assert (await world.operation(op)).attempts == 0


async def test_a_call_without_a_recorded_end_has_an_unknown_outcome(world: SimulatedWorld) -> None:
    """The Leshan server stopped with the call open: it is unknown whether the device received it."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
    op = await world.create("EXECUTE", RESET)
    await world.call_is_open()
    world.simulator.restart()
    await world.leshan_down()
    await world.leshan_up()
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")
    assert (await world.operation(op)).detail == "Leshan stopped while the call was open"


async def test_an_open_call_is_waited_for(begin: Begin) -> None:
    """Reveille's own timeout passed before the device's."""
    async with begin(simulated={"mode": Mode.REVEILLE}, timing=replace(FAST, response_margin=-1.5)) as world:
        await world.server_info_known()
        await world.wake()
        world.simulator.behave("dev", Behaviour(delay_ms=1_500, times=1))
        op = await world.create("EXECUTE", RESET, timeout=2)
        await world.confirmed(op)
        assert handed_over(world) == 1


async def test_the_result_of_a_dead_dispatchers_call_is_fetched(world: SimulatedWorld) -> None:
    await world.wake()
    with stuck(SETTLES):
        op = await world.create("EXECUTE", RESET)
        await eventually(lambda: handed_over(world) == 1, "the device had it")
        world.move_clock(21)
        await world.confirmed(op)
    assert await world.transitions(op) == [*ASKED, "CONFIRMED"]
    assert handed_over(world) == 1


async def test_a_call_that_a_dead_dispatcher_did_not_send_is_sent(
    world: SimulatedWorld,
) -> None:
    await world.wake()
    with stuck(CALLED) as claimed:
        op = await world.create("EXECUTE", RESET)
        await eventually(lambda: len(claimed) == 1, "it was claimed")
    world.move_clock(21)
    await world.becomes(op, "QUEUED", "RELEASED")
    await world.wake()
    await world.confirmed(op)
    assert handed_over(world) == 1


async def test_a_dispatcher_that_resumes_after_a_freeze_changes_nothing(world: SimulatedWorld) -> None:
    """The dispatcher froze after it had sent its request; the result that it submits after the thaw changes nothing."""
    await world.wake()
    with stuck(SETTLES) as late, stuck(ASKS):
        op = await world.create("EXECUTE", RESET)
        await eventually(lambda: len(late) == 1, "it has its answer")
        world.move_clock(21)
        await world.becomes(op, "SENDING", "LEASE_LOST")
        assert await world.waits_for(op) == "LESHAN"
        _, settle, *_ = late[0]
        assert await world.components.ledger.submit(settle) is None
        await world.becomes(op, "SENDING", "LEASE_LOST")
    world.move_clock(21)
    await world.confirmed(op)
    assert await world.transitions(op) == [*ASKED, "CONFIRMED"]


async def test_of_several_dispatchers_one_queries(world: SimulatedWorld) -> None:
    await world.wake()
    await world.joined_by(Role.DISPATCH)
    with stuck(SETTLES), stuck(ASKS) as asked:
        op = await world.create("EXECUTE", RESET)
        await eventually(lambda: handed_over(world) == 1, "the device had it")
        world.move_clock(21)
        await world.becomes(op, "SENDING", "LEASE_LOST")
        for token in ("one", "two"):
            assert await world.components.ledger.submit(TakeLost(token)) == []
        for _ in range(3):
            await world.swept()
        assert len(asked) == 1
    world.move_clock(21)
    await world.confirmed(op)
    assert handed_over(world) == 1


async def test_an_unavailable_server_is_queried_when_it_is_back(world: SimulatedWorld) -> None:
    """The event of the result was lost, too."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.CLOSE, carry_out=True, delay_ms=60_000, times=1))
    with mock.patch(EVENT):
        op = await world.create("EXECUTE", RESET)
        await world.call_is_open()
        await world.leshan_down()
        await world.becomes(op, "SENDING", "LESHAN_UNREACHABLE")
    assert await world.waits_for(op) == "LESHAN"
    await world.leshan_up()
    await world.confirmed(op)
    assert handed_over(world) == 1


async def test_an_unavailable_server_holds_the_endpoint_for_a_limited_time(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
    op = await world.create("EXECUTE", RESET, timeout=1)
    await world.call_is_open()
    await world.leshan_down()
    await world.becomes(op, "SENDING", "LESHAN_UNREACHABLE")
    world.move_clock(700)
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")
    await world.leshan_up()
    await world.wake()
    await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_a_server_that_no_longer_records_ids_is_not_queried(world: SimulatedWorld) -> None:
    """A stock server replaced it while a call was open."""
    await world.wake()
    with stuck(SETTLES):
        op = await world.create("EXECUTE", RESET)
        await eventually(lambda: handed_over(world) == 1, "the device had it")
        await world.components.ledger.submit(UpdateServerInfo())
        world.move_clock(21)
        await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")


async def test_the_servers_own_limit_applies(begin: Begin) -> None:
    names = [f"d{number}" for number in range(6)]
    simulated = {"mode": Mode.REVEILLE, "max_open_calls": 2, "answer_seconds": (0.05, 0.05)}
    async with begin(*names, simulated=simulated) as world:
        await world.server_info_known()
        await world.asleep(*names)
        ops = [await world.create("READ", "/3/0/0", device=name) for name in names]
        await world.wake(*names)
        await world.confirmed(*ops)
        assert world.simulator.stats.max_open_calls == 2
        assert world.simulator.stats.statuses["429"] == 0
        assert (await tables.LeshanServer.get(id=1)).open_calls == 2
