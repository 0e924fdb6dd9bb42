"""Pages of endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from app.models.queries import EndpointView, Page
from app.schema.api.fields import resolved
from app.schema.api.types.device import Endpoint, endpoint_of
from app.schema.api.types.node import ENTRY_CURSOR, PageInfo, Total, page_info


@strawberry.type(description="Entry of a page of endpoints.")
class EndpointEdge:
    node: Endpoint = strawberry.field(description="The endpoint.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of endpoints, sorted by name.")
class EndpointConnection:
    edges: list[EndpointEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")
    total: strawberry.Private[Total[Any]]

    @resolved("Number of endpoints in the whole list, counted up to 10,000.")
    async def total_count(self) -> int:
        return (await self.total.get())[0]

    @resolved("Whether the list has more entries than `totalCount`, because counting stopped at 10,000.")
    async def total_count_capped(self) -> bool:
        return (await self.total.get())[1]


def endpoint_connection(page: Page[EndpointView], views: Sequence[EndpointView]) -> EndpointConnection:
    """Return the connection of a page; ``views`` are its items with the selected large values."""
    edges = [
        EndpointEdge(node=endpoint_of(view), cursor=cursor) for view, cursor in zip(views, page.cursors, strict=True)
    ]
    return EndpointConnection(edges=edges, page_info=page_info(page), total=Total(page))
