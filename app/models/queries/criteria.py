"""The filters of lists, and their SQL conditions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.domain.enums import Instant, OperationKind, OperationStatus, Presence, ReasonCode
from app.models.queries.reading import Statement, on_postgres

ENDPOINT_BY_NAME = "(SELECT n.id FROM endpoint n WHERE n.name = {name} LIMIT 1)"


@dataclass(frozen=True, slots=True)
class OperationCriteria:
    """A filter of operations. None means any; an empty list means none.

    Attributes:
        endpoint: an exact name.
        path_prefix: whole parts: ``"/3"`` is object 3 and all below it, never object 3303. With the leading slash.
        created_after, created_before: both exclusive, microseconds since the epoch.
        endpoints: exact names, of which one must match.
        reasons: of the last transition.
        batch: the label that it was created with.
        retried: whether an operation exists that retries it.
    """

    endpoint: str | None = None
    statuses: Collection[OperationStatus] | None = None
    kinds: Collection[OperationKind] | None = None
    path_prefix: str | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    endpoints: Collection[str] | None = None
    reasons: Collection[ReasonCode] | None = None
    batch: str | None = None
    created_by: str | None = None
    retried: bool | None = None

    @property
    def impossible(self) -> bool:
        """Whether an empty list excludes all operations."""
        return any(
            words is not None and not words for words in (self.statuses, self.kinds, self.reasons, self.endpoints)
        )

    @property
    def indexed(self) -> bool:
        """Whether an index serves a page in order: by endpoint and statuses alone, or of all."""
        return self == OperationCriteria(endpoint=self.endpoint, statuses=self.statuses)

    @property
    def unrestricted(self) -> bool:
        """Whether every operation matches."""
        return self == OperationCriteria()


@dataclass(frozen=True, slots=True)
class EndpointCriteria:
    """A filter of endpoints. ``name_contains`` is matched literally and case-sensitively, without wildcards."""

    name_contains: str | None = None
    presences: Collection[Presence] | None = None


def below(column: str, prefix: str, statement: Statement) -> list[str]:
    """Return two conditions, one of which holds for a path that is ``prefix`` or below it.

    They are ranges, so an index on the column serves them: ``"0"`` is the character after ``"/"``, and paths are
    compared byte by byte on both databases.
    """
    prefix = prefix.rstrip("/")
    low, high = statement.add(f"{prefix}/"), statement.add(f"{prefix}0")
    return [f"{column} = {statement.add(prefix)}", f"({column} >= {low} AND {column} < {high})"]


def contains(column: str, part: str, statement: Statement) -> str:
    """Return the condition that the text contains ``part`` literally."""
    return f"{'strpos' if on_postgres() else 'instr'}({column}, {statement.add(part)}) > 0"
