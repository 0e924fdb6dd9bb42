"""The changes that depend on time alone."""

from __future__ import annotations

import pytest

from app.domain.enums import SECOND, OperationKind, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.ledger import (
    AggregateReadings,
    DecodedEvent,
    EndListing,
    IngestEvents,
    Listed,
    Prune,
    PruneReadings,
    ReadLedgerTime,
    RenewBridgeLease,
    StreamPosition,
    TakeLost,
    TypedSample,
    UpdateServerInfo,
)
from app.models.ledger.maintenance import PIECE
from app.models.ledger.readings import EARLIEST_CLOCK
from tests.support.ledger import (
    REFUSED,
    SUCCESS,
    LedgerWorld,
    deregistered,
    new,
    old_registered,
    registered,
    response,
    updated,
)

pytestmark = pytest.mark.asyncio

DAY = 24 * 3600


async def test_an_expired_lease_is_perhaps(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), registered("e"))
    repeatable, once = await world.create(new("d"), new("e", OperationKind.EXECUTE, "/3303/0/5605"))
    await world.claim()
    world.pass_(44)
    await world.sweep()
    assert await world.status(repeatable) == "SENDING"
    world.pass_(1)
    await world.sweep()
    row = await world.operation(repeatable)
    assert (row["status"], row["reason"], row["attempts"]) == ("QUEUED", "LEASE_LOST", 1)
    assert (await world.operation(once))["reason"] == "OUTCOME_UNKNOWN"


