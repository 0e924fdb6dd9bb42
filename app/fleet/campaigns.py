"""Campaigns: creation, the mutations of one, and the next piece of its work.

:class:`AdvanceCampaign` does one bounded piece in each transaction: it ends targets whose work has ended, then lists,
moves or begins others. What it did is stored with it, so a campaign continues after any crash, and two processes never
begin a target twice.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from app.domain.campaigns import (
    FINISHED,
    MUTATIONS,
    TRANSITIONS,
    Action,
    CampaignDefinition,
    success_percent,
)
from app.domain.enums import CampaignStatus, CampaignTargetState, Instant
from app.fleet.campaign_ends import end_targets
from app.fleet.campaign_listing import AGAIN, Listed, add_targets, find_targets, listing_due
from app.fleet.campaign_rows import (
    GIVEN_COLUMNS,
    Campaign,
    CampaignRow,
    TargetRow,
    load_campaign,
    load_targets,
    stored,
)
from app.fleet.campaign_starts import WAITING, Starts, begin, find_starts
from app.models.fields import storable_text
from app.models.ledger.commands import Command, Conflict, LimitExceeded, NotFound, Phase
from app.models.ledger.group import Group
from app.models.ledger.store import Row

MAX_OPEN: Final = 100
"""Maximum of campaigns that have not finished."""

MAX_REASON: Final = 500

MOVED: Final = 200
"""Maximum of targets that are canceled, skipped or retried in one transaction: each is a row, and one of the log."""

NOT_BEGUN: Final = "the campaign ended before it began"

_SAME_NAME: Final = (
    f"SELECT id, created_by, {', '.join(GIVEN_COLUMNS)} FROM campaign WHERE server_id = $1 AND name = $2"
)
_OPEN_STATUSES: Final = ", ".join(f"'{status}'" for status in CampaignStatus if status not in FINISHED)
_OPEN: Final = f"SELECT count(*) AS count FROM campaign WHERE status IN ({_OPEN_STATUSES})"
_PACKAGE: Final = "SELECT id FROM firmware_package WHERE id = $1 AND retired_at IS NULL"
IN_STATE: Final = "t.campaign_id = $1 AND t.state = '{state}' ORDER BY t.number LIMIT $2"
TO_RETRY: Final = "t.campaign_id = $1 AND t.state = '{state}' AND t.changed_at <= $3 ORDER BY t.number LIMIT $2"
OF_WAVE: Final = """
    SELECT state, count(*) AS count FROM campaign_target
    WHERE campaign_id = $1 AND state IN ('SUCCEEDED', 'FAILED', 'CANCELED') AND number > $2 AND number <= $3
    GROUP BY state
"""


@dataclass(slots=True)
class CreateCampaign(Command[int]):
    """Create a campaign and return its id: RUNNING, or SCHEDULED until its ``start_at``.

    Raise Conflict with the id of the ``campaign`` that has its name, NotFound for an unknown package, LimitExceeded if
    :data:`MAX_OPEN` campaigns have not finished.
    """

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    definition: CampaignDefinition
    by: str
    same: Sequence[Row] = field(default=(), init=False)
    package_known: bool = field(default=True, init=False)
    open: int = field(default=0, init=False)

    async def find(self, group: Group) -> None:
        fetch, firmware = group.store.fetch, self.definition.firmware
        self.same = await fetch(_SAME_NAME, group.server.id, self.definition.name)
        self.package_known = firmware is None or bool(await fetch(_PACKAGE, firmware.package_id))
        ((self.open,),) = await fetch(_OPEN)

    def apply(self, group: Group) -> int:
        if self.same:
            id_, by, *given = self.same[0]
            if group.again and (by, *given) == (self.by, *stored(self.definition)):
                return int(id_)
            message = f"A campaign with the name {self.definition.name!r} exists."
            raise Conflict(message, campaign=id_, field="name")
        if not self.package_known:
            raise NotFound("Unknown firmware package.", field="firmware.packageId")
        if self.open >= MAX_OPEN:
            message = f"Too many campaigns have not finished; at most {MAX_OPEN} are allowed."
            raise LimitExceeded(message, limit=MAX_OPEN)
        row = CampaignRow.create(group.draw(), self.definition, self.by, group)
        Campaign(group, row, announced=True).save()
        group.fleet_woken = True
        return row.id


@dataclass(slots=True)
class _Mutation(Command[int]):
    """Base of the mutations of a campaign: its row, and the action that the table must allow."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    id: int
    row: CampaignRow | None = field(default=None, init=False)

    async def find(self, group: Group) -> None:
        self.row = await load_campaign(group.store, self.id)

    def _act(self, group: Group, action: Action, *, reason: str | None = None) -> int:
        """Change the status of the campaign and return its id. Raise NotFound or Conflict."""
        row = self._known()
        if action in TRANSITIONS[row.status]:
            campaign = Campaign.of(group, row)
            campaign.act(action, reason and storable_text(reason, MAX_REASON))
            campaign.save()
            group.fleet_woken = True
        elif not (group.again and row.status in {to[action] for to in TRANSITIONS.values() if action in to}):
            possible = " or ".join(status for status, actions in TRANSITIONS.items() if action in actions)
            message = f"The campaign is {row.status}; {MUTATIONS[action]} is possible while it is {possible}."
            raise Conflict(message, campaign=row.id, status=row.status)
        return row.id

    def _known(self) -> CampaignRow:
        if self.row is None:
            raise NotFound("Unknown campaign.", field="id")
        return self.row


