"""Every cell of the table of campaigns: each action in each status, as the ledger carries it out."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.campaigns import FINISHED, MUTATIONS, TRANSITIONS, Abort, Action, Wave
from app.domain.enums import SECOND, CampaignStatus
from app.fleet.campaigns import (
    AdvanceCampaign,
    ApproveCampaignWave,
    CancelCampaign,
    PauseCampaign,
    ResumeCampaign,
    RetryCampaign,
)
from app.models.ledger import Command, Conflict
from tests.support.campaigns import Fleet
from tests.support.ledger import START, LedgerWorld

pytestmark = pytest.mark.asyncio

_S: Final = CampaignStatus


def mutation(action: Action, id_: int) -> Command[int]:
    if action is Action.PAUSE:
        return PauseCampaign(id_, "a reason")
    if action is Action.CANCEL:
        return CancelCampaign(id_, "a reason")
    return {
        Action.RESUME: ResumeCampaign,
        Action.RESUME_BEFORE_BEGIN: ResumeCampaign,
        Action.APPROVE: ApproveCampaignWave,
        Action.RETRY: RetryCampaign,
    }[action](id_)


async def campaign_in(fleet: Fleet, status: CampaignStatus, *, begun: bool = True, **more: Any) -> int:
    """Return a campaign with a failed target, in a status; the only target that waits is in the second wave."""
    campaigns = await fleet.world.rows("SELECT id FROM campaign")
    name = f"c{len(campaigns)}"
    waves: tuple[Wave, ...] = (Wave(75, approve=status is _S.WAITING_FOR_APPROVAL), Wave(25))
    if status is _S.COMPLETED:
        waves = (Wave(100),)
    facts: dict[str, Any] = {"waves": waves, "max_running": 3, **more}
    if not begun:
        id_ = await fleet.begin(name, start_at=fleet.world.now + 60 * SECOND, **facts)
        if status is _S.PAUSED:
            await fleet.ledger.submit(PauseCampaign(id_, "a reason"))
        return id_
    id_ = await fleet.begin(name, **facts)
    if status is not _S.RUNNING:
        await fleet.answer(id_)
    if status is _S.COMPLETED:
        await fleet.answer(id_)
    if status is _S.PAUSED:
        await fleet.ledger.submit(PauseCampaign(id_, "a reason"))
    if status is _S.CANCELED:
        await fleet.ledger.submit(CancelCampaign(id_, "a reason"))
    return id_


async def prepared(world: LedgerWorld) -> Fleet:
    fleet = Fleet(world, failing={"b"})
    await fleet.register(["a", "b", "c", "d"])
    return fleet


async def test_every_mutation_in_every_status(world: LedgerWorld) -> None:
    fleet = await prepared(world)
    for status in CampaignStatus:
        for action in MUTATIONS:
            begun = status is not _S.SCHEDULED and action is not Action.RESUME_BEFORE_BEGIN
            if not begun and status not in {_S.SCHEDULED, _S.PAUSED}:
                continue
            more = {"abort": Abort(30, 3)} if status is _S.ABORTED else {}
            id_ = await campaign_in(fleet, status, begun=begun, **more)
            if status is _S.RUNNING and action is Action.RETRY:
                await fleet.answer(id_, only=["b"])
            assert (await fleet.status(id_))[0] == status, (status, action)
            to = TRANSITIONS[status].get(action)
            before = await fleet.campaign(id_)
            if to is None:
                with pytest.raises(
                    Conflict, match=f"The campaign is {status}; {MUTATIONS[action]} is possible"
                ) as error:
                    await fleet.ledger.submit(mutation(action, id_))
                assert error.value.facts == {"campaign": id_, "status": status}
                assert await fleet.campaign(id_) == before
            else:
                assert await fleet.ledger.submit(mutation(action, id_)) == id_
                after = await fleet.campaign(id_)
                assert after["status"] == to, (status, action)
                assert (after["finished_at"] is not None) == (to in FINISHED)
                assert after["reason"] == ("a reason" if action in {Action.PAUSE, Action.CANCEL} else None)
                assert after["due_at"] == fleet.world.now
                assert fleet.world.published[-1] == "fleet"
            if (to or status) not in FINISHED:
                await fleet.ledger.submit(CancelCampaign(id_, ""))
            await fleet.answer_all(id_)


async def test_every_action_of_the_campaign_itself(world: LedgerWorld) -> None:
    fleet = await prepared(world)
    done: set[tuple[CampaignStatus, Action]] = set()

    async def becomes(id_: int, before: CampaignStatus, action: Action) -> None:
        assert (await fleet.status(id_))[0] == before
        await fleet.answer(id_)
        assert (await fleet.status(id_))[0] == TRANSITIONS[before][action], (before, action)
        done.add((before, action))
        if TRANSITIONS[before][action] not in FINISHED:
            await fleet.ledger.submit(CancelCampaign(id_, ""))
        await fleet.answer_all(id_)

    id_ = await campaign_in(fleet, _S.SCHEDULED, begun=False)
    world.pass_(60)
    await becomes(id_, _S.SCHEDULED, Action.BEGIN)
    await becomes(await fleet.begin("hold", waves=(Wave(75, 90), Wave(25))), _S.RUNNING, Action.HOLD)
    await becomes(await campaign_in(fleet, _S.RUNNING, abort=Abort(30, 3)), _S.RUNNING, Action.ABORT)
    await becomes(await fleet.begin("all"), _S.RUNNING, Action.COMPLETE)
    waves = (Wave(75, approve=True), Wave(25))
    await becomes(await fleet.begin("approve", waves=waves), _S.RUNNING, Action.AWAIT_APPROVAL)

    id_ = await fleet.begin("paused", abort=Abort(30, 3), max_running=3)
    await fleet.ledger.submit(PauseCampaign(id_, "a reason"))
    await becomes(id_, _S.PAUSED, Action.ABORT)
    id_ = await fleet.begin("paused at the end")
    await fleet.ledger.submit(PauseCampaign(id_, "a reason"))
    await becomes(id_, _S.PAUSED, Action.COMPLETE)
    id_ = await campaign_in(fleet, _S.WAITING_FOR_APPROVAL, end_at=world.now + 60 * SECOND)
    world.pass_(60)
    await becomes(id_, _S.WAITING_FOR_APPROVAL, Action.COMPLETE)

    own = {(status, action) for status, row in TRANSITIONS.items() for action in row if action not in MUTATIONS}
    assert done == own


async def test_a_finished_campaign_does_nothing_more(world: LedgerWorld) -> None:
    fleet = await prepared(world)
    for status in FINISHED:
        id_ = await campaign_in(fleet, status, abort=Abort(30, 3) if status is _S.ABORTED else None)
        await fleet.answer_all(id_)
        before = await fleet.campaign(id_), await fleet.targets(id_)
        world.now = max(world.now, START) + 3_600 * SECOND
        assert not await fleet.ledger.submit(AdvanceCampaign(id_))
        assert (await fleet.campaign(id_), await fleet.targets(id_)) == before
        assert before[0]["due_at"] is None
