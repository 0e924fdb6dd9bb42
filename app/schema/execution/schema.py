"""The GraphQL schema: root types, scalars, and the extensions that process every document."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import aclosing
from functools import cached_property
from typing import Any, Final

import graphql
import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
)
from graphql.execution import Executor
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext as StrawberryExecutionContext
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.schema.api.context import Info
from app.schema.api.fields import role_of
from app.schema.api.mutations import Mutation
from app.schema.api.queries import Query
from app.schema.api.scalars import SCALARS
from app.schema.api.subscriptions import Subscription
from app.schema.budget import RequestBudget
from app.schema.errors import ApiError, Code
from app.schema.execution.admission import Pipeline
from app.schema.execution.context import ExecutionContext, Requester
from app.schema.limits import MAX_BATCH
from app.security import Role
from app.tracing import span

PACED: Final = 2_000
"""Cost of an operation above which the event loop can run other tasks while its lists are completed."""
TURN: Final = 0.01
"""Time in seconds of completing a list after which other tasks of the event loop can run."""


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution with three changes.

    It clears the cache of subfields for each event of a subscription: graphql-core's
    ``Executor.build_per_event_executor`` copies the executor with that cache, which would grow without limit. It
    executes an event to its end although the subscription is left meanwhile: tasks that are canceled before they start
    never await the coroutines of their fields, and Python warns of each. And it yields to the event loop while it
    completes a long list: graphql-core completes a list of available items without interruption, which takes a second
    for 200 rows of 500 fields.
    """

    def complete_list_value(  # noqa: PLR0917 - graphql-core's signature
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if type(result) is list and len(result) > 1 and info.context.measure.cost > PACED:
            result = _in_turns(result)
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - a cache without another way to empty it
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        result = super().execute_operation(serially)
        is_event = serially is False  # of graphql-core's execute_subscription_event alone
        return _to_its_end(result) if is_event and self.is_awaitable(result) else result


async def _to_its_end(work: Awaitable[Any]) -> Any:
    """Await the work; if the caller is canceled, wait for its end first."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    return task.result()


async def _in_turns(items: list[Any]) -> AsyncGenerator[Any, None]:
    turn = time.monotonic() + TURN
    for item in items:
        yield item
        if time.monotonic() > turn:
            await asyncio.sleep(0)
            turn = time.monotonic() + TURN


class Schema(strawberry.Schema):
    """Strawberry's schema with a separate :class:`ExecutionContext` for every document, for all transports."""

    @property
    def graphql_schema(self) -> GraphQLSchema:
        return self._schema

    @cached_property
    def mutation_roles(self) -> Mapping[str, Role]:
        """The required role of each field of the mutation root."""
        fields = self._schema.mutation_type.fields if self._schema.mutation_type else {}
        return {name: role_of(field) for name, field in fields.items()}

    async def execute(  # noqa: PLR0917 - Strawberry's signature
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        context = _context(context_value, operation_name)
        try:
            operation = await self._prepare(context, query)
            result = super().execute(
                query,
                variable_values=variable_values,
                context_value=context,
                root_value=root_value,
                operation_name=operation_name,
                allowed_operation_types=allowed_operation_types,
                operation_extensions=operation_extensions,
            )
            if operation is not None and operation.operation is graphql.OperationType.MUTATION:
                return await _mutated(result, operation_name)
            executed: ExecutionResult = await (
                context.documents.budget.bounded(result) if _reads(operation) else result
            )
        except ApiError as error:
            return PreExecutionError(data=None, errors=[error])
        return executed

    async def stream(  # noqa: PLR0917 - Strawberry's signature
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> Any:
        context = _context(context_value, operation_name)
        try:
            operation = await self._prepare(context, query)
        except ApiError as error:
            return _failed(error)
        results = await super().stream(
            query,
            variable_values=variable_values,
            context_value=context,
            root_value=root_value,
            operation_name=operation_name,
            operation_extensions=operation_extensions,
            allowed_operation_types=allowed_operation_types,
        )
        return _bounded(results, context.documents.budget) if _reads(operation) else results

    async def _prepare(self, context: ExecutionContext, query: str | None) -> OperationDefinitionNode | None:
        """Prepare the document for the extensions and return its operation. Raises as
        :meth:`RequestDocuments.prepared` does."""
        if not query:
            return None  # Strawberry rejects it
        context.prepared = await context.documents.prepared(self._schema, query)
        return context.prepared.operation(context.operation_name)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: StrawberryExecutionContext | None = None
    ) -> None:
        """Do not log: clients' errors are not logged, and :class:`Pipeline` logs internal ones."""


async def _mutated(result: Awaitable[ExecutionResult], name: str | None) -> ExecutionResult:
    """Return the result of a mutation, in a span to which the traces of its operations belong."""
    with span("mutation", begins=True) as mutation:
        executed = await result
        mutation.set({"graphql.operation.type": "mutation", **({"graphql.operation.name": name[:200]} if name else {})})
        if executed.errors:
            mutation.set({}, str((executed.errors[0].extensions or {}).get("code", "GraphQLError")))
    return executed


def _reads(operation: OperationDefinitionNode | None) -> bool:
    return operation is not None and operation.operation is graphql.OperationType.QUERY


async def _failed(error: ApiError) -> AsyncGenerator[ExecutionResult, None]:
    yield PreExecutionError(data=None, errors=[error])


async def _bounded(results: AsyncGenerator[Any, None], budget: RequestBudget) -> AsyncGenerator[Any, None]:
    """Yield the results of a query over a streaming transport within the time limit, which excludes sending them."""
    async with aclosing(results):
        while True:
            try:
                yield await budget.bounded(anext(results))
            except StopAsyncIteration:
                return
            except ApiError as error:
                yield PreExecutionError(data=None, errors=[error])
                return


def _context(requester: Any, operation_name: str | None) -> ExecutionContext:
    if isinstance(requester, ExecutionContext):
        return requester
    if not isinstance(requester, Requester):
        raise TypeError("Invalid context; a Requester is expected.")
    if requester.viewer is None:
        raise ApiError(Code.UNAUTHENTICATED, "Missing or unknown token; a valid token is expected.")
    return ExecutionContext.create(requester.services, requester.viewer, operation_name, requester.documents)


def _without_null_defaults(built: Schema) -> Schema:
    """Remove defaults of null from the schema: they are equal to no default, and hide which input is required."""
    for type_ in built.graphql_schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            _drop_nulls(type_.fields.values())
        elif isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                _drop_nulls(field.args.values())
    return built


def _with_own_one_of(built: Schema) -> Schema:
    """Replace Strawberry's check of oneOf inputs, whose error has no location. An invalid input becomes an empty one,
    which :mod:`app.schema.api.input_values` rejects with its ``field`` and ``index``."""
    for type_ in built.graphql_schema.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        if isinstance(type_, GraphQLInputObjectType) and definition is not None and definition.is_one_of:
            setattr(type_, "out_type", _the_one_or_none)  # noqa: B010 - a plain function, which mypy takes for a method
    return built


def _the_one_or_none(commands: dict[str, Any]) -> dict[str, Any]:
    return commands if len(commands) == 1 and None not in commands.values() else {}


def _drop_nulls(values: Iterable[GraphQLArgument | GraphQLInputField]) -> None:
    for value in values:
        if value.default_value is None:
            value.default_value = Undefined


schema: Final = _with_own_one_of(
    _without_null_defaults(
        Schema(
            Query,
            Mutation,
            Subscription,
            execution_context_class=Execution,
            extensions=[Pipeline],
            config=StrawberryConfig(info_class=Info, scalar_map=SCALARS, batching_config={"max_operations": MAX_BATCH}),
        )
    )
)
"""The schema, built once. The database and other components of the process are in the context."""
