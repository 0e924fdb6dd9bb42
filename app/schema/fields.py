"""Typed versions of Strawberry's decorators: a field that a method resolves keeps the method's signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import strawberry
from graphql import GraphQLField

from app.security import Role

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def resolved(description: str, role: Role = Role.VIEWER) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of a query, mutation or object. ``role`` is checked for root fields of mutations
    only, before their arguments are coerced."""
    field = strawberry.field(description=description, metadata={"role": role})
    return cast("Callable[[Resolver], Resolver]", field)


def role_of(field: GraphQLField) -> Role:
    """Return the role that a field was declared with."""
    declared: Role = field.extensions["strawberry-definition"].metadata["role"]
    return declared


def followed(description: str) -> Callable[[Resolver], Resolver]:
    """Decorate the resolver of a field of the subscription root."""
    return cast("Callable[[Resolver], Resolver]", strawberry.subscription(description=description))
