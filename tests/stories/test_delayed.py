"""A request that Leshan holds for the next wake ends once, with the correct result, in every case.

From 2.0.0-M17 on a stock Leshan responds ``delayed:true`` for a client that it considers asleep, keeps one request per
registration in memory, and publishes the response as REQUEST_RESPONSE, or never.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from app.ingest.event_ingestor import EventIngestor
from app.ingest.reconciler import Reconciler
from app.models import tables
from app.models.ledger import Cancel, Conflict
from simulator import Behaviour, Kind
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

KINDS = pytest.mark.parametrize("kind", ["WRITE", "EXECUTE"])


async def delayed(world: SimulatedWorld, kind: str) -> Op:
    """Return an operation that Leshan holds: Reveille considered the device awake, Leshan did not."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    op = await wanted(world, kind)
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    return op


async def wanted(world: SimulatedWorld, kind: str) -> Op:
    path, value = ("/3442/0/110", "held") if kind == "WRITE" else ("/3442/0/0", None)
    return await world.create(kind, path, value, timeout=1)


@KINDS
async def test_the_response_arrives_after_the_wake(world: SimulatedWorld, kind: str) -> None:
    op = await delayed(world, kind)
    await world.settled()
    await world.wake()
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", "CONFIRMED"]
    assert (await world.operation(op)).attempts == 0
    assert world.simulator.device("dev").counters["handedOver"] == 1


async def test_the_devices_response_decides_the_verdict(world: SimulatedWorld) -> None:
    op = await delayed(world, "WRITE")
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=405, times=1))
    await world.wake()
    await world.becomes(op, "FAILED", "DEVICE_REFUSED")
    assert (await world.operation(op)).device_status == "METHOD_NOT_ALLOWED(405)"


async def test_no_other_operation_is_sent_to_the_device_meanwhile(world: SimulatedWorld) -> None:
    """A newer request would displace the one that Leshan holds, without any event."""
    op = await delayed(world, "WRITE")
    later = [await world.create("READ", "/3/0/0", priority=priority) for priority in (0, 10)]
    await world.settled()
    assert len(world.received()) == 1
    await world.wake()
    await world.confirmed(op, *later)


@KINDS
async def test_the_response_arrives_before_delayed_is_stored(world: SimulatedWorld, kind: str) -> None:
    """The device wakes right then: REQUEST_RESPONSE overtakes the response ``delayed`` itself."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, delay_ms=1_500, times=1))
    op = await wanted(world, kind)
    await eventually(lambda: world.simulator.device("dev").delayed is not None, "Leshan holds it")
    world.simulator.wake("dev")
    await eventually(tables.EarlyResponse.all().exists, "the answer was heard, and kept")
    assert await world.transitions(op) == ["QUEUED", "SENDING"]
    await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", "CONFIRMED"]
    assert world.simulator.device("dev").counters["handedOver"] == 1


async def test_a_write_without_a_response_is_sent_again_at_the_next_wake(world: SimulatedWorld) -> None:
    """Leshan publishes nothing when the later attempt times out."""
    op = await delayed(world, "WRITE")
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    await world.wake()
    world.move_clock(7)
    await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=1)
    await world.wake()
    await world.confirmed(op)


async def test_an_execute_without_a_response_has_an_unknown_outcome(world: SimulatedWorld) -> None:
    op = await delayed(world, "EXECUTE")
    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, carry_out=True, times=1))
    await world.wake()
    world.move_clock(7)
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")


@KINDS
async def test_a_new_registration_drops_the_held_request(world: SimulatedWorld, kind: str) -> None:
    """The request was kept with the old registration and never sent, so it is sent again and does not count."""
    op = await delayed(world, kind)
    world.simulator.register("dev")
    await world.confirmed(op)
    steps = ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", "QUEUED RELEASED", "SENDING", "CONFIRMED"]
    assert await world.transitions(op) == steps
    assert (await world.operation(op)).attempts == 0
    assert world.simulator.device("dev").counters["handedOver"] == 1


@KINDS
async def test_the_late_event_of_a_registration_drops_nothing(
    world: SimulatedWorld, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device registered again before the call, and the event stream was behind: Leshan holds the request under the
    new registration, and sends it at the next wake."""
    await world.wake()
    ingest_with_retry, caught_up = EventIngestor.ingest_with_retry, asyncio.Event()

    async def hear_late(*arguments: Any, **more: Any) -> None:
        await caught_up.wait()
        await ingest_with_retry(*arguments, **more)

    monkeypatch.setattr(EventIngestor, "ingest_with_retry", hear_late)
    world.simulator.register("dev")
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    op = await wanted(world, kind)
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    caught_up.set()
    await world.settled()
    world.simulator.wake("dev")
    await world.confirmed(op)
    assert "QUEUED RELEASED" not in await world.transitions(op)
    assert world.simulator.device("dev").counters["handedOver"] == 1


