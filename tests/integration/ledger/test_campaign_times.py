"""When targets of campaigns begin: start and end, rate, and daily window, by a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
import pytest_asyncio

from app.domain.campaigns import MINUTE, DailyWindow
from app.domain.enums import HOUR, SECOND, Instant
from app.fleet.campaigns import AdvanceCampaign, PauseCampaign, ResumeCampaign, RetryCampaign
from app.models.ledger import Conflict
from tests.support.campaigns import Fleet, names
from tests.support.ledger import START, LedgerWorld

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def fleet(world: LedgerWorld) -> Fleet:
    return Fleet(world)


def utc(text: str) -> Instant:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


async def begun(fleet: Fleet, id_: int) -> int:
    """Return how many targets have begun."""
    return sum(row["attempts"] > 0 for row in await fleet.targets(id_))


async def follow(fleet: Fleet, id_: int, until: Instant) -> None:
    """Look at a campaign whenever it is due, until a time."""
    while (due := (await fleet.campaign(id_))["due_at"]) is not None and due <= until:
        assert due > fleet.world.now, "it is due again at the same time"
        fleet.world.now = due
        await fleet.advance(id_)
    fleet.world.now = until


async def test_a_scheduled_campaign_begins_at_its_start_with_the_endpoints_of_then(fleet: Fleet) -> None:
    await fleet.register(["a"])
    id_ = await fleet.begin(start_at=START + 60 * SECOND)
    assert (await fleet.status(id_), await fleet.targets(id_)) == (("SCHEDULED", None), [])
    assert (await fleet.campaign(id_))["due_at"] == START + 60 * SECOND
    await fleet.register(["b"])
    await fleet.pass_(59, id_)
    assert (await fleet.status(id_))[0] == "SCHEDULED"
    await fleet.pass_(1, id_)
    assert await fleet.running(id_) == ["a", "b"]
    assert (await fleet.campaign(id_))["started_at"] == fleet.world.now


async def test_a_scheduled_campaign_can_be_paused_and_resumed_before_its_start(fleet: Fleet) -> None:
    await fleet.register(["a"])
    id_ = await fleet.begin(start_at=START + 60 * SECOND)
    await fleet.ledger.submit(PauseCampaign(id_, "not yet"))
    await fleet.pass_(61, id_)
    assert (await fleet.status(id_), await fleet.targets(id_)) == (("PAUSED", "not yet"), [])
    await fleet.ledger.submit(ResumeCampaign(id_))
    assert await fleet.status(id_) == ("SCHEDULED", None)
    await fleet.advance(id_)
    assert await fleet.running(id_) == ["a"]


async def test_what_has_not_begun_by_the_end_is_skipped_and_the_rest_ends_by_itself(fleet: Fleet) -> None:
    await fleet.register(names(5))
    fleet.failing = {"d00001"}
    id_ = await fleet.begin(end_at=START + 60 * SECOND, max_running=2, retries=1)
    await fleet.ledger.submit(PauseCampaign(id_, "lunch"))
    await fleet.pass_(60, id_)
    assert await fleet.counts(id_) == {"RUNNING": 2, "SKIPPED": 3}
    assert (await fleet.targets(id_))[4]["detail"] == "the campaign ended before it began"
    assert (await fleet.status(id_))[0] == "PAUSED"
    await fleet.answer(id_)
    assert await fleet.counts(id_) == {"SUCCEEDED": 1, "FAILED": 1, "SKIPPED": 3}
    assert await fleet.status(id_) == ("COMPLETED", None)
    with pytest.raises(Conflict, match="`endAt` has passed"):
        await fleet.ledger.submit(RetryCampaign(id_))


async def test_a_continuous_campaign_completes_at_its_end(fleet: Fleet) -> None:
    await fleet.register(["a"])
    id_ = await fleet.begin(continuous=True, end_at=START + 90 * SECOND)
    await fleet.answer(id_)
    await follow(fleet, id_, START + 90 * SECOND)
    assert await fleet.status(id_) == ("COMPLETED", None)


@pytest.mark.parametrize(("per_minute", "most"), [(30, 1), (600, 21)])
async def test_targets_begin_at_the_given_rate(fleet: Fleet, per_minute: int, most: int) -> None:
    await fleet.register(names(100))
    id_ = await fleet.begin(starts_per_minute=per_minute)
    counts = [await begun(fleet, id_)]
    for second in range(1, 8):
        await follow(fleet, id_, START + second * SECOND)
        counts.append(await begun(fleet, id_))
    assert max(after - before for before, after in pairwise(counts)) <= most
    assert 0 <= 7 * per_minute // 60 + 1 - counts[-1] <= per_minute // 120  # at a high rate several begin together
    await fleet.ledger.submit(PauseCampaign(id_, "lunch"))
    await fleet.advance(id_)
    await follow(fleet, id_, START + HOUR)
    await fleet.ledger.submit(ResumeCampaign(id_))
    await fleet.advance(id_)
    assert await begun(fleet, id_) <= counts[-1] + 1  # nothing is made up for


async def test_the_rate_makes_up_for_nothing_while_as_many_run_as_may(fleet: Fleet) -> None:
    await fleet.register(names(10))
    id_ = await fleet.begin(starts_per_minute=600, max_running=2)
    await follow(fleet, id_, START + SECOND)
    assert len(await fleet.running(id_)) == 2
    await fleet.answer(id_)
    before = await begun(fleet, id_)
    fleet.world.pass_(600)
    await fleet.answer(id_)
    assert await begun(fleet, id_) - before <= 2
    assert max(row["running"] for row in await fleet.world.rows("SELECT running FROM campaign")) <= 2


@pytest.mark.parametrize(
    ("opens", "closes", "opens_again"),
    [
        ("2026-01-14 21:00", "2026-01-15 04:00", "2026-01-15 21:00"),
        ("2026-03-28 21:00", "2026-03-29 03:00", "2026-03-29 20:00"),
        ("2026-10-24 20:00", "2026-10-25 04:00", "2026-10-25 21:00"),
    ],
)
async def test_targets_begin_in_the_window_over_both_changes_of_the_clocks(
    fleet: Fleet, opens: str, closes: str, opens_again: str
) -> None:
    fleet.world.now = utc(opens) - HOUR
    await fleet.register(names(60))
    window = DailyWindow("22:00", "05:00", "Europe/Berlin")
    id_ = await fleet.begin(window=window, starts_per_minute=1)
    row = await fleet.campaign(id_)
    assert (row["waiting"], row["status"], row["due_at"]) == (60, "RUNNING", utc(opens))
    times: list[Instant] = []
    before = 0
    while fleet.world.now < utc(closes) + HOUR:
        await fleet.pass_(600, id_)
        times += [fleet.world.now] * ((now := await begun(fleet, id_)) - before)
        before = now
    assert times == list(range(utc(opens), utc(closes), 10 * MINUTE))
    assert (await fleet.campaign(id_))["due_at"] == utc(opens_again)


async def test_a_window_of_an_unknown_time_zone_pauses_the_campaign(fleet: Fleet) -> None:
    await fleet.register(["a"])
    id_ = await fleet.create(window=DailyWindow("22:00", "05:00", "Europe/Berlin"))
    await fleet.world.reader.execute("""UPDATE campaign SET daily_window = '["22:00", "05:00", "Europe/Gone"]'""")
    await fleet.advance(id_)
    status, reason = await fleet.status(id_)
    assert status == "PAUSED"
    assert "Unknown time zone 'Europe/Gone'" in (reason or "")
    assert not await fleet.ledger.submit(AdvanceCampaign(id_))
