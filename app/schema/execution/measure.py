"""Measure of a document before any part of it is coerced or executed.

A document is walked with its fragments expanded where they are spread, as in execution and validation; the limits of
selections bound the walk. Rows multiply: a field below two connections is resolved once for each pair.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from app.schema.errors import bad_input, over_limit
from app.schema.limits import (
    DEFAULT_PAGE,
    MAX_ALIASES,
    MAX_CREATED,
    MAX_DEPTH,
    MAX_EXPANDED,
    MAX_LIST,
    MAX_NODES,
    MAX_PAGE,
    MAX_SELECTIONS,
    MAX_VALUE_DEPTH,
    MAX_VALUES,
    READING_PAGE,
    page_size,
)

PAGED: Final = frozenset(
    {
        *("endpoints", "deviceOperations", "operations", "transitions", "readings", "latestReadings", "auditLog"),
        *("firmwareUpdates", "campaigns", "targets", "presenceChanges"),
    }
)
"""Fields with the argument ``first`` (a test compares them with the schema)."""

STATEMENTS: Final[Mapping[str, int]] = {
    "deviceOperations": 500,
    "endpoints": 500,
    "createDeviceOperationsFor": 25_000,  # at most one in a request: it works for some seconds
    "latestReadings": 500,
    "readings": 500,
    "readingSeries": 2_000,
    "deviceOperationCount": 4_900,  # at most ten in a request
    "endpointCount": 4_900,
    "dispatchStatus": 2_000,
    "operationStatistics": 4_900,
    "dispatchPauses": 500,
    "observationRules": 200,
    "apiTokens": 200,
    "firmwarePackages": 500,
    "auditLog": 500,
    "firmwareUpdates": 500,
    "campaigns": 500,
    **dict.fromkeys(("firmwareUpdate", "campaign"), 50),
    **dict.fromkeys(("node", "endpoint", "deviceOperation", "operationCounts", "transitionCursor", "objectModel"), 50),
}
"""Cost of the statements of a root field. Counts read every row that matches their filter; the others end after a page,
or use one index."""
_WITHIN: Final[Mapping[str, int]] = {
    "operations": 40,
    "transitions": 100,
    "resources": 50,
    "targets": 40,
    "presenceChanges": 40,
    **dict.fromkeys(("retryOf", "observations", "counts"), 2),  # a DataLoader reads them for all rows at once
    **dict.fromkeys(("package", "firmwareUpdate", "update", "campaign"), 2),
    "totalCount": 50,
    "totalCountCapped": 50,
}
"""Cost of the statements of a field of an object, for each row that it is resolved for."""
LARGE: Final = frozenset(
    {
        *("answer", "arguments", "attributes", "detail", "last", "objectLinks", "paths", "tags", "value", "values"),
        *("filter", "waves"),
    }
)
"""Fields that may have large values."""
_LOADING: Final = frozenset(
    {
        *("operations", "retryOf", "resources", "observations"),
        *("targets", "campaign", "package", "firmwareUpdate", "update", "presenceChanges"),
    }
)
"""Fields of objects that read further rows, as all root fields do."""
_STEPS: Final = ("transitions", "operation")
"""Fields that lead from an operation to its transitions, and from each of them back to the operation."""
MUTATION_COST: Final = 200
_ROWS: Final[Mapping[str, int]] = {
    "dispatchPauses": 200,
    "observationRules": 20,
    "apiTokens": 20,
    "firmwarePackages": 500,
    "observations": 3,
    "counts": 5,
    "resources": 20,
    "readingSeries": 3,
    "buckets": 100,
    "objects": 10,
    "longestWaiting": 20,
    "operationCounts": 6,
    "types": 60,
    "fields": 6,
    "inputFields": 3,
    "enumValues": 2,
    "directives": 5,  # introspection
}
"""Assumed number of rows of lists without ``first``, by field name: estimates for the cost, not limits."""
_ASSUMED_STEPS: Final = 10
"""Assumed number of transitions of an operation, for the cost: few have more, and the default page is larger."""


@dataclass(slots=True, eq=False)
class Measure:
    """Measure of an operation of a document.

    Attributes:
        nodes: maximum number of nodes of all connections.
        cost: cost of the fields, the statements and the repeated coercion of literal values.
        values: number of literal values.
        fields: number of selections of each field, by name.
        uses: number of coercions of each variable's value.
        repeats: maximum number of times that a row's large value occurs in the response: it may be selected by several
            aliases, and through links that lead back to the row.
        steps_repeat: whether an operation's large values are selected again with each of its ``transitions``.
    """

    nodes: int = 0
    cost: int = 0
    values: int = 0
    aliases: int = 0
    selections: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    uses: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    steps_repeat: bool = False


@dataclass(slots=True)
class _Walk:
    fragments: Mapping[str, FragmentDefinitionNode]
    sizes: Mapping[str, int]
    measure: Measure = field(default_factory=Measure)
    spread: list[str] = field(default_factory=list)
    """Names of the fragments around the present selection, to stop at a cycle, which validation reports."""
    spread_ever: set[str] = field(default_factory=set)
    written: set[int] = field(default_factory=set)
    """Python ids of the visited nodes."""
    loading: tuple[str, ...] = ()
    """Response keys of the enclosing fields that read rows."""
    steps: tuple[str, ...] = ()
    """Prefix of :data:`_STEPS` that the enclosing fields contain."""
    large: dict[tuple[str, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Number of selections of each field of :data:`LARGE`, by ``loading``. Fields of one response key are merged."""
    values: dict[int, tuple[int, list[str]]] = field(default_factory=dict)
    """Number of literal values and names of the variables in the arguments of each field node."""

    def operation(self, node: OperationDefinitionNode) -> None:
        if node.operation is OperationType.MUTATION:
            self.measure.cost += MUTATION_COST * len(node.selection_set.selections)
        for definition in node.variable_definitions or ():
            if definition.default_value is not None:
                self.measure.values += sum(1 for _ in _within(definition.default_value))
        self.over(node.selection_set)

    def over(self, selection_set: SelectionSetNode | None, rows: int = 1, nodes: int = 1, depth: int = 1) -> None:
        """Walk over a selection of objects: an estimate of ``rows`` for the cost, and at most ``nodes``."""
        measure = self.measure
        for selection in selection_set.selections if selection_set else ():
            measure.selections += 1
            self.written.add(id(selection))
            if len(self.written) > MAX_SELECTIONS:
                raise over_limit(
                    f"Too many fields in the document; at most {MAX_SELECTIONS} are allowed.", MAX_SELECTIONS
                )
            if measure.selections > MAX_EXPANDED:
                message = (
                    f"Too many fields in the document with its fragments expanded; at most {MAX_EXPANDED} are allowed."
                )
                raise over_limit(message, MAX_EXPANDED)
            if isinstance(selection, FieldNode):
                self._field(selection, rows, nodes, depth)
            elif isinstance(selection, FragmentSpreadNode):
                self._fragment(selection.name.value, rows, nodes, depth)
            else:
                assert isinstance(selection, InlineFragmentNode)  # noqa: S101 - there is no other kind
                self.over(selection.selection_set, rows, nodes, depth)

    def _fragment(self, name: str, rows: int, nodes: int, depth: int) -> None:
        self.spread_ever.add(name)
        if name in self.fragments and name not in self.spread:
            self.spread.append(name)
            self.over(self.fragments[name].selection_set, rows, nodes, depth)
            self.spread.pop()

    def _field(self, node: FieldNode, rows: int, nodes: int, depth: int) -> None:
        measure, name = self.measure, node.name.value
        measure.aliases += bool(node.alias)
        if measure.aliases > MAX_ALIASES:
            raise over_limit(f"Too many aliases in the document; at most {MAX_ALIASES} are allowed.", MAX_ALIASES)
        if name.startswith("__"):
            depth = -MAX_SELECTIONS  # graphql-core bounds the depth of an introspection
        if depth > MAX_DEPTH:
            raise over_limit(f"The document is nested too deeply; at most {MAX_DEPTH} levels are allowed.", MAX_DEPTH)
        measure.fields[name] += 1
        statements = (STATEMENTS if depth == 1 else _WITHIN).get(name, 0)
        measure.cost += rows * (1 + statements) + self._values(node, rows)
        page = self._rows(node)
        nodes *= page
        if name in PAGED:
            measure.nodes += nodes
        if name in LARGE:
            counted = self.large[self.loading]
            counted[name] += 1
            measure.repeats = max(measure.repeats, counted[name])
            measure.steps_repeat |= len(self.steps) == len(_STEPS)
        outer, steps = self.loading, self.steps
        if name in _STEPS[len(steps) :][:1]:
            self.steps = (*steps, name)
        if depth == 1 or name in _LOADING:
            self.loading = (*outer, node.alias.value if node.alias else name)
        rows *= min(page, _ASSUMED_STEPS) if name == "transitions" else page
        self.over(node.selection_set, rows, nodes, depth + 1)
        self.loading, self.steps = outer, steps

    def _values(self, node: FieldNode, rows: int) -> int:
        """Count the literal values and the variables of the arguments; return the cost of repeated coercions."""
        if not node.arguments:
            return 0
        first = id(node) not in self.values
        if first:
            within = [inner for argument in node.arguments for inner in _within(argument.value)]
            self.values[id(node)] = (len(within), [one.name.value for one in within if isinstance(one, VariableNode)])
        count, variables = self.values[id(node)]
        for name in variables:
            self.measure.uses[name] += rows
        self.measure.values += count * first
        return count * (rows - first)

    def _rows(self, node: FieldNode) -> int:
        name = node.name.value
        if name in PAGED:
            return self._size(node, "first", READING_PAGE if name == "readings" else DEFAULT_PAGE, MAX_PAGE)
        if name == "createDeviceOperations":
            return self._size(node, "inputs", 1, MAX_CREATED)
        return _ROWS.get(name, 1)

    def _size(self, node: FieldNode, argument: str, default: int, most: int) -> int:
        given = next((one.value for one in node.arguments or () if one.name.value == argument), None)
        if isinstance(given, IntValueNode):
            return max(1, page_size(int(given.value)))
        if isinstance(given, ListValueNode):
            return len(given.values)
        if isinstance(given, VariableNode):
            return max(1, min(most, self.sizes.get(given.name.value, default)))
        return default


