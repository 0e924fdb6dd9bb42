"""Object 5 of simulated devices: the state machine of LwM2M Core 1.1, E.6, and each failure that can be selected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio

from simulator import Delivery, FirmwareBehaviour, FirmwareFault, Mode, Reports, Simulator, SimulatorConfig
from tests.support.leshan.firmware import package
from tests.support.waiting import eventually
from tests.unit.simulated.wire import ask

pytestmark = pytest.mark.asyncio

F = FirmwareFault
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = "0", "1", "2", "3"
URI: Final = "https://url.com/fw.bin?version=2.0.0"
LONG: Final = 60_000.0
"""Milliseconds; no test waits for it."""


class Updated:
    """One device during a firmware update."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    async def write(self, resource: int, value: str) -> str:
        """Write 5/0/0 (hex) or 5/0/1; return the device's status."""
        node = {"id": resource, "kind": "singleResource", "type": "STRING" if resource else "OPAQUE", "value": value}
        return str((await ask(self.sim.url, "PUT", f"/api/clients/dev/5/0/{resource}", node)).json["status"])

    async def execute(self, resource: int) -> str:
        return str((await ask(self.sim.url, "POST", f"/api/clients/dev/5/0/{resource}")).json["status"])

    async def observe(self, path: str) -> None:
        assert (await ask(self.sim.url, "POST", f"/api/clients/dev{path}/observe")).json["success"]

    def behave(self, **behaviour: Any) -> None:
        self.sim.set_firmware("dev", FirmwareBehaviour(**behaviour))

    def state(self) -> tuple[str, str]:
        """Return State and Update Result."""
        return self.sim.value("dev", "/5/0/3"), self.sim.value("dev", "/5/0/5")

    async def comes_to(self, state: str, result: str) -> None:
        await eventually(lambda: self.state() == (state, result))

    async def downloaded(self) -> None:
        assert await self.write(1, URI) == "CHANGED(204)"
        await self.comes_to(DOWNLOADED, "0")

    async def registered_again(self, before: str) -> None:
        await eventually(lambda: self.registration() not in {before, None})

    def registration(self) -> str | None:
        registration = self.sim.device("dev").registration
        return None if registration is None else registration.id

    def version(self) -> str:
        return str(self.sim.value("dev", "/3/0/3"))

    def notified(self, path: str) -> list[str]:
        """Return the values of a resource in the order of their notifications."""
        events = [orjson.loads(data) for name, data in self.sim.events.newest if name == "NOTIFICATION"]
        return [event["val"]["value"] for event in events if event["res"] == path]


@pytest_asyncio.fixture(loop_scope="session")
async def one() -> AsyncIterator[Updated]:
    async with Simulator(SimulatorConfig.manual("dev", reboot_seconds=0.01)).serve() as sim:
        sim.register("dev")
        yield Updated(sim)


async def test_an_update_by_address_and_by_package(one: Updated) -> None:
    await one.observe("/5/0/3")
    assert await one.execute(2) == "METHOD_NOT_ALLOWED(405)"
    one.behave(download_ms=10, update_ms=10)
    await one.downloaded()
    assert one.sim.value("dev", "/5/0/7") == "2.0.0"
    before = one.registration() or ""
    assert await one.execute(2) == "CHANGED(204)"
    await one.registered_again(before)
    assert (one.state(), one.version()) == ((IDLE, "1"), "2.0.0")
    assert one.notified("/5/0/3") == [DOWNLOADING, DOWNLOADED, UPDATING]
    names = [name for name, _ in one.sim.events.newest if name in {"REGISTRATION", "DEREGISTRATION"}]
    assert names == ["REGISTRATION", "DEREGISTRATION", "REGISTRATION"], "the server replaces the old registration"
    assert not one.sim.device("dev").registration.observed  # type: ignore[union-attr]

    assert await one.write(0, package("3.0.0").hex()) == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert await one.execute(2) == "CHANGED(204)"
    await eventually(lambda: one.version() == "3.0.0")
    counts = one.sim.device("dev").firmware.counts()
    applied = {"2.0.0": 1, "3.0.0": 1}
    expected = {"downloads": 1, "resumed": 0, "pushed": 1, "updates": 2, "failures": 0, "applied": applied}
    assert counts == one.sim.device("dev").as_json()["firmware"] == expected


