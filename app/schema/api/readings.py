"""Queries of what devices reported, and of the object models that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.domain.enums import Instant
from app.domain.object_models import VERSION
from app.domain.paths import LEVELS, InvalidPath, LwM2mPath
from app.models.queries import (
    INLINE,
    EndpointView,
    Interval,
    ReadingCriteria,
    endpoint_by_name,
    endpoints_by_id,
    latest_page,
    reading_page,
    reading_series,
)
from app.schema.api.arguments import PREFIX, PageCursor, PageSize
from app.schema.api.checks import checked_prefix, plain_text
from app.schema.api.context import Info
from app.schema.api.fields import resolved
from app.schema.api.filters import endpoint_criteria
from app.schema.api.inputs import EndpointFilter
from app.schema.api.scalars import DateTime
from app.schema.api.types.object_model import ObjectModel, object_model_of
from app.schema.api.types.reading import ReadingConnection, ReadingSeries, reading_connection, reading_series_of
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import DEFAULT_PAGE, DEFAULT_POINTS, MAX_PAGE, MAX_POINTS, MAX_SERIES, READING_PAGE, page_size

EndpointName = Annotated[str, strawberry.argument(description="LwM2M endpoint client name, exactly.")]


@strawberry.type
class ReadingQuery:
    """Queries of readings and object models."""

    @resolved(
        "Readings of an endpoint, newest first by (`at`, arrival). NOT_FOUND for an unknown endpoint. How long "
        "readings are kept is a setting of the server."
    )
    async def readings(
        self,
        info: Info,
        *,
        endpoint: EndpointName,
        path: Annotated[
            str | None,
            strawberry.argument(description=f"Path at or below which readings are selected: {PREFIX} Default: all."),
        ] = None,
        from_: Annotated[
            DateTime | None,
            strawberry.argument(name="from", description="Earliest `at`, inclusive. Default: no limit."),
        ] = None,
        to: Annotated[
            DateTime | None, strawberry.argument(description="Latest `at`, exclusive. Default: no limit.")
        ] = None,
        first: Annotated[
            int | None,
            strawberry.argument(
                description=f"Maximum number of entries of the page, 1 to {MAX_PAGE} (above: LIMIT_EXCEEDED)."
            ),
        ] = READING_PAGE,
        after: PageCursor = None,
    ) -> ReadingConnection | None:
        reads = info.context.reads
        view = await _known(info, endpoint)
        criteria = ReadingCriteria(view.id, checked_prefix(path, "path"), from_, to)
        size = page_size(READING_PAGE if first is None else first)
        page = await reading_page(criteria, size, after, reads.large)
        (whole,) = await reads.whole_endpoints([view])
        return reading_connection(page, await reads.whole_readings(page.items), {view.id: whole})

    @resolved(
        "Readings of resources of an endpoint summarized by intervals of equal length, for plots: one series for each "
        "of `paths`, in their order. NOT_FOUND for an unknown endpoint."
    )
    async def reading_series(
        self,
        info: Info,
        *,
        endpoint: EndpointName,
        paths: Annotated[
            list[str],
            strawberry.argument(description=f"Paths of resources or resource instances, at most {MAX_SERIES}."),
        ],
        from_: Annotated[DateTime, strawberry.argument(name="from", description="Earliest `at`, inclusive.")],
        to: Annotated[DateTime, strawberry.argument(description="Latest `at`, exclusive.")],
        points: Annotated[
            int | None, strawberry.argument(description=f"Maximum number of intervals, 1 to {MAX_POINTS}.")
        ] = DEFAULT_POINTS,
    ) -> list[ReadingSeries] | None:
        resources = _resources(paths)
        interval = _interval(from_, to, DEFAULT_POINTS if points is None else points)
        view = await _known(info, endpoint)
        reads, wanted = info.context.reads, list(dict.fromkeys(resources))
        found = await reading_series(view.id, wanted, interval, reads.large)
        buckets = [bucket for path in resources for bucket in found.get(path, ())]
        reads.reserve(sum(bucket.weight for bucket in buckets))
        if any(bucket.weight > INLINE for bucket in buckets):
            found = await reading_series(view.id, wanted, interval)
        return [reading_series_of(view.id, path, found.get(path, ()), interval) for path in resources]

    @resolved("Latest reading of one resource of each endpoint that has one, sorted by the endpoint's name.")
    async def latest_readings(
        self,
        info: Info,
        path: Annotated[
            str, strawberry.argument(description='Path of a resource or resource instance, for example "/3303/0/5700".')
        ],
        filter: Annotated[  # noqa: A002
            EndpointFilter | None,
            strawberry.argument(description="Criteria for the endpoints. Default: all endpoints."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> ReadingConnection | None:
        reads = info.context.reads
        resource = _resource(path, "path")
        page = await latest_page(resource, endpoint_criteria(filter), page_size(first), after, reads.large)
        views = await reads.whole_readings(page.items)
        endpoints = await endpoints_by_id({view.endpoint_id for view in views}, reads.large)
        whole = await reads.whole_endpoints([*endpoints.values()])
        return reading_connection(page, views, {view.id: view for view in whole})

    @resolved("Definition of an object as a Leshan server provided it; null if it is not known.")
    async def object_model(
        self,
        info: Info,
        object_id: Annotated[int, strawberry.argument(description="Id of the object.")],
        version: Annotated[
            str | None,
            strawberry.argument(description='Version, for example "1.1". Default: the newest known one.'),
        ] = None,
    ) -> ObjectModel | None:
        if version is not None and not VERSION.fullmatch(version):
            raise bad_input(f"Invalid version {version[:20]!r}; a version such as 1.1 is expected.", "version")
        model = await info.context.services.object_models.one(object_id, version)
        return object_model_of(model) if model else None


async def _known(info: Info, name: str) -> EndpointView:
    view = await endpoint_by_name(plain_text(name, "endpoint"), info.context.reads.large)
    if view is None:
        raise ApiError(Code.NOT_FOUND, f"Unknown endpoint {name!r}.", field="endpoint")
    return view


def _resource(text: str, field: str) -> str:
    """Return the path of a resource or resource instance with its leading slash: a Send names the instances of a
    multiple resource one by one.

    Raises:
        ApiError: BAD_USER_INPUT: another path.
    """
    try:
        path = LwM2mPath.parse(text)
    except InvalidPath as error:
        raise bad_input(str(error), field) from None
    if path.resource_id is None:
        raise bad_input(
            f"{path} is {LEVELS[path.depth - 1]}; the path of a resource or resource instance is expected.", field
        )
    return str(path)


def _resources(paths: Sequence[str]) -> list[str]:
    if not paths:
        raise bad_input("At least one path is expected.", "paths")
    if len(paths) > MAX_SERIES:
        raise over_limit(f"Too many paths ({len(paths)}); at most {MAX_SERIES} are allowed.", MAX_SERIES)
    return [_resource(path, f"paths.{index}") for index, path in enumerate(paths)]


def _interval(start: Instant, end: Instant, points: int) -> Interval:
    if end <= start:
        raise bad_input("`to` is not after `from`.", "to")
    if points < 1:
        raise bad_input(f"`points` is {points}; 1 to {MAX_POINTS} is expected.", "points")
    if points > MAX_POINTS:
        raise over_limit(f"`points` is {points}; at most {MAX_POINTS} is allowed.", MAX_POINTS)
    return Interval.of(start, end, points)
