"""Registration, sleep and wake as stock Leshan handles them, and its handling of requests meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from simulator import Behaviour, Kind, Mode, Simulator, SimulatorConfig
from tests.support.waiting import eventually
from tests.unit.simulated.wire import STRING, ask

pytestmark = pytest.mark.asyncio

PATH = "/api/clients/dev/3442/0/110"


def simulator(**settings: Any) -> Simulator:
    return Simulator(SimulatorConfig.manual("dev", **settings))


def names(sim: Simulator) -> list[str]:
    return [name for name, _ in sim.events.newest]


async def test_awake_and_sleeping_are_reported_only_when_they_change() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.wake("dev")
        sim.sleep("dev")
        sim.sleep("dev")
        sim.wake("dev")
        assert names(sim) == ["AWAKE", "REGISTRATION", "UPDATED", "SLEEPING", "AWAKE", "UPDATED"]


async def test_the_window_ends_by_time_and_an_answer_restarts_it() -> None:
    async with simulator(awake_window_seconds=0.2).serve() as sim:
        sim.register("dev")
        before = sim.device("dev").awake_until
        await ask(sim.url, "GET", PATH)
        assert sim.device("dev").awake_until > before
        await eventually(lambda: names(sim)[-1] == "SLEEPING")
        assert (await ask(sim.url, "GET", PATH)).json["delayed"] is True


async def test_notification_and_send_do_not_wake_a_stock_server_and_wake_ours() -> None:
    for mode, awake in ((Mode.M18, False), (Mode.REVEILLE, True)):
        async with simulator(mode=mode).serve() as sim:
            sim.register("dev")
            await ask(sim.url, "POST", "/api/clients/dev/3303/0/5700/observe")
            sim.sleep("dev")
            assert sim.notify("dev", "/3303/0/5700", "30.5") == 1
            sim.send("dev", ["/3303/0/5700"])
            assert sim.device("dev").awake is awake


@pytest.mark.parametrize(("mode", "status"), [(Mode.M16, 400), (Mode.M18, 200), (Mode.REVEILLE, 409)])
async def test_a_sleeping_client_is_answered_according_to_the_mode(mode: Mode, status: int) -> None:
    async with simulator(mode=mode).serve() as sim:
        sim.register("dev")
        sim.sleep("dev")
        assert (await ask(sim.url, "PUT", PATH, STRING)).status == status
        assert sim.device("dev").counters["handedOver"] == 0


async def test_only_the_newest_delayed_request_is_sent_at_the_next_wake() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.sleep("dev")
        ids = [(await ask(sim.url, "PUT", PATH, {**STRING, "value": text})).json["requestId"] for text in "abc"]
        sim.wake("dev")
        await eventually(lambda: sim.events.counters["REQUEST_RESPONSE"] > 0)
        assert ids[-1].encode() in sim.events.newest[-1][1]
        assert sim.value("dev", "/3442/0/110") == "c"
        assert sim.device("dev").counters["handedOver"] == 1


async def test_a_delayed_request_that_times_out_ends_without_an_event() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.sleep("dev")
        sim.behave("dev", Behaviour(kind=Kind.SILENT))
        await ask(sim.url, "PUT", f"{PATH}?timeout=0", STRING)
        sim.wake("dev")
        await eventually(lambda: names(sim)[-1] == "SLEEPING")
        assert sim.events.counters["REQUEST_RESPONSE"] == 0


async def test_a_delayed_request_is_dropped_with_its_registration() -> None:
    for ended in ("register", "restart"):
        async with simulator().serve() as sim:
            sim.register("dev")
            sim.sleep("dev")
            await ask(sim.url, "PUT", PATH, STRING)
            if ended == "restart":
                sim.restart()
                assert (await ask(sim.url, "GET", "/api/clients/dev")).status == 400
            sim.register("dev")
            await ask(sim.url, "GET", PATH)
            assert sim.value("dev", "/3442/0/110") == "initial value"


async def test_after_504_a_queue_mode_client_counts_as_asleep() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.deafen("dev")
        assert (await ask(sim.url, "GET", f"{PATH}?timeout=0")).status == 504
        assert names(sim)[-1] == "SLEEPING"
        assert (await ask(sim.url, "GET", PATH)).json["delayed"] is True


async def test_a_replaced_registration_is_deregistered_before_or_after() -> None:
    async with simulator(queue_mode_share=0.0).serve() as sim:
        sim.register("dev")
        sim.register("dev")
        sim.register("dev", old_after=True)
        assert names(sim) == ["REGISTRATION", "DEREGISTRATION", "REGISTRATION", "REGISTRATION", "DEREGISTRATION"]


async def test_a_vanished_client_is_deregistered_when_its_lifetime_expires() -> None:
    async with simulator(lifetime_seconds=1).serve() as sim:
        sim.register("dev")
        sim.deafen("dev")
        await eventually(lambda: "DEREGISTRATION" in names(sim))


async def test_a_reboot_deregisters_and_registers_again() -> None:
    async with simulator(reboot_seconds=0.01).serve() as sim:
        sim.register("dev")
        first = sim.device("dev").registration
        assert (await ask(sim.url, "POST", "/api/clients/dev/3/0/4")).json["success"] is True
        await eventually(lambda: names(sim)[-1] == "REGISTRATION" and sim.device("dev").registration is not first)
        assert "DEREGISTRATION" in names(sim)


async def test_devices_act_autonomously_and_the_same_seed_gives_the_same() -> None:
    config = SimulatorConfig(
        devices=20,
        seed=7,
        queue_mode_share=0.5,
        start_within_seconds=0.05,
        awake_window_seconds=0.05,
        asleep_seconds=(0.01, 0.05),
    )
    drawn = []
    for _ in range(2):
        async with Simulator(config).serve() as sim:
            await eventually(lambda: sim.events.counters["SLEEPING"] >= 20 and sim.events.counters["UPDATED"] >= 20)
            drawn.append([(device.name, device.queue_mode) for device in sim.devices()])
    assert drawn[0] == drawn[1]
    assert len({queue_mode for _, queue_mode in drawn[0]}) == 2


async def test_random_refusals_and_silence_follow_the_configured_rates() -> None:
    async with simulator(refuse_rate=1.0, queue_mode_share=0.0).serve() as sim:
        sim.register("dev")
        assert (await ask(sim.url, "GET", PATH)).json["success"] is False
    async with simulator(silent_rate=1.0, queue_mode_share=0.0).serve() as sim:
        sim.register("dev")
        assert (await ask(sim.url, "GET", f"{PATH}?timeout=0")).status == 504


async def test_an_observation_ends_with_its_registration() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        await ask(sim.url, "POST", "/api/clients/dev/3442/0/110/observe")
        await ask(sim.url, "PUT", PATH, STRING)
        await eventually(lambda: sim.events.counters["NOTIFICATION"] == 1)
        sim.register("dev")
        assert sim.notify("dev", "/3442/0/110", "y") == 0
        assert sim.notify("dev", "/3442/0/110", "z", anyway=True) == 1


async def test_it_can_be_stopped_while_calls_and_waits_are_open() -> None:
    sim = simulator()
    async with sim.serve():
        sim.register("dev")
        sim.behave("dev", Behaviour(delay_ms=3_600_000))
        call = asyncio.create_task(ask(sim.url, "GET", f"{PATH}?timeout=9999"))
        await eventually(lambda: sim.stats.open_calls == 1)
    with pytest.raises(aiohttp.ClientError):
        await call
    assert sim.stats.open_calls == 0
