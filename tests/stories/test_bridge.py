"""Leshan's events that were published without a listener are recovered, and of several bridges one listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from unittest import mock

import pytest
from starlette.applications import Starlette

from app.domain.enums import SECOND, Presence
from app.domain.events import Event, LeshanEvent
from app.ingest import stream_bridge
from app.leshan.event_stream import Opened, event_stream
from app.models import tables
from app.models.ledger import RenewBridgeLease
from app.process import Components, Role
from app.web import api_routes
from simulator import Behaviour, Kind
from tests.stories.conftest import Begin
from tests.support.api import Api
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


@contextlib.asynccontextmanager
async def stream_down(world: SimulatedWorld) -> AsyncIterator[None]:
    """Close the event stream and prevent it from opening again until the block ends."""
    world.simulator.server_behaves(Behaviour(kind=Kind.HTTP, status=503, method="GET"))
    world.simulator.events.close()
    await eventually(lambda: not listening(world.components), "the bridge noticed")
    yield
    world.simulator.behave_well()


@contextlib.contextmanager
def refused(world: SimulatedWorld, endpoint: str) -> Iterator[asyncio.Event]:
    """Reject every event of this endpoint, as the database would. Events wait for the yielded event, so that they are
    ingested together."""
    ingest, together = world.components.ingestor.ingest, asyncio.Event()

    async def ingest_others(events: Sequence[Event], **more: Any) -> None:
        await together.wait()
        if any(event.endpoint == endpoint for event in events):
            raise RuntimeError("a CHECK refuses it")
        await ingest(events, **more)

    with mock.patch.object(world.components.ingestor, "ingest", ingest_others):
        yield together


def listening(components: Components) -> bool:
    return components.bridge is not None and components.bridge.listening


async def test_a_missed_wake_is_found_when_the_stream_reconnects(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await world.create("WRITE", "/3442/0/110", "x")
    async with stream_down(world):
        world.simulator.wake("dev")
        for _ in range(3):
            await world.swept()
        assert await world.transitions(op) == ["QUEUED"]
    await world.confirmed(op)


async def test_events_received_before_the_stream_was_lost_are_ingested(
    world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bridge was frozen or the database slow: the stream has ended before its last events are committed. Leshan
    reports the response to a request that it held only once."""
    ended = asyncio.Event()

    async def one_stream(*arguments: Any, **more: Any) -> AsyncIterator[Opened | LeshanEvent]:
        try:
            async for item in event_stream(*arguments, **more):
                yield item
        finally:
            ended.set()

    monkeypatch.setattr(stream_bridge, "event_stream", one_stream)
    async with stream_down(world):
        pass
    await eventually(lambda: listening(world.components), "the stream is open again")
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    op = await world.create("EXECUTE", "/3442/0/0")
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    with refused(world, "no endpoint") as together:
        world.simulator.wake("dev")
        await eventually(lambda: world.simulator.events.counters["REQUEST_RESPONSE"] == 1, "the device responded")
        ended.clear()
        world.simulator.restart()
        await ended.wait()
        together.set()
        await world.confirmed(op)
    await eventually(lambda: world.simulator.events.listeners == 1, "the stream is open again")


async def test_a_missed_registration_is_found(world: SimulatedWorld) -> None:
    await world.provision()
    op = await world.create("WRITE", "/3442/0/110", "x")
    async with stream_down(world):
        world.simulator.register("dev")
    await world.confirmed(op)


async def test_a_device_that_deregistered_meanwhile_is_offline(world: SimulatedWorld) -> None:
    await world.wake()
    async with stream_down(world):
        world.simulator.deregister("dev")
    await world.presence_is("dev", Presence.OFFLINE)
    op = await world.create("READ", "/3/0/0")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    await world.wake()
    await world.confirmed(op)


async def test_a_device_that_fell_asleep_meanwhile_is_asleep(world: SimulatedWorld) -> None:
    """Leshan lists the device as sleeping, so its window is over, whatever our clock says."""
    await world.wake()
    async with stream_down(world):
        world.simulator.wake("dev")
        world.simulator.sleep("dev")
    await world.presence_is("dev", Presence.ASLEEP)
    op = await world.create("READ", "/3/0/0")
    await world.settled()
    assert await world.waits_for(op) == "DEVICE_WAKE"
    assert world.received() == []
    await world.wake()
    await world.confirmed(op)


