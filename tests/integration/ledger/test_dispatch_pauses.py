"""The emergency brake in the ledger: paused operations are not claimed, whatever causes the claim; all others
continue."""

from __future__ import annotations

import pytest

from app.domain.enums import OperationStatus
from app.models.ledger import Cancel, CancelMany, Conflict, NotFound, PauseDispatch, ResumeDispatch, Scope
from tests.support.ledger import SUCCESS, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio

EVERYTHING = Scope()
SERVER = Scope(server="leshan")
ENDPOINT = Scope(endpoint="a")


async def pause(world: LedgerWorld, scope: Scope, by: str = "olga") -> int:
    return await world.ledgers[-1].submit(PauseDispatch(scope, by, "smoke"))


async def resume(world: LedgerWorld, scope: Scope) -> int:
    return await world.ledgers[-1].submit(ResumeDispatch(scope, "peter"))


async def two_that_are_ready(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"), new("b"))


@pytest.mark.parametrize(("scope", "free"), [(EVERYTHING, []), (SERVER, []), (ENDPOINT, ["b"])])
async def test_a_paused_endpoint_is_not_claimed(world: LedgerWorld, scope: Scope, free: list[str]) -> None:
    await two_that_are_ready(world)
    await pause(world, scope)
    claimed = await world.claim()
    assert [one.request.endpoint for one in claimed] == free
    for one in claimed:
        await world.settle(one, SUCCESS)
    assert await world.claim() == []
    await resume(world, scope)
    assert sorted([*free, *(one.request.endpoint for one in await world.claim())]) == ["a", "b"]


async def test_a_wake_does_not_end_a_pause(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    await pause(world, ENDPOINT)
    await world.ingest(registered("a", "r2", 2))
    await world.create(new("a"))
    assert [one.request.endpoint for one in await world.claim()] == ["b"]


async def test_a_pause_applies_to_other_processes_and_after_a_restart(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    await pause(world, EVERYTHING)
    other = await world.ledger()
    assert await world.claim(ledger=other) == []
    await world.ledgers[0].close()
    assert await world.claim(ledger=await world.ledger()) == []


async def test_an_open_call_ends_as_usual(world: LedgerWorld) -> None:
    await world.ingest(registered("a"))
    await world.create(new("a"), new("a"))
    claimed = await world.claim_one()
    await pause(world, ENDPOINT)
    assert await world.settle(claimed, SUCCESS) is OperationStatus.CONFIRMED
    assert await world.claim() == []


async def test_a_paused_operation_can_be_canceled_and_expires(world: LedgerWorld) -> None:
    await world.ingest(registered("a"))
    await world.create(canceled := new("a"), new("a", ttl_seconds=60))
    await pause(world, ENDPOINT)
    await world.ledgers[0].submit(Cancel(canceled.id))
    world.pass_(61)
    await world.sweep()
    rows = await world.rows("SELECT status FROM operation ORDER BY seq")
    assert [row["status"] for row in rows] == ["CANCELED", "EXPIRED"]


async def test_a_pause_has_who_when_and_why_and_a_second_one_changes_nothing(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    first = await pause(world, SERVER)
    world.pass_(5)
    assert await pause(world, SERVER, by="quincy") == first
    world.pass_(5)
    assert await resume(world, SERVER) == first
    row = await world.row("SELECT * FROM dispatch_pause")
    assert (row["reason"], row["paused_by"], row["resumed_by"]) == ("smoke", "olga", "peter")
    assert row["resumed_at"] - row["paused_at"] == 10_000_000
    assert await pause(world, SERVER) != first


async def test_each_scope_is_paused_and_resumed_separately(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    for scope in (EVERYTHING, SERVER, ENDPOINT):
        await pause(world, scope)
    await resume(world, EVERYTHING)
    assert await world.claim() == []
    await resume(world, SERVER)
    assert [one.request.endpoint for one in await world.claim()] == ["b"]


@pytest.mark.parametrize("scope", [Scope(server="elsewhere"), Scope(endpoint="nobody")])
async def test_an_unknown_scope_is_neither_paused_nor_resumed(world: LedgerWorld, scope: Scope) -> None:
    for command in (PauseDispatch(scope, "olga", "smoke"), ResumeDispatch(scope, "olga")):
        with pytest.raises(NotFound):
            await world.ledgers[0].submit(command)


async def test_a_scope_that_is_not_paused_cannot_be_resumed(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    await pause(world, ENDPOINT)
    with pytest.raises(NotFound):
        await resume(world, EVERYTHING)


async def test_a_resume_notifies_the_dispatchers(world: LedgerWorld) -> None:
    await two_that_are_ready(world)
    for scope in (EVERYTHING, ENDPOINT):
        await pause(world, scope)
        world.published.clear()
        await resume(world, scope)
        assert "wake" in world.published


async def test_cancel_many_has_the_effect_of_single_cancels(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    seqs = await world.create(*(new(name) for name in "abababab"))
    out = await world.claim()
    assert await world.ledgers[0].submit(CancelMany([*seqs, 10**9])) == len(seqs) - len(out)
    assert await world.ledgers[0].submit(CancelMany(seqs)) == 0
    steps = await world.rows("SELECT * FROM transition WHERE to_status = 'CANCELED'")
    assert {step["reason"] for step in steps} == {"CANCELED_BY_USER"}
    assert {step["operation_id"] for step in steps} == set(seqs) - {one.seq for one in out}
    with pytest.raises(Conflict):
        await world.ledgers[0].submit(Cancel(out[0].id))
