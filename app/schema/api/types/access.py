"""The caller, API tokens, and the audit."""

from __future__ import annotations

import strawberry

from app.models.queries import ApiTokenView, AuditEventView, Page
from app.schema.api.ids import global_id, token_id
from app.schema.api.scalars import JSON, DateTime, stored_json, time_or_none
from app.schema.api.types.node import ENTRY_CURSOR, Node, PageInfo, page_info
from app.security import Role


@strawberry.type(description="The caller, as its credential states it.")
class Viewer:
    name: str = strawberry.field(description="Name of the caller.")
    role: Role = strawberry.field(description="Role of the caller.")
    expires_at: DateTime | None = strawberry.field(
        description="Time at which the credential expires, and its sockets and streams end; null if it does not."
    )


@strawberry.type(
    description="A token for access to the API. Its secret is shown once, at its creation; only a hash is stored."
)
class ApiToken(Node):
    name: str = strawberry.field(description="Name of its bearer, for `createdBy` and the audit; not unique.")
    role: Role = strawberry.field(description="Role of its bearer.")
    created_at: DateTime = strawberry.field(description="Time of creation.")
    created_by: str | None = strawberry.field(description="Name of the user who created it.")
    expires_at: DateTime | None = strawberry.field(description="Time at which it expires; null if it does not.")
    last_used_at: DateTime | None = strawberry.field(
        description="Time of its last use, at most a minute too early; null if it was never used."
    )
    revoked_at: DateTime | None = strawberry.field(description="Time at which it was revoked; null if it was not.")


@strawberry.type(description="Result of `createApiToken`.")
class CreateApiTokenPayload:
    token: ApiToken = strawberry.field(description="The new token.")
    secret: str = strawberry.field(
        description="The text to send as `Authorization: Bearer ..`. It cannot be read again."
    )


@strawberry.type(description="A change that a caller requested.")
class AuditEvent:
    id: strawberry.ID = strawberry.field(description="Id of the event: opaque, and never changes.")
    at: DateTime = strawberry.field(description="Time of the change.")
    actor: str = strawberry.field(
        description="Name of the caller; `cli:USER` for a command on the host that used the database directly."
    )
    action: str = strawberry.field(description="Name of the mutation.")
    target: str | None = strawberry.field(
        description="Id or name of the object that was to be changed; null if there is not exactly one."
    )
    detail: JSON | None = strawberry.field(
        description="Arguments in short, without values of resources, and `error`, the code with which it failed."
    )


@strawberry.type(description="An entry of the audit.")
class AuditEventEdge:
    node: AuditEvent = strawberry.field(description="The event.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of the audit.")
class AuditEventConnection:
    edges: list[AuditEventEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


def api_token_of(view: ApiTokenView) -> ApiToken:
    return ApiToken(
        id=strawberry.ID(token_id(view.id)),
        name=view.name,
        role=view.role,
        created_at=DateTime(view.created_at),
        created_by=view.created_by,
        expires_at=time_or_none(view.expires_at),
        last_used_at=time_or_none(view.last_used_at),
        revoked_at=time_or_none(view.revoked_at),
    )


def audit_connection(page: Page[AuditEventView]) -> AuditEventConnection:
    edges = [
        AuditEventEdge(node=_event(view), cursor=cursor) for view, cursor in zip(page.items, page.cursors, strict=True)
    ]
    return AuditEventConnection(edges=edges, page_info=page_info(page))


def _event(view: AuditEventView) -> AuditEvent:
    return AuditEvent(
        id=strawberry.ID(global_id("AuditEvent", view.id)),
        at=DateTime(view.at),
        actor=view.actor,
        action=view.action,
        target=view.target,
        detail=stored_json(view.detail_json),
    )