@dataclass(slots=True)
class PauseCampaign(_Mutation):
    """Begin no further targets until :class:`ResumeCampaign`; running ones end by themselves."""

    reason: str

    def apply(self, group: Group) -> int:
        return self._act(group, Action.PAUSE, reason=self.reason)


@dataclass(slots=True)
class ResumeCampaign(_Mutation):
    """Continue a paused campaign. If it is paused because a wave had too little success, accept that."""

    def apply(self, group: Group) -> int:
        row = self._known()
        if row.status is CampaignStatus.PAUSED:
            row.hold_rate(group.now)
        return self._act(group, Action.RESUME_BEFORE_BEGIN if row.started_at is None else Action.RESUME)


@dataclass(slots=True)
class ApproveCampaignWave(_Mutation):
    """Begin the wave after the one that has ended."""

    def apply(self, group: Group) -> int:
        return self._act(group, Action.APPROVE)


@dataclass(slots=True)
class CancelCampaign(_Mutation):
    """Begin no further targets, and cancel those that wait; running ones end by themselves."""

    reason: str

    def apply(self, group: Group) -> int:
        return self._act(group, Action.CANCEL, reason=self.reason)


@dataclass(slots=True)
class RetryCampaign(_Mutation):
    """Begin FAILED and CANCELED targets again. Raise Conflict also if there are none, after the campaign's end, and if
    its firmware package was deleted."""

    package_known: bool = field(default=True, init=False)

    async def find(self, group: Group) -> None:
        await super(RetryCampaign, self).find(group)
        if self.row is not None and self.row.package_id is not None:
            self.package_known = bool(await group.store.fetch(_PACKAGE, self.row.package_id))

    def apply(self, group: Group) -> int:
        row = self._known()
        if Action.RETRY in TRANSITIONS[row.status] and not (group.again and row.retry_before is not None):
            if row.end_at is not None and row.end_at <= group.now:
                raise Conflict("The campaign's `endAt` has passed; no target would begin.", campaign=row.id)
            left = row.waiting if row.status in FINISHED else 0
            if not row.failed + row.canceled + left:
                raise Conflict("No target of the campaign is FAILED or CANCELED.", campaign=row.id, status=row.status)
            if not self.package_known:
                raise Conflict("The campaign's firmware package was deleted.", campaign=row.id)
            row.retry_before, row.wave_accepted = group.now, min(row.wave_accepted, row.wave - 1)
        return self._act(group, Action.RETRY)


