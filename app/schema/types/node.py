"""Relay's Node and PageInfo."""

from __future__ import annotations

from typing import Generic, TypeVar

import strawberry

from app.models.queries import Page

T = TypeVar("T")


@strawberry.interface(description="Something with a global id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id: opaque, and the same for ever.")


@strawberry.type(description="Where a page stands within its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list goes on after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first entry.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last entry: `after` of the next page.")


class Total(Generic[T]):
    """A list's total, counted once and only when somebody asks."""

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
