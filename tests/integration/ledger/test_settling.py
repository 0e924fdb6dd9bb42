"""The effects of an attempt's end on the operation and on its endpoint."""

from __future__ import annotations

import pytest

from app.domain.enums import SECOND, OperationKind, ValueType
from app.domain.events import Reported
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.models.ledger import Release, Settle
from tests.support.ledger import (
    ASLEEP,
    BUSY,
    LOST,
    REBOOT,
    REFUSED,
    SILENT,
    SUCCESS,
    UNREGISTERED,
    LedgerWorld,
    delayed,
    deregistered,
    new,
    registered,
    response,
    updated,
)

pytestmark = pytest.mark.asyncio

FORGOTTEN = Report(Outcome(OutcomeKind.SUCCESS, 200))
"""The report of an observation that Leshan canceled without the device."""


async def test_a_success_has_three_transitions(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    assert await world.attempt(SUCCESS) == "CONFIRMED"
    assert await world.steps(seq) == [("QUEUED", None), ("SENDING", None), ("CONFIRMED", None)]
    row = await world.operation(seq)
    assert (row["attempts"], row["delivery"], row["device_status"]) == (0, "ANSWERED", "CHANGED(204)")
    assert row["finished_at"] == world.now


async def test_a_stale_fence_changes_nothing(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    first = await world.claim_one()
    await world.settle(first, ASLEEP)
    await world.ingest(updated("d", 2))
    second = await world.claim_one()
    before = await world.operation(seq), await world.endpoint("d")
    assert await world.settle(first, SUCCESS) is None
    assert (await world.operation(seq), await world.endpoint("d")) == before
    assert await world.settle(second, SUCCESS) == "CONFIRMED"
    assert await world.settle(second, SILENT) is None
    assert await world.ledgers[0].submit(Settle(999_999, 1, SUCCESS)) is None


async def test_a_counted_failure_waits_for_the_next_wake(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    assert await world.attempt(LOST) == "QUEUED"
    assert await world.presence("d") == "ONLINE"
    assert await world.claim() == []
    await world.ingest(updated("d", 2))
    assert (await world.claim_one()).seq == seq


async def test_a_wake_during_the_attempt_is_not_lost(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(updated("d", 2))
    await world.settle(claimed, SILENT)
    assert await world.presence("d") == "ONLINE"
    assert len(await world.claim()) == 1


async def test_events_and_new_operations_count_no_attempt(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), updated("d", 2))
    (seq,) = await world.create(new("d"))
    await world.attempt(LOST)
    for _ in range(3):
        await world.ingest(Reported(endpoint="d", nodes={}, wakes=True), updated("d", 2), registered("d"))
        await world.create(new("d"))
        world.pass_(5)
        assert await world.claim() == []
    assert (await world.operation(seq))["attempts"] == 1


async def test_three_unanswered_attempts_over_three_updates_fail_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    for wake in (2, 3, 4):
        await world.attempt(SILENT)
        await world.ingest(updated("d", wake))
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["attempts"], row["delivery"]) == (
        "FAILED",
        "NO_ANSWER",
        3,
        "MAY_HAVE_REACHED",
    )


@pytest.mark.parametrize("report", [ASLEEP, UNREGISTERED], ids=["asleep", "not registered"])
async def test_being_offline_counts_no_attempts(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    for wake in range(2, 8):
        assert await world.attempt(report) == "QUEUED"
        assert await world.claim() == []
        await world.ingest(updated("d", wake))
    row = await world.operation(seq)
    assert (row["attempts"], row["attempt"], row["delivery"]) == (0, 6, "NOT_SENT")


async def test_a_non_repeatable_operation_ends_unknown_after_one_perhaps(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", OperationKind.EXECUTE, "/3303/0/5605"))
    assert await world.attempt(LOST) == "FAILED"
    assert (await world.operation(seq))["reason"] == "OUTCOME_UNKNOWN"


async def test_a_non_repeatable_operation_is_retried_if_it_was_not_done(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", OperationKind.EXECUTE, "/3303/0/5605"))
    assert await world.attempt(BUSY) == "QUEUED"
    await world.ingest(updated("d", 2))
    assert await world.attempt(SUCCESS) == "CONFIRMED"


async def test_a_device_without_queue_mode_is_retried_after_pauses(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False, lifetime_seconds=86_400))
    (seq,) = await world.create(new("d", max_attempts=9))
    for pause in (30, 120, 600, 600):
        await world.attempt(SILENT)
        assert await world.presence("d") == "ONLINE"
        world.pass_(pause - 1)
        assert await world.claim() == []
        world.pass_(1)
    assert (await world.claim_one()).seq == seq


async def test_a_wake_restores_the_turn_without_queue_mode_and_resets_pauses(
    world: LedgerWorld,
) -> None:
    await world.ingest(registered("d", queue_mode=False))
    await world.create(new("d", max_attempts=9))
    await world.attempt(SILENT)
    world.pass_(30)
    await world.attempt(SILENT)
    await world.ingest(updated("d", 2, queue_mode=False))
    await world.attempt(SILENT)
    world.pass_(30)
    assert len(await world.claim()) == 1


async def test_a_wake_that_ends_a_pause_notifies_the_dispatchers(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False))
    await world.create(new("d"))
    await world.attempt(SILENT)
    world.published.clear()
    await world.ingest(updated("d", 2, queue_mode=False))
    assert "wake" in world.published


async def test_a_wake_is_published_before_the_sweep_ends_the_window(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    world.pass_(95)
    world.published.clear()
    await world.ingest(updated("d", 2))
    assert "wake" in world.published


async def test_a_wake_with_an_empty_queue_notifies_no_dispatcher(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    world.published.clear()
    await world.ingest(updated("d", 2))
    assert "wake" not in world.published


async def test_delivery_is_the_highest_of_all_attempts(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", max_attempts=9))
    seen = []
    for wake, report in enumerate((ASLEEP, SILENT, ASLEEP, BUSY, SILENT), start=2):
        await world.attempt(report)
        seen.append((await world.operation(seq))["delivery"])
        await world.ingest(updated("d", wake))
    assert seen == ["NOT_SENT", "MAY_HAVE_REACHED", "MAY_HAVE_REACHED", "ANSWERED", "ANSWERED"]


@pytest.mark.parametrize("report", [SILENT, ASLEEP, UNREGISTERED], ids=["silent", "asleep", "not registered"])
async def test_a_verdict_keeps_the_presence_of_a_device_that_woke_meanwhile(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(updated("d", 2))
    await world.settle(claimed, report)
    assert await world.presence("d") == "ONLINE"


@pytest.mark.parametrize(
    ("report", "presence"), [(SILENT, "ASLEEP"), (ASLEEP, "ASLEEP"), (UNREGISTERED, "OFFLINE"), (REFUSED, "ONLINE")]
)
async def test_a_verdict_writes_the_presence_that_it_publishes(
    world: LedgerWorld, report: Report, presence: str
) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    await world.attempt(report)
    assert await world.presence("d") == presence


async def test_an_answer_renews_the_window(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(*(new("d") for _ in range(5)))
    for _ in range(5):
        claimed = await world.claim_one()
        world.pass_(60)
        assert await world.settle(claimed, SUCCESS) == "CONFIRMED"


@pytest.mark.parametrize("report", [SILENT, LOST, ASLEEP, UNREGISTERED, FORGOTTEN])
async def test_last_seen_is_not_moved_by_a_call_without_a_response(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    seen_at = world.now
    await world.create(new("d", OperationKind.CANCEL_OBSERVE, "/3303/0/5700"))
    world.pass_(10)
    await world.attempt(report)
    assert (await world.endpoint("d"))["last_seen_at"] == seen_at


async def test_last_seen_moves_with_a_response_at_most_to_the_calls_end(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d", OperationKind.READ, "/3/0/0"))
    await world.settle(await world.claim_one(), REFUSED)
    begun = world.now
    claimed = await world.claim_one()
    world.pass_(40)
    late = Report(SUCCESS.outcome, values={"/3/0/0": TypedValue(ValueType.STRING, "x")})
    await world.settle(claimed, late)
    seen_at = begun + 35 * SECOND
    assert (await world.endpoint("d"))["last_seen_at"] == seen_at
    assert (await world.row("SELECT at FROM resource_state"))["at"] == seen_at


@pytest.mark.parametrize("kept", [False, True])
async def test_the_late_response_to_a_held_request_counts_as_of_its_own_time(world: LedgerWorld, kept: bool) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    claimed = await world.claim_one()
    world.pass_(5)
    answer = response("d", "q1", SUCCESS, age=3)
    if kept:
        await world.ingest(answer)
        await world.settle(claimed, delayed("q1"))
    else:
        await world.settle(claimed, delayed("q1"))
        await world.ingest(answer)
    row = await world.endpoint("d")
    assert (row["last_seen_at"], row["awake_until"]) == (world.now - 3 * SECOND, world.now + 87 * SECOND)


async def test_a_response_after_the_deregistration_does_not_set_it_online(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(deregistered("d"))
    await world.settle(claimed, SUCCESS)
    assert await world.presence("d") == "OFFLINE"


async def test_the_values_of_a_response_become_the_latest_known(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", OperationKind.READ, "/3303/0/5700"))
    value = TypedValue(ValueType.FLOAT, 21.5)
    report = Report(SUCCESS.outcome, answer={"value": 21.5}, values={"/3303/0/5700": value})
    await world.attempt(report)
    (state,) = await world.rows("SELECT path, type, value FROM resource_state")
    assert state == {"path": "/3303/0/5700", "type": "FLOAT", "value": "21.5"}


async def test_a_newer_write_supersedes_a_queued_one_at_once(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    older, other = await world.create(new("d"), new("d", path="/5/0/2"))
    (newer,) = await world.create(new("d", supersede=True))
    assert [await world.status(seq) for seq in (older, other, newer)] == ["CANCELED", "QUEUED", "QUEUED"]
    assert (await world.operation(older))["reason"] == "SUPERSEDED"


@pytest.mark.parametrize(("report", "status"), [(SILENT, "CANCELED"), (SUCCESS, "CONFIRMED"), (REFUSED, "FAILED")])
async def test_a_newer_write_ends_a_sending_one_only_if_it_is_queued_again(
    world: LedgerWorld, report: Report, status: str
) -> None:
    await world.ingest(registered("d"))
    (older,) = await world.create(new("d"))
    claimed = await world.claim_one()
    await world.create(new("d", supersede=True))
    assert await world.status(older) == "SENDING"
    await world.settle(claimed, report)
    row = await world.operation(older)
    assert row["status"] == status
    assert row["delivery"] == ("MAY_HAVE_REACHED" if report is SILENT else "ANSWERED")


async def test_a_settle_returns_the_current_status_of_the_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    claimed = await world.claim_one()
    await world.create(new("d", supersede=True))
    assert await world.settle(claimed, SILENT) == "CANCELED"


async def test_a_time_to_live_that_ends_while_sending_waits_for_the_result(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", ttl_seconds=5))
    claimed = await world.claim_one()
    world.pass_(6)
    await world.sweep()
    assert await world.status(seq) == "SENDING"
    await world.settle(claimed, SILENT)
    await world.sweep()
    row = await world.operation(seq)
    assert (row["status"], row["delivery"]) == ("EXPIRED", "MAY_HAVE_REACHED")


async def test_a_released_attempt_is_not_counted(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    assert await world.ledgers[0].submit(Release(claimed.seq, claimed.attempt))
    assert not await world.ledgers[0].submit(Release(claimed.seq, claimed.attempt))
    assert (await world.operation(seq))["attempts"] == 0
    assert (await world.claim_one()).attempt == 2


@pytest.mark.parametrize("report", [SUCCESS, LOST], ids=["confirmed", "unknown"])
async def test_after_a_reboot_nothing_is_sent_until_the_device_registers(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", *REBOOT), new("d"))
    await world.attempt(report)
    world.pass_(10)
    await world.ingest(updated("d", 2))
    assert await world.claim() == []
    await world.ingest(registered("d", "r2"))
    assert await world.attempt(SUCCESS) == "CONFIRMED"


async def test_after_a_reboot_an_update_sixty_seconds_later_suffices(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", *REBOOT), new("d"))
    await world.attempt(SUCCESS)
    world.pass_(60)
    await world.ingest(updated("d", 2))
    assert len(await world.claim()) == 1


async def test_a_reboot_that_was_refused_holds_nothing_back(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", *REBOOT), new("d"))
    await world.attempt(REFUSED)
    assert len(await world.claim()) == 1


async def test_a_device_that_registered_before_its_silence_is_settled_is_back(world: LedgerWorld) -> None:
    """The device goes down without a response, is back after 10 s, and only then the call is canceled."""
    await world.ingest(registered("d"))
    await world.create(new("d", *REBOOT), new("d"))
    claimed = await world.claim_one()
    world.pass_(10)
    await world.ingest(registered("d", "r2"))
    await world.settle(claimed, LOST)
    assert len(await world.claim()) == 1


async def test_text_that_no_database_can_store_is_cleaned(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    refusal = Outcome(OutcomeKind.DEVICE_ANSWERED_NO, 200, 400, "B" * 80, detail="a\x00b\ud800" + "c" * 2_000)
    assert await world.attempt(Report(refusal)) == "FAILED"
    row = await world.operation(seq)
    assert row["detail"].startswith("ab?c")
    assert (len(row["detail"]), len(row["device_status"])) == (1_000, 64)


async def test_a_success_without_a_device_status_shows_no_earlier_one(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", OperationKind.CANCEL_OBSERVE))
    await world.attempt(BUSY)
    await world.ingest(updated("d", 2))
    await world.attempt(Report(Outcome(OutcomeKind.SUCCESS, 200)))
    assert (await world.operation(seq))["device_status"] is None


async def test_an_operation_that_expired_while_sending_is_not_queued_again(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", ttl_seconds=5))
    called = await world.claim_one()
    world.pass_(6)
    await world.settle(called, SILENT)
    assert await world.steps(seq) == [
        ("QUEUED", None),
        ("SENDING", None),
        ("QUEUED", "NO_ANSWER"),
        ("EXPIRED", "EXPIRED"),
    ]
    assert (await world.operation(seq))["delivery"] == "MAY_HAVE_REACHED"
