"""Documents, parsed, measured and validated once and cached by their text: most clients repeat the same few."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    validate,
)

from app.schema.budget import CHARACTERS, TOKENS, RequestBudget
from app.schema.errors import ApiError, bad_input
from app.schema.execution.error_locations import ErrorPaths
from app.schema.execution.errors import presentable
from app.schema.execution.measure import Measure, check_document, measured
from app.schema.limits import MAX_ERRORS, MAX_TOKENS
from app.schema.trusted_documents import DocumentPolicy

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
        introspects: whether ``__schema`` or ``__type`` is selected.
    """

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]
    operations: tuple[OperationDefinitionNode, ...]
    names: frozenset[str]
    introspects: bool = False
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
    introspects = (
        document is not None
        and not (errors or names.isdisjoint({"__schema", "__type"}))
        and bool(validate(schema, document, [NoSchemaIntrospectionCustomRule]))
    )
    locations = ErrorPaths(document)
    return Prepared(document, tuple(presentable(one, locations) for one in errors), operations, names, introspects)


_known: Final[dict[tuple[GraphQLSchema, str], Prepared]] = {}
"""Cache of documents, the least recently used first."""


class RequestDocuments:
    """The documents of one HTTP request, or of one operation of a WebSocket: none is prepared or charged twice.

    Attributes:
        budget: budget of the request.
    """

    __slots__ = ("_policy", "_results", "budget")

    def __init__(self, policy: DocumentPolicy) -> None:
        self.budget = RequestBudget()
        self._policy = policy
        self._results: dict[str, Prepared | ApiError] = {}

    async def prepared(self, schema: GraphQLSchema, text: str) -> Prepared:
        """Return the prepared document from the cache, or prepare it after its length was charged to the budget.

        Raises:
            ApiError: LIMIT_EXCEEDED: the documents of the request have too many characters or tokens in total.
                FORBIDDEN: the policy excludes the document.
        """
        if (result := self._results.get(text)) is None:
            try:
                self._policy.check(text)
                result = await _from_cache(schema, text, self.budget)
                self._policy.check_introspection(introspects=result.introspects)
            except ApiError as error:
                result = error
            self._results[text] = result
        if isinstance(result, ApiError):
            raise result
        return result


async def _from_cache(schema: GraphQLSchema, text: str, budget: RequestBudget) -> Prepared:
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
