"""Endpoints and their operations, which refer to each other, with the transitions of the operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Annotated, Any, Final, cast

import strawberry

from app.domain.enums import SECOND
from app.domain.object_models import registered_instances
from app.models.cursors import log_cursor
from app.models.fields import load_json
from app.models.object_models import stored_links, stored_versions
from app.models.operation import OPERATION_COLUMNS, Operation
from app.models.queries import EndpointView, Page, TransitionView, transition_page
from app.schema.api.arguments import PageCursor, PageSize, PathPrefix
from app.schema.api.checks import checked_prefix
from app.schema.api.context import Info
from app.schema.api.enums import (
    ContentFormat,
    Delivery,
    OperationKind,
    OperationStatus,
    Presence,
    ReasonCode,
    ValueType,
    WaitingFor,
)
from app.schema.api.fields import resolved
from app.schema.api.filters import operation_criteria
from app.schema.api.ids import endpoint_id, operation_id
from app.schema.api.inputs import DeviceOperationFilter
from app.schema.api.reads import LoadedOperation
from app.schema.api.scalars import JSON, DateTime, clamped_int, stored_json
from app.schema.api.types.firmware_package import written_value
from app.schema.api.types.firmware_update import EndpointFirmware
from app.schema.api.types.node import ENTRY_CURSOR, LOG_CURSOR, Node, PageInfo, Total, page_info
from app.schema.api.types.object_model import EndpointObject, object_model_of
from app.schema.api.types.observation import EndpointObservations
from app.schema.api.types.presence import EndpointPresences
from app.schema.api.types.registration import Registration, registration_of
from app.schema.api.types.resource import ResourceState, observed_of, resource_state
from app.schema.limits import DEFAULT_PAGE, page_size

_ABSENT: Any = None
"""Placeholder for a value that the document does not select."""


@strawberry.type(description="A device, identified by its LwM2M endpoint client name.")
class Endpoint(EndpointPresences, EndpointObservations, EndpointFirmware, Node):
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
    tags: list[str] = strawberry.field(description='Tags, sorted: free text, conventionally "key:value".')
    first_seen_at: DateTime | None = strawberry.field(
        description="Time of the first message that the device itself sent; null before it."
    )
    next_contact_by: DateTime | None = strawberry.field(
        description="Time of the last registration or update plus the lifetime; null if either is not known."
    )
    usual_contact_interval_seconds: int | None = strawberry.field(
        description="Median of the intervals between the last contacts that the device made by itself, not counting "
        "messages within the awake window of another contact; in seconds, null before the third contact."
    )
    overdue: bool = strawberry.field(description="No message for two usual intervals, or past `nextContactBy`.")

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
    ) -> DeviceOperationConnection:
        criteria = operation_criteria(filter, of_endpoint=self.name)
        return operation_connection(*await info.context.reads.operation_page(criteria, page_size(first), after))

    @resolved("Latest known value of each resource, sorted by path.")
    async def resources(self, info: Info, path_prefix: PathPrefix = None) -> list[ResourceState]:
        states = await info.context.reads.resource_states(self.view.id, checked_prefix(path_prefix, "pathPrefix"))
        observed = observed_of(self.view)
        return [resource_state(state, self.view.id, observed) for state in states]

    @resolved("Objects that the device registered, sorted by id; those of its last registration while it is OFFLINE.")
    async def objects(self, info: Info) -> list[EndpointObject]:
        links, lwm2m_version = await info.context.reads.registered_objects(self.view.id)
        versions = stored_versions(links, lwm2m_version)
        instances = registered_instances(stored_links(links)) or {}
        models = await info.context.services.object_models.exact(versions)
        return [
            EndpointObject(
                object_id=id_,
                version=versions[id_],
                instances=sorted(instances.get(id_, ())),
                model=object_model_of(models[id_]) if id_ in models else None,
            )
            for id_ in sorted(versions)
        ]


@strawberry.type(description="One status transition of an operation.")
class OperationTransition:
    cursor: str = strawberry.field(description=LOG_CURSOR)
    operation: DeviceOperation = strawberry.field(description="The operation as of this transition or later.")
    number: int = strawberry.field(description="Number within the operation, starting at 1 without gaps.")
    from_status: OperationStatus | None = strawberry.field(
        description="Previous status; null for the first transition."
    )
    to_status: OperationStatus = strawberry.field(description="New status.")
    attempt: int = strawberry.field(
        description="Number of the attempt among all attempts (`deliveryAttempts`); 0 before the first."
    )
    reason: ReasonCode | None = strawberry.field(
        description="Reason for the transition; null where there is none, as on creation, sending and success."
    )
    detail: str | None = strawberry.field(
        description="Text of the device or of Leshan, or the paths missing from the answer and why; null if there is "
        "none."
    )
    at: DateTime = strawberry.field(description="Time of the transition.")


@strawberry.type(description="An LwM2M operation on one device, from its creation to its final status.")
class DeviceOperation(Node):
    endpoint: Endpoint = strawberry.field(description="Device that the operation is for.")
    kind: OperationKind = strawberry.field(description="Kind of LwM2M operation.")
    path: str | None = strawberry.field(
        description='Target path, for example "/5/0/1"; null for composite kinds, which use `paths`.'
    )
    paths: list[str] = strawberry.field(description="All target paths, also of a kind with a single `path`.")
    value_type: ValueType | None = strawberry.field(
        description="Data type of the written `value`; null for a whole object instance and for kinds other than WRITE."
    )
    value: JSON | None = strawberry.field(
        description="Value of a WRITE, or the object instance of a WRITE or CREATE in Leshan's node form; "
        '`{"firmwarePackage": id}` for the content of that package. Null for other kinds.'
    )
    values: JSON | None = strawberry.field(
        description="Values of a WRITE_COMPOSITE, `{path: value}`. Null for other kinds."
    )
    replace: bool | None = strawberry.field(
        description="Whether a WRITE replaces its target; false is a partial update. Null for other kinds."
    )
    arguments: str | None = strawberry.field(description="Arguments of an EXECUTE; null if there are none.")
    attributes: JSON | None = strawberry.field(
        description="Attributes of a WRITE_ATTRIBUTES, `{name: number}`. Null for other kinds."
    )
    status: OperationStatus = strawberry.field(description="Current status.")
    version: int = strawberry.field(
        description="Number of the last transition: of two copies of an operation, the higher version is the newer one."
    )
    delivery: Delivery = strawberry.field(description="Whether a request reached the device, over all attempts.")
    attempts: int = strawberry.field(
        description="Number of counted attempts: those that the device may have received and that did not succeed. "
        "Limited by `maxAttempts`; `deliveryAttempts` counts all attempts."
    )
    max_attempts: int = strawberry.field(description="Maximum number of counted attempts (`attempts`), 1 to 100.")
    delivery_attempts: int = strawberry.field(
        description="Number of all attempts, counted or not: `OperationTransition.attempt` of the last one. 0 before "
        "the first."
    )
    priority: int = strawberry.field(
        description="Priority within the endpoint, -100 to 100: higher values are sent first."
    )
    repeatable: bool = strawberry.field(
        description="Whether the operation may be executed twice, and is therefore retried after an unknown outcome."
    )
    validated: bool = strawberry.field(
        description="Whether the operation was checked against the device's object model: false if that was not known, "
        "and for operations of observation rules, firmware updates and campaigns."
    )
    timeout_seconds: int = strawberry.field(
        description="Time that Leshan waits for the device's answer, in seconds (1 to 600)."
    )
    format: ContentFormat | None = strawberry.field(description="Requested content format; null if none was requested.")
    created_at: DateTime = strawberry.field(description="Time of creation.")
    last_attempt_at: DateTime | None = strawberry.field(
        description="Time at which the last attempt started; null before the first."
    )
    finished_at: DateTime | None = strawberry.field(description="Time of the final status; null until then.")
    expires_at: DateTime | None = strawberry.field(
        description="Time at which the operation becomes EXPIRED if it is still QUEUED; null without a time to live."
    )
    reason: ReasonCode | None = strawberry.field(
        description="Reason for the last transition; null where there is none, as on creation, sending and success."
    )
    detail: str | None = strawberry.field(
        description="Text of the device or of Leshan for the last transition; null if there is none."
    )
    waiting_for: WaitingFor = strawberry.field(description="Event or condition that the operation waits for next.")
    device_status: str | None = strawberry.field(
        description='Response code of the device as Leshan reports it, for example "CHANGED(204)"; null without an '
        "answer."
    )
    answer: JSON | None = strawberry.field(
        description="Result of a CONFIRMED operation: values by path for READ and OBSERVE kinds, links for DISCOVER, "
        '`{"location": "/3442/8"}` for CREATE. Null for other kinds and statuses.'
    )
    idempotency_key: str | None = strawberry.field(description="Idempotency key given at creation; null if none.")
    created_by: str | None = strawberry.field(
        description="Name of the user who created the operation (`REVEILLE_AUTH`), `reveille` for an observation "
        "rule; null if it is not known."
    )
    batch: str | None = strawberry.field(description="Batch name given at creation; null if none.")
    not_before: DateTime | None = strawberry.field(
        description="Time before which the operation is not sent; null if none was given."
    )
    sequence: str | None = strawberry.field(
        description="Name of the sequence of operations of this endpoint to which the operation belongs; null if none."
    )
    last_transition: OperationTransition = strawberry.field(description="Latest transition.")
    row: strawberry.Private[Operation]

    @resolved("Operation that this one retries; null if this is no retry, or if that operation was deleted.")
    async def retry_of(self, info: Info) -> DeviceOperation | None:
        seq = self.row.retry_of
        loaded = None if seq is None else await info.context.reads.operation_by_seq(seq)
        return None if loaded is None else operation_of(loaded)

    @resolved("Transitions of the operation, oldest first.")
    async def transitions(
        self, info: Info, first: PageSize = DEFAULT_PAGE, after: PageCursor = None
    ) -> OperationTransitionConnection:
        page = await transition_page(self.row.seq, page_size(first), after)
        if info.context.reads.steps_repeat:
            whole = self.row.weight + (0 if self.endpoint is _ABSENT else self.endpoint.view.weight)
            info.context.reads.reserve(len(page.items) * whole)
        info.context.reads.reserve(sum(len(step.detail or "") for step in page.items))
        return transition_connection(self, page)


@strawberry.type(description="Entry of a page of operations.")
class DeviceOperationEdge:
    node: DeviceOperation = strawberry.field(description="The operation.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of operations, newest first.")
class DeviceOperationConnection:
    edges: list[DeviceOperationEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")
    total: strawberry.Private[Total[Any]]

    @resolved("Number of operations in the whole list, counted up to 10,000.")
    async def total_count(self) -> int:
        return (await self.total.get())[0]

    @resolved("Whether the list has more entries than `totalCount`, because counting stopped at 10,000.")
    async def total_count_capped(self) -> bool:
        return (await self.total.get())[1]


@strawberry.type(description="Entry of a page of transitions.")
class OperationTransitionEdge:
    node: OperationTransition = strawberry.field(description="The transition.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of an operation's transitions, oldest first.")
class OperationTransitionConnection:
    edges: list[OperationTransitionEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


def endpoint_of(view: EndpointView) -> Endpoint:
    usual = view.usual_contact_interval
    return Endpoint(
        id=strawberry.ID(endpoint_id(view.id)),
        name=view.name,
        presence=view.presence,
        awake_until=cast("DateTime | None", view.awake_until),
        awake_window_seconds=view.awake_window_seconds,
        last_seen_at=cast("DateTime | None", view.last_seen_at),
        registration=registration_of(view),
        pending_operations=clamped_int(view.queued + view.sending),
        tags=view.tags,
        first_seen_at=cast("DateTime | None", view.first_seen_at),
        next_contact_by=cast("DateTime | None", view.next_contact_by),
        usual_contact_interval_seconds=None if usual is None else clamped_int(round(usual / SECOND)),
        overdue=view.overdue,
        view=view,
    )


_CONVERTED: Final = frozenset({"id", "paths", "value", "replace", "attributes", "answer"})
_COPIED: Final = tuple(
    field.name
    for field in fields(DeviceOperation)
    if field.init and field.name in OPERATION_COLUMNS and field.name not in _CONVERTED
)
_copied_values: Final = attrgetter(*_COPIED)


def operation_of(loaded: LoadedOperation) -> DeviceOperation:
    """Return an operation as its GraphQL type. Fields named as a column are copied, unless they need a conversion."""
    row = loaded.row
    operation = DeviceOperation(
        **dict(zip(_COPIED, _copied_values(row), strict=True)),
        paths=load_json(row.paths),
        id=strawberry.ID(operation_id(row.id)),
        endpoint=_ABSENT if loaded.endpoint is None else endpoint_of(loaded.endpoint),
        value=written_value(row.value),
        values=_values(row.composite),
        replace=row.replace if row.kind is OperationKind.WRITE else None,
        attributes=stored_json(row.attributes),
        delivery_attempts=row.attempt,
        waiting_for=_ABSENT if loaded.waiting_for is None else loaded.waiting_for,
        answer=stored_json(row.answer),
        last_transition=_ABSENT,
        row=row,
    )
    if loaded.last_step is not None:
        operation.last_transition = transition_of(loaded.last_step, operation)
    return operation


def _values(composite: str | None) -> JSON | None:
    if composite is None:
        return None
    return JSON({path: typed["value"] for path, typed in load_json(composite).items()})


def transition_of(view: TransitionView, operation: DeviceOperation) -> OperationTransition:
    return OperationTransition(
        cursor=log_cursor(view.seq),
        operation=operation,
        number=view.number,
        from_status=view.from_status,
        to_status=view.to_status,
        attempt=view.attempt,
        reason=view.reason,
        detail=view.detail,
        at=DateTime(view.at),
    )


def transition_connection(operation: DeviceOperation, page: Page[TransitionView]) -> OperationTransitionConnection:
    edges = [
        OperationTransitionEdge(node=transition_of(view, operation), cursor=cursor)
        for view, cursor in zip(page.items, page.cursors, strict=True)
    ]
    return OperationTransitionConnection(edges=edges, page_info=page_info(page))


def operation_connection(page: Page[Operation], loaded: Sequence[LoadedOperation]) -> DeviceOperationConnection:
    """Return the connection of a page; ``loaded`` are its items with the selected related rows."""
    edges = [
        DeviceOperationEdge(node=operation_of(one), cursor=cursor)
        for one, cursor in zip(loaded, page.cursors, strict=True)
    ]
    return DeviceOperationConnection(edges=edges, page_info=page_info(page), total=Total(page))
