"""Decorators of fields with their description and the role that they require."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLError, GraphQLField
from strawberry.extensions import FieldExtension

from app.models.ledger import ANSWER_SECONDS, AuditEntry, LedgerUnavailable, RecordAudit
from app.schema.api.auditing import entry_of
from app.schema.api.context import RequestContext
from app.schema.errors import ApiError, Code
from app.security import Role, Viewer

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def check_role(viewer: Viewer, role: Role) -> None:
    """Check that the viewer has a role.

    Raises:
        ApiError: FORBIDDEN: the viewer does not have it.
    """
    if not viewer.may(role):
        message = f"{viewer.name} has the role {viewer.role}; the role {role} is required."
        raise ApiError(Code.FORBIDDEN, message)


class RequiredRole(FieldExtension):
    """Extension that checks the role of a field before its resolver runs."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def resolve_async(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        check_role(info.context.viewer, self.role)
        return next_(source, info, **kwargs)  # the caller awaits it


class Audited(FieldExtension):
    """Extension that writes a mutation to the audit: with the first command that it commits, in the same transaction,
    or by itself if it commits none. A mutation that failed is written with the code of its error, unless a limit per
    minute refused it."""

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        context: RequestContext = info.context
        context.audit = entry = entry_of(context.viewer, info.field_name, kwargs)
        try:
            result = await next_(source, info, **kwargs)
        except GraphQLError as error:
            facts = error.extensions or {}
            code = str(facts.get("code", Code.BAD_USER_INPUT))
            # a commit for each refusal by a limit per minute would be the load that the limit prevents
            if code != Code.UNAVAILABLE and "retryAfterSeconds" not in facts:
                await _write_audit(context, entry_of(context.viewer, info.field_name, kwargs, code))
            raise
        await _write_audit(context, entry)
        return result


async def _write_audit(context: RequestContext, entry: AuditEntry) -> None:
    """Write the entry of the mutation by itself, unless one was written with a command."""
    pending, context.audit = context.audit, None
    if pending is not None:
        command = RecordAudit()
        command.audit = entry
        with suppress(LedgerUnavailable):
            await context.services.ledger.submit(command, within=ANSWER_SECONDS)


def resolved(description: str, role: Role = Role.VIEWER) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of a query or object, which requires ``role``.

    The resolver keeps its signature for type checks. One of a field that requires more than ``Role.VIEWER`` is async.
    """
    return _declared(description, role, [] if role is Role.VIEWER else [RequiredRole(role)])


def mutation(description: str, role: Role) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of the mutation root, which requires ``role`` and is audited. The role is also
    checked before the arguments are coerced (``execution/admission.py``)."""
    return _declared(description, role, [Audited(), RequiredRole(role)])  # the last one is called first


def _declared(description: str, role: Role, extensions: list[FieldExtension]) -> Callable[[Resolver], Resolver]:
    field = strawberry.field(description=description, metadata={"role": role}, extensions=extensions)
    return cast("Callable[[Resolver], Resolver]", field)


def role_of(field: GraphQLField) -> Role:
    """Return the role that a field was declared with; the fields of objects require none beyond their object's."""
    declared: Role = field.extensions["strawberry-definition"].metadata.get("role", Role.VIEWER)
    return declared


def followed(description: str) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of the subscription root."""
    return cast("Callable[[Resolver], Resolver]", strawberry.subscription(description=description))
