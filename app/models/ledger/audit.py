"""The audit beside changes: most entries are written with the command that they are about (``Command.audit``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group

PIECE: Final = 1_000
"""Maximum of audit events pruned in one transaction."""
OLDEST: Final = "SELECT id, at FROM audit_event ORDER BY id LIMIT $1"


@dataclass(slots=True)
class RecordAudit(Command[None]):
    """Write only its own audit entry: that of a request for which nothing else was written."""

    phase: ClassVar[Phase] = Phase.CREATE

    def apply(self, group: Group) -> None:
        """Change nothing: the group writes the entry."""


async def prune_audit(group: Group) -> bool:
    """Delete the oldest audit events beyond their retention; return whether there may be more."""
    edge = group.now - group.rules.audit_retention
    gone = [row["id"] for row in await group.store.fetch(OLDEST, PIECE) if row["at"] < edge]
    if gone:
        await group.store.execute("DELETE FROM audit_event WHERE id = ANY($1::bigint[])", gone)
    return len(gone) == PIECE
