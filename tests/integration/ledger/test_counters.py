"""The counters for the metrics equal the rows after every commit (the fixture compares them after each test of this
folder), and again within the hour after a process of an earlier version has written."""

from __future__ import annotations

import pytest

from app.domain.enums import HOUR
from app.models.counters import CHECKED, COUNTERS, DIFFERENCES
from app.models.ledger import CorrectCounters, Provision
from tests.support.ledger import SILENT, LedgerWorld, deregistered, new, registered

pytestmark = pytest.mark.asyncio


async def counters(world: LedgerWorld) -> dict[str, int]:
    return {row["name"]: row["value"] for row in await world.rows(COUNTERS, 1) if row["value"]}


async def differences(world: LedgerWorld) -> tuple[dict[str, int], int | None]:
    found = {row[0]: row[1] for row in await world.reader.fetch(DIFFERENCES, 1)}
    checked = found.pop(CHECKED, None)
    return found, checked


async def test_each_change_of_presence_and_reason_is_counted(world: LedgerWorld) -> None:
    await world.ledgers[0].submit(Provision("c"))
    await world.ingest(registered("a"), registered("b"))
    assert await counters(world) == {"presence ONLINE": 2, "presence OFFLINE": 1}
    await world.create(new("a", max_attempts=9), new("b", max_attempts=9))
    for claimed in await world.claim():
        await world.settle(claimed, SILENT)
    expected = {"presence ASLEEP": 2, "presence OFFLINE": 1, "reason QUEUED NO_ANSWER": 2}
    assert await counters(world) == expected
    await world.ingest(deregistered("b"), registered("a", "r2", 2))
    (claimed,) = await world.claim()
    assert await counters(world) == {"presence ONLINE": 1, "presence OFFLINE": 2, "reason QUEUED NO_ANSWER": 1}
    await world.settle(claimed, SILENT)
    assert (await counters(world))["reason QUEUED NO_ANSWER"] == 2


async def test_what_an_earlier_version_wrote_is_counted_once(world: LedgerWorld) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.reader.execute("UPDATE endpoint SET presence = 'ASLEEP', told_presence = 'ASLEEP' WHERE name = 'b'")
    found, checked = await differences(world)
    assert (found, checked) == ({"presence ONLINE": -1, "presence ASLEEP": 1}, None)
    await world.ingest(registered("a", "r2", 2), registered("c"))  # a commit between the comparison and the correction
    other = await world.ledger()
    assert await other.submit(CorrectCounters(found, checked))
    assert not await world.ledgers[0].submit(CorrectCounters(found, checked)), "another process has done so"
    assert await differences(world) == ({}, world.now)
    world.pass_(HOUR / 1_000_000)
    assert await world.ledgers[0].submit(CorrectCounters({}, world.now - HOUR))
    assert await differences(world) == ({}, world.now)
