"""Campaigns: pages newest first, their targets, and which campaigns are due."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import ClassVar, Final, Self

from app.domain.campaigns import wave_of
from app.domain.enums import CampaignStatus, CampaignTargetState, FirmwareMethod, Instant
from app.models.cursors import parse_seq_cursor
from app.models.fields import load_json, members_of
from app.models.operation import Operation
from app.models.queries.access import MAX_SEQ, fetch, on_postgres
from app.models.queries.pages import Page, merged, uncounted
from app.models.queries.views import Large, Row, columns

_CAMPAIGN_KIND: Final = "campaign"
_TARGET_KIND: Final = "target"
_STATUSES: Final = members_of(CampaignStatus)
_STATES: Final = members_of(CampaignTargetState)
_METHODS: Final = members_of(FirmwareMethod)


@dataclass(slots=True)
class CampaignView:
    """A campaign; JSON as it is stored. The numbers of targets by state are in :attr:`counts`."""

    LARGE: ClassVar = ("given_filter", "waves")
    id: int
    name: str
    status: CampaignStatus
    reason: str | None
    given_filter_json: str
    continuous: bool
    package_id: int | None
    method: FirmwareMethod | None
    object_instance: int | None
    waves_json: str
    wave_ends_json: str | None
    wave: int
    starts_per_minute: int | None
    max_running: int | None
    abort_percent: float | None
    abort_min_ended: int | None
    start_at: Instant | None
    end_at: Instant | None
    daily_window_json: str | None
    retries: int
    created_at: Instant
    created_by: str | None
    started_at: Instant | None
    finished_at: Instant | None
    listed_at: Instant | None
    waiting: int
    running: int
    succeeded: int
    failed: int
    canceled: int
    skipped: int
    weight: int = 0

    @classmethod
    def load(cls, row: Row) -> Self:
        view = cls(*row)
        view.status, view.method = _STATUSES[view.status], _METHODS[view.method]
        view.continuous = bool(view.continuous)
        return view

    @property
    def counts(self) -> Mapping[CampaignTargetState, int]:
        """The number of targets by state, zeros included."""
        return {state: getattr(self, state.lower()) for state in CampaignTargetState}


@dataclass(slots=True)
class CampaignTargetView:
    """A target of a campaign. ``work`` is the id of its firmware update or, of a campaign of operations, the ``seq`` of
    the first operation of its newest attempt; ``wave_ends_json`` is the campaign's."""

    id: int
    campaign_id: int
    endpoint_id: int
    number: int
    state: CampaignTargetState
    attempts: int
    work: int | None
    detail: str | None
    changed_at: Instant
    wave_ends_json: str | None

    @classmethod
    def load(cls, row: Row) -> Self:
        view = cls(*row)
        view.state = _STATES[view.state]
        return view

    @property
    def wave(self) -> int:
        """The wave of the target, from 1."""
        return wave_of(self.number, load_json(self.wave_ends_json) or [])


_TARGET: Final = ", ".join(
    f"{'c.wave_ends' if field.name == 'wave_ends_json' else f't.{field.name}'}" for field in fields(CampaignTargetView)
)
_TARGETS: Final = f"SELECT {_TARGET} FROM campaign_target t JOIN campaign c ON c.id = t.campaign_id WHERE"
TARGET_OF_ENDPOINT: Final = f"{_TARGETS} t.campaign_id = $1 AND t.endpoint_id = $2"
TARGETS_BY_ID: Final = f"{_TARGETS} t.id = ANY($1::bigint[])"
OPERATIONS: Final = (
    "FROM operation o JOIN campaign_target t ON t.id = o.fleet_id "
    "WHERE o.fleet_id = ANY($1::bigint[]) AND o.seq >= t.work ORDER BY o.seq"
)
DUE: Final = f"""
    SELECT id FROM (SELECT id FROM campaign WHERE due_at <= $1 ORDER BY due_at LIMIT $2) c
    UNION
    SELECT campaign_id FROM (
        SELECT campaign_id FROM campaign_target
        WHERE due_at <= $1 AND state = '{CampaignTargetState.RUNNING}' ORDER BY due_at LIMIT $2
    ) t
"""
MOST_DUE: Final = 500
"""Maximum of campaigns and of targets from which the campaigns that are due are read."""


def _campaign(large: Large) -> str:
    return columns(CampaignView, "c", large, postgres=on_postgres())


