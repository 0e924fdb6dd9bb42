"""Campaigns: their targets, waves, limits and ends, with devices that answer."""

from __future__ import annotations

from typing import Final

import pytest
import pytest_asyncio

from app.domain.campaigns import Abort, CampaignFirmware, Wave
from app.domain.enums import SECOND
from app.fleet.campaigns import (
    AdvanceCampaign,
    ApproveCampaignWave,
    CancelCampaign,
    PauseCampaign,
    ResumeCampaign,
    RetryCampaign,
)
from app.fleet.packages import RetireFirmwarePackage
from app.fleet.updates import CancelFirmwareUpdate
from app.models.ledger import Cancel, Conflict, DeleteEndpoint, LimitExceeded, NotFound, TagEndpoints
from tests.support.campaigns import FIRMWARE, PACKAGE, Fleet, names, operation
from tests.support.firmware import NEW, OLD, RULES, FirmwareDevice
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, new

pytestmark = pytest.mark.asyncio

BY: Final = "operator"


@pytest_asyncio.fixture
async def fleet(world: LedgerWorld) -> Fleet:
    return Fleet(world)


async def test_targets_are_numbered_by_name_and_succeed(fleet: Fleet) -> None:
    await fleet.register(["b", "a", "c"])
    id_ = await fleet.begin()
    assert [(row["number"], row["name"], row["state"]) for row in await fleet.targets(id_)] == [
        (1, "a", "RUNNING"),
        (2, "b", "RUNNING"),
        (3, "c", "RUNNING"),
    ]
    assert await fleet.answer(id_) == 3
    assert await fleet.status(id_) == ("COMPLETED", None)
    assert await fleet.counts(id_) == {"SUCCEEDED": 3}
    assert (await fleet.campaign(id_))["due_at"] is None
    changes = await fleet.world.rows("SELECT target_id FROM campaign_change ORDER BY seq")
    assert sum(row["target_id"] is not None for row in changes) == 6
    assert changes[-1]["target_id"] is None


async def test_a_campaign_without_targets_completes_at_once_and_a_continuous_one_waits(fleet: Fleet) -> None:
    assert await fleet.status(await fleet.begin("none")) == ("COMPLETED", None)
    id_ = await fleet.begin("later", continuous=True)
    assert await fleet.status(id_) == ("RUNNING", None)
    await fleet.register(["a"])
    await fleet.pass_(59, id_)
    assert await fleet.counts(id_) == {}
    await fleet.pass_(1, id_)
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 1}
    await fleet.register(["0", "b"])
    await fleet.pass_(60, id_)
    assert [row["name"] for row in await fleet.targets(id_)] == ["a", "0", "b"]
    assert await fleet.status(id_) == ("RUNNING", None)


async def test_targets_match_the_filter_whichever_index_leads_to_them(fleet: Fleet) -> None:
    await fleet.register(names(6))
    await fleet.register(["other"], object_links=[{"url": "/3303/0"}])
    tagged = [(await fleet.world.endpoint(name))["id"] for name in ("d00002", "other")]
    await fleet.ledger.submit(TagEndpoints(tagged, add=("red",), remove=()))
    for index, (criteria, expected) in enumerate(
        (
            ({"names": ["d00002", "d00005", "unknown"]}, ["d00002", "d00005"]),
            ({"tags": ["red"]}, ["d00002", "other"]),
            ({"tags": ["red"], "object_id": 3303}, ["other"]),
            ({"object_id": 5}, names(6)),
            ({"name_contains": "4"}, ["d00004"]),
            ({"names": []}, []),
            ({"presences": ["OFFLINE"]}, []),
        )
    ):
        id_ = await fleet.create(f"c{index}", criteria=criteria, continuous=True)
        await fleet.ledger.submit(AdvanceCampaign(id_))
        assert [row["name"] for row in await fleet.targets(id_)] == expected, criteria


