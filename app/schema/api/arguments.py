"""Annotated types of the arguments that several fields share, with their descriptions."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import strawberry

from app.schema.limits import DEFAULT_PAGE, MAX_PAGE

PREFIX: Final = '"/3" matches object 3 and everything below it, not object 3303.'

PageSize: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description=f"Maximum number of entries of the page, 1 to {MAX_PAGE} (above: LIMIT_EXCEEDED). Default, also "
        f"for null: {DEFAULT_PAGE}."
    ),
]
PageCursor: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of this list after which the page starts, such as `pageInfo.endCursor`. Default: the first "
        "page."
    ),
]
LogCursor: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Log cursor after which delivery starts: `Query.transitionCursor` or `cursor` of an event. "
        "Default: new events only; CURSOR_EXPIRED if the log was pruned beyond the cursor."
    ),
]
EventsOfEndpoint: TypeAlias = Annotated[
    str | None,
    strawberry.argument(description="Exact name of the endpoint whose events to deliver. Default: all endpoints."),
]
PathPrefix: TypeAlias = Annotated[
    str | None,
    strawberry.argument(description=f"Path at or below which resources are selected: {PREFIX} Default: all."),
]
PauseServer: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Name of the Leshan server; cannot be combined with `endpoint`. NOT_FOUND if it is unknown."
    ),
]
PauseEndpoint: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Name of the endpoint; cannot be combined with `leshanServer`. NOT_FOUND if it is unknown."
    ),
]
