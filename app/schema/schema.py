"""The GraphQL schema: root types, scalars, and the extensions that process every document."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
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
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.models.queries import log_position
from app.schema.budget import RequestBudget
from app.schema.context import Info, RequestContext, Requester, SchemaContext
from app.schema.documents import PreparedDocuments, prepared
from app.schema.errors import ApiError, Code, PresentErrors
from app.schema.limits import MAX_BATCH
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.reads import Reads
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.security import Viewer


class CursorFirst(SchemaExtension):
    """Extension that reads the log's position before all other fields of a document that selects it."""

    async def on_execute(self) -> AsyncIterator[None]:
        context: RequestContext = self.execution_context.context
        if "transitionCursor" in context.reads.names:
            try:
                context.cursor = await log_position()
            except Exception as error:
                context.cursor = error
        yield


PACED: Final = 2_000
"""Cost of an operation above which the event loop can run other tasks while its lists are completed."""
TURN: Final = 0.01
"""Time in seconds of completing a list after which other tasks of the event loop can run."""


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution with two changes.

    It clears the cache of subfields for each event of a subscription: graphql-core's
    ``Executor.build_per_event_executor`` copies the executor with that cache, which would grow without limit. And it
    yields to the event loop while it completes a long list: graphql-core completes a list of available items without
    interruption, which takes a second for 200 rows of 500 fields.
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


async def _in_turns(items: list[Any]) -> AsyncGenerator[Any, None]:
    turn = time.monotonic() + TURN
    for item in items:
        yield item
        if time.monotonic() > turn:
            await asyncio.sleep(0)
            turn = time.monotonic() + TURN


class Schema(strawberry.Schema):
    """Strawberry's schema with a separate :class:`RequestContext` for every document, for all transports."""

    @property
    def graphql_schema(self) -> GraphQLSchema:
        return self._schema

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
            executed: ExecutionResult = await (context.budget.bounded(result) if _reads(operation) else result)
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
        return _bounded(results, context.budget) if _reads(operation) else results

    async def _prepare(self, context: RequestContext, query: str | None) -> OperationDefinitionNode | None:
        """Prepare the document for the extensions and return its operation. Raises as :func:`prepared` does."""
        if not query:
            return None  # Strawberry rejects it
        context.prepared = await prepared(self.graphql_schema, query, context.budget)
        return context.prepared.operation(context.operation_name)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Do not log: clients' errors are not logged, and :class:`PresentErrors` logs internal ones."""


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


def _context(requester: Any, operation_name: str | None) -> RequestContext:
    if isinstance(requester, RequestContext):
        return requester
    if not isinstance(requester, Requester):
        raise TypeError("Invalid context; an Asker is expected.")
    if requester.viewer is None:
        raise ApiError(Code.UNAUTHENTICATED, "Missing or unknown token; a valid token is expected.")
    return request_context(requester.services, requester.viewer, operation_name, requester.budget)


def request_context(
    services: SchemaContext, viewer: Viewer, operation_name: str | None, budget: RequestBudget | None = None
) -> RequestContext:
    """Return the context for the execution of one document."""
    budget = budget or RequestBudget()
    reads = Reads(budget, services.ledger.rules)
    return RequestContext(services, viewer, operation_name, reads=reads, budget=budget)


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
    which :mod:`app.schema.input_values` rejects with its ``field`` and ``index``."""
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
            extensions=[PresentErrors, PreparedDocuments, CursorFirst],
            config=StrawberryConfig(info_class=Info, scalar_map=SCALARS, batching_config={"max_operations": MAX_BATCH}),
        )
    )
)
"""The schema, built once. The database and other components of the process are in the context."""
