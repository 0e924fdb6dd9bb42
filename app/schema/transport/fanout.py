"""Shared execution of equal subscriptions: each event is executed and serialized once for all of them.

Only subscriptions without a cursor are shared. One that resumes after a cursor is executed by itself, because it first
delivers past events that the others do not receive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    ArgumentNode,
    FieldNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
)
from strawberry.types.execution import PreExecutionError

from app.bounded_queue import BoundedQueue
from app.models.cursors import log_cursor
from app.schema.api.context import SchemaContext
from app.schema.errors import ApiError, Code
from app.schema.execution.context import ExecutionContext
from app.schema.execution.documents import LONGEST_REMEMBERED, RequestDocuments
from app.schema.execution.schema import Schema
from app.schema.limits import MAX_QUEUED, MAX_RESPONSE
from app.security import Role, Viewer
from app.telemetry import LAGGED_SUBSCRIBERS, SUBSCRIBERS, get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """Payload of a ``subscribe`` message."""

    query: str
    variables: Mapping[str, Any] | None
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """End of a subscription, with errors or because its source was closed."""

    errors: list[Mapping[str, Any]] | None = None


Payload = str | Ended
"""Payload of a ``next`` message as JSON, or the end of the subscription."""


def payload_of(result: Any) -> Payload:
    """Return the payload for a result of ``Schema.stream``. Errors of the request or of the stream itself end the
    subscription, those of a field of an event do not."""
    errors: list[Any] = [error.formatted for error in result.errors or ()]
    pathless = errors and result.data is None and all("path" not in error for error in errors)
    if pathless or isinstance(result, PreExecutionError):
        return Ended(errors)
    content = {"data": result.data, "errors": errors} if errors else {"data": result.data}
    return orjson.dumps(content).decode()


class SharedSubscriber:
    """A subscriber of a group, with the queue of payloads for its socket."""

    def __init__(self) -> None:
        self._queue: BoundedQueue[tuple[str, int], Ended] = BoundedQueue(
            MAX_QUEUED, max_size=MAX_RESPONSE, size_of=lambda item: len(item[0])
        )

    def put(self, payload: Payload, seq: int) -> None:
        """Enqueue a payload. If the queue is full, drop it and end the subscription with LAGGED and a cursor before its
        first payload."""
        if self._queue.ending is not None:
            return
        if isinstance(payload, Ended):
            self._queue.end(payload)
        elif not self._queue.put((payload, seq)):
            LAGGED_SUBSCRIBERS.inc()
            _, first = self._queue.first
            message = "Events arrived faster than the client received them; resume after the cursor."
            error = ApiError(Code.LAGGED, message, cursor=log_cursor(first - 1))
            self._queue.end(Ended([error.formatted]), drop=True)

    async def take(self) -> Payload:
        """Wait for the next payload and return it. :class:`Ended` is the last one."""
        taken = await self._queue.take()
        return taken[0] if taken is not None else self._queue.ending or Ended()


class SharedExecution:
    """An execution and the subscribers that share it."""

    def __init__(self, run: Callable[[SharedExecution], Any]) -> None:
        self.members: set[SharedSubscriber] = set()
        self.task: asyncio.Task[None] = asyncio.create_task(run(self), name="shared-subscription")

    def publish(self, payload: Payload, seq: int) -> None:
        for member in self.members:
            member.put(payload, seq)


Key = tuple[Role, str, str | None, bytes]


class Fanout:
    """Shared executions of subscriptions in this process."""

    def __init__(self, schema: Schema, services: SchemaContext) -> None:
        self._schema = schema
        self._services = services
        self._groups: dict[Key, SharedExecution] = {}

    @property
    def executions(self) -> int:
        """Number of executions that serve all shared subscriptions."""
        return len(self._groups)

    async def shareable(self, request: SubscribeRequest) -> bool:
        """Return whether it is a valid subscription without a cursor, with comparable variables and a document that is
        short enough for the cache."""
        if len(request.query) > LONGEST_REMEMBERED:
            return False
        try:
            documents = RequestDocuments(self._services.document_policy)
            ready = await documents.prepared(self._schema.graphql_schema, request.query)
        except ApiError:
            return False
        if ready.errors or (len(ready.operations) > 1 and request.operation_name is None):
            return False
        operation = ready.operation(request.operation_name)
        return (
            operation is not None
            and operation.operation is OperationType.SUBSCRIPTION
            and _begins_now(operation, request.variables or {})
            and _comparable(request.variables) is not None
        )

    @contextmanager
    def join(self, request: SubscribeRequest, viewer: Viewer) -> Iterator[SharedSubscriber]:
        """Share an execution for the duration of the context. The request must be :meth:`shareable`."""
        variables = _comparable(request.variables)
        assert variables is not None  # noqa: S101 - otherwise it is not shareable
        key = (viewer.role, request.query, request.operation_name, variables)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = SharedExecution(lambda group: self._run(key, group, request, viewer))
        else:
            SUBSCRIBERS.inc()  # the execution counts as one
        member = SharedSubscriber()
        group.members.add(member)
        try:
            yield member
        finally:
            self._leave(key, group, member)

    def _leave(self, key: Key, group: SharedExecution, member: SharedSubscriber) -> None:
        group.members.discard(member)
        if group.members:
            SUBSCRIBERS.dec()
        else:
            self._forget(key, group)
            group.task.cancel()

    def _forget(self, key: Key, group: SharedExecution) -> None:
        """Remove the group, so that later subscribers start a new execution."""
        if self._groups.get(key) is group:
            del self._groups[key]

    async def _run(self, key: Key, group: SharedExecution, request: SubscribeRequest, viewer: Viewer) -> None:
        end = Ended()
        try:
            end = await self._execute(group, request, viewer)
        except Exception as error:
            log.exception("shared_subscription_failed", error=str(error))
            end = Ended([ApiError(Code.INTERNAL, "The subscription failed; subscribe again.").formatted])
        finally:
            self._forget(key, group)
            group.publish(end, 0)

    async def _execute(self, group: SharedExecution, request: SubscribeRequest, viewer: Viewer) -> Ended:
        context = ExecutionContext.create(self._services, viewer, request.operation_name)
        results = await self._schema.stream(
            request.query,
            variable_values=dict(request.variables) if request.variables is not None else None,
            context_value=context,
            operation_name=request.operation_name,
        )
        async with aclosing(results):
            async for result in results:
                payload = payload_of(result)
                if isinstance(payload, Ended):
                    return payload
                group.publish(payload, context.last_seq)
        return Ended()


def _comparable(variables: Mapping[str, Any] | None) -> bytes | None:
    """Return equal bytes for equal variables; None if they are nested too deeply or contain too large an integer. They
    are not yet checked against the document, and may be any JSON."""
    try:
        return orjson.dumps(variables or {}, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None


def _begins_now(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> bool:
    """Return whether ``after`` of the root field is omitted or null; False for a fragment at the root."""
    (field, *others) = operation.selection_set.selections
    if others or not isinstance(field, FieldNode):
        return False
    after = next((argument for argument in field.arguments or () if argument.name.value == "after"), None)
    return after is None or _is_null(after, operation, variables)


def _is_null(argument: ArgumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> bool:
    value = argument.value
    if isinstance(value, VariableNode):
        name = value.name.value
        defaults = (
            one.default_value for one in operation.variable_definitions or () if one.variable.name.value == name
        )
        return variables.get(name) is None and all(default is None for default in defaults)
    return isinstance(value, NullValueNode)
