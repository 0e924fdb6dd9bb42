"""What a caller asks of the ledger: a member of a group commit. Each verb has a module of its own beside this one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar

from app.models.ledger.group import Group
from app.models.ledger.store import STATEMENT_SECONDS

Result = TypeVar("Result")


class Phase(IntEnum):
    """The order within a group: what we heard first, then what people want, then what came back, then what goes out."""

    INGEST = 0
    CANCEL = 1
    CREATE = 2
    SETTLE = 3
    MAINTENANCE = 4
    CLAIM = 5


@dataclass(slots=True)
class Needs:
    """What a group has to load before its members can be applied."""

    endpoint_names: set[str] = field(default_factory=set)
    endpoint_ids: set[int] = field(default_factory=set)
    operation_seqs: set[int] = field(default_factory=set)
    operation_ids: set[str] = field(default_factory=set)
    request_ids: set[str] = field(default_factory=set)
    idempotency_keys: set[str] = field(default_factory=set)
    superseded_paths: set[str] = field(default_factory=set)
    retried_seqs: set[int] = field(default_factory=set)
    delivery_ids: set[str] = field(default_factory=set)


class Command(Generic[Result]):
    """One request to the ledger. Applied at most once per commit, alone when it made its group fail.

    ``apply`` checks everything before it changes anything: when it raises, the group goes on without it.
    """

    phase: ClassVar[Phase]
    seconds: ClassVar[float] = STATEMENT_SECONDS
    """How long each statement of its group may take."""

    @property
    def weight(self) -> int:
        """How many things it brings: a group takes so many and no more."""
        return 1

    def begin(self) -> None:
        """Its group is being written, and no other member comes to it any more."""

    def needs(self, needs: Needs) -> None:
        """Say what has to be loaded."""

    async def find(self, group: Group) -> None:
        """Look for rows that only the database can name; everything before this member has been written by then."""

    def apply(self, group: Group) -> Result:
        """Do it, in memory."""
        raise NotImplementedError


class LedgerError(Exception):
    """An expected refusal; ``facts`` tells the caller what is in the way."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class NotFound(LedgerError):
    """No such endpoint or operation."""


class Conflict(LedgerError):
    """The operation's present status, or an idempotency key that was used for something else, is in the way."""
