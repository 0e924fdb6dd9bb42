"""Contacts in the database: what the ledger stores of them, and what the sweep concludes from their absence."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import SECOND
from tests.support.ledger import SILENT, SUCCESS, LedgerWorld, deregistered, new, registered, sleeping, updated

pytestmark = pytest.mark.asyncio

HOUR = 3_600


async def visits(world: LedgerWorld, *pauses: int, lifetime: int = 86_400) -> None:
    """Register a device, and update its registration after each of these pauses (seconds)."""
    await world.ingest(registered("d", lifetime_seconds=lifetime))
    for number, pause in enumerate(pauses, start=2):
        world.pass_(pause)
        await world.ingest(updated("d", number, lifetime_seconds=lifetime))


async def overdue(world: LedgerWorld) -> bool:
    await world.sweep()
    return bool((await world.endpoint("d"))["overdue"])


async def test_a_silent_device_becomes_overdue_and_ends_it_by_a_message(world: LedgerWorld) -> None:
    await visits(world, 60, 60)
    world.pass_(119)
    assert not await overdue(world)
    world.pass_(1)
    assert await overdue(world)
    await world.ingest(updated("d", 9))
    assert not await overdue(world)
    world.pass_(HOUR)
    assert await overdue(world)


async def test_a_device_is_overdue_at_the_end_of_its_lifetime_and_after_its_registration(world: LedgerWorld) -> None:
    await visits(world, lifetime=300)
    world.pass_(299)
    assert not await overdue(world)
    world.pass_(2)
    assert await overdue(world)
    await world.ingest(deregistered("d"))
    assert await overdue(world)


async def test_only_messages_of_the_device_move_the_last_contact(world: LedgerWorld) -> None:
    await visits(world, 60, lifetime=300)
    names = ("last_seen_at", "first_seen_at", "seen_hour", "contacts")
    known = [(await world.endpoint("d"))[name] for name in names]

    async def unchanged() -> bool:
        await world.sweep()
        return [(await world.endpoint("d"))[name] for name in names] == known

    await world.create(new("d"), new("d", ttl_seconds=30))
    world.pass_(10)
    assert await world.attempt(SILENT) is not None, "a timeout"
    assert await unchanged()
    await world.ingest(sleeping("d"))
    assert await unchanged()
    world.pass_(40)
    assert await unchanged(), "an operation has expired"
    world.pass_(300)
    assert await unchanged(), "the window and the lifetime have ended"
    await world.ingest(deregistered("d"))
    assert await unchanged()


async def test_an_answer_moves_the_last_contact(world: LedgerWorld) -> None:
    await visits(world, 60)
    await world.create(new("d"))
    world.pass_(10)
    await world.attempt(SUCCESS)
    endpoint = await world.endpoint("d")
    assert endpoint["last_seen_at"] == world.now
    assert endpoint["seen_hour"] == world.now // (HOUR * SECOND)


async def test_many_devices_become_overdue_in_several_sweeps(world: LedgerWorld) -> None:
    for start in range(0, 1_200, 400):
        await world.ingest(*(registered(f"d{number}", lifetime_seconds=60) for number in range(start, start + 400)))
    world.pass_(61)
    await world.sweep()
    counted: dict[str, Any] = await world.row("SELECT count(*) AS n FROM endpoint WHERE overdue = true")
    assert counted["n"] == 1_200
    assert await world.rows("SELECT id FROM endpoint WHERE overdue_check_at IS NOT NULL") == []
