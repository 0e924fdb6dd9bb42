"""The judge is judged: each law is broken by hand once, and named."""

from __future__ import annotations

import pytest

from app.domain.words import SECOND
from app.models.ledger.store import StoreRefused
from tests.integration.ledger.kit import SUCCESS, World, new, registered
from tests.laws import broken_laws

pytestmark = pytest.mark.asyncio


async def busy(world: World) -> None:
    """An operation that is CONFIRMED (2), one that is SENDING (3) and one that is QUEUED (4)."""
    await world.hear(registered("d"))
    await world.create(new("d"), new("d"), new("d"))
    await world.attempt(SUCCESS)
    await world.claim_one()


BREACHES = {
    "a hole in the numbers": (1, "UPDATE transition SET number = 9 WHERE number = 3 AND to_status = 'CONFIRMED'"),
    "a lost last step": (1, "DELETE FROM transition WHERE to_status = 'CONFIRMED'"),
    "a row that moved alone": (1, "UPDATE operation SET reason = 'RELEASED' WHERE status = 'CONFIRMED'"),
    "steps that do not follow": (
        1,
        "UPDATE transition SET from_status = 'QUEUED', to_status = 'SENDING' WHERE to_status = 'CONFIRMED'",
    ),
    "a lease for nobody": (2, "UPDATE endpoint SET lease_operation = 2"),
    "a wrong counter of an endpoint": (2, "UPDATE endpoint SET queued = 7"),
    "a wrong counter of a server": (2, "UPDATE leshan_server SET confirmed = 0"),
    "a mark of being paused without a pause": (2, "UPDATE endpoint SET paused = TRUE"),
    "a success without an answer": (8, "UPDATE operation SET delivery = 'MAY_HAVE_REACHED' WHERE status = 'CONFIRMED'"),
    "a success with a refusal": (8, "UPDATE operation SET device_status = 'X(404)' WHERE status = 'CONFIRMED'"),
}


@pytest.mark.parametrize(("number", "breach"), BREACHES.values(), ids=BREACHES.keys())
async def test_a_broken_law_is_named(world: World, number: int, breach: str) -> None:
    await busy(world)
    assert await broken_laws(world.url, now=world.now) == []
    await world.reader.execute("BEGIN")
    await world.reader.execute(breach)
    await world.reader.execute("COMMIT")
    broken = await broken_laws(world.url, now=world.now)
    named = [sentence for sentence in broken if sentence.startswith(f"law {number}: ")]
    assert named, broken
    rows = {str(row["seq"]) for row in await world.rows("SELECT seq FROM operation")} | {"d", "leshan", "2"}
    assert {sentence.split(": ")[1] for sentence in named} <= rows, "each names its row"
    await make_whole(world)


async def make_whole(world: World) -> None:
    """What was broken on purpose is not the next judge's business."""
    for table in ("transition", "operation", "endpoint"):
        await world.reader.execute(f"DELETE FROM {table}")  # noqa: S608
    zeros = "queued = 0, sending = 0, confirmed = 0, failed = 0, canceled = 0, expired = 0"
    await world.reader.execute(f"UPDATE leshan_server SET {zeros}")  # noqa: S608


@pytest.mark.parametrize(
    "breach",
    [
        "UPDATE operation SET attempts = max_attempts + 1 WHERE status = 'CONFIRMED'",  # law 4
        "UPDATE operation SET status = 'SENDING' WHERE status = 'QUEUED'",  # law 3
    ],
)
async def test_what_can_be_told_by_one_row_the_database_refuses_itself(world: World, breach: str) -> None:
    await busy(world)
    with pytest.raises(StoreRefused):
        await world.reader.execute(breach)


async def test_what_may_not_be_repeated_and_was_is_named(world: World) -> None:
    await world.hear(registered("d"))
    await world.create(new("d", repeatable=False))
    claimed = await world.claim_one()
    await world.reader.execute("UPDATE operation SET repeatable = $1", True)
    world.pass_(60)
    await world.sweep()
    assert await broken_laws(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET repeatable = $1", False)
    assert [sentence[:8] for sentence in await broken_laws(world.url, now=world.now)] == [f"law 5: {claimed.seq}"[:8]]
    await make_whole(world)


async def test_what_is_forgotten_is_named(world: World) -> None:
    await world.hear(registered("lost"), registered("waits"), registered("expires"))
    await world.create(new("lost"))
    await world.claim()
    await world.create(new("waits"), new("expires", ttl_seconds=60))
    assert await broken_laws(world.url, now=world.now + 10 * SECOND) == []
    waiting = await broken_laws(world.url, now=world.now + 11 * SECOND)
    assert {sentence.split(":")[1].strip() for sentence in waiting} == {"waits", "expires"}
    assert await broken_laws(world.url, now=world.now + 11 * SECOND, max_in_flight=1) == []
    late = await broken_laws(world.url, now=world.now + 100 * SECOND)
    assert len(late) == 2
    assert all(sentence.startswith("law 7: ") for sentence in late)


async def test_a_long_table_is_walked_in_pieces_and_a_long_list_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.laws.PIECE", 7)
    monkeypatch.setattr("app.models.laws.MOST", 5)
    await world.hear(registered("d"))
    await world.create(*(new("d") for _ in range(50)))
    assert await broken_laws(world.url, now=world.now) == []
    await world.reader.execute("UPDATE operation SET reason = 'RELEASED'")
    assert len(await broken_laws(world.url, now=world.now)) == 5
    await world.reader.execute("UPDATE operation SET reason = NULL")
