"""What one request may still spend: a batch shares it, an operation of a WebSocket has its own."""

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
"""Seconds after which the connection of a request is watched: most requests have ended by then."""


@dataclass(frozen=True, slots=True, eq=False)
class Allowance:
    """A limit of a request, and the message where it is exceeded."""

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
    """The allowances of one request, and its time.

    Attributes:
        documents: what was made of each of the request's texts, or why it was refused: none is prepared twice.
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
        """Spend so much of an allowance.

        Raises:
            ApiError: LIMIT_EXCEEDED: there is not so much left; nothing is spent then.
        """
        total = self._spent.get(allowance, 0) + amount
        if total > allowance.limit:
            raise over_limit(allowance.message.format(limit=allowance.limit, amount=total), allowance.limit)
        self._spent[allowance] = total

    def renew(self, allowance: Allowance) -> None:
        """Begin again with this allowance."""
        self._spent.pop(allowance, None)

    async def bounded(self, work: Awaitable[Any]) -> Any:
        """Await the work of a query. It is canceled, with its statements, when the request's time is over or
        :meth:`end` is called.

        Raises:
            ApiError: LIMIT_EXCEEDED: the time is over.
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
        """Cancel the queries that run, and those that would begin."""
        self._ends = 0.0
        for scope in self._running:
            scope.reschedule(0.0)


class ClientWatch:
    """Ends a request's queries when its HTTP client has disconnected.

    Args:
        receive: of the request; it is called when the body was received, so that only the disconnect comes.
        complete: whether the body was received.
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
