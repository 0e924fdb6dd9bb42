"""API tokens: those that have not ended, for authentication, and lists for administrators."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from app.domain.enums import Instant
from app.models.ledger.api_tokens import MAX_API_TOKENS
from app.models.queries.access import fetch
from app.models.queries.server import database_now
from app.models.queries.views import Row, columns
from app.security import Role

MOST_ENDED: Final = 100
"""Maximum number of ended tokens in a list."""


@dataclass(slots=True)
class ApiTokenView:
    """A stored token."""

    id: int
    name: str
    role: Role
    digest: str
    created_at: Instant
    created_by: str | None
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None

    @classmethod
    def load(cls, row: Row) -> Self:
        view = cls(*row)
        view.role = Role(view.role)
        return view


_COLUMNS: Final = columns(ApiTokenView, "t")
STATE: Final = "SELECT max(changed_seq) FROM api_token"
ACTIVE: Final = f"SELECT {_COLUMNS} FROM api_token t WHERE t.ends_at IS NULL OR t.ends_at > $1 LIMIT $2"
ENDED: Final = f"SELECT {_COLUMNS} FROM api_token t WHERE t.ends_at <= $1 ORDER BY t.ends_at DESC LIMIT $2"


async def api_token_state() -> int | None:
    """Return a number that grows with every creation and revocation of a token; None if no token is stored.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    rows = await fetch(STATE)
    state: int | None = rows[0][0]
    return state


async def active_api_tokens() -> list[ApiTokenView]:
    """Return the tokens that are neither revoked nor expired, newest first. Raises as :func:`api_token_state`."""
    rows = await fetch(ACTIVE, [await database_now(), 2 * MAX_API_TOKENS])
    return sorted(map(ApiTokenView.load, rows), key=lambda view: -view.id)


async def api_tokens() -> list[ApiTokenView]:
    """Return the active tokens, newest first, then those that ended last. Raises as :func:`api_token_state`."""
    ended = await fetch(ENDED, [await database_now(), MOST_ENDED])
    return [*await active_api_tokens(), *map(ApiTokenView.load, ended)]


async def api_token_by_id(id_: int) -> ApiTokenView | None:
    """Return a token by its id."""
    rows = await fetch(f"SELECT {_COLUMNS} FROM api_token t WHERE t.id = $1", [id_])
    return ApiTokenView.load(rows[0]) if rows else None