async def campaign_by_id(id_: int) -> CampaignView | None:
    """Return a campaign by its id.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    return (await campaigns_by_id([id_])).get(id_)


async def campaigns_by_id(ids: Collection[int], large: Large = Large.ALL) -> dict[int, CampaignView]:
    """Return campaigns by their ids; unknown ones are omitted. Raise ReadUnavailable."""
    if not ids:
        return {}
    rows = await fetch(f"SELECT {_campaign(large)} FROM campaign c WHERE c.id = ANY($1::bigint[])", [list(ids)])
    return {view.id: view for view in map(CampaignView.load, rows)}


async def campaign_page(
    statuses: Collection[CampaignStatus] | None, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[CampaignView]:
    """Return a page of campaigns, newest first; with ``statuses``, those in one of them.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of campaigns.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_CAMPAIGN_KIND, after)
    sql = campaign_page_sql(statuses, large)
    found = [CampaignView.load(row) for row in await fetch(sql, [before, first + 1])] if sql else []
    total = partial(uncounted, len(found))
    return Page.of(_CAMPAIGN_KIND, found, first, lambda c: c.id, continued=after is not None, total=total)


def campaign_page_sql(statuses: Collection[CampaignStatus] | None, large: Large = Large.ALL) -> str | None:
    """Return the statement of a page of campaigns with ids below ``$1``; None if no status is wanted."""
    select = f"SELECT {_campaign(large)} FROM campaign c WHERE c.id < $1"
    wanted = [status for status in CampaignStatus if statuses is None or status in statuses]
    if len(wanted) == len(CampaignStatus):
        return merged([select], "id DESC", "$2")
    return merged([f"{select} AND c.status = '{one}'" for one in wanted], "id DESC", "$2") if wanted else None


async def campaign_target_page(
    campaign: CampaignView, states: Collection[CampaignTargetState] | None, first: int, after: str | None = None
) -> Page[CampaignTargetView]:
    """Return a page of a campaign's targets, in the order of their numbers; with ``states``, those in one of them. The
    total is that of the campaign's counters.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of targets.
        ReadUnavailable: the database cannot be reached.
    """
    above = 0 if after is None else parse_seq_cursor(_TARGET_KIND, after)
    wanted = [state for state in CampaignTargetState if states is None or state in states]
    sql = target_page_sql(wanted)
    found: list[CampaignTargetView] = []
    if sql is not None:
        found = [CampaignTargetView.load(row) for row in await fetch(sql, [campaign.id, above, first + 1])]

    async def total() -> tuple[int, bool]:
        return sum(campaign.counts[state] for state in wanted), False

    return Page.of(_TARGET_KIND, found, first, lambda t: t.number, continued=after is not None, total=total)


def target_page_sql(states: Collection[CampaignTargetState]) -> str | None:
    """Return the statement of a page of the targets of the campaign ``$1`` with numbers above ``$2``; None if no state
    is wanted."""
    select = f"{_TARGETS} t.campaign_id = $1 AND t.number > $2"
    if len(states) == len(CampaignTargetState):
        return merged([select], "number", "$3")
    return merged([f"{select} AND t.state = '{state}'" for state in states], "number", "$3") if states else None


async def campaign_target_of(campaign_id: int, endpoint_id: int) -> CampaignTargetView | None:
    """Return the target of a campaign that is this endpoint. Raise ReadUnavailable."""
    rows = await fetch(TARGET_OF_ENDPOINT, [campaign_id, endpoint_id])
    return CampaignTargetView.load(rows[0]) if rows else None


async def campaign_targets_by_id(ids: Collection[int]) -> dict[int, CampaignTargetView]:
    """Return targets by their ids; unknown ones are omitted. Raise ReadUnavailable."""
    if not ids:
        return {}
    return {view.id: view for view in map(CampaignTargetView.load, await fetch(TARGETS_BY_ID, [list(ids)]))}


async def operations_of_targets(target_ids: Collection[int], large: Large = Large.ALL) -> dict[int, list[Operation]]:
    """Return the operations of the newest attempt of each target, by the target's id, in their order; of a firmware
    campaign there are none. Raise ReadUnavailable."""
    found: dict[int, list[Operation]] = {id_: [] for id_ in target_ids}
    if found:
        selected = columns(Operation, "o", large, postgres=on_postgres())
        for operation in map(Operation.load, await fetch(f"SELECT {selected} {OPERATIONS}", [list(found)])):
            found[operation.fleet_id or 0].append(operation)
    return found


async def due_campaigns(now: Instant) -> list[int]:
    """Return the ids of campaigns for which there is something to do ``now``, in the ledger's time. Raise
    ReadUnavailable."""
    return [row[0] for row in await fetch(DUE, [now, MOST_DUE])]
