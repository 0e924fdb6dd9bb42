"""Pages by keyset: a page goes on after the last row's sort key, so it costs the same at any depth and under inserts.

A list that is asked for several words of one column (three statuses) is read as one ordered branch per word, each cut
at the page's length, and merged: every branch is a walk along an index that ends early, however large the table is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.models.cursors import page_cursor

T = TypeVar("T")

COUNT_LIMIT: Final = 10_000
"""How far a total is counted."""


@dataclass(slots=True)
class Page(Generic[T]):
    """Rows of a list, with what Relay's ``PageInfo`` needs.

    Attributes:
        total: counts all rows that the criteria admit, when awaited: (count, whether it stopped at 10,000).
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
        """A page of ``first`` rows out of one row more than that, which says whether there is a next page."""
        items = found[:first]
        return cls(items, [page_cursor(kind, key(item)) for item in items], len(found) > first, continued, total)


def capped(count: int) -> tuple[int, bool]:
    """A count as a total."""
    return min(count, COUNT_LIMIT), count > COUNT_LIMIT


def merged(branches: Iterable[str], order: str, limit: str) -> str:
    """One SELECT out of ordered branches that have no row in common, cut at ``limit``."""
    parts = list(branches)
    if len(parts) == 1:
        return f"{parts[0]} ORDER BY {order} LIMIT {limit}"
    cut = [f"SELECT * FROM ({part} ORDER BY {order} LIMIT {limit}) b{n}" for n, part in enumerate(parts)]  # noqa: S608
    return f"{' UNION ALL '.join(cut)} ORDER BY {order} LIMIT {limit}"