async def test_operations_of_a_target_are_done_one_after_the_other(fleet: Fleet) -> None:
    await fleet.register(["a"])
    paths = ("/3/0/14", "/3/0/15", "/3303/0/5750")
    id_ = await fleet.begin(operations=tuple(map(operation, paths)))
    rows = await fleet.world.rows("SELECT * FROM operation ORDER BY seq")
    (target,) = await fleet.targets(id_)
    assert [(row["path"], row["sequence"], row["fleet_id"], row["created_by"]) for row in rows] == [
        (path, f"campaign:{id_}:1:1", target["id"], BY) for path in paths
    ]
    assert target["work"] == rows[0]["seq"]
    for _ in paths:
        assert await fleet.running(id_) == ["a"]
        await fleet.world.settle(await fleet.world.claim_one(), SUCCESS)
        await fleet.advance(id_)
    assert await fleet.status(id_) == ("COMPLETED", None)


async def test_a_failed_operation_is_named_and_a_canceled_one_cancels(fleet: Fleet) -> None:
    await fleet.register(["a", "b", "c"])
    id_ = await fleet.begin(operations=(operation("/3/0/14"), operation()))
    claimed = {claim.request.endpoint: claim for claim in await fleet.world.claim()}
    claimed |= {claim.request.endpoint: claim for claim in await fleet.world.claim()}
    for name in "ab":
        await fleet.world.settle(claimed[name], SUCCESS)
    await fleet.world.settle(claimed["c"], REFUSED)
    fleet.failing = {"a"}
    sql = (
        "SELECT o.id FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = 'b' AND status = 'QUEUED'"
    )
    await fleet.ledger.submit(Cancel(str((await fleet.world.row(sql))["id"])))
    await fleet.answer_all(id_)
    assert {row["name"]: (row["state"], row["detail"]) for row in await fleet.targets(id_)} == {
        "a": ("FAILED", "operation 2 of 2: DEVICE_REFUSED"),
        "b": ("CANCELED", "operation 2 of 2: CANCELED_BY_USER"),
        "c": ("FAILED", "operation 1 of 2: DEVICE_REFUSED"),
    }
    assert (await fleet.status(id_))[0] == "COMPLETED"


async def test_waves_begin_after_each_other_with_enough_success(fleet: Fleet) -> None:
    await fleet.register(names(10))
    id_ = await fleet.begin(waves=(Wave(20, 100), Wave(30, 100, approve=True), Wave(50, 100)))
    assert (await fleet.campaign(id_))["wave_ends"] == "[2,5,10]"
    assert await fleet.running(id_) == names(2)
    await fleet.answer(id_, only=names(1))
    assert await fleet.running(id_) == names(2)[1:]
    await fleet.answer(id_)
    assert (await fleet.campaign(id_))["wave"] == 2
    assert await fleet.running(id_) == names(5)[2:]
    await fleet.answer(id_)
    assert await fleet.status(id_) == ("WAITING_FOR_APPROVAL", None)
    assert await fleet.running(id_) == []
    await fleet.ledger.submit(ApproveCampaignWave(id_))
    await fleet.advance(id_)
    assert await fleet.running(id_) == names(10)[5:]
    fleet.failing = set(names(10))
    await fleet.answer(id_)
    assert await fleet.status(id_) == ("COMPLETED", None)  # there is no wave after the last one


