"""``reveille token`` and ``reveille audit``: administration of access on the host, directly in the database.

It works without a credential, beside running processes and without any.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from app.domain.enums import Instant
from app.entrypoints.command_ledger import command_actor, command_ledger
from app.models.database import migrate, reading
from app.models.fields import dump_json
from app.models.ledger import AuditEntry, CreateApiToken, Ledger, RevokeApiToken
from app.models.queries import ApiTokenView, AuditEventView, api_token_by_id, api_token_state, api_tokens, audit_page
from app.security import Role, digest_of, new_secret
from app.settings import Settings

PAGE: Final = 1_000
"""Events of the audit that are read in one statement."""


class UnknownToken(ValueError):
    """No token has this id, or no active one, or more than one, has this name."""


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Ledger]:
    await migrate(settings.database_url)
    async with command_ledger(settings) as ledger, reading(settings.database_url):
        yield ledger


async def create_token(
    settings: Settings, name: str, role: Role, expires_at: Instant | None
) -> tuple[ApiTokenView, str, bool]:
    """Store a new token. Return it, its secret, and whether it closed open access.

    Raises:
        LimitExceeded: there are too many.
        LedgerUnavailable, ReadUnavailable: the database cannot be reached.
    """
    async with _database(settings) as ledger:
        is_first = await api_token_state() is None
        secret = new_secret()
        command = CreateApiToken(name, role, digest_of(secret) or "", command_actor(), expires_at)
        command.audit = _entry("createApiToken", name, {"name": name, "role": role.name})
        token = await api_token_by_id(await ledger.submit(command))
        assert token is not None  # noqa: S101 - only tokens that ended long ago are deleted
        return token, secret, is_first and settings.allows_open_access


async def revoke_token(settings: Settings, named: str) -> ApiTokenView:
    """Revoke the token with this id, or the one active token of this name, and return it.

    Raises:
        UnknownToken: there is none, or more than one.
        LedgerUnavailable, ReadUnavailable: the database cannot be reached.
    """
    async with _database(settings) as ledger:
        token = await _find(named)
        command = RevokeApiToken(token.id)
        command.audit = _entry("revokeApiToken", str(token.id), {"name": token.name})
        return await api_token_by_id(await ledger.submit(command)) or token


async def _find(named: str) -> ApiTokenView:
    if named.isascii() and named.isdecimal() and len(named) <= 18:
        token = await api_token_by_id(int(named))
        if token is not None:
            return token
    same = [token for token in await api_tokens() if token.name == named and token.revoked_at is None]
    if len(same) > 1:
        raise UnknownToken(
            f"{len(same)} tokens have the name {named!r}; expected an id, which `reveille token list` shows"
        )
    if not same:
        raise UnknownToken(f"unknown token {named!r}; expected an id or a name of `reveille token list`")
    return same[0]


async def list_tokens(settings: Settings) -> list[ApiTokenView]:
    """Return the active tokens, newest first, then those that ended last."""
    async with _database(settings):
        return await api_tokens()


async def list_audit(settings: Settings, most: int) -> list[AuditEventView]:
    """Return at most so many events of the audit, newest first."""
    found: list[AuditEventView] = []
    async with _database(settings):
        after: str | None = None
        while len(found) < most:
            page = await audit_page(min(PAGE, most - len(found)), after)
            found += page.items
            if not page.has_next:
                break
            after = page.cursors[-1]
    return found


def _entry(action: str, target: str, detail: dict[str, Any]) -> AuditEntry:
    return AuditEntry(command_actor(), action, target[:255], dump_json(detail))
