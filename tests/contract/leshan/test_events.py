"""Contract: the events that Leshan publishes when devices register, wake, sleep, deregister and report values."""

from __future__ import annotations

import pytest

from app.domain.enums import ValueType
from app.domain.events import Awake, Deregistered, Registered, Reported, Sleeping, Updated
from app.domain.outcomes import OutcomeKind
from app.domain.values import TypedValue
from app.leshan.nodes import decode_content
from tests.contract.leshan.contract import Contract
from tests.contract.leshan.differences import Difference

pytestmark = pytest.mark.asyncio

TEMPERATURE = "/3303/0/5700"


async def test_a_registration_event_has_the_facts_of_the_device(contract: Contract) -> None:
    device = await contract.device(queue_mode=True)
    told = (await contract.ear.hears(Registered, device.name)).registration
    assert told.registration_id
    assert told.lifetime_seconds
    assert (told.queue_mode, told.lwm2m_version) == (True, "1.1")
    assert told.registered_at is not None
    assert told.registered_at == told.last_update
    assert "/3303/0" in {link["url"] for link in told.object_links or ()}
    async with contract.client.registrations() as listed:
        known = {one.endpoint: one.registration async for one in listed}
    assert known[device.name].registration_id == told.registration_id
    assert listed.skipped == 0


async def test_wake_and_sleep_of_a_device_in_queue_mode(contract: Contract) -> None:
    device = await contract.sleeper()
    first = (await contract.ear.hears(Registered, device.name)).registration
    assert (await contract.ear.hears(Sleeping, device.name)).ordered
    await device.wake()
    updated = (await contract.ear.hears(Updated, device.name)).registration
    assert updated.registration_id == first.registration_id
    await contract.ear.hears(Awake, device.name, 2)
    names = contract.ear.names(device.name)
    assert sorted(names[:2]) == ["Awake", "Registered"]
    assert names[2] == "Sleeping"
    assert sorted(names[3:]) == ["Awake", "Updated"]
    async with contract.client.registrations() as listed:
        states = {one.endpoint: one.registration.sleeping async for one in listed}
    assert states[device.name] is False


async def test_each_update_has_a_later_last_update(contract: Contract) -> None:
    device = await contract.device()
    newest = (await contract.ear.hears(Registered, device.name)).registration.last_update or 0
    count = 0
    while count < 3 and newest:
        await device.wake()
        count += 1
        event = await contract.ear.hears(Updated, device.name, count)
        told = event.registration.last_update or 0
        if Difference.DATES_IN_SECONDS in contract.differences:
            assert told % 1000 == 0
            assert told >= newest
        else:
            assert told > newest
        newest = told


async def test_a_new_registration_has_a_new_id(contract: Contract) -> None:
    device = await contract.device()
    first = (await contract.ear.hears(Registered, device.name)).registration
    await device.register(new_address=True)
    second = (await contract.ear.hears(Registered, device.name, 2)).registration
    assert first.registration_id != second.registration_id
    gone = await contract.ear.hears(Deregistered, device.name)
    assert gone.registration.registration_id == first.registration_id
    await device.deregister()
    gone = await contract.ear.hears(Deregistered, device.name, 2)
    assert gone.registration.registration_id == second.registration_id


async def test_an_observed_value_is_reported_until_the_observation_is_canceled(contract: Contract) -> None:
    device = await contract.device()
    models = {model.id: model for model in await contract.client.object_models(device.name)}
    assert (await contract.call(device, "OBSERVE", TEMPERATURE)).kind is OutcomeKind.SUCCESS
    await device.notify(TEMPERATURE, "-40.25")
    event = await contract.ear.hears(Reported, device.name)
    assert decode_content(None, event.nodes, models.get).values == {TEMPERATURE: TypedValue(ValueType.FLOAT, -40.25)}
    assert (await contract.call(device, "CANCEL_OBSERVE", TEMPERATURE)).kind is OutcomeKind.SUCCESS
    await device.notify(TEMPERATURE, "1.5")
    await device.wake()
    await contract.ear.hears(Updated, device.name)
    assert len(contract.ear.of(Reported, device.name)) == 1


@pytest.mark.without(Difference.NO_COMPOSITES)
async def test_a_composite_observation_reports_all_its_paths(contract: Contract) -> None:
    device = await contract.device()
    paths = (TEMPERATURE, "/3303/0/5701")
    assert (await contract.call(device, "OBSERVE_COMPOSITE", paths=paths)).kind is OutcomeKind.SUCCESS
    await device.notify(TEMPERATURE, "-40.25")
    event = await contract.ear.hears(Reported, device.name)
    assert {path: node["value"] for path, node in event.nodes.items()} == {TEMPERATURE: "-40.25", paths[1]: "cel"}


@pytest.mark.without(Difference.NO_SEND)
async def test_a_send_is_reported(contract: Contract) -> None:
    device = await contract.device()
    await device.send(TEMPERATURE)
    event = await contract.ear.hears(Reported, device.name)
    assert event.nodes[TEMPERATURE]["value"] == await device.held(TEMPERATURE)


@pytest.mark.only_with(Difference.NO_SEND)
async def test_a_send_is_accepted_and_not_reported(contract: Contract) -> None:
    device = await contract.device()
    await device.send(TEMPERATURE)
    await device.wake()
    await contract.ear.hears(Updated, device.name)
    assert contract.ear.of(Reported, device.name) == []


@pytest.mark.only_with(Difference.NOTIFICATIONS_WAKE)
async def test_a_notification_of_a_sleeping_device_is_followed_by_awake(contract: Contract) -> None:
    device = await contract.device(queue_mode=True)
    assert (await contract.call(device, "OBSERVE", TEMPERATURE)).kind is OutcomeKind.SUCCESS
    await contract.send_to_sleep(device)
    await device.notify(TEMPERATURE, "-40.25")
    await contract.ear.hears(Reported, device.name)
    assert (await contract.registration(device))["sleeping"] is False


@pytest.mark.without(Difference.NOTIFICATIONS_WAKE)
async def test_a_notification_of_a_sleeping_device_causes_no_awake(contract: Contract) -> None:
    device = await contract.device(queue_mode=True)
    assert (await contract.call(device, "OBSERVE", TEMPERATURE)).kind is OutcomeKind.SUCCESS
    await contract.send_to_sleep(device)
    await device.notify(TEMPERATURE, "-40.25")
    await contract.ear.hears(Reported, device.name)
    assert (await contract.registration(device))["sleeping"] is True
    asleep = await contract.call(device, "READ", "/3/0/0")
    refuses = Difference.REFUSES_WHEN_ASLEEP in contract.differences
    assert asleep.kind is (OutcomeKind.ASLEEP if refuses else OutcomeKind.DELAYED)
    assert len(contract.ear.of(Awake, device.name)) == 1


async def test_every_response_of_a_device_extends_its_awake_window(contract: Contract) -> None:
    device = await contract.device(queue_mode=True)
    for _ in range(5):
        assert (await contract.call(device, "READ", "/3/0/0")).kind is OutcomeKind.SUCCESS
    assert (await contract.registration(device))["sleeping"] is False
    assert contract.ear.of(Sleeping, device.name) == []