async def test_an_event_that_is_never_accepted_affects_only_itself(begin: Begin) -> None:
    async with begin("poison", "dev") as world:
        with refused(world, "poison") as together:
            for name in ("poison", "poison", "dev"):
                world.simulator.wake(name)
            together.set()
            await world.registration_known("dev")
        assert await world.endpoint("poison") is None
        await world.wake("poison")


async def test_a_registration_that_is_never_accepted_hides_no_other(begin: Begin) -> None:
    async with begin("poison", "dev") as world:
        with refused(world, "poison") as together:
            together.set()
            async with stream_down(world):
                world.simulator.register("poison")
                world.simulator.register("dev")
            await world.registration_known("dev")
        assert await world.endpoint("poison") is None


async def test_no_bridge_listens_after_its_lease_expired(begin: Begin) -> None:
    async with begin(roles=Role.DISPATCH) as world:
        await world.components.ledger.submit(RenewBridgeLease("one that lives", 10 * SECOND, open_for=0))
        assert (await world.components.health.checks())["bridge"].ok
        world.move_clock(-11)
        await world.components.ledger.submit(RenewBridgeLease("one that lives", 10 * SECOND, open_for=0))
        assert not (await world.components.health.checks())["bridge"].ok


@pytest.mark.parametrize(("events", "expected"), [("webhook", False), ("stream", True), ("both", True)])
async def test_clients_can_see_whether_a_bridge_is_expected(begin: Begin, events: str, expected: bool) -> None:
    async with begin(leshan_events=events) as world, api_routes(world.components) as routes:
        api = Api.within(Starlette(routes=routes))
        async with api.http:
            status = await api.ask("{ dispatchStatus { leshanServer { usesEventStream } } }")
        assert status["dispatchStatus"]["leshanServer"] == {"usesEventStream": expected}


async def test_a_bridge_without_a_stream_is_distinguished(world: SimulatedWorld) -> None:
    """The bridge that holds the lease reports at once that the stream has opened or ended: in the readiness of every
    process."""

    async def told(sentence: str) -> bool:
        check = (await world.components.health.checks())["bridge"]
        assert check.ok is check.detail.startswith("the event stream is open since ")
        return check.detail.startswith(sentence)

    await eventually(lambda: told("the event stream is open since "), "the stream is open")
    async with stream_down(world):
        await eventually(lambda: told("a bridge is running, but the event stream is not open"), "it is not")
    await eventually(lambda: told("the event stream is open since "), "the stream is open again")


async def test_leshan_restarts_and_its_devices_register_again(world: SimulatedWorld) -> None:
    """All registrations are lost without an event; each device returns with a new one."""
    await world.wake()
    world.simulator.restart()
    await world.presence_is("dev", Presence.OFFLINE)
    op = await world.create("WRITE", "/3442/0/110", "x")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    await world.wake()
    await world.confirmed(op)


async def test_of_two_bridges_one_listens_and_the_other_takes_over(begin: Begin) -> None:
    async with begin(roles=Role.DISPATCH) as world:
        async with world.another(Role.BRIDGE) as first:
            await eventually(lambda: listening(first), "the first one listens")
            async with world.another(Role.BRIDGE) as second:
                holder = (await tables.LeshanServer.get(id=1)).bridge_holder
                for _ in range(8):
                    await world.swept()
                assert not listening(second)
                assert world.simulator.events.listeners == 1
                assert (await tables.LeshanServer.get(id=1)).bridge_holder == holder
        async with world.another(Role.BRIDGE) as third:
            await eventually(lambda: listening(third), "another one takes over at once: the first gave it back")
            await world.wake()
            await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_a_standby_bridge_takes_over_while_it_waits(begin: Begin) -> None:
    async with begin(roles=Role.DISPATCH) as world:
        ends = contextlib.AsyncExitStack()
        first = await ends.enter_async_context(world.another(Role.BRIDGE))
        await eventually(lambda: listening(first), "the first one listens")
        async with world.another(Role.BRIDGE) as second:
            await ends.aclose()
            world.simulator.register("dev")
            await eventually(lambda: listening(second), "the standby takes over")
            await world.registration_known("dev")
            await world.confirmed(await world.create("READ", "/3/0/0"))


async def test_a_dead_bridge_is_replaced_when_its_lease_expires(begin: Begin) -> None:
    async with begin(roles=Role.DISPATCH) as world:
        await world.components.ledger.submit(RenewBridgeLease("one that died", 10 * SECOND))
        async with world.another(Role.BRIDGE) as standby:
            for _ in range(2):
                await world.swept()
            assert not listening(standby)
            world.move_clock(11)
            await eventually(lambda: listening(standby), "the standby takes over")
            await world.wake()
