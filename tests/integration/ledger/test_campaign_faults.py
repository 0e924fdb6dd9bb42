"""Campaigns under crashes, lost commits and several processes: no target begins twice, and none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from app.domain.campaigns import Abort, Wave
from app.fleet.campaigns import (
    AdvanceCampaign,
    ApproveCampaignWave,
    CancelCampaign,
    CreateCampaign,
    PauseCampaign,
    ResumeCampaign,
    RetryCampaign,
)
from app.models.invariant_check import violations
from app.models.ledger import Command, Ledger, open_store
from app.models.ledger.store import Writing
from tests.support.campaigns import FIRMWARE, Fleet, definition, names, operation
from tests.support.ledger import LedgerWorld, LosingStore

pytestmark = pytest.mark.asyncio

BY: Final = "operator"
WAVES: Final = (Wave(30, 90), Wave(70, approve=True))


async def story(fleet: Fleet) -> dict[str, Any]:
    """Carry campaigns out with every mutation; return what a caller sees in the end."""
    fleet.failing = {"d00001"}
    await fleet.add_package()
    await fleet.register(names(10))
    submit = fleet.ledger.submit
    first = await fleet.begin(waves=WAVES, operations=(operation(), operation("/3/0/14")), max_running=4)
    await submit(PauseCampaign(first, "a reason"))
    await fleet.answer_all(first)
    await submit(ResumeCampaign(first))
    await fleet.advance(first)
    assert (await fleet.status(first))[0] == "PAUSED"
    await submit(ResumeCampaign(first))
    await fleet.advance(first)
    await fleet.answer_all(first)
    await submit(RetryCampaign(first))
    fleet.failing = set()
    await fleet.advance(first)
    await fleet.answer_all(first)
    waves = (Wave(50, approve=True), Wave(50))
    second = await fleet.begin("second", firmware=FIRMWARE, waves=waves, abort=Abort(1, 6))
    for name in names(5):
        await fleet.end_update(name)
    await fleet.advance(second)
    await submit(ApproveCampaignWave(second))
    await fleet.advance(second)
    await fleet.end_update("d00006", "FAILED", "TIMEOUT")
    await fleet.advance(second)
    third = await fleet.begin("third", max_running=1)
    await submit(CancelCampaign(third, "a reason"))
    await fleet.advance(third)
    rows = await fleet.world.rows("SELECT * FROM campaign ORDER BY id")
    ids = [first, second, third]
    kept = ("name", "status", "reason", "wave", "waiting", "running", "succeeded", "failed", "canceled", "skipped")
    return {
        "campaigns": [{column: row[column] for column in kept} for row in rows],
        "targets": [(one["name"], one["state"], one["attempts"]) for id_ in ids for one in await fleet.targets(id_)],
        "operations": len(await fleet.world.rows("SELECT seq FROM operation WHERE fleet_id IS NOT NULL")),
        "updates": len(await fleet.world.rows("SELECT id FROM firmware_update")),
    }


@pytest.mark.parametrize("after", [False, True], ids=["before each commit", "after each commit"])
async def test_a_crash_in_every_piece_changes_nothing(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """The connection breaks at the commit of every command: it was not committed, or is repeated although it was."""
    monkeypatch.setattr("app.models.ledger.ledger.RETRY_PAUSES", (0.0, 0.0))
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    seen = await story(Fleet(empty_world))
    assert [row["status"] for row in seen["campaigns"]] == ["COMPLETED", "ABORTED", "CANCELED"]
    await empty_world.clear()
    zeros = "queued = 0, sending = 0, confirmed = 0, failed = 0, canceled = 0, expired = 0"
    await empty_world.reader.execute(f"UPDATE leshan_server SET {zeros}")  # noqa: S608
    submit = ledger.submit

    async def losing(command: Command[Any], **more: Any) -> Any:
        store.after_commit, store.before_commit = int(after), int(not after)
        return await submit(command, **more)

    monkeypatch.setattr(ledger, "submit", losing)
    opened = store.opened
    assert await story(Fleet(empty_world)) == seen
    assert store.opened > opened + 50
    store.after_commit = store.before_commit = 0


async def test_a_lost_commit_creates_a_campaign_once(empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.ledger.ledger.RETRY_PAUSES", (0.0, 0.0))
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.after_commit = 1
    id_ = await ledger.submit(CreateCampaign(definition(waves=WAVES, abort=Abort(33.3, 1)), BY))
    assert [row["id"] for row in await empty_world.rows("SELECT id FROM campaign")] == [id_]


async def test_two_processes_begin_each_target_once(empty_world: LedgerWorld) -> None:
    ledgers = [await empty_world.ledger() for _ in range(2)]
    fleet = Fleet(empty_world, failing=set(names(100)[::8]))
    await fleet.register(names(100))
    id_ = await fleet.create(waves=(Wave(10), Wave(90)), max_running=40, retries=1)

    async def advance(ledger: Ledger) -> None:
        more = True
        while more:
            more = await ledger.submit(AdvanceCampaign(id_))

    while (await fleet.status(id_))[0] == "RUNNING":
        await asyncio.gather(*map(advance, ledgers), fleet.answer())
    assert await violations(empty_world.url, now=0) == []
    assert await fleet.counts(id_) == {"SUCCEEDED": 87, "FAILED": 13}
    attempts = {row["name"]: row["attempts"] for row in await fleet.targets(id_)}
    assert attempts == {name: 2 if name in fleet.failing else 1 for name in names(100)}
    operations = await empty_world.rows("SELECT count(*) AS count FROM operation GROUP BY fleet_id")
    assert sorted(row["count"] for row in operations) == [1] * 87 + [2] * 13


@dataclass
class CountingStore:
    """A store that counts the rows of each transaction."""

    store: Any
    rows: int = 0
    transactions: list[int] = field(default_factory=list)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]], at_once: str | None = None) -> None:
        self.rows += len(rows)
        await self.store.execute_many(sql, rows, at_once)

    async def execute_together(self, writings: Iterable[Writing]) -> None:
        writings = list(writings)
        self.rows += sum(len(rows) for _, rows in writings)
        await self.store.execute_together(writings)

    async def commit(self) -> None:
        await self.store.commit()
        self.transactions.append(self.rows)
        self.rows = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def test_no_transaction_of_a_large_campaign_has_more_than_a_thousand_rows(empty_world: LedgerWorld) -> None:
    store = CountingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    fleet = Fleet(empty_world)
    await fleet.register(names(2_000))
    store.transactions.clear()
    id_ = await fleet.begin(operations=tuple(operation(f"/3/0/{number}") for number in range(10)), max_running=300)
    await ledger.submit(CancelCampaign(id_, "a reason"))
    await fleet.advance(id_)
    await ledger.submit(RetryCampaign(id_))
    await fleet.advance(id_)
    assert await fleet.counts(id_) == {"WAITING": 1_700, "RUNNING": 300}
    assert len(store.transactions) > 20
    assert max(store.transactions) <= 1_000
