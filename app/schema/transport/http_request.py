"""Requests of GraphQL over HTTP: limit of the body, accepted formats, disconnects, and the response to a rejection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive
from strawberry.http import GraphQLRequestData

from app.schema.budget import RequestBudget
from app.schema.errors import ApiError, bad_input, over_limit
from app.schema.limits import MAX_ACCEPT
from app.schema.transport.content_negotiation import PLAIN_JSON, Formats, response_formats

WATCHED_AFTER: Final = 0.05
"""Delay in seconds before the connection of a request is watched for a disconnect; most requests have ended by then."""


class Refused(HTTPException):
    """Rejection of a request, with the error of the response."""

    def __init__(self, status: int, error: ApiError, **headers: str) -> None:
        super().__init__(status, error.message)
        self.error = error
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class RequestAdapter(StarletteRequestAdapter):
    """Strawberry's request adapter with the request's ``state``, and with the media type in lower case."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.state = request.state

    @property
    def content_type(self) -> str | None:
        given = super().content_type
        return given.lower() if given else None


class Body:
    """ASGI ``receive`` that raises Refused as soon as the body has more than ``most`` bytes.

    Attributes:
        complete: whether the whole body was received.
    """

    def __init__(self, receive: Receive, most: int, *, empty: bool) -> None:
        self._receive = receive
        self._most = self._left = most
        self.complete = empty

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise Refused(
                413, over_limit(f"Request body too large; at most {self._most} bytes are allowed.", self._most)
            )
        self.complete = not message.get("more_body", False)
        return message


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


class ClientWatch:
    """Watcher that ends a request's queries when its HTTP client disconnects.

    Args:
        receive: ASGI ``receive`` of the request; called only after the whole body, so that it returns the disconnect.
        complete: returns whether the whole body was received.
    """

    __slots__ = ("_budget", "_complete", "_receive", "_task", "_timer")

    def __init__(
        self, budget: RequestBudget, receive: Callable[[], Awaitable[Any]], complete: Callable[[], bool]
    ) -> None:
        self._budget, self._receive, self._complete = budget, receive, complete
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER, self._look)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._complete():
            self._task = loop.create_task(self._watch(), name="client-watch")
        else:
            self._timer = loop.call_later(WATCHED_AFTER, self._look)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._budget.end()