def _within(value: ValueNode) -> Iterator[ValueNode]:
    yield value
    commands: Sequence[ValueNode] = ()
    if isinstance(value, ListValueNode):
        commands = value.values
    elif isinstance(value, ObjectValueNode):
        commands = [one.value for one in value.fields if not isinstance(one.value, NullValueNode)]
    if len(commands) > MAX_LIST:
        raise over_limit(
            f"Too many members in a list or an object ({len(commands)}); at most {MAX_LIST} are allowed.", MAX_LIST
        )
    for command in commands:
        yield from _within(command)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


def check_document(document: DocumentNode) -> None:
    """Check the limits that do not depend on variables, also for unused fragments, because they are validated, too.

    Raises:
        ApiError: LIMIT_EXCEEDED.
    """
    fragments = fragments_of(document)
    selections, spread, written = 0, set[str](), set[int]()
    for one in sorted(document.definitions, key=lambda one: isinstance(one, FragmentDefinitionNode)):
        walk = _Walk(fragments, {}, Measure(selections=selections), spread_ever=spread, written=written)
        if isinstance(one, OperationDefinitionNode):
            walk.operation(one)
        elif isinstance(one, FragmentDefinitionNode) and one.name.value not in spread:
            walk.over(one.selection_set)
        selections = walk.measure.selections


