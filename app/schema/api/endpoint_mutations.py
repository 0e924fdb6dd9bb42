"""Mutations of endpoints: creation, settings, tags and deletion.

``tagEndpoints`` and ``deleteEndpoint`` run in consecutive short transactions, so that other commands are served in
between.
"""

from __future__ import annotations

from typing import Annotated, Final

import strawberry

from app.models.ledger import Configure, DeleteEndpoint, Provision, RemoveRest, TagEndpoints
from app.models.ledger.metadata import KEEP
from app.models.queries import (
    EndpointCriteria,
    EndpointView,
    count_endpoints,
    endpoint_by_id,
    endpoint_by_name,
    endpoint_keys,
)
from app.schema.api.checks import checked_tags, plain_text
from app.schema.api.context import Info
from app.schema.api.fields import mutation
from app.schema.api.filters import endpoint_criteria
from app.schema.api.ids import endpoint_id
from app.schema.api.inputs import EndpointFilter, UpdateEndpointInput
from app.schema.api.ledger_gateway import submit
from app.schema.api.scalars import clamped_int
from app.schema.api.types.device import Endpoint, endpoint_of
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import MAX_TAGGED
from app.security import Role
from app.settings import AWAKE_WINDOW, AWAKE_WINDOW_REASON

PIECE: Final = 200
"""Maximum number of endpoints in one transaction, which holds the append lock."""


@strawberry.type
class EndpointMutation:
    @mutation(
        "Create an endpoint before its first registration. Returns the existing endpoint if there is one.",
        Role.OPERATOR,
    )
    async def provision_endpoint(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="LwM2M endpoint client name, 1 to 255 characters.")],
    ) -> Endpoint | None:
        return await _endpoint(await submit(info.context, Provision(plain_text(name, "name"))))

    @mutation("Change the settings of an endpoint.", Role.OPERATOR)
    async def update_endpoint(
        self,
        info: Info,
        name: Annotated[
            str, strawberry.argument(description="Exact name of the endpoint. NOT_FOUND if there is none.")
        ],
        input: Annotated[  # noqa: A002
            UpdateEndpointInput, strawberry.argument(description="Settings to change.")
        ],
    ) -> Endpoint | None:
        plain_text(name, "name")
        seconds = KEEP if input.awake_window_seconds is None else _awake_window(input.awake_window_seconds.value)
        tags = None if input.tags is None else checked_tags(input.tags.value or (), "tags")
        if seconds == KEEP and tags is None:
            return endpoint_of(await known_endpoint(name, "name"))
        return await _endpoint(await submit(info.context, Configure(name, seconds, tags)))

    @mutation(
        "Add tags to the endpoints that match a filter, and remove others, at most 200,000 endpoints in transactions "
        "of 200. Returns the number of endpoints that were changed. LIMIT_EXCEEDED if one would have more than 50 "
        "tags. An error in a later transaction gives the number changed before it in `extensions.changed`; repeating "
        "the mutation changes the rest.",
        Role.OPERATOR,
    )
    async def tag_endpoints(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            EndpointFilter, strawberry.argument(description="Criteria for the endpoints; without any, all endpoints.")
        ],
        add: Annotated[
            list[str] | None, strawberry.argument(description="Tags to add, each of 1 to 100 characters.")
        ] = None,
        remove: Annotated[list[str] | None, strawberry.argument(description="Tags to remove.")] = None,
        expected_count: Annotated[
            int | None,
            strawberry.argument(
                description="Number of endpoints that match. If it differs, nothing is changed and the error is "
                "CONFLICT with the actual number in `extensions.count`. Default: any number."
            ),
        ] = None,
    ) -> int | None:
        criteria = endpoint_criteria(filter)
        added, removed = checked_tags(add or (), "add"), checked_tags(remove or (), "remove")
        if not added and not removed:
            raise bad_input("No tags; at least one in `add` or `remove` is expected.", "add")
        if common := set(added).intersection(removed):
            raise bad_input(f"The tag {min(common)!r} is in `add` and in `remove`.", "remove")
        await _check_count(criteria, expected_count)
        total, after = 0, ""
        while keys := await endpoint_keys(criteria, PIECE, after):
            try:
                total += await submit(info.context, TagEndpoints([id_ for id_, _ in keys], added, removed))
            except ApiError as error:
                facts = dict(error.extensions or {})
                raise ApiError(Code(facts.pop("code")), error.message, **{**facts, "changed": total}) from None
            after = keys[-1][1]
        return clamped_int(total)

    @mutation(
        "Delete an endpoint: its QUEUED operations are CANCELED (ENDPOINT_DELETED), its resources are deleted, and it "
        "is in no list any more. Its operations remain for `REVEILLE_RETENTION` days. A later registration or update "
        "of the device creates it as a new endpoint. Returns the id that it had. CONFLICT while a call to it is open, "
        "with the operation in `extensions.id`.",
        Role.OPERATOR,
    )
    async def delete_endpoint(
        self,
        info: Info,
        name: Annotated[
            str, strawberry.argument(description="Exact name of the endpoint. NOT_FOUND if there is none.")
        ],
    ) -> strawberry.ID | None:
        by = info.context.viewer.name
        deleted = await submit(info.context, DeleteEndpoint(plain_text(name, "name"), by))
        while deleted.more:
            deleted = await submit(info.context, RemoveRest(deleted.id))
        return strawberry.ID(endpoint_id(deleted.id))


async def known_endpoint(name: str, field: str) -> EndpointView:
    """Return the endpoint of this name.

    Raises:
        ApiError: NOT_FOUND; BAD_USER_INPUT: an invalid name.
    """
    view = await endpoint_by_name(plain_text(name, field))
    if view is None:
        raise ApiError(Code.NOT_FOUND, f"Unknown endpoint {name!r}; create it with provisionEndpoint.", field=field)
    return view


async def _endpoint(id_: int) -> Endpoint | None:
    view = await endpoint_by_id(id_)
    return endpoint_of(view) if view else None


def _awake_window(seconds: int | None) -> int | None:
    if seconds is not None and not AWAKE_WINDOW[0] <= seconds <= AWAKE_WINDOW[1]:
        least, most = AWAKE_WINDOW
        message = f"Invalid awake window of {seconds} s; {least} to {most} s are expected: {AWAKE_WINDOW_REASON}."
        raise bad_input(message, "awakeWindowSeconds")
    return seconds


async def _check_count(criteria: EndpointCriteria, expected: int | None) -> None:
    """Raise CONFLICT if the number of endpoints that match is not the expected one, LIMIT_EXCEEDED if it is too
    large."""
    actual = await count_endpoints(criteria, MAX_TAGGED + 1)
    if actual > MAX_TAGGED:
        raise over_limit(f"The filter matches more than {MAX_TAGGED} endpoints.", MAX_TAGGED)
    if expected is not None and actual != expected:
        message = f"The filter matches {actual} endpoints, not {expected}; nothing was changed."
        raise ApiError(Code.CONFLICT, message, count=actual)
