"""An operation with ``notBefore`` is not sent before that time, and holds back no other operation until then."""

from __future__ import annotations

import pytest

from app.domain.enums import SECOND, OperationKind
from app.models.ledger import Cancel, open_store
from tests.support.ledger import ERROR, REBOOT, LedgerWorld, awake, new, registered, updated

pytestmark = pytest.mark.asyncio

READ = OperationKind.READ


def at(world: LedgerWorld, seconds: float) -> int:
    return world.now + int(seconds * SECOND)


async def test_later_operations_are_sent_first_also_of_the_same_instance(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    waits, same, reboot = await world.create(new("d", not_before=at(world, 20)), new("d"), new("d", *REBOOT))
    assert await world.send_all() == [same, reboot]
    assert await world.status(waits) == "QUEUED"


@pytest.mark.parametrize("others", [0, 2])
async def test_it_is_sent_without_a_wake_when_its_time_comes(world: LedgerWorld, others: int) -> None:
    await world.ingest(registered("d"))
    waits, *_ = await world.create(new("d", not_before=at(world, 20)), *[new("d") for _ in range(others)])
    assert len(await world.send_all()) == others
    assert (await world.endpoint("d"))["ready_at"] == at(world, 20)
    world.pass_(19.9)
    assert await world.send_all() == []
    world.pass_(0.1)
    assert await world.send_all() == [waits]


async def test_a_process_without_the_endpoint_loaded_sends_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (waits,) = await world.create(new("d", not_before=at(world, 20)))
    other = await world.ledger(open_store(world.url, unsafe=True))
    assert await world.claim(ledger=other) == []
    world.pass_(20)
    assert [claimed.seq for claimed in await world.claim(ledger=other)] == [waits]


async def test_a_sleeping_device_gets_it_at_the_first_wake_after_its_time(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (waits,) = await world.create(new("d", not_before=at(world, 3600)))
    world.pass_(200)
    await world.sweep()
    assert await world.presence("d") == "ASLEEP"
    world.pass_(100)
    await world.ingest(updated("d", 2))
    assert await world.send_all() == []
    world.pass_(3600)
    await world.sweep()
    assert await world.send_all() == []
    await world.ingest(updated("d", 3))
    assert await world.send_all() == [waits]


async def test_once_its_time_has_come_it_goes_before_later_operations(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    waits, plain = await world.create(new("d", not_before=at(world, 5)), new("d"))
    world.pass_(5)
    assert await world.send_all() == [waits, plain]


async def test_a_time_in_the_past_changes_nothing(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = await world.create(new("d", not_before=at(world, -5)), new("d"))
    assert (await world.endpoint("d"))["next_operation"] is None
    assert await world.send_all() == [first, second]


async def test_the_soonest_of_many_times_counts(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    late, soon = await world.create(new("d", not_before=at(world, 30)), new("d", not_before=at(world, 10)))
    world.pass_(10)
    assert await world.send_all() == [soon]
    assert (await world.endpoint("d"))["ready_at"] == at(world, 20)
    world.pass_(20)
    assert await world.send_all() == [late]
    (last,) = await world.create(new("d"))
    assert await world.send_all() == [last]
    assert (await world.endpoint("d"))["next_operation"] is None


async def test_a_time_and_a_retry_of_another_operation_are_independent(world: LedgerWorld) -> None:
    await world.ingest(registered("d", queue_mode=False, lifetime_seconds=86_400))
    retried, waits = await world.create(new("d"), new("d", path="/3/0/15", not_before=at(world, 20)))
    await world.attempt(ERROR)
    assert (await world.endpoint("d"))["ready_at"] == at(world, 20)
    world.pass_(20)
    assert await world.send_all() == [waits]
    world.pass_(10)
    assert await world.send_all() == [retried]


async def test_after_its_first_attempt_it_waits_for_its_retry_only(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (waits,) = await world.create(new("d", not_before=at(world, 5)))
    world.pass_(5)
    await world.attempt(ERROR)
    assert await world.claim() == []
    await world.ingest(updated("d", 2))
    assert await world.send_all() == [waits]


async def test_more_waiting_operations_than_the_walk_reads_hide_no_other(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    later = at(world, 60)
    await world.create(*[new("d", not_before=later, priority=5) for _ in range(600)])
    (plain,) = await world.create(new("d"))
    assert await world.send_all() == [plain]


@pytest.mark.parametrize("how", ["cancel", "expire", "supersede"])
async def test_it_ends_as_any_queued_operation(world: LedgerWorld, how: str) -> None:
    await world.ingest(registered("d"))
    operation = new("d", not_before=at(world, 20), ttl_seconds=30)
    (waits,) = await world.create(operation)
    if how == "cancel":
        await world.ledgers[0].submit(Cancel(operation.id))
    elif how == "expire":
        world.pass_(31)
        await world.sweep()
    else:
        await world.create(new("d", supersede=True))
    reason = {"cancel": "CANCELED_BY_USER", "expire": "EXPIRED", "supersede": "SUPERSEDED"}[how]
    assert (await world.operation(waits))["reason"] == reason
    world.pass_(60)
    await world.ingest(awake("d"))
    await world.send_all()
    assert (await world.endpoint("d"))["queued"] == 0


async def test_its_time_to_live_counts_from_its_creation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (waits,) = await world.create(new("d", not_before=at(world, 20), ttl_seconds=30))
    assert (await world.operation(waits))["expires_at"] == at(world, 30)


async def test_the_same_instant_of_a_commit_is_not_before(world: LedgerWorld) -> None:
    """The ledger's clock decides, to the microsecond."""
    await world.ingest(registered("d"))
    (waits,) = await world.create(new("d", READ, not_before=world.now + 1))
    assert await world.claim() == []
    world.now += 1
    assert await world.send_all() == [waits]
