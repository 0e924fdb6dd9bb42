"""The incoming side of an HTTP request: the limit of its body, and the watch for a client that disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.types import Message, Receive

from app.schema.budget import RequestBudget
from app.schema.errors import over_limit
from app.schema.transport.http_request import Refused

WATCHED_AFTER: Final = 0.05
"""Delay in seconds before the connection of a request is watched for a disconnect; most requests have ended by then."""


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
        self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER, self._start_watch)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start_watch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._complete():
            self._task = loop.create_task(self._watch(), name="client-watch")
        else:
            self._timer = loop.call_later(WATCHED_AFTER, self._start_watch)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._budget.end()
