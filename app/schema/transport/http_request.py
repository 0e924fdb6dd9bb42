"""Checks of a request of GraphQL over HTTP, and the response to a rejected one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from strawberry.http import GraphQLRequestData

from app.schema.errors import ApiError, bad_input, over_limit
from app.schema.limits import MAX_ACCEPT
from app.schema.transport.content_negotiation import PLAIN_JSON, Formats, response_formats


class Refused(HTTPException):
    """Rejection of a request, with the error of the response."""

    def __init__(self, status: int, error: ApiError, **headers: str) -> None:
        super().__init__(status, error.message)
        self.error = error
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def formats_of(request: Request) -> Formats:
    """Return the formats that a request accepts by its ``Accept`` headers, which are one list (RFC 9110, 5.3).

    Raises:
        Refused: 431: the list is too long to be parsed.
    """
    accept = ",".join(request.headers.getlist("accept"))
    if len(accept) > MAX_ACCEPT:
        raise Refused(
            431, over_limit(f"Accept header too long; at most {MAX_ACCEPT} characters are allowed.", MAX_ACCEPT)
        )
    return response_formats(accept)


@contextmanager
def limited() -> Iterator[None]:
    """Reject the whole request if a limit of its caller is exceeded.

    Raises:
        Refused: 429, with the time after which the client may repeat it.
    """
    try:
        yield
    except ApiError as error:
        seconds = (error.extensions or {}).get("retryAfterSeconds")
        raise Refused(429, error, **({"Retry_After": str(seconds)} if seconds else {})) from error


def check_fields(request_data: GraphQLRequestData, index: int | None = None) -> None:
    """Check the types of a request's fields; ``index`` is its index in a batch. Raises Refused: 400."""
    fields: tuple[tuple[str, object, type], ...] = (
        ("query", request_data.query, str),
        ("variables", request_data.variables, dict),
        ("operationName", request_data.operation_name, str),
        ("extensions", request_data.extensions, dict),
    )
    for name, value, expected in fields:
        if value is not None and not isinstance(value, expected):
            what = "a string" if expected is str else "an object"
            raise Refused(400, bad_input(f"Invalid type of `{name}`; {what} or null is expected.", name, index=index))


def refusal(request: Request, error: HTTPException) -> Response:
    """Return the response to a rejected request, in a format that it accepts."""
    refused = error if isinstance(error, Refused) else _refused(error)
    body = orjson.dumps({"errors": [refused.error.formatted]})
    formats: Formats | None = getattr(request.state, "formats", None)
    media_type = (formats and formats.json) or PLAIN_JSON
    return Response(body, refused.status_code, refused.headers, f"{media_type}; charset=utf-8")


def _refused(error: HTTPException) -> Refused:
    """Return Strawberry's exception as a :class:`Refused`."""
    allow = {"Allow": "GET, POST"} if error.status_code == 405 else {}
    return Refused(error.status_code, bad_input(error.reason, None), **allow)
