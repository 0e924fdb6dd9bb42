"""Documents parsed, measured and validated once, and remembered by their text: most clients send the same few again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate
from strawberry.extensions import SchemaExtension

from app.schema.errors import MAX_TOKENS, bad_input
from app.schema.limits import check_document

REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 20_000
"""Characters. Longer texts hold their values inline and are hardly ever sent twice."""

_NAME: Final = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document, ready to be executed unless it has errors.

    Attributes:
        document: None where the text is no GraphQL.
        names: every name that stands in the text, so all fields that are selected and perhaps more.
    """

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]
    operations: int
    names: frozenset[str]


def prepare(schema: GraphQLSchema, text: str) -> Prepared:
    """Parse, measure and validate."""
    names = frozenset(_NAME.findall(text))
    document: DocumentNode | None = None
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        check_document(document)
        errors = tuple(validate(schema, document))
    except RecursionError:
        errors = (bad_input("the document nests too deeply", "query"),)
    except GraphQLError as error:
        errors = (error,)
    operations = sum(isinstance(one, OperationDefinitionNode) for one in document.definitions) if document else 0
    return Prepared(document, errors, operations, names)


_prepare_once = lru_cache(maxsize=REMEMBERED)(prepare)


def prepared(schema: GraphQLSchema, text: str) -> Prepared:
    """:func:`prepare`, from memory where it was done before."""
    return (_prepare_once if len(text) <= LONGEST_REMEMBERED else prepare)(schema, text)


class PreparedDocuments(SchemaExtension):
    """Puts the prepared document in the place of Strawberry's own parsing and validation."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        text = context.query or ""
        schema: Any = context.schema
        self._prepared = prepared(schema.graphql_schema, text)
        context.parse_options["max_tokens"] = MAX_TOKENS
        context.graphql_document = self._prepared.document
        context.context.reads.names = self._prepared.names
        yield

    def on_validate(self) -> Iterator[None]:
        errors = list(self._prepared.errors)
        if not errors and self._prepared.operations > 1 and not self.execution_context.context.named:
            errors = [bad_input("the document has several operations: operationName is expected", "operationName")]
        self.execution_context.pre_execution_errors = errors
        yield
