"""How far observation rules are on each endpoint: the ends of operations and the reports of devices move their
observations (``docs/observation-rules.md``).

An observation's row is read only when an operation that may concern it has ended, or when it is due: reported values
are stored as resource states, where they are found then, so that their ingestion costs nothing more.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

from app.domain.enums import (
    Instant,
    ObservationState,
    OperationKind,
    OperationStatus,
    ReadingOrigin,
    ReasonCode,
)
from app.domain.kinds import COMPOSITES, KINDS
from app.domain.observation_rules import LEAST_SILENCE, Target, TargetState, state_of
from app.models.counters import OBSERVATIONS
from app.models.fields import dump_json, load_json, storable_text
from app.models.ledger.group import Group
from app.models.ledger.rows import EndpointRow
from app.models.ledger.store import Row, Store
from app.models.observations import keys_of
from app.models.operation import Operation

MAX_DETAIL: Final = 1_000

CHECKED: Final = 40
"""Maximum of observations that are checked for reports in one transaction."""


@dataclass(slots=True)
class ObservationRow:
    """A row of ``observation``, with its targets parsed."""

    id: int
    endpoint_id: int
    rule_id: int
    registration: str | None
    targets: dict[str, TargetState]
    state: ObservationState
    since: Instant
    check_at: Instant | None = None
    operation: int | None = None
    detail: str | None = None

    @classmethod
    def load(cls, row: Row) -> Self:
        values = {column: row[column] for column in OBSERVATION_COLUMNS}
        values["targets"] = targets_from_json(values["targets"])
        values["state"] = ObservationState(values["state"])
        return cls(**values)

    def stored(self) -> tuple[Any, ...]:
        """Return the values of the columns, in their order."""
        values = dict(zip(OBSERVATION_COLUMNS, _VALUES(self), strict=True))
        return tuple((values | {"targets": targets_to_json(self.targets)}).values())

    def derive(self, group: Group) -> None:
        """Set the state of the row, and the detail, which follow from the targets."""
        state = state_of(self.targets.values())
        if state is not self.state:
            group.counters[OBSERVATIONS[self.state]] -= 1
            group.counters[OBSERVATIONS[state]] += 1
            self.state, self.since = state, group.now
        details = [f"{key}: {target.detail}" for key, target in self.targets.items() if target.detail]
        self.detail = storable_text("; ".join(details), MAX_DETAIL) if details else None

    def check_after(self, now: Instant) -> None:
        """Set when to check for reports: when the first target could be STALE; None if none can."""
        silences = [t.silence for t in self.targets.values() if t.state is ObservationState.ESTABLISHED]
        known = [silence for silence in silences if silence is not None]
        self.check_at = now + min(known) if known else None


OBSERVATION_COLUMNS: Final = tuple(field.name for field in fields(ObservationRow))
_VALUES: Final = attrgetter(*OBSERVATION_COLUMNS)
_SELECT: Final = f"SELECT {', '.join(OBSERVATION_COLUMNS)} FROM observation"
OF_ENDPOINTS: Final = f"{_SELECT} WHERE endpoint_id = ANY($1::bigint[])"
DUE: Final = f"{_SELECT} WHERE check_at IS NOT NULL AND check_at <= $1 ORDER BY check_at LIMIT $2"
_NOTIFICATIONS: Final = (ReadingOrigin.NOTIFICATION, ReadingOrigin.LEGACY_WEBHOOK)
_NOTIFIED: Final = ", ".join(str(list(ReadingOrigin).index(origin)) for origin in _NOTIFICATIONS)
REPORTS: Final = f"""
    SELECT endpoint_id, path, coalesce(received_at, at) AS at, origin IN ({_NOTIFIED}) AS notified
    FROM resource_state WHERE endpoint_id = ANY($1::bigint[])
"""
_CHANGING: Final = OBSERVATION_COLUMNS[3:]
INSERT_OBSERVATION: Final = (
    f"INSERT INTO observation ({', '.join(OBSERVATION_COLUMNS)}) "
    f"VALUES ({', '.join(f'${number}' for number in range(1, len(OBSERVATION_COLUMNS) + 1))})"
)
_SETS: Final = ", ".join(f"{column} = ${number}" for number, column in enumerate(_CHANGING, start=2))
_UPDATE: Final = f"UPDATE observation SET {_SETS} WHERE id = $1"
DELETE_OBSERVATION: Final = "DELETE FROM observation WHERE id = $1"


def targets_to_json(targets: Mapping[str, TargetState]) -> str:
    """Return the stored form of targets by their keys, without what is as by default."""
    plain = {key: {name: value for name, value in asdict(one).items() if value} for key, one in targets.items()}
    return dump_json(plain) or "{}"


def targets_from_json(text: str) -> dict[str, TargetState]:
    """Return the targets by their keys."""
    stored: dict[str, dict[str, Any]] = load_json(text)
    return {key: TargetState(**{**one, "state": ObservationState(one["state"])}) for key, one in stored.items()}


async def load_observations(store: Store, endpoint_ids: Collection[int]) -> list[ObservationRow]:
    """Return the observations of these endpoints."""
    return [ObservationRow.load(row) for row in await store.fetch(OF_ENDPOINTS, list(endpoint_ids))]


def update(group: Group, rows: Iterable[ObservationRow]) -> None:
    """Write changed rows with the group."""
    if changed := [_changed(row) for row in rows]:
        group.statements.append((_UPDATE, changed))


def _changed(row: ObservationRow) -> tuple[Any, ...]:
    return (row.id, *row.stored()[3:])


async def end_observing(group: Group) -> None:
    """Apply the ends of the operations in the group's ``observing`` to the observations that they concern."""
    ended, group.observing = group.observing, []
    rows = await load_observations(group.store, {operation.endpoint_id for operation in ended})
    changed: dict[int, ObservationRow] = {}
    for operation in ended:
        endpoint = group.endpoints[operation.endpoint_id]
        of_endpoint = [row for row in rows if row.endpoint_id == endpoint.id]
        for row in of_endpoint:
            if row.registration == endpoint.registration_key and _end(endpoint, row, operation):
                row.derive(group)
                row.check_after(group.now)
                if row.state is ObservationState.PENDING and operation.status is OperationStatus.FAILED:
                    row.check_at = group.now + LEAST_SILENCE  # the device may report all the same
                changed[row.id] = row
        if _must_be_repeated(endpoint, of_endpoint, operation):
            endpoint.rules_seq = 0
    update(group, changed.values())


