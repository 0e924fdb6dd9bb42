"""Relay's ``Node`` and ``PageInfo``, and the total of a list."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import strawberry

from app.models.queries import Page

T = TypeVar("T")

ENTRY_CURSOR: Final = "Position in the list, for `after`. Opaque."
LOG_CURSOR: Final = "Position in the log of all transitions, presence changes and resource changes. Opaque."


@strawberry.interface(description="An object with a global id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id: opaque, and never changes.")


@strawberry.type(description="Position of a page within its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list continues after this page.")
    has_previous_page: bool = strawberry.field(description="Whether the page was requested with `after`.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first entry; null if the page is empty.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last entry, for `after` of the next page; null if the page is empty."
    )


class Total(Generic[T]):
    """Total of a list, counted on the first request and cached."""

    def __init__(self, page: Page[T]) -> None:
        self._page = page
        self._counted: tuple[int, bool] | None = None

    async def get(self) -> tuple[int, bool]:
        if self._counted is None:
            self._counted = await self._page.total()
        return self._counted


def page_info(page: Page[T]) -> PageInfo:
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )
