"""Endpoints with their registration and resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import strawberry

from app.models.observations import Observed
from app.models.queries import EndpointView, Page, ResourceStateView
from app.schema.arguments import PageCursor, PageSize, PathPrefix
from app.schema.context import Info
from app.schema.enums import Presence, ValueType
from app.schema.fields import resolved
from app.schema.filters import checked_prefix, operation_criteria
from app.schema.ids import endpoint_id
from app.schema.inputs import DeviceOperationFilter
from app.schema.limits import DEFAULT_PAGE, page_size
from app.schema.scalars import JSON, DateTime, clamped_int, stored_json, time_or_none
from app.schema.types.node import ENTRY_CURSOR, Node, PageInfo, Total, page_info

if TYPE_CHECKING:
    from app.schema.types.operation import DeviceOperationConnection

OperationPage = Annotated["DeviceOperationConnection", strawberry.lazy("app.schema.types.operation")]


@strawberry.type(description="A device's registration at Leshan. Fields that Leshan did not report are null.")
class Registration:
    registration_id: str | None = strawberry.field(description="Registration id assigned by Leshan.")
    registered_at: DateTime = strawberry.field(description="Time at which the registration became known.")
    last_update_at: DateTime = strawberry.field(
        description="Time of the registration or of its last update, whichever is later."
    )
    lifetime_seconds: int | None = strawberry.field(
        description="Registration lifetime in seconds; values above 2,147,483,647 (68 years) are returned as that."
    )
    lwm2m_version: str | None = strawberry.field(
        name="lwm2mVersion", description="LwM2M version of the device, for example `1.1`."
    )
    binding_mode: str | None = strawberry.field(
        description="Transport bindings that the device supports, for example `U` for UDP."
    )
    queue_mode: bool | None = strawberry.field(
        description="Whether the device uses queue mode. If null, it is assumed to use it."
    )
    address: str | None = strawberry.field(description="Network address from which the device registered.")
    object_links: JSON | None = strawberry.field(
        description='Registered objects and object instances: `[{"url": "/3/0", "attributes": {..}}]`.'
    )


@strawberry.type(description="Latest known value of a resource.")
class ResourceState:
    path: str = strawberry.field(description='Path of the resource, for example "/3303/0/5700".')
    type: ValueType = strawberry.field(
        description="LwM2M data type, which determines the form of `value` (see `JSON`)."
    )
    value: JSON = strawberry.field(description="Latest known value.")
    at: DateTime = strawberry.field(
        description="Time of the value: the device's timestamp if it is plausible, otherwise the time of receipt. The "
        "state is the value with the greatest `at`; of equal times, the value that arrived last."
    )
    observed: bool = strawberry.field(
        description="Whether an observation (OBSERVE or OBSERVE_COMPOSITE) under the current registration covers the "
        "resource, so that changes are reported. False after a new registration, an update from another address, a "
        "cancellation or the end of the observation: the value may then be outdated until a new OBSERVE."
    )


@strawberry.type(description="A device, identified by its LwM2M endpoint client name.")
class Endpoint(Node):
    name: str = strawberry.field(description="LwM2M endpoint client name.")
    presence: Presence = strawberry.field(description="Reachability of the device.")
    awake_until: DateTime | None = strawberry.field(
        description="Time until which the device is assumed to listen: the last day of the year 9999 if no end is "
        "known, null if it is ASLEEP or OFFLINE."
    )
    awake_window_seconds: int | None = strawberry.field(
        description="Awake window set for this endpoint by `updateEndpoint`, in seconds: how long the device listens "
        "after a contact. Null if the default applies."
    )
    last_seen_at: DateTime | None = strawberry.field(
        description="Time of the last message that the device itself sent; null before the first. Timeouts, expiry and "
        "SLEEPING events do not change it."
    )
    registration: Registration | None = strawberry.field(
        description="Current registration; null while the device is not registered."
    )
    pending_operations: int = strawberry.field(description="Number of operations that are QUEUED or SENDING.")
    view: strawberry.Private[EndpointView]

    @resolved("Operations of the endpoint, newest first.")
    async def operations(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            DeviceOperationFilter | None,
            strawberry.argument(description="Criteria for the operations. Default: all operations of the endpoint."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> OperationPage:
        criteria = operation_criteria(filter, of_endpoint=self.name)
        return await info.context.reads.operation_page(criteria, page_size(first), after)

    @resolved("Latest known value of each resource, sorted by path.")
    async def resources(self, info: Info, path_prefix: PathPrefix = None) -> list[ResourceState]:
        states = await info.context.reads.resource_states(self.view.id, checked_prefix(path_prefix, "pathPrefix"))
        observed = observed_of(self.view)
        return [resource_state(state, observed) for state in states]


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


def endpoint_of(view: EndpointView) -> Endpoint:
    return Endpoint(
        id=strawberry.ID(endpoint_id(view.id)),
        name=view.name,
        presence=view.presence,
        awake_until=time_or_none(view.awake_until),
        awake_window_seconds=view.awake_window_seconds,
        last_seen_at=time_or_none(view.last_seen_at),
        registration=_registration(view),
        pending_operations=clamped_int(view.pending),
        view=view,
    )


def _registration(view: EndpointView) -> Registration | None:
    # the row of an OFFLINE endpoint keeps its registration, so that late events of it are recognized
    if view.registered_at is None or view.presence is Presence.OFFLINE:
        return None
    return Registration(
        registration_id=view.registration_id,
        registered_at=DateTime(view.registered_at),
        last_update_at=DateTime(view.last_update_at or view.registered_at),
        lifetime_seconds=None if view.lifetime_seconds is None else clamped_int(view.lifetime_seconds),
        lwm2m_version=view.lwm2m_version,
        binding_mode=view.binding_mode,
        queue_mode=view.queue_mode,
        address=view.address,
        object_links=stored_json(view.object_links_json),
    )


def resource_state(view: ResourceStateView, observed: Observed) -> ResourceState:
    return ResourceState(
        path=view.path,
        type=view.type,
        value=JSON(_stored(view.value_json)),
        at=DateTime(view.at),
        observed=observed.covers(view.path),
    )


def _stored(text: str | None) -> object:
    return None if text is None else orjson.Fragment(text)


def observed_of(view: EndpointView) -> Observed:
    return Observed(None if view.presence is Presence.OFFLINE else view.observations_json)


def endpoint_connection(page: Page[EndpointView], views: Sequence[EndpointView]) -> EndpointConnection:
    """Return the connection of a page; ``views`` are its items with the selected large values."""
    edges = [
        EndpointEdge(node=endpoint_of(view), cursor=cursor) for view, cursor in zip(views, page.cursors, strict=True)
    ]
    return EndpointConnection(edges=edges, page_info=page_info(page), total=Total(page))
