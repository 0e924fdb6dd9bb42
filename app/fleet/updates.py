"""Firmware updates: creation, cancellation, and the next steps of those that are due.

:class:`AdvanceUpdates` reads what happened to an update (its operation has ended, its device reported or registered,
time has passed), finds what follows in ``app.domain.firmware.TRANSITIONS``, and writes it with the next operation in
one transaction. So an update continues after any crash, and two processes never take the same step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from app.domain.enums import SECOND, FirmwareMethod, FirmwareUpdateState
from app.domain.firmware import STATES, TIMEOUTS, WAITS, Event, Step
from app.domain.firmware_object import RESULT, STATE
from app.domain.observation_rules import Target
from app.fleet.update_progress import Progress
from app.fleet.update_requests import send
from app.fleet.update_rows import (
    BY_ID,
    DUE,
    Package,
    Reports,
    UpdateRow,
    insert,
    load_packages,
    load_reports,
    write,
)
from app.models.ledger.commands import Command, Conflict, NotFound, Phase
from app.models.ledger.group import Group, Needs
from app.models.ledger.isolation import isolated
from app.models.ledger.observations import load_observations
from app.models.ledger.rows import EndpointRow

PIECE: Final = 100
"""Maximum of updates that one transaction advances."""

SETBACK: Final = 60 * SECOND
"""When an update is looked at again that could not be advanced, because of a bug."""

UriOf: TypeAlias = Callable[[Package], str | None]
"""Returns the URI from which devices download a package; None if there is none."""


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """What an update depends on, beside its device.

    Attributes:
        uri_of: the address of a package for devices.
        max_push: the greatest package in bytes that is written to a device; 0: none is.
    """

    uri_of: UriOf
    max_push: int = 0


def begin_update(
    group: Group,
    endpoint: EndpointRow,
    package_id: int,
    method: FirmwareMethod,
    object_instance: int,
    *,
    by: str | None,
    target_id: int | None = None,
) -> int:
    """Create the update of an endpoint that has none open, with its first operation; return its id."""
    now, step = group.now, Step.READ_VERSION
    row = UpdateRow(
        id=group.draw(),
        endpoint_id=endpoint.id,
        package_id=package_id,
        target_id=target_id,
        method=method,
        object_instance=object_instance,
        created_at=now,
        created_by=by,
        state=STATES[step],
        since=now,
        step_at=now,
        step=step,
        deadline=now + TIMEOUTS[STATES[step]],
        due_at=now + TIMEOUTS[STATES[step]],
    )
    row.operation = send(group, endpoint, row, step, None).seq
    endpoint.update_id = row.id
    insert(group, row)
    return row.id


@dataclass(slots=True)
class UpdateFirmware(Command[int]):
    """Create the firmware update of one endpoint, and return its id.

    Raise NotFound for an unknown endpoint or package, Conflict with the id of the ``update`` that is open.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    endpoint: str
    package_id: int
    method: FirmwareMethod
    object_instance: int
    by: str
    packages: Sequence[Any] = field(default=(), init=False)

    def needs(self, needs: Needs) -> None:
        needs.endpoint_names.add(self.endpoint)

    async def find(self, group: Group) -> None:
        sql = "SELECT id FROM firmware_package WHERE id = $1 AND retired_at IS NULL"
        self.packages = await group.store.fetch(sql, self.package_id)

    def apply(self, group: Group) -> int:
        endpoint = group.names.get(self.endpoint)
        if endpoint is None:
            message = (
                f"Unknown endpoint {self.endpoint!r}. An endpoint is known once it has registered or was provisioned."
            )
            raise NotFound(message, field="endpoint")
        if not self.packages:
            raise NotFound("Unknown firmware package.", field="packageId")
        if endpoint.update_id is not None:
            message = "The endpoint has a firmware update that has not ended. Only one at a time is possible."
            raise Conflict(message, update=endpoint.update_id)
        return begin_update(group, endpoint, self.package_id, self.method, self.object_instance, by=self.by)


@dataclass(slots=True)
class UpdateCommand(Command[Any]):
    """Base of the commands that move updates on: the rows, and what decides about them."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    rules: UpdateRules
    rows: list[UpdateRow] = field(default_factory=list, init=False)
    packages: dict[int, Package] = field(default_factory=dict, init=False)
    reports: Reports = field(default=Reports({}, all_read=True), init=False)
    wanted: dict[int, set[str]] = field(default_factory=dict, init=False)

    async def load(self, group: Group, rows: Sequence[Any]) -> None:
        """Load the updates, and what decides about them."""
        self.rows = [UpdateRow.load(row) for row in rows]
        ids = {row.endpoint_id for row in self.rows}
        await group.load_endpoints(ids)
        await group.load_operations([row.operation for row in self.rows if row.operation is not None])
        self.packages = await load_packages(group.store, (row.package_id for row in self.rows))
        self.reports = await load_reports(group.store, self.rows, (STATE, RESULT))
        self.wanted = {}
        if group.server.rules_seq and ids:
            for observation in await load_observations(group.store, ids):
                keys = {path for key in observation.targets for path in Target.of_key(key).paths}
                self.wanted.setdefault(observation.endpoint_id, set()).update(keys)

    def progress(self, group: Group, row: UpdateRow) -> Progress:
        """Return the progress of one of the updates."""
        reports, wanted = self.reports.found.get(row.id, []), self.wanted.get(row.endpoint_id, set())
        return Progress(group, row, self.packages[row.package_id], self.rules, reports=reports, wanted=wanted)


@dataclass(slots=True)
class CancelFirmwareUpdate(UpdateCommand):
    """Cancel an update that has not ended; return its id. Raise NotFound or Conflict.

    Until the installation was requested, the device is requested to discard the package. After that it may install it,
    and ``detail`` says so.
    """

    id: int

    async def find(self, group: Group) -> None:
        await self.load(group, await group.store.fetch(BY_ID, self.id))

    def apply(self, group: Group) -> int:
        if not self.rows:
            raise NotFound("Unknown firmware update.", field="id")
        (row,) = self.rows
        if row.finished_at is not None:
            if group.again and row.state is FirmwareUpdateState.CANCELED:
                return row.id
            raise Conflict(f"The update is {row.state}. Only one that has not ended can be canceled.", update=row.id)
        self.progress(group, row).handle(Event.CANCEL)
        write(group, [row])
        return row.id


@dataclass(slots=True)
class AdvanceUpdates(UpdateCommand):
    """Take the next steps of the updates that are due, a limited number; return whether more may be due."""

    async def find(self, group: Group) -> None:
        await self.load(group, await group.store.fetch(DUE, group.now, PIECE))

    def apply(self, group: Group) -> bool:
        changed = []
        for row in self.rows:
            advanced = copy.copy(row)
            row.due_at = group.now + SETBACK
            with isolated(group, "firmware update", endpoint=row.endpoint_id, operation=row.operation):
                self.progress(group, advanced).run()
                if not self.reports.all_read and advanced.step in WAITS:
                    advanced.due_at = group.now
                row = advanced  # noqa: PLW2901 - the row as it was remains if that failed
            changed.append(row)
        write(group, changed)
        return len(self.rows) == PIECE or not self.reports.all_read