def target_of(operation: Operation) -> Target:
    return Target(tuple(sorted(load_json(operation.paths))), operation.kind in COMPOSITES)


def _must_be_repeated(endpoint: EndpointRow, rows: Iterable[ObservationRow], operation: Operation) -> bool:
    """Return whether a rule wants an observation that the operation has canceled, or that ended meanwhile."""
    key = target_of(operation).key
    wanted = any(key in row.targets for row in rows)
    changes = KINDS[operation.kind].observes is not None and operation.status is OperationStatus.CONFIRMED
    return wanted and changes and key not in keys_of(endpoint.observations)


def _end(endpoint: EndpointRow, row: ObservationRow, operation: Operation) -> bool:
    """Apply the end of an operation to the targets of a row. Return whether it concerns one."""
    target = target_of(operation)
    refused = operation.is_refused or operation.reason is ReasonCode.INVALID_REQUEST
    why = f"{operation.kind}: {operation.device_status or operation.reason} {operation.detail or ''}".rstrip()
    if operation.kind is OperationKind.WRITE_ATTRIBUTES:
        if operation.rule_id is None:
            return False
        concerned = [one for key, one in row.targets.items() if target.paths[0] in Target.of_key(key).paths]
        for one in concerned:
            one.attributes_refused, one.detail = refused, why if refused else None
        return bool(concerned)
    known = row.targets.get(target.key)
    reads = operation.kind is OperationKind.READ
    if known is None or known.read is not reads or KINDS[operation.kind].observes is False:
        return False
    if operation.status is OperationStatus.CONFIRMED:
        stands = reads or target.key in keys_of(endpoint.observations)
        known.state = ObservationState.ESTABLISHED if stands else ObservationState.PENDING
        known.detail = known.detail if known.attributes_refused else None
    elif known.state is not ObservationState.ESTABLISHED:
        known.state, known.detail = (ObservationState.REFUSED if refused else known.state), why
    return True


class Report(NamedTuple):
    """When the latest value of a resource was received, and whether a notification brought it."""

    path: str
    at: Instant
    notified: bool


async def check_reports(group: Group) -> tuple[set[int], bool]:
    """Check the observations that are due: those whose device has been silent for too long become STALE, those that
    report although their OBSERVE failed become ESTABLISHED. Return the endpoints with a STALE one, and whether more are
    due."""
    rows = [ObservationRow.load(row) for row in await group.store.fetch(DUE, group.now, CHECKED)]
    reports: dict[int, list[Report]] = {row.endpoint_id: [] for row in rows}
    for endpoint_id, *report in map(tuple, await group.store.fetch(REPORTS, list(reports)) if rows else ()):
        reports[endpoint_id].append(Report(*report))
    silent = {row.endpoint_id for row in rows if _check(group, row, reports[row.endpoint_id])}
    if rows:  # at once, because the rules of these endpoints are applied next
        await group.store.execute_many(_UPDATE, [_changed(row) for row in rows])
    return silent, len(rows) == CHECKED


def _check(group: Group, row: ObservationRow, reports: Collection[Report]) -> bool:
    """Apply the reports of a device to a row that is due. Return whether a target has become STALE."""
    notified = [report for report in reports if report.notified]
    stale = False
    dues = []
    for key, target in row.targets.items():
        paths = Target.of_key(key).paths
        at = last_report(paths, reports)
        if target.state is ObservationState.PENDING and (last_report(paths, notified) or 0) > row.since:
            target.state, target.detail = ObservationState.ESTABLISHED, None
        if target.state is ObservationState.ESTABLISHED and target.silence is not None:
            due = max(at or 0, row.since) + target.silence
            if due <= group.now:
                target.state, target.detail, stale = ObservationState.STALE, "no report for more than 2 * pmax", True
            else:
                dues.append(due)
    row.derive(group)
    row.check_at = min(dues) if dues else None
    return stale


def last_report(paths: Collection[str], reports: Iterable[Report]) -> Instant | None:
    """Return the time of the latest report at or below one of the paths."""
    times = [r.at for r in reports if any(r.path == path or r.path.startswith(f"{path}/") for path in paths)]
    return max(times, default=None)
