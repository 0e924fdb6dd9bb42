"""The invariant check is tested: each invariant is violated by hand once, and reported."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import SECOND, OperationKind
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.invariant_check import violations
from app.models.ledger import BeginBatch, Configure, ContinueBatch
from app.models.ledger.store import StoreRefused
from tests.support.ledger import ERROR, REBOOT, REFUSED, SILENT, SUCCESS, LedgerWorld, new, registered, updated
from tests.support.servers.databases import KIND

pytestmark = pytest.mark.asyncio


async def busy(world: LedgerWorld) -> None:
    """Create an operation that is CONFIRMED (2), one that is SENDING (3) and one that is QUEUED (4)."""
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d"), new("d"))
    await world.attempt(SUCCESS)
    await world.claim_one()


BREACHES = {
    "a hole in the numbers": (1, "UPDATE transition SET number = 9 WHERE number = 3 AND to_status = 'CONFIRMED'"),
    "a lost last step": (1, "DELETE FROM transition WHERE to_status = 'CONFIRMED'"),
    "a row that moved alone": (1, "UPDATE operation SET reason = 'RELEASED' WHERE status = 'CONFIRMED'"),
    "steps that do not follow": (
        1,
        "UPDATE transition SET from_status = 'QUEUED', to_status = 'SENDING' WHERE to_status = 'CONFIRMED'",
    ),
    "a lease for nobody": (2, "UPDATE endpoint SET lease_operation = 2"),
    "a wrong counter of an endpoint": (2, "UPDATE endpoint SET queued = 7"),
    "a wrong counter of a server": (2, "UPDATE leshan_server SET confirmed = 0"),
    "a mark of being paused without a pause": (2, "UPDATE endpoint SET paused = TRUE"),
    "an operation after a turn-ender": (6, "UPDATE endpoint SET down_since = 1"),
    "a success without an answer": (8, "UPDATE operation SET delivery = 'MAY_HAVE_REACHED' WHERE status = 'CONFIRMED'"),
    "a success with a refusal": (8, "UPDATE operation SET device_status = 'X(404)' WHERE status = 'CONFIRMED'"),
    "a success with no word": (8, "UPDATE operation SET device_status = NULL WHERE status = 'CONFIRMED'"),
}


@pytest.mark.parametrize(("number", "breach"), BREACHES.values(), ids=BREACHES.keys())
async def test_a_violated_invariant_is_reported(world: LedgerWorld, number: int, breach: str) -> None:
    await busy(world)
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("BEGIN")
    await world.reader.execute(breach)
    await world.reader.execute("COMMIT")
    broken = await violations(world.url, now=world.now)
    named = [sentence for sentence in broken if sentence.startswith(f"invariant {number}: ")]
    assert named, broken
    rows = {str(row["seq"]) for row in await world.rows("SELECT seq FROM operation")} | {"d", "leshan", "2"}
    assert {sentence.split(": ")[1] for sentence in named} <= rows, "each names its row"
    await make_whole(world)


ENDPOINT_BREACHES = {
    "a missing row of a tag": "DELETE FROM endpoint_tag WHERE tag = 'b,\"c'",
    "a row of a tag too many": "INSERT INTO endpoint_tag SELECT id, 'd', FALSE, name FROM endpoint",
    "another overdue of a tag": "UPDATE endpoint_tag SET overdue = TRUE WHERE tag = 'a'",
    "another name of a tag": "UPDATE endpoint_tag SET name = 'e' WHERE tag = 'a'",
    "a deleted endpoint with tags": "UPDATE endpoint SET deleted_at = 1",
}


@pytest.mark.parametrize("breach", ENDPOINT_BREACHES.values(), ids=ENDPOINT_BREACHES.keys())
async def test_a_violation_of_the_rows_of_an_endpoint_is_reported(world: LedgerWorld, breach: str) -> None:
    await world.ingest(registered("d"))
    await world.ledgers[0].submit(Configure("d", tags=["a", 'b,"c']))
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute(breach)
    broken = await violations(world.url, now=world.now)
    assert broken, breach
    assert all(sentence.startswith("invariant 13: d: ") for sentence in broken), broken
    await make_whole(world)


async def test_a_late_check_of_contacts_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d", lifetime_seconds=60))
    world.pass_(69)
    assert await violations(world.url, now=world.now, pause=no_pause) == []
    world.pass_(2)
    late = await violations(world.url, now=world.now, pause=no_pause)
    assert sorted(late) == [
        "invariant 7: d: its presence was to be checked long ago",
        "invariant 7: d: whether it is overdue was to be checked long ago",
    ]
    await world.sweep()
    assert await violations(world.url, now=world.now, pause=no_pause) == []


async def test_a_late_end_of_a_window_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    world.pass_(99)
    assert await violations(world.url, now=world.now, pause=no_pause) == []
    world.pass_(2)
    late = await violations(world.url, now=world.now, pause=no_pause)
    assert late == ["invariant 7: d: its presence was to be checked long ago"]
    await world.sweep()
    assert await violations(world.url, now=world.now, pause=no_pause) == []


async def no_pause() -> None:
    """Check late objects again at once."""


async def test_transitions_without_an_operation_are_reported(world: LedgerWorld) -> None:
    await busy(world)
    seqs = [row["seq"] for row in await world.rows("SELECT seq FROM operation ORDER BY seq")]
    nobody = next(seq for seq in range(seqs[0], seqs[-1]) if seq not in seqs)
    if KIND == "sqlite":
        await world.reader.execute("PRAGMA foreign_keys = OFF")
    await world.reader.execute(
        "INSERT INTO transition (seq, operation_id, number, to_status, attempt, at) VALUES (99, $1, 1, 'QUEUED', 0, 1)",
        nobody,
    )
    assert await violations(world.url, now=world.now) == [f"invariant 1: {nobody}: it has transitions and is not there"]
    await make_whole(world)


async def make_whole(world: LedgerWorld) -> None:
    """Remove the deliberate violations, so that the check after the test does not report them."""
    for table in ("transition", "operation", "endpoint", "ledger_counter"):
        await world.reader.execute(f"DELETE FROM {table}")  # noqa: S608
    zeros = "queued = 0, sending = 0, confirmed = 0, failed = 0, canceled = 0, expired = 0"
    await world.reader.execute(f"UPDATE leshan_server SET {zeros}")  # noqa: S608


@pytest.mark.parametrize(
    "breach",
    [
        "UPDATE operation SET attempts = max_attempts + 1 WHERE status = 'CONFIRMED'",  # invariant 4
        "UPDATE operation SET status = 'SENDING' WHERE status = 'QUEUED'",  # invariant 3
    ],
)
async def test_violations_within_one_row_are_refused_by_the_database(world: LedgerWorld, breach: str) -> None:
    await busy(world)
    with pytest.raises(StoreRefused):
        await world.reader.execute(breach)


UNGUARDED = {
    "sqlite": ("DROP INDEX uq_operation_sending", "PRAGMA ignore_check_constraints = ON"),
    "postgres": (
        "DROP INDEX uq_operation_sending",
        "ALTER TABLE operation DROP CONSTRAINT ck_operation_attempts",
        "ALTER TABLE endpoint DROP CONSTRAINT ck_endpoint_lease",
    ),
}


@pytest.mark.parametrize(
    ("breach", "number"),
    [
        ("UPDATE operation SET status = 'SENDING' WHERE status = 'QUEUED'", 3),
        ("UPDATE operation SET attempts = max_attempts + 1, attempt = 9 WHERE status = 'CONFIRMED'", 4),
        ("UPDATE operation SET attempts = attempt + 1 WHERE status = 'SENDING'", 4),
    ],
)
async def test_violations_in_a_database_without_constraints_are_reported(
    world: LedgerWorld, breach: str, number: int
) -> None:
    await busy(world)
    for statement in (*UNGUARDED[KIND], breach):
        await world.reader.execute(statement)
    broken = await violations(world.url, now=world.now)
    breaches = {
        3: "more than one operation of an endpoint is SENDING",
        4: "it has more counted attempts than it may have",
    }
    assert any(sentence.startswith(f"invariant {number}: ") and breaches[number] in sentence for sentence in broken), (
        broken
    )
    await make_whole(world)


async def test_a_repeated_non_repeatable_operation_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", repeatable=False))
    claimed = await world.claim_one()
    await world.reader.execute("UPDATE operation SET repeatable = $1", True)
    world.pass_(60)
    await world.sweep()
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET repeatable = $1", False)
    assert await violations(world.url, now=world.now) == [
        f"invariant 5: {claimed.seq}: it may not be repeated, and {breach}"
        for breach in (
            "was queued again after an attempt that the device may have had",
            "goes on though the device may have had it",
        )
    ]
    await make_whole(world)


OVERTAKEN = "one of its endpoint and priority that was queued later was sent before it"


@pytest.mark.parametrize("settled", [True, False], ids=["sent in the end", "never sent"])
async def test_an_operation_that_was_overtaken_is_reported(world: LedgerWorld, settled: bool) -> None:
    await world.ingest(registered("d"))
    first, _, _ = await world.create(new("d"), new("d", priority=1), new("d"))
    await world.attempt(SUCCESS)
    if settled:
        await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET priority = 0")
    assert await violations(world.url, now=world.now) == [f"invariant 6: {first}: {OVERTAKEN}"]
    await make_whole(world)


READING = OperationKind.READ


async def test_waiting_retries_and_operations_held_back_may_be_overtaken(world: LedgerWorld) -> None:
    """This holds for other object instances; if one of the same instance is sent meanwhile, the operation that it
    passed is reported."""
    await world.ingest(registered("d"))
    poison, behind, free, last = await world.create(
        new("d"), new("d", READING, "/5/0/3"), new("d", READING, "/3/0/0"), new("d", READING, "/3/0/1")
    )
    await world.attempt(ERROR)
    await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []
    for path, overtaken in (("/5/0/7", poison), ("/5", poison), ("/3/0/4", poison)):
        kind = "EXECUTE" if path == "/3/0/4" else "READ"
        sql = "UPDATE operation SET path = $2, paths = $3, kind = $4 WHERE seq = $1"
        await world.reader.execute(sql, free, path, f'["{path}"]', kind)
        assert await violations(world.url, now=world.now) == [f"invariant 6: {overtaken}: {OVERTAKEN}"]
        await world.reader.execute(sql, free, "/3/0/0", '["/3/0/0"]', "READ")
    await world.reader.execute("UPDATE operation SET path = '/6/0/3', paths = '[\"/6/0/3\"]' WHERE seq = $1", behind)
    assert await violations(world.url, now=world.now) == [f"invariant 6: {behind}: {OVERTAKEN}"], "nothing held it back"
    await world.reader.execute("UPDATE operation SET path = '/5/0/3', paths = '[\"/5/0/3\"]' WHERE seq = $1", behind)
    await world.attempt(SUCCESS)
    await world.ingest(updated("d", 2))
    assert [await world.attempt(SUCCESS) for _ in range(2)] == ["CONFIRMED"] * 2
    assert await world.status(last) == "CONFIRMED"


async def test_silence_does_not_justify_overtaking(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, _, _ = await world.create(new("d"), new("d", READING, "/5/0/3"), new("d", READING, "/3/0/0", priority=1))
    await world.attempt(SUCCESS)
    await world.attempt(SILENT)
    await world.reader.execute("UPDATE operation SET priority = 0")
    assert await violations(world.url, now=world.now) == [f"invariant 6: {first}: {OVERTAKEN}"]
    await make_whole(world)


async def test_an_expired_operation_may_be_overtaken(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, _ = await world.create(new("d", ttl_seconds=5), new("d"))
    world.pass_(5)
    await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET expires_at = expires_at + 1 WHERE seq = $1", first)
    assert await violations(world.url, now=world.now) == [f"invariant 6: {first}: {OVERTAKEN}"]
    await world.reader.execute("UPDATE operation SET expires_at = expires_at - 1 WHERE seq = $1", first)


async def test_an_operation_sent_to_a_device_that_goes_down_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    _, then = await world.create(new("d", *REBOOT), new("d"))
    await world.attempt(SUCCESS)
    world.pass_(10)
    await world.ingest(registered("d", "r2"))
    await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE endpoint SET down_since = $1", world.now - 1)
    assert await violations(world.url, now=world.now) == [
        f"invariant 6: {then}: it was sent after a turn-ender, before the device was back"
    ]
    await make_whole(world)


async def test_a_canceled_observation_needs_no_response_of_the_device(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", OperationKind.CANCEL_OBSERVE, "/3303/0/5700"))
    assert await world.attempt(Report(Outcome(OutcomeKind.SUCCESS, 200))) == "CONFIRMED"
    assert await violations(world.url, now=world.now) == []


GOES_ON = "it goes on although an earlier operation of its sequence ended otherwise than CONFIRMED"
EARLY = "it was sent before the end of the operation before it in its sequence"


@pytest.mark.parametrize("status", ["QUEUED", "SENDING"])
async def test_an_operation_behind_a_stopped_one_is_reported(world: LedgerWorld, status: str) -> None:
    await world.ingest(registered("d"))
    _, second = await world.create(new("d", sequence="s"), new("d"))
    await world.attempt(REFUSED)
    if status == "SENDING":
        await world.claim_one()
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET sequence = 's' WHERE seq = $1", second)
    assert await violations(world.url, now=world.now) == [f"invariant 10: {second}: {GOES_ON}"]
    await make_whole(world)


async def test_an_operation_that_overtook_another_of_its_sequence_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = await world.create(new("d"), new("d", priority=5))
    await world.attempt(SUCCESS)
    for _ in range(2):
        await world.reader.execute("UPDATE operation SET sequence = 's'")
        assert await violations(world.url, now=world.now) == [f"invariant 10: {second}: {EARLY}"]
        await world.reader.execute("UPDATE operation SET sequence = NULL")
        if await world.status(first) == "QUEUED":
            await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []


async def test_an_attempt_before_its_time_is_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", not_before=world.now))
    await world.attempt(SUCCESS)
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET not_before = not_before + 1")
    assert await violations(world.url, now=world.now) == [f"invariant 11: {seq}: an attempt began before its notBefore"]
    await make_whole(world)


MISCOUNTED = "a batch's counter does not equal its operations, as far as none was pruned"


async def test_a_miscounted_batch_and_a_second_operation_of_it_are_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    mark = "f" * 64
    begin = BeginBatch(name="night", endpoint_filter="{}", template="{}", fingerprint=mark, by="olga")
    begun = await world.ledgers[0].submit(begin)
    member = new("d", batch="night", fingerprint=mark)
    await world.ledgers[0].submit(ContinueBatch(begun, [member], passed_over=0, last_endpoint="d", last=True))
    await world.create(new("d", batch="night"))
    assert await violations(world.url, now=world.now) == [], "another operation may have the name of a batch"
    for wrong in (0, 2):
        await world.reader.execute("UPDATE operation_batch SET created = $1", wrong)
        assert await violations(world.url, now=world.now) == [f"invariant 2: night: {MISCOUNTED}"]
    await world.create(new("d", batch="night", fingerprint=mark))
    assert await violations(world.url, now=world.now) == [
        "invariant 12: d: an endpoint has more than one operation of a batch that was created by a filter"
    ]
    await world.reader.execute("UPDATE ledger_head SET horizon = seq")
    await world.reader.execute("UPDATE operation_batch SET created = 3")
    assert len(await violations(world.url, now=world.now)) == 1, "one may have been pruned"
    await world.reader.execute("DELETE FROM operation_batch")


async def test_operations_that_wait_for_their_time_or_their_sequence_may_be_overtaken(world: LedgerWorld) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    later = world.now + 20 * SECOND
    first, second, _ = await world.create(
        new("d", not_before=later, sequence="s", priority=1), new("d", sequence="s", priority=1), new("d", priority=1)
    )
    await world.attempt(SUCCESS)
    world.pass_(15)
    assert await violations(world.url, now=world.now, pause=at_once) == [], "neither overtaken nor overdue"
    await world.reader.execute("UPDATE operation SET sequence = NULL WHERE seq = $1", second)
    assert f"invariant 6: {second}: {OVERTAKEN}" in await violations(world.url, now=world.now, pause=at_once)
    await world.reader.execute("UPDATE operation SET sequence = 's' WHERE seq = $1", second)
    await world.reader.execute("UPDATE operation SET not_before = 1 WHERE seq = $1", first)
    late = [f"invariant 6: {first}: {OVERTAKEN}", f"invariant 7: d: {FORGOTTEN}"]
    assert await violations(world.url, now=world.now, pause=at_once) == late
    await make_whole(world)


async def at_once() -> None:
    """Do not wait before late endpoints are checked again."""


async def test_overdue_rows_are_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("lost"), registered("waits"), registered("expires"))
    await world.create(new("lost"))
    await world.claim()
    await world.create(new("waits"), new("expires", ttl_seconds=60))
    assert await violations(world.url, now=world.now + 10 * SECOND) == []
    waiting = await violations(world.url, now=world.now + 11 * SECOND, pause=at_once)
    assert {sentence.split(":")[1].strip() for sentence in waiting} == {"waits", "expires"}
    assert await violations(world.url, now=world.now + 11 * SECOND, max_in_flight=1) == []
    late = await violations(world.url, now=world.now + 100 * SECOND, pause=at_once)
    assert len(late) == 2
    assert all(sentence.startswith("invariant 7: ") for sentence in late)
    assert await violations(world.url, now=world.now + 100 * SECOND, restored=True) == []


FORGOTTEN = "an endpoint could have been called for long, while calls were free"
ALWAYS_ON: dict[str, Any] = {"queue_mode": False, "lifetime_seconds": 86_400}


@pytest.mark.parametrize(
    "breach",
    [
        "UPDATE endpoint SET ready_at = NULL",
        "UPDATE endpoint SET ready_at = 4000000000000000",
        "UPDATE endpoint SET ready_at = NULL, next_operation = 0",
        "UPDATE endpoint SET ready_at = NULL, held_wake_seq = wake_seq, retry_at = NULL",
        "UPDATE endpoint SET ready_at = NULL, held_wake_seq = wake_seq, retry_at = 1",
    ],
)
async def test_an_overdue_device_is_reported_whatever_the_derived_columns_say(world: LedgerWorld, breach: str) -> None:
    """A derived value that says "not now" forever misleads the dispatcher and the invariant alike, if both read it."""
    await world.ingest(registered("d", **ALWAYS_ON))
    await world.create(new("d"))
    world.pass_(11)
    await world.reader.execute(breach)
    assert await world.claim() == []
    assert await violations(world.url, now=world.now, pause=at_once) == [f"invariant 7: d: {FORGOTTEN}"]
    await make_whole(world)


@pytest.mark.parametrize(
    "fact",
    [
        "UPDATE endpoint SET retry_at = 4000000000000000, held_wake_seq = wake_seq",
        "UPDATE endpoint SET queue_mode = TRUE, held_wake_seq = wake_seq",
        "UPDATE endpoint SET not_before = 4000000000000000",
        "UPDATE endpoint SET down_since = 1",
        "UPDATE endpoint SET awake_until = awake_until - 86395000000",
        "UPDATE leshan_server SET breaker_opened_at = 1",
    ],
)
async def test_a_device_that_waits_by_the_raw_facts_is_not_reported(world: LedgerWorld, fact: str) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    await world.create(new("d"))
    world.pass_(11)
    await world.reader.execute(fact)
    assert await violations(world.url, now=world.now, pause=at_once) == []


async def test_a_waiting_retry_is_not_overdue_and_an_unblocked_operation_is(world: LedgerWorld) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    await world.create(new("d", max_attempts=9), new("d", READING, "/5/0/3"))
    for seconds in (30, 120, 600):
        await world.attempt(ERROR)
        world.pass_(seconds)
        assert await violations(world.url, now=world.now, pause=at_once) == []
    await world.attempt(ERROR)
    (free,) = await world.create(new("d", READING, "/3/0/0"))
    world.pass_(11)
    assert await violations(world.url, now=world.now, pause=at_once) == [f"invariant 7: d: {FORGOTTEN}"]
    assert (await world.claim_one()).seq == free


async def test_a_device_that_is_late_for_a_moment_is_not_reported(world: LedgerWorld) -> None:
    await world.ingest(registered("served"), registered("waits"))
    await world.create(new("served"), new("waits"))
    world.pass_(11)

    async def meanwhile() -> None:
        assert await world.heads(await world.claim(1)) == ["served"]

    broken = await violations(world.url, now=world.now, pause=meanwhile)
    assert broken == [f"invariant 7: waits: {FORGOTTEN}"]


async def test_silent_devices_may_wait_for_their_share(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"), new("b"))
    await world.claim(1)
    await world.reader.execute("UPDATE endpoint SET silent = $1", True)
    late = world.now + 11 * SECOND
    assert await violations(world.url, now=late, max_in_flight=7) == []
    assert len(await violations(world.url, now=late, max_in_flight=8, pause=at_once)) == 1
    await world.reader.execute("UPDATE leshan_server SET open_calls = 7")
    assert await violations(world.url, now=late, max_in_flight=8) == []
    await world.reader.execute("UPDATE endpoint SET silent = $1", False)
    assert len(await violations(world.url, now=late, max_in_flight=8, pause=at_once)) == 1


async def test_endpoints_with_many_operations_are_walked_in_smaller_pieces(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.invariant_check.ROWS", 4)
    names = [f"d{n}" for n in range(6)]
    await world.ingest(*(registered(name) for name in names))
    await world.create(*(new(name) for name in names[:3] for _ in range(3)))
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE endpoint SET confirmed = confirmed + 1 WHERE name IN ('d0', 'd2', 'd5')")
    broken = await violations(world.url, now=world.now)
    counters = "an endpoint's counters do not equal what they count"
    assert [one for one in broken if counters in one] == [
        f"invariant 2: {name}: {counters}" for name in ("d0", "d2", "d5")
    ]
    await world.reader.execute("UPDATE endpoint SET confirmed = 0")


async def test_a_long_table_is_walked_in_pieces_and_a_long_list_truncated(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.invariant_check.PIECE", 7)
    monkeypatch.setattr("app.models.invariant_check.MOST", 5)
    await world.ingest(registered("d"))
    await world.create(*(new("d") for _ in range(50)))
    assert await violations(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET reason = 'RELEASED'")
    assert len(await violations(world.url, now=world.now)) == 5
    await world.reader.execute("UPDATE operation SET reason = NULL")
