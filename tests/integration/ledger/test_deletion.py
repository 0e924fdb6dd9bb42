"""Deletion of endpoints: their operations end, nothing brings them back, and a later registration makes a new one."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.events import Event, Reported
from app.domain.values import TypedValue
from app.models.ledger import (
    Configure,
    Conflict,
    DecodedEvent,
    Deleted,
    DeleteEndpoint,
    EndListing,
    Listed,
    NotFound,
    PauseDispatch,
    Provision,
    Prune,
    ReadLedgerTime,
    RemoveRest,
    Scope,
    Sweep,
    deletion,
    open_store,
)
from app.models.ledger.readings import TypedSample
from app.models.ledger.store import Store
from tests.support.ledger import (
    SUCCESS,
    LedgerWorld,
    LosingStore,
    awake,
    delayed,
    deregistered,
    new,
    old_updated,
    registered,
    response,
    sleeping,
    updated,
)

pytestmark = pytest.mark.asyncio

DAY = 86_400
LINKS = [{"url": "/3303/0"}]


async def delete(world: LedgerWorld, name: str = "d") -> Deleted:
    """Delete an endpoint with everything that belongs to it; return the result of the first step."""
    first = step = await world.ledgers[0].submit(DeleteEndpoint(name, "olga"))
    while step.more:
        step = await world.ledgers[0].submit(RemoveRest(first.id))
    return first


async def rows_of(world: LedgerWorld, name: str = "d") -> list[dict[str, Any]]:
    return await world.rows("SELECT * FROM endpoint WHERE name = $1 ORDER BY id", name)


def reported(name: str = "d") -> DecodedEvent:
    return DecodedEvent(
        Reported(endpoint=name, nodes={}), [TypedSample({"/3303/0/5700": TypedValue(ValueType.FLOAT, 1.5)})]
    )


async def test_queued_operations_are_canceled_and_ended_ones_remain(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), registered("other"))
    (done, first, second) = await world.create(new("d"), new("d"), new("d", sequence="s"))
    (others,) = await world.create(new("other"))
    await world.settle((await world.claim(1))[0], SUCCESS)
    deleted = await delete(world)
    assert deleted.more is False
    assert await world.steps(first) == [("QUEUED", None), ("CANCELED", "ENDPOINT_DELETED")]
    assert await world.steps(second) == [("QUEUED", None), ("CANCELED", "ENDPOINT_DELETED")]
    assert await world.status(done) == "CONFIRMED"
    assert await world.status(others) == "QUEUED"
    (row,) = await rows_of(world)
    assert (row["id"], row["deleted_at"], row["presence"], row["queued"]) == (deleted.id, world.now, "OFFLINE", 0)
    assert await world.presence_changes("d") == ["ONLINE", "OFFLINE"]
    assert [claim.request.endpoint for claim in await world.claim()] == ["other"]


async def test_settings_tags_objects_resources_and_pauses_end(world: LedgerWorld) -> None:
    await world.ingest(registered("d", object_links=LINKS), reported())
    await world.ledgers[0].submit(Configure("d", tags=["a"]))
    await world.ledgers[0].submit(PauseDispatch(Scope(endpoint="d"), "olga", "why"))
    await delete(world)
    for table in ("endpoint_tag", "endpoint_object", "resource_state"):
        assert await world.rows(f"SELECT 1 FROM {table}") == [], table  # noqa: S608
    (pause,) = await world.rows("SELECT resumed_by, resumed_at FROM dispatch_pause")
    assert (pause["resumed_by"], pause["resumed_at"]) == ("olga", world.now)


async def test_an_unknown_or_deleted_endpoint_is_not_found(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await delete(world)
    for name in ("d", "e"):
        with pytest.raises(NotFound):
            await delete(world, name)
    with pytest.raises(NotFound):
        await world.ledgers[0].submit(Configure("d", 30))
    with pytest.raises(NotFound):
        await world.create(new("d"))
    with pytest.raises(NotFound):
        await world.create(new("d", retry_of=seq))


async def test_an_open_call_prevents_the_deletion(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (_, waiting) = await world.create(new("d"), new("d"))
    claimed = await world.claim_one()
    with pytest.raises(Conflict) as refused:
        await delete(world)
    assert refused.value.facts["id"] == claimed.id
    assert await world.status(waiting) == "QUEUED"
    await world.settle(claimed, SUCCESS)
    await delete(world)
    assert await world.status(claimed.seq) == "CONFIRMED"


@pytest.mark.parametrize(
    ("kind", "path", "ends"),
    [
        (OperationKind.WRITE, "/5/0/1", ["QUEUED", "CANCELED"]),
        (OperationKind.EXECUTE, "/3/0/4", ["FAILED"]),
    ],
)
async def test_a_request_that_leshan_holds_ends(
    world: LedgerWorld, kind: OperationKind, path: str, ends: list[str]
) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", kind, path))
    await world.settle(await world.claim_one(), delayed("req-1"))
    await delete(world)
    assert [status for status, _ in await world.steps(seq)][3:] == ends
    await world.ingest(updated("d", 9), response("d", "req-1", SUCCESS))
    assert await world.status(seq) == ends[-1]
    old, fresh = await rows_of(world)
    assert old["deleted_at"] is not None
    assert (fresh["deleted_at"], fresh["queued"], fresh["lease_operation"]) == (None, 0, None)


NO_CONTACT: dict[str, Event | DecodedEvent] = {
    "the same update again": updated("d", 5),
    "the same registration from a listing": updated("d", 5, age=0),
    "an older update of another registration": updated("d", 99, "r9", age=30),
    "a buffered registration": registered("d", "r9", 99, age=30),
    "a wake": awake("d"),
    "a SLEEPING": sleeping("d"),
    "its deregistration": deregistered("d"),
    "a value": reported(),
    "a response": response("d", "req-7", SUCCESS),
}


@pytest.mark.parametrize("event", NO_CONTACT.values(), ids=NO_CONTACT.keys())
async def test_what_leshan_still_reports_does_not_bring_it_back(
    world: LedgerWorld, event: Event | DecodedEvent
) -> None:
    await world.ingest(registered("d"), updated("d", 5))
    await delete(world)
    world.pass_(20)
    await world.ingest(event, registered("other"))
    (row,) = await rows_of(world)
    assert row["deleted_at"] is not None
    assert (row["presence"], row["registered_at"]) == ("OFFLINE", None)
    assert await world.rows("SELECT 1 FROM resource_state") == []
    assert await world.presence("other") == "ONLINE"


CONTACTS: dict[str, Event] = {
    "a newer update": updated("d", 6),
    "another registration": registered("d", "r2", 1),
    "an update in the older form": old_updated("d", 1),
}


@pytest.mark.parametrize("event", CONTACTS.values(), ids=CONTACTS.keys())
async def test_a_later_contact_makes_a_new_endpoint(world: LedgerWorld, event: Event) -> None:
    await world.ingest(registered("d", object_links=LINKS), updated("d", 5))
    await world.ledgers[0].submit(Configure("d", 30, ["a"]))
    (before,) = await world.create(new("d", idempotency_key="k"))
    await delete(world)
    world.pass_(60)
    await world.ingest(event)
    old, fresh = await rows_of(world)
    assert fresh["id"] > old["id"]
    assert (fresh["presence"], fresh["first_seen_at"], fresh["wake_seq"]) == ("ONLINE", world.now, 1)
    assert [fresh[name] for name in ("tags", "awake_window_seconds", "canceled", "deleted_at")] == [None, None, 0, None]
    (after,) = await world.create(new("d", idempotency_key="k"))
    assert (await world.operation(after))["endpoint_id"] == fresh["id"]
    assert (await world.operation(before))["endpoint_id"] == old["id"]
    await delete(world)
    assert [row["deleted_at"] is None for row in await rows_of(world)] == [False, False]


async def test_a_deleted_endpoint_can_be_provisioned_again(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    deleted = await delete(world)
    assert await world.ledgers[0].submit(Provision("d")) > deleted.id


async def test_a_listing_does_not_bring_it_back_nor_end_it_twice(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await delete(world)
    asked_at = await world.ledgers[0].submit(ReadLedgerTime())
    await world.ledgers[0].submit(Listed(["d"], ["d"], asked_at))
    assert await world.ledgers[0].submit(EndListing(asked_at + 1)) == 0
    world.pass_(2 * 3_600)
    await world.sweep()
    (row,) = await rows_of(world)
    assert (row["listed_at"], bool(row["overdue"])) == (None, False)


async def test_a_long_queue_ends_in_pieces(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "PIECE", 4)
    await world.ingest(registered("d"))
    await world.create(*(new("d", sequence="s") for _ in range(10)))
    await delete(world)
    reasons = await world.rows("SELECT status, reason FROM operation")
    assert {(row["status"], row["reason"]) for row in reasons} == {("CANCELED", "ENDPOINT_DELETED")}
    assert (await world.server())["queued"] == 0


async def test_the_sweep_finishes_a_deletion_whose_process_has_ended(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "PIECE", 4)
    await world.ingest(registered("d"))
    await world.create(*(new("d") for _ in range(10)))
    await world.ledgers[0].submit(DeleteEndpoint("d", "olga"))
    assert (await world.server())["queued"] == 6
    assert await world.claim() == []
    await world.ledgers[0].submit(Sweep())
    assert (await world.server())["queued"] == 0


async def test_a_lost_response_to_the_commit_is_repeated(empty_world: LedgerWorld) -> None:
    store: Store = open_store(empty_world.url, unsafe=True)
    losing = LosingStore(store)
    await empty_world.ledger(losing)
    await empty_world.ingest(registered("d"))
    await empty_world.create(new("d"))
    losing.after_commit = 1
    await delete(empty_world)
    (row,) = await rows_of(empty_world)
    assert row["deleted_at"] is not None


async def test_retention_removes_it_after_its_last_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"), registered("other"))
    (seq,) = await world.create(new("d"))
    await world.attempt(SUCCESS)
    world.pass_(DAY)
    await delete(world)
    days = world.ledgers[0].rules.retention // (DAY * 1_000_000)
    world.pass_((days - 0.5) * DAY)
    await prune(world)
    assert await world.rows("SELECT 1 FROM operation WHERE seq = $1", seq) == []
    assert len(await rows_of(world)) == 1
    world.pass_(DAY)
    await prune(world)
    assert await rows_of(world) == []
    head = await world.row("SELECT seq, horizon FROM ledger_head")
    changes = await world.rows("SELECT seq FROM presence_change")
    assert all(change["seq"] > head["horizon"] for change in changes)
    assert len(await rows_of(world, "other")) == 1


async def test_retention_waits_for_the_last_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"))
    await delete(world)
    await world.reader.execute("UPDATE endpoint SET deleted_at = 1")
    await prune(world)
    assert len(await rows_of(world)) == 1


async def prune(world: LedgerWorld) -> None:
    while await world.ledgers[0].submit(Prune()):
        pass
