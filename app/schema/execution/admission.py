"""Admission of operations: their cost is charged and their roles are checked before any variable is coerced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    located_error,
)
from strawberry.extensions import SchemaExtension

from app.schema.api.fields import check_role, role_of
from app.schema.budget import COST
from app.schema.errors import ApiError, bad_input
from app.schema.execution.context import ExecutionContext
from app.schema.execution.measure import count_values, fragments_of
from app.schema.limits import MAX_TOKENS, VALUES_FOR_ONE
from app.security import Role


class PreparedDocuments(SchemaExtension):
    """Extension that replaces Strawberry's parsing and validation by the prepared document, and admits operations."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        context.parse_options["max_tokens"] = MAX_TOKENS
        if (ready := context.context.prepared) is not None:
            context.graphql_document = ready.document
            context.context.reads.names = ready.names
        yield

    def on_validate(self) -> Iterator[None]:
        execution, context = self.execution_context, self.execution_context.context
        errors = list(context.prepared.errors)
        if not errors:
            try:
                roles = _roles(execution.schema.graphql_schema)  # type: ignore[attr-defined]
                admit(context, roles, execution.variables or {})
            except ApiError as error:
                errors = [error]
        execution.pre_execution_errors = errors
        yield

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        execution.result = execution.context.forbidden  # Strawberry does not execute if there is a result
        yield


def admit(context: ExecutionContext, roles: Mapping[str, Role], variables: Mapping[str, Any]) -> None:
    """Check the role and charge the cost of an operation, before its variables are coerced.

    Raises:
        ApiError: LIMIT_EXCEEDED; BAD_USER_INPUT: several operations and no ``operationName``.
    """
    ready, budget = context.prepared, context.budget
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
        if field_ is None or field_.name.value not in roles:
            return None
        key = field_.alias.value if field_.alias else field_.name.value
        nodes.setdefault(key, []).append(field_)
        try:
            check_role(context.viewer, roles[field_.name.value])
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


@lru_cache(maxsize=4)
def _roles(schema: GraphQLSchema) -> Mapping[str, Role]:
    """Return the required role of each field of the mutation root."""
    fields = schema.mutation_type.fields if schema.mutation_type else {}
    return {name: role_of(field) for name, field in fields.items()}
