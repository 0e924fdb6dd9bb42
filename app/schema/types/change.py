"""What subscriptions tell beside transitions, and what mutations answer."""

from __future__ import annotations

import strawberry

from app.schema.scalars import DateTime
from app.schema.types.endpoint import Endpoint, ResourceState
from app.schema.types.operation import DeviceOperation
from app.schema.words import OperationStatus, Presence


@strawberry.type(description="A change of an endpoint's presence.")
class EndpointPresenceChange:
    cursor: str = strawberry.field(description="Opaque; orders the whole log of the system.")
    endpoint: Endpoint = strawberry.field(description="The endpoint, never older than this change.")
    presence: Presence = strawberry.field(description="What it became.")
    at: DateTime = strawberry.field(description="When.")


@strawberry.type(
    description="A value that a resource had, in order of arrival: a buffered one that comes late is older than the "
    "resource's state, which its `at` tells."
)
class ResourceChange:
    cursor: str = strawberry.field(description="Opaque; orders the whole log of the system.")
    endpoint: Endpoint = strawberry.field(description="The endpoint.")
    resource: ResourceState = strawberry.field(description="The resource with this value.")


@strawberry.type(description="How many operations have a status.")
class OperationCount:
    status: OperationStatus = strawberry.field(description="The status.")
    count: int = strawberry.field(description="How many operations have it.")


@strawberry.type(description="An operation that was asked for.")
class DeviceOperationPayload:
    operation: DeviceOperation = strawberry.field(description="The operation.")
    created: bool = strawberry.field(description="False when it had been made before with the same idempotency key.")
