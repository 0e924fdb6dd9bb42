"""API tokens and the audit in the ledger: what is stored, when it is deleted, and what a lost commit leaves."""

from __future__ import annotations

import pytest

from app.domain.enums import DAY, SECOND
from app.models.ledger import (
    AuditEntry,
    CreateApiToken,
    LimitExceeded,
    NotFound,
    Provision,
    Prune,
    RecordTokenUse,
    RevokeApiToken,
    open_store,
)
from app.security import Role
from tests.support.ledger import START, LedgerWorld, LosingStore

pytestmark = pytest.mark.asyncio


def token(digest: str, expires_at: int | None = None) -> CreateApiToken:
    return CreateApiToken("ci", Role.VIEWER, digest, "ada", expires_at)


def audited(name: str) -> Provision:
    command = Provision(name)
    command.audit = AuditEntry("ada", "provisionEndpoint", name, '{"name":"x"}')
    return command


async def test_an_audit_event_is_written_with_its_change_and_not_for_a_refused_one(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    await ledger.submit(audited("d"))
    refused = RevokeApiToken(1)
    refused.audit = AuditEntry("ada", "revokeApiToken")
    with pytest.raises(NotFound):
        await ledger.submit(refused)
    (event,) = await world.rows("SELECT * FROM audit_event")
    assert event.items() >= {"at": START, "actor": "ada", "action": "provisionEndpoint", "target": "d"}.items()


async def test_a_failed_commit_leaves_no_audit_event(empty_world: LedgerWorld) -> None:
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.before_commit = 1
    await ledger.submit(audited("d"))
    assert len(await empty_world.rows("SELECT id FROM audit_event")) == 1


async def test_a_token_is_stored_once_although_the_commit_s_response_is_lost(empty_world: LedgerWorld) -> None:
    store = LosingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(store)
    store.after_commit = 1
    id_ = await ledger.submit(token("a" * 64))
    assert await empty_world.rows("SELECT id FROM api_token") == [{"id": id_}]


async def test_a_token_s_end_is_the_earlier_of_revocation_and_expiry(world: LedgerWorld) -> None:
    (ledger,) = world.ledgers
    early, late = START + SECOND, START + 100 * SECOND
    ids = [await ledger.submit(token(digest * 64, end)) for digest, end in (("a", early), ("b", late), ("c", None))]
    world.pass_(10)
    for id_ in ids:
        assert await ledger.submit(RevokeApiToken(id_)) == id_
        world.pass_(1)
        assert await ledger.submit(RevokeApiToken(id_)) == id_, "a second time changes nothing"
    rows = await world.rows("SELECT revoked_at, ends_at FROM api_token ORDER BY id")
    seconds = [((row["revoked_at"] - START) // SECOND, (row["ends_at"] - START) // SECOND) for row in rows]
    assert seconds == [(10, 1), (11, 11), (12, 12)]


async def test_expired_and_revoked_tokens_do_not_count_toward_the_limit(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.api_tokens.MAX_API_TOKENS", 2)
    (ledger,) = world.ledgers
    await ledger.submit(token("a" * 64, START + SECOND))
    id_ = await ledger.submit(token("b" * 64))
    with pytest.raises(LimitExceeded):
        await ledger.submit(token("c" * 64))
    world.pass_(1)
    await ledger.submit(token("c" * 64))
    with pytest.raises(LimitExceeded):
        await ledger.submit(token("d" * 64))
    await ledger.submit(RevokeApiToken(id_))
    await ledger.submit(token("d" * 64))


async def test_a_last_use_is_written_once_a_minute_over_all_processes(world: LedgerWorld) -> None:
    other = await world.ledger()
    id_ = await other.submit(token("a" * 64))
    for seconds, written in ((1, 1), (30, 1), (60, 1), (61, 61), (200, 200)):
        for ledger in world.ledgers:
            await ledger.submit(RecordTokenUse({id_: START + seconds * SECOND, 4_711: START}))
        (row,) = await world.rows("SELECT last_used_at FROM api_token")
        assert row["last_used_at"] == START + written * SECOND


async def test_the_audit_and_ended_tokens_are_pruned_in_pieces(
    empty_world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.ledger.audit.PIECE", 3)
    monkeypatch.setattr("app.models.ledger.api_tokens.PIECE", 3)
    ledger = await empty_world.ledger(audit_retention=DAY)
    for number in range(7):
        await ledger.submit(audited(f"d{number}"))
        await ledger.submit(token(f"{number:0>64}", START + SECOND))
    lasting = await ledger.submit(token("a" * 64))
    empty_world.pass_(86_400)
    await ledger.submit(audited("late"))
    assert not await ledger.submit(Prune()), "a day has not passed since then"
    empty_world.pass_(2)
    assert await ledger.submit(Prune())
    assert len(await empty_world.rows("SELECT id FROM audit_event")) == 5
    while await ledger.submit(Prune()):
        pass
    assert [row["target"] for row in await empty_world.rows("SELECT target FROM audit_event")] == ["late"]
    assert await empty_world.rows("SELECT id FROM api_token") == [{"id": lasting}]


async def test_the_newest_token_remains_although_it_has_ended(empty_world: LedgerWorld) -> None:
    """Callers without a credential would be trusted again without it."""
    ledger = await empty_world.ledger(audit_retention=DAY)
    ids = [await ledger.submit(token(digest * 64, START + SECOND)) for digest in "ab"]
    empty_world.pass_(10 * 86_400)
    while await ledger.submit(Prune()):
        pass
    assert await empty_world.rows("SELECT id FROM api_token") == [{"id": ids[-1]}]
