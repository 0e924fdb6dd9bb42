"""Keyset pagination: a page continues after the last row's sort key, so it costs the same at any depth and under
inserts.

A list filtered by several values of one column (three statuses) is read as one ordered branch per value, each limited
to the page's length, and merged: every branch is an index scan that ends early, however large the table is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.models.cursors import page_cursor

T = TypeVar("T")

COUNT_LIMIT: Final = 10_000
"""Limit up to which a total is counted."""


@dataclass(slots=True)
class Page(Generic[T]):
    """Rows of a list, with the data for Relay's ``PageInfo``.

    Attributes:
        total: counts all rows that match the criteria, when awaited: (count, whether it stopped at 10,000).
    """

    items: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    total: Callable[[], Awaitable[tuple[int, bool]]]

    @classmethod
    def of(
        cls,
        kind: str,
        found: list[T],
        first: int,
        key: Callable[[T], int | str],
        *,
        continued: bool,
        total: Callable[[], Awaitable[tuple[int, bool]]],
    ) -> Page[T]:
        """Return a page of ``first`` rows. ``found`` has one row more if there is a next page."""
        items = found[:first]
        return cls(items, [page_cursor(kind, key(item)) for item in items], len(found) > first, continued, total)


def capped(count: int) -> tuple[int, bool]:
    """Return a count as a total."""
    return min(count, COUNT_LIMIT), count > COUNT_LIMIT


async def uncounted(found: int) -> tuple[int, bool]:
    """Return the number of rows that were read, as the total of a list whose total the API does not show."""
    return capped(found)


def merged(branches: Iterable[str], order: str, limit: str) -> str:
    """Merge ordered branches that have no row in common into one SELECT, limited to ``limit``."""
    parts = list(branches)
    if len(parts) == 1:
        return f"{parts[0]} ORDER BY {order} LIMIT {limit}"
    cut = [f"SELECT * FROM ({part} ORDER BY {order} LIMIT {limit}) b{n}" for n, part in enumerate(parts)]  # noqa: S608
    return f"{' UNION ALL '.join(cut)} ORDER BY {order} LIMIT {limit}"
