"""A stock Leshan keeps a request in its memory until the device wakes: the end of such a request, in every case."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.domain.enums import SECOND, OperationKind, OperationStatus
from app.domain.events import Registration
from app.domain.outcomes import OutcomeKind
from app.domain.verdicts import Report
from app.models.database import reading
from app.models.ledger import Cancel, Claimed, Conflict, IngestEvents, Prune, RenewBridgeLease, Settle, Withdraw
from app.models.ledger.early_responses import report_from_json, report_to_json
from app.models.operation import NewOperation
from app.models.ready import unwanted
from tests.support.ledger import (
    BUSY,
    REFUSED,
    SUCCESS,
    LedgerWorld,
    delayed,
    deregistered,
    new,
    registered,
    registration,
    response,
    updated,
)

pytestmark = pytest.mark.asyncio

Make = Callable[[], NewOperation]


@pytest.fixture(params=["WRITE", "EXECUTE"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return a function that makes a repeatable operation, or a non-repeatable one."""
    if request.param == "WRITE":
        return lambda: new("d")
    return lambda: new("d", OperationKind.EXECUTE, "/3303/0/5605")


async def hold(world: LedgerWorld, operation: NewOperation, request_id: str = "q1") -> int:
    """Make Leshan hold an operation of a device that fell asleep; return its ``seq``."""
    await world.ingest(registered("d"))
    (seq,) = await world.create(operation)
    assert await world.attempt(delayed(request_id)) == "SENDING"
    return seq


async def test_a_delayed_request_stays_sending_and_the_device_is_asleep(world: LedgerWorld, make: Make) -> None:
    seq = await hold(world, make())
    assert await world.steps(seq) == [("QUEUED", None), ("SENDING", None), ("SENDING", "DELAYED_BY_LESHAN")]
    row = await world.operation(seq)
    assert (row["request_id"], row["attempts"], row["delivery"]) == ("q1", 0, "NOT_SENT")
    assert await world.presence("d") == "ASLEEP"


async def test_a_held_request_occupies_no_open_call(empty_world: LedgerWorld) -> None:
    await empty_world.ledger(max_in_flight=1)
    await hold(empty_world, new("d"))
    await empty_world.ingest(registered("other"))
    await empty_world.create(new("other"))
    assert len(await empty_world.claim()) == 1


async def test_no_other_operation_is_sent_to_the_endpoint_meanwhile(world: LedgerWorld, make: Make) -> None:
    await hold(world, make())
    await world.create(new("d", priority=100))
    await world.ingest(updated("d", 2))
    assert await world.claim() == []


@pytest.mark.parametrize(("report", "status"), [(SUCCESS, "CONFIRMED"), (REFUSED, "FAILED")])
async def test_a_response_event_after_our_commit_ends_it(
    world: LedgerWorld, make: Make, report: Report, status: str
) -> None:
    seq = await hold(world, make())
    await world.ingest(updated("d", 2), response("d", "q1", report))
    assert await world.status(seq) == status
    assert await world.presence("d") == "ONLINE"


async def test_a_response_event_before_our_commit_is_stored_and_found(world: LedgerWorld, make: Make) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(make())
    claimed = await world.claim_one()
    await world.ingest(updated("d", 2), response("d", "q1", SUCCESS))
    assert await world.status(seq) == "SENDING"
    assert await world.settle(claimed, delayed("q1")) == "CONFIRMED"
    assert [status for status, _ in await world.steps(seq)] == ["QUEUED", "SENDING", "SENDING", "CONFIRMED"]


async def test_a_response_event_in_the_same_commit_is_found(world: LedgerWorld, make: Make) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(make())
    claimed = await world.claim_one()
    ledger = world.ledgers[0]
    settled = ledger.enqueue(Settle(claimed.seq, claimed.attempt, delayed("q1")))
    heard = ledger.enqueue(IngestEvents([response("d", "q1", SUCCESS)]))
    await heard
    assert await settled == "CONFIRMED"
    assert await world.status(seq) == "CONFIRMED"


