"""The invariants of fleet work are tested: each is violated by hand once, and reported."""

from __future__ import annotations

from typing import Final

import pytest

from app.domain.campaigns import Wave
from app.domain.enums import SECOND
from app.models.invariant_check import violations
from tests.support.campaigns import FIRMWARE, Fleet, names
from tests.support.ledger import LedgerWorld

pytestmark = pytest.mark.asyncio

BREACHES: Final[dict[str, tuple[str, str, int]]] = {
    "a wrong counter": (
        "UPDATE campaign SET waiting = waiting + 1 WHERE name = 'first'",
        "UPDATE campaign SET waiting = waiting - 1 WHERE name = 'first'",
        19,
    ),
    "a target of two campaigns": (
        "UPDATE campaign SET package_id = NULL, operations = '[]' WHERE name = 'updates'",
        "UPDATE campaign SET package_id = 7, operations = NULL WHERE name = 'updates'",
        20,
    ),
    "a wave too early": (
        "UPDATE campaign SET wave_ends = '[0,4]' WHERE name = 'first'",
        "UPDATE campaign SET wave_ends = '[2,4]' WHERE name = 'first'",
        21,
    ),
    "an endpoint without its update": (
        "UPDATE endpoint SET update_id = NULL",
        "UPDATE endpoint SET update_id = (SELECT id FROM firmware_update u WHERE u.endpoint_id = endpoint.id)",
        18,
    ),
    "an endpoint with an ended update": (
        "UPDATE endpoint SET update_id = 1 WHERE name = 'd00004'",
        "UPDATE endpoint SET update_id = NULL WHERE name = 'd00004'",
        18,
    ),
    "a target without work": (
        "UPDATE operation SET fleet_id = -fleet_id WHERE fleet_id IN (SELECT id FROM campaign_target)",
        "UPDATE operation SET fleet_id = -fleet_id WHERE fleet_id < 0",
        22,
    ),
    "a target without its update": (
        "UPDATE firmware_update SET target_id = -target_id",
        "UPDATE firmware_update SET target_id = -target_id",
        22,
    ),
}


async def test_violated_invariants_are_reported(world: LedgerWorld) -> None:
    fleet = Fleet(world)
    await fleet.add_package()
    await fleet.register(names(4))
    await fleet.begin("first", waves=(Wave(50), Wave(50)))
    await fleet.begin("updates", firmware=FIRMWARE, criteria={"names": names(1)})
    assert await violations(world.url, now=world.now) == []
    for name, (breach, repair, number) in BREACHES.items():
        await world.reader.execute(breach)
        broken = await violations(world.url, now=world.now)
        assert broken, name
        assert all(sentence.startswith(f"invariant {number}: ") for sentence in broken), (name, broken)
        await world.reader.execute(repair)
        assert await violations(world.url, now=world.now) == [], name


async def test_forgotten_work_is_reported(world: LedgerWorld) -> None:
    fleet = Fleet(world)
    await fleet.add_package()
    await fleet.register(["a"])
    await fleet.create("c", start_at=world.now + 60 * SECOND)
    await fleet.begin("updates", firmware=FIRMWARE)
    await world.reader.execute("UPDATE campaign_target SET due_at = $1", world.now)
    await world.reader.execute("UPDATE firmware_update SET due_at = $1", world.now)
    ids = [(await world.row(f"SELECT id FROM {table}"))["id"] for table in ("campaign_target", "firmware_update")]  # noqa: S608

    async def late(seconds: int) -> set[str]:
        found = await violations(world.url, now=world.now + seconds * SECOND, pause=no_pause)
        return {sentence.split(": ")[1] for sentence in found if "there was something to do" in sentence}

    assert await late(9) == set()
    assert await late(71) == {f"target {ids[0]}", f"firmware update {ids[1]}", "campaign c"}


async def no_pause() -> None:
    """Check late rows again at once."""
