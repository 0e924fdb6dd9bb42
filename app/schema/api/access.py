"""GraphQL fields of access: the caller, API tokens, and the audit."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.authentication.authenticator import host_time
from app.models.ledger import CreateApiToken, RevokeApiToken
from app.models.queries import api_token_by_id, api_tokens, audit_page
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.checks import plain_text
from app.schema.api.context import Info
from app.schema.api.fields import mutation, resolved
from app.schema.api.ids import NoSuchId, parse_token_id
from app.schema.api.ledger_gateway import submit
from app.schema.api.scalars import DateTime, time_or_none
from app.schema.api.types.access import (
    ApiToken,
    AuditEventConnection,
    CreateApiTokenPayload,
    Viewer,
    api_token_of,
    audit_connection,
)
from app.schema.errors import ApiError, Code, bad_input
from app.schema.limits import DEFAULT_PAGE, page_size
from app.security import COMMAND_PREFIX, Origin, Role, digest_of, is_usable_name, new_secret


@strawberry.type
class AccessQuery:
    @resolved("The caller; null where access is open, so that no credential is required.")
    async def viewer(self, info: Info) -> Viewer | None:
        viewer = info.context.viewer
        if viewer.origin is Origin.OPEN:
            return None
        return Viewer(name=viewer.name, role=viewer.role, expires_at=time_or_none(viewer.expires_at))

    @resolved(
        "API tokens: those that are neither revoked nor expired, newest first, then up to 100 that ended last. Tokens "
        "of `REVEILLE_AUTH` are not among them.",
        Role.ADMIN,
    )
    async def api_tokens(self) -> list[ApiToken] | None:
        return [api_token_of(view) for view in await api_tokens()]

    @resolved(
        "The audit: every mutation, and every change of tokens, newest first. Events are kept for "
        "`REVEILLE_AUDIT_RETENTION` days.",
        Role.ADMIN,
    )
    async def audit_log(self, first: PageSize = DEFAULT_PAGE, after: PageCursor = None) -> AuditEventConnection | None:
        return audit_connection(await audit_page(page_size(first), after))


@strawberry.type
class AccessMutation:
    @mutation(
        "Create an API token. The first one closes open access for good: from then on every caller needs a credential, "
        "also on this machine; therefore it must have the role ADMIN. LIMIT_EXCEEDED if there are 1,000.",
        Role.ADMIN,
    )
    async def create_api_token(
        self,
        info: Info,
        name: Annotated[
            str,
            strawberry.argument(
                description="Name of the bearer, for `createdBy` and the audit: 1 to 255 printable characters."
            ),
        ],
        role: Annotated[Role, strawberry.argument(description="Role of the bearer.")],
        expires_at: Annotated[
            DateTime | None,
            strawberry.argument(description="Time at which it expires, in the future. Default: it does not expire."),
        ] = None,
    ) -> CreateApiTokenPayload | None:
        context = info.context
        if not is_usable_name(plain_text(name, "name")):
            raise bad_input(f"Invalid name; printable characters are expected, not `{COMMAND_PREFIX}..`.", "name")
        if expires_at is not None and expires_at <= host_time():
            raise bad_input("The time has passed; a time in the future is expected.", "expiresAt")
        if context.viewer.origin is Origin.OPEN and role is not Role.ADMIN:
            message = "The first token closes open access; the role ADMIN is expected, so that it can create others."
            raise bad_input(message, "role")
        secret = new_secret()
        command = CreateApiToken(name, role, digest_of(secret) or "", context.viewer.name, expires_at)
        token = await _changed(info, await submit(context, command))
        return CreateApiTokenPayload(token=token, secret=secret) if token else None

    @mutation(
        "Revoke an API token: requests with it are refused, and its sockets and streams are closed within 10 seconds "
        "in all processes. A revoked one is returned unchanged.",
        Role.ADMIN,
    )
    async def revoke_api_token(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID, strawberry.argument(description="Global id of the token. NOT_FOUND if there is none.")
        ],
    ) -> ApiToken | None:
        try:
            key = parse_token_id(id)
        except NoSuchId:
            raise ApiError(Code.NOT_FOUND, "Unknown API token.", field="id") from None
        return await _changed(info, await submit(info.context, RevokeApiToken(key)))


async def _changed(info: Info, key: int) -> ApiToken | None:
    """Return a token that was created or revoked; the change takes effect in this process at once."""
    await info.context.services.authenticator.refresh()
    view = await api_token_by_id(key)
    return api_token_of(view) if view else None
