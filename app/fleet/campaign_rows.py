"""The rows of a campaign and its targets, and their changes within one transaction."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, Self

from app.domain.campaigns import (
    FINISHED,
    TRANSITIONS,
    Abort,
    Action,
    CampaignDefinition,
    CampaignOperation,
    DailyWindow,
    Wave,
)
from app.domain.enums import (
    CampaignStatus,
    CampaignTargetState,
    ContentFormat,
    FirmwareMethod,
    Instant,
    OperationKind,
    ValueType,
)
from app.domain.operations import OperationRequest
from app.models.fields import dump_json, load_json, members_of
from app.models.ledger.group import Group
from app.models.ledger.rows import CampaignChangeRow
from app.models.ledger.store import Row, Store
from app.models.ledger.writing import insert_into, update_by

_STATUSES: Final = members_of(CampaignStatus)
_STATES: Final = members_of(CampaignTargetState)
_METHODS: Final = members_of(FirmwareMethod)
_KINDS: Final = members_of(OperationKind)
_TYPES: Final = members_of(ValueType)
_FORMATS: Final = members_of(ContentFormat)


@dataclass(slots=True)
class CampaignRow:
    """A campaign. Columns as in ``app.models.fleet_tables.Campaign``; JSON is its stored text."""

    id: int
    server_id: int
    created_at: Instant
    created_by: str | None
    name: str
    given_filter: str
    criteria: str
    continuous: bool
    package_id: int | None
    method: FirmwareMethod | None
    object_instance: int | None
    operations: str | None
    waves: str
    starts_per_minute: int | None
    max_running: int | None
    abort_percent: float | None
    abort_min_ended: int | None
    start_at: Instant | None
    end_at: Instant | None
    daily_window: str | None
    retries: int
    status: CampaignStatus
    reason: str | None = None
    wave_ends: str | None = None
    wave: int = 1
    wave_accepted: int = 0
    started_at: Instant | None = None
    finished_at: Instant | None = None
    listed_up_to: str | None = None
    listed_at: Instant | None = None
    retry_before: Instant | None = None
    next_start_at: Instant | None = None
    due_at: Instant | None = None
    waiting: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    skipped: int = 0

    @classmethod
    def load(cls, row: Row) -> Self:
        """Load a row selected by :data:`CAMPAIGN_COLUMNS`."""
        campaign = cls(*row)
        campaign.status, campaign.method = _STATUSES[campaign.status], _METHODS[campaign.method]
        campaign.continuous = bool(campaign.continuous)
        return campaign

    @classmethod
    def create(cls, id_: int, definition: CampaignDefinition, by: str, group: Group) -> Self:
        """Return a campaign that begins now, or at the time that is given."""
        begins = definition.start_at is None or definition.start_at <= group.now
        status = CampaignStatus.RUNNING if begins else CampaignStatus.SCHEDULED
        values: list[Any] = [id_, group.server.id, group.now, by, *stored(definition), status]
        row = cls(*values)
        row.started_at = group.now if begins else None
        row.due_at = group.now if begins else definition.start_at
        return row

    @property
    def total(self) -> int:
        """The number of targets listed so far."""
        return self.waiting + self.running + self.succeeded + self.failed + self.canceled + self.skipped

    @property
    def ends(self) -> list[int]:
        """The number of the last target of each wave; empty before all targets are listed."""
        return load_json(self.wave_ends) or []

    @property
    def abort(self) -> Abort | None:
        """When it is aborted."""
        if self.abort_percent is None or self.abort_min_ended is None:
            return None
        return Abort(self.abort_percent, self.abort_min_ended)

    @property
    def window(self) -> DailyWindow | None:
        """The daily window in which targets begin."""
        return None if self.daily_window is None else DailyWindow(*load_json(self.daily_window))

    def hold_rate(self, until: Instant) -> None:
        """Make up for no start that was possible by the rate alone before ``until``."""
        if self.starts_per_minute is not None:
            self.next_start_at = max(self.next_start_at or 0, until)

    def parsed_waves(self) -> list[Wave]:
        """Return the waves of the definition."""
        return [Wave(*wave) for wave in load_json(self.waves)]

    def parsed_operations(self) -> list[CampaignOperation]:
        """Return the operations for each target; none of a firmware campaign."""
        return [_operation(stored_) for stored_ in load_json(self.operations) or []]


@dataclass(slots=True)
class TargetRow:
    """A target. Columns as in ``app.models.fleet_tables.CampaignTarget``."""

    id: int
    campaign_id: int
    endpoint_id: int
    number: int
    state: CampaignTargetState
    attempts: int
    work: int | None
    detail: str | None
    changed_at: Instant
    due_at: Instant | None

    @classmethod
    def load(cls, row: Row) -> Self:
        """Load a row selected by :data:`TARGET_COLUMNS`."""
        target = cls(*row)
        target.state = _STATES[target.state]
        return target


CAMPAIGN_COLUMNS: Final = tuple(field.name for field in fields(CampaignRow))
_CAMPAIGN_VALUES: Final = attrgetter(*CAMPAIGN_COLUMNS)
_CHANGING: Final = CAMPAIGN_COLUMNS[CAMPAIGN_COLUMNS.index("status") :]
_CHANGING_VALUES: Final = attrgetter("id", *_CHANGING)
GIVEN_COLUMNS: Final = CAMPAIGN_COLUMNS[CAMPAIGN_COLUMNS.index("name") : CAMPAIGN_COLUMNS.index("status")]
TARGET_COLUMNS: Final = tuple(field.name for field in fields(TargetRow))
_TARGET_VALUES: Final = attrgetter(*TARGET_COLUMNS)
_TARGET_CHANGING: Final = TARGET_COLUMNS[TARGET_COLUMNS.index("state") :]
_TARGET_CHANGING_VALUES: Final = attrgetter("id", *_TARGET_CHANGING)


_INSERT_CAMPAIGN: Final = insert_into("campaign", CampaignRow, CAMPAIGN_COLUMNS)
_UPDATE_CAMPAIGN: Final = update_by("campaign", CampaignRow, _CHANGING, "id")
_INSERT_TARGET: Final = insert_into("campaign_target", TargetRow, TARGET_COLUMNS)
_UPDATE_TARGET: Final = update_by("campaign_target", TargetRow, _TARGET_CHANGING, "id")
_BY_ID: Final = f"SELECT {', '.join(CAMPAIGN_COLUMNS)} FROM campaign WHERE id = $1"
TARGETS: Final = f"SELECT {', '.join(f't.{column}' for column in TARGET_COLUMNS)} FROM campaign_target t WHERE "


async def load_campaign(store: Store, id_: int) -> CampaignRow | None:
    """Return a campaign; None for an unknown one."""
    rows = await store.fetch(_BY_ID, id_)
    return CampaignRow.load(rows[0]) if rows else None


async def load_targets(store: Store, condition: str, *values: Any) -> list[TargetRow]:
    """Return the targets that meet a condition of :data:`TARGETS`."""
    return [TargetRow.load(row) for row in await store.fetch(TARGETS + condition, *values)]


def stored(definition: CampaignDefinition) -> tuple[Any, ...]:
    """Return the values of :data:`GIVEN_COLUMNS`."""
    firmware, abort, window = definition.firmware, definition.abort, definition.window
    return (
        definition.name,
        dump_json(dict(definition.given_filter)),
        dump_json(dict(definition.criteria)),
        definition.continuous,
        firmware and firmware.package_id,
        firmware and firmware.method,
        None if firmware is None else firmware.object_instance,
        dump_json([asdict(operation) for operation in definition.operations] or None),
        dump_json([(wave.percent, wave.min_success_percent, wave.approve) for wave in definition.waves]),
        definition.starts_per_minute,
        definition.max_running,
        abort and abort.failure_percent,
        abort and abort.min_ended,
        definition.start_at,
        definition.end_at,
        dump_json(window and (window.from_, window.to, window.time_zone)),
        definition.retries,
    )


def _operation(given: dict[str, Any]) -> CampaignOperation:
    request = given["request"]
    request = request | {
        "kind": _KINDS[request["kind"]],
        "paths": tuple(request["paths"]),
        "value_type": _TYPES[request["value_type"]],
        "format": _FORMATS[request["format"]],
    }
    return CampaignOperation(**{**given, "request": OperationRequest(**request)})


@dataclass(slots=True)
class Campaign:
    """A campaign within one transaction: its row with the targets that change. :meth:`save` adds all of that to what
    the group writes.

    Attributes:
        changed: targets that have changed and are not written yet.
        created: new targets.
        announced: whether the campaign itself has changed as its subscribers see it.
    """

    group: Group
    row: CampaignRow
    changed: list[TargetRow] = field(default_factory=list)
    created: list[TargetRow] = field(default_factory=list)
    announced: bool = False
    _stored: CampaignRow | None = None

    @classmethod
    def of(cls, group: Group, row: CampaignRow) -> Self:
        """Return a campaign whose row is stored as it is."""
        return cls(group, row, _stored=copy.copy(row))

    @property
    def finished(self) -> bool:
        """Whether no target begins any more."""
        return self.row.status in FINISHED

    @property
    def past_end(self) -> bool:
        """Whether its ``end_at`` has passed."""
        return self.row.end_at is not None and self.row.end_at <= self.group.now

    def act(self, action: Action, reason: str | None = None) -> None:
        """Change the status. The action must be possible."""
        row, now = self.row, self.group.now
        row.status, row.reason = TRANSITIONS[row.status][action], reason
        row.finished_at = now if row.status in FINISHED else None
        if row.status is CampaignStatus.RUNNING and row.started_at is None:
            row.started_at = now
        row.due_at, self.announced = now, True

    def add(self, endpoint_ids: Sequence[int]) -> None:
        """Add these endpoints as WAITING targets."""
        for endpoint_id in endpoint_ids:
            number = self.row.total + 1
            state = CampaignTargetState.WAITING
            id_ = self.group.draw()
            target = TargetRow(id_, self.row.id, endpoint_id, number, state, 0, None, None, self.group.now, None)
            self.created.append(target)
            self.row.waiting += 1
        self.announced |= bool(endpoint_ids)

    def move(self, target: TargetRow, state: CampaignTargetState, detail: str | None = None) -> None:
        """Change the state of a target, and the counters with it. Nothing is due for it then."""
        for counted, by in ((target.state, -1), (state, 1)):
            column = counted.lower()
            setattr(self.row, column, getattr(self.row, column) + by)
        target.state, target.detail, target.changed_at, target.due_at = state, detail, self.group.now, None
        self.changed.append(target)
        self.group.campaign_changes.append(CampaignChangeRow(self.group.draw(), self.row.id, target.id, self.group.now))

    def postpone(self, target: TargetRow, due_at: Instant | None) -> None:
        """Change when there is something to do for a target, and nothing else."""
        target.due_at = due_at
        self.changed.append(target)

    async def write_targets(self) -> None:
        """Write the changed targets at once, so that the next statements find them so."""
        if self.changed:
            rows = [_TARGET_CHANGING_VALUES(one) for one in self.changed]
            await self.group.store.execute_many(_UPDATE_TARGET.each, rows, _UPDATE_TARGET.at_once)
            self.changed.clear()

    def save(self) -> None:
        """Add the changes to the group's statements and to its log."""
        statements = self.group.statements
        if self._stored is None:
            statements.append((_INSERT_CAMPAIGN, [_CAMPAIGN_VALUES(self.row)]))
        elif self._stored != self.row:
            statements.append((_UPDATE_CAMPAIGN, [_CHANGING_VALUES(self.row)]))
        if self.created:
            statements.append((_INSERT_TARGET, [_TARGET_VALUES(target) for target in self.created]))
        if self.changed:
            statements.append((_UPDATE_TARGET, [_TARGET_CHANGING_VALUES(target) for target in self.changed]))
        if self.announced:
            self.group.campaign_changes.append(CampaignChangeRow(self.group.draw(), self.row.id, None, self.group.now))
