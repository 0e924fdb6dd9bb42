"""Input types: what clients write. What it has to look like is checked in ``app/schema/checks``."""

from __future__ import annotations

import strawberry

from app.schema.scalars import JSON, BigInt, DateTime
from app.schema.words import ContentFormat, OperationKind, OperationStatus, Presence, ReasonCode


@strawberry.input(description="Which operations are meant; all that is given has to hold.")
class DeviceOperationFilter:
    endpoint: str | None = strawberry.field(default=None, description="Name of the endpoint, exactly.")
    statuses: list[OperationStatus] | None = strawberry.field(default=None, description="One of these statuses.")
    kinds: list[OperationKind] | None = strawberry.field(default=None, description="One of these kinds.")
    path_prefix: str | None = strawberry.field(
        default=None, description='Whole parts of a path: "/3" is object 3, not 3303.'
    )
    created_after: DateTime | None = strawberry.field(default=None, description="Created after this time.")
    created_before: DateTime | None = strawberry.field(default=None, description="Created before this time.")
    endpoints: list[str] | None = strawberry.field(
        default=None, description="Names of endpoints, exactly: one of these, at most 1,000."
    )
    reasons: list[ReasonCode] | None = strawberry.field(
        default=None, description="One of these as the reason of the last transition."
    )
    batch: str | None = strawberry.field(default=None, description="Created with this `batch`, exactly.")
    created_by: str | None = strawberry.field(default=None, description="Created by this one, exactly.")
    retried: bool | None = strawberry.field(
        default=None,
        description="Whether it was asked for again: there is an operation that retries it.",
    )


@strawberry.input(description="Which endpoints are meant; all that is given has to hold.")
class EndpointFilter:
    name_contains: str | None = strawberry.field(default=None, description="A part of the name.")
    presences: list[Presence] | None = strawberry.field(default=None, description="One of these presences.")


@strawberry.input(description="A link to an object instance.")
class ObjectLinkInput:
    object_id: int = strawberry.field(description="Id of the object, 0 to 65534; 65535 in both is the null link.")
    object_instance_id: int = strawberry.field(description="Id of the instance, 0 to 65534.")


@strawberry.input(description="One instance of a multiple resource.")
class ResourceInstanceInput:
    id: int = strawberry.field(description="Id of the resource instance, 0 to 65535.")
    value: ResourceValueInput = strawberry.field(description="Its value; all instances have values of one type.")


@strawberry.input(one_of=True, description="A value with its LwM2M type: exactly one of these.")
class ResourceValueInput:
    string: strawberry.Maybe[str] = strawberry.field(description="STRING, at most 128 KiB.")
    integer: strawberry.Maybe[BigInt] = strawberry.field(description="INTEGER, -2^63 to 2^63-1.")
    unsigned_integer: strawberry.Maybe[BigInt] = strawberry.field(description="UNSIGNED_INTEGER, 0 to 2^64-1.")
    float_: strawberry.Maybe[float] = strawberry.field(name="float", description="FLOAT, finite.")
    boolean: strawberry.Maybe[bool] = strawberry.field(description="BOOLEAN.")
    opaque: strawberry.Maybe[str] = strawberry.field(
        description="OPAQUE, two hex digits for each byte; at most REVEILLE_MAX_OPAQUE bytes."
    )
    time: strawberry.Maybe[DateTime] = strawberry.field(description="TIME; devices keep whole seconds.")
    object_link: strawberry.Maybe[ObjectLinkInput] = strawberry.field(description="OBJLNK.")
    core_link: strawberry.Maybe[str] = strawberry.field(description="CORELINK, text in CoRE link format.")
    multiple: strawberry.Maybe[list[ResourceInstanceInput]] = strawberry.field(
        description="The instances of a multiple resource, at most 1,000; an empty list clears it."
    )
    node: strawberry.Maybe[JSON] = strawberry.field(
        description=(
            "A whole object instance in Leshan's node form, for CREATE and for a write to an object instance: "
            '`{"kind": "instance", "resources": [{"id": 1, "kind": "singleResource", "type": "STRING", "value": "a"}]}`'
        )
    )


