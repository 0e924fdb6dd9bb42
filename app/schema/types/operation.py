"""An operation, and its steps."""

from __future__ import annotations

from typing import Any

import strawberry

from app.models.cursors import log_cursor
from app.models.queries import OperationView, Page, TransitionView, transition_page
from app.schema.context import Info
from app.schema.fields import resolved
from app.schema.ids import operation_id
from app.schema.limits import DEFAULT_PAGE, page_size
from app.schema.scalars import JSON, DateTime, stored_json, time_or_none
from app.schema.types.endpoint import Endpoint
from app.schema.types.node import Node, PageInfo, Total, page_info
from app.schema.words import (
    ContentFormat,
    Delivery,
    OperationKind,
    OperationStatus,
    ReasonCode,
    ValueType,
    WaitingFor,
)


@strawberry.type(description="One step of an operation. Every step is kept, so everything that happened has a reason.")
class OperationTransition:
    cursor: str = strawberry.field(description="Opaque; orders all transitions of the system.")
    operation: DeviceOperation = strawberry.field(description="Its operation, never older than this transition.")
    number: int = strawberry.field(description="1 to n within the operation.")
    from_status: OperationStatus | None = strawberry.field(description="Null for the first.")
    to_status: OperationStatus = strawberry.field(description="The status that it led to.")
    attempt: int = strawberry.field(
        description="Number of its attempt, of all that were made (`deliveryAttempts`); 0 before the first."
    )
    reason: ReasonCode | None = strawberry.field(description="Why.")
    detail: str | None = strawberry.field(
        description="Text of the device or of Leshan; or the paths that are left out of the answer, and why."
    )
    at: DateTime = strawberry.field(description="When.")


@strawberry.type(description="Something that somebody wants of a device, from its creation to its end.")
class DeviceOperation(Node):
    endpoint: Endpoint = strawberry.field(description="The device.")
    kind: OperationKind = strawberry.field(description="What is asked of it.")
    path: str | None = strawberry.field(description='Where, like "/5/0/1"; null for composites.')
    paths: list[str] = strawberry.field(description="All paths, also of a single one.")
    value_type: ValueType | None = strawberry.field(description="WRITE: type of the value; null for a whole instance.")
    value: JSON | None = strawberry.field(description="WRITE, CREATE: the value, or Leshan's node of a whole instance.")
    values: JSON | None = strawberry.field(description="WRITE_COMPOSITE: `{path: value}`.")
    replace: bool | None = strawberry.field(description="WRITE: false is LwM2M's partial update. Null for other kinds.")
    arguments: str | None = strawberry.field(description="EXECUTE: the arguments.")
    attributes: JSON | None = strawberry.field(description="WRITE_ATTRIBUTES: `{name: number}`.")
    status: OperationStatus = strawberry.field(description="Where it stands.")
    version: int = strawberry.field(description="Number of its last transition: of two copies keep the higher one.")
    delivery: Delivery = strawberry.field(description="What is known of the request and the device.")
    attempts: int = strawberry.field(
        description="Counted attempts: those that the device may have received and that did not succeed. They use up "
        "`maxAttempts`; 0 when the first attempt succeeded. All attempts: `deliveryAttempts`."
    )
    max_attempts: int = strawberry.field(description="How many counted attempts (`attempts`) there may be.")
    delivery_attempts: int = strawberry.field(
        description="All attempts that were made, counted or not: the number of the present or last one, as in "
        "`OperationTransition.attempt`. 0 before the first."
    )
    priority: int = strawberry.field(description="A higher one goes first within the endpoint.")
    repeatable: bool = strawberry.field(description="Whether doing it twice does no harm.")
    validated: bool = strawberry.field(description="Whether the device's own object model was known and allows it.")
    timeout_seconds: int = strawberry.field(description="How long Leshan waits for the device.")
    format: ContentFormat | None = strawberry.field(description="Content format that was asked for.")
    created_at: DateTime = strawberry.field(description="When it was queued.")
    last_attempt_at: DateTime | None = strawberry.field(description="When the last attempt began.")
    finished_at: DateTime | None = strawberry.field(description="When it ended.")
    expires_at: DateTime | None = strawberry.field(description="When it ends if it is still queued.")
    reason: ReasonCode | None = strawberry.field(description="Reason of the last transition.")
    detail: str | None = strawberry.field(description="Text of the device or of Leshan, of the last transition.")
    waiting_for: WaitingFor = strawberry.field(description="What has to happen next.")
    device_status: str | None = strawberry.field(description='The device\'s code as Leshan tells it: "CHANGED(204)".')
    answer: JSON | None = strawberry.field(
        description='READ: values by path; DISCOVER: links; CREATE: `{"location": "/3442/8"}`.'
    )
    idempotency_key: str | None = strawberry.field(description="The key that it was created with.")
    created_by: str | None = strawberry.field(description="Who created it.")
    batch: str | None = strawberry.field(description="The `batch` that it was created with.")
    last_transition: OperationTransition = strawberry.field(description="Its last step.")
    view: strawberry.Private[OperationView]

    @resolved("The operation that this one retries.")
    async def retry_of(self, info: Info) -> DeviceOperation | None:
        seq = self.view.retry_of
        return None if seq is None else await info.context.reads.operation_by_seq(seq)

    @resolved("Its steps, oldest first.")
    async def transitions(
        self, info: Info, first: int | None = DEFAULT_PAGE, after: str | None = None
    ) -> OperationTransitionConnection:
        page = await transition_page(self.view.seq, page_size(first), after)
        if info.context.reads.steps_repeat:
            whole = self.view.weight + (0 if self.endpoint is _ABSENT else self.endpoint.view.weight)
            info.context.reads.reserve(len(page.items) * whole)
        info.context.reads.reserve(sum(len(step.detail or "") for step in page.items))
        return transition_connection(self, page)


