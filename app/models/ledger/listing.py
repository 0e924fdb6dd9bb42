"""Reconciliation with ``GET /clients``: find registrations whose events were missed, and registrations that are
over."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import Presence
from app.domain.outcomes import OutcomeKind
from app.models.ledger import presence
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import give_up_held
from app.models.ledger.store import LONG_STATEMENT_SECONDS


@dataclass(slots=True)
class EndListing(Command[int]):
    """Apply the end of a complete ``GET /clients``: endpoints that it did not list, and whose last event is older than
    the request, are not registered. Return how many were marked OFFLINE; submit it again until that is 0.

    ``asked_at`` is the ledger's time before the GET was sent (:class:`ReadLedgerTime`).
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    seconds: ClassVar[float] = LONG_STATEMENT_SECONDS
    asked_at: int
    found: list[int] = field(default_factory=list)

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(_UNLISTED, group.server.id, self.asked_at)
        self.found = [row["id"] for row in rows]
        await group.load_endpoints(self.found)
        await group.load_held()

    def apply(self, group: Group) -> int:
        for id_ in self.found:
            endpoint = group.endpoints[id_]
            presence.go_offline(endpoint)
            give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, "events were missed while Leshan held the request")
        return len(self.found)


_UNLISTED: Final = f"""
    SELECT id FROM endpoint
    WHERE server_id = $1 AND presence <> '{Presence.OFFLINE}' AND registration_id IS NOT NULL
      AND coalesce(last_seen_at, 0) < $2 AND coalesce(listed_at, 0) < $2
    LIMIT 500
"""


@dataclass(slots=True)
class Listed(Command[None]):
    """Mark endpoints that ``GET /clients`` listed: they are registered, whatever else is known about them.

    ``asleep`` are those listed as sleeping. This is applied to endpoints not seen since ``asked_at``, because SLEEPING
    may be among the missed events.
    """

    phase: ClassVar[Phase] = Phase.SETTLE
    names: Sequence[str]
    asleep: Collection[str] = ()
    asked_at: int = 0

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.update(self.names)

    def apply(self, group: Group) -> None:
        for name in self.names:
            if (endpoint := group.names.get(name)) is not None:
                endpoint.listed_at = group.now
                if name in self.asleep and endpoint.sleeps and (endpoint.last_seen_at or 0) < self.asked_at:
                    presence.fall_asleep(endpoint)


@dataclass(slots=True)
class Reconciled(Command[None]):
    """Record that all registrations have been read, which makes up for events missed before ``asked_at``."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    asked_at: int

    def apply(self, group: Group) -> None:
        if (group.server.missed_at or 0) <= self.asked_at:
            group.server.missed_at = None


@dataclass(slots=True)
class ReadLedgerTime(Command[int]):
    """Return the ledger's time, for ``asked_at`` of :class:`EndListing`."""

    phase: ClassVar[Phase] = Phase.INGEST

    def apply(self, group: Group) -> int:
        return group.now
