"""An answered error holds back its own object instances, until the retry. Silence ends the turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from app.domain.enums import SECOND, OperationKind, Presence
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger import CancelMany, Configure, Provision, open_store
from tests.support.ledger import (
    ASLEEP,
    BUSY,
    ERROR,
    LOST,
    REBOOT,
    REFUSED,
    SILENT,
    SUCCESS,
    UNCONNECTED,
    LedgerWorld,
    LosingStore,
    awake,
    new,
    registered,
    updated,
)

pytestmark = pytest.mark.asyncio

READ, EXECUTE, DISCOVER = OperationKind.READ, OperationKind.EXECUTE, OperationKind.DISCOVER
COMPOSITE: Final = OperationKind.READ_COMPOSITE
TOO_LARGE: Final = Report(Outcome(OutcomeKind.ANSWER_TOO_LARGE, 500, detail="The answer exceeds the limit"))
ALWAYS_ON: Final[dict[str, Any]] = {"queue_mode": False, "lifetime_seconds": 86_400}


async def sent(world: LedgerWorld, report: Report = SUCCESS) -> list[int]:
    """Claim and settle the endpoint's operations one after the other as long as there is one; return their order."""
    order: list[int] = []
    while claimed := await world.claim():
        assert len(order) < 50
        order.append(claimed[0].seq)
        await world.settle(claimed[0], report)
    return order


# --- point 5: a device that does not sleep continues


@pytest.mark.parametrize("report", [ERROR, BUSY, SILENT], ids=["5.00", "5.03", "silent"])
async def test_a_device_without_queue_mode_continues_after_its_retry(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    first, *others = await world.create(new("d"), new("d"), new("d", path="/3/0/15"))
    await world.attempt(report)
    world.pass_(30)
    assert (await world.claim_one()).seq == first
    world.pass_(1)
    await world.settle((await open_call(world)), SUCCESS)
    assert await sent(world) == others


async def open_call(world: LedgerWorld) -> Any:
    """Return the open claim, as its process knows it."""
    row = await world.row("SELECT o.seq, o.attempt FROM operation o WHERE o.status = 'SENDING'")
    return type("Open", (), row)


@pytest.mark.parametrize("report", [SUCCESS, REFUSED], ids=["confirmed", "refused"])
async def test_any_response_restores_the_turn_of_a_silent_device(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    _, second = await world.create(new("d"), new("d"))
    await world.attempt(SILENT)
    world.pass_(30)
    await world.attempt(report)
    assert (await world.claim_one()).seq == second


@pytest.mark.parametrize("report", [UNCONNECTED, ASLEEP], ids=["not connected", "asleep"])
async def test_without_queue_mode_an_unreachable_device_is_called_after_a_pause(
    world: LedgerWorld, report: Report
) -> None:
    """The device has no wake to wait for: its next update may be a day away."""
    await world.ingest(registered("d", **ALWAYS_ON))
    (seq,) = await world.create(new("d"))
    for pause in (30, 120, 600, 600):
        assert await world.attempt(report) == "QUEUED"
        assert await world.presence("d") == Presence.ONLINE
        world.pass_(pause - 1)
        assert await world.claim() == []
        world.pass_(1)
    assert await world.attempt(SUCCESS) == "CONFIRMED"
    assert (await world.operation(seq))["attempts"] == 0


async def test_a_reboot_settled_after_the_new_registration_holds_nothing_back(
    world: LedgerWorld,
) -> None:
    """The process died, or the database was away: the device was back before its response was known."""
    await world.ingest(registered("d", **ALWAYS_ON))
    _, second = await world.create(new("d", *REBOOT), new("d"))
    claimed = await world.claim_one()
    world.pass_(1)
    await world.ingest(registered("d", "r2", **ALWAYS_ON))
    assert await world.settle(claimed, SUCCESS) == "CONFIRMED"
    assert (await world.claim_one()).seq == second


# --- point 6: an answered error holds back its object instances


@pytest.mark.parametrize("report", [ERROR, BUSY], ids=["5.00", "5.03"])
async def test_operations_of_other_instances_continue_in_the_same_wake(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    poison, behind, other, second, urgent, low = await world.create(
        new("d"),
        new("d", EXECUTE, "/5/0/3"),
        new("d", path="/5/1/1"),
        new("d", READ, "/3/0/0"),
        new("d", READ, "/3/0/1", priority=3),
        new("d", READ, "/4/0/1", priority=-3),
    )
    assert (await world.claim_one()).seq == urgent
    await world.settle(await open_call(world), SUCCESS)
    assert await world.attempt(report) == "QUEUED"
    assert await sent(world) == [other, second, low]
    assert [await world.status(seq) for seq in (poison, behind)] == ["QUEUED", "QUEUED"]
    await world.ingest(updated("d", 2))
    assert await sent(world) == [poison, behind]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"path": "/5/0/1"}, {"kind": EXECUTE, "path": "/5/0/2"}),
        ({"path": "/5/0/1"}, {"kind": READ, "path": "/5"}),
        ({"path": "/5/0/1"}, {"kind": DISCOVER, "path": "/5"}),
        ({"kind": OperationKind.CREATE, "path": "/5", "repeatable": True}, {"path": "/5/7/1"}),
        ({"path": "/5/0/1"}, {"kind": READ, "path": "/5/0/7/1"}),
        ({"path": "/5/0/1"}, {"kind": COMPOSITE, "path": None, "paths": ["/3/0/0", "/5/0/3"]}),
        ({"kind": COMPOSITE, "path": None, "paths": ["/3/0/0", "/5/0/3"]}, {"path": "/5/0/1"}),
        ({"kind": COMPOSITE, "path": None, "paths": ["/3/0/0", "/5"]}, {"path": "/5/3/1"}),
        ({"path": "/3303/0/1"}, {"kind": EXECUTE, "path": "/3/0/4"}),
        ({"kind": EXECUTE, "path": "/3/0/4", "repeatable": True}, {"path": "/3303/0/1"}),
    ],
)
async def test_operations_of_the_same_instance_wait(world: LedgerWorld, first: Any, later: Any) -> None:
    await world.ingest(registered("d"))
    poison, behind = await world.create(new("d", **first), new("d", **later))
    await world.attempt(ERROR)
    assert await world.claim() == []
    await world.ingest(updated("d", 2))
    assert (await world.claim_one()).seq == poison
    assert await world.status(behind) == "QUEUED"


