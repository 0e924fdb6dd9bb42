"""Every outcome of a call has the consequence of its row in the verdict table; an attempt arrives at most once.

Each outcome is produced with PUT (WRITE), DELETE and POST (EXECUTE, which is not repeatable), on fresh connections and
on ones that have served before. The end of every test checks that no attempt arrived twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

DEVICES: Final = ("put", "delete", "post")


@dataclass(frozen=True)
class Row:
    """An outcome and its consequence: for a repeatable operation, and for a non-repeatable one (None: the same)."""

    behaviour: Behaviour
    again: str
    attempts: int
    once: str | None = None

    def __str__(self) -> str:
        status = f" {self.behaviour.status}" if self.behaviour.kind is Kind.HTTP else ""
        code = f" {self.behaviour.code}" if self.behaviour.kind is Kind.REFUSE else ""
        return f"{self.behaviour.kind}{status}{code}"


def row(kind: str, again: str, attempts: int = 0, once: str | None = None, **behaviour: object) -> Row:
    return Row(Behaviour(kind=Kind(kind), times=1, **behaviour), again, attempts, once)  # type: ignore[arg-type]


UNKNOWN: Final = "FAILED OUTCOME_UNKNOWN"
HTML: Final = "<html><head><title>Oops</title></head></html>"

ROWS: Final = [
    row("success", "CONFIRMED"),
    row("success", "CONFIRMED", delay_ms=700),
    row("refuse", "FAILED DEVICE_REFUSED", code=400),
    row("refuse", "FAILED DEVICE_REFUSED", code=501),
    row("refuse", "QUEUED DEVICE_ERROR", 1, "FAILED DEVICE_ERROR", code=500),
    row("refuse", "QUEUED DEVICE_ERROR", 1, code=503),
    row("refuse", "QUEUED DEVICE_ERROR", 1, code=429),
    row("nonsense", "FAILED DEVICE_ERROR"),
    row("silent", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("rejected", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("cancelled", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("unexpected", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("http", "QUEUED NO_ANSWER", 1, UNKNOWN, status=500, text=HTML),
    row("close", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("reset", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("half_body", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("unreadable", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("never", "QUEUED NO_ANSWER", 1, UNKNOWN),
    row("http", "QUEUED LESHAN_UNREACHABLE", 0, UNKNOWN, status=502),
    row("http", "QUEUED LESHAN_UNREACHABLE", 0, UNKNOWN, status=503),
    row("http", "QUEUED LESHAN_UNREACHABLE", 0, UNKNOWN, status=504),
    row("http", "QUEUED LESHAN_UNREACHABLE", 0, UNKNOWN, status=408),
    row("not_connected", "QUEUED DEVICE_ASLEEP"),
    row("unsendable", "QUEUED DEVICE_ASLEEP"),
    row("not_registered", "QUEUED NOT_REGISTERED"),
    row("sleeping", "QUEUED DEVICE_ASLEEP"),
    row("client_sleeping", "QUEUED DEVICE_ASLEEP"),
    row("invalid", "FAILED INVALID_REQUEST"),
    row("http", "QUEUED LESHAN_REFUSED", status=401),
    row("http", "QUEUED LESHAN_REFUSED", status=403),
    row("http", "QUEUED LESHAN_REFUSED", status=407),
    row("http", "QUEUED LESHAN_REFUSED", status=429),
    row("http", "FAILED INVALID_REQUEST", status=404),
    row("http", "FAILED INVALID_REQUEST", status=405),
    row("http", "FAILED INVALID_REQUEST", status=413),
    row("http", "FAILED INVALID_REQUEST", status=414),
    row("redirect", "FAILED INVALID_REQUEST"),
]


async def called(world: SimulatedWorld) -> list[Op]:
    """Queue one operation for each method, each for its own device."""
    wanted = [
        world.wanted("WRITE", "/3442/0/110", "x", device="put", timeout=1),
        world.wanted("DELETE", "/3303/0", device="delete", timeout=1),
        world.wanted("EXECUTE", "/3442/0/0", device="post", timeout=1),
    ]
    return await world.create_many(wanted)


async def third_step(world: SimulatedWorld, op: Op) -> str:
    """Return the third transition: the result of the first attempt."""

    async def ended() -> bool:
        return len(await world.transitions(op)) > 2

    await eventually(ended, f"an end of the first attempt of {op}")
    return (await world.transitions(op))[2]


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
async def test_each_outcome_gives_its_row(begin: Begin, row: Row, kept: bool) -> None:
    async with begin(*DEVICES) as world:
        await world.wake(*DEVICES)
        if kept:
            await world.confirmed(*[await world.create("READ", "/3/0/0", device=name) for name in DEVICES])
        world.simulator.behave_all(row.behaviour)
        put, delete, post = await called(world)
        assert await third_step(world, put) == row.again
        assert await third_step(world, delete) == row.again
        assert await third_step(world, post) == (row.once or row.again)
        if row.again.startswith("QUEUED"):
            await world.wake(*DEVICES)
            await world.confirmed(put, delete)
            assert (await world.operation(put)).attempts == row.attempts
            assert (await world.operation(delete)).attempts == row.attempts


async def test_a_refused_port_receives_nothing_and_operations_are_sent_later(begin: Begin) -> None:
    async with begin(*DEVICES) as world:
        await world.wake(*DEVICES)
        await world.leshan_down()
        ops = await called(world)
        steps = {await third_step(world, op) for op in ops[:1]}
        assert steps == {"QUEUED LESHAN_UNREACHABLE"}
        assert [len(world.received(name)) for name in DEVICES] == [0, 0, 0]
        await world.leshan_up()
        await world.confirmed(*ops)
        assert [(await world.operation(op)).attempts for op in ops] == [0, 0, 0]


async def test_a_delete_executed_without_a_response_is_confirmed_by_the_next(begin: Begin) -> None:
    """The second attempt receives 4.04, because the first one succeeded. The device reports by an update that it has
    one instance less, which is a wake during the call: the second attempt may begin in the commit that ends the
    first."""
    async with begin() as world:
        await world.wake()
        world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
        op = await world.create("DELETE", "/3303/0", timeout=1)
        await world.passes(op, "QUEUED NO_ANSWER")
        await world.wake()
        await world.confirmed(op)
        assert (await world.operation(op)).detail == "already gone"


async def test_canceling_an_observation_that_does_not_exist_is_confirmed(begin: Begin) -> None:
    async with begin() as world:
        await world.wake()
        await world.confirmed(await world.create("CANCEL_OBSERVE", "/3303/0/5700"))