async def test_a_response_after_the_lease_expired_changes_nothing(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    world.pass_(45)
    await world.sweep()
    assert await world.settle(claimed, SUCCESS) is None
    assert await world.status(seq) == "QUEUED"


async def test_a_lease_lasts_as_long_as_the_timeout_of_its_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", timeout=600))
    await world.claim_one()
    assert (await world.endpoint("d"))["lease_until"] == world.now + 615 * 1_000_000


async def test_an_operation_past_its_time_to_live_expires(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    short, long = await world.create(new("d", ttl_seconds=10), new("d", ttl_seconds=11))
    world.pass_(10)
    await world.sweep()
    assert [await world.status(seq) for seq in (short, long)] == ["EXPIRED", "QUEUED"]


async def test_thousands_expire_in_pieces(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(*(new("d", ttl_seconds=1) for _ in range(PIECE + 10)))
    world.pass_(1)
    await world.sweep()
    assert (await world.endpoint("d"))["expired"] == PIECE + 10


async def test_an_ended_window_makes_the_device_asleep(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    world.pass_(89)
    await world.sweep()
    assert await world.presence("d") == "ONLINE"
    world.pass_(1)
    await world.sweep()
    assert await world.presence("d") == "ASLEEP"
    assert await world.presence_changes("d") == ["ONLINE", "ASLEEP"]


async def test_an_end_that_moves_is_checked_at_its_first_time(world: LedgerWorld) -> None:
    """Most messages leave ``presence_due_at``, which has an index, as it is."""
    await world.ingest(registered("d"))
    due = (await world.endpoint("d"))["presence_due_at"]
    assert due == world.now + 90 * SECOND
    world.pass_(60)
    await world.ingest(updated("d", 2))
    assert (await world.endpoint("d"))["presence_due_at"] == due
    world.pass_(30)
    await world.sweep()
    assert await world.presence("d") == "ONLINE"
    assert (await world.endpoint("d"))["presence_due_at"] == due + 60 * SECOND
    world.pass_(60)
    await world.sweep()
    assert await world.presence("d") == "ASLEEP"


async def test_an_end_that_comes_earlier_is_checked_then(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False, lifetime_seconds=1_000))
    await world.ingest(updated("d", 2, queue_mode=False, lifetime_seconds=60))
    world.pass_(60)
    await world.sweep()
    assert await world.presence("d") == "OFFLINE"
    assert (await world.endpoint("d"))["presence_due_at"] is None


async def test_a_window_that_an_earlier_version_wrote_ends_by_time(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False, lifetime_seconds=1_000))
    await world.reader.execute("UPDATE endpoint SET queue_mode = TRUE, awake_until = $1", world.now + 90 * SECOND)
    world.pass_(90)
    await world.sweep()
    assert await world.presence("d") == "ASLEEP"


async def test_an_expired_lifetime_makes_the_device_offline_until_an_update(world: LedgerWorld) -> None:
    await world.ingest(registered("d", lifetime_seconds=100))
    world.pass_(100)
    await world.sweep()
    assert await world.presence("d") == "OFFLINE"
    await world.ingest(updated("d", 2, lifetime_seconds=100))
    await world.sweep()
    assert await world.presence("d") == "ONLINE"


async def test_a_device_that_does_not_sleep_is_online_until_its_lifetime_ends(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False, lifetime_seconds=1_000))
    world.pass_(999)
    await world.sweep()
    assert await world.presence("d") == "ONLINE"
    world.pass_(1)
    await world.sweep()
    assert await world.presence("d") == "OFFLINE"


async def test_a_device_of_the_older_webhook_is_never_offline_by_time(world: LedgerWorld) -> None:
    await world.ingest(old_registered("d", 100))
    world.pass_(365 * DAY)
    await world.sweep()
    assert await world.presence("d") == "ASLEEP"


async def test_a_registration_within_two_seconds_shows_no_offline(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.ingest(deregistered("d"))
    world.pass_(1)
    await world.ingest(registered("d", "r2"))
    world.pass_(5)
    await world.sweep()
    assert await world.presence_changes("d") == ["ONLINE"]


async def test_a_deregistration_is_published_after_two_seconds(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.ingest(deregistered("d"))
    await world.sweep()
    assert (await world.presence("d"), await world.presence_changes("d")) == ("OFFLINE", ["ONLINE"])
    world.pass_(2)
    await world.sweep()
    assert await world.presence_changes("d") == ["ONLINE", "OFFLINE"]


async def test_a_listing_ends_only_registrations_silent_since_before_it(world: LedgerWorld) -> None:
    ledger = world.ledgers[0]
    await world.ingest(registered("gone"), registered("listed"), registered("heard"), old_registered("older", 1))
    world.pass_(10)
    asked_at = await ledger.submit(ReadLedgerTime())
    await world.ingest(updated("heard", 2))
    await ledger.submit(Listed(["listed", "nobody"]))
    assert await ledger.submit(EndListing(asked_at)) == 1
    assert await ledger.submit(EndListing(asked_at)) == 0
    names = ("gone", "listed", "heard", "older")
    assert [await world.presence(name) for name in names] == ["OFFLINE", "ONLINE", "ONLINE", "ONLINE"]


async def test_a_device_missing_in_a_listing_returns_with_its_next_update(world: LedgerWorld) -> None:
    ledger = world.ledgers[0]
    await world.ingest(registered("d"))
    world.pass_(10)
    await ledger.submit(EndListing(await ledger.submit(ReadLedgerTime())))
    await world.ingest(updated("d", 2))
    assert await world.presence("d") == "ONLINE"


async def test_one_bridge_listens_until_it_releases_its_lease_or_is_silent(empty_world: LedgerWorld) -> None:
    one, two = [await empty_world.ledger() for _ in range(2)]
    assert await one.submit(RenewBridgeLease("one", 10_000_000))
    assert not await two.submit(RenewBridgeLease("two", 10_000_000))
    empty_world.pass_(9)
    assert await one.submit(RenewBridgeLease("one", 10_000_000))
    empty_world.pass_(10)
    assert await two.submit(RenewBridgeLease("two", 10_000_000))
    assert not await one.submit(RenewBridgeLease("one", 10_000_000))
    assert await two.submit(RenewBridgeLease("two", 0))
    assert await one.submit(RenewBridgeLease("one", 10_000_000))


async def test_operations_before_the_retention_are_pruned_with_their_log(
    empty_world: LedgerWorld,
) -> None:
    ledger = await empty_world.ledger(retention=DAY * 1_000_000)
    await empty_world.ingest(registered("d", lifetime_seconds=10 * DAY))
    old, waiting = await empty_world.create(new("d"), new("d", max_attempts=9))
    await empty_world.attempt(REFUSED)
    last_of_old = (await empty_world.operation(old))["last_seq"]
    empty_world.pass_(DAY + 1)
    await empty_world.ingest(updated("d", 2, lifetime_seconds=10 * DAY))
    (young,) = await empty_world.create(new("d", priority=9))
    await empty_world.attempt(SUCCESS)
    while await ledger.submit(Prune()):
        pass
    left = {row["seq"] for row in await empty_world.rows("SELECT seq FROM operation")}
    assert left == {waiting, young}
    assert await empty_world.steps(old) == []
    head = await empty_world.row("SELECT seq, horizon FROM ledger_head")
    assert last_of_old <= head["horizon"] < (await empty_world.operation(young))["last_seq"]
    endpoint = await empty_world.endpoint("d")
    assert (endpoint["failed"], endpoint["confirmed"], endpoint["queued"]) == (0, 1, 1)


async def test_no_row_after_the_horizon_is_pruned(empty_world: LedgerWorld) -> None:
    """The transitions of an operation that took days are both older and younger than others': the horizon covers
    all."""
    ledger = await empty_world.ledger(retention=DAY * 1_000_000)
    await empty_world.ingest(*(registered(f"d{n}") for n in range(5)))
    await empty_world.create(*(new(f"d{n}") for n in range(5)))
    for claimed in await empty_world.claim():
        await empty_world.settle(claimed, REFUSED)
        empty_world.pass_(DAY // 3)
    before = {row["seq"] for row in await empty_world.rows("SELECT seq FROM transition")}
    await ledger.submit(Prune())
    after = {row["seq"] for row in await empty_world.rows("SELECT seq FROM transition")}
    horizon = (await empty_world.row("SELECT horizon FROM ledger_head"))["horizon"]
    assert before - after
    assert max(before - after) <= horizon


async def test_a_long_list_of_presence_changes_is_pruned_to_its_end(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.maintenance.PRUNE_PIECE", 3)
    ledger = await empty_world.ledger(retention=DAY * 1_000_000)
    for n in range(10):
        await empty_world.ingest(registered(f"d{n}"))
    empty_world.pass_(DAY + 1)
    while await ledger.submit(Prune()):
        pass
    assert await empty_world.rows("SELECT * FROM presence_change") == []


async def test_a_bridge_frozen_past_its_lease_is_not_listened_to(empty_world: LedgerWorld) -> None:
    """It forwards the events that its socket kept before it learns that another bridge listens by now, and has
    processed all of them."""
    one, two = [await empty_world.ledger() for _ in range(2)]
    assert await one.submit(RenewBridgeLease("one", 10 * SECOND))
    empty_world.pass_(11)
    thawed = IngestEvents([DecodedEvent(registered("d"))], position=StreamPosition("7", "one"))
    assert await one.submit(thawed) == 1, "nobody else listens yet"
    assert await two.submit(RenewBridgeLease("two", 10 * SECOND))
    assert (
        await one.submit(IngestEvents([DecodedEvent(registered("d", "old"))], position=StreamPosition("8", "one"))) == 0
    )
    assert (await empty_world.endpoint("d"))["registration_id"] == "r1"
    assert (await empty_world.server())["stream_id"] == "7"
    assert (
        await two.submit(IngestEvents([DecodedEvent(registered("d", "r2"))], position=StreamPosition("9", "two"))) == 1
    )
    assert await two.submit(RenewBridgeLease("two", 0))
    server = await empty_world.server()
    assert (server["bridge_holder"], server["bridge_until"], server["stream_id"]) == (None, None, "9")


async def test_receipts_are_deleted_in_pieces_to_their_end(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.maintenance.RECEIPTS_PIECE", 3)
    ledger = await empty_world.ledger()
    for n in range(7):
        await empty_world.ingest(response("d", f"q{n}", SUCCESS), delivery=f"w{n}")
    empty_world.pass_(DAY + 1)
    await empty_world.ingest(response("d", "late", SUCCESS), delivery="late")
    assert await ledger.submit(Prune())
    assert (await empty_world.row("SELECT count(*) AS n FROM webhook_delivery"))["n"] == 5
    while await ledger.submit(Prune()):
        pass
    assert await empty_world.rows("SELECT id FROM webhook_delivery") == [{"id": "late"}]
    assert await empty_world.rows("SELECT request_id FROM early_response") == [{"request_id": "late"}]


async def test_readings_are_kept_by_the_time_of_their_commit(empty_world: LedgerWorld) -> None:
    """A device's clock may say 2010: neither its value nor a cursor expires because of that."""
    ledger = await empty_world.ledger(reading_retention=DAY * SECOND, aggregate_retention=36_500 * DAY * SECOND)
    await empty_world.ingest(registered("d", lifetime_seconds=100 * DAY))
    value = TypedSample({"/3303/0/5700": TypedValue(ValueType.FLOAT, 21.5)}, at=EARLIEST_CLOCK)
    await empty_world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=(value,)))
    assert not await ledger.submit(PruneReadings())
    (reading,) = await empty_world.rows("SELECT seq FROM reading")
    empty_world.pass_(3_650 * DAY)  # past the partition of the migration
    assert not await ledger.submit(PruneReadings()), "it is in no aggregate yet"
    assert len(await empty_world.rows("SELECT seq FROM reading")) == 1
    assert not await ledger.submit(AggregateReadings())
    while await ledger.submit(PruneReadings()):
        pass
    assert await empty_world.rows("SELECT seq FROM reading") == []
    head = await empty_world.row("SELECT horizon, reading_horizon FROM ledger_head")
    assert (head["horizon"], head["reading_horizon"]) == (0, reading["seq"])
    (hour,) = await empty_world.rows("SELECT hour, count, low, last_value FROM reading_hour")
    assert (hour["count"], hour["low"], hour["last_value"]) == (1, 21.5, "21.5")


@pytest.mark.parametrize("request_ids", [False, True], ids=["a lost lease", "a lost call that is asked about"])
@pytest.mark.parametrize(
    ("breach", "repair"),
    [
        ("lease_operation = 999999", "lease_operation = {seq}"),
        ("lease_operation = {other}", "lease_operation = {seq}"),
    ],
    ids=["an operation that is gone", "an operation that is not SENDING"],
)
async def test_a_row_that_maintenance_cannot_process_affects_only_itself(
    world: LedgerWorld, breach: str, repair: str, request_ids: bool
) -> None:
    await world.ingest(registered("bad"), registered("good", lifetime_seconds=60))
    seq, other, good = await world.create(new("bad"), new("bad"), new("good", timeout=1))
    await world.claim()
    await world.ledgers[0].submit(UpdateServerInfo(request_ids=request_ids))
    await world.reader.execute(f"UPDATE endpoint SET {breach.format(other=other)} WHERE name = 'bad'")  # noqa: S608
    world.pass_(100)
    assert [lost.seq for lost in await world.ledgers[0].submit(TakeLost("t"))] == ([good] if request_ids else [])
    before = await world.endpoint("bad")
    world.pass_(1_000)
    await world.sweep()
    assert await world.status(good) == "QUEUED"
    assert await world.presence("good") == "OFFLINE"
    after = await world.endpoint("bad")
    assert {key: after[key] for key in before if key.startswith(("lease", "call", "sending"))} == {
        key: before[key] for key in before if key.startswith(("lease", "call", "sending"))
    }
    await world.reader.execute(f"UPDATE endpoint SET {repair.format(seq=seq)} WHERE name = 'bad'")  # noqa: S608
    await world.sweep()
    assert await world.status(seq) == "QUEUED"
