"""Operations with their transitions."""

from __future__ import annotations

from typing import Any, Final

import strawberry

from app.models.cursors import log_cursor
from app.models.queries import OperationView, Page, TransitionView, transition_page
from app.schema.arguments import PageCursor, PageSize
from app.schema.context import Info
from app.schema.enums import (
    ContentFormat,
    Delivery,
    OperationKind,
    OperationStatus,
    ReasonCode,
    ValueType,
    WaitingFor,
)
from app.schema.fields import resolved
from app.schema.ids import operation_id
from app.schema.limits import DEFAULT_PAGE, page_size
from app.schema.scalars import JSON, DateTime, stored_json, time_or_none
from app.schema.types.endpoint import Endpoint
from app.schema.types.node import ENTRY_CURSOR, Node, PageInfo, Total, page_info

LOG_CURSOR: Final = "Position in the log of all transitions, presence changes and resource changes. Opaque."


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
        description="Value of a WRITE, or the object instance of a WRITE or CREATE in Leshan's node form. Null for "
        "other kinds."
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
        description="Whether the operation was checked against the device's object model; false if that was not known."
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
        description="Name of the user who created the operation (`REVEILLE_AUTH`); null if it is not known."
    )
    batch: str | None = strawberry.field(description="Batch name given at creation; null if none.")
    last_transition: OperationTransition = strawberry.field(description="Latest transition.")
    view: strawberry.Private[OperationView]

    @resolved("Operation that this one retries; null if this is no retry, or if that operation was deleted.")
    async def retry_of(self, info: Info) -> DeviceOperation | None:
        seq = self.view.retry_of
        return None if seq is None else await info.context.reads.operation_by_seq(seq)

    @resolved("Transitions of the operation, oldest first.")
    async def transitions(
        self, info: Info, first: PageSize = DEFAULT_PAGE, after: PageCursor = None
    ) -> OperationTransitionConnection:
        page = await transition_page(self.view.seq, page_size(first), after)
        if info.context.reads.steps_repeat:
            whole = self.view.weight + (0 if self.endpoint is _ABSENT else self.endpoint.view.weight)
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


def operation_of(view: OperationView, endpoint: Endpoint, waiting_for: WaitingFor) -> DeviceOperation:
    """Return an operation as its GraphQL type. The caller sets ``last_transition`` if it is selected."""
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
"""Placeholder for a value that the document does not select."""


def _values(view: OperationView) -> JSON | None:
    values = view.values
    return None if values is None else JSON({path: command["value"] for path, command in values.items()})


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
