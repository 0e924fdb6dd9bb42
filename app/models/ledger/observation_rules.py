"""Observation rules: creation, change and deletion. :class:`ApplyRules` carries them out afterwards.

Each of these commands draws a new ``rules_seq`` for the Leshan server, so that the rules of every endpoint with a lower
one are due, registered or not: nothing has to be marked, however many endpoints there are.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app.models.fields import dump_json
from app.models.ledger.commands import Command, Conflict, LimitExceeded, NotFound, Phase
from app.models.ledger.group import Group
from app.models.ledger.store import Row

MAX_RULES: Final = 100
"""Maximum number of observation rules."""

_COLUMNS: Final = ("name", "given_filter", "criteria", "paths", "composite", "attributes", "read_paths", "enabled")
_KNOWN: Final = f"SELECT id, {', '.join(_COLUMNS)} FROM observation_rule WHERE server_id = $1"
_INSERT: Final = (
    f"INSERT INTO observation_rule (id, {', '.join(_COLUMNS)}, server_id, created_at, created_by) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
)
_SETS: Final = ", ".join(f"{column} = ${number}" for number, column in enumerate(_COLUMNS, start=2))
_UPDATE: Final = f"UPDATE observation_rule SET {_SETS} WHERE id = $1"
_DELETE: Final = "DELETE FROM observation_rule WHERE id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDefinition:
    """A validated observation rule.

    Attributes:
        given_filter: the filter as the API shows it.
        criteria: the same filter as the fields of ``EndpointCriteria``.
        paths, read_paths: with the leading slash; ``*`` is the object instance only.
    """

    name: str
    given_filter: Mapping[str, Any]
    criteria: Mapping[str, Any]
    paths: tuple[str, ...]
    composite: bool
    attributes: Mapping[str, float]
    read_paths: tuple[str, ...]
    enabled: bool

    def stored(self) -> tuple[Any, ...]:
        """Return the values of the columns."""
        return (
            self.name,
            dump_json(dict(self.given_filter)),
            dump_json(dict(self.criteria)),
            dump_json(list(self.paths)),
            self.composite,
            dump_json(dict(self.attributes) or None),
            dump_json(list(self.read_paths)),
            self.enabled,
        )


@dataclass(slots=True)
class _RuleCommand(Command[int]):
    """Base of the changes of rules: all that exist."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    known: dict[int, Row] = field(default_factory=dict, init=False)

    async def find(self, group: Group) -> None:
        self.known = {row["id"]: row for row in await group.store.fetch(_KNOWN, group.server.id)}

    def _change(self, group: Group, sql: str, values: tuple[Any, ...]) -> None:
        group.statements.append((sql, [values]))
        group.server.rules_seq = group.draw()

    def _check_name(self, name: str, own: int | None) -> None:
        for id_, row in self.known.items():
            if row["name"] == name and id_ != own:
                raise Conflict(f"An observation rule with the name {name!r} exists.", rule=id_, field="name")


@dataclass(slots=True)
class CreateObservationRule(_RuleCommand):
    """Create a rule and return its id. Raise Conflict with the id of the ``rule`` that has its name, LimitExceeded if
    there are :data:`MAX_RULES`."""

    definition: RuleDefinition
    created_by: str

    def apply(self, group: Group) -> int:
        values = self.definition.stored()
        same = next((id_ for id_, row in self.known.items() if row["name"] == self.definition.name), None)
        if group.again and same is not None and _values(self.known[same]) == values:
            return same
        self._check_name(self.definition.name, None)
        if len(self.known) >= MAX_RULES:
            raise LimitExceeded(f"Too many observation rules; at most {MAX_RULES} are allowed.", limit=MAX_RULES)
        id_ = group.draw()
        self._change(group, _INSERT, (id_, *values, group.server.id, group.now, self.created_by))
        return id_


@dataclass(slots=True)
class UpdateObservationRule(_RuleCommand):
    """Replace a rule's definition and return its id. Raise NotFound, or Conflict as on creation."""

    id: int
    definition: RuleDefinition

    def apply(self, group: Group) -> int:
        if self.id not in self.known:
            raise NotFound("Unknown observation rule.", field="id")
        self._check_name(self.definition.name, self.id)
        values = self.definition.stored()
        if _values(self.known[self.id]) != values:
            self._change(group, _UPDATE, (self.id, *values))
        return self.id


@dataclass(slots=True)
class DeleteObservationRule(_RuleCommand):
    """Delete a rule and return its id. Raise NotFound. Its observations are canceled when the rules are applied."""

    id: int

    def apply(self, group: Group) -> int:
        if self.id in self.known:
            self._change(group, _DELETE, (self.id,))
        elif not group.again:
            raise NotFound("Unknown observation rule.", field="id")
        return self.id


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(bool(row[name]) if name in {"composite", "enabled"} else row[name] for name in _COLUMNS)
