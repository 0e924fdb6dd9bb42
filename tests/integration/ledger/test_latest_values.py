"""The state of a resource is the value with the greatest (time, arrival); every change is kept in order of arrival."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from app.domain.enums import SECOND, Instant, OperationKind, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.models.ledger import DecodedEvent, IngestEvents, TypedSample
from app.models.ledger.readings import EARLIEST_CLOCK
from tests.support.ledger import START, SUCCESS, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio

PATH = "/3303/0/5700"
FIRST, SECOND_, THIRD = START - 60 * SECOND, START - 40 * SECOND, START - 20 * SECOND


def reading(value: float, at: Instant | None) -> TypedSample:
    return TypedSample({PATH: TypedValue(ValueType.FLOAT, value)}, at)


def reported(*readings: TypedSample, age: int = 0) -> DecodedEvent:
    return DecodedEvent(Reported(endpoint="d", nodes={}, age=age), samples=readings)


async def state(world: LedgerWorld) -> tuple[str, Instant]:
    row = await world.row("SELECT value, at FROM resource_state")
    return row["value"], row["at"]


async def changes(world: LedgerWorld) -> list[str]:
    return [row["value"] for row in await world.rows("SELECT value FROM reading ORDER BY seq")]


SAMPLES = ((1.0, FIRST), (2.0, SECOND_), (3.0, THIRD))


@pytest.mark.parametrize("order", list(itertools.permutations(SAMPLES)), ids=lambda order: str([v for v, _ in order]))
@pytest.mark.parametrize("apart", ["commits", "events", "samples"])
async def test_the_greatest_time_remains_in_any_order_of_arrival(
    world: LedgerWorld, order: Sequence[tuple[float, Instant]], apart: str
) -> None:
    await world.ingest(registered("d"))
    readings = [reading(value, at) for value, at in order]
    if apart == "commits":
        for each in readings:
            await world.ingest(reported(each))
    elif apart == "events":
        await world.ingest(*map(reported, readings))
    else:
        await world.ingest(reported(*readings))
    assert await state(world) == ("3.0", THIRD)
    assert await changes(world) == [str(value) for value, _ in order]


@pytest.mark.parametrize("together", [True, False])
async def test_of_equal_times_the_later_arrival_remains(world: LedgerWorld, together: bool) -> None:
    await world.ingest(registered("d"))
    events = [reported(reading(value, FIRST)) for value in (1.0, 2.0)]
    if together:
        await asyncio.gather(*(world.ledgers[0].submit(IngestEvents([event])) for event in events))
    else:
        for event in events:
            await world.ingest(event)
    assert await state(world) == ("2.0", FIRST)
    assert len(await changes(world)) == 2


async def test_a_late_sample_changes_nothing_after_an_answer(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", OperationKind.READ, PATH))
    await world.attempt(Report(SUCCESS.outcome, values={PATH: TypedValue(ValueType.FLOAT, 9.0)}))
    await world.ingest(reported(reading(1.0, FIRST)), reported(reading(2.0, None), age=30 * SECOND))
    assert await state(world) == ("9.0", START)
    assert await changes(world) == ["9.0", "1.0", "2.0"]


async def test_a_late_response_changes_nothing_after_a_newer_value(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", OperationKind.READ, PATH))
    claimed = await world.claim_one()
    world.pass_(44)
    await world.ingest(reported(reading(5.0, None)))
    await world.settle(claimed, Report(SUCCESS.outcome, values={PATH: TypedValue(ValueType.FLOAT, 9.0)}))
    assert await state(world) == ("5.0", world.now)


@pytest.mark.parametrize("at", [0, EARLIEST_CLOCK - 1])
async def test_a_clock_that_was_never_set_does_not_freeze_the_state(world: LedgerWorld, at: Instant) -> None:
    await world.ingest(registered("d"), reported(reading(1.0, None)))
    world.pass_(10)
    await world.ingest(reported(reading(2.0, at)))
    assert await state(world) == ("2.0", world.now)


async def test_a_clock_that_is_ahead_does_not_freeze_the_state(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), reported(reading(1.0, START + 3600 * SECOND)))
    world.pass_(10)
    await world.ingest(reported(reading(2.0, None)))
    assert await state(world) == ("2.0", world.now)
