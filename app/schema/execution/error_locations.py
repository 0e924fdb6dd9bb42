"""Location of an invalid value in graphql-core's errors: ``extensions.field`` and ``extensions.index``.

The checks in this package know the field that they validate. graphql-core reports a node of the document, or a variable
and a path within its value. Both are converted to the form of the checks in this package: a path of GraphQL names that
begins with the argument's, except for ``input`` and ``inputs``, whose fields have no prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from graphql import (
    ArgumentNode,
    DocumentNode,
    GraphQLError,
    ListValueNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

ErrorPath: TypeAlias = tuple[str, ...]

_BARE: Final = frozenset({"input", "inputs"})
_WITHIN: Final = re.compile(r"has invalid value at ([\w.\[\]]+):")
_LACKING: Final = re.compile(r"(?:required|unknown) field '(\w+)'|^Argument '[\w.]+\((\w+):\)'")


class ErrorPaths:
    """Locations of a document's values, computed at the first error that needs them, by one walk for all errors."""

    def __init__(self, document: DocumentNode | None) -> None:
        self._document = document
        self._found: _Locations | None = None

    def found(self) -> _Locations:
        if self._found is None:
            self._found = _Locations()
            if self._document is not None:
                visit(self._document, self._found)
        return self._found


def location_of(error: GraphQLError, locations: ErrorPaths) -> dict[str, Any]:
    """Return ``field`` and, for a member of a batch, ``index`` of an error; both are None if they are not known."""
    location = _located(error, locations)
    index = int(location[0]) if location and location[0].isdigit() else None
    return {"field": ".".join(location if index is None else location[1:]) or None, "index": index}


def _located(error: GraphQLError, known: ErrorPaths) -> ErrorPath:
    node = error.nodes[0] if error.nodes else None
    locations = known.found() if node is not None else _Locations()
    if isinstance(node, VariableDefinitionNode):
        within = _WITHIN.search(error.message)
        start = locations.of_variables.get(node.variable.name.value, ())
        location = (*start, *re.findall(r"\w+", within[1] if within else ""))
    else:
        location = locations.of_nodes.get(id(node), ())
    lacking = _LACKING.search(error.message)
    name = (lacking[1] or lacking[2]) if lacking else None
    return location if name is None or location[-1:] == (name,) else (*location, name)


class _Locations(Visitor):
    """Visitor that collects the locations of all values, by node, and of the first use of each variable."""

    def __init__(self) -> None:
        super().__init__()
        self.of_nodes: dict[int, ErrorPath] = {}
        self.of_variables: dict[str, ErrorPath] = {}

    def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
        location = () if node.name.value in _BARE else (node.name.value,)
        self.of_nodes[id(node)] = location
        for value, at in _values(node.value, location):
            self.of_nodes[id(value)] = at
            if isinstance(value, VariableNode):
                self.of_variables.setdefault(value.name.value, at)


def _values(node: ValueNode, location: ErrorPath) -> Iterator[tuple[Node, ErrorPath]]:
    yield node, location
    if isinstance(node, ListValueNode):
        for index, member in enumerate(node.values):
            yield from _values(member, (*location, str(index)))
    elif isinstance(node, ObjectValueNode):
        for field in node.fields:
            yield from _field(field, (*location, field.name.value))


def _field(node: ObjectFieldNode, location: ErrorPath) -> Iterator[tuple[Node, ErrorPath]]:
    yield node, location
    yield from _values(node.value, location)
