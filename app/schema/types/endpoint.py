"""A device, its registration and its resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import strawberry

from app.models.observations import Observed
from app.models.queries import EndpointView, Page, ResourceStateView
from app.schema.context import Info
from app.schema.fields import resolved
from app.schema.filters import checked_prefix, operation_criteria
from app.schema.ids import endpoint_id
from app.schema.inputs import DeviceOperationFilter
from app.schema.limits import DEFAULT_PAGE, page_size
from app.schema.scalars import JSON, DateTime, clamped_int, stored_json, time_or_none
from app.schema.types.node import Node, PageInfo, Total, page_info
from app.schema.words import Presence, ValueType

if TYPE_CHECKING:
    from app.schema.types.operation import DeviceOperationConnection

OperationPage = Annotated["DeviceOperationConnection", strawberry.lazy("app.schema.types.operation")]


@strawberry.type(description="A device's registration at Leshan. What Leshan did not tell is null.")
class Registration:
    registration_id: str | None = strawberry.field(description="Leshan's id of it.")
    registered_at: DateTime = strawberry.field(description="When it was heard of.")
    last_update_at: DateTime = strawberry.field(description="When the registration or its last update was heard.")
    lifetime_seconds: int | None = strawberry.field(
        description="How long it lasts without an update; at most 2,147,483,647 (68 years) is shown."
    )
    lwm2m_version: str | None = strawberry.field(name="lwm2mVersion", description="LwM2M version of the device.")
    binding_mode: str | None = strawberry.field(description='Transports that the device listens to, like "U".')
    queue_mode: bool | None = strawberry.field(description="Whether the device sleeps between its contacts.")
    address: str | None = strawberry.field(description="Network address that it registered from.")
    object_links: JSON | None = strawberry.field(description="The objects and instances that the device has.")


@strawberry.type(description="The latest known value of a resource.")
class ResourceState:
    path: str = strawberry.field(description='Path of the resource, like "/3303/0/5700".')
    type: ValueType = strawberry.field(description="Its LwM2M type, which fixes the form of the value.")
    value: JSON = strawberry.field(description="The value.")
    at: DateTime = strawberry.field(
        description="When the device had it, by its own clock where that was reported and can be right, else when it "
        "was received. The state of a resource is the value with the greatest `at`; of equal ones the last to arrive."
    )
    observed: bool = strawberry.field(
        description="Whether an observation (OBSERVE, or OBSERVE_COMPOSITE) that covers it stands with the present "
        "registration, so that changes are reported. False after a new registration, an update from another address, a "
        "cancellation, or the end of the observation; then the value may be old, and a new OBSERVE is needed."
    )


@strawberry.type(description="A device, known by its LwM2M endpoint client name.")
class Endpoint(Node):
    name: str = strawberry.field(description="The LwM2M endpoint client name.")
    presence: Presence = strawberry.field(description="Whether it can be reached now.")
    awake_until: DateTime | None = strawberry.field(
        description="Until when it is taken to listen; the last day of the year 9999 where no end is known."
    )
    awake_window_seconds: int | None = strawberry.field(
        description="How long it listens after it was heard; null: as the settings say."
    )
    last_seen_at: DateTime | None = strawberry.field(
        description="When the device itself last sent a message: never moved by SLEEPING, a time-out or an expiry."
    )
    registration: Registration | None = strawberry.field(description="Its registration; null while it has none.")
    pending_operations: int = strawberry.field(description="Operations that have not ended: QUEUED and SENDING.")
    view: strawberry.Private[EndpointView]

    @resolved("Its operations, newest first.")
    async def operations(
        self,
        info: Info,
        filter: DeviceOperationFilter | None = None,  # noqa: A002
        first: int | None = DEFAULT_PAGE,
        after: str | None = None,
    ) -> OperationPage:
        criteria = operation_criteria(filter, of_endpoint=self.name)
        return await info.context.reads.operation_page(criteria, page_size(first), after)

    @resolved("The latest known value of every resource, by path.")
    async def resources(self, info: Info, path_prefix: str | None = None) -> list[ResourceState]:
        states = await info.context.reads.resource_states(self.view.id, checked_prefix(path_prefix, "pathPrefix"))
        observed = observed_of(self.view)
        return [resource_state(state, observed) for state in states]


@strawberry.type(description="One endpoint of a page.")
class EndpointEdge:
    node: Endpoint = strawberry.field(description="The endpoint.")
    cursor: str = strawberry.field(description="Its place in the list.")


@strawberry.type(description="A page of endpoints, by name.")
class EndpointConnection:
    edges: list[EndpointEdge] = strawberry.field(description="The endpoints of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    total: strawberry.Private[Total[Any]]

    @resolved("How many endpoints the list has, counted to 10,000.")
    async def total_count(self) -> int:
        return (await self.total.get())[0]

    @resolved("Whether there are more than were counted.")
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
    # what an OFFLINE endpoint had is kept, so that late events of it are known for what they are
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
    """The connection of a page; ``views`` are its items with what is selected of them."""
    edges = [
        EndpointEdge(node=endpoint_of(view), cursor=cursor) for view, cursor in zip(views, page.cursors, strict=True)
    ]
    return EndpointConnection(edges=edges, page_info=page_info(page), total=Total(page))
