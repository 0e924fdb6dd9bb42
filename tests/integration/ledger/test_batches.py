"""Batches: pieces are created once, whatever fails or repeats them; a batch ends with its operations' retention."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.models.invariant_check import violations
from app.models.ledger import Batch, BeginBatch, Conflict, ContinueBatch, NotFound, Prune, open_store, sequences
from app.models.operation import NewOperation
from tests.support.ledger import REFUSED, LedgerWorld, LosingStore, new, registered

pytestmark = pytest.mark.asyncio

DAY = 86_400
MARK = "f" * 64


def beginning(name: str = "night", fingerprint: str = MARK, **more: int) -> BeginBatch:
    return BeginBatch(name=name, endpoint_filter="{}", template="{}", fingerprint=fingerprint, by="olga", **more)


def member(endpoint: str, **more: Any) -> NewOperation:
    return new(endpoint, batch="night", fingerprint=MARK, **more)


def piece(batch: Batch, *endpoints: str, over: int = 0, last: bool = False, **more: Any) -> ContinueBatch:
    """Return a piece with one operation for each of the endpoints."""
    operations = [member(endpoint, **more) for endpoint in endpoints]
    return ContinueBatch(batch, operations, over, endpoints[-1] if endpoints else batch.last_endpoint, last)


async def operations_by_endpoint(world: LedgerWorld) -> Sequence[tuple[str, str]]:
    sql = "SELECT e.name, o.status FROM operation o JOIN endpoint e ON e.id = o.endpoint_id ORDER BY o.seq"
    return [(row["name"], row["status"]) for row in await world.rows(sql)]


async def test_pieces_are_counted_and_the_last_one_finishes_the_batch(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await world.ingest(*(registered(name) for name in "abc"))
    batch = await ledger.submit(beginning())
    batch = await ledger.submit(piece(batch, "a", "b", over=3))
    assert (batch.created, batch.passed_over, batch.last_endpoint, batch.finished_at) == (2, 3, "b", None)
    assert await ledger.submit(beginning()) == batch
    batch = await ledger.submit(piece(batch, "c", last=True))
    assert (batch.created, batch.passed_over, batch.done, batch.finished_at) == (3, 3, 6, world.now)
    assert await ledger.submit(beginning()) == batch
    assert await operations_by_endpoint(world) == [(name, "QUEUED") for name in "abc"]
    row = await world.row("SELECT * FROM operation_batch")
    assert (row["begun_by"], row["begun_at"], row["continued_at"]) == ("olga", world.now, world.now)


async def test_a_repeated_piece_changes_nothing_and_returns_the_batch(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await world.ingest(registered("a"))
    begun = await ledger.submit(beginning())
    once = await ledger.submit(piece(begun, "a", last=True))
    assert await ledger.submit(piece(begun, "a", last=True)) == once
    assert await operations_by_endpoint(world) == [("a", "QUEUED")]


async def test_of_two_callers_with_the_same_piece_one_creates_it(world: LedgerWorld) -> None:
    """Also in one group, and by two processes."""
    first, second = world.ledgers[0], await world.ledger()
    await world.ingest(*(registered(name) for name in "abcd"))
    begun = await asyncio.gather(*(ledger.submit(beginning()) for ledger in (first, first, second)))
    assert len(set(begun)) == 1
    done = await asyncio.gather(*(ledger.submit(piece(begun[0], "a", "b")) for ledger in (first, first, second)))
    assert len(set(done)) == 1
    await asyncio.gather(*(ledger.submit(piece(done[0], "c", "d", last=True)) for ledger in (second, first)))
    assert await operations_by_endpoint(world) == [(name, "QUEUED") for name in "abcd"]


@pytest.mark.parametrize("breaks", ["after_commit", "before_commit"])
async def test_a_lost_commit_creates_a_piece_once(empty_world: LedgerWorld, breaks: str) -> None:
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    await empty_world.ingest(registered("a"))
    setattr(store, breaks, 1)
    batch = await ledger.submit(beginning())
    setattr(store, breaks, 1)
    batch = await ledger.submit(piece(batch, "a", last=True))
    assert (batch.created, batch.passed_over) == (1, 0)
    assert batch.finished_at is not None
    assert await operations_by_endpoint(empty_world) == [("a", "QUEUED")]


async def test_endpoints_that_are_gone_are_passed_over(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await world.ingest(registered("a"))
    batch = await ledger.submit(piece(await ledger.submit(beginning()), "a", "gone", last=True))
    assert (batch.created, batch.passed_over) == (1, 1)


async def test_a_full_sequence_is_passed_over(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_QUEUED", 2)
    (ledger,) = world.ledgers
    await world.ingest(registered("a"), registered("b"))
    await world.create(*(new("a", sequence="s") for _ in range(2)))
    batch = await ledger.submit(piece(await ledger.submit(beginning()), "a", "b", last=True, sequence="s"))
    assert (batch.created, batch.passed_over) == (1, 1)


async def test_members_supersede_and_are_stopped_as_any_operation(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"), new("b", sequence="s", path="/3/0/1"))
    await world.settle(next(one for one in await world.claim() if one.request.endpoint == "b"), REFUSED)
    await ledger.submit(piece(await ledger.submit(beginning()), "a", "b", sequence="s", supersede=True, last=True))
    reasons = [row["reason"] for row in await world.rows("SELECT reason FROM operation WHERE batch = 'night'")]
    assert sorted(map(str, reasons)) == ["None", "SEQUENCE_STOPPED"]


async def test_another_input_of_the_same_name_is_a_conflict(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await ledger.submit(beginning())
    with pytest.raises(Conflict) as refused:
        await ledger.submit(beginning(fingerprint="0" * 64))
    assert refused.value.facts == {"field": "batch"}


async def test_an_unexpected_number_begins_nothing_and_is_not_compared_later(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    with pytest.raises(Conflict) as refused:
        await ledger.submit(beginning(expected=3, matching=4))
    assert refused.value.facts == {"count": 4}
    assert await world.rows("SELECT id FROM operation_batch") == []
    begun = await ledger.submit(beginning(expected=4, matching=4))
    assert await ledger.submit(beginning(expected=4, matching=5)) == begun


async def test_a_batch_is_kept_as_long_as_its_operations(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(retention=DAY * 1_000_000)
    await empty_world.ingest(registered("a", lifetime_seconds=100 * DAY), registered("b"))
    batch = await ledger.submit(piece(await ledger.submit(beginning()), "a", last=True))
    empty = await ledger.submit(piece(await ledger.submit(beginning("empty")), last=True))
    empty_world.pass_(DAY + 1)
    while await ledger.submit(Prune()):
        pass
    assert await ledger.submit(beginning()) == batch, "its operation is still queued"
    assert await ledger.submit(beginning("empty")) != empty
    await empty_world.reader.execute("UPDATE endpoint SET awake_until = awake_until + $1", 10 * DAY * 1_000_000)
    await empty_world.attempt(REFUSED)
    assert await violations(empty_world.url, now=0) == []
    empty_world.pass_(DAY + 1)
    for _ in range(3):
        await ledger.submit(Prune())
    assert await empty_world.rows("SELECT id FROM operation_batch WHERE name = 'night'") == []
    with pytest.raises(NotFound):
        await ledger.submit(piece(replace(batch, finished_at=None), "a"))


async def test_operations_deleted_by_retention_violate_no_invariant(empty_world: LedgerWorld) -> None:
    ledger = await empty_world.ledger(retention=DAY * 1_000_000)
    await empty_world.ingest(registered("a", lifetime_seconds=100 * DAY), registered("b", lifetime_seconds=100 * DAY))
    await ledger.submit(piece(await ledger.submit(beginning()), "a", "b", last=True))
    await empty_world.settle((await empty_world.claim(1))[0], REFUSED)
    empty_world.pass_(DAY + 1)
    while await ledger.submit(Prune()):
        pass
    assert len(await operations_by_endpoint(empty_world)) == 1
    assert await violations(empty_world.url, now=0) == []