@KINDS
async def test_a_deregistration_drops_the_held_request(world: SimulatedWorld, kind: str) -> None:
    op = await delayed(world, kind)
    world.simulator.deregister("dev")
    await world.becomes(op, "QUEUED", "RELEASED", attempts=0)
    await world.wake()
    await world.confirmed(op)
    assert world.simulator.device("dev").counters["handedOver"] == 1


async def test_after_a_restart_of_leshan_a_write_is_sent_again(world: SimulatedWorld) -> None:
    """Events were missed, so perhaps the request was sent before the restart: it counts."""
    op = await delayed(world, "WRITE")
    world.simulator.restart()
    await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=1)
    await world.wake()
    await world.confirmed(op)


async def test_after_a_restart_of_leshan_an_execute_is_not_sent_again(world: SimulatedWorld) -> None:
    op = await delayed(world, "EXECUTE")
    world.simulator.restart()
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")


async def test_a_wake_that_was_missed_with_its_response(world: SimulatedWorld) -> None:
    """The stream was down while the device woke: the update is found in the list of registrations, the response
    nowhere."""
    op = await delayed(world, "EXECUTE")
    world.simulator.server_behaves(Behaviour(kind=Kind.HTTP, status=503, method="GET"))
    world.simulator.events.close()
    world.simulator.wake("dev")
    await eventually(lambda: world.simulator.device("dev").counters["handedOver"] == 1, "the device had it")
    world.simulator.behave_well()
    await world.becomes(op, "FAILED", "OUTCOME_UNKNOWN")
    assert (await world.operation(op)).detail == "events were missed while Leshan held the request"


@KINDS
async def test_a_registration_after_missed_events_proves_nothing(
    world: SimulatedWorld, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream was down while the device woke and received the request. The registration that follows is received
    before the list of registrations has been read."""
    op = await delayed(world, kind)
    run, listed = Reconciler.run, asyncio.Event()

    async def read_late(reconciler: Reconciler) -> None:
        await listed.wait()
        await run(reconciler)

    monkeypatch.setattr(Reconciler, "run", read_late)
    world.simulator.server_behaves(Behaviour(kind=Kind.HTTP, status=503, method="GET"))
    world.simulator.events.close()
    world.simulator.wake("dev")
    await eventually(lambda: world.simulator.device("dev").counters["handedOver"] == 1, "the device had it")
    world.simulator.behave_well()
    await eventually(lambda: world.simulator.events.listeners == 1, "the stream is open again")
    world.simulator.register("dev")
    ends = ["QUEUED NO_ANSWER", "SENDING", "CONFIRMED"] if kind == "WRITE" else ["FAILED OUTCOME_UNKNOWN"]
    await world.becomes(op, *ends[-1].split())
    assert await world.transitions(op) == ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", *ends]
    listed.set()


async def held(world: SimulatedWorld, kind: str = "WRITE", **more: Any) -> Op:
    """Return an operation that Leshan holds for a device that sleeps by now."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    path, value = ("/3442/0/110", "held") if kind == "WRITE" else ("/3442/0/0", None)
    op = await world.create(kind, path, value, timeout=1, **more)
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    world.simulator.sleep("dev")
    await world.settled()
    assert await world.waits_for(op) == "LESHAN_HOLDS_IT"
    return op


async def cancel(world: SimulatedWorld, op: Op) -> None:
    await world.components.ledger.submit(Cancel(str((await world.operation(op)).id)))


def written(world: SimulatedWorld) -> list[str]:
    """Return the methods of the writes and executions that the device received."""
    return [one.method for one in world.received() if one.handed_over and one.method != "GET"]


@KINDS
async def test_a_held_request_is_canceled_and_never_received(world: SimulatedWorld, kind: str) -> None:
    op = await held(world, kind)
    await cancel(world, op)
    await world.becomes(op, "CANCELED", "CANCELED_BY_USER")
    await world.wake()
    await world.confirmed(await world.create("READ", "/3/0/0"))
    assert written(world) == []


async def test_a_held_request_expires_and_is_never_received(world: SimulatedWorld) -> None:
    op = await held(world, ttl_seconds=60)
    world.move_clock(60)
    await world.becomes(op, "EXPIRED", "EXPIRED")
    await world.wake()
    await world.confirmed(await world.create("READ", "/3/0/0"))
    assert written(world) == []


async def test_of_a_held_request_and_its_superseder_only_the_newer_is_received(
    world: SimulatedWorld,
) -> None:
    op = await held(world)
    newer = await world.create("WRITE", "/3442/0/110", "newer", supersede=True)
    await world.becomes(op, "CANCELED", "SUPERSEDED")
    await world.wake()
    await world.confirmed(newer)
    assert len(written(world)) == 1


async def test_a_wake_before_the_cancellation_decides_the_outcome(world: SimulatedWorld) -> None:
    """Leshan has sent the request before another one can displace it."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.DELAYED, times=1))
    op = await wanted(world, "WRITE")
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    world.simulator.behave("dev", Behaviour(kind=Kind.SUCCESS, delay_ms=300, times=1))
    world.simulator.wake("dev")
    with suppress(Conflict):
        await cancel(world, op)
    await world.confirmed(op)
    assert written(world) == ["PUT"]
