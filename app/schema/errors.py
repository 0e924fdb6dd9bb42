"""Errors of the API: a message and ``extensions.code``."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from graphql import GraphQLError


class Code(StrEnum):
    """Values of ``extensions.code``. Clients depend on them, so a member never changes its meaning."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    LAGGED = "LAGGED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class ApiError(GraphQLError):
    """An expected error. ``facts`` that are not None become further extensions."""

    def __init__(self, code: Code, message: str, **facts: Any) -> None:
        present = {name: fact for name, fact in facts.items() if fact is not None}
        super().__init__(message, extensions={"code": str(code), **present})


def bad_input(message: str, field: str | None, **facts: Any) -> ApiError:
    """Return an error for invalid input; ``field`` is the path of the value within the input, in GraphQL names."""
    return ApiError(Code.BAD_USER_INPUT, message, field=field, **facts)


def over_limit(message: str, limit: int, **facts: Any) -> ApiError:
    """Return an error for an exceeded limit, with the limit as an extension."""
    return ApiError(Code.LIMIT_EXCEEDED, message, limit=limit, **facts)
