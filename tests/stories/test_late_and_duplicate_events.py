"""Events that arrive late, duplicated or out of order do no harm."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from app.domain.enums import Presence
from app.models import tables
from app.models.ledger import presence
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

TEN_MINUTES = 600


async def presences(world: SimulatedWorld, name: str = "dev") -> list[str]:
    """Return the presence changes of a device that subscribers received."""
    rows = await tables.PresenceChange.filter(endpoint__name=name).order_by("seq")
    return [str(row.presence) for row in rows]


async def test_a_late_sleeping_of_an_unordered_source_is_ignored(world: SimulatedWorld) -> None:
    await world.asleep()
    sleeping = world.published("SLEEPING")
    await world.wake()
    await world.post_event("SLEEPING", sleeping)
    op = await world.create("READ", "/3/0/0")
    await world.confirmed(op)
    assert await presences(world) == ["ONLINE", "ASLEEP", "ONLINE"]


async def test_a_sleeping_of_an_ordered_source_is_applied(world: SimulatedWorld) -> None:
    await world.wake()
    await world.post_event("SLEEPING", {"ep": "dev"}, ordered=True)
    op = await world.create("READ", "/3/0/0")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    await world.wake()
    await world.confirmed(op)


async def test_an_update_that_is_ten_minutes_late_opens_no_window(begin: Begin) -> None:
    async with begin(simulated={"lifetime_seconds": 86_400}) as world:
        await world.wake()
        updated = {"registration": world.published("REGISTRATION"), "update": {}}
        updated["registration"]["lastUpdate"] += 1
        await world.sleep()
        world.move_clock(2 * TEN_MINUTES)
        op = await world.create("READ", "/3/0/0")
        await world.post_event("UPDATED", updated, late=TEN_MINUTES)
        await world.settled()
        assert await world.transitions(op) == ["QUEUED"]
        await world.post_event("UPDATED", updated)
        await world.settled()
        assert world.received() == [], "told twice, it is the same update"
        assert await presences(world) == ["ONLINE", "ASLEEP"]

        await world.wake()
        await world.confirmed(op)


async def test_a_registration_that_is_ten_minutes_late_opens_no_window(world: SimulatedWorld) -> None:
    await world.wake()
    registration = world.published("REGISTRATION") | {"endpoint": "late", "registrationId": "late-1"}
    world.simulator.add("late")
    await world.post_event("REGISTRATION", registration, late=TEN_MINUTES)
    op = await world.create("READ", "/3/0/0", device="late")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    assert world.received("late") == []
    await world.wake("late")
    await world.confirmed(op)


async def test_the_end_of_an_old_registration_changes_nothing(world: SimulatedWorld) -> None:
    """REGISTRATION arrives first, then the DEREGISTRATION of the registration that it replaced."""
    await world.wake()
    world.simulator.register("dev", old_after=True)
    await world.registration_known("dev")
    op = await world.create("READ", "/3/0/0")
    await world.confirmed(op)
    await world.settled()
    assert await presences(world) == ["ONLINE"]


async def test_events_of_an_old_registration_do_not_restore_it(world: SimulatedWorld) -> None:
    await world.wake()
    old = world.published("REGISTRATION")
    world.simulator.register("dev")
    await world.registration_known("dev")
    new = await world.endpoint()
    await world.post_event("DEREGISTRATION", old)
    await world.post_event("UPDATED", {"registration": old, "update": {}})
    await world.post_event("REGISTRATION", old)
    row = await world.endpoint()
    assert new is not None
    assert row is not None
    assert (row.registration_id, row.wake_seq) == (new.registration_id, new.wake_seq)
    await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_a_device_that_registers_again_is_never_reported_offline(world: SimulatedWorld) -> None:
    """The old registration's end arrives right before the new one: subscribers receive OFFLINE only after 2 s."""
    await world.wake()
    for _ in range(3):
        world.simulator.register("dev")
        await world.registration_known("dev")
    await world.settled()
    assert await presences(world) == ["ONLINE"]


async def test_a_device_that_deregistered_is_reported_offline(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.deregister("dev")
    await world.presence_is("dev", Presence.OFFLINE)
    world.move_clock(3)
    await world.swept()
    await world.swept()
    assert await presences(world) == ["ONLINE", "OFFLINE"]


async def test_a_repeated_delivery_is_acknowledged_and_changes_nothing(world: SimulatedWorld) -> None:
    """Standard Webhooks repeat a delivery under its own id until it is accepted."""
    await world.wake()
    value = {"ep": "dev", "kind": "single", "res": "/3/0/9"}
    first = value | {"val": {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "50"}}
    async with world.webhook() as caller:
        for _ in range(2):
            answer = await caller.post(
                "/leshan/events", json={"event": "NOTIFICATION", "data": first}, headers={"webhook-id": "msg_1"}
            )
            assert answer.status_code == 202
    assert await tables.WebhookDelivery.all().count() == 1


async def test_an_event_that_the_database_refuses_affects_only_itself(world: SimulatedWorld) -> None:
    """Such a delivery used to receive 500 forever, and everything else from its sender waited behind it."""
    await world.wake()
    ingest = presence.apply
    told = [
        {"event": "AWAKE", "data": {"ep": "another"}},
        {"event": "AWAKE", "data": {"ep": "poison"}},
        {"event": "SLEEPING", "data": {"ep": "dev"}, "seq": 3},
    ]

    def refusing(endpoint: Any, *arguments: Any) -> None:
        if endpoint.name == "poison":
            raise OverflowError
        ingest(endpoint, *arguments)

    with mock.patch.object(presence, "apply", refusing):
        async with world.webhook() as caller:
            for _ in range(2):
                answer = await caller.post("/leshan/events", json=told, headers={"webhook-id": "msg_1"})
                assert answer.status_code == 202, answer.text
    assert await presences(world) == ["ONLINE", "ASLEEP"]
    assert await world.endpoint("another") is not None
    assert await world.endpoint("poison") is None
    assert await tables.WebhookDelivery.filter(id="msg_1").count() == 1