@pytest.mark.parametrize(("resource", "nothing"), [(0, "00"), (0, ""), (1, "")])
async def test_a_reset_and_a_cancel_lead_to_idle_unless_updating(one: Updated, resource: int, nothing: str) -> None:
    for download_ms in (0, LONG):
        one.behave(download_ms=download_ms, update_ms=LONG)
        for end, result in ((one.write(resource, nothing), "0"), (one.execute(10), "10")):
            await one.write(1, URI)
            await one.comes_to(DOWNLOADING if download_ms else DOWNLOADED, "0")
            assert await end == "CHANGED(204)"
            assert one.state() == (IDLE, result)
            assert await one.execute(10) == "METHOD_NOT_ALLOWED(405)"
    one.behave(update_ms=LONG)
    await one.downloaded()
    assert await one.execute(2) == "CHANGED(204)"
    for refused in (one.write(resource, nothing), one.write(1, URI), one.execute(10), one.execute(2)):
        assert await refused == "METHOD_NOT_ALLOWED(405)"
    assert one.state() == (UPDATING, "0")


@pytest.mark.parametrize(
    ("value", "result"),
    [("no address", "7"), ("http://[", "7"), ("coap://url.com/fw", "9"), ("http://url.com/fw?version=broken-1", None)],
)
async def test_an_address_is_examined(one: Updated, value: str, result: str | None) -> None:
    status = await one.write(1, value)
    assert status == ("BAD_REQUEST(400)" if result == "9" else "CHANGED(204)")
    if result is not None:
        assert one.state() == (IDLE, result)
        return
    await one.comes_to(DOWNLOADED, "0")
    await one.execute(2)
    await one.comes_to(DOWNLOADED, "8")


async def test_a_package_is_examined(one: Updated) -> None:
    for content, result in ((package("2.0.0")[:-1], "5"), (b"<html>", "6")):
        await one.write(0, content.hex())
        await one.comes_to(IDLE, result)
    one.behave(version="7")
    await one.write(0, b"<html>".hex())
    await one.comes_to(DOWNLOADED, "0")
    assert one.sim.value("dev", "/5/0/7") == "7"


@pytest.mark.parametrize(
    ("fault", "status", "result"),
    [
        (F.UNSUPPORTED_PROTOCOL, "BAD_REQUEST(400)", "9"),
        (F.INVALID_URI, "CHANGED(204)", "7"),
        (F.CONNECTION_LOST, "CHANGED(204)", "4"),
        (F.NOT_ENOUGH_FLASH, "CHANGED(204)", "2"),
        (F.OUT_OF_MEMORY, "CHANGED(204)", "3"),
        (F.INTEGRITY, "CHANGED(204)", "5"),
        (F.UNSUPPORTED_TYPE, "CHANGED(204)", "6"),
    ],
)
async def test_a_failed_delivery_ends_with_its_result(one: Updated, fault: F, status: str, result: str) -> None:
    one.behave(fault=fault, times=1)
    assert await one.write(1, URI) == status
    await one.comes_to(IDLE, result)
    assert one.sim.device("dev").firmware.failures == 1
    await one.downloaded()
    one.behave(fault=fault, times=1)
    if result in {"2", "3", "5", "6"}:
        await one.write(0, package("2.0.0").hex())
        await one.comes_to(IDLE, result)


