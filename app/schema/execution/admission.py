"""The way of a document through its execution: admission before any variable is coerced, execution, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    located_error,
)
from strawberry.extensions import SchemaExtension

from app.models.queries import log_position
from app.schema.api.fields import check_role
from app.schema.budget import COST
from app.schema.errors import ApiError, bad_input
from app.schema.execution.context import ExecutionContext
from app.schema.execution.error_locations import ErrorPaths
from app.schema.execution.errors import presentable
from app.schema.execution.measure import count_values, fragments_of
from app.schema.limits import MAX_TOKENS, VALUES_FOR_ONE
from app.security import Role


class Pipeline(SchemaExtension):
    """The extension that every document passes through, over all transports.

    Strawberry's parsing and validation are replaced by the prepared document; an admitted operation is executed, after
    the log's position was read if it is selected; the errors of all results become those of the API.
    """

    def on_operation(self) -> Iterator[None]:
        yield
        self._present_errors(self.execution_context.result)

    def on_parse(self) -> Iterator[None]:
        execution, context = self.execution_context, self.execution_context.context
        execution.parse_options["max_tokens"] = MAX_TOKENS
        if context.prepared is not None:
            execution.graphql_document = context.prepared.document
            context.reads.names = context.prepared.names
        yield

    def on_validate(self) -> Iterator[None]:
        execution, context = self.execution_context, self.execution_context.context
        errors = list(context.prepared.errors)
        if not errors:
            try:
                roles = execution.schema.mutation_roles  # type: ignore[attr-defined]
                admit(context, roles, execution.variables or {})
            except ApiError as error:
                errors = [error]
        execution.pre_execution_errors = errors
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        execution, context = self.execution_context, self.execution_context.context
        execution.result = context.forbidden  # Strawberry does not execute if there is a result
        if "transitionCursor" in context.reads.names:
            try:
                context.cursor = await log_position()
            except Exception as error:
                context.cursor = error
        yield

    def on_stream_result(self, result: Any) -> Iterator[None]:
        self._present_errors(result)
        yield

    def _present_errors(self, result: Any) -> None:
        if result is not None and result.errors:
            locations = ErrorPaths(self.execution_context.graphql_document)
            result.errors = [presentable(error, locations) for error in result.errors]


def admit(context: ExecutionContext, roles: Mapping[str, Role], variables: Mapping[str, Any]) -> None:
    """Check the role and charge the cost of an operation, before its variables are coerced.

    Raises:
        ApiError: LIMIT_EXCEEDED; BAD_USER_INPUT: several operations and no ``operationName``.
    """
    ready, budget = context.prepared, context.documents.budget
    assert ready is not None  # noqa: S101 - it was parsed
    if len(ready.operations) > 1 and context.operation_name is None:
        raise bad_input("The document has several operations; operationName is expected.", "operationName")
    operation = ready.operation(context.operation_name)
    assert operation is not None  # noqa: S101 - Strawberry has already found it
    measure = ready.measure(operation, variables)
    if operation.operation is OperationType.MUTATION:
        assert ready.document is not None  # noqa: S101 - the operation is part of it
        context.forbidden = forbidden(context, roles, operation, fragments_of(ready.document))
        if context.forbidden is not None:
            return
    cost, values = measure.cost, measure.values
    for definition in operation.variable_definitions or ():  # GraphQL ignores other variables
        name = definition.variable.name.value
        if name in variables:
            count = count_values(variables[name], name)
            values += count
            cost += count * max(0, measure.uses[name] - 1)
    budget.spend(COST, cost + values // VALUES_FOR_ONE)
    context.measure = measure
    context.reads.repeats, context.reads.steps_repeat = measure.repeats, measure.steps_repeat


def forbidden(
    context: ExecutionContext,
    roles: Mapping[str, Role],
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> ExecutionResult | None:
    """Return the result of a mutation whose root fields are all forbidden to the viewer: each is null, with an error at
    its path. Return None if the mutation has to be executed: its resolvers check the role, too."""
    nodes: dict[str, list[FieldNode]] = {}
    errors: dict[str, GraphQLError] = {}
    for field_ in _root_fields(operation.selection_set, fragments):
        role = None if field_ is None else roles.get(field_.name.value)
        if field_ is None or role is None:
            return None
        key = field_.alias.value if field_.alias else field_.name.value
        nodes.setdefault(key, []).append(field_)
        try:
            check_role(context.viewer, role)
        except ApiError as error:
            errors[key] = located_error(error, nodes[key], [key])
        else:
            return None
    return ExecutionResult(dict.fromkeys(nodes), list(errors.values()))


def _root_fields(
    selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode | None]:
    """Yield the fields of a validated selection, with fragments expanded; None for a selection with directives, which
    may exclude it."""
    for selection in selection_set.selections:
        if selection.directives:
            yield None
        elif isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, FragmentSpreadNode):
            yield from _root_fields(fragments[selection.name.value].selection_set, fragments)
        else:
            assert isinstance(selection, InlineFragmentNode)  # noqa: S101 - there is no other kind
            yield from _root_fields(selection.selection_set, fragments)
