"""Commands that callers submit to the ledger, which commits them in groups. Each one has a module beside this one."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar

from app.models.ledger.group import Group, Needs
from app.models.ledger.rows import AuditEntry
from app.models.ledger.store import STATEMENT_SECONDS

Result = TypeVar("Result")


class Phase(IntEnum):
    """The order of commands within a group: events first, then API requests, call results, maintenance, and claims."""

    INGEST = 0
    CANCEL = 1
    CREATE = 2
    SETTLE = 3
    MAINTENANCE = 4
    CLAIM = 5


class Command(Generic[Result]):
    """One request to the ledger. It is applied at most once per commit, in a group of its own if it made its group
    fail.

    ``apply`` validates everything before it changes anything: if it raises, the group continues without it.
    """

    phase: ClassVar[Phase]
    seconds: ClassVar[float] = STATEMENT_SECONDS
    """Time limit in seconds of each statement of its group."""

    weight: int = 1
    """The number of items that it carries: a group's total is limited."""

    begun: bool = False
    """Whether its group is being written, so that neither it nor another command can be added any more."""

    audit: AuditEntry | None = None
    """Entry of the audit that is written in the same transaction, unless the command is refused."""

    def needs(self, needs: Needs) -> None:
        """Add the rows that must be loaded before it is applied."""

    async def find(self, group: Group) -> None:
        """Find rows that only the database can name. Called in the phases MAINTENANCE and CLAIM, once the earlier
        changes that it reads are written."""

    def apply(self, group: Group) -> Result:
        """Apply the command to the rows in memory."""
        raise NotImplementedError


class LedgerError(Exception):
    """An expected refusal; ``facts`` are the details of the conflict for the caller."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class NotFound(LedgerError):
    """No such endpoint or operation."""


class LimitExceeded(LedgerError):
    """More rows than a limit allows."""


class Conflict(LedgerError):
    """A conflict with the operation's current status, or with an idempotency key that was used for another input."""
