"""Campaigns, firmware updates and retired packages are deleted after the retention, each after what needs it."""

from __future__ import annotations

from typing import Final

import pytest

from app.domain.enums import DAY, SECOND
from app.models.ledger import DeleteEndpoint, Prune
from tests.support.campaigns import FIRMWARE, PACKAGE, Fleet, names
from tests.support.ledger import LedgerWorld

pytestmark = pytest.mark.asyncio

TABLES: Final = ("campaign", "campaign_target", "campaign_change", "firmware_update", "firmware_package", "endpoint")


async def rows_of(world: LedgerWorld) -> dict[str, int]:
    return {table: len(await world.rows(f"SELECT 1 FROM {table}")) for table in TABLES}  # noqa: S608


async def test_fleet_work_is_pruned_in_pieces(empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.fleet_retention.PIECE", 2)
    ledger = await empty_world.ledger(retention=DAY)
    fleet = Fleet(empty_world)
    await fleet.add_package()
    await fleet.add_package(PACKAGE + 1)
    await fleet.register(names(5))
    old = await fleet.begin("old", firmware=FIRMWARE)
    for name in names(5)[1:]:
        await fleet.end_update(name)
    await fleet.answer(old)
    await empty_world.reader.execute("UPDATE firmware_package SET retired_at = $1", empty_world.now)
    empty_world.pass_(2 * DAY // SECOND)
    await fleet.advance(old)
    young = await fleet.begin("young", criteria={"names": names(2)[1:]})
    await fleet.answer(young)
    while await ledger.submit(Prune()):
        pass
    assert await fleet.counts(old), "one of its targets has not ended"
    assert (await rows_of(empty_world))["firmware_package"] == 1
    changes = await empty_world.rows("SELECT campaign_id, seq FROM campaign_change ORDER BY seq")
    horizon = (await empty_world.row("SELECT horizon FROM ledger_head"))["horizon"]
    assert {row["campaign_id"] for row in changes} == {young}
    assert horizon < changes[0]["seq"]

    await fleet.end_update("d00001")
    await fleet.advance(old)
    await ledger.submit(DeleteEndpoint("d00003", "operator"))
    empty_world.pass_(DAY // SECOND // 2)
    while await ledger.submit(Prune()):
        pass
    assert (await fleet.status(old))[0] == "COMPLETED"
    empty_world.pass_(DAY // SECOND)
    while await ledger.submit(Prune()):
        pass
    assert await ledger.submit(Prune()) is False
    left = {"campaign": 0, "campaign_target": 0, "campaign_change": 0, "firmware_update": 0, "firmware_package": 0}
    assert await rows_of(empty_world) == {**left, "endpoint": 4}
    assert await empty_world.rows("SELECT name FROM endpoint WHERE deleted_at IS NOT NULL") == []