@dataclass(slots=True)
class AdvanceCampaign(Command[bool]):
    """Do the next piece of a campaign's work; return whether there is more to do now."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    id: int
    weight: int = field(default=500, init=False)
    campaign: Campaign | None = field(default=None, init=False)
    more: bool = field(default=False, init=False)
    starts: Starts = field(default_factory=Starts, init=False)
    listed: Listed | None = field(default=None, init=False)
    moved: list[TargetRow] = field(default_factory=list, init=False)
    moved_to: tuple[CampaignTargetState, str | None] = field(default=(CampaignTargetState.CANCELED, None), init=False)

    async def find(self, group: Group) -> None:
        self.campaign, self.starts, self.listed, self.moved = None, Starts(), None, []
        row = await load_campaign(group.store, self.id)
        if row is None:
            return
        self.campaign = campaign = Campaign.of(group, row)
        self.more = await end_targets(campaign)
        if row.status is CampaignStatus.SCHEDULED and (row.start_at or 0) <= group.now:
            campaign.act(Action.BEGIN)
        _check_abort(campaign)
        if campaign.finished:
            await self._find_left(campaign, CampaignTargetState.CANCELED, row.reason)
        elif campaign.past_end:
            await self._find_left(campaign, CampaignTargetState.SKIPPED, NOT_BEGUN)
            if not row.waiting and not row.running:
                row.listed_at = row.listed_at or group.now
                _complete(campaign)
        elif row.started_at is not None:
            await self._find_work(campaign)

    async def _find_left(self, campaign: Campaign, state: CampaignTargetState, detail: str | None) -> None:
        """Find targets that will not begin any more."""
        if campaign.row.waiting:
            self.moved_to = state, detail
            self.moved = await _in_state(campaign, CampaignTargetState.WAITING)

    async def _find_work(self, campaign: Campaign) -> None:
        row = campaign.row
        if listing_due(campaign):
            self.listed = await find_targets(campaign)
            return
        if row.retry_before is not None:
            self.moved_to = CampaignTargetState.WAITING, None
            self.moved = await _to_retry(campaign, row.retry_before)
            if len(self.moved) < MOVED:
                row.retry_before = None
            if self.moved:
                return
        if not row.continuous and not row.waiting and not row.running:
            _complete(campaign)
        elif row.status is CampaignStatus.RUNNING and await _end_waves(campaign) and row.waiting:
            self.starts = await find_starts(campaign, row.ends[row.wave - 1])

    def apply(self, group: Group) -> bool:
        campaign = self.campaign
        if campaign is None:
            return False
        if self.listed is not None:
            add_targets(campaign, self.listed)
        for target in self.moved:
            state, detail = self.moved_to
            campaign.move(target, state, detail or target.detail)
        begin(campaign, self.starts)
        self.more |= bool(self.listed or self.moved or self.starts.targets)
        campaign.row.due_at = group.now if self.more else _due_at(campaign, self.starts.again_at)
        campaign.save()
        return self.more


async def _in_state(campaign: Campaign, state: CampaignTargetState) -> list[TargetRow]:
    return await load_targets(campaign.group.store, IN_STATE.format(state=state), campaign.row.id, MOVED)


async def _to_retry(campaign: Campaign, before: Instant) -> list[TargetRow]:
    """Return targets to be retried: those that had FAILED or were CANCELED when that was requested."""
    found: list[TargetRow] = []
    for state in (CampaignTargetState.FAILED, CampaignTargetState.CANCELED):
        condition, store = TO_RETRY.format(state=state), campaign.group.store
        found += await load_targets(store, condition, campaign.row.id, MOVED - len(found), before)
    return found


def _check_abort(campaign: Campaign) -> None:
    """Abort a campaign of which too many targets have FAILED."""
    row, abort = campaign.row, campaign.row.abort
    if abort is None or row.retry_before is not None or Action.ABORT not in TRANSITIONS[row.status]:
        return
    if not abort.reached(row.succeeded, row.failed):
        return
    percent = _percent(100 * row.failed / (row.failed + row.succeeded))
    limit = _percent(abort.failure_percent)
    campaign.act(Action.ABORT, f"{percent} % of the ended targets failed; the limit is {limit} %")


def _complete(campaign: Campaign) -> None:
    if Action.COMPLETE in TRANSITIONS[campaign.row.status]:
        campaign.act(Action.COMPLETE)


async def _end_waves(campaign: Campaign) -> bool:
    """Begin the next waves after waves that have ended; stop where a wave had too little success, or must be approved.
    Return whether targets of the present wave may begin."""
    row, waves, ends = campaign.row, campaign.row.parsed_waves(), campaign.row.ends
    while row.wave < len(waves) and not row.running:
        last, first = ends[row.wave - 1], ([0, *ends])[row.wave - 1]
        if await campaign.group.store.fetch(f"SELECT 1 FROM campaign_target t WHERE {WAITING} LIMIT 1", row.id, last):
            return True
        wave = waves[row.wave - 1]
        if last > first and row.wave_accepted < row.wave:
            success = await _success(campaign, first, last) if wave.min_success_percent else 100.0
            if success < wave.min_success_percent or wave.approve:
                row.wave_accepted = row.wave  # to resume or to approve it accepts this wave
                _stop(campaign, success, wave.min_success_percent)
                return False
        row.wave += 1
        campaign.announced = True
    return True


def _stop(campaign: Campaign, success: float, needed: float) -> None:
    if success < needed:
        reason = f"wave {campaign.row.wave} ended with {_percent(success)} % success; {_percent(needed)} % are needed"
        campaign.act(Action.HOLD, reason)
    else:
        campaign.act(Action.AWAIT_APPROVAL)


async def _success(campaign: Campaign, first: int, last: int) -> float:
    """Return the success of the targets with numbers above ``first`` and up to ``last``."""
    rows = await campaign.group.store.fetch(OF_WAVE, campaign.row.id, first, last)
    counts = {row["state"]: row["count"] for row in rows}
    return success_percent(counts.get(CampaignTargetState.SUCCEEDED, 0), sum(counts.values()))


def _percent(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _due_at(campaign: Campaign, again_at: Instant | None) -> Instant | None:
    """Return when there is something to do for a campaign, as far as the time decides."""
    row = campaign.row
    times = [again_at]
    if row.status is CampaignStatus.SCHEDULED:
        times.append(row.start_at)
    if row.status not in FINISHED and not campaign.past_end:
        times.append(row.end_at)
    if row.status is CampaignStatus.RUNNING and row.continuous and row.listed_at is not None:
        times.append(row.listed_at + AGAIN)
    return min((at for at in times if at is not None), default=None)
