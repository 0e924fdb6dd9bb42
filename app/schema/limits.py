"""How much one document may ask for, measured before anything is executed.

One walk measures all of it, each fragment once: expanding fragments where they are spread takes time that doubles with
every level. The node count multiplies the ``first`` of connections that stand within each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from app.schema.errors import bad_input, over_limit

MAX_DEPTH: Final = 15
MAX_ALIASES: Final = 50
MAX_SELECTIONS: Final = 500
"""Fields and spreads as they stand in the document: comparing those of one name takes the square of their number."""
MAX_NODES: Final = 50_000
MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50
MAX_BODY: Final = 1_048_576
"""Bytes of a request's body or of a WebSocket message; see :func:`body_limit`."""
MAX_BATCH: Final = 10
MAX_CREATED: Final = 1_000
MAX_NAMES: Final = 1_000
"""Endpoints that one filter may name."""
MAX_CANCELED: Final = 200_000
MAX_RETRIED: Final = 10_000
"""Operations that one mutation cancels, or retries."""
MAX_SUBSCRIPTIONS: Final = 100
"""Operations open at once on one WebSocket."""

PAGED: Final = frozenset({"endpoints", "deviceOperations", "operations", "transitions"})
"""The fields that take ``first`` (a test compares them with the schema)."""


def body_limit(max_opaque: int) -> int:
    """Return the bytes that a body may have where an OPAQUE value may have ``max_opaque``: it comes as hex digits."""
    return max(MAX_BODY, 2 * max_opaque + 64 * 1024)


def page_size(first: int | None) -> int:
    """Check ``first``; null takes the default.

    Raises:
        ApiError: below 1, or more than a page may have.
    """
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise bad_input(f"first is 1 to {MAX_PAGE}", "first")
    if first > MAX_PAGE:
        raise over_limit(f"a page has at most {MAX_PAGE} entries", MAX_PAGE)
    return first


@dataclass(frozen=True, slots=True)
class Measure:
    """Of a selection set with all that its fragments bring."""

    depth: int = 0
    aliases: int = 0
    nodes: int = 0


@dataclass(slots=True)
class _Walk:
    fragments: Mapping[str, FragmentDefinitionNode]
    known: dict[str, Measure] = field(default_factory=dict)
    selections: int = 0

    def measure(self, selection_set: SelectionSetNode | None) -> Measure:
        depth = aliases = nodes = 0
        for selection in selection_set.selections if selection_set else ():
            self.selections += 1
            if self.selections > MAX_SELECTIONS:
                raise over_limit(f"a document has at most {MAX_SELECTIONS} fields", MAX_SELECTIONS)
            part = self._selection(selection)
            depth = max(depth, part.depth)
            aliases += part.aliases
            nodes += part.nodes
        return Measure(depth, aliases, nodes)

    def _selection(self, selection: SelectionNode) -> Measure:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value)
        if isinstance(selection, InlineFragmentNode):
            return self.measure(selection.selection_set)
        assert isinstance(selection, FieldNode)  # noqa: S101 - there is no other kind
        return self._field(selection)

    def _fragment(self, name: str) -> Measure:
        if name not in self.known:
            self.known[name] = Measure()  # a cycle, or an unknown one: validation says so
            if name in self.fragments:
                self.known[name] = self.measure(self.fragments[name].selection_set)
        return self.known[name]

    def _field(self, node: FieldNode) -> Measure:
        within = self.measure(node.selection_set)
        aliases = within.aliases + bool(node.alias)
        if node.name.value.startswith("__"):
            return Measure(1, aliases, 0)  # introspection has a limit of its own in graphql-core
        if node.name.value not in PAGED:
            return Measure(within.depth + 1, aliases, within.nodes)
        return Measure(within.depth + 1, aliases, _first(node) * (1 + within.nodes))


def _first(node: FieldNode) -> int:
    given = next((argument.value for argument in node.arguments or () if argument.name.value == "first"), None)
    if isinstance(given, IntValueNode):
        return max(1, page_size(int(given.value)))
    return DEFAULT_PAGE if given is None else MAX_PAGE


def check_document(document: DocumentNode) -> None:
    """Refuse a document that asks for too much.

    Raises:
        ApiError: with the limit that it exceeds.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    walk = _Walk(fragments)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _check(walk.measure(definition.selection_set))


def _check(measure: Measure) -> None:
    if measure.depth > MAX_DEPTH:
        raise over_limit(f"the query is {measure.depth} levels deep; {MAX_DEPTH} are allowed", MAX_DEPTH)
    if measure.aliases > MAX_ALIASES:
        raise over_limit(f"the query has {measure.aliases} aliases; {MAX_ALIASES} are allowed", MAX_ALIASES)
    if measure.nodes > MAX_NODES:
        raise over_limit(
            f"the query asks for up to {measure.nodes} nodes; {MAX_NODES} are allowed: ask for smaller pages", MAX_NODES
        )
