"""The breaker: the conditions that open it, the right to probe, and the conditions that close it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.domain.verdicts import Report
from app.models.ledger import Probed, TakeProbe
from tests.support.ledger import (
    FROZEN,
    LOST,
    PROXY,
    SILENT,
    SUCCESS,
    UNREACHABLE,
    LedgerWorld,
    new,
    registered,
    updated,
)

pytestmark = pytest.mark.asyncio


async def queue(world: LedgerWorld, *names: str) -> None:
    await world.ingest(*(registered(name) for name in names))
    await world.create(*(new(name, max_attempts=100) for name in names))


async def is_open(world: LedgerWorld) -> bool:
    return (await world.server())["breaker_opened_at"] is not None


async def test_it_opens_at_once_when_leshan_is_unreachable(world: LedgerWorld) -> None:
    await queue(world, "d")
    await world.attempt(UNREACHABLE)
    server = await world.server()
    assert (server["breaker_opened_at"], server["breaker_reason"]) == (world.now, "connection refused")


@pytest.mark.parametrize("report", [PROXY, FROZEN], ids=["proxy error", "passed deadline"])
async def test_it_opens_after_failures_of_five_different_endpoints_in_a_row(world: LedgerWorld, report: Report) -> None:
    await queue(world, *(f"d{n}" for n in range(5)))
    for count, claimed in enumerate(await world.claim(), start=1):
        await world.settle(claimed, report)
        assert await is_open(world) is (count == 5)


async def test_a_success_in_between_resets_the_row(world: LedgerWorld) -> None:
    await queue(world, *(f"d{n}" for n in range(9)))
    claims = await world.claim()
    for claimed in claims[:4]:
        await world.settle(claimed, PROXY)
    await world.settle(claims[4], SUCCESS)
    for claimed in claims[5:]:
        await world.settle(claimed, PROXY)
    assert not await is_open(world)


@pytest.mark.parametrize("report", [LOST, SILENT], ids=["broken connections", "silent devices"])
async def test_an_outcome_unrelated_to_leshan_never_opens_it(world: LedgerWorld, report: Report) -> None:
    await queue(world, *(f"d{n}" for n in range(9)))
    for claimed in await world.claim():
        await world.settle(claimed, report)
    assert not await is_open(world)


async def test_one_poison_operation_never_opens_it(world: LedgerWorld) -> None:
    await queue(world, "d")
    for n in range(20):
        await world.attempt(PROXY)
        world.pass_(61)
        await world.ingest(updated("d", n + 2))
    assert not await is_open(world)


async def troubles_in_turn(world: LedgerWorld, *names: str) -> None:
    """Settle six passed deadlines of these endpoints, one after the other, without any result in Leshan's favor."""
    await queue(world, *names)
    for n in range(6):
        (claimed,) = await world.claim(slots=1)
        await world.settle(claimed, FROZEN)
        await world.ingest(updated(claimed.request.endpoint, n + 2))


async def test_alternating_failures_of_few_endpoints_only_cause_a_probe(world: LedgerWorld) -> None:
    await troubles_in_turn(world, "one", "two")
    assert not await is_open(world)
    assert await world.ledgers[0].submit(TakeProbe()) is not None
    await world.ledgers[0].submit(Probed(healthy=True))
    server = await world.server()
    assert not await is_open(world)
    assert (server["breaker_failures"], server["probe_at"]) == (0, None)
    assert len(await world.claim()) == 2


async def test_on_a_site_of_few_devices_a_failed_probe_opens_it(world: LedgerWorld) -> None:
    await troubles_in_turn(world, "one")
    assert await world.ledgers[0].submit(TakeProbe()) == "one"
    await world.ledgers[0].submit(Probed(healthy=False, detail="no answer before the deadline"))
    assert await is_open(world)
    assert (await world.server())["breaker_reason"] == "no answer before the deadline"


async def test_a_success_cancels_a_requested_probe(world: LedgerWorld) -> None:
    await troubles_in_turn(world, "one")
    await world.ingest(registered("well"))
    await world.create(new("well", priority=1))
    for claimed in await world.claim():
        await world.settle(claimed, SUCCESS)
    assert await world.ledgers[0].submit(TakeProbe()) is None
    await world.ledgers[0].submit(Probed(healthy=False, detail="too late"))
    assert not await is_open(world)


async def test_an_endpoints_pause_grows_with_each_failure_of_leshan(world: LedgerWorld) -> None:
    await queue(world, "d")
    for pause in (1, 2, 4):
        await world.attempt(PROXY)
        world.pass_(pause - 0.5)
        assert await world.claim() == []
        world.pass_(0.5)
    assert len(await world.claim()) == 1


async def test_one_process_may_probe_and_names_an_endpoint(empty_world: LedgerWorld) -> None:
    one, two = [await empty_world.ledger() for _ in range(2)]
    assert await one.submit(TakeProbe()) is None
    await queue(empty_world, "d")
    await empty_world.attempt(UNREACHABLE)
    assert await one.submit(TakeProbe()) is None
    empty_world.pass_(1)
    assert [await one.submit(TakeProbe()), await two.submit(TakeProbe())] == ["d", None]


async def test_probes_become_rarer_with_time_and_never_stop(world: LedgerWorld) -> None:
    await queue(world, "d")
    await world.attempt(UNREACHABLE)
    pauses = []
    for _ in range(9):
        server = await world.server()
        pauses.append((server["probe_at"] - world.now) / 1_000_000)
        world.now = server["probe_at"]
        assert await world.ledgers[0].submit(TakeProbe()) == "d"
        await world.ledgers[0].submit(Probed(healthy=False, detail="still refused"))
    assert pauses[0] == 1
    assert all(before <= after * 1.25 for before, after in pairwise(pauses))
    assert 30 <= pauses[-1] <= 37.5
    assert (await world.server())["breaker_reason"] == "still refused"


async def test_a_successful_probe_closes_it_and_notifies_the_dispatchers(world: LedgerWorld) -> None:
    await queue(world, "d")
    await world.attempt(UNREACHABLE)
    world.published.clear()
    await world.ledgers[0].submit(Probed(healthy=True))
    assert not await is_open(world)
    assert "wake" in world.published
    world.pass_(5)
    assert await world.attempt(SUCCESS) == "CONFIRMED"


async def test_calls_that_were_open_when_it_opened_are_settled(world: LedgerWorld) -> None:
    await queue(world, "a", "b")
    one, two = await world.claim()
    await world.settle(one, UNREACHABLE)
    assert await world.settle(two, SUCCESS) == "CONFIRMED"
    assert await is_open(world)
