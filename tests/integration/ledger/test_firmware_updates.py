"""Firmware updates of one device: every way from the request to the end."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from app.domain.enums import DAY, SECOND, FirmwareMethod, FirmwareUpdateState
from app.domain.firmware import TIMEOUTS
from app.domain.firmware_object import CONNECTION_LOST, RESULTS
from app.fleet.update_progress import DISCARDED, MAY_INSTALL, UNTOUCHED
from app.fleet.updates import AdvanceUpdates, CancelFirmwareUpdate, UpdateFirmware
from app.models.ledger import Conflict, DeleteEndpoint, NotFound
from tests.support.firmware import ADDRESS, NEW, OLD, PACKAGE, RULES, FirmwareDevice, answered
from tests.support.ledger import BUSY, LOST, REFUSED, SILENT, SUCCESS, LedgerWorld

pytestmark = pytest.mark.asyncio

PREPARED: Final = [
    ("READ", "/3/0/3", None),
    ("READ", "/5/0", None),
    ("OBSERVE", "/5/0/3", None),
    ("OBSERVE", "/5/0/5", None),
]
DELIVERED: Final = ("WRITE", "/5/0/1", ADDRESS)


async def test_a_device_downloads_installs_and_comes_back_with_the_version(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    assert await device.at() == ("QUEUED", "READ_VERSION")
    for _ in range(5):
        await device.answer()
    assert device.sent == [*PREPARED, DELIVERED]
    assert await device.at() == ("DOWNLOADING", "AWAIT_DOWNLOAD")
    await device.report(state=2)
    assert await device.at() == ("DOWNLOADED", "EXECUTE")
    assert await device.answer() == ("EXECUTE", "/5/0/2", None)
    assert await device.at() == ("UPDATING", "AWAIT_UPDATE")
    device.state, device.result, device.version = 0, 1, NEW
    await device.reboot()
    assert await device.answer() == ("READ", "/5/0", None)
    assert await device.at() == ("VERIFYING", "VERIFY")
    assert await device.answer() == ("READ", "/3/0/3", None)
    row = await device.row()
    assert (row["state"], row["reason"], row["detail"]) == ("SUCCEEDED", None, None)
    assert (row["version_before"], row["version_after"], row["attempts"], row["executions"]) == (OLD, NEW, 1, 1)
    assert (row["device_state"], row["update_result"]) == (0, 1)
    assert (await world.endpoint("d"))["update_id"] is None


async def test_a_device_that_has_the_version_is_not_touched(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, version=NEW)
    await device.prepare()
    await device.update()
    await device.answer_all()
    assert await device.end() == ("SUCCEEDED", "ALREADY_INSTALLED")
    assert device.sent == PREPARED[:1]


async def test_versions_are_compared_exactly(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, version="1.1.10")
    await device.prepare(version="1.1.1")
    await device.update()
    await install(device)
    device.version, device.state, device.result = "1.1.10", 0, 1
    await device.reboot()
    await device.answer_all()
    assert await device.end() == ("FAILED", "WRONG_VERSION")
    assert (await device.row())["version_after"] == "1.1.10"


async def test_a_busy_device_that_falls_silent_is_read_again(world: LedgerWorld) -> None:
    """Its response to the first attempt does not say that it has no object 5."""
    device = FirmwareDevice(world)
    device.answers = [answered({"/3/0/3": OLD}), BUSY, SILENT, SILENT]
    await device.prepare()
    await device.update()
    await device.answer()
    for _ in range(3):
        assert await device.answer() == PREPARED[1]
        world.pass_(60)
        await device.wake()
    ended = await world.row("SELECT status, reason, delivery FROM operation WHERE path = '/5/0' ORDER BY seq LIMIT 1")
    assert tuple(ended.values()) == ("FAILED", "NO_ANSWER", "ANSWERED")
    assert await device.at() == ("PREPARING", "READ_OBJECT")
    await device.answer_all()
    assert device.sent[-1] == DELIVERED


async def test_a_device_that_is_not_idle_is_reset_first(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, state=2, result=8)
    await device.prepare()
    await device.update()
    for _ in range(4):
        await device.answer()
    assert device.sent == [*PREPARED[:2], ("WRITE", "/5/0/1", ""), ("READ", "/5/0", None)]
    await device.answer_all()
    assert device.sent[4:] == [*PREPARED[2:], DELIVERED]


async def test_a_device_that_cannot_be_reset_is_given_up(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, state=2)
    device.answers = [answered({"/3/0/3": OLD}), *[answered({"/5/0/3": "2", "/5/0/5": "0"}), SUCCESS] * 10]
    await device.prepare()
    await device.update()
    await device.answer_all()
    assert await device.end() == ("FAILED", "UNEXPECTED_STATE")
    assert device.sent.count(("WRITE", "/5/0/1", "")) == 5


async def test_a_device_that_is_updating_by_itself_is_awaited(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, state=3)
    await device.prepare()
    await device.update()
    await device.answer_all()
    assert await device.at() == ("PREPARING", "AWAIT_IDLE")
    device.state = 0
    world.pass_(31)
    await device.advance()
    await device.answer_all()
    assert device.sent[-1] == DELIVERED


async def test_a_small_package_is_written_to_a_device_that_accepts_both_ways(world: LedgerWorld) -> None:
    device = FirmwareDevice(world, delivery=2)
    await device.prepare(uri=None, size=4_000)
    await device.update()
    await device.answer_all()
    assert device.sent[-1] == ("WRITE", "/5/0/0", {"firmwarePackage": PACKAGE})
    assert (await device.row())["method"] == "PUSH"


@pytest.mark.parametrize(
    ("delivery", "protocols", "package", "end"),
    [
        (1, None, {}, "UNSUPPORTED_DELIVERY"),
        (0, None, {"uri": None, "size": 100_000}, "UNSUPPORTED_DELIVERY"),
        (None, {"0": "0", "1": "1"}, {}, "UNSUPPORTED_PROTOCOL"),
        (1, None, {"uri": None, "size": 2_000_000}, "UNSUPPORTED_DELIVERY"),
    ],
)
async def test_a_package_that_cannot_be_delivered(
    world: LedgerWorld, delivery: int | None, protocols: dict[str, str] | None, package: dict[str, Any], end: str
) -> None:
    device = FirmwareDevice(world, delivery=delivery, protocols=protocols)
    await device.prepare(**package)
    await device.update()
    await device.answer_all()
    assert await device.end() == ("FAILED", end)
    assert device.sent == PREPARED[:2]


@pytest.mark.parametrize("result", sorted(set(RESULTS) - {CONNECTION_LOST}))
async def test_a_failed_download_ends_with_the_result_of_the_device(world: LedgerWorld, result: int) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    device.state = 0
    await device.report(result=result)
    await device.answer_all()
    assert await device.end() == ("FAILED", RESULTS[result])
    assert (await device.row())["update_result"] == result
    await succeed(device)


async def test_a_lost_connection_is_tried_again_three_times(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    for _ in range(3):
        await device.answer_all()
        assert await device.at() == ("DOWNLOADING", "AWAIT_DOWNLOAD")
        device.state = 0
        await device.report(result=4)
    await device.answer_all()
    assert await device.end() == ("FAILED", "CONNECTION_LOST")
    assert device.sent.count(DELIVERED) == 3


async def test_a_device_that_loses_its_state_gets_the_package_again(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    device.state = 0
    await device.reboot()
    await device.answer_all()
    assert device.sent.count(DELIVERED) == 2
    await device.report(state=2)
    await device.answer()
    device.state, device.result, device.version = 0, 1, NEW
    await device.reboot()
    await device.answer_all()
    assert await device.end() == ("SUCCEEDED", None)


async def test_a_state_reported_before_its_result_is_read_together_with_it(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    device.result = 5
    await device.report(state=0)
    assert await device.at() == ("DOWNLOADING", "POLL_DOWNLOAD")
    await device.answer_all()
    assert await device.end() == ("FAILED", "INTEGRITY_CHECK_FAILED")


async def test_a_device_that_never_reports_is_read_with_growing_pauses(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    device.sent.clear()
    pauses = [0]
    for _ in range(6 * 60):
        world.pass_(60)
        await device.wake()
        pauses[-1] += 1
        if device.world.published[-1] and await world.rows("SELECT seq FROM operation WHERE status = 'QUEUED'"):
            await device.answer_all()
            pauses.append(0)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert pauses[-2] == 60, "an hour at most"
    device.state = 2
    world.pass_(3_600)
    await device.wake()
    await device.answer()
    assert await device.at() == ("DOWNLOADED", "EXECUTE")


async def test_a_device_that_is_cut_off_while_it_installs_is_requested_again(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    for number in range(3):
        await install(device)
        device.state = 2
        await device.reboot()
        await device.answer()
        assert (await device.row())["executions"] == min(number + 2, 3)
    assert await device.end() == ("FAILED", "INTERRUPTED")


async def test_a_device_that_is_cut_off_and_forgets_the_package_gets_it_again(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    for _ in range(3):
        await install(device)
        device.state = 0
        await device.reboot()
        await device.answer_all()
    assert await device.end() == ("FAILED", "WRONG_VERSION")
    assert device.sent.count(DELIVERED) == 3


async def test_the_installation_is_not_requested_twice_before_a_reboot(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await install(device)
    device.state = 2
    for _ in range(3):
        world.pass_(3_600)
        await device.wake()
        await device.answer_all()
    assert await device.at() == ("UPDATING", "AWAIT_UPDATE")
    assert device.sent.count(("EXECUTE", "/5/0/2", None)) == 1


async def test_an_installation_that_fails_without_a_reboot_ends_by_the_report(world: LedgerWorld) -> None:
    """Nothing is sent to a device after this EXECUTE before it registers, and this one does not."""
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await install(device)
    world.pass_(31)
    await device.wake()
    assert await device.at() == ("UPDATING", "POLL_UPDATE")
    await device.report(state=2)
    assert await device.at() == ("UPDATING", "POLL_UPDATE")
    await device.report(result=8)
    assert await device.end() == ("FAILED", "UPDATE_FAILED")


async def test_a_failure_reported_right_after_its_state_is_not_passed_over(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await install(device)
    await device.report(state=2, result=8, advance=False)
    await device.advance()
    assert await device.end() == ("FAILED", "UPDATE_FAILED")


async def test_an_installation_whose_answer_is_lost_is_looked_at_first(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    await device.report(state=2)
    device.answers = [LOST]
    await device.answer()
    assert await device.at() == ("DOWNLOADED", "CHECK_LOST_EXECUTE")
    device.state, device.result, device.version = 0, 1, NEW
    await device.reboot()
    await device.answer_all()
    assert await device.end() == ("SUCCEEDED", None)
    assert device.sent.count(("EXECUTE", "/5/0/2", None)) == 1


async def test_a_refused_address_ends_with_the_result_of_the_device(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    for _ in range(4):
        await device.answer()
    device.answers, device.result = [REFUSED], 9
    await device.answer_all()
    assert await device.end() == ("FAILED", "UNSUPPORTED_PROTOCOL")
    await device.update()
    for _ in range(4):
        await device.answer()
    device.answers, device.result = [REFUSED], 0
    await device.answer_all()
    assert await device.end() == ("FAILED", "DEVICE_REFUSED")
    assert (await device.row())["detail"] == "WRITE /5/0/1: NOT_FOUND(404)"


async def test_one_update_at_a_time(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    first = await device.update()
    with pytest.raises(Conflict) as conflict:
        await device.update()
    assert conflict.value.facts == {"update": first}
    for endpoint, package in (("x", PACKAGE), ("d", 99)):
        with pytest.raises(NotFound):
            await world.ledgers[0].submit(UpdateFirmware(endpoint, package, FirmwareMethod.PULL, 0, "operator"))


async def cancel(world: LedgerWorld, update: int) -> None:
    await world.ledgers[0].submit(CancelFirmwareUpdate(RULES, update))


async def test_an_update_that_is_canceled_before_the_delivery_leaves_no_trace(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    update = await device.update()
    await cancel(world, update)
    row = await device.row()
    assert (row["state"], row["reason"], row["detail"]) == ("CANCELED", "CANCELED_BY_USER", UNTOUCHED)
    assert await world.rows("SELECT seq FROM operation WHERE status = 'QUEUED'") == []
    with pytest.raises(Conflict):
        await cancel(world, update)
    with pytest.raises(NotFound):
        await cancel(world, 99)
    await succeed(device)


async def test_an_update_that_is_canceled_after_the_delivery_discards_the_package(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    update = await device.update()
    await device.answer_all()
    await cancel(world, update)
    assert (await device.row())["detail"] == DISCARDED
    device.sent.clear()
    await device.answer_all()
    assert device.sent[0] == ("WRITE", "/5/0/1", "")


async def test_an_update_that_is_canceled_while_it_installs_says_so(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    update = await device.update()
    await install(device)
    await cancel(world, update)
    row = await device.row()
    assert (row["state"], row["detail"]) == ("CANCELED", MAY_INSTALL)


async def test_a_deleted_endpoint_ends_its_update(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    await world.ledgers[0].submit(DeleteEndpoint("d", "operator"))
    await device.advance()
    assert await device.end() == ("CANCELED", "ENDPOINT_DELETED")


async def test_every_state_has_a_time_out(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    await device.answer_all()
    world.pass_(TIMEOUTS[FirmwareUpdateState.DOWNLOADING] / SECOND)
    await device.advance()
    assert await device.end() == ("FAILED", "TIMEOUT")
    await device.update()
    world.pass_(TIMEOUTS[FirmwareUpdateState.QUEUED] / SECOND)
    await device.advance()
    assert await device.end() == ("FAILED", "TIMEOUT")
    left = await world.rows("SELECT DISTINCT kind FROM operation WHERE status = 'QUEUED'")
    assert left == [{"kind": "CANCEL_OBSERVE"}]


async def test_an_update_continues_after_days_of_sleep(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    for _ in range(2):
        await device.answer()
    world.pass_(5 * DAY / SECOND)
    await device.reboot()
    await device.answer_all()
    assert device.sent == [*PREPARED, DELIVERED, ("READ", "/5/0", None)], "it has registered since it was observed"


async def test_two_processes_take_each_step_once(world: LedgerWorld) -> None:
    other = await world.ledger()
    device = FirmwareDevice(world)
    await device.prepare()
    await device.update()
    claimed = await world.claim_one()
    await world.settle(claimed, answered({"/3/0/3": OLD}))
    await asyncio.gather(*(ledger.submit(AdvanceUpdates(RULES)) for ledger in (world.ledgers[0], other)))
    assert len(await world.rows("SELECT seq FROM operation")) == 2


async def test_the_observations_of_an_update_end_with_it(world: LedgerWorld) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    update = await device.update()
    await device.answer_all()
    await cancel(world, update)
    device.sent.clear()
    await device.answer_all()
    ended = [("CANCEL_OBSERVE", "/5/0/3", None), ("CANCEL_OBSERVE", "/5/0/5", None)]
    assert [one for one in device.sent if one[0] == "CANCEL_OBSERVE"] == ended


async def install(device: FirmwareDevice) -> None:
    """Go on until the installation was requested."""
    await device.answer_all()
    if (await device.at())[1] == "AWAIT_DOWNLOAD":
        await device.report(state=2)
        await device.answer_all()
    assert await device.at() == ("UPDATING", "AWAIT_UPDATE")


async def succeed(device: FirmwareDevice) -> None:
    """Update the same device once more."""
    await device.update()
    await install(device)
    device.state, device.result, device.version = 0, 1, NEW
    await device.reboot()
    await device.answer_all()
    assert await device.end() == ("SUCCEEDED", None)
