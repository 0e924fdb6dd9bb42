"""Metadata: provisioned endpoints, their settings, object models, and the bridge and properties of a Leshan server."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from app.domain.enums import Instant
from app.models.endpoint_index import MAX_TAGS, tags_of
from app.models.fields import dump_json
from app.models.ledger.commands import Command, LimitExceeded, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.rows import NOT_OPEN, EndpointRow
from app.models.ledger.writing import HEAD_ID

_STORE_MODEL: Final = (
    "INSERT INTO object_model (id, server_id, object_id, version, model, stored_at) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (id) DO UPDATE SET model = excluded.model, stored_at = excluded.stored_at"
)


@dataclass(slots=True)
class Provision(Command[int]):
    """Create an endpoint before its first registration; an existing one remains unchanged. Return its id."""

    phase: ClassVar[Phase] = Phase.CREATE
    name: str

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.add(self.name)

    def apply(self, group: Group) -> int:
        return (group.names.get(self.name) or group.new_endpoint(self.name)).id


KEEP: Final = 0
"""Value of ``awake_window_seconds`` that leaves the setting unchanged: no window has this length."""


@dataclass(slots=True)
class Configure(Command[int]):
    """Set an endpoint's own awake window (seconds; None removes it) and its tags (None leaves them unchanged). Return
    its id. Raise NotFound."""

    phase: ClassVar[Phase] = Phase.CREATE
    name: str
    awake_window_seconds: int | None = KEEP
    tags: Collection[str] | None = None

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.add(self.name)

    def apply(self, group: Group) -> int:
        endpoint = group.names.get(self.name)
        if endpoint is None:
            raise NotFound(f"Unknown endpoint {self.name!r}.", field="name")
        if self.awake_window_seconds != KEEP:
            endpoint.awake_window_seconds = self.awake_window_seconds
        if self.tags is not None:
            endpoint.tags, endpoint.rules_seq = _tags_column(self.tags), 0
        return endpoint.id


@dataclass(slots=True)
class TagEndpoints(Command[int]):
    """Add tags to endpoints, and remove others. Skip endpoints that do not exist any more. Return the number of those
    that were changed. It is one short transaction: split a long list. Raise LimitExceeded if one would have more than
    ``MAX_TAGS``; then none is changed."""

    phase: ClassVar[Phase] = Phase.CREATE
    ids: Sequence[int]
    add: Collection[str]
    remove: Collection[str]

    def __post_init__(self) -> None:
        self.weight = len(self.ids)

    def needs(self, needs: Needs) -> None:
        needs.endpoint_ids.update(self.ids)

    def apply(self, group: Group) -> int:
        changed: list[tuple[EndpointRow, str | None]] = []
        for id_ in self.ids:
            endpoint = group.endpoints.get(id_)
            if endpoint is None or endpoint.deleted_at is not None:
                continue
            tags = {*tags_of(endpoint.tags), *self.add}.difference(self.remove)
            if len(tags) > MAX_TAGS:
                message = f"Endpoint {endpoint.name!r} would have {len(tags)} tags; at most {MAX_TAGS} are allowed."
                raise LimitExceeded(message, limit=MAX_TAGS)
            column = _tags_column(tags)
            if column != endpoint.tags:
                changed.append((endpoint, column))
        for endpoint, column in changed:
            endpoint.tags, endpoint.rules_seq = column, 0
        return len(changed)


def _tags_column(tags: Collection[str]) -> str | None:
    return dump_json(sorted(set(tags))) if tags else None


@dataclass(frozen=True, slots=True)
class StoredModel:
    """An object model in its stored JSON form."""

    object_id: int
    version: str
    model: dict[str, object]


@dataclass(slots=True)
class StoreObjectModels(Command[None]):
    """Store object models by object id and version; a newer text of the same version replaces the older one."""

    phase: ClassVar[Phase] = Phase.CREATE
    models: Sequence[StoredModel]

    def apply(self, group: Group) -> None:
        server = group.server.id
        rows = [
            (f"{server}/{m.object_id}/{m.version}", server, m.object_id, m.version, dump_json(m.model), group.now)
            for m in self.models
        ]
        group.statements.append((_STORE_MODEL, rows))


@dataclass(slots=True)
class UpdateServerInfo(Command[None]):
    """Store the Leshan server's description of itself. If the boot id has changed, registrations may be lost: all must
    be read."""

    phase: ClassVar[Phase] = Phase.CREATE
    boot_id: str | None = None
    request_ids: bool = False
    notifications_wake: bool = False
    open_calls: int | None = None

    def apply(self, group: Group) -> None:
        server = group.server
        if server.boot_id is not None and self.boot_id is not None and server.boot_id != self.boot_id:
            server.missed_at = group.now
        server.boot_id = self.boot_id
        server.request_ids, server.notifications_wake = self.request_ids, self.notifications_wake
        server.open_calls = self.open_calls


@dataclass(slots=True)
class RenewBridgeLease(Command[bool]):
    """Acquire or renew the lease of the only bridge that reads the Leshan server's events, for ``span`` microseconds.

    Return False while another one holds it. ``span`` 0 releases it. ``open_for`` is how long the event stream has been
    open (microseconds), None if it is not.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    holder: str
    span: Instant
    open_for: Instant | None = None

    def apply(self, group: Group) -> bool:
        server = group.server
        if server.bridge_holder not in (None, self.holder) and (server.bridge_until or 0) > group.now:
            return False
        server.bridge_holder = self.holder if self.span else None
        server.bridge_until = group.now + self.span if self.span else None
        server.bridge_open_since = NOT_OPEN if self.open_for is None else group.now - self.open_for
        return True


@dataclass(slots=True)
class ProveWritable(Command[None]):
    """Write a row unchanged, for the readiness check: a database that can be read may be unable to store."""

    phase: ClassVar[Phase] = Phase.SETTLE

    def apply(self, group: Group) -> None:
        group.statements.append(("UPDATE ledger_head SET seq = seq WHERE id = $1", [(HEAD_ID,)]))
