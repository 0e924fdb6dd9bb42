"""The schema: roots, scalars, and the extensions that every document goes through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from graphql.execution import Executor
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from app.models.queries import log_position
from app.schema.context import Asker, Info, RequestContext, SchemaContext
from app.schema.documents import PreparedDocuments
from app.schema.errors import ApiError, Code, PresentErrors
from app.schema.limits import MAX_BATCH
from app.schema.mutations import Mutation
from app.schema.queries import Query
from app.schema.reads import Reads
from app.schema.scalars import SCALARS
from app.schema.subscriptions import Subscription
from app.security import Viewer


class CursorFirst(SchemaExtension):
    """Reads the log's position before anything else of a document that asks for it, wherever it stands there."""

    async def on_execute(self) -> AsyncIterator[None]:
        context: RequestContext = self.execution_context.context
        if "transitionCursor" in context.reads.names:
            try:
                context.cursor = await log_position()
            except Exception as error:
                context.cursor = error
        yield


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's, which forgets what it collected for one event of a subscription before the next: graphql-core's
    ``Executor.build_per_event_executor`` copies itself with its memory of subfields, and that would grow for ever."""

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - a cache without another way to empty it
        return executor


class Schema(strawberry.Schema):
    """Strawberry's schema, with a context of its own for every document, whatever the transport."""

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
        return await super().execute(
            query,
            variable_values=variable_values,
            context_value=_context(context_value, operation_name),
            root_value=root_value,
            operation_name=operation_name,
            allowed_operation_types=allowed_operation_types,
            operation_extensions=operation_extensions,
        )

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
        return await super().stream(
            query,
            variable_values=variable_values,
            context_value=_context(context_value, operation_name),
            root_value=root_value,
            operation_name=operation_name,
            operation_extensions=operation_extensions,
            allowed_operation_types=allowed_operation_types,
        )

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: clients' mistakes are no log lines of ours, and :class:`PresentErrors` logs our own."""


def _context(asker: Any, operation_name: str | None) -> RequestContext:
    if isinstance(asker, RequestContext):
        return asker
    if not isinstance(asker, Asker):
        raise TypeError("the schema is executed with an Asker as its context")
    if asker.viewer is None:
        raise ApiError(Code.UNAUTHENTICATED, "a valid token is needed")
    return request_context(asker.house, asker.viewer, operation_name)


def request_context(house: SchemaContext, viewer: Viewer, operation_name: str | None) -> RequestContext:
    """The context of one document that is to be executed."""
    reads = Reads(house.ledger.rules.max_in_flight)
    return RequestContext(house, viewer, named=operation_name is not None, reads=reads)


def _without_null_defaults(built: Schema) -> Schema:
    """A default of null says nothing that leaving it out does not, and hides what clients have to give."""
    for type_ in built.graphql_schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            _drop_nulls(type_.fields.values())
        elif isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                _drop_nulls(field.args.values())
    return built


def _with_own_one_of(built: Schema) -> Schema:
    """Strawberry refuses a oneOf input without saying where it stood. Emptied, it is refused where it is used, by
    :mod:`app.schema.input_values`, with its field and the index of its batch's member."""
    for type_ in built.graphql_schema.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        if isinstance(type_, GraphQLInputObjectType) and definition is not None and definition.is_one_of:
            setattr(type_, "out_type", _the_one_or_none)  # noqa: B010 - a plain function, which mypy takes for a method
    return built


def _the_one_or_none(members: dict[str, Any]) -> dict[str, Any]:
    return members if len(members) == 1 and None not in members.values() else {}


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
"""Built once: it knows no database and no process; those come with the context."""
