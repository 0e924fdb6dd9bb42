"""Budget of a request: shared by the operations of a batch; each operation of a WebSocket has its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

from app.schema.errors import over_limit
from app.schema.limits import MAX_COST, MAX_DOCUMENT, MAX_RESPONSE, MAX_SECONDS, MAX_TOKENS


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
    """Amounts that a request has spent of its allowances, and its deadline."""

    __slots__ = ("_ends", "_running", "_spent")

    def __init__(self) -> None:
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
