"""The live log of campaigns: every change of a campaign and its targets once and in order, over reconnects."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from app.domain.campaigns import CampaignDefinition, CampaignOperation
from app.domain.enums import CampaignStatus, CampaignTargetState, OperationKind
from app.domain.operations import OperationRequest
from app.fleet.campaigns import AdvanceCampaign, CancelCampaign, CreateCampaign, PauseCampaign, ResumeCampaign
from app.models import queries
from app.models.cursors import parse_log_cursor
from app.models.live import CursorExpired, Lagged, LiveLog
from tests.integration.reads.test_live import take
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, registered
from tests.support.live_log import Follower, live_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

NAMES = [f"d{number}" for number in range(6)]
READ = CampaignOperation(
    request=OperationRequest(endpoint="", kind=OperationKind.READ, path="/3/0/0", paths=("/3/0/0",)),
    max_attempts=1,
    repeatable=True,
    fingerprint="",
)


async def create(world: LedgerWorld, name: str = "c") -> int:
    definition = CampaignDefinition(name=name, given_filter={}, criteria={}, operations=(READ,))
    return await world.ledgers[0].submit(CreateCampaign(definition, "olga"))


async def advance(world: LedgerWorld, id_: int) -> None:
    while await world.ledgers[0].submit(AdvanceCampaign(id_)):
        pass


async def run(world: LedgerWorld, *ids: int) -> int:
    """Carry campaigns out, half of their operations without success; return the end of the log."""
    for id_ in ids:
        await advance(world, id_)
    while claims := await world.claim(3):
        for claimed in claims:
            await world.settle(claimed, SUCCESS if claimed.seq % 2 else REFUSED)
        for id_ in ids:
            await advance(world, id_)
    return await queries.log_position()


async def logged(world: LedgerWorld, id_: int, after: int = 0) -> list[int]:
    sql = "SELECT seq FROM campaign_change WHERE campaign_id = $1 AND seq > $2 ORDER BY seq"
    return [row["seq"] for row in await world.rows(sql, id_, after)]


async def test_followers_receive_all_changes_of_their_campaign(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(*(registered(name) for name in NAMES))
    first, second = await create(world), await create(world, "other")
    started = await queries.log_position()
    followers = {first: Follower(live.campaigns(first, started)), second: Follower(live.campaigns(second))}
    everything = Follower(live.campaigns())
    await eventually(lambda: live.subscribers == 3)
    await run(world, first, second)
    for id_, follower in followers.items():
        expected = await logged(world, id_, started)
        events = await follower.upto(expected[-1])
        assert follower.seqs == expected
        assert {event.campaign.id for event in events} == {id_}
        assert {event.endpoint.name for event in events if event.target is not None} == set(NAMES)
        assert events[-1].campaign.status is CampaignStatus.COMPLETED
        assert [parse_log_cursor(event.cursor) for event in events] == expected
    assert await everything.upto(max(follower.seqs[-1] for follower in followers.values()))
    assert everything.seqs == sorted([*followers[first].seqs, *followers[second].seqs])
    late = Follower(live.campaigns(first, 0))
    await late.upto(followers[first].seqs[-1])
    assert late.seqs == await logged(world, first)
    for follower in (*followers.values(), everything, late):
        await follower.stop()


async def test_nothing_is_older_than_its_change(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(*(registered(name) for name in NAMES))
    id_ = await create(world)
    follower = Follower(live.campaigns(id_, await queries.log_position()))
    await run(world, id_)
    events = await follower.upto((await logged(world, id_))[-1])
    begun: dict[int, int] = {}
    for event in events:
        if event.target is None:
            continue
        begun[event.target.id] = changes = begun.get(event.target.id, 0) + 1
        ended = event.target.state in {CampaignTargetState.SUCCEEDED, CampaignTargetState.FAILED}
        assert ended or (changes == 1 and event.target.state is CampaignTargetState.RUNNING)
        ends = sum(
            event.campaign.counts[state] for state in (CampaignTargetState.SUCCEEDED, CampaignTargetState.FAILED)
        )
        assert ends >= sum(1 for count in begun.values() if count == 2)
    assert begun == dict.fromkeys(begun, 2)
    assert len(begun) == len(NAMES)
    await follower.stop()


@pytest.mark.parametrize("piece", [3, 500])
async def test_a_follower_that_reconnects_misses_nothing_and_receives_nothing_twice(
    world: LedgerWorld, live: LiveLog, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("app.models.live.log.NEAR", 10)
    monkeypatch.setattr("app.models.live.events.PIECE", piece)
    await world.ingest(*(registered(name) for name in NAMES))
    id_ = await create(world)
    after = await queries.log_position()
    await advance(world, id_)
    seen: list[int] = []
    reconnects = 0
    while claims := await world.claim(3):
        follower = Follower(live.campaigns(id_, after))
        for claimed in claims:
            await world.settle(claimed, SUCCESS if claimed.seq % 2 else REFUSED)
        await advance(world, id_)
        await eventually(lambda follower=follower: bool(follower.events))  # type: ignore[misc]
        await follower.stop()  # in the middle of what it was to receive
        seen += follower.seqs
        after, reconnects = seen[-1], reconnects + 1
    last = Follower(live.campaigns(id_, after))
    await eventually(lambda: len(seen) + len(last.seqs) == 2 * len(NAMES) + 2)
    assert [*seen, *last.seqs] == (await logged(world, id_))[1:], "all but the creation"
    assert reconnects > 1
    await last.stop()


async def test_a_slow_follower_receives_the_cursor_to_resume_from(world: LedgerWorld) -> None:
    id_ = await create(world)
    async with live_log(queue_limit=3) as live:
        start = await queries.log_position()
        async with aclosing(live.campaigns(id_, start)) as events:
            first = asyncio.ensure_future(anext(events))
            await eventually(lambda: live.subscribers == 1)
            await world.ledgers[0].submit(PauseCampaign(id_, "why"))
            taken = [(await first).seq]
            changes = [ResumeCampaign(id_), PauseCampaign(id_, "why")] * 5
            await asyncio.gather(*map(world.ledgers[0].submit, changes))  # one commit, so that it is read at once
            with pytest.raises(Lagged) as lagged:
                await take(events, taken, after=lambda: any(s.ending for s in live._campaigns._subscribers))
        assert parse_log_cursor(lagged.value.cursor) == taken[-1]
        again = Follower(live.campaigns(id_, taken[-1]))
        expected = await logged(world, id_, start)
        await again.upto(expected[-1])
        assert taken + again.seqs == expected
        await again.stop()


async def test_a_pruned_cursor_is_refused(world: LedgerWorld, live: LiveLog) -> None:
    id_ = await create(world)
    old = await queries.log_position()
    await world.ledgers[0].submit(CancelCampaign(id_, "over"))
    await world.reader.execute("UPDATE ledger_head SET horizon = seq")
    with pytest.raises(CursorExpired):
        await anext(live.campaigns(id_, old))


async def test_changes_of_a_campaign_that_was_deleted_are_omitted(world: LedgerWorld, live: LiveLog) -> None:
    first, second = await create(world), await create(world, "other")
    await world.reader.execute("DELETE FROM campaign_change WHERE seq > 0 AND campaign_id = $1", first)
    await world.reader.execute("DELETE FROM campaign WHERE id = $1", first)
    follower = Follower(live.campaigns(None, 0))
    await follower.upto((await logged(world, second))[-1])
    assert follower.seqs == await logged(world, second)
    await follower.stop()
