"""Every cell of the table of firmware updates: each event in each step, as the ledger carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from app.domain.enums import FirmwareMethod, FirmwareUpdateState
from app.domain.firmware import LIMITS, SENDS, STATES, TRANSITIONS, WAITS, Counts, End, Event, Go, Limit, Step, follow
from app.fleet.update_requests import request_of
from app.fleet.update_rows import BY_ID, UpdateRow, write
from app.fleet.updates import UpdateCommand, UpdateFirmware
from app.models.counters import UPDATES
from app.models.ledger.group import Group
from tests.support.firmware import ADDRESS, PACKAGE, RULES, FirmwareDevice
from tests.support.ledger import LedgerWorld, registered

ENDED: Final = {FirmwareUpdateState.SUCCEEDED, FirmwareUpdateState.FAILED, FirmwareUpdateState.CANCELED}


@dataclass(slots=True)
class Handle(UpdateCommand):
    """Put an update into a step, and let one event happen."""

    id: int
    step: Step
    counts: Counts
    event: Event

    async def find(self, group: Group) -> None:
        await self.load(group, await group.store.fetch(BY_ID, self.id))

    def apply(self, group: Group) -> None:
        (row,) = self.rows
        group.counters[UPDATES[row.state]] -= 1
        row.step, row.state = self.step, STATES[self.step]
        group.counters[UPDATES[row.state]] += 1
        row.attempts, row.executions, row.tries = self.counts
        self.progress(group, row).handle(self.event)
        write(group, [row])


async def cell(world: LedgerWorld, step: Step, event: Event, counts: Counts) -> dict[str, Any]:
    """Return the update of a device of its own after the event."""
    name = f"{step}-{event}-{sum(counts)}"
    await world.ingest(registered(name, name[:60]))
    ledger = world.ledgers[0]
    id_ = await ledger.submit(UpdateFirmware(name, PACKAGE, FirmwareMethod.PULL, 0, "operator"))
    await ledger.submit(Handle(RULES, id_, step, counts, event))
    return await world.row("SELECT * FROM firmware_update WHERE id = $1", id_)


def counted(then: Go, counts: Counts) -> Counts:
    """Return the counts after a step, but for the tries, which begin again in each state."""
    return counts._replace(
        attempts=counts.attempts + (then.limit is Limit.ATTEMPTS),
        executions=counts.executions + (then.limit is Limit.EXECUTIONS),
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("step", Step)
async def test_each_event_in_a_step(world: LedgerWorld, step: Step) -> None:
    await FirmwareDevice(world).prepare()
    for event in Event:
        row = await cell(world, step, event, Counts())
        then = TRANSITIONS[step].get(event)
        match then:
            case None:
                assert (row["state"], row["step"]) == (STATES[step], step), event
            case Go():
                assert (row["state"], row["step"]) == (STATES[then.step], then.step), event
                assert (row["attempts"], row["executions"]) == counted(then, Counts())[:2], event
                assert row["finished_at"] is None
                if then.step in SENDS:
                    operation = await world.operation(row["operation"])
                    request = request_of("", UpdateRow.load(tuple(row[name] for name in COLUMNS)), then.step, ADDRESS)
                    assert (operation["kind"], operation["path"]) == (request.kind, request.path), event
                    assert operation["fleet_id"] == row["id"]
            case End():
                assert (row["state"], row["step"], row["operation"]) == (then.state, None, None), event
                assert row["reason"] == then.reason, event
                assert row["finished_at"] == world.now


@pytest.mark.asyncio
@pytest.mark.parametrize("step", Step)
async def test_each_limited_event_in_a_step_ends_at_its_limit(world: LedgerWorld, step: Step) -> None:
    await FirmwareDevice(world).prepare()
    for event, then in TRANSITIONS[step].items():
        if isinstance(then, Go) and then.limit is not None:
            exhausted = Counts(*(LIMITS[limit] for limit in (Limit.ATTEMPTS, Limit.EXECUTIONS, Limit.TRIES)))
            row = await cell(world, step, event, exhausted)
            assert (row["state"], row["reason"]) == ("FAILED", then.otherwise), event
            left = Counts(*(count - 1 for count in exhausted))
            assert isinstance(follow(step, event, left), Go)


def test_every_step_can_be_left_and_reached() -> None:
    reached = {Step.READ_VERSION} | {
        then.step for row in TRANSITIONS.values() for then in row.values() if isinstance(then, Go)
    }
    assert reached == set(Step)
    for step in Step:
        ends = [then for then in TRANSITIONS[step].values() if isinstance(then, End)]
        assert {end.state for end in ends} <= ENDED
        results = {Event.DONE, Event.REFUSED, Event.LOST} if step in SENDS else {Event.PAUSE_OVER, Event.REGISTERED}
        assert results & TRANSITIONS[step].keys()
        if step in SENDS:
            assert {Event.REFUSED, Event.LOST} <= TRANSITIONS[step].keys(), (
                "an operation ends without an answer as well"
            )
    assert set(Step) == WAITS | SENDS


def test_no_circle_is_without_a_limit() -> None:
    """Follow the unlimited transitions of events that need no action of the device or a person."""
    by_itself = set(Event) - {Event.PAUSE_OVER, Event.REGISTERED, Event.REPORTED, Event.IS_DOWNLOADED}
    for start in Step:
        seen: set[Step] = set()
        steps = {start}
        while steps:
            step = steps.pop()
            if step in WAITS:
                continue  # time passes, up to its deadline
            after = {
                then.step
                for event, then in TRANSITIONS[step].items()
                if event in by_itself and isinstance(then, Go) and then.limit is None
            }
            assert start not in after, f"{start} can be reached again from {step}"
            steps |= after - seen
            seen |= after


COLUMNS: Final = tuple(UpdateRow.__dataclass_fields__)
