"""Queueing, canceling and retrying: a batch is stored whole or not at all, and a key means one input."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from app.models.ledger import Cancel, Conflict, Create, LedgerError, NotFound, Provision
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio


async def refusal(world: LedgerWorld, *operations: object) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        await world.ledgers[0].submit(Create(operations))  # type: ignore[arg-type]
    return caught.value


async def count(world: LedgerWorld) -> int:
    return int((await world.row("SELECT count(*) AS n FROM operation"))["n"])


async def test_a_batch_with_an_unknown_endpoint_stores_nothing_and_names_it(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    error = await refusal(world, new("d"), new("nobody"), new("d"))
    assert isinstance(error, NotFound)
    assert error.facts["index"] == 1
    assert await count(world) == 0


async def test_an_endpoint_can_be_provisioned_ahead_of_its_first_registration(world: LedgerWorld) -> None:
    id_ = await world.ledgers[0].submit(Provision("d"))
    assert await world.ledgers[0].submit(Provision("d")) == id_
    await world.create(new("d"))
    assert await world.presence("d") == "OFFLINE"
    await world.ingest(registered("d"))
    assert await world.attempt(SUCCESS) == "CONFIRMED"


async def test_a_batch_is_queued_in_its_order(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    seqs = await world.create(*(new("d") for _ in range(20)))
    assert seqs == sorted(seqs)


async def test_the_same_key_with_the_same_input_is_the_same_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d", idempotency_key="k"))
    (again,) = await world.ledgers[0].submit(Create([new("d", idempotency_key="k")]))
    assert (again.seq, again.created) == (seq, False)
    await world.attempt(SUCCESS)
    assert await world.create(new("d", idempotency_key="k")) == [seq]


async def test_the_same_key_with_other_input_is_a_conflict_with_the_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    operation = new("d", idempotency_key="k")
    await world.create(operation)
    error = await refusal(world, new("d"), new("d", idempotency_key="k", value="other"))
    assert isinstance(error, Conflict)
    assert (error.facts["id"], error.facts["index"]) == (operation.id, 1)
    assert await count(world) == 1


async def test_a_key_is_scoped_to_its_endpoint(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    one, two = await world.create(new("a", idempotency_key="k"), new("b", idempotency_key="k", value="other"))
    assert one != two


async def test_a_key_twice_in_one_batch_is_one_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    created = await world.ledgers[0].submit(Create([new("d", idempotency_key="k"), new("d", idempotency_key="k")]))
    assert [one.created for one in created] == [True, False]
    assert created[0].id == created[1].id
    assert await count(world) == 1


async def test_a_key_twice_in_one_batch_with_different_inputs_is_a_conflict(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    error = await refusal(world, new("d", idempotency_key="k"), new("d", idempotency_key="k", value="other"))
    assert (error.facts["index"], await count(world)) == (1, 0)


async def test_a_key_twice_in_one_commit_is_one_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    ledger = world.ledgers[0]
    futures = [ledger.enqueue(Create([new("d", idempotency_key="k")])) for _ in range(5)]
    assert len({(await future)[0].seq for future in futures}) == 1


async def test_an_operation_submitted_twice_is_stored_once(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    operation = new("d")
    assert await world.create(operation) == await world.create(operation)
    assert await count(world) == 1


async def test_a_retry_names_the_retried_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(REFUSED)
    (retry,) = await world.create(new("d", retry_of=seq))
    assert (await world.operation(retry))["retry_of"] == seq


async def test_only_an_ended_operation_can_be_retried_and_once_at_a_time(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    assert (await refusal(world, new("d", retry_of=seq))).facts["status"] == "QUEUED"
    await world.attempt(REFUSED)
    await world.create(new("d", retry_of=seq))
    assert isinstance(await refusal(world, new("d", retry_of=seq)), Conflict)
    assert isinstance(await refusal(world, new("d", retry_of=999_999)), NotFound)
    await world.attempt(REFUSED)
    await world.create(new("d", retry_of=seq))


async def test_only_a_queued_operation_can_be_canceled(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    first, second = new("d"), new("d")
    await world.create(first, second)
    ledger = world.ledgers[0]
    claimed = await world.claim_one()
    with pytest.raises(Conflict) as caught:
        await ledger.submit(Cancel(first.id))
    assert caught.value.facts["status"] == "SENDING"
    seq = await ledger.submit(Cancel(second.id))
    assert await world.steps(seq) == [("QUEUED", None), ("CANCELED", "CANCELED_BY_USER")]
    await world.settle(claimed, SUCCESS)
    for operation in (first, second):
        with pytest.raises(Conflict):
            await ledger.submit(Cancel(operation.id))
    with pytest.raises(NotFound):
        await ledger.submit(Cancel(str(uuid.uuid4())))


async def test_an_operation_is_returned_as_it_was_created(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    operation = new("d", value="grüße \u0000 €")
    asked = replace(operation, request=replace(operation.request, value={"n": [1.5, 2**63, None, "\u0000"]}))
    await world.create(asked)
    assert (await world.claim_one()).request == asked.request


async def test_thousands_of_operations_in_one_commit_take_linear_time(world: LedgerWorld) -> None:
    """Each operation used to search for itself among all others of the commit: 20,000 took minutes, and the process
    responded to no request."""
    await world.ingest(registered("d"))
    ledger = world.ledgers[0]
    batches = [[new("d", idempotency_key=f"{batch}-{n}") for n in range(500)] for batch in range(40)]
    futures = [ledger.enqueue(Create(batch)) for batch in batches]
    for future in futures:
        assert len(await future) == 500
    assert (await world.endpoint("d"))["queued"] == 20_000
