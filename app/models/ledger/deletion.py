"""Deletion of endpoints. The row remains until the last of its operations is deleted, for their endpoint's name.

A deleted endpoint has neither registration nor window, so that no claim and no event finds it. What Leshan still
reports of it (a listing of a registration that was already known, a buffered event, a notification) does not create it
again: only a registration or an update that the device sends afterwards does, as a new endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.enums import OperationStatus, Presence, ReasonCode
from app.domain.outcomes import OutcomeKind
from app.models.ledger import presence
from app.models.ledger.commands import Command, Conflict, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.leases import give_up_held
from app.models.ledger.rows import EndpointRow

PIECE: Final = 1_000
"""Maximum number of operations, and of resource states, in one transaction."""

_QUEUED: Final = "SELECT seq FROM operation WHERE endpoint_id = $1 AND status = 'QUEUED' ORDER BY seq DESC LIMIT $2"
_STATES: Final = "SELECT id FROM resource_state WHERE endpoint_id = $1 LIMIT $2"
_DELETE_STATE: Final = "DELETE FROM resource_state WHERE id = $1"
_RESUME: Final = (
    "UPDATE dispatch_pause SET resumed_by = $2, resumed_at = $3 WHERE endpoint_id = $1 AND resumed_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted endpoint, and whether it still has operations or resource states to be removed."""

    id: int
    more: bool


@dataclass(slots=True)
class _Removal(Command[Deleted]):
    """Base of the steps of a deletion: the next operations, newest first, and resource states to be removed.

    Newest first, so that no operation waits behind one of its sequence that has ended.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    weight: int = field(default=PIECE, init=False)
    operations: list[int] = field(default_factory=list, init=False)
    states: list[int] = field(default_factory=list, init=False)

    async def _find_piece(self, group: Group, endpoint: EndpointRow) -> None:
        fetch = group.store.fetch
        self.operations = [row["seq"] for row in await fetch(_QUEUED, endpoint.id, PIECE)]
        self.states = [row["id"] for row in await fetch(_STATES, endpoint.id, PIECE)]
        held = [] if endpoint.lease_operation is None else [endpoint.lease_operation]
        await group.load_operations([*self.operations, *held])

    def _remove_piece(self, group: Group, endpoint: EndpointRow) -> Deleted:
        cancel_of_deleted(group, self.operations)
        group.statements.append((_DELETE_STATE, [(id_,) for id_ in self.states]))
        return Deleted(endpoint.id, endpoint.queued > 0 or len(self.states) == PIECE)


def cancel_of_deleted(group: Group, operations: list[int]) -> None:
    """Cancel those of these operations of deleted endpoints that are QUEUED."""
    for seq in sorted(operations):
        if group.operations[seq].status is OperationStatus.QUEUED:
            group.move(group.operations[seq], OperationStatus.CANCELED, ReasonCode.ENDPOINT_DELETED)


@dataclass(slots=True)
class DeleteEndpoint(_Removal):
    """Delete an endpoint, cancel the first piece of its operations and remove as many resource states. The rest is
    removed by :class:`RemoveRest`; a sweep cancels operations that are left by a process that has ended.

    Raise NotFound, or Conflict while a call to it is open.
    """

    name: str
    by: str

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.add(self.name)

    async def find(self, group: Group) -> None:
        if (endpoint := group.names.get(self.name)) is not None:
            await self._find_piece(group, endpoint)

    def apply(self, group: Group) -> Deleted:
        endpoint = group.names.get(self.name)
        if endpoint is None:
            if group.again and self.name in group.tombstones:
                return Deleted(group.tombstones[self.name].id, more=True)
            raise NotFound(f"Unknown endpoint {self.name!r}.", field="name")
        if endpoint.lease_operation is not None:
            held = group.operations[endpoint.lease_operation]
            if endpoint.call_open:
                raise Conflict("A call to the endpoint is open; delete it when the call has ended.", id=held.id)
            self.operations.append(held.seq)  # if it is not repeatable, it ends with an unknown outcome
        _end(group, endpoint, self.by)
        return self._remove_piece(group, endpoint)


def _end(group: Group, endpoint: EndpointRow, by: str) -> None:
    """End everything that could bring the endpoint back; its name is free again."""
    endpoint.deleted_at = group.now
    give_up_held(group, endpoint, OutcomeKind.DELAYED_LOST, "the endpoint was deleted while Leshan held the request")
    known = endpoint.registration_id, endpoint.leshan_last_update
    presence.forget_registration(endpoint)
    endpoint.registration_id, endpoint.leshan_last_update = known  # they identify what Leshan may still report
    presence.go_offline(endpoint)
    if endpoint.told_presence is not Presence.OFFLINE:
        group.publish_presence(endpoint)
    if endpoint.update_id is not None:
        group.fleet_due.add(endpoint.update_id)
    endpoint.overdue, endpoint.overdue_check_at, endpoint.tags = False, None, None
    if endpoint.paused:
        endpoint.paused = False
        group.statements.append((_RESUME, [(endpoint.id, by, group.now)]))
    endpoint.deleted_seq = group.draw()  # after everything that is logged about it
    group.tombstones[endpoint.name] = group.names.pop(endpoint.name)


@dataclass(slots=True)
class RemoveRest(_Removal):
    """Cancel the next piece of a deleted endpoint's operations, and remove as many resource states."""

    id: int

    def needs(self, needs: Needs) -> None:
        needs.endpoint_ids.add(self.id)

    async def find(self, group: Group) -> None:
        if (endpoint := group.endpoints.get(self.id)) is not None:
            await self._find_piece(group, endpoint)

    def apply(self, group: Group) -> Deleted:
        endpoint = group.endpoints.get(self.id)
        if endpoint is None or endpoint.deleted_at is None:
            return Deleted(self.id, more=False)
        return self._remove_piece(group, endpoint)
