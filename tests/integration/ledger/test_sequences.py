"""Operations of a sequence are sent in the order of creation; one that is not CONFIRMED stops those behind it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.enums import SECOND
from app.models.ledger import Cancel, Create, LimitExceeded, Prune, Settle, open_store
from app.models.operation import OPERATION_COLUMNS, NewOperation, Operation
from tests.support.ledger import (
    ERROR,
    REBOOT,
    REFUSED,
    SILENT,
    SUCCESS,
    LedgerWorld,
    LosingStore,
    new,
    registered,
    updated,
)

pytestmark = pytest.mark.asyncio

STOPPED = [("QUEUED", None), ("CANCELED", "SEQUENCE_STOPPED")]


def of(sequence: str = "s", endpoint: str = "d", **more: Any) -> NewOperation:
    return new(endpoint, sequence=sequence, **more)


async def test_operations_are_sent_in_the_order_of_creation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    low, high, other = await world.create(of(priority=-5), of(priority=50), new("d"))
    assert await world.send_all() == [other, low, high]


async def test_an_operation_added_during_the_call_does_not_overtake_its_retry(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (first,) = await world.create(of())
    claimed = await world.claim_one()
    (second,) = await world.create(of(priority=50))
    await world.settle(claimed, SILENT)
    await world.ingest(updated("d", 2))
    assert await world.send_all() == [first, second]


async def test_a_retry_after_an_error_holds_back_its_sequence_and_no_other_instance(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second, other = await world.create(of(), of(path="/3/0/15"), new("d", path="/3/0/15"))
    await world.attempt(ERROR)
    assert await world.send_all() == [other]
    await world.ingest(updated("d", 2))
    assert await world.send_all() == [first, second]


async def test_an_operation_waits_for_the_time_of_the_one_before_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    later = world.now + 20 * SECOND
    first, second, other = await world.create(of(not_before=later), of(), new("d"))
    assert await world.send_all() == [other]
    world.pass_(20)
    assert await world.send_all() == [first, second]


async def test_a_refused_operation_stops_those_behind_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(of(), of(path="/3/0/15"))
    await world.attempt(SUCCESS)
    await world.attempt(REFUSED)
    assert [row["status"] for row in await world.rows("SELECT status FROM operation ORDER BY seq")] == [
        "CONFIRMED",
        "FAILED",
    ]
    (reboot,) = await world.create(new("d", *REBOOT, sequence="s"))
    assert await world.steps(reboot) == STOPPED
    assert await world.send_all() == []


async def cancel(world: LedgerWorld, first: NewOperation) -> None:
    await world.ledgers[0].submit(Cancel(first.id))


async def expire(world: LedgerWorld, _first: NewOperation) -> None:
    world.pass_(31)
    await world.sweep()


async def fail(world: LedgerWorld, first: NewOperation) -> None:
    (claimed,) = [one for one in await world.claim() if one.id == first.id]
    await world.settle(claimed, REFUSED)


async def supersede(world: LedgerWorld, _first: NewOperation) -> None:
    await world.create(new("d", supersede=True))


ENDS = [cancel, expire, fail, supersede]


@pytest.mark.parametrize("end", ENDS)
async def test_every_end_but_confirmed_stops_the_sequence(
    world: LedgerWorld, end: Callable[[LedgerWorld, NewOperation], Any]
) -> None:
    await world.ingest(registered("d"), registered("e"))
    first = of(ttl_seconds=30)
    _, *behind = await world.create(first, *[of(path="/3/0/15") for _ in range(2)])
    other, elsewhere, plain = await world.create(of("t", path="/3/0/15"), of("s", "e"), new("d", path="/3/0/15"))
    await end(world, first)
    for seq in behind:
        assert await world.steps(seq) == STOPPED
        assert (await world.operation(seq))["delivery"] == "NOT_SENT"
    assert {await world.status(seq) for seq in (other, plain)} == {"QUEUED"}
    assert await world.status(elsewhere) in {"QUEUED", "SENDING"}
    (late,) = await world.create(of(path="/3/0/15"))
    assert await world.steps(late) == STOPPED


async def test_an_expired_first_operation_that_no_sweep_has_seen_holds_back_the_others(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False))
    first, second = await world.create(of(ttl_seconds=5), of())
    world.pass_(6)
    for _ in range(3):  # each claim writes what it found
        assert await world.claim() == []
    await world.sweep()
    assert await world.status(first) == "EXPIRED"
    assert await world.steps(second) == STOPPED


async def test_an_earlier_operation_stops_only_those_behind_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    middle = of()
    first, _, last = await world.create(of(), middle, of())
    await cancel(world, middle)
    assert await world.status(first) == "QUEUED"
    assert await world.steps(last) == STOPPED


async def test_the_claim_of_the_same_commit_takes_none_of_a_stopped_sequence(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    _, second, plain = await world.create(of(), of(), new("d"))
    claimed = await world.claim_one()
    ledger = world.ledgers[0]
    settled = ledger.enqueue(Settle(claimed.seq, claimed.attempt, REFUSED))
    assert [one.seq for one in await world.claim()] == [plain]
    assert await settled == "FAILED"
    assert await world.steps(second) == STOPPED


async def test_a_failure_and_a_new_operation_in_one_commit(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(of())
    claimed = await world.claim_one()
    created = world.ledgers[0].enqueue(Create([of()]))
    await world.settle(claimed, REFUSED)
    ((new_one,),) = [await created]
    assert await world.steps(new_one.seq) == STOPPED


async def test_a_superseding_write_of_the_same_sequence_is_stopped_with_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    old, newer = await world.create(of(), of(supersede=True))
    assert (await world.operation(old))["reason"] == "SUPERSEDED"
    assert await world.steps(newer) == STOPPED


async def test_a_repeated_idempotency_key_returns_the_stopped_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first = of()
    await world.create(first)
    await cancel(world, first)
    ((made,), (again,)) = [
        await world.ledgers[0].submit(Create([of(idempotency_key="k", fingerprint="f")])) for _ in range(2)
    ]
    assert (again.seq, made.created, again.created) == (made.seq, True, False)
    assert await world.steps(made.seq) == STOPPED


async def test_a_lost_response_to_the_commit_stops_it_once(empty_world: LedgerWorld) -> None:
    world = empty_world
    store = LosingStore(open_store(world.url, unsafe=True))
    await world.ledger(store)
    await world.ingest(registered("d"))
    first = of()
    _, second = await world.create(first, of())
    store.after_commit = 1
    await cancel(world, first)
    assert await world.steps(second) == STOPPED


async def test_a_retry_belongs_to_no_sequence(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (first,) = await world.create(of(not_before=world.now))
    await world.attempt(REFUSED)
    stored = await world.row(f"SELECT {', '.join(OPERATION_COLUMNS)} FROM operation WHERE seq = $1", first)  # noqa: S608
    again = Operation.load([*stored.values()]).retry(
        "d", id_=str(uuid.uuid4()), fingerprint="r", created_by="olga", idempotency_key=None
    )
    assert (again.sequence, again.not_before) == (None, None)
    (retry,) = await world.create(again)
    assert await world.send_all() == [retry]


async def test_a_pruned_sequence_begins_anew(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(of())
    await world.attempt(REFUSED)
    world.pass_(91 * 24 * 3600)
    while await world.ledgers[0].submit(Prune()):
        pass
    (fresh,) = await world.create(of())
    assert await world.status(fresh) == "QUEUED"


@pytest.mark.parametrize("loaded", [True, False])
async def test_an_endpoint_written_by_an_older_version_is_claimed_in_order(world: LedgerWorld, loaded: bool) -> None:
    await world.ingest(registered("d"))
    later = world.now + 60 * SECOND
    await world.create(new("d", not_before=later, priority=9))
    first, second = await world.create(of(), of(priority=5))
    await world.reader.execute("UPDATE endpoint SET next_operation = NULL, ready_at = 0")
    for expected in (first, second):
        if loaded:
            await world.create(new("d", priority=-9))
        claimed = await world.claim_one()
        assert claimed.seq == expected
        await world.settle(claimed, SUCCESS)
        await world.reader.execute("UPDATE endpoint SET next_operation = NULL, ready_at = 0")


async def test_more_operations_of_a_sequence_than_the_walk_reads_hide_no_other(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, *_ = await world.create(*[of(priority=5) for _ in range(600)])
    (plain,) = await world.create(new("d"))
    order = [(await world.claim_one()).seq]
    assert order == [first]
    assert await world.status(plain) == "QUEUED"


async def test_a_first_operation_beyond_the_walk_is_not_overtaken(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = await world.create(of(priority=-5), of(priority=5))
    await world.create(*[new("d") for _ in range(510)])
    assert (await world.claim_one()).seq not in (first, second)


async def test_a_thousand_operations_are_stopped_in_one_commit_in_linear_time(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    seconds = {}
    for count in (250, 1_000):
        first = of(f"s{count}")
        await world.create(first, *[of(f"s{count}") for _ in range(count)])
        published, began = len(world.published), time.perf_counter()
        await cancel(world, first)
        seconds[count] = time.perf_counter() - began
        assert len(world.published) == published + 1, "one commit"
    rows = await world.row("SELECT count(*) AS n FROM operation WHERE reason = 'SEQUENCE_STOPPED'")
    assert rows["n"] == 1_250
    assert seconds[1_000] < 4 * 3 * seconds[250] + 0.2


async def test_a_sequence_has_a_maximum_of_queued_operations(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.sequences.MAX_QUEUED", 3)
    await world.ingest(registered("d"))
    await world.create(of(), of("t"), of())
    with pytest.raises(LimitExceeded) as refused:
        await world.create(new("d"), of(), of())
    assert refused.value.facts == {"index": 2, "limit": 3}
    ledger = world.ledgers[0]
    results = await asyncio.gather(*(ledger.submit(Create([of()])) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(one, LimitExceeded) for one in results) == [False, True], "one commit counts both"
    await world.attempt(SUCCESS)
    await world.create(of())
    assert await ledger.submit(Create([])) == []
    rows = await world.row("SELECT count(*) AS n FROM operation WHERE sequence = 's' AND status = 'QUEUED'")
    assert rows["n"] == 3


async def test_operations_without_a_sequence_cost_no_statement(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    store = world.ledgers[0]._store
    fetch = store.fetch

    async def counted(sql: str, *values: Any) -> Any:
        statements.append(sql)
        return await fetch(sql, *values)

    monkeypatch.setattr(store, "fetch", counted)
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d"))
    await world.attempt(REFUSED)
    await world.attempt(SUCCESS)
    assert not [sql for sql in statements if "sequence = " in sql]