@strawberry.input(description="One resource, or resource instance, of a composite write.")
class CompositeValueInput:
    path: str = strawberry.field(description="Path of a resource or of a resource instance.")
    value: ResourceValueInput = strawberry.field(description="One value; neither `multiple` nor `node`.")


@strawberry.input(description="Attributes that steer notifications (LwM2M Core 1.1, 7.3). At least one is expected.")
class AttributesInput:
    pmin: int | None = strawberry.field(default=None, description="Seconds at least between two notifications.")
    pmax: int | None = strawberry.field(default=None, description="Seconds at most between two notifications.")
    gt: float | None = strawberry.field(default=None, description="Notify when the value crosses this from below.")
    lt: float | None = strawberry.field(default=None, description="Notify when the value crosses this from above.")
    st: float | None = strawberry.field(default=None, description="Notify when the value changed by this much.")
    epmin: int | None = strawberry.field(default=None, description="Seconds at least between two evaluations.")
    epmax: int | None = strawberry.field(default=None, description="Seconds at most between two evaluations.")


@strawberry.input(description="An operation to be queued. What a kind has no use for may not be given.")
class CreateDeviceOperationInput:
    endpoint: str = strawberry.field(description="Name of the endpoint; it has to be known (`provisionEndpoint`).")
    kind: OperationKind | None = strawberry.field(default=OperationKind.WRITE, description="What is asked of it.")
    path: str | None = strawberry.field(
        default=None, description='Where, with or without the leading slash: "/5/0/1". Not for composites.'
    )
    paths: list[str] | None = strawberry.field(
        default=None, description="Where, for READ_COMPOSITE, OBSERVE_COMPOSITE and CANCEL_OBSERVE_COMPOSITE."
    )
    value: ResourceValueInput | None = strawberry.field(
        default=None, description="What, for WRITE and CREATE. A CREATE without it leaves all resources to the device."
    )
    values: list[CompositeValueInput] | None = strawberry.field(
        default=None, description="What and where, for WRITE_COMPOSITE."
    )
    replace: bool | None = strawberry.field(
        default=True,
        description="WRITE to an object instance or a multiple resource: false is LwM2M's partial update.",
    )
    arguments: str | None = strawberry.field(default=None, description="EXECUTE: arguments in LwM2M's form, `0='a',1`.")
    attributes: AttributesInput | None = strawberry.field(default=None, description="What, for WRITE_ATTRIBUTES.")
    priority: int | None = strawberry.field(
        default=0, description="-100 to 100; a higher one goes first within the endpoint."
    )
    max_attempts: int | None = strawberry.field(
        default=None, description="1 to 100 attempts that may reach the device; default from the settings (3)."
    )
    repeatable: bool | None = strawberry.field(
        default=None, description="Whether doing it twice does no harm; default by kind: all but CREATE and EXECUTE."
    )
    ttl_seconds: int | None = strawberry.field(
        default=None, description="EXPIRED when still QUEUED after so many seconds; without it, never."
    )
    timeout_seconds: int | None = strawberry.field(
        default=None, description="1 to 600 seconds that Leshan waits for the device; default from the settings (30)."
    )
    format: ContentFormat | None = strawberry.field(
        default=None, description="Content format; default: the best that the device registered, else Leshan's choice."
    )
    validate_range: bool | None = strawberry.field(
        default=True,
        description=(
            "WRITE, CREATE, WRITE_COMPOSITE: whether a value outside of the range in the device's object model is "
            "refused, as far as the range's text is clear. False sends it."
        ),
    )
    supersede: bool | None = strawberry.field(
        default=False, description="WRITE: cancels older QUEUED writes to the same path of the endpoint."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description=(
            "At most 255 characters. Within an endpoint the same key and input answers the operation made before; "
            "another input is a CONFLICT."
        ),
    )
    batch: str | None = strawberry.field(
        default=None,
        description=(
            "At most 255 characters: a word of your own for operations that belong together, by which they are found, "
            "canceled and retried together."
        ),
    )


@strawberry.input(description="Settings of one endpoint. What is left out stays as it is; null takes it back.")
class UpdateEndpointInput:
    awake_window_seconds: strawberry.Maybe[int | None] = strawberry.field(
        description="5 to 86400 seconds that the device listens after it was heard; null: as the settings say."
    )