async def test_a_wave_with_too_little_success_pauses_until_it_is_accepted(fleet: Fleet) -> None:
    await fleet.register(names(10))
    fleet.failing = {"d00001"}
    id_ = await fleet.begin(waves=(Wave(50, 95, approve=True), Wave(50)))
    await fleet.answer(id_)
    reason = "wave 1 ended with 80 % success; 95 % are needed"
    assert await fleet.status(id_) == ("PAUSED", reason)
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.status(id_) == ("RUNNING", None)
    await fleet.answer(id_)
    assert await fleet.status(id_) == ("PAUSED", reason)
    assert (await fleet.targets(id_))[0]["attempts"] == 2
    await fleet.ledger.submit(ResumeCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.running(id_) == names(10)[5:]


async def test_a_pause_by_a_caller_accepts_no_wave(fleet: Fleet) -> None:
    await fleet.register(names(4))
    fleet.failing = set(names(4))
    id_ = await fleet.begin(waves=(Wave(50, 50), Wave(50)))
    await fleet.ledger.submit(PauseCampaign(id_, "lunch"))
    await fleet.answer(id_)
    assert await fleet.status(id_) == ("PAUSED", "lunch")
    await fleet.ledger.submit(ResumeCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.status(id_) == ("PAUSED", "wave 1 ended with 0 % success; 50 % are needed")


async def test_skipped_targets_do_not_count_for_a_wave(fleet: Fleet) -> None:
    await fleet.register(names(4))
    id_ = await fleet.begin(waves=(Wave(50, 100), Wave(50)), max_running=1)
    await fleet.ledger.submit(DeleteEndpoint("d00002", BY))
    await fleet.answer(id_)
    assert (await fleet.targets(id_))[1]["detail"] == "the endpoint was deleted"
    assert await fleet.running(id_) == ["d00003"]


async def test_too_many_failures_abort_and_each_endpoint_counts_once(fleet: Fleet) -> None:
    await fleet.register(names(20))
    fleet.failing = {"d00003", "d00004"}
    id_ = await fleet.begin(abort=Abort(10, 10), max_running=1, retries=2)
    seen = []
    while (await fleet.status(id_))[0] == "RUNNING":
        await fleet.answer(id_)
        seen.append(await fleet.counts(id_))
    assert await fleet.status(id_) == ("ABORTED", "20 % of the ended targets failed; the limit is 10 %")
    assert seen[-1] == {"SUCCEEDED": 8, "FAILED": 2, "CANCELED": 10}
    assert len(seen) == 8 + 2 * 3  # three attempts each
    assert {row["attempts"] for row in await fleet.targets(id_) if row["state"] == "FAILED"} == {3}
    canceled = [row for row in await fleet.targets(id_) if row["state"] == "CANCELED"]
    assert {row["detail"] for row in canceled} == {"20 % of the ended targets failed; the limit is 10 %"}


async def test_running_targets_of_an_aborted_campaign_end_by_themselves(fleet: Fleet) -> None:
    await fleet.register(names(6))
    fleet.failing = {"d00001"}
    id_ = await fleet.begin(abort=Abort(50, 1), max_running=3)
    await fleet.answer(id_, only=["d00001"])
    assert await fleet.counts(id_) == {"RUNNING": 2, "FAILED": 1, "CANCELED": 3}
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 2, "FAILED": 1, "CANCELED": 3}
    assert (await fleet.status(id_))[0] == "ABORTED"
    fleet.failing = set()
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.status(id_) == ("RUNNING", None)
    assert (await fleet.campaign(id_))["finished_at"] is None
    await fleet.answer_all(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 6}
    assert [row["attempts"] for row in await fleet.targets(id_)] == [2, 1, 1, 1, 1, 1]
    assert await fleet.status(id_) == ("COMPLETED", None)


async def test_a_campaign_whose_package_was_deleted_cannot_be_retried(fleet: Fleet) -> None:
    await fleet.add_package()
    await fleet.register(names(1))
    id_ = await fleet.begin(firmware=FIRMWARE)
    with pytest.raises(Conflict):
        await fleet.ledger.submit(RetireFirmwarePackage(PACKAGE))
    await fleet.end_update(names(1)[0], "FAILED", "TIMEOUT")
    await fleet.advance(id_)
    await fleet.ledger.submit(RetireFirmwarePackage(PACKAGE))
    with pytest.raises(Conflict, match="package was deleted"):
        await fleet.ledger.submit(RetryCampaign(id_))
    assert await fleet.counts(id_) == {"FAILED": 1}


async def test_a_paused_campaign_begins_nothing_and_continues(fleet: Fleet) -> None:
    await fleet.register(names(4))
    id_ = await fleet.begin(max_running=2)
    await fleet.ledger.submit(PauseCampaign(id_, "check the first two"))
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"WAITING": 2, "SUCCEEDED": 2}
    await fleet.ledger.submit(ResumeCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"RUNNING": 2, "SUCCEEDED": 2}
    await fleet.answer(id_)
    assert await fleet.status(id_) == ("COMPLETED", None)