async def test_without_a_response_after_the_wake_it_is_perhaps(world: LedgerWorld, make: Make) -> None:
    seq = await hold(world, make())
    await world.ingest(updated("d", 2))
    world.pass_(34)
    await world.sweep()
    assert await world.status(seq) == "SENDING"
    world.pass_(1)
    await world.sweep()
    row = await world.operation(seq)
    if row["repeatable"]:
        assert (row["status"], row["reason"], row["attempts"]) == ("QUEUED", "NO_ANSWER", 1)
    else:
        assert (row["status"], row["reason"]) == ("FAILED", "OUTCOME_UNKNOWN")
    assert row["delivery"] == "MAY_HAVE_REACHED"


async def test_a_second_wake_does_not_extend_the_limit_of_the_response(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    await world.ingest(updated("d", 2))
    world.pass_(30)
    await world.ingest(updated("d", 3))
    world.pass_(5)
    await world.sweep()
    assert await world.status(seq) == "QUEUED"


async def test_a_wake_during_the_call_that_was_delayed_counts_as_its_wake(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(updated("d", 2))
    await world.settle(claimed, delayed("q1"))
    world.pass_(35)
    await world.sweep()
    assert await world.status(seq) == "QUEUED"


async def test_after_a_perhaps_the_next_attempt_follows_at_the_next_wake(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    await world.ingest(updated("d", 2))
    world.pass_(35)
    await world.sweep()
    assert await world.claim() == []
    await world.ingest(updated("d", 3))
    assert (await world.claim_one()).seq == seq


async def test_without_a_wake_it_waits_until_the_registration_ends(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    world.pass_(3_500)
    await world.sweep()
    assert await world.status(seq) == "SENDING"


@pytest.mark.parametrize("how", ["replaced", "gone", "lifetime", "update of another"])
async def test_a_registration_that_ended_without_a_wake_dropped_it_unsent(
    world: LedgerWorld, make: Make, how: str
) -> None:
    seq = await hold(world, make())
    if how == "lifetime":
        world.pass_(3_601)
        await world.sweep()
    else:
        event = {
            "replaced": registered("d", "r2"),
            "gone": deregistered("d"),
            "update of another": updated("d", 9, "r2"),
        }
        await world.ingest(event[how])
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["attempts"], row["delivery"]) == ("QUEUED", "RELEASED", 0, "NOT_SENT")


async def listen(world: LedgerWorld, open_for: float) -> None:
    """Let a bridge listen to the event stream, which has been open for so many seconds."""
    holder = RenewBridgeLease("bridge", 7_200 * SECOND, int(open_for * SECOND))
    assert await world.ledgers[0].submit(holder)


@pytest.mark.parametrize("under", ["r2", None], ids=["a newer registration", "an unknown registration"])
async def test_the_late_event_of_an_older_registrations_end_drops_nothing(
    world: LedgerWorld, make: Make, under: str | None
) -> None:
    """The device had registered again before the call: Leshan holds the request under the new registration."""
    await listen(world, 10)
    await world.ingest(registered("d"))
    (seq,) = await world.create(make())
    assert await world.attempt(delayed("q1", under)) == "SENDING"
    await world.ingest(deregistered("d"), registered("d", "r2"))
    assert await world.status(seq) == "SENDING"
    await world.ingest(updated("d", 2, "r2"), response("d", "q1", SUCCESS))
    assert await world.steps(seq) == [
        ("QUEUED", None),
        ("SENDING", None),
        ("SENDING", "DELAYED_BY_LESHAN"),
        ("CONFIRMED", None),
    ]


@pytest.mark.parametrize("how", ["replaced", "gone"])
async def test_with_an_uninterrupted_stream_it_was_dropped_unsent(world: LedgerWorld, make: Make, how: str) -> None:
    await listen(world, 10)
    seq = await hold(world, make())
    await world.ingest(registered("d", "r2") if how == "replaced" else deregistered("d"))
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["delivery"]) == ("QUEUED", "RELEASED", "NOT_SENT")


@pytest.mark.parametrize("how", ["replaced", "gone"])
async def test_with_an_interrupted_stream_it_is_perhaps(world: LedgerWorld, make: Make, how: str) -> None:
    """The wake and the response may be among the missed events; the list has not been read yet."""
    await listen(world, 10)
    seq = await hold(world, make())
    world.pass_(5)
    await listen(world, 1)
    await world.ingest(registered("d", "r2") if how == "replaced" else deregistered("d"))
    row = await world.operation(seq)
    expected = ("QUEUED", "NO_ANSWER", 1) if row["repeatable"] else ("FAILED", "OUTCOME_UNKNOWN", 1)
    assert (row["status"], row["reason"], row["attempts"]) == expected
    assert row["delivery"] == "MAY_HAVE_REACHED"


async def test_a_request_sent_before_events_were_lost_is_never_called_unsent(world: LedgerWorld) -> None:
    """The device wakes, Leshan sends the request and restarts, and the frozen bridge loses the events of the wake. It
    opens the stream again, and the device registers before the list is read. Then the operation is canceled."""
    await listen(world, 10)
    seq = await hold(world, new("d", OperationKind.OBSERVE, "/3303/0/5700"))
    world.pass_(5)
    await listen(world, 1)
    await world.ingest(registered("d", "r2"))
    await unwanted_by(world, seq, "cancel")
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["delivery"]) == ("CANCELED", "CANCELED_BY_USER", "MAY_HAVE_REACHED")


async def test_with_an_event_source_an_expired_lifetime_needs_leshans_event(world: LedgerWorld, make: Make) -> None:
    await listen(world, 10)
    seq = await hold(world, make())
    world.pass_(3_601)
    await world.sweep()
    assert (await world.presence("d"), await world.status(seq)) == ("OFFLINE", "SENDING")
    await world.ingest(deregistered("d"))
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["delivery"]) == ("QUEUED", "RELEASED", "NOT_SENT")


