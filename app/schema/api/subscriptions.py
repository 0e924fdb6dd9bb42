"""GraphQL subscriptions to the log. After a cursor, they deliver stored events first and then live ones, each once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, TypeVar

import strawberry

from app.models.cursors import parse_log_cursor
from app.models.live import (
    Lagged,
    LiveCampaignChange,
    LivePresence,
    LiveResource,
    LiveTransition,
    TransitionCriteria,
)
from app.models.queries import operations_by_id
from app.models.queries.campaigns import campaign_by_id
from app.schema.api.arguments import EventsOfEndpoint, LogCursor, PathPrefix
from app.schema.api.checks import checked_prefix, optional_text
from app.schema.api.context import Info
from app.schema.api.enums import OperationStatus
from app.schema.api.fields import followed
from app.schema.api.ids import NoSuchId, parse_campaign_id, parse_operation_id
from app.schema.api.scalars import DateTime
from app.schema.api.types.campaign import campaign_of, target_of
from app.schema.api.types.change import CampaignProgress, EndpointPresenceChange, ResourceChange
from app.schema.api.types.device import OperationTransition, endpoint_of, operation_of, transition_of
from app.schema.api.types.resource import observed_of, resource_state
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import MAX_CREATED
from app.telemetry import LAGGED_SUBSCRIBERS, SUBSCRIBERS

Event = TypeVar("Event", LiveTransition, LivePresence, LiveResource, LiveCampaignChange)


@strawberry.type(
    description="Subscriptions, which deliver every event after a cursor exactly once, in log order. A client that "
    "receives too slowly gets the error LAGGED; `extensions.cursor` is the cursor after which to resume."
)
class Subscription:
    @followed("Status transitions of operations.")
    async def operation_transitions(
        self,
        info: Info,
        endpoint: EventsOfEndpoint = None,
        operation_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Global ids of the operations whose transitions to deliver, at most 1,000; NOT_FOUND if "
                "one does not exist. Default: all operations."
            ),
        ] = None,
        to_statuses: Annotated[
            list[OperationStatus] | None,
            strawberry.argument(description="New statuses of the transitions to deliver. Default: all statuses."),
        ] = None,
        after: LogCursor = None,
    ) -> AsyncGenerator[OperationTransition, None]:
        keys = None if operation_ids is None else await _operation_keys(operation_ids)
        criteria = TransitionCriteria(
            optional_text(endpoint, "endpoint"), keys, None if to_statuses is None else frozenset(to_statuses)
        )
        return _transitions(info, criteria, _position(after))

    @followed("Changes of the presence of endpoints.")
    async def endpoint_presence(
        self, info: Info, endpoint: EventsOfEndpoint = None, after: LogCursor = None
    ) -> AsyncGenerator[EndpointPresenceChange, None]:
        return _presences(info, optional_text(endpoint, "endpoint"), _position(after))

    @followed("Resource values that devices report, in order of arrival.")
    async def resource_changes(
        self,
        info: Info,
        endpoint: EventsOfEndpoint = None,
        path_prefix: PathPrefix = None,
        after: LogCursor = None,
    ) -> AsyncGenerator[ResourceChange, None]:
        prefix = checked_prefix(path_prefix, "pathPrefix")
        return _resources(info, optional_text(endpoint, "endpoint"), prefix, _position(after))

    @followed("Changes of a campaign and its targets.")
    async def campaign_progress(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID, strawberry.argument(description="Global id of the campaign. NOT_FOUND if there is none.")
        ],
        after: LogCursor = None,
    ) -> AsyncGenerator[CampaignProgress, None]:
        return _progress(info, await _campaign_key(id), _position(after))


def _position(after: str | None) -> int | None:
    return None if after is None else parse_log_cursor(after)


async def _operation_keys(ids: list[strawberry.ID]) -> tuple[str, ...]:
    if len(ids) > MAX_CREATED:
        raise over_limit(f"Too many operation ids ({len(ids)}); at most {MAX_CREATED} are allowed.", MAX_CREATED)
    keys: dict[str, str] = {}
    for index, id_ in enumerate(ids):
        try:
            keys[parse_operation_id(id_)] = id_
        except NoSuchId as error:
            raise bad_input(str(error), f"operationIds.{index}") from None
    missing = keys.keys() - (await operations_by_id(list(keys))).keys()
    if missing:
        raise ApiError(Code.NOT_FOUND, "Unknown operation id.", field="operationIds", id=keys[min(missing)])
    return tuple(keys)


async def _campaign_key(id_: str) -> int:
    try:
        key = parse_campaign_id(id_)
        known = await campaign_by_id(key)
    except NoSuchId:
        known = None
    if known is None:
        raise ApiError(Code.NOT_FOUND, "Unknown campaign.", field="id")
    return known.id


async def _transitions(
    info: Info, criteria: TransitionCriteria, after: int | None
) -> AsyncGenerator[OperationTransition, None]:
    async with aclosing(_follow(info, info.context.services.live.transitions(criteria, after))) as events:
        async for event in events:
            (loaded,) = await info.context.reads.operations([event.operation], {event.endpoint.id: event.endpoint})
            yield transition_of(event.transition, operation_of(loaded))


async def _presences(
    info: Info, endpoint: str | None, after: int | None
) -> AsyncGenerator[EndpointPresenceChange, None]:
    async with aclosing(_follow(info, info.context.services.live.presences(endpoint, after))) as events:
        async for event in events:
            (whole,) = await info.context.reads.whole_endpoints([event.endpoint])
            yield EndpointPresenceChange(
                cursor=event.cursor,
                endpoint=endpoint_of(whole),
                presence=event.change.presence,
                at=DateTime(event.change.at),
            )


async def _resources(
    info: Info, endpoint: str | None, prefix: str | None, after: int | None
) -> AsyncGenerator[ResourceChange, None]:
    async with aclosing(_follow(info, info.context.services.live.resources(endpoint, prefix, after))) as events:
        async for event in events:
            (whole,) = await info.context.reads.whole_endpoints([event.endpoint])
            yield ResourceChange(
                cursor=event.cursor,
                endpoint=endpoint_of(whole),
                resource=resource_state(
                    await info.context.reads.resource_state(event.change), whole.id, observed_of(whole)
                ),
            )


async def _progress(info: Info, campaign_id: int, after: int | None) -> AsyncGenerator[CampaignProgress, None]:
    async with aclosing(_follow(info, info.context.services.live.campaigns(campaign_id, after))) as events:
        async for event in events:
            reads = info.context.reads
            (whole,) = await reads.fleet.whole_campaigns([event.campaign])
            if event.endpoint is not None:
                reads.fleet.keep_endpoint((await reads.whole_endpoints([event.endpoint]))[0])
            yield CampaignProgress(
                cursor=event.cursor,
                campaign=campaign_of(whole),
                target=None if event.target is None else target_of(event.target),
            )


async def _follow(info: Info, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Yield events, each with fresh reads: an event is completely executed before the next one is received."""
    with SUBSCRIBERS.track_inprogress():
        try:
            async with aclosing(events):
                async for event in events:
                    info.context.reads.begin_event()
                    info.context.last_seq = event.seq
                    yield event
        except Lagged:
            LAGGED_SUBSCRIBERS.inc()
            raise