async def test_a_canceled_campaign_cancels_what_waits(fleet: Fleet) -> None:
    await fleet.register(names(5))
    id_ = await fleet.begin(max_running=2)
    await fleet.ledger.submit(CancelCampaign(id_, "wrong image"))
    assert await fleet.status(id_) == ("CANCELED", "wrong image")
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"RUNNING": 2, "CANCELED": 3}
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 2, "CANCELED": 3}
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    await fleet.answer_all(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 5}


async def test_a_campaign_that_is_canceled_while_it_is_listed_can_be_retried(fleet: Fleet) -> None:
    await fleet.register(names(201))
    id_ = await fleet.create(operations=(operation(),), max_running=1)
    assert await fleet.ledger.submit(AdvanceCampaign(id_))
    await fleet.ledger.submit(CancelCampaign(id_, "oops"))
    with pytest.raises(Conflict, match="resumeCampaign is possible while it is PAUSED"):
        await fleet.ledger.submit(ResumeCampaign(id_))
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"WAITING": 200, "RUNNING": 1}


async def test_only_failed_and_canceled_targets_are_retried(fleet: Fleet) -> None:
    await fleet.register(names(3))
    fleet.failing = {"d00002"}
    id_ = await fleet.begin()
    await fleet.answer(id_)
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.running(id_) == ["d00002"]
    await fleet.answer(id_)  # it fails again, and is not retried by itself
    assert await fleet.counts(id_) == {"SUCCEEDED": 2, "FAILED": 1}
    assert await fleet.status(id_) == ("COMPLETED", None)
    fleet.failing = set()
    await fleet.ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 3}
    with pytest.raises(Conflict, match="No target of the campaign is FAILED or CANCELED"):
        await fleet.ledger.submit(RetryCampaign(id_))