@strawberry.type(description="One operation of a page.")
class DeviceOperationEdge:
    node: DeviceOperation = strawberry.field(description="The operation.")
    cursor: str = strawberry.field(description="Its place in the list.")


@strawberry.type(description="A page of operations, newest first.")
class DeviceOperationConnection:
    edges: list[DeviceOperationEdge] = strawberry.field(description="The operations of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    total: strawberry.Private[Total[Any]]

    @resolved("How many operations the list has, counted to 10,000.")
    async def total_count(self) -> int:
        return (await self.total.get())[0]

    @resolved("Whether there are more than were counted.")
    async def total_count_capped(self) -> bool:
        return (await self.total.get())[1]


@strawberry.type(description="One step of a page.")
class OperationTransitionEdge:
    node: OperationTransition = strawberry.field(description="The step.")
    cursor: str = strawberry.field(description="Its place in the list.")


@strawberry.type(description="A page of an operation's steps, oldest first.")
class OperationTransitionConnection:
    edges: list[OperationTransitionEdge] = strawberry.field(description="The steps of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


def operation_of(view: OperationView, endpoint: Endpoint, waiting_for: WaitingFor) -> DeviceOperation:
    """The operation as clients see it; its last transition is put in by who has it."""
    return DeviceOperation(
        id=strawberry.ID(operation_id(view.id)),
        endpoint=endpoint,
        kind=view.kind,
        path=view.path,
        paths=view.paths,
        value_type=view.value_type,
        value=stored_json(view.value_json),
        values=_values(view),
        replace=view.replace if view.kind is OperationKind.WRITE else None,
        arguments=view.arguments,
        attributes=stored_json(view.attributes_json),
        status=view.status,
        version=view.version,
        delivery=view.delivery,
        attempts=view.attempts,
        max_attempts=view.max_attempts,
        delivery_attempts=view.attempt,
        priority=view.priority,
        repeatable=view.repeatable,
        validated=view.validated,
        timeout_seconds=view.timeout_seconds,
        format=view.format,
        created_at=DateTime(view.created_at),
        last_attempt_at=time_or_none(view.last_attempt_at),
        finished_at=time_or_none(view.finished_at),
        expires_at=time_or_none(view.expires_at),
        reason=view.reason,
        detail=view.detail,
        waiting_for=waiting_for,
        device_status=view.device_status,
        answer=stored_json(view.answer_json),
        idempotency_key=view.idempotency_key,
        created_by=view.created_by,
        batch=view.batch,
        last_transition=_ABSENT,
        view=view,
    )


_ABSENT: Any = None
"""In the place of what the document does not select."""


def _values(view: OperationView) -> JSON | None:
    values = view.values
    return None if values is None else JSON({path: member["value"] for path, member in values.items()})


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
