"""Writing of the counters (:mod:`app.models.counters`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from app.domain.enums import Instant
from app.models.counters import CHECKED, COUNTERS
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group


class CounterRow(NamedTuple):
    """What is added to a counter."""

    server_id: int
    name: str
    value: int


@dataclass(slots=True)
class CorrectCounters(Command[bool]):
    """Add differences to the counters that were found when they had last been ``checked`` then (None: never). Return
    False, without a change, if another process has done so since."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    differences: Mapping[str, int]
    checked: Instant | None
    known: Instant | None = None

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(f"{COUNTERS} AND name = $2", group.server.id, CHECKED)
        self.known = rows[0]["value"] if rows else None

    def apply(self, group: Group) -> bool:
        if self.known != self.checked:
            return False
        group.counters.update(self.differences)
        group.counters[CHECKED] += group.now - (self.known or 0)
        return True