def measured(document: DocumentNode, operation: OperationDefinitionNode, sizes: Mapping[str, int]) -> Measure:
    """Measure an operation.

    Args:
        sizes: for each variable that is a number or a list, the number or the length of the list.

    Raises:
        ApiError: LIMIT_EXCEEDED.
    """
    walk = _Walk(fragments_of(document), sizes)
    walk.operation(operation)
    measure = walk.measure
    if measure.nodes > MAX_NODES:
        message = f"The query selects up to {measure.nodes} nodes; at most {MAX_NODES} are allowed. Use smaller pages."
        raise over_limit(message, MAX_NODES)
    return measure


def count_values(value: Any, name: str) -> int:
    """Return the number of values in a variable's value, including itself. A null member of an object is ignored.

    Raises:
        ApiError: LIMIT_EXCEEDED: too many values, or too many members of one list or object. BAD_USER_INPUT: too many
            levels.
    """
    count, level = 0, [value]
    for _ in range(MAX_VALUE_DEPTH):
        count += len(level)
        containers = [one for one in level if isinstance(one, list | dict)]
        if not containers:
            return count
        if any(len(one) > MAX_LIST for one in containers):
            message = (
                f"Too many members in a list or an object of the variable ${name}; at most {MAX_LIST} are allowed."
            )
            raise over_limit(message, MAX_LIST)
        if count > MAX_VALUES:
            break
        level = [command for one in containers for command in _members(one)]
    if count > MAX_VALUES:
        raise over_limit(f"Too many values in the variable ${name}; at most {MAX_VALUES} are allowed.", MAX_VALUES)
    message = f"The variable ${name} is nested too deeply; at most {MAX_VALUE_DEPTH} levels are allowed."
    raise bad_input(message, name)


def _members(container: list[Any] | dict[str, Any]) -> Iterable[Any]:
    if isinstance(container, list):
        return container
    return (command for command in container.values() if command is not None)
