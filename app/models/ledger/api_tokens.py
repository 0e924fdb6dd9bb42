"""API tokens: creation, revocation, and the time of their last use. Only hashes of the secrets arrive here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import SECOND, Instant
from app.models.ledger.commands import Command, LimitExceeded, NotFound, Phase
from app.models.ledger.group import Group
from app.models.ledger.store import Row
from app.security import Role

MAX_API_TOKENS: Final = 1_000
"""Maximum number of tokens that have not ended: every process keeps them in memory."""
USE_SECONDS: Final = 60
"""Interval in seconds in which the last use of a token is written at most once."""
PIECE: Final = 500

COUNT: Final = "SELECT count(*) AS active FROM api_token WHERE ends_at IS NULL OR ends_at > $1"
ENDED: Final = """
    SELECT id FROM api_token WHERE ends_at < $1 AND id < (SELECT max(id) FROM api_token) ORDER BY ends_at LIMIT $2
"""
"""The newest token remains: as long as one is stored, callers without a credential are not trusted."""
_BY_DIGEST: Final = "SELECT id FROM api_token WHERE digest = $1"
_BY_ID: Final = "SELECT revoked_at, ends_at FROM api_token WHERE id = $1"
_INSERT: Final = """
    INSERT INTO api_token (id, name, role, digest, created_at, created_by, expires_at, ends_at, changed_seq)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $1)
"""
_REVOKE: Final = "UPDATE api_token SET revoked_at = $2, ends_at = $3, changed_seq = $4 WHERE id = $1"
_USED: Final = """
    UPDATE api_token SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)
"""


@dataclass(slots=True)
class CreateApiToken(Command[int]):
    """Store a token and return its id. ``digest`` is the SHA-256 of its secret. Raise LimitExceeded if there are
    :data:`MAX_API_TOKENS` that have not ended."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    name: str
    role: Role
    digest: str
    created_by: str | None
    expires_at: Instant | None
    same: int | None = field(default=None, init=False)
    active: int = field(default=0, init=False)

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(_BY_DIGEST, self.digest)
        self.same = rows[0]["id"] if rows else None
        self.active = (await group.store.fetch(COUNT, group.now))[0]["active"]

    def apply(self, group: Group) -> int:
        if self.same is not None:  # the response to the COMMIT was lost
            return self.same
        if self.active >= MAX_API_TOKENS:
            raise LimitExceeded(f"Too many API tokens; at most {MAX_API_TOKENS} are allowed.", limit=MAX_API_TOKENS)
        id_ = group.draw()
        row = (id_, self.name, self.role, self.digest, group.now, self.created_by, self.expires_at)
        group.statements.append((_INSERT, [row]))
        return id_


@dataclass(slots=True)
class RevokeApiToken(Command[int]):
    """End a token and return its id; a revoked one remains as it is. Raise NotFound."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    id: int
    known: Row | None = field(default=None, init=False)

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(_BY_ID, self.id)
        self.known = rows[0] if rows else None

    def apply(self, group: Group) -> int:
        if self.known is None:
            raise NotFound("Unknown API token.", field="id")
        if self.known["revoked_at"] is None:
            ends_at = min(group.now, self.known["ends_at"] or group.now)
            group.statements.append((_REVOKE, [(self.id, group.now, ends_at, group.draw())]))
        return self.id


@dataclass(slots=True)
class RecordTokenUse(Command[None]):
    """Store the time of the last use of tokens, by id; at most once in :data:`USE_SECONDS` for each."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    uses: Mapping[int, Instant]

    def apply(self, group: Group) -> None:
        rows = [(id_, at, at - USE_SECONDS * SECOND) for id_, at in self.uses.items()]
        group.statements.append((_USED, rows))


async def prune_tokens(group: Group) -> bool:
    """Delete tokens that ended before the audit's retention; return whether there may be more."""
    rows = await group.store.fetch(ENDED, group.now - group.rules.audit_retention, PIECE)
    group.statements.append(("DELETE FROM api_token WHERE id = $1", [(row["id"],) for row in rows]))
    return len(rows) == PIECE
