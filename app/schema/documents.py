"""Documents, parsed, measured and validated once and cached by their text: most clients repeat the same few."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    located_error,
    parse,
    validate,
)
from strawberry.extensions import SchemaExtension

from app.schema.budget import CHARACTERS, COST, TOKENS, RequestBudget
from app.schema.context import RequestContext
from app.schema.error_locations import ErrorPaths
from app.schema.errors import MAX_TOKENS, ApiError, bad_input, presentable
from app.schema.fields import role_of
from app.schema.limits import MAX_ERRORS, VALUES_FOR_ONE, Measure, check_document, count_values, fragments_of, measured
from app.security import Role

REMEMBERED: Final = 256
"""Maximum number of cached documents."""
LONGEST_REMEMBERED: Final = 20_000
"""Maximum length of a cached document in characters. Longer ones contain their values and are rarely repeated."""

_NAME: Final = re.compile(r"\w+", re.ASCII)
_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"""|"(?:[^"\\\n]|\\.)*+"|#[^\n]*+|\w++|\.\.\.|[^\s,\ufeff]', re.ASCII | re.DOTALL
)
_LONG: Final = 4_000
"""Length in characters above which a document is prepared in a thread, so as not to block the event loop."""
_one_at_a_time: Final = ThreadPoolExecutor(1, "graphql-documents")


@dataclass(slots=True)
class Prepared:
    """A parsed, measured and validated document, which can be executed if it has no errors.

    Attributes:
        document: None if the text is not GraphQL.
        errors: errors as :func:`app.schema.errors.presentable` returns them.
        operations: operation definitions of the document.
        names: all names in the text: a superset of the selected fields.
    """

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]
    operations: tuple[OperationDefinitionNode, ...]
    names: frozenset[str]
    _measures: dict[tuple[Any, ...], Measure] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation with this name, or the first one for None; None if there is none."""
        for one in self.operations:
            if name is None or (one.name and one.name.value == name):
                return one
        return None

    def measure(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Measure:
        """Return the measure of an operation with these variables, cached. Raises as :func:`measured` does."""
        assert self.document is not None  # noqa: S101 - the operation is part of it
        sizes = _sizes(operation, variables) if operation.variable_definitions else {}
        key = (id(operation), *sizes.items())
        if (known := self._measures.get(key)) is None:
            known = measured(self.document, operation, sizes)
            if len(self._measures) < _MEASURES:
                self._measures[key] = known
        return known


_MEASURES: Final = 16
"""Maximum number of measures cached with a document."""


def _sizes(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, int]:
    sizes = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        value = variables.get(name)
        if name not in variables and isinstance(definition.default_value, IntValueNode):
            value = int(definition.default_value.value)
        if type(value) is int or (isinstance(value, float) and value.is_integer()):
            sizes[name] = int(value)  # GraphQL accepts 200.0 as an Int
        elif isinstance(value, list):
            sizes[name] = len(value)
    return sizes


def prepare(schema: GraphQLSchema, text: str) -> Prepared:
    """Parse, measure and validate a document."""
    names = frozenset(_NAME.findall(text))
    document: DocumentNode | None = None
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        check_document(document)
        errors = validate(schema, document, max_errors=MAX_ERRORS)
    except RecursionError:
        errors = [bad_input("The document is nested too deeply; fewer levels are expected.", "query")]
    except GraphQLError as error:
        errors = [error]
    definitions = document.definitions if document else ()
    operations = tuple(one for one in definitions if isinstance(one, OperationDefinitionNode))
    places = ErrorPaths(document)
    return Prepared(document, tuple(presentable(one, places) for one in errors), operations, names)


_known: Final[dict[tuple[GraphQLSchema, str], Prepared]] = {}
"""Cache of documents, the least recently used first."""


async def prepared(schema: GraphQLSchema, text: str, budget: RequestBudget) -> Prepared:
    """Return the prepared document from the cache, or prepare it after its length was charged to the budget.

    Raises:
        ApiError: LIMIT_EXCEEDED: the documents of the request have too many characters or tokens in total.
    """
    if (made := budget.documents.get(text)) is None:
        try:
            made = await _remembered(schema, text, budget)
        except ApiError as error:
            made = error
        budget.documents[text] = made
    if isinstance(made, ApiError):
        raise made
    return made


async def _remembered(schema: GraphQLSchema, text: str, budget: RequestBudget) -> Prepared:
    key = (schema, text)
    if (known := _known.pop(key, None)) is not None:
        _known[key] = known
        return known
    long, loop = len(text) > _LONG, asyncio.get_running_loop()
    characters, tokens = await loop.run_in_executor(_one_at_a_time, _lengths, text) if long else _lengths(text)
    budget.spend(CHARACTERS, characters)
    budget.spend(TOKENS, tokens)
    made = await loop.run_in_executor(_one_at_a_time, prepare, schema, text) if long else prepare(schema, text)
    if len(text) <= LONGEST_REMEMBERED:
        if len(_known) >= REMEMBERED:
            del _known[next(iter(_known))]
        _known[key] = made
    return made


def _lengths(text: str) -> tuple[int, int]:
    """Return the number of characters outside of strings, and of tokens. They may be wrong for a text that is not
    GraphQL, which the parser rejects."""
    characters, tokens = len(text), 0
    for token in _TOKEN.finditer(text):
        tokens += 1
        if text[token.start()] == '"':
            characters -= token.end() - token.start()
    return characters, tokens


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


def admit(context: RequestContext, roles: Mapping[str, Role], variables: Mapping[str, Any]) -> None:
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
    context: RequestContext,
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
            context.require(roles[field_.name.value])
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
