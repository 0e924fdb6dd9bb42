"""The row of a firmware update, and the facts that decide its next step."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, NamedTuple, Self

from app.domain.enums import FirmwareMethod, FirmwareUpdateState, Instant, ReadingOrigin
from app.domain.firmware import Counts, Step
from app.models.counters import UPDATES
from app.models.fields import members_of
from app.models.ledger.group import Group
from app.models.ledger.store import Row, Store
from app.models.ledger.writing import insert_into, update_by

_METHODS: Final = members_of(FirmwareMethod)
_STATES: Final = members_of(FirmwareUpdateState)
_STEPS: Final = members_of(Step)


@dataclass(slots=True)
class UpdateRow:
    """A firmware update. Columns as in ``app.models.fleet_tables.FirmwareUpdate``."""

    id: int
    endpoint_id: int
    package_id: int
    target_id: int | None
    method: FirmwareMethod
    object_instance: int
    created_at: Instant
    created_by: str | None
    state: FirmwareUpdateState
    since: Instant
    step_at: Instant
    step: Step | None = None
    operation: int | None = None
    device_state: int | None = None
    update_result: int | None = None
    version_before: str | None = None
    version_after: str | None = None
    attempts: int = 0
    executions: int = 0
    tries: int = 0
    deadline: Instant | None = None
    due_at: Instant | None = None
    seen_seq: int = 0
    registration: str | None = None
    observed_under: str | None = None
    executed_under: str | None = None
    finished_at: Instant | None = None
    reason: str | None = None
    detail: str | None = None

    @classmethod
    def load(cls, row: Row) -> Self:
        """Load a row selected by :data:`UPDATE_COLUMNS`."""
        update = cls(*row)
        update.method, update.state = _METHODS[update.method], _STATES[update.state]
        update.step = _STEPS[update.step]
        return update

    @property
    def counts(self) -> Counts:
        """How often its limited steps were taken."""
        return Counts(self.attempts, self.executions, self.tries)

    def path(self, resource: int | None = None) -> str:
        """Return the path of its instance of the Firmware Update object, or of a resource of it."""
        return f"/5/{self.object_instance}" if resource is None else f"/5/{self.object_instance}/{resource}"


class Package(NamedTuple):
    """A firmware package, as far as an update needs it."""

    id: int
    version: str
    uri: str | None
    size: int | None
    key: str


class Report(NamedTuple):
    """A value of the Firmware Update object that a device reported."""

    seq: int
    path: str
    value: str


UPDATE_COLUMNS: Final = tuple(field.name for field in fields(UpdateRow))
_VALUES: Final = attrgetter(*UPDATE_COLUMNS)
_CHANGING: Final = UPDATE_COLUMNS[UPDATE_COLUMNS.index("method") :]
_CHANGING_VALUES: Final = attrgetter("id", *_CHANGING)
_SELECT: Final = f"SELECT {', '.join(UPDATE_COLUMNS)} FROM firmware_update"
DUE: Final = f"{_SELECT} WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2"
BY_ID: Final = f"{_SELECT} WHERE id = $1"
_INSERT: Final = insert_into("firmware_update", UpdateRow, UPDATE_COLUMNS)
_UPDATE: Final = update_by("firmware_update", UpdateRow, _CHANGING, "id")
PACKAGES: Final = f"SELECT {', '.join(Package._fields)} FROM firmware_package WHERE id = ANY($1::bigint[])"
_REQUESTED: Final = (ReadingOrigin.READ, ReadingOrigin.OBSERVE)
_BY_REQUEST: Final = ", ".join(str(list(ReadingOrigin).index(origin)) for origin in _REQUESTED)
REPORTS: Final = f"""
    SELECT endpoint_id, seq, path, value FROM reading
    WHERE endpoint_id = ANY($1::bigint[]) AND path = ANY($2::text[]) AND stored_at >= $3 AND seq > $4
      AND origin NOT IN ({_BY_REQUEST})
    ORDER BY seq LIMIT $5
"""
"""What devices reported by themselves since the oldest of some updates last looked: answers are taken from operations.
``stored_at`` chooses the partitions."""

MAX_REPORTS: Final = 1_000
"""Maximum of reports that are read at once; the updates remain due if there are more."""


def insert(group: Group, row: UpdateRow) -> None:
    """Write a new update with the group."""
    group.counters[UPDATES[row.state]] += 1
    group.statements.append((_INSERT, [_VALUES(row)]))


def write(group: Group, rows: Iterable[UpdateRow]) -> None:
    """Write changed updates with the group."""
    if changed := [_CHANGING_VALUES(row) for row in rows]:
        group.statements.append((_UPDATE, changed))


async def load_packages(store: Store, ids: Iterable[int]) -> dict[int, Package]:
    """Return the packages with these ids."""
    return {row["id"]: Package(*row) for row in await store.fetch(PACKAGES, sorted(set(ids)))}


class Reports(NamedTuple):
    """What devices reported, by the update's id in the order of arrival; ``all_read`` is False if there is more."""

    found: dict[int, list[Report]]
    all_read: bool


async def load_reports(store: Store, rows: Sequence[UpdateRow], resources: Iterable[int]) -> Reports:
    """Return what the devices of these updates reported about these resources since they last looked."""
    waiting = {(row.endpoint_id, row.path(resource)): row for row in rows for resource in resources}
    found: dict[int, list[Report]] = {}
    if not waiting:
        return Reports(found, all_read=True)
    endpoints, paths = sorted({endpoint for endpoint, _ in waiting}), sorted({path for _, path in waiting})
    since, seen = min(row.since for row in rows), min(row.seen_seq for row in rows)
    read = await store.fetch(REPORTS, endpoints, paths, since, seen, MAX_REPORTS)
    for endpoint, seq, path, value in read:
        row = waiting.get((endpoint, path))
        if row is not None and seq > row.seen_seq:
            found.setdefault(row.id, []).append(Report(seq, path, value))
    return Reports(found, all_read=len(read) < MAX_REPORTS)
