"""Observation rules on simulated devices: the observation is there again by itself, whatever ended it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.domain.enums import Presence
from app.models import tables
from app.models.ledger import CreateObservationRule, DeleteObservationRule, RuleDefinition, UpdateObservationRule
from simulator import Behaviour, Kind
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

PATH = "/3303/0/5700"


def rule(name: str = "climate", **more: Any) -> RuleDefinition:
    facts: dict[str, Any] = {
        "paths": (PATH,),
        "given_filter": {},
        "criteria": {"name_contains": "dev"},
        "composite": False,
        "attributes": {},
        "read_paths": (),
        "enabled": True,
    }
    return RuleDefinition(name=name, **{**facts, **more})


async def create(world: SimulatedWorld, definition: RuleDefinition | None = None) -> int:
    return await world.components.ledger.submit(CreateObservationRule(definition or rule(), "operator"))


async def becomes(world: SimulatedWorld, state: str, rule_id: int | None = None) -> None:
    """Wait until the observation has the state, the rules were applied, and none of their operations is open."""

    async def reached() -> bool:
        server = await tables.LeshanServer.get(id=1)
        if await tables.Endpoint.filter(name="dev", rules_seq__lt=server.rules_seq).exists():
            return False
        found = tables.Observation.filter(state=state)
        there = await (found if rule_id is None else found.filter(rule_id=rule_id)).exists()
        return there and not await open_operations()

    await eventually(reached, f"the observation is {state}")


async def open_operations() -> int:
    """Return the number of operations of rules that have not ended."""
    return await tables.Operation.filter(rule_id__isnull=False, status__in=["QUEUED", "SENDING"]).count()


async def delivered(world: SimulatedWorld, value: float) -> None:
    """Let the device change its value, which is notified if it is observed, and wait until the value is stored."""
    assert world.simulator.notify("dev", PATH, str(value)) == 1, "it is observed"

    async def stored() -> bool:
        row = await tables.ResourceState.get_or_none(path=PATH, endpoint__name="dev")
        return row is not None and row.value == orjson.loads(str(value))

    await eventually(stored, "the value is stored")


def observed(world: SimulatedWorld) -> int:
    return len([one for one in world.received() if one.kind == "OBSERVE"])


async def test_a_rule_is_applied_in_the_wake_of_the_registration(world: SimulatedWorld) -> None:
    await create(world, rule(paths=("/3303/*/5700",), read_paths=("/3/0/0",)))
    await world.wake()
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)
    assert (await tables.ResourceState.get(path="/3/0/0", endpoint__name="dev")).value


async def test_a_rule_is_applied_to_devices_that_are_registered(world: SimulatedWorld) -> None:
    await world.wake()
    await create(world)
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)


async def test_fifty_registrations_while_asleep_leave_one_open_operation(world: SimulatedWorld) -> None:
    await create(world)
    await world.wake()
    await becomes(world, "ESTABLISHED")
    before = await tables.Operation.filter(rule_id__isnull=False).count()
    world.simulator.behave("dev", Behaviour(kind=Kind.SLEEPING))
    for _ in range(50):
        world.simulator.register("dev")
        await world.registration_known("dev")
    await world.sleep()
    await world.settled()
    assert await open_operations() == 1
    assert await tables.Operation.filter(rule_id__isnull=False).count() <= before + 2
    world.simulator.device("dev").behaviours.clear()
    await world.wake()
    await becomes(world, "ESTABLISHED")
    await delivered(world, 22.5)


async def test_the_observation_is_back_after_a_restart_of_leshan(world: SimulatedWorld) -> None:
    await create(world)
    await world.wake()
    await becomes(world, "ESTABLISHED")
    world.simulator.restart()
    await world.wake()
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)


async def test_the_observation_is_back_after_an_update_from_another_address(world: SimulatedWorld) -> None:
    await create(world)
    await world.wake()
    await becomes(world, "ESTABLISHED")
    world.simulator.wake("dev", new_address=True)
    assert world.simulator.notify("dev", PATH, "20.5") == 0
    await eventually(lambda: observed(world) == 2, "observed again")
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)


async def test_a_changed_rule_cancels_and_observes(world: SimulatedWorld) -> None:
    rule_id = await create(world)
    await world.wake()
    await becomes(world, "ESTABLISHED")
    ledger = world.components.ledger
    await ledger.submit(UpdateObservationRule(rule_id, rule(paths=("/3/0/9",), attributes={"pmin": 1, "pmax": 600})))
    await eventually(lambda: world.simulator.notify("dev", PATH, "1.5") == 0, "canceled")
    await becomes(world, "ESTABLISHED")
    assert world.simulator.notify("dev", "/3/0/9", "50") == 1
    await ledger.submit(DeleteObservationRule(rule_id))
    await eventually(lambda: world.simulator.notify("dev", "/3/0/9", "49") == 0, "canceled")
    assert not await tables.Observation.all().exists()


async def test_two_rules_share_the_observation_of_a_path(world: SimulatedWorld) -> None:
    first, second = await create(world), await create(world, rule("second"))
    await world.wake()
    for rule_id in (first, second):
        await becomes(world, "ESTABLISHED", rule_id)
    await world.settled()
    assert observed(world) == 1
    await world.components.ledger.submit(DeleteObservationRule(first))
    await world.settled()
    await delivered(world, 21.5)
    assert observed(world) == 1


async def test_a_refused_observation_is_tried_again_at_the_next_registration(world: SimulatedWorld) -> None:
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=405, path=PATH, times=1))
    await create(world)
    await world.wake()
    await becomes(world, "REFUSED")
    world.simulator.register("dev")
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)


async def test_a_silent_observation_is_stale_until_the_device_is_observed_again(world: SimulatedWorld) -> None:
    await create(world, rule(attributes={"pmax": 60}))
    await world.wake()
    await becomes(world, "ESTABLISHED")
    await world.sleep()
    world.move_clock(130)

    async def stale() -> bool:
        return await tables.Observation.filter(state="STALE").exists()

    await eventually(stale, "STALE")
    assert await open_operations() == 2
    await world.wake()
    await becomes(world, "ESTABLISHED")
    await delivered(world, 21.5)


async def test_a_device_that_is_offline_keeps_one_operation_per_path(world: SimulatedWorld) -> None:
    await world.asleep()
    await create(world, rule(paths=(PATH, "/3/0/9")))

    async def both() -> bool:
        return await open_operations() == 2

    await eventually(both, "the operations")
    world.simulator.deregister("dev")
    await world.presence_is("dev", Presence.OFFLINE)
    await world.settled()
    assert await open_operations() == 2
    await world.wake()
    await becomes(world, "ESTABLISHED")
