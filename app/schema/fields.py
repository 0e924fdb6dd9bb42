"""Strawberry's decorators with types: a field that is resolved by a method keeps the method's signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import strawberry
from graphql import GraphQLField

from app.security import Role

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def resolved(description: str, role: Role = Role.VIEWER) -> Callable[[Resolver], Resolver]:
    """A field of a query, a mutation or an object. ``role`` is required of the viewer before an argument is converted;
    it is checked at the mutation root alone."""
    field = strawberry.field(description=description, metadata={"role": role})
    return cast("Callable[[Resolver], Resolver]", field)


def role_of(field: GraphQLField) -> Role:
    """The role that a field was declared with."""
    declared: Role = field.extensions["strawberry-definition"].metadata["role"]
    return declared


def followed(description: str) -> Callable[[Resolver], Resolver]:
    """A field of the subscription root."""
    return cast("Callable[[Resolver], Resolver]", strawberry.subscription(description=description))