async def test_a_full_queue_waits_and_does_not_hold_back_others(fleet: Fleet, empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(max_queued=2)
    fleet.world.ledgers.reverse()
    assert fleet.ledger is ledger
    await fleet.register(["a", "b"])
    await fleet.world.create(new("a"), new("a"))
    id_ = await fleet.begin(operations=(operation(), operation("/3/0/14")), max_running=1)
    assert await fleet.states(id_) == {"a": "WAITING", "b": "RUNNING"}
    await fleet.answer_all(id_)
    assert await fleet.states(id_) == {"a": "WAITING", "b": "SUCCEEDED"}
    assert (await fleet.campaign(id_))["due_at"] == fleet.world.now + 60 * SECOND
    await fleet.pass_(60, id_)
    await fleet.answer_all(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 2}
    assert await fleet.status(id_) == ("COMPLETED", None)


async def test_endpoints_of_another_running_campaign_are_skipped(fleet: Fleet) -> None:
    await fleet.register(["a", "b"])
    first = await fleet.begin("first", criteria={"names": ["b"]})
    second = await fleet.begin("second")
    assert {row["name"]: (row["state"], row["detail"]) for row in await fleet.targets(second)} == {
        "a": ("RUNNING", None),
        "b": ("SKIPPED", "it is a running target of the campaign 'first'"),
    }
    await fleet.answer(first, second)
    assert await fleet.counts(await fleet.begin("third")) == {"RUNNING": 2}


async def test_deleted_endpoints_are_skipped(fleet: Fleet) -> None:
    await fleet.register(["a", "b", "c"])
    id_ = await fleet.begin(max_running=1)
    await fleet.ledger.submit(DeleteEndpoint("b", BY))
    await fleet.ledger.submit(DeleteEndpoint("a", BY))
    await fleet.advance(id_)
    details = {row["name"]: (row["state"], row["detail"]) for row in await fleet.targets(id_)}
    assert details == {
        "a": ("SKIPPED", "the endpoint was deleted"),
        "b": ("SKIPPED", "the endpoint was deleted"),
        "c": ("RUNNING", None),
    }


async def test_a_firmware_campaign_begins_updates_and_follows_them(fleet: Fleet) -> None:
    await fleet.add_package()
    await fleet.register(names(6))
    await fleet.register(["without"], object_links=[{"url": "/3/0"}])
    id_ = await fleet.begin(firmware=FIRMWARE)
    updates = await fleet.world.rows("SELECT * FROM firmware_update ORDER BY id")
    targets = await fleet.targets(id_)
    assert [(row["id"], row["target_id"], row["created_by"]) for row in updates] == [
        (row["work"], row["id"], BY) for row in targets[:-1]
    ]
    assert (targets[-1]["state"], targets[-1]["detail"]) == ("SKIPPED", "it has not registered /5/0")
    other = await fleet.begin("other", firmware=FIRMWARE, criteria={"names": names(1)})
    assert (await fleet.targets(other))[0]["detail"] == "it has an open firmware update of the campaign 'c'"
    for name, end in zip(
        names(6),
        (
            ("SUCCEEDED", None),
            ("SUCCEEDED", "ALREADY_INSTALLED"),
            ("FAILED", "WRONG_VERSION"),
            ("CANCELED", "CANCELED_BY_USER"),
            ("CANCELED", "ENDPOINT_DELETED"),
            ("FAILED", "TIMEOUT"),
        ),
        strict=True,
    ):
        assert (await fleet.status(id_))[0] == "RUNNING"
        await fleet.end_update(name, *end)
        await fleet.advance(id_)
    assert [(row["state"], row["detail"]) for row in (await fleet.targets(id_))[:-1]] == [
        ("SUCCEEDED", None),
        ("SUCCEEDED", "ALREADY_INSTALLED"),
        ("FAILED", "WRONG_VERSION"),
        ("CANCELED", "its firmware update was canceled"),
        ("SKIPPED", "the endpoint was deleted"),
        ("FAILED", "TIMEOUT"),
    ]
    assert await fleet.status(id_) == ("COMPLETED", None)


async def test_creation_is_refused_for_a_known_name_an_unknown_package_and_too_many(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await fleet.create("c", continuous=True)
    with pytest.raises(Conflict, match="A campaign with the name 'c' exists") as conflict:
        await fleet.create("c", continuous=True)
    assert conflict.value.facts == {"campaign": id_, "field": "name"}
    with pytest.raises(NotFound, match="Unknown firmware package") as unknown:
        await fleet.create("d", firmware=FIRMWARE)
    assert unknown.value.facts == {"field": "firmware.packageId"}
    monkeypatch.setattr("app.fleet.campaigns.MAX_OPEN", 1)
    with pytest.raises(LimitExceeded):
        await fleet.create("e")
    for command in (PauseCampaign(9, ""), ResumeCampaign(9), RetryCampaign(9), CancelCampaign(9, "")):
        with pytest.raises(NotFound, match="Unknown campaign"):
            await fleet.ledger.submit(command)
    assert not await fleet.ledger.submit(AdvanceCampaign(9))


async def test_an_update_ends_its_target(fleet: Fleet) -> None:
    device = FirmwareDevice(fleet.world)
    await device.prepare()
    id_ = await fleet.begin(firmware=CampaignFirmware(PACKAGE))
    device.version = NEW
    await device.answer_all()
    await fleet.advance(id_)
    (target,) = await fleet.targets(id_)
    assert (target["state"], target["detail"]) == ("SUCCEEDED", "ALREADY_INSTALLED")
    device.version = OLD

    id_ = await fleet.begin("canceled", firmware=CampaignFirmware(PACKAGE))
    await device.answer()
    update = (await fleet.targets(id_))[0]["work"]
    await fleet.ledger.submit(CancelFirmwareUpdate(RULES, update))
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"CANCELED": 1}
    await device.answer_all()

    id_ = await fleet.begin("deleted", firmware=CampaignFirmware(PACKAGE))
    await fleet.ledger.submit(DeleteEndpoint("d", BY))
    await device.advance()
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"SKIPPED": 1}
    assert await fleet.status(id_) == ("COMPLETED", None)
