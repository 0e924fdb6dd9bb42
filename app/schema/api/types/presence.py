"""The history of an endpoint's presence."""

from __future__ import annotations

import strawberry

from app.models.cursors import log_cursor
from app.models.queries import EndpointView, Page, PresenceChangeView, presence_page
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.enums import Presence
from app.schema.api.fields import resolved
from app.schema.api.scalars import DateTime
from app.schema.api.types.node import ENTRY_CURSOR, LOG_CURSOR, PageInfo, page_info
from app.schema.limits import DEFAULT_PAGE, page_size


@strawberry.type(description="A change of the presence of the endpoint that lists it.")
class PresenceChange:
    cursor: str = strawberry.field(description=LOG_CURSOR)
    presence: Presence = strawberry.field(description="New presence.")
    at: DateTime = strawberry.field(description="Time of the change.")


@strawberry.type(description="Entry of a page of presence changes.")
class PresenceChangeEdge:
    node: PresenceChange = strawberry.field(description="The change.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of an endpoint's presence changes, newest first.")
class PresenceChangeConnection:
    edges: list[PresenceChangeEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


@strawberry.type
class EndpointPresences:
    view: strawberry.Private[EndpointView]

    @resolved("Changes of the presence, newest first; they are stored for as long as ended operations are.")
    async def presence_changes(
        self, first: PageSize = DEFAULT_PAGE, after: PageCursor = None
    ) -> PresenceChangeConnection:
        return presence_connection(await presence_page(self.view.id, page_size(first), after))


def presence_connection(page: Page[PresenceChangeView]) -> PresenceChangeConnection:
    edges = [
        PresenceChangeEdge(
            node=PresenceChange(cursor=log_cursor(view.seq), presence=view.presence, at=DateTime(view.at)),
            cursor=cursor,
        )
        for view, cursor in zip(page.items, page.cursors, strict=True)
    ]
    return PresenceChangeConnection(edges=edges, page_info=page_info(page))
