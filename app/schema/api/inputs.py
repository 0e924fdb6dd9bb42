"""GraphQL input types. Fields declare their checks; ``input_validation.py`` validates an operation as a whole."""

from __future__ import annotations

import strawberry

from app.domain.paths import MAX_ID
from app.schema.api.arguments import PREFIX
from app.schema.api.checks import (
    checked_field,
    checked_prefix,
    checked_tags,
    distinct,
    distinct_names,
    plain_text,
    substring,
    within,
)
from app.schema.api.enums import ContentFormat, OperationKind, OperationStatus, Presence, ReasonCode
from app.schema.api.scalars import JSON, BigInt, DateTime
from app.schema.limits import ATTEMPTS, PRIORITY, TTL_SECONDS


@strawberry.input(description="Criteria for operations; an operation has to match all that are given.")
class DeviceOperationFilter:
    endpoint: str | None = checked_field(plain_text, description="Exact name of the endpoint.")
    statuses: list[OperationStatus] | None = checked_field(
        distinct, description="Any of these statuses; an empty list matches nothing."
    )
    kinds: list[OperationKind] | None = checked_field(
        distinct, description="Any of these kinds; an empty list matches nothing."
    )
    path_prefix: str | None = checked_field(
        checked_prefix, description=f"Path at or below which `path` lies: {PREFIX} Composite kinds do not match."
    )
    created_after: DateTime | None = checked_field(description="Time of creation, exclusive minimum.")
    created_before: DateTime | None = checked_field(description="Time of creation, exclusive maximum.")
    endpoints: list[str] | None = checked_field(
        distinct_names, description="Any of these exact endpoint names, at most 1,000; an empty list matches nothing."
    )
    reasons: list[ReasonCode] | None = checked_field(
        distinct, description="Any of these reasons for the last transition; an empty list matches nothing."
    )
    batch: str | None = checked_field(plain_text, description="Exact batch name given at creation.")
    created_by: str | None = checked_field(plain_text, description="Exact name of the user who created the operation.")
    retried: bool | None = checked_field(description="Whether there is an operation that retries this one (`retryOf`).")


@strawberry.input(description="Criteria for endpoints; an endpoint has to match all that are given.")
class EndpointFilter:
    name_contains: str | None = checked_field(
        substring, description="Substring of the name, case-sensitive and without wildcards."
    )
    presences: list[Presence] | None = checked_field(
        distinct, description="Any of these presences; an empty list matches nothing."
    )
    names: list[str] | None = checked_field(
        distinct_names, description="Any of these exact names, at most 1,000; an empty list matches nothing."
    )
    tags: list[str] | None = checked_field(
        checked_tags, description="All of these tags, at most 50; an empty list matches every endpoint."
    )
    object_id: int | None = checked_field(
        within((0, MAX_ID)), description="Id of an object that the endpoint's current registration has."
    )
    last_seen_after: DateTime | None = checked_field(description="`lastSeenAt`, exclusive minimum.")
    last_seen_before: DateTime | None = checked_field(
        description="`lastSeenAt`, exclusive maximum. Endpoints that were never seen do not match."
    )
    has_pending: bool | None = checked_field(
        description="Whether the endpoint has operations that are QUEUED or SENDING."
    )
    overdue: bool | None = checked_field(description="Whether the endpoint is overdue (`Endpoint.overdue`).")


@strawberry.input(description="A link to an object instance.")
class ObjectLinkInput:
    object_id: int = strawberry.field(description="Object id, 0 to 65534; 65535 in both fields is the null link.")
    object_instance_id: int = strawberry.field(
        description="Object instance id, 0 to 65534; 65535 in both fields is the null link."
    )


@strawberry.input(description="One instance of a multiple-instance resource.")
class ResourceInstanceInput:
    id: int = strawberry.field(description="Resource instance id, 0 to 65535.")
    value: ResourceValueInput = strawberry.field(
        description="Single value, without `multiple` and `node`; all instances have values of the same type."
    )


@strawberry.input(one_of=True, description="A value with its LwM2M data type: exactly one field.")
class ResourceValueInput:
    string: strawberry.Maybe[str] = strawberry.field(description="STRING value, at most 128 KiB in UTF-8.")
    integer: strawberry.Maybe[BigInt] = strawberry.field(description="INTEGER value, -2^63 to 2^63-1.")
    unsigned_integer: strawberry.Maybe[BigInt] = strawberry.field(description="UNSIGNED_INTEGER value, 0 to 2^64-1.")
    float_: strawberry.Maybe[float] = strawberry.field(name="float", description="FLOAT value, finite.")
    boolean: strawberry.Maybe[bool] = strawberry.field(description="BOOLEAN value.")
    opaque: strawberry.Maybe[str] = strawberry.field(
        description="OPAQUE value, two hexadecimal digits for each byte; at most `REVEILLE_MAX_OPAQUE` bytes "
        "(default 131,072)."
    )
    time: strawberry.Maybe[DateTime] = strawberry.field(description="TIME value; devices store whole seconds.")
    object_link: strawberry.Maybe[ObjectLinkInput] = strawberry.field(description="OBJLNK value.")
    core_link: strawberry.Maybe[str] = strawberry.field(description="CORELINK value, in CoRE Link Format (RFC 6690).")
    multiple: strawberry.Maybe[list[ResourceInstanceInput]] = strawberry.field(
        description="Instances of a multiple-instance resource, at most 1,000; an empty list clears the resource."
    )
    node: strawberry.Maybe[JSON] = strawberry.field(
        description=(
            "Whole object instance in Leshan's node form, for CREATE and for WRITE to an object instance: "
            '`{"kind": "instance", "resources": [{"id": 1, "kind": "singleResource", "type": "STRING", "value": "a"}]}`'
        )
    )