async def test_an_interrupted_download_is_resumed(one: Updated) -> None:
    one.behave(fault=F.CONNECTION_LOST, resumes=1)
    await one.downloaded()
    counts = one.sim.device("dev").firmware.counts()
    assert (counts["downloads"], counts["resumed"], counts["failures"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("fault", "state", "result", "boots"),
    [
        (F.UPDATE_FAILED, DOWNLOADED, "8", False),
        (F.UPDATE_FAILED_IDLE, IDLE, "8", False),
        (F.POWER_CUT, DOWNLOADED, "0", True),
        (F.POWER_CUT_IDLE, IDLE, "0", True),
        (F.OLD_VERSION, IDLE, "1", True),
        (F.PACKAGE_LOST, IDLE, "0", True),
        (F.DOWNLOAD_LOST, IDLE, "0", True),
    ],
)
async def test_a_failed_update_ends_in_its_state_and_the_next_succeeds(
    one: Updated, fault: F, state: str, result: str, boots: bool
) -> None:
    one.behave(fault=fault, times=1)
    before = one.registration() or ""
    await one.write(1, URI)
    if fault not in {F.PACKAGE_LOST, F.DOWNLOAD_LOST}:
        await one.comes_to(DOWNLOADED, "0")
        await one.execute(2)
    if boots:
        await one.registered_again(before)
    await one.comes_to(state, result)
    assert one.version() == "1.0.0"
    assert one.sim.device("dev").firmware.applied == {}
    if state == IDLE:
        await one.downloaded()
    assert await one.execute(2) == "CHANGED(204)"
    await eventually(lambda: one.version() == "2.0.0")
    assert one.sim.device("dev").firmware.applied == {"2.0.0": 1}


async def test_a_deferred_update_starts_at_the_next_execute(one: Updated) -> None:
    one.behave(fault=F.DEFERRED, times=1, downloaded_ms=LONG)
    await one.downloaded()
    assert await one.execute(2) == "CHANGED(204)"
    assert one.state() == (DOWNLOADED, "11")
    assert await one.execute(2) == "CHANGED(204)"
    await eventually(lambda: one.version() == "2.0.0")


async def test_a_stalled_download_waits_for_a_reset(one: Updated) -> None:
    one.behave(fault=F.DOWNLOAD_STALLS, times=1)
    await one.write(1, URI)
    assert one.state() == (DOWNLOADING, "0")
    assert "firmware" not in one.sim.device("dev").timers
    await one.write(1, "")
    await one.downloaded()


async def test_a_device_that_disappears_answers_nothing_until_it_registers() -> None:
    config = SimulatorConfig.manual("dev", autonomous=True, awake_window_seconds=0.05, asleep_seconds=(0.01, 0.02))
    async with Simulator(config).serve() as sim:
        one = Updated(sim)
        sim.register("dev")
        one.behave(fault=F.DISAPPEARS)
        await one.downloaded()
        await one.execute(2)
        await eventually(lambda: sim.device("dev").off)
        await eventually(lambda: sim.events.newest[-1][0] == "SLEEPING")
        assert "wake" not in sim.device("dev").timers, "it does not wake by itself"
        sim.register("dev")
        assert (one.state(), one.version()) == ((IDLE, "1"), "2.0.0")
        assert one.sim.device("dev").firmware.applied == {"2.0.0": 1}


@pytest.mark.parametrize(("delivery", "refused"), [(Delivery.PULL, 0), (Delivery.PUSH, 1)])
async def test_the_other_delivery_method_is_refused(one: Updated, delivery: Delivery, refused: int) -> None:
    one.behave(delivery=delivery)
    values = (package("2.0.0").hex(), URI)
    assert await one.write(refused, values[refused]) == "METHOD_NOT_ALLOWED(405)"
    assert await one.write(1 - refused, values[1 - refused]) == "CHANGED(204)"
    assert one.sim.value("dev", "/5/0/9") == ("0" if delivery is Delivery.PULL else "1")


async def test_a_strict_device_replaces_no_package(one: Updated) -> None:
    await one.downloaded()
    assert await one.write(1, f"{URI}1") == "CHANGED(204)"
    await one.comes_to(DOWNLOADED, "0")
    assert one.sim.value("dev", "/5/0/7") == "2.0.01"
    one.behave(replaces=False)
    assert await one.write(1, URI) == "METHOD_NOT_ALLOWED(405)"


@pytest.mark.parametrize(
    ("behaviour", "notified"),
    [
        ({"reports": Reports.NEVER}, []),
        ({"reports": Reports.TWICE, "download_ms": 20}, [*"1122"]),
        ({"report_delay_ms": 20.0, "download_ms": 60}, [*"12"]),
        ({"report_delay_ms": 60.0, "download_ms": 20}, [*"22"]),
    ],
)
async def test_changes_are_notified_as_the_behaviour_says(
    one: Updated, behaviour: dict[str, Any], notified: list[str]
) -> None:
    await one.observe("/5/0/3")
    one.behave(**behaviour)
    await one.downloaded()
    await eventually(lambda: len(one.notified("/5/0/3")) == len(notified))
    assert one.notified("/5/0/3") == notified
    assert one.sim.value("dev", "/5/0/3") == DOWNLOADED, "it can be read"


async def test_a_sleeping_device_downloads_and_reports_and_is_awake_after_the_update() -> None:
    config = SimulatorConfig.manual("dev", mode=Mode.REVEILLE, reboot_seconds=0.01)
    async with Simulator(config).serve() as sim:
        one = Updated(sim)
        sim.register("dev")
        await one.observe("/5/0/3")
        one.behave(download_ms=50, update_ms=50)
        assert await one.write(1, URI) == "CHANGED(204)"
        sim.sleep("dev")
        await one.comes_to(DOWNLOADED, "0")
        await eventually(lambda: one.notified("/5/0/3") == [DOWNLOADING, DOWNLOADED])
        sim.wake("dev")
        assert await one.execute(2) == "CHANGED(204)"
        sim.sleep("dev")
        await eventually(lambda: one.version() == "2.0.0")
        await eventually(lambda: sim.device("dev").callable and not sim.device("dev").deaf)
        assert one.state() == (IDLE, "1")


async def test_the_behaviour_is_set_over_the_control_address(one: Updated) -> None:
    wanted = {"fault": "power_cut", "times": 1, "delivery": "pull", "download_ms": 5}
    assert (await ask(one.sim.url, "POST", "/sim/firmware?ep=dev", wanted)).json == {"devices": 1}
    expected = FirmwareBehaviour(fault=F.POWER_CUT, times=1, delivery=Delivery.PULL, download_ms=5)
    assert one.sim.device("dev").firmware.behaviour == expected
    for bad in ({"fualt": "power_cut"}, {"fault": "fire"}):
        assert (await ask(one.sim.url, "POST", "/sim/firmware?ep=dev", bad)).status == 400
    assert (await ask(one.sim.url, "GET", "/sim/devices?ep=dev")).json["firmware"]["applied"] == {}


async def test_a_reset_of_the_simulator_ends_behaviour_and_counts(one: Updated) -> None:
    one.behave(delivery=Delivery.PULL)
    await one.downloaded()
    one.sim.reset()
    assert one.sim.value("dev", "/5/0/9") == "2"
    assert one.sim.device("dev").firmware.counts()["downloads"] == 0
    assert one.state() == (DOWNLOADED, "0")
    assert one.sim.device("dev").firmware.behaviour == FirmwareBehaviour()


async def test_a_new_device_has_the_behaviour_of_the_settings() -> None:
    config = SimulatorConfig.manual("dev", firmware=FirmwareBehaviour(delivery=Delivery.PUSH))
    async with Simulator(config).serve() as sim:
        sim.register("dev")
        assert sim.value("dev", "/5/0/9") == "1"
        assert await Updated(sim).write(1, URI) == "METHOD_NOT_ALLOWED(405)"
