"""Events of subscriptions other than transitions, counts, and payloads of mutations."""

from __future__ import annotations

import strawberry

from app.schema.api.enums import OperationStatus
from app.schema.api.types.campaign import Campaign, CampaignTarget
from app.schema.api.types.device import DeviceOperation, Endpoint
from app.schema.api.types.node import LOG_CURSOR
from app.schema.api.types.presence import PresenceChange
from app.schema.api.types.resource import ResourceState


@strawberry.type(description="A change of an endpoint's presence.")
class EndpointPresenceChange(PresenceChange):
    endpoint: Endpoint = strawberry.field(description="The endpoint as of this change or later.")


@strawberry.type(
    description="A resource value as it arrived. A value that the device buffered may be older than the current state: "
    "compare `resource.at`."
)
class ResourceChange:
    cursor: str = strawberry.field(description=LOG_CURSOR)
    endpoint: Endpoint = strawberry.field(description="The endpoint as of this change or later.")
    resource: ResourceState = strawberry.field(description="The resource with this value.")


@strawberry.type(description="A change of a campaign: of its status, wave or reason, or of one of its targets.")
class CampaignProgress:
    cursor: str = strawberry.field(description=LOG_CURSOR)
    campaign: Campaign = strawberry.field(description="The campaign as of this change or later.")
    target: CampaignTarget | None = strawberry.field(
        description="The target that changed, as of this change or later; null if the campaign itself did."
    )


@strawberry.type(description="Number of operations with one status.")
class OperationCount:
    status: OperationStatus = strawberry.field(description="The status.")
    count: int = strawberry.field(description="Number of operations with this status.")


@strawberry.type(description="Result of creating or retrying an operation.")
class DeviceOperationPayload:
    operation: DeviceOperation = strawberry.field(
        description="The new operation, or the existing one with the same idempotency key."
    )
    created: bool = strawberry.field(
        description="Whether the operation is new; false if it already existed with the same idempotency key."
    )


@strawberry.type(description="Result of creating one operation for each endpoint that matches a filter.")
class CreateForPayload:
    created: int = strawberry.field(description="Number of operations that were created, by all requests of the batch.")
    passed_over: int = strawberry.field(
        description="Number of endpoints without an operation: its registration or object model excludes it, its "
        "`sequence` or the endpoint's queue is full, or the endpoint was deleted meanwhile."
    )
    batch: str = strawberry.field(description="Name of the batch.")