@strawberry.input(description="One value of a WRITE_COMPOSITE.")
class CompositeValueInput:
    path: str = strawberry.field(description='Path of a resource or resource instance, for example "/3303/0/5750".')
    value: ResourceValueInput = strawberry.field(description="Single value, without `multiple` and `node`.")


@strawberry.input(description="Notification attributes (LwM2M Core 1.1, 7.3); at least one is required.")
class AttributesInput:
    pmin: int | None = strawberry.field(
        default=None, description="Minimum period between notifications in seconds, 0 to `pmax`."
    )
    pmax: int | None = strawberry.field(
        default=None, description="Maximum period between notifications in seconds, `pmin` or more."
    )
    gt: float | None = strawberry.field(
        default=None,
        description="Upper threshold of a resource: notify when the value crosses it. Above `lt` + 2 * `st`.",
    )
    lt: float | None = strawberry.field(
        default=None, description="Lower threshold of a resource: notify when the value crosses it."
    )
    st: float | None = strawberry.field(
        default=None, description="Step of a resource, above 0: notify when the value changed by at least this much."
    )
    epmin: int | None = strawberry.field(
        default=None, description="Minimum period between evaluations in seconds, 0 to `epmax`."
    )
    epmax: int | None = strawberry.field(
        default=None, description="Maximum period between evaluations in seconds, `epmin` or more."
    )


@strawberry.input(
    description="An operation to create for each of several endpoints. A field that does not apply to the kind must be "
    "omitted, else the error is BAD_USER_INPUT."
)
class DeviceOperationTemplateInput:
    kind: OperationKind | None = strawberry.field(
        default=OperationKind.WRITE, description="Kind of LwM2M operation. Default: WRITE."
    )
    path: str | None = strawberry.field(
        default=None,
        description='Target path, with or without leading slash, for example "/5/0/1". Required for all kinds except '
        "composites.",
    )
    paths: list[str] | None = strawberry.field(
        default=None,
        description="Target paths, 1 to 100. Required for READ_COMPOSITE, OBSERVE_COMPOSITE and "
        "CANCEL_OBSERVE_COMPOSITE.",
    )
    value: ResourceValueInput | None = strawberry.field(
        default=None,
        description="Value, required for WRITE and optional for CREATE: without it, the device sets all resources of "
        "the new instance.",
    )
    values: list[CompositeValueInput] | None = strawberry.field(
        default=None, description="Values with their paths, 1 to 100. Required for WRITE_COMPOSITE."
    )
    replace: bool | None = strawberry.field(
        default=True,
        description="Whether a WRITE replaces its target (default: true). False means a partial update, which only "
        "object instances and multiple-instance resources support.",
    )
    arguments: str | None = strawberry.field(
        default=None,
        description="Arguments of an EXECUTE in LwM2M's format, for example `0='a',1`. Default: none.",
    )
    attributes: AttributesInput | None = strawberry.field(
        default=None, description="Attributes to set, required for WRITE_ATTRIBUTES."
    )
    priority: int | None = checked_field(
        within(PRIORITY),
        setting=True,
        default=0,
        description="Priority within the endpoint, -100 to 100: higher values are sent first. Default: 0.",
    )
    max_attempts: int | None = checked_field(
        within(ATTEMPTS),
        setting=True,
        description="Maximum number of attempts that may reach the device, 1 to 100. Default: `REVEILLE_MAX_ATTEMPTS` "
        "(3).",
    )
    repeatable: bool | None = checked_field(
        setting=True,
        description="Whether the operation may be executed twice, and is therefore retried after an unknown outcome. "
        "Default: false for CREATE and for EXECUTE (except of `/1/x/8`), true for other kinds.",
    )
    ttl_seconds: int | None = checked_field(
        within(TTL_SECONDS),
        setting=True,
        description="Time to live in seconds, 1 or more: the operation becomes EXPIRED if it is still QUEUED after it. "
        "Default: unlimited.",
    )
    timeout_seconds: int | None = strawberry.field(
        default=None,
        description="Time that Leshan waits for the device's answer, 1 to 600 seconds. Default: "
        "`REVEILLE_LESHAN_TIMEOUT` (30).",
    )
    format: ContentFormat | None = strawberry.field(
        default=None,
        description="Content format; composites accept SENML_JSON and SENML_CBOR only. Default: the best format that "
        "the device registered, otherwise Leshan's default.",
    )
    validate_range: bool | None = strawberry.field(
        default=True,
        description=(
            "Whether a value of a WRITE, CREATE or WRITE_COMPOSITE outside the range in the device's object model is "
            "BAD_USER_INPUT; ranges whose text is ambiguous are not checked. Default: true."
        ),
    )
    supersede: bool | None = checked_field(
        setting=True,
        default=False,
        description="Whether a WRITE cancels older QUEUED writes to the same path of the endpoint (SUPERSEDED). "
        "Default: false.",
    )
    not_before: DateTime | None = checked_field(
        setting=True,
        description=(
            "Time before which the operation is not sent, at most ten years ahead and before the end of `ttlSeconds`, "
            "which count from the creation. Until then it is QUEUED and holds back no other operation, except those of "
            "its `sequence`. Default: none."
        ),
    )
    sequence: str | None = checked_field(
        plain_text,
        setting=True,
        description=(
            "Name of a sequence within the endpoint, 1 to 255 characters, to be used once, for example a UUID. Its "
            "operations are sent one after the other in the order of their creation, whatever their priorities. Once "
            "one ends otherwise than CONFIRMED, those behind it, also new ones, are CANCELED (SEQUENCE_STOPPED). At "
            "most 5,000 of them may be QUEUED. Default: none."
        ),
    )