async def test_without_leshans_event_an_expired_lifetime_makes_it_perhaps(world: LedgerWorld, make: Make) -> None:
    await listen(world, 10)
    seq = await hold(world, make())
    world.pass_(3_601)
    await world.sweep()
    world.pass_(31)
    await world.sweep()
    assert (await world.operation(seq))["delivery"] == "MAY_HAVE_REACHED"


async def test_a_dropped_operation_is_sent_under_the_new_registration(world: LedgerWorld, make: Make) -> None:
    seq = await hold(world, make())
    await world.ingest(registered("d", "r2"))
    claimed: Claimed = await world.claim_one()
    assert (claimed.seq, claimed.attempt) == (seq, 2)


async def test_a_registration_replaced_after_a_wake_makes_it_perhaps_in_time(world: LedgerWorld, make: Make) -> None:
    seq = await hold(world, make())
    await world.ingest(updated("d", 2), registered("d", "r2"))
    assert await world.status(seq) == "SENDING"
    world.pass_(35)
    await world.sweep()
    assert (await world.operation(seq))["delivery"] == "MAY_HAVE_REACHED"


@pytest.mark.parametrize("what", ["update", "registration"])
async def test_events_missed_meanwhile_make_it_perhaps_at_once(world: LedgerWorld, make: Make, what: str) -> None:
    seq = await hold(world, make())
    await world.ingest(updated("d", 2) if what == "update" else registered("d", "r2"), missed=True)
    row = await world.operation(seq)
    assert (row["status"], row["delivery"]) == ("QUEUED" if row["repeatable"] else "FAILED", "MAY_HAVE_REACHED")


