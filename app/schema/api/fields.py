"""Decorators of fields with their description and the role that they require."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLField
from strawberry.extensions import FieldExtension

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


def resolved(description: str, role: Role = Role.VIEWER) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of a query, mutation or object, which requires ``role``.

    The role of a mutation's root field is also checked before its arguments are coerced (``execution/admission.py``).

    The resolver keeps its signature for type checks. One of a field that requires more than ``Role.VIEWER`` is async.
    """
    extensions: list[FieldExtension] = [] if role is Role.VIEWER else [RequiredRole(role)]
    field = strawberry.field(description=description, metadata={"role": role}, extensions=extensions)
    return cast("Callable[[Resolver], Resolver]", field)


def role_of(field: GraphQLField) -> Role:
    """Return the role that a field was declared with."""
    declared: Role = field.extensions["strawberry-definition"].metadata["role"]
    return declared


def followed(description: str) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of the subscription root."""
    return cast("Callable[[Resolver], Resolver]", strawberry.subscription(description=description))
