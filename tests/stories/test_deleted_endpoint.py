"""A deleted endpoint: its operations end and are published, nothing is sent, and the device's next contact begins a new
one."""

from __future__ import annotations

import pytest

from app.domain.enums import OperationStatus, Presence, ReasonCode
from app.models.ledger import DeleteEndpoint
from app.models.live import TransitionCriteria
from app.models.queries import EndpointCriteria, endpoint_by_name, endpoint_page, log_position
from tests.support.live_log import Follower, live_log
from tests.support.simulated_world import SimulatedWorld

pytestmark = pytest.mark.asyncio

NAME = "/3442/0/110"


async def test_a_deleted_endpoint_ends_and_begins_again_with_a_later_contact(world: SimulatedWorld) -> None:
    await world.wake()
    confirmed = await world.create("READ", "/3/0/0")
    await world.confirmed(confirmed)
    await world.asleep()
    first, second = await world.create("READ", NAME), await world.create("WRITE", NAME, "x")
    old = await world.endpoint()
    async with live_log() as live:
        position = await log_position()
        follower = Follower(live.transitions(TransitionCriteria("dev"), position))
        everyone = Follower(live.presences(after=position))
        deleted = await world.components.ledger.submit(DeleteEndpoint("dev", "olga"))
        assert old is not None
        assert deleted.id == old.id
        events = await follower.upto((await world.operation(second)).last_seq)
        published = [(event.operation.seq, event.transition.to_status, event.transition.reason) for event in events]
        ended = OperationStatus.CANCELED, ReasonCode.ENDPOINT_DELETED
        assert published == [(first, *ended), (second, *ended)]
        assert await endpoint_by_name("dev") is None
        assert [view.name for view in (await endpoint_page(EndpointCriteria(), 9)).items] == []
        sent = len(world.received())

        await world.wake()
        await world.presence_is("dev", Presence.ONLINE)
        new = await world.endpoint()
        assert new is not None
        assert new.id > old.id
        await world.settled()
        assert len(world.received()) == sent
        again = await world.create("READ", NAME)
        await world.confirmed(again)
        mine = [event for event in everyone.events if event.endpoint.name == "dev"]
        changes = [(event.endpoint.id, event.change.presence) for event in mine]
        assert changes[:2] == [(old.id, Presence.OFFLINE), (new.id, Presence.ONLINE)]
        await follower.stop()
        await everyone.stop()
    assert (await world.operation(confirmed)).status is OperationStatus.CONFIRMED
