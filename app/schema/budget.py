"""Budget of a request: shared by the operations of a batch; each operation of a WebSocket has its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.schema.errors import MAX_TOKENS, ApiError, over_limit
from app.schema.limits import MAX_COST, MAX_DOCUMENT, MAX_RESPONSE, MAX_SECONDS

if TYPE_CHECKING:
    from app.schema.documents import Prepared

WATCHED_AFTER: Final = 0.05
"""Delay in seconds before the connection of a request is watched for a disconnect; most requests have ended by then."""


@dataclass(frozen=True, slots=True, eq=False)
class Allowance:
    """A limit of a request, and the error message if it is exceeded."""

    limit: int
    message: str


CHARACTERS: Final = Allowance(
    MAX_DOCUMENT,
    "The documents of the request have more than {limit} characters outside of strings; send values as variables.",
)
TOKENS: Final = Allowance(
    MAX_TOKENS, "The documents of the request have more than {limit} tokens; send values as variables."
)
COST: Final = Allowance(
    MAX_COST,
    "The request costs {amount} (fields times rows, statements, input values); at most {limit} is allowed. Use smaller "
    "pages or fewer fields, or send the operations one by one.",
)
RESPONSE: Final = Allowance(
    MAX_RESPONSE,
    "The stored values in the response have {amount} bytes or more; at most {limit} are allowed. Use a smaller "
    "`first`, or query operations one by one.",
)


class RequestBudget:
    """Amounts that a request has spent of its allowances, and its deadline.

    Attributes:
        documents: each document of the request by its text, or the error that rejected it: none is prepared twice.
    """

    __slots__ = ("_ends", "_running", "_spent", "documents")

    def __init__(self) -> None:
        self.documents: dict[str, Prepared | ApiError] = {}
        self._spent: dict[Allowance, int] = {}
        self._ends: float | None = None
        self._running: set[asyncio.Timeout] = set()

    def spent(self, allowance: Allowance) -> int:
        return self._spent.get(allowance, 0)

    def spend(self, allowance: Allowance, amount: int) -> None:
        """Spend an amount of an allowance.

        Raises:
            ApiError: LIMIT_EXCEEDED: less than the amount is left; nothing is spent.
        """
        total = self._spent.get(allowance, 0) + amount
        if total > allowance.limit:
            raise over_limit(allowance.message.format(limit=allowance.limit, amount=total), allowance.limit)
        self._spent[allowance] = total

    def renew(self, allowance: Allowance) -> None:
        """Reset the amount spent of an allowance."""
        self._spent.pop(allowance, None)

    async def bounded(self, work: Awaitable[Any]) -> Any:
        """Await the work of a query; cancel it and its statements at the request's deadline or on :meth:`end`.

        Raises:
            ApiError: LIMIT_EXCEEDED: the deadline has passed.
        """
        if self._ends is None:
            self._ends = asyncio.get_running_loop().time() + MAX_SECONDS
        scope = asyncio.timeout_at(self._ends)
        self._running.add(scope)
        try:
            async with scope:
                return await work
        except TimeoutError:
            message = (
                f"The queries of the request took longer than {MAX_SECONDS:g} s; fewer or smaller queries are expected."
            )
            raise over_limit(message, int(MAX_SECONDS)) from None
        finally:
            self._running.discard(scope)

    def end(self) -> None:
        """Cancel running queries, and those that start later."""
        self._ends = 0.0
        for scope in self._running:
            scope.reschedule(0.0)


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
