"""The form of an invariant: a query for its violations, and how a large table is read for it."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.enums import Instant
from app.models.ledger.rows import STATUS_COLUMNS
from app.models.queue_order import Rows


class Walk(StrEnum):
    """The unit in which a table is read in pieces: its key, by which a query's ``$1`` (above) and ``$2`` (up to) bound
    it.

    A query of endpoints or batches reads all of their operations, so a piece has few of them if these have many: no
    statement may take longer than a reader's ten seconds.
    """

    OPERATIONS = "SELECT seq AS key FROM operation WHERE seq > $1 ORDER BY seq LIMIT {piece}"
    ENDPOINTS = f"""
        SELECT id AS key FROM (SELECT id, sum(held) OVER (ORDER BY id) - held AS before FROM (
            SELECT id, {" + ".join(STATUS_COLUMNS.values())} AS held FROM endpoint
            WHERE id > $1 ORDER BY id LIMIT {{piece}}
        ) e) q WHERE before < {{rows}}
    """
    ENDPOINTS_WITH_READINGS = "SELECT id AS key FROM endpoint WHERE id > $1 ORDER BY id LIMIT 5"
    """Few, because an endpoint may have a million readings; the index on them makes a short piece cheap."""
    BATCHES = """
        SELECT id AS key FROM (SELECT id, sum(created) OVER (ORDER BY id) - created AS before FROM (
            SELECT id, created FROM operation_batch WHERE id > $1 ORDER BY id LIMIT {piece}
        ) b) q WHERE before < {rows}
    """
    CAMPAIGNS = """
        SELECT id AS key FROM (SELECT id, sum(targets) OVER (ORDER BY id) - targets AS before FROM (
            SELECT id, waiting + running + succeeded + failed + canceled + skipped AS targets FROM campaign
            WHERE id > $1 ORDER BY id LIMIT {piece}
        ) c) q WHERE before < {rows}
    """


@dataclass(frozen=True, slots=True)
class Judge:
    """Decide about a suspect if SQL alone cannot.

    Attributes:
        rows: the statement that reads a suspect's rows; ``$1`` is its id.
        violators: returns the violators of the invariant, from these rows, the current time, and the time before which
            a task is late.
    """

    rows: str
    violators: Callable[[Rows, Instant, Instant], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A query whose rows (``who``) violate an invariant; on SQLite it reads the operations instead of their index
    table. ``given`` names the times and limits that follow ``$1`` and ``$2`` of a walk, or are the only parameters
    without one. With a ``judge`` the rows are endpoints (``id``) that may violate it."""

    number: int
    breach: str
    sql: str
    walk: Walk | None = None
    given: tuple[str, ...] = ()
    judge: Judge | None = None

    @property
    def of_lateness(self) -> bool:
        """Whether the current time decides."""
        return "overdue" in self.given

    def named(self, who: object) -> str:
        return f"invariant {self.number}: {who}: {self.breach}"
