"""Routes beside GraphQL: the same credentials, and errors as JSON in the form of GraphQL's."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from app.authentication import AuthenticationUnavailable
from app.schema.api.context import SchemaContext
from app.schema.errors import ApiError, Code, bad_input
from app.security import Viewer, bearer_token

_STATUS: Final = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.LIMIT_EXCEEDED: 429,
    Code.UNAVAILABLE: 503,
}
_RETRY_SECONDS: Final = 5


async def authenticated(context: SchemaContext, request: Request) -> Viewer:
    """Return the caller of a request, which is counted.

    Raises:
        ApiError: UNAUTHENTICATED, UNAVAILABLE: the credential cannot be checked now, LIMIT_EXCEEDED: too many requests.
    """
    try:
        viewer = await context.authenticator.authenticate(bearer_token(request.headers.get("authorization")))
    except AuthenticationUnavailable:
        raise ApiError(Code.UNAVAILABLE, "The credential cannot be checked now; retry later.") from None
    if viewer is None:
        raise ApiError(Code.UNAUTHENTICATED, "Authentication required; send `Authorization: Bearer <token>`.")
    context.limiter.admit_requests(viewer)
    return viewer


def query_parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    """Return the query parameters.

    Raises:
        ApiError: BAD_USER_INPUT: an unknown one, or one that is given twice.
    """
    given = request.query_params.multi_items()
    for name, _ in given:
        if name not in known:
            raise bad_input(f"Unknown parameter {name[:50]!r}; {', '.join(sorted(known))} are expected.", name[:50])
    if len(given) != len(dict(given)):
        raise bad_input("A parameter is given twice.", None)
    return dict(given)


class HttpError(ApiError):
    """An error whose HTTP status does not follow from its code."""

    def __init__(self, status: int, code: Code, message: str, **facts: Any) -> None:
        super().__init__(code, message, **facts)
        self.status = status


def error_response(error: GraphQLError) -> Response:
    """Return the response to a refused request."""
    facts = error.extensions or {}
    code = facts.get("code")
    status = error.status if isinstance(error, HttpError) else _STATUS.get(code, 400)  # type: ignore[arg-type]
    is_temporary = status in {429, 503}
    headers = {"retry-after": str(facts.get("retryAfterSeconds", _RETRY_SECONDS))} if is_temporary else None
    return Response(orjson.dumps({"errors": [error.formatted]}), status, headers, "application/json; charset=utf-8")
