"""The emergency brake: a pause stops the dispatch to everything, to one Leshan server's devices, or to one endpoint,
until it is resumed. Its author, time and reason are stored in a row of their own; it survives every restart, and every
claim checks it.

A pause of one endpoint is also a flag in its row, which takes it off the ready list (``ledger/readiness.py``): a claim
does not scan past a thousand paused endpoints. Wider pauses are checked in the claim's own statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.models.fields import storable_text
from app.models.ledger.commands import Command, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.store import Row

MAX_REASON: Final = 500

SERVER_PAUSE: Final = """
    SELECT 1 FROM dispatch_pause p
    WHERE p.endpoint_id IS NULL AND p.resumed_at IS NULL AND (p.server_id IS NULL OR p.server_id = {server})
"""
"""Subquery: whether the dispatch to a whole Leshan server is paused."""

_LATEST: Final = """
    SELECT id, resumed_by, resumed_at FROM dispatch_pause
    WHERE coalesce(server_id, 0) = $1 AND coalesce(endpoint_id, 0) = $2 ORDER BY id DESC LIMIT 1
"""
_PAUSE: Final = (
    "INSERT INTO dispatch_pause (id, server_id, endpoint_id, reason, paused_by, paused_at) "
    "VALUES ($1, $2, $3, $4, $5, $6)"
)
_RESUME: Final = "UPDATE dispatch_pause SET resumed_by = $2, resumed_at = $3 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a pause: one endpoint, all of one Leshan server, or everything (both None)."""

    server: str | None = None
    endpoint: str | None = None


@dataclass(slots=True)
class _ScopeCommand(Command[int]):
    """Base of pausing and resuming: the scope's ids, and its latest pause."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    scope: Scope
    by: str
    server_id: int | None = field(default=None, init=False)
    endpoint_id: int | None = field(default=None, init=False)
    latest: Row | None = field(default=None, init=False)

    def needs(self, needs: Needs) -> None:
        if self.scope.endpoint is not None:
            needs.endpoint_names.add(self.scope.endpoint)

    async def find(self, group: Group) -> None:
        self.server_id = self.endpoint_id = self.latest = None
        if self.scope.server is not None:
            rows = await group.store.fetch("SELECT id FROM leshan_server WHERE name = $1", self.scope.server)
            self.server_id = rows[0]["id"] if rows else None
        endpoint = group.names.get(self.scope.endpoint or "")
        if endpoint is not None:
            self.server_id, self.endpoint_id = endpoint.server_id, endpoint.id
        rows = await group.store.fetch(_LATEST, self.server_id or 0, self.endpoint_id or 0)
        self.latest = rows[0] if rows else None

    @property
    def in_force(self) -> Row | None:
        """The pause that is in force, if there is one."""
        return self.latest if self.latest is not None and self.latest["resumed_at"] is None else None

    def _check_scope(self) -> None:
        if self.scope.endpoint is not None and self.endpoint_id is None:
            raise NotFound(f"Unknown endpoint {self.scope.endpoint!r}.", field="endpoint")
        if self.scope.server is not None and self.server_id is None:
            raise NotFound(f"Unknown Leshan server {self.scope.server!r}.", field="leshanServer")

    def _set_paused(self, group: Group, *, paused: bool) -> None:
        if self.endpoint_id is not None:
            group.endpoints[self.endpoint_id].paused = paused


@dataclass(slots=True)
class PauseDispatch(_ScopeCommand):
    """Pause the dispatch to a scope. Return the pause's id: that of the pause in force, unchanged, if there is one.
    Raise NotFound for an unknown scope. Open calls continue; queued operations still expire and can be canceled."""

    reason: str

    def apply(self, group: Group) -> int:
        self._check_scope()
        if self.in_force is not None:
            return int(self.in_force["id"])
        id_ = group.draw()
        reason = storable_text(self.reason, MAX_REASON)
        row = (id_, self.server_id, self.endpoint_id, reason, self.by, group.now)
        group.statements.append((_PAUSE, [row]))
        self._set_paused(group, paused=True)
        return id_


@dataclass(slots=True)
class ResumeDispatch(_ScopeCommand):
    """End the pause of exactly this scope; wider and narrower ones remain. Return its id. Raise NotFound if there is
    none, or for an unknown scope."""

    def apply(self, group: Group) -> int:
        self._check_scope()
        if self.in_force is None:
            if group.again and self.latest is not None and self.latest["resumed_by"] == self.by:
                return int(self.latest["id"])
            raise NotFound("There is no active pause of this scope; `dispatchPauses` lists the active ones.")
        group.statements.append((_RESUME, [(self.in_force["id"], self.by, group.now)]))
        self._set_paused(group, paused=False)
        group.woken = True
        return int(self.in_force["id"])