@strawberry.input(
    description="An operation to create. A field that does not apply to the kind must be omitted, else the error is "
    "BAD_USER_INPUT."
)
class CreateDeviceOperationInput(DeviceOperationTemplateInput):
    endpoint: str = strawberry.field(
        description="Exact name of the endpoint, which must exist (see `provisionEndpoint`)."
    )
    idempotency_key: str | None = checked_field(
        plain_text,
        setting=True,
        description=(
            "Key of this input, unique within the endpoint, 1 to 255 characters: the same key and input return the "
            "existing operation, another input is CONFLICT. Default: none."
        ),
    )
    batch: str | None = checked_field(
        plain_text,
        setting=True,
        description=(
            "Name of a group of operations, 1 to 255 characters, by which filters select them. Default: none."
        ),
    )


@strawberry.input(description="Settings of an endpoint. An omitted field is not changed; null restores the default.")
class UpdateEndpointInput:
    awake_window_seconds: strawberry.Maybe[int | None] = strawberry.field(
        description="Awake window in seconds, 5 to 86400: how long the device listens after a contact. Null restores "
        "the default: the registration attribute `at` if the server supports it, else `REVEILLE_AWAKE_WINDOW`."
    )
    tags: strawberry.Maybe[list[str] | None] = strawberry.field(
        description="Tags, replacing all present ones: at most 50, each of 1 to 100 characters. Null removes all."
    )


@strawberry.input(description="An observation rule.")
class ObservationRuleInput:
    name: str = strawberry.field(description="Unique name, 1 to 255 characters.")
    filter: EndpointFilter = strawberry.field(
        description="Criteria for the endpoints to which the rule applies; an empty filter selects all. They are "
        "evaluated at each registration, and after each change of a rule."
    )
    paths: list[str] | None = strawberry.field(
        default=None,
        description='Paths to observe, at most 100; "*" stands for every instance of the object that the device '
        'registered, for example "/3303/*/5700". `paths` or `readPaths` is required.',
    )
    composite: bool | None = strawberry.field(
        default=False, description="Whether to observe all paths in one composite observation (LwM2M 1.1)."
    )
    attributes: AttributesInput | None = strawberry.field(
        default=None,
        description="Notification attributes, written to each path before it is observed. With `pmax`, an observation "
        "without reports for twice that time is STALE.",
    )
    read_paths: list[str] | None = strawberry.field(
        default=None, description="Paths to read at every registration, at most 100, in the form of `paths`."
    )
    enabled: bool | None = strawberry.field(
        default=True, description="Whether the rule is in force; the observations of a disabled one are canceled."
    )


@strawberry.input(description="A firmware package that devices download from another server.")
class FirmwarePackageInput:
    name: str = strawberry.field(description="Name, 1 to 255 characters.")
    version: str = strawberry.field(
        description="Version exactly as devices that run it report it (`/3/0/3`), 1 to 255 characters."
    )
    uri: str = strawberry.field(
        description="Address from which devices download it: coap, coaps, http, https, coap+tcp or coaps+tcp, at most "
        "255 bytes."
    )
    size: BigInt | None = strawberry.field(default=None, description="Size in bytes, if it is known.")
    sha256: str | None = strawberry.field(default=None, description="SHA-256 as 64 hex digits, if it is known.")
