"""Contract: names come from devices. No name makes a call reach another path or client, or ends the event stream."""

from __future__ import annotations

import pytest

from app.domain.events import Awake, Registered
from app.domain.outcomes import OutcomeKind
from tests.contract.leshan.contract import Contract
from tests.contract.leshan.differences import Difference

pytestmark = pytest.mark.asyncio

ADDRESSABLE = ["urn:dev:ops:00-1", "n\u00e4me \u20ac", "a+b", "a?b=c", "a#b", "a&timeout=1", 'a"b', "x,y", "[::1]", "~"]
NOT_ADDRESSABLE = ["..", ".", "x/3/0/4?a=1#", "x%2F3", "x;y", "x\\y", "victim/3/0/4"]


@pytest.mark.parametrize("name", ADDRESSABLE)
async def test_an_unusual_name_reaches_its_own_device(contract: Contract, name: str) -> None:
    device = await contract.device(name)
    outcome = await contract.call(name, "EXECUTE", "/3442/0/3", arguments="5")
    assert (outcome.kind, outcome.device_status) == (OutcomeKind.SUCCESS, "CHANGED(204)")
    assert [(one.kind, one.path, one.value) for one in await device.reached()] == [("EXECUTE", "/3442/0/3", "5")]
    assert (await contract.client.probe(name)).detail == "answers with a registration"


@pytest.mark.parametrize("name", NOT_ADDRESSABLE)
async def test_a_hostile_name_reaches_no_device(contract: Contract, name: str) -> None:
    devices = [await contract.device(each) for each in ("x", "victim", name)]
    for kind, path in (("EXECUTE", "/3/0/4"), ("READ", "/3/0/0"), ("DELETE", "/3442/0")):
        outcome = await contract.call(name, kind, path)
        assert outcome.kind is OutcomeKind.BAD_REQUEST
        assert outcome.http_status is None, "nothing was sent"
    assert [await device.reached() for device in devices] == [[], [], []]


@pytest.mark.without(Difference.EVERY_NAME_IS_TOLD)
async def test_a_name_that_breaks_an_event_affects_only_that_event(contract: Contract) -> None:
    broken = contract.ear.broken
    device = await contract.device('quote"quote', queue_mode=True)
    after = await contract.device(queue_mode=True)
    await contract.ear.hears(Awake, after.name)
    assert contract.ear.broken == broken + 1
    assert contract.ear.of(Awake, device.name) == []
    assert (await contract.ear.hears(Registered, device.name)).registration.queue_mode


@pytest.mark.only_with(Difference.EVERY_NAME_IS_TOLD)
async def test_events_of_any_name_can_be_read(contract: Contract) -> None:
    device = await contract.device('quote"quote\\', queue_mode=True)
    await contract.ear.hears(Awake, device.name)
    assert contract.ear.broken == 0
