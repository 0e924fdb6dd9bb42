"""Readings of devices: single values, and series for plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import strawberry

from app.models.queries import Bucket, EndpointView, Interval, Page, ReadingView
from app.schema.api.enums import ReadingOrigin, TimeSource, ValueType
from app.schema.api.ids import global_id
from app.schema.api.scalars import JSON, DateTime, clamped_int, stored_json
from app.schema.api.types.device import Endpoint, endpoint_of
from app.schema.api.types.node import ENTRY_CURSOR, PageInfo, page_info
from app.schema.api.types.resource import NUMBER, NamedResource

READING: Final = "Reading"
REPORT: Final = "Report"


@strawberry.type(description="One value of one resource at one time.")
class Reading:
    id: strawberry.ID = strawberry.field(description="Id of the reading: opaque, and never changes.")
    endpoint: Endpoint = strawberry.field(description="The device that reported the value.")
    path: str = strawberry.field(description='Path of the resource, for example "/3303/0/5700".')
    type: ValueType = strawberry.field(
        description="LwM2M data type, which determines the form of `value` (see `JSON`)."
    )
    value: JSON = strawberry.field(description="The value. Null if it was deleted while it was read.")
    number: float | None = strawberry.field(description=NUMBER)
    at: DateTime = strawberry.field(
        description="Time of the value: the device's timestamp if it is plausible, otherwise the time of receipt."
    )
    received_at: DateTime = strawberry.field(description="Time at which Leshan received the value.")
    time_source: TimeSource = strawberry.field(description="Whose clock gave `at`.")
    origin: ReadingOrigin = strawberry.field(description="The kind of message that carried the value.")
    report_id: strawberry.ID = strawberry.field(
        description="Id of the message: equal for all values that one message carried. Opaque."
    )


@strawberry.type(description="Entry of a page of readings.")
class ReadingEdge:
    node: Reading = strawberry.field(description="The reading.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of readings.")
class ReadingConnection:
    edges: list[ReadingEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


@strawberry.type(description="The readings of one resource within one interval of a series.")
class ReadingBucket:
    from_: DateTime = strawberry.field(name="from", description="Start of the interval.")
    count: int = strawberry.field(description="Number of readings.")
    min: float | None = strawberry.field(description="Least number; null if no reading is a number.")
    max: float | None = strawberry.field(description="Greatest number; null if no reading is a number.")
    mean: float | None = strawberry.field(description="Mean of the numbers; null if no reading is a number.")
    last: JSON = strawberry.field(description="Newest value by (`at`, arrival).")
    last_at: DateTime = strawberry.field(description="Time of `last`.")


@strawberry.type(description="The readings of one resource, summarized by intervals of equal length.")
class ReadingSeries(NamedResource):
    bucket_seconds: float = strawberry.field(
        description="Length of each interval. One of an hour or more is a number of whole hours, and begins at one "
        "(UTC), also if that is before `from`: it is made of hourly aggregates, which are kept for longer than "
        "readings."
    )
    buckets: list[ReadingBucket] = strawberry.field(
        description="Intervals in order of time; those without readings are left out."
    )


def reading_of(view: ReadingView, endpoint: Endpoint) -> Reading:
    return Reading(
        id=strawberry.ID(global_id(READING, view.seq)),
        endpoint=endpoint,
        path=view.path,
        type=view.type,
        value=JSON(stored_json(view.value_json or "null")),
        number=view.number,
        at=DateTime(view.at),
        received_at=DateTime(view.received_at),
        time_source=view.time_source,
        origin=view.origin,
        report_id=strawberry.ID(global_id(REPORT, view.report)),
    )


def reading_connection(
    page: Page[ReadingView], views: Sequence[ReadingView], endpoints: Mapping[int, EndpointView]
) -> ReadingConnection:
    """Return the connection of a page; ``views`` are its items with the selected large values, whose ``endpoints`` are
    given by id. A reading whose endpoint was deleted meanwhile is left out."""
    known = {id_: endpoint_of(view) for id_, view in endpoints.items()}
    edges = [
        ReadingEdge(node=reading_of(view, known[view.endpoint_id]), cursor=cursor)
        for view, cursor in zip(views, page.cursors, strict=True)
        if view.endpoint_id in known
    ]
    return ReadingConnection(edges=edges, page_info=page_info(page))


def reading_series_of(endpoint_id: int, path: str, buckets: Sequence[Bucket], interval: Interval) -> ReadingSeries:
    return ReadingSeries(
        path=path,
        bucket_seconds=interval.width / 1_000_000,
        buckets=[
            ReadingBucket(
                from_=DateTime(bucket.start),
                count=clamped_int(bucket.count),
                min=bucket.low,
                max=bucket.high,
                mean=bucket.mean,
                last=JSON(stored_json(bucket.last_json or "null")),
                last_at=DateTime(bucket.last_at),
            )
            for bucket in buckets
        ],
        endpoint_id=endpoint_id,
    )