async def test_missed_events_of_a_device_that_did_not_wake_have_no_effect(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    await world.ingest(registered("d"), missed=True)
    assert await world.status(seq) == "SENDING"


async def test_a_response_event_of_an_ended_attempt_changes_nothing(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    await world.ingest(registered("d", "r2"))
    await world.ingest(response("d", "q1", SUCCESS))
    assert await world.status(seq) == "QUEUED"
    await world.attempt(delayed("q2"))
    await world.ingest(response("d", "q1", SUCCESS))
    assert await world.status(seq) == "SENDING"


async def test_a_retryable_device_error_in_the_event_waits_for_the_next_wake(world: LedgerWorld) -> None:
    seq = await hold(world, new("d"))
    await world.ingest(updated("d", 2), response("d", "q1", BUSY))
    assert await world.status(seq) == "QUEUED"
    assert await world.claim() == []
    await world.ingest(updated("d", 3))
    assert len(await world.claim()) == 1


# --- held requests that are to be withdrawn


async def unwanted_by(world: LedgerWorld, seq: int, why: str) -> None:
    """Cancel, supersede or expire the held operation."""
    if why == "cancel":
        id_ = str((await world.operation(seq))["id"])
        assert await world.ledgers[0].submit(Cancel(id_)) == seq
    elif why == "supersede":
        await world.create(new("d", supersede=True))
    else:
        world.pass_(60)


async def withdraw(
    world: LedgerWorld, outcome: OutcomeKind, told: Registration | None = None
) -> OperationStatus | None:
    """Displace the held request that the ledger reports as unwanted, if any; Leshan then reports ``told``. Return the
    operation's status, or None if there was no such request."""
    async with reading(world.url):
        found = await unwanted(1, 10, lambda _now: world.now)
    if not found:
        return None
    (held,) = found
    assert held.endpoint == "d"
    return await world.ledgers[0].submit(Withdraw(held.seq, held.attempt, outcome, told or registration()))


END = {
    "cancel": ("CANCELED", "CANCELED_BY_USER"),
    "supersede": ("CANCELED", "SUPERSEDED"),
    "ttl": ("EXPIRED", "EXPIRED"),
}


@pytest.mark.parametrize("why", END)
async def test_an_unwanted_operation_ends_when_leshan_dropped_it(world: LedgerWorld, why: str) -> None:
    seq = await hold(world, new("d", ttl_seconds=60))
    assert await withdraw(world, OutcomeKind.DELAYED) is None
    await unwanted_by(world, seq, why)
    await world.sweep()
    assert await world.status(seq) == "SENDING"
    assert await withdraw(world, OutcomeKind.DELAYED) == END[why][0]
    steps = await world.steps(seq)
    assert steps[-3:] == [("SENDING", "DELAYED_BY_LESHAN"), ("QUEUED", "RELEASED"), END[why]]
    assert (await world.operation(seq))["delivery"] == "NOT_SENT"
    assert await withdraw(world, OutcomeKind.DELAYED) is None


async def test_a_held_execute_can_be_canceled(world: LedgerWorld) -> None:
    seq = await hold(world, new("d", OperationKind.EXECUTE, "/3303/0/5605"))
    await unwanted_by(world, seq, "cancel")
    assert await withdraw(world, OutcomeKind.DELAYED) == "CANCELED"


@pytest.mark.parametrize("answered", [True, False])
async def test_if_the_wake_precedes_the_device_decides_the_outcome(world: LedgerWorld, answered: bool) -> None:
    seq = await hold(world, new("d"))
    await unwanted_by(world, seq, "cancel")
    await world.ingest(updated("d", 2))
    assert await withdraw(world, OutcomeKind.DELAYED) is None, "it was sent, and cannot be withdrawn any more"
    if answered:
        await world.ingest(response("d", "q1", SUCCESS))
        assert await world.status(seq) == "CONFIRMED"
    else:
        world.pass_(36)
        await world.sweep()
        row = await world.operation(seq)
        assert (row["status"], row["delivery"], row["attempts"]) == ("CANCELED", "MAY_HAVE_REACHED", 1)


@pytest.mark.parametrize("outcome", [OutcomeKind.SUCCESS, OutcomeKind.DEVICE_ANSWERED_NO, OutcomeKind.DEVICE_SILENT])
async def test_a_displacing_request_that_was_sent_found_the_device_awake(
    world: LedgerWorld, outcome: OutcomeKind
) -> None:
    """Its wake has not been received yet. Leshan had sent the held request before, and its response is due."""
    seq = await hold(world, new("d"))
    await unwanted_by(world, seq, "cancel")
    assert await withdraw(world, outcome) == "SENDING"
    await world.ingest(updated("d", 2), response("d", "q1", SUCCESS))
    assert await world.status(seq) == "CONFIRMED"


async def test_once_found_awake_a_later_displacement_proves_nothing(world: LedgerWorld) -> None:
    """The wake's event is late or lost: Leshan has sent the held request, so it is never reported as unsent."""
    seq = await hold(world, new("d", OperationKind.EXECUTE, "/3303/0/5605"))
    await unwanted_by(world, seq, "cancel")
    assert await withdraw(world, OutcomeKind.DEVICE_SILENT) == "SENDING"
    assert await withdraw(world, OutcomeKind.DELAYED) is None
    world.pass_(36)
    await world.sweep()
    row = await world.operation(seq)
    assert (row["status"], row["reason"], row["delivery"]) == ("FAILED", "OUTCOME_UNKNOWN", "MAY_HAVE_REACHED")


async def test_withdrawals_just_tried_do_not_delay_others(world: LedgerWorld) -> None:
    first = await hold(world, new("d"))
    await world.ingest(registered("e"))
    (second,) = await world.create(new("e"))
    await world.attempt(delayed("q2"))
    for seq in (first, second):
        await unwanted_by(world, seq, "cancel")
    async with reading(world.url):
        (one,) = await unwanted(1, 1, lambda _now: world.now)
        (other,) = await unwanted(1, 1, lambda _now: world.now, tried=[one.seq])
        assert {one.seq, other.seq} == {first, second}
        assert await unwanted(1, 1, lambda _now: world.now, tried=[first, second]) == []


@pytest.mark.parametrize("outcome", [OutcomeKind.UNREACHABLE, OutcomeKind.ANSWER_LOST, OutcomeKind.PROXY_ERROR])
async def test_a_displacing_request_without_a_result_changes_nothing(world: LedgerWorld, outcome: OutcomeKind) -> None:
    seq = await hold(world, new("d"))
    await unwanted_by(world, seq, "cancel")
    before = await world.operation(seq), await world.endpoint("d")
    assert await withdraw(world, outcome) == "SENDING"
    assert (await world.operation(seq), await world.endpoint("d")) == before


async def test_if_events_may_be_missing_a_withdrawn_request_is_perhaps(world: LedgerWorld, make: Make) -> None:
    await listen(world, 10)
    seq = await hold(world, make())
    world.pass_(5)
    await listen(world, 1)
    await unwanted_by(world, seq, "cancel")
    await withdraw(world, OutcomeKind.DELAYED)
    row = await world.operation(seq)
    expected = ("CANCELED", "CANCELED_BY_USER") if row["repeatable"] else ("FAILED", "OUTCOME_UNKNOWN")
    assert (row["status"], row["reason"], row["delivery"]) == (*expected, "MAY_HAVE_REACHED")


@pytest.mark.parametrize(
    "told",
    [registration("r1", 2), registration("r1", None), registration("r2", 1)],
    ids=["updated", "no time of the update", "replaced"],
)
async def test_a_wake_known_only_to_leshan_makes_a_withdrawn_request_perhaps(
    world: LedgerWorld, make: Make, told: Registration
) -> None:
    """Its event is on the way: Leshan may have sent the held request before it accepted the newer one."""
    await listen(world, 10)
    seq = await hold(world, make())
    await unwanted_by(world, seq, "cancel")
    await withdraw(world, OutcomeKind.DELAYED, told)
    row = await world.operation(seq)
    expected = ("CANCELED", "CANCELED_BY_USER") if row["repeatable"] else ("FAILED", "OUTCOME_UNKNOWN")
    assert (row["status"], row["reason"], row["delivery"]) == (*expected, "MAY_HAVE_REACHED")


async def test_an_open_call_is_not_withdrawn(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    with pytest.raises(Conflict, match="SENDING"):
        await unwanted_by(world, seq, "cancel")
    assert await world.ledgers[0].submit(Withdraw(seq, claimed.attempt, OutcomeKind.DELAYED)) is None
    await world.settle(claimed, delayed("q1"))
    assert await world.ledgers[0].submit(Withdraw(seq, claimed.attempt + 1, OutcomeKind.DELAYED)) is None
    assert await world.status(seq) == "SENDING"


async def test_a_stored_response_is_deleted_after_ten_minutes(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), response("d", "q1", SUCCESS))
    world.pass_(599)
    await world.ledgers[0].submit(Prune())
    assert len(await world.rows("SELECT * FROM early_response")) == 1
    world.pass_(2)
    await world.ledgers[0].submit(Prune())
    assert await world.rows("SELECT * FROM early_response") == []


async def test_a_stored_response_has_the_facts_for_its_verdict() -> None:
    assert report_from_json(report_to_json(REFUSED)).outcome.device_code == 404
