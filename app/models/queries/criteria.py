"""The filters of lists, and their SQL conditions."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import product
from typing import Any, Final, NamedTuple, TypeAlias

from app.domain.enums import HOUR, Instant, OperationKind, OperationStatus, Presence, ReasonCode
from app.models.endpoint_index import OBJECTS, TAGS
from app.models.queries.access import Statement, on_postgres

ENDPOINT_BY_NAME: Final = """coalesce(
    (SELECT n.id FROM endpoint n WHERE n.name = {name} AND n.deleted_at IS NULL LIMIT 1),
    (SELECT max(n.id) FROM endpoint n WHERE n.name = {name} AND n.deleted_at IS NOT NULL)
)"""
"""The endpoint of a name: the newest deleted one while no other has its name."""


def of_name(column: str, name: str, statement: Statement) -> str:
    """Return the condition that a column refers to an endpoint that has this name, or had it when it was deleted.
    PostgreSQL uses an array as a list of keys for the index; for a subquery it may join whole tables."""
    select = f"SELECT n.id FROM endpoint n WHERE n.name = {statement.add(name)}"
    return f"{column} {f'= ANY(ARRAY({select}))' if on_postgres() else f'IN ({select})'}"


RETRIED: Final = "EXISTS (SELECT 1 FROM operation r WHERE r.retry_of = o.seq)"
"""Condition: an operation exists that retries the operation ``o``."""


def below(column: str, prefix: str, statement: Statement) -> list[str]:
    """Return two conditions, one of which holds for a path that is ``prefix`` or below it.

    They are ranges, so an index on the column serves them: ``"0"`` is the character after ``"/"``, and paths are
    compared byte by byte on both databases.
    """
    prefix = prefix.rstrip("/")
    low, high = statement.add(f"{prefix}/"), statement.add(f"{prefix}0")
    return [f"{column} = {statement.add(prefix)}", f"({column} >= {low} AND {column} < {high})"]


class Condition(NamedTuple):
    """A condition on a row of ``table``: ``o``, the operation, or ``f``, its row in the index table."""

    table: str
    sql: str


Conditions: TypeAlias = Callable[["OperationCriteria", Any, Statement], list[Condition]]
"""Returns the conditions of which exactly one must hold, for the value of a criterion."""


def _by(conditions: Conditions) -> Any:
    return field(default=None, metadata={"conditions": conditions})


def _index_table() -> str:
    """Return the table whose indexes serve the immutable columns of an operation."""
    return "f" if on_postgres() else "o"


def _compared(column: str, operator: str = "=") -> Conditions:
    """Return the condition on an immutable column."""

    def conditions(_: OperationCriteria, value: Any, statement: Statement) -> list[Condition]:
        table = _index_table()
        return [Condition(table, f"{table}.{column} {operator} {statement.add(value)}")]

    return conditions


class _OneOf:
    """Conditions on a column of an enumeration: one for each wanted value, so that an index serves each; none if all
    values are wanted of a column that is never NULL."""

    def __init__(self, column: str, members: type[StrEnum], *, immutable: bool = False, nullable: bool = False) -> None:
        self._column, self._members = column, members
        self._immutable, self._nullable = immutable, nullable

    def __call__(self, _: OperationCriteria, wanted: Collection[StrEnum], statement: Statement) -> list[Condition]:  # noqa: ARG002
        table = _index_table() if self._immutable else "o"
        members = [member for member in self._members if member in wanted]
        if len(members) == len(self._members) and not self._nullable:
            return []
        return [Condition(table, f"{table}.{self._column} = '{member}'") for member in members]


def _of_endpoint(criteria: OperationCriteria, name: str, statement: Statement) -> list[Condition]:
    table = _table_of_endpoint(criteria)
    return [Condition(table, f"{table}.endpoint_id = {ENDPOINT_BY_NAME.format(name=statement.add(name))}")]


def _of_endpoints(criteria: OperationCriteria, names: Collection[str], statement: Statement) -> list[Condition]:
    """Return the condition on endpoints by names. PostgreSQL uses an array as a list of keys for the index; for a
    subquery it may join whole tables."""
    table = _table_of_endpoint(criteria)
    select = f"SELECT n.id FROM endpoint n WHERE n.name = ANY({statement.add(list(names))}::text[])"
    return [Condition(table, f"{table}.endpoint_id {f'= ANY(ARRAY({select}))' if on_postgres() else f'IN ({select})'}")]


def _table_of_endpoint(criteria: OperationCriteria) -> str:
    """Return the table for a condition on the endpoint: an index of the operation table has endpoint and status."""
    any_status = criteria.statuses is None or set(criteria.statuses) == set(OperationStatus)
    return _index_table() if any_status else "o"


def _at_or_below(_: OperationCriteria, prefix: str, statement: Statement) -> list[Condition]:
    table = _index_table()
    return [Condition(table, sql) for sql in below(f"{table}.path", prefix, statement)]


def _retried(_: OperationCriteria, wanted: object, statement: Statement) -> list[Condition]:  # noqa: ARG001
    return [Condition("o", RETRIED if wanted else f"NOT {RETRIED}")]


def _for_fleet_work(_: OperationCriteria, id_: int, statement: Statement) -> list[Condition]:
    return [Condition("o", f"o.fleet_id = {statement.add(id_)}")]


@dataclass(frozen=True, slots=True)
class OperationCriteria:
    """A filter of operations: each criterion with its SQL conditions. None means any; an empty list means none.

    Attributes:
        endpoint: an exact name.
        reasons: of the last transition.
        path_prefix: whole parts: ``"/3"`` is object 3 and all below it, never object 3303. With the leading slash.
        created_after, created_before: both exclusive, microseconds since the epoch.
        endpoints: exact names, of which one must match.
        batch: the label that it was created with.
        retried: whether an operation exists that retries it.
        fleet_id: the firmware update or the campaign's target that it was created for.
    """

    endpoint: str | None = _by(_of_endpoint)
    statuses: Collection[OperationStatus] | None = _by(_OneOf("status", OperationStatus))
    reasons: Collection[ReasonCode] | None = _by(_OneOf("reason", ReasonCode, nullable=True))
    kinds: Collection[OperationKind] | None = _by(_OneOf("kind", OperationKind, immutable=True))
    path_prefix: str | None = _by(_at_or_below)
    created_after: Instant | None = _by(_compared("created_at", ">"))
    created_before: Instant | None = _by(_compared("created_at", "<"))
    endpoints: Collection[str] | None = _by(_of_endpoints)
    batch: str | None = _by(_compared("batch"))
    created_by: str | None = _by(_compared("created_by"))
    retried: bool | None = _by(_retried)
    fleet_id: int | None = _by(_for_fleet_work)

    @property
    def impossible(self) -> bool:
        """Whether an empty list excludes all operations."""
        values = (value for value, _ in self._given())
        return any(isinstance(value, Collection) and not isinstance(value, str) and not value for value in values)

    @property
    def indexed(self) -> bool:
        """Whether an index serves a page in order: by endpoint and statuses alone, or of all."""
        return self == OperationCriteria(endpoint=self.endpoint, statuses=self.statuses)

    @property
    def unrestricted(self) -> bool:
        """Whether every operation matches."""
        return self == OperationCriteria()

    def branches(self, statement: Statement) -> list[list[Condition]]:
        """Return the conditions of disjoint branches, each of which one index serves in order.

        One branch for each value of one enumeration is enough: branches for all of them would be more than a thousand.
        """
        fixed: list[Condition] = []
        alternatives: list[list[Condition]] = []
        enumerated = False
        for value, of_criterion in self._given():
            conditions = of_criterion(self, value, statement)
            if isinstance(of_criterion, _OneOf) and enumerated and conditions:
                fixed.append(Condition(conditions[0].table, f"({' OR '.join(one.sql for one in conditions)})"))
            elif len(conditions) > 1 or (isinstance(of_criterion, _OneOf) and conditions):
                alternatives.append(conditions)
                enumerated |= isinstance(of_criterion, _OneOf)
            else:
                fixed += conditions
        return [[*fixed, *chosen] for chosen in product(*alternatives)]

    def _given(self) -> Iterator[tuple[Any, Conditions]]:
        for one in fields(self):
            if (value := getattr(self, one.name)) is not None:
                yield value, one.metadata["conditions"]


@dataclass(frozen=True, slots=True)
class EndpointCriteria:
    """A filter of endpoints: an endpoint has to match all criteria. None means any; an empty list of presences or names
    means none.

    Attributes:
        name_contains: matched literally and case-sensitively, without wildcards.
        names: exact names, of which one must match.
        tags: the endpoint has all of them.
        object_id: the endpoint has registered the object.
        last_seen_after, last_seen_before: both exclusive, microseconds since the epoch.
        has_pending: whether it has operations that have not ended.
    """

    name_contains: str | None = None
    presences: Collection[Presence] | None = None
    names: Collection[str] | None = None
    tags: Collection[str] = ()
    object_id: int | None = None
    last_seen_after: Instant | None = None
    last_seen_before: Instant | None = None
    has_pending: bool | None = None
    overdue: bool | None = None

    @property
    def indexed(self) -> bool:
        """Whether one index serves a page in order: that of presences, or of the names of a tag's endpoints."""
        tagged = EndpointCriteria(tags=self.tags, overdue=self.overdue)
        return self == EndpointCriteria(presences=self.presences) or (self == tagged and len(self.tags) <= 1)

    def conditions(self, alias: str, statement: Statement, *, postgres: bool) -> list[str]:
        """Return the conditions on a row of the table of endpoints with this alias, which must all hold. A condition
        that the endpoint is not deleted is the first one."""
        return [f"{alias}.deleted_at IS NULL", *self._given(alias, statement, postgres=postgres)]

    def _given(self, alias: str, statement: Statement, *, postgres: bool) -> Iterator[str]:
        if self.name_contains:
            yield contains(f"{alias}.name", self.name_contains, statement, postgres=postgres)
        if self.names is not None:
            yield f"{alias}.name = ANY({statement.add(list(self.names))}::text[])"
        if self.presences is not None and set(self.presences) != set(Presence):
            wanted = [f"{alias}.presence = '{presence}'" for presence in Presence if presence in self.presences]
            yield f"({' OR '.join(wanted) or 'FALSE'})"
        for tag in self.tags:
            yield f"EXISTS (SELECT 1 FROM {TAGS} x WHERE x.endpoint_id = {alias}.id AND x.tag = {statement.add(tag)})"
        if self.object_id is not None:
            registered = f"x.endpoint_id = {alias}.id AND x.object_id = {statement.add(self.object_id)}"
            yield f"EXISTS (SELECT 1 FROM {OBJECTS} x WHERE {registered})"
        yield from self._last_seen(alias, statement)
        if self.has_pending is not None:
            yield f"{alias}.queued + {alias}.sending {'>' if self.has_pending else '='} 0"
        if self.overdue is not None:
            yield f"{alias}.overdue = {str(self.overdue).lower()}"

    def _last_seen(self, alias: str, statement: Statement) -> Iterator[str]:
        """Yield the exact conditions, each with one on the indexed hour."""
        for given, operator in ((self.last_seen_after, ">"), (self.last_seen_before, "<")):
            if given is not None:
                yield f"{alias}.seen_hour {operator}= {statement.add(given // HOUR)}"
                yield f"{alias}.last_seen_at {operator} {statement.add(given)}"


def contains(column: str, part: str, statement: Statement, *, postgres: bool) -> str:
    """Return the condition that the text contains ``part`` literally."""
    return f"{'strpos' if postgres else 'instr'}({column}, {statement.add(part)}) > 0"
