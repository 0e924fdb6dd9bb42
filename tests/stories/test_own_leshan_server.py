"""Late events of our own Leshan server wake no device, lost ones are recovered, and none counts twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest import mock

import orjson
import pytest
import pytest_asyncio

from app.domain.enums import Presence
from app.models import tables
from simulator import Behaviour, Kind, Mode
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

RESET = "/3442/0/0"
PATH = "/3303/0/5700"


def _temperature(value: int) -> dict[str, object]:
    return {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": str(value)}


def _json(data: object) -> bytes:
    return orjson.dumps(data)


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[SimulatedWorld]:
    """A world with one device, ``dev``, and our own Leshan server."""
    async with begin(simulated={"mode": Mode.REVEILLE}) as world:
        await world.server_info_known()
        yield world


async def test_a_sleeping_device_that_notifies_is_called_at_once(world: SimulatedWorld) -> None:
    """The setting is not needed: the server reports it itself."""
    await world.asleep()
    op = await world.create("READ", "/3/0/0")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    world.simulator.deafen("dev", deaf=False)
    world.simulator.notify("dev", "/3303/0/5700", "30.5", anyway=True)
    await world.confirmed(op)


async def test_a_device_is_called_while_the_server_reports_it_awake(begin: Begin) -> None:
    """The server's own awake window is shorter than the assumed one."""
    async with begin(simulated={"mode": Mode.REVEILLE, "awake_window_seconds": 20.0}) as world:
        await world.server_info_known()
        await world.wake()
        await world.wake()

        async def learned() -> bool:
            row = await world.endpoint()
            return row is not None and abs((row.awake_millis or 0) - 20_000) < 1_000

        await eventually(learned, "the window was learned")
        world.move_clock(18)
        await world.presence_is("dev", Presence.ASLEEP)


async def test_events_of_a_stream_that_was_down_are_replayed(world: SimulatedWorld) -> None:
    await world.wake()
    assert world.components.bridge is not None
    world.simulator.server_behaves(Behaviour(kind=Kind.HTTP, status=503, method="GET"))
    world.simulator.events.close()
    world.simulator.send("dev", ["/3303/0/5700"])
    sent = world.simulator.events.seq
    world.simulator.behave_well()

    async def heard() -> bool:
        row = await tables.LeshanServer.get(id=1)
        return row.stream_id is not None and int(row.stream_id) >= sent

    await eventually(heard, "the stream went on where it had been")
    assert await tables.ResourceState.filter(endpoint__name="dev", path="/3303/0/5700").count() == 1


async def test_all_samples_of_a_send_are_stored_with_the_devices_times(world: SimulatedWorld) -> None:
    """This holds even for a device whose clock is ahead: no sample is dated later than its arrival."""
    await world.wake()
    times = [1_700_000_000_000 + 3_600_000 * hour for hour in range(24)] + [4_000_000_000_000, None]
    samples = [{"time": at, "val": {PATH: _temperature(n)}} for n, at in enumerate(times)]
    world.simulator.events.publish("SEND", "dev", _json({"ep": "dev", "val": samples[-1]["val"], "samples": samples}))

    async def told() -> bool:
        return await tables.Reading.filter(path=PATH).count() == len(samples)

    await eventually(told, "every sample is in the log")
    changes = await tables.Reading.filter(path=PATH).order_by("seq")
    assert [float(change.value) for change in changes] == [float(n) for n in range(26)]
    assert [change.at // 1000 for change in changes[:24]] == times[:24]
    assert changes[24].at == changes[25].at
    assert float((await tables.ResourceState.get(path=PATH)).value) == 25


async def test_events_that_the_server_dropped_are_recovered_from_the_list(world: SimulatedWorld) -> None:
    await world.asleep()
    op = await world.create("READ", "/3/0/0")
    with mock.patch.object(world.simulator.events, "publish"):
        world.simulator.wake("dev")
    await world.settled()
    assert await world.transitions(op) == ["QUEUED"]
    world.simulator.events.gap(2)
    await world.confirmed(op)

    async def made_up_for() -> bool:
        return (await tables.LeshanServer.get(id=1)).missed_at is None

    await eventually(made_up_for, "the list is read to its end, and nothing is missed any more")


async def test_a_response_known_only_by_its_event_settles_the_attempt(world: SimulatedWorld) -> None:
    """The attempt's dispatcher is gone, and its lease is far from its end."""
    await world.wake()

    async def gone(*_: object) -> None:
        return

    with mock.patch("app.dispatcher.runner.Runner._settle", gone):
        op = await world.create("EXECUTE", RESET, timeout=300)
        await world.confirmed(op)
    assert await world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert await tables.EarlyResponse.all().count() == 0


async def test_an_error_known_only_by_its_event_settles_the_attempt(world: SimulatedWorld) -> None:
    await world.wake()

    async def gone(*_: object) -> None:
        return

    world.simulator.behave("dev", Behaviour(kind=Kind.SILENT, times=1))
    with mock.patch("app.dispatcher.runner.Runner._settle", gone):
        op = await world.create("WRITE", "/3442/0/110", "x", timeout=1)
        await world.becomes(op, "QUEUED", "NO_ANSWER", attempts=1)
    await world.wake()
    await world.confirmed(op)


async def test_a_response_reported_again_changes_nothing(world: SimulatedWorld) -> None:
    await world.wake()
    op = await world.create("EXECUTE", RESET)
    await world.confirmed(op)
    told = world.published("REQUEST_RESPONSE")
    for _ in range(2):
        await world.post_event("REQUEST_RESPONSE", told, ordered=True)
    await world.settled()
    assert await world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert await tables.EarlyResponse.all().count() == 0


async def test_a_late_registration_event_does_not_hide_the_listed_one(world: SimulatedWorld) -> None:
    """While Reveille was away the device registered twice; the list reported the newer registration before the outbox
    delivered the older one."""
    await world.asleep()
    with mock.patch.object(world.simulator.events, "publish") as tell:
        world.simulator.register("dev")
        older = [call.args for call in tell.call_args_list if call.args[0] == "REGISTRATION"]
        world.simulator.register("dev")
    world.simulator.events.gap(4)
    await world.registration_known("dev")
    row = await world.endpoint()
    late = orjson.loads(older[0][2])
    await world.post_event(
        "REGISTRATION", late | {"registrationDate": late["registrationDate"] - 1}, late=600, ordered=True
    )
    await world.settled()
    now = await world.endpoint()
    assert row is not None
    assert now is not None
    assert now.registration_id == row.registration_id


async def test_a_restarted_server_has_no_registrations(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.restart()
    await world.presence_is("dev", Presence.OFFLINE)
    await world.wake()
    await world.confirmed(await world.create("READ", "/3/0/0"))