async def test_an_operation_held_back_holds_back_its_own_instances(world: LedgerWorld) -> None:
    """Within one object instance the order of the queue always holds."""
    await world.ingest(registered("d"))
    poison, composite, reading, free = await world.create(
        new("d"),
        new("d", COMPOSITE, None, paths=["/5/0/3", "/3/0/0"]),
        new("d", READ, "/3/0/0"),
        new("d", READ, "/4/0/0"),
    )
    await world.attempt(ERROR)
    assert await sent(world) == [free]
    await world.ingest(updated("d", 2))
    assert await sent(world) == [poison, composite, reading]


async def test_a_reboot_does_not_overtake_operations_held_back(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    poison, before, reboot, after = await world.create(
        new("d"), new("d", READ, "/3303/0/1"), new("d", *REBOOT), new("d", READ, "/4/0/0")
    )
    await world.attempt(ERROR)
    assert await sent(world) == [before]
    await world.ingest(updated("d", 2))
    assert await sent(world) == [poison, reboot]
    await world.ingest(registered("d", "r2"))
    assert await sent(world) == [after]


async def test_a_missing_response_ends_the_turn(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    poison, other, third = await world.create(new("d"), new("d", READ, "/3/0/0"), new("d", READ, "/4/0/0"))
    await world.attempt(ERROR)
    await world.attempt(SILENT)
    assert await world.claim() == []
    await world.ingest(updated("d", 2))
    assert await sent(world) == [poison, other, third]


async def test_without_queue_mode_each_operation_has_its_own_pauses(world: LedgerWorld) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    first, second, free = await world.create(new("d"), new("d", path="/3/0/15"), new("d", READ, "/4/0/0"))
    await world.attempt(ERROR)
    world.pass_(10)
    await world.attempt(ERROR)
    assert await sent(world) == [free]
    assert (await world.endpoint("d"))["ready_at"] == (await world.operation(first))["retry_at"]
    world.pass_(20)
    assert (await world.claim_one()).seq == first
    await world.settle(await open_call(world), ERROR)
    assert await world.claim() == []
    world.pass_(10)
    assert await sent(world) == [second]
    world.pass_(109)
    assert await world.claim() == []
    world.pass_(1)
    await world.attempt(ERROR)
    row = await world.operation(first)
    assert (row["status"], row["reason"], row["attempts"]) == ("FAILED", "DEVICE_ERROR", 3)


async def test_a_wake_allows_every_retry_at_once(world: LedgerWorld) -> None:
    await world.ingest(registered("d", **ALWAYS_ON))
    first, second = await world.create(new("d"), new("d", path="/3/0/15"))
    await sent(world, ERROR)
    await world.ingest(updated("d", 2, **ALWAYS_ON))
    assert await sent(world) == [first, second]


async def test_a_wake_during_the_attempt_is_the_retrys_wake(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    claimed = await world.claim_one()
    await world.ingest(updated("d", 2))
    await world.settle(claimed, ERROR)
    assert (await world.claim_one()).seq == seq


@pytest.mark.parametrize("how", ["canceled", "expired", "superseded"])
async def test_an_operation_that_ends_while_waiting_holds_nothing_back(world: LedgerWorld, how: str) -> None:
    await world.ingest(registered("d"))
    poison, behind = await world.create(new("d", ttl_seconds=20), new("d", EXECUTE, "/5/0/3"))
    await world.attempt(ERROR)
    assert await world.claim() == []
    if how == "canceled":
        await world.ledgers[0].submit(CancelMany([poison]))
    elif how == "expired":
        world.pass_(20)
        await world.sweep()
    else:
        await world.create(new("d", supersede=True))
    assert (await world.claim_one()).seq == behind


async def test_a_new_operation_is_sent_if_none_holds_it_back(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    await world.attempt(ERROR)
    world.published.clear()
    await world.create(new("d", EXECUTE, "/5/0/3"))
    assert "wake" not in world.published
    assert await world.claim() == []
    (free,) = await world.create(new("d", READ, "/3/0/0"))
    assert "wake" in world.published
    assert await sent(world) == [free]


async def test_a_process_without_the_endpoint_loaded_claims_no_early_retry(world: LedgerWorld) -> None:
    """The endpoint's row stores its next operation; when that one has expired, the next one is determined again."""
    await world.ingest(registered("d"))
    poison, short, free = await world.create(
        new("d"), new("d", READ, "/3/0/0", ttl_seconds=5), new("d", READ, "/4/0/0")
    )
    await world.attempt(ERROR)
    assert (await world.endpoint("d"))["next_operation"] == short
    world.pass_(6)
    while not (claimed := await world.claim()):
        assert (await world.endpoint("d"))["next_operation"] == free, "found again by the claim that missed it"
    assert claimed[0].seq == free
    assert await world.status(poison) == "QUEUED"


async def test_a_long_queue_is_walked_up_to_the_limit(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), *(new("d") for _ in range(499)), new("d", READ, "/3/0/0"))
    await world.attempt(ERROR)
    assert await world.claim() == []


async def test_an_awake_event_without_an_update_allows_no_retry(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    await world.attempt(ERROR)
    await world.ingest(awake("d"))
    assert await world.claim() == []


class CountingStore(LosingStore):
    """A store that counts the reads through it."""

    async def fetch(self, sql: str, *values: Any) -> Any:
        self.read = getattr(self, "read", 0) + 1
        return await self.store.fetch(sql, *values)


async def test_only_endpoints_with_waiting_retries_cost_one_more_statement(
    empty_world: LedgerWorld,
) -> None:
    store = CountingStore(open_store(empty_world.url, unsafe=True))
    await empty_world.ledger(store)
    costs = []
    await empty_world.ingest(registered("plain"))
    await empty_world.create(new("plain"))
    for name in ("plain", "waits"):
        if name == "waits":
            await empty_world.ingest(registered(name))
            await empty_world.create(new(name), new(name, READ, "/3/0/0"))
            await empty_world.attempt(ERROR)
        store.read = 0
        await empty_world.claim_one()
        costs.append(store.read)
    assert costs == [3, 4], "the head of the log, what can be claimed, the operation; and the queue"


# --- point 6: composites that a device never answers


async def composites(world: LedgerWorld, count: int = 2, **more: Any) -> list[int]:
    return await world.create(*(new("d", COMPOSITE, None, paths=["/3/0/0", "/4/0/1"], **more) for _ in range(count)))


@pytest.mark.parametrize("facts", [{}, ALWAYS_ON], ids=["queue mode", "always on"])
async def test_a_composite_that_a_device_never_answers_is_tried_once(world: LedgerWorld, facts: dict[str, Any]) -> None:
    await world.ingest(registered("d", **facts))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(SUCCESS)
    first, second = await composites(world)
    assert await world.attempt(SILENT) == "FAILED"
    row = await world.operation(first)
    assert (row["reason"], row["attempts"]) == ("NO_ANSWER", 1)
    assert "READ_COMPOSITE" in row["detail"]
    if facts:
        assert await world.attempt(SILENT) == "FAILED", "at once: the device can be called"
    else:
        assert await world.claim() == []
        await world.ingest(updated("d", 2))
        assert await world.attempt(SILENT) == "FAILED", "remembered for the registration"
    assert await world.status(second) == "FAILED"


async def test_a_composite_sent_first_whose_device_responds_only_later(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = await composites(world)
    assert await world.attempt(SILENT) == "QUEUED", "nothing says that it is not the device that is silent"
    await world.ingest(updated("d", 2))
    (urgent,) = await world.create(new("d", READ, "/3/0/0", priority=1))
    await world.attempt(SUCCESS)
    assert await world.attempt(SILENT) == "FAILED"
    assert (await world.operation(first))["attempts"] == 2
    await world.ingest(updated("d", 3))
    assert await world.attempt(SILENT) == "FAILED"
    assert (await world.operation(second))["attempts"] == 1
    assert await world.status(urgent) == "CONFIRMED"


async def test_a_device_that_answers_nothing_has_all_its_attempts(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(SUCCESS)
    (composite,) = await composites(world, 1)
    for wake in (2, 3, 4):
        await world.ingest(updated("d", wake))
        await world.attempt(SILENT)
    row = await world.operation(composite)
    assert (row["status"], row["attempts"]) == ("FAILED", 3)
    assert row["detail"] == "Request timeout"


@pytest.mark.parametrize("report", [REFUSED, TOO_LARGE], ids=["refused", "too large"])
async def test_a_composite_that_was_answered_once_has_all_its_attempts(world: LedgerWorld, report: Report) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(SUCCESS)
    await composites(world)
    assert await world.attempt(report) == "FAILED"
    assert await world.attempt(SILENT) == "QUEUED"


@pytest.mark.parametrize("second", [SILENT, ASLEEP, LOST], ids=["silent", "asleep", "lost"])
async def test_a_composite_refused_in_one_format_counts_as_answered(world: LedgerWorld, second: Report) -> None:
    """The report is the second call's, in the other format: the device answered the first one."""
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(SUCCESS)
    await composites(world, 1)
    assert await world.attempt(replace(second, outcome=replace(second.outcome, answered_before=True))) == "QUEUED"
    await world.ingest(updated("d", 2))
    assert await world.attempt(SILENT) == "QUEUED"


async def test_an_answer_that_is_too_large_shows_that_the_device_answers(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(TOO_LARGE)
    await composites(world, 1)
    assert await world.attempt(SILENT) == "FAILED"


async def test_other_kinds_have_all_their_attempts(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"), new("d", DISCOVER, "/3/0"))
    await world.attempt(SUCCESS)
    assert await world.attempt(SILENT) == "QUEUED"


async def test_a_new_registration_resets_the_unanswered_composites(world: LedgerWorld) -> None:
    """A firmware update may have added support for them."""
    await world.ingest(registered("d"))
    await world.create(new("d", READ, "/3/0/0"))
    await world.attempt(SUCCESS)
    await composites(world)
    assert await world.attempt(SILENT) == "FAILED"
    await world.ingest(registered("d", "r2"))
    assert await world.attempt(SILENT) == "QUEUED"


# --- point 7: short awake windows


@pytest.mark.parametrize("of_the_endpoint", [False, True], ids=["setting", "endpoint"])
async def test_in_every_window_from_the_shortest_on_an_operation_is_sent(
    empty_world: LedgerWorld, of_the_endpoint: bool
) -> None:
    for seconds in range(5, 61):
        name = f"d{seconds}"
        rules: dict[str, Any] = {} if of_the_endpoint else {"awake_window": seconds * SECOND}
        ledger = await empty_world.ledger(**rules)
        await ledger.submit(Provision(name))
        if of_the_endpoint:
            await ledger.submit(Configure(name, seconds))
        await empty_world.ingest(registered(name))
        await empty_world.create(new(name))
        empty_world.pass_(min(seconds / 2, seconds - 8) if seconds > 15 else seconds / 2)
        assert await empty_world.heads(await empty_world.claim(ledger=ledger)) == [name], seconds
        await empty_world.settle(await open_call(empty_world), SUCCESS)
        await ledger.close()
        empty_world.ledgers.clear()


async def test_a_claim_in_the_wakes_commit_uses_the_short_windows_margin(empty_world: LedgerWorld) -> None:
    """The endpoint is loaded in the claim's own group: the margin is nevertheless that of the window."""
    await empty_world.ledger(awake_window=5 * SECOND)
    await empty_world.ingest(registered("d"))
    await empty_world.create(new("d"), new("d"))
    await empty_world.attempt(SUCCESS)
    assert len(await empty_world.claim()) == 1


async def test_a_claim_that_is_too_early_costs_no_attempt(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(ASLEEP)
    await world.ingest(updated("d", 2))
    assert (await world.claim_one()).seq == seq
