"""Pages of campaigns and of their targets, and what belongs to a target."""

from __future__ import annotations

import pytest

from app.domain.campaigns import Wave
from app.domain.enums import SECOND, CampaignStatus, CampaignTargetState
from app.fleet.campaigns import CancelCampaign
from app.models.cursors import InvalidCursor, page_cursor
from app.models.queries import (
    campaign_by_id,
    campaign_page,
    campaign_target_of,
    campaign_target_page,
    campaign_targets_by_id,
    campaigns_by_id,
    due_campaigns,
    operations_of_targets,
)
from tests.support.campaigns import FIRMWARE, Fleet, names, operation
from tests.support.ledger import LedgerWorld

pytestmark = pytest.mark.asyncio

S = CampaignTargetState


async def test_campaigns_are_listed_newest_first_by_statuses(world: LedgerWorld) -> None:
    fleet = Fleet(world)
    await fleet.register(["a"])
    ids = [await fleet.begin(f"c{n}", continuous=True) for n in range(5)]
    for id_ in ids[::2]:
        await fleet.ledger.submit(CancelCampaign(id_, "a reason"))
    page = await campaign_page(None, 3)
    assert [view.id for view in page.items] == ids[:1:-1]
    assert (page.has_next, page.has_previous) == (True, False)
    page = await campaign_page(None, 3, page.cursors[-1])
    assert ([view.id for view in page.items], page.has_next, page.has_previous) == (ids[1::-1], False, True)
    canceled = await campaign_page([CampaignStatus.CANCELED, CampaignStatus.ABORTED], 9)
    assert [view.id for view in canceled.items] == ids[::-2]
    assert [(view.status, view.reason) for view in canceled.items] == [(CampaignStatus.CANCELED, "a reason")] * 3
    assert (await campaign_page([], 9)).items == []
    assert (await campaign_page([CampaignStatus.COMPLETED], 9)).items == []
    assert await campaigns_by_id(ids[:1]) == {ids[0]: await campaign_by_id(ids[0])}
    assert await campaign_by_id(1) is None
    for cursor in ("x", page_cursor("target", 3)):
        with pytest.raises(InvalidCursor):
            await campaign_page(None, 3, cursor)


async def test_targets_are_listed_by_number_with_exact_totals(world: LedgerWorld) -> None:
    fleet = Fleet(world, failing={"d00002", "d00003"})
    await fleet.register(names(8))
    id_ = await fleet.begin(waves=(Wave(50), Wave(50)), operations=(operation(), operation("/3/0/14")))
    await fleet.answer(id_, only=names(3))
    view = await campaign_by_id(id_)
    assert view is not None
    assert view.counts == {S.WAITING: 4, S.RUNNING: 1, S.SUCCEEDED: 1, S.FAILED: 2, S.CANCELED: 0, S.SKIPPED: 0}
    page = await campaign_target_page(view, None, 5)
    assert [(target.number, target.wave) for target in page.items] == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]
    assert (await page.total(), page.has_next) == ((8, False), True)
    rest = await campaign_target_page(view, None, 5, page.cursors[-1])
    assert ([target.number for target in rest.items], rest.has_next, rest.has_previous) == ([6, 7, 8], False, True)
    some = await campaign_target_page(view, [S.FAILED, S.RUNNING], 2)
    assert [(target.number, target.state) for target in some.items] == [(2, S.FAILED), (3, S.FAILED)]
    assert (await some.total(), some.has_next) == ((3, False), True)
    assert [t.number for t in (await campaign_target_page(view, [S.FAILED, S.RUNNING], 2, some.cursors[-1])).items] == [
        4
    ]
    none = await campaign_target_page(view, [], 2)
    assert (none.items, await none.total()) == ([], (0, False))

    failed = some.items[0]
    assert (failed.detail, failed.attempts) == ("operation 1 of 2: DEVICE_REFUSED", 1)
    assert await campaign_targets_by_id([failed.id, 1]) == {failed.id: failed}
    assert await campaign_target_of(id_, failed.endpoint_id) == failed
    assert await campaign_target_of(id_, id_) is None
    of_targets = await operations_of_targets([failed.id, rest.items[-1].id])
    assert [(one.path, one.status) for one in of_targets[failed.id]] == [
        ("/3/0/15", "FAILED"),
        ("/3/0/14", "CANCELED"),
    ]
    assert of_targets[rest.items[-1].id] == []
    assert await operations_of_targets([]) == {}


async def test_only_the_newest_attempt_is_shown(world: LedgerWorld) -> None:
    fleet = Fleet(world, failing={"a"})
    await fleet.register(["a"])
    id_ = await fleet.begin(retries=1)
    await fleet.answer(id_)
    (target,) = await fleet.targets(id_)
    found = await operations_of_targets([target["id"]])
    assert [(one.seq, one.status) for one in found[target["id"]]] == [(target["work"], "QUEUED")]


async def test_campaigns_are_due_by_time_and_by_the_ends_of_their_targets(world: LedgerWorld) -> None:
    fleet = Fleet(world)
    await fleet.add_package()
    await fleet.register(["a", "b"])
    later = await fleet.begin("later", start_at=world.now + 60 * SECOND)
    running = await fleet.begin("running")
    updating = await fleet.begin("updating", firmware=FIRMWARE)
    assert await due_campaigns(world.now) == []
    assert await due_campaigns(world.now + 60 * SECOND) == [later]
    await fleet.answer()
    assert await due_campaigns(world.now) == [running]
    await fleet.end_update("a")
    assert sorted(await due_campaigns(world.now + 60 * SECOND)) == [later, running, updating]
