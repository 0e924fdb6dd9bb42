"""The observations in force: those of the present registration that were confirmed and have not ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.events import Event, ObservationChanged, Reported
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.models.ledger import DecodedEvent, TypedSample
from app.models.observations import MOST, Observed, observation_of, with_observation
from app.models.operation import NewOperation
from tests.support.ledger import (
    REFUSED,
    SILENT,
    SUCCESS,
    LedgerWorld,
    delayed,
    deregistered,
    new,
    registered,
    response,
    updated,
)

PATH: Final = "/3303/0/5700"
OTHER: Final = "/3303/0/5701"
HERE, THERE = "192.0.2.1:5683", "192.0.2.1:6000"
FORGOTTEN = Report(replace(SUCCESS.outcome, device_status=None, device_code=None))
O = OperationKind  # noqa: E741


def composite(kind: OperationKind, *paths: str) -> NewOperation:
    made = new("d", kind, paths[0])
    return replace(made, request=replace(made.request, path=None, paths=paths))


async def observed(world: LedgerWorld, path: str = PATH) -> bool:
    return Observed((await world.endpoint("d"))["observations"]).covers(path)


async def done(world: LedgerWorld, operation: NewOperation, report: Report = SUCCESS) -> None:
    await world.create(operation)
    await world.attempt(report)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/3303", "/3303/0", PATH])
async def test_a_confirmed_observe_covers_all_paths_below_its_path(world: LedgerWorld, path: str) -> None:
    await world.ingest(registered("d", address=HERE))
    assert not await observed(world)
    await done(world, new("d", O.OBSERVE, path))
    assert await observed(world)
    assert not await observed(world, "/33030/0/5700")
    await world.ingest(updated("d", 2, address=HERE))
    assert await observed(world), "an update of the same registration ends nothing"
    await done(world, new("d", O.CANCEL_OBSERVE, path), FORGOTTEN)
    assert not await observed(world)


@pytest.mark.asyncio
async def test_a_composite_is_ended_only_by_its_own_paths(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await done(world, composite(O.OBSERVE_COMPOSITE, PATH, OTHER))
    await done(world, new("d", O.OBSERVE, PATH))
    await done(world, new("d", O.CANCEL_OBSERVE, PATH), FORGOTTEN)
    assert await observed(world)
    await done(world, composite(O.CANCEL_OBSERVE_COMPOSITE, OTHER, PATH), FORGOTTEN)
    assert not await observed(world)


@pytest.mark.asyncio
@pytest.mark.parametrize("report", [REFUSED, SILENT])
async def test_an_unconfirmed_observe_does_not_count(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    await done(world, new("d", O.OBSERVE, PATH), report)
    assert not await observed(world)


def ended(**facts: object) -> Event:
    known = {"endpoint": "d", "registration_id": "r1", "paths": (PATH,), "composite": False, "stands": False}
    return ObservationChanged(**{**known, **facts})  # type: ignore[arg-type]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("event", "stands"),
    [
        (registered("d", "r2"), False),
        (updated("d", 2, "r2"), False),
        (deregistered("d"), False),
        (updated("d", 2, address=THERE), False),
        (updated("d", 2, address=HERE), True),
        (updated("d", 2), True),
        (ended(), False),
        (ended(registration_id="r0"), True),
        (ended(paths=(OTHER,)), True),
        (ended(composite=True), True),
        (Reported(endpoint="d", nodes={}), True),
    ],
    ids=repr,
)
async def test_events_that_end_an_observation(world: LedgerWorld, event: Event, stands: bool) -> None:
    await world.ingest(registered("d", address=HERE))
    await done(world, new("d", O.OBSERVE, PATH))
    await world.ingest(event)
    assert await observed(world) is stands


@pytest.mark.asyncio
async def test_a_repeated_observe_counts_in_any_order_of_its_events(world: LedgerWorld) -> None:
    """Our own server reports the end of the observation that the newer one replaced, then the newer one."""
    await world.ingest(registered("d"))
    await done(world, new("d", O.OBSERVE, PATH))
    await done(world, new("d", O.OBSERVE, PATH))
    await world.ingest(ended(), ended(stands=True))
    assert await observed(world)


@pytest.mark.asyncio
async def test_a_response_before_the_current_registration_does_not_count(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", O.OBSERVE, PATH))
    claimed = await world.claim_one()
    world.pass_(1)
    await world.ingest(registered("d", "r2"))
    await world.settle(claimed, SUCCESS)
    assert not await observed(world)


@pytest.mark.asyncio
async def test_an_observe_held_by_leshan_counts_after_the_wake(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await done(world, new("d", O.OBSERVE, PATH), delayed("q1"))
    world.pass_(100)
    await world.ingest(updated("d", 2), response("d", "q1", SUCCESS))
    assert await observed(world)


@pytest.mark.asyncio
async def test_a_value_outlives_its_observation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await done(world, new("d", O.OBSERVE, PATH))
    reading = TypedSample({PATH: TypedValue(ValueType.FLOAT, 21.5)})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=(reading,)), registered("d", "r2"))
    assert (await world.row("SELECT value FROM resource_state"))["value"] == "21.5"
    assert not await observed(world)


def test_of_too_many_observations_the_newest_are_stored() -> None:
    stored = None
    for number in range(MOST + 1):
        stored = with_observation(stored, observation_of([f"/3303/{number}"], composite=False))
    assert not Observed(stored).covers("/3303/0")
    assert Observed(stored).covers(f"/3303/{MOST}")
