"""Strawberry's decorators with types: a field that is resolved by a method keeps the method's signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import strawberry

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def resolved(description: str) -> Callable[[Resolver], Resolver]:
    """A field of a query, a mutation or an object."""
    return cast("Callable[[Resolver], Resolver]", strawberry.field(description=description))


def followed(description: str) -> Callable[[Resolver], Resolver]:
    """A field of the subscription root."""
    return cast("Callable[[Resolver], Resolver]", strawberry.subscription(description=description))
