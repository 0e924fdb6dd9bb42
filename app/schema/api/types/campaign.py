"""Campaigns and their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from app.domain.enums import CampaignTargetState as State
from app.models.fields import load_json
from app.models.queries import Page
from app.models.queries.campaigns import CampaignTargetView, CampaignView, campaign_target_page
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.context import Info
from app.schema.api.enums import CampaignStatus, CampaignTargetState
from app.schema.api.fields import resolved
from app.schema.api.ids import campaign_id
from app.schema.api.scalars import JSON, DateTime, clamped_int, time_or_none
from app.schema.api.types.firmware_package import FirmwarePackage, package_of
from app.schema.api.types.firmware_update import FirmwareUpdate, firmware_update_of
from app.schema.api.types.node import ENTRY_CURSOR, Node, PageInfo, Total, page_info
from app.schema.limits import DEFAULT_PAGE, page_size

if TYPE_CHECKING:
    from app.schema.api.types.device import DeviceOperation, Endpoint


@strawberry.type(description="Number of targets of a campaign with one state.")
class CampaignCount:
    state: CampaignTargetState = strawberry.field(description="The state.")
    count: int = strawberry.field(description="Number of targets.")


@strawberry.type(description="One endpoint of a campaign.")
class CampaignTarget:
    state: CampaignTargetState = strawberry.field(description="Current state.")
    wave: int = strawberry.field(description="Wave that the target belongs to, from 1.")
    attempts: int = strawberry.field(description="Number of times that it has begun.")
    detail: str | None = strawberry.field(
        description="Reason for the state, for example why it FAILED or was SKIPPED; null if there is none."
    )
    changed_at: DateTime = strawberry.field(description="Time of the last change of its state.")
    view: strawberry.Private[CampaignTargetView]

    @resolved("The endpoint.")
    async def endpoint(self, info: Info) -> Annotated[Endpoint, strawberry.lazy("app.schema.api.types.device")]:
        from app.schema.api.types.device import endpoint_of  # noqa: PLC0415 - the types refer to each other

        return endpoint_of(await info.context.reads.fleet.endpoint(self.view.endpoint_id))

    @resolved("Its newest firmware update; null before it has begun, and in a campaign of operations.")
    async def update(self, info: Info) -> FirmwareUpdate | None:
        work = self.view.work
        view = None if work is None else await info.context.reads.fleet.update(work)
        return None if view is None else firmware_update_of(view)

    @resolved("Operations of its newest attempt, in their order; none before it has begun, and in a firmware campaign.")
    async def operations(
        self, info: Info
    ) -> list[Annotated[DeviceOperation, strawberry.lazy("app.schema.api.types.device")]]:
        from app.schema.api.types.device import operation_of  # noqa: PLC0415 - the types refer to each other

        if self.view.work is None:
            return []
        return [operation_of(loaded) for loaded in await info.context.reads.fleet.operations(self.view.id)]


@strawberry.type(description="Entry of a page of targets.")
class CampaignTargetEdge:
    node: CampaignTarget = strawberry.field(description="The target.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of a campaign's targets, in the order in which they begin.")
class CampaignTargetConnection:
    edges: list[CampaignTargetEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")
    total: strawberry.Private[Total[Any]]

    @resolved("Number of targets in the whole list, by the counters of the campaign.")
    async def total_count(self) -> int:
        return (await self.total.get())[0]

    @resolved("Whether the list has more entries than `totalCount`: always false.")
    async def total_count_capped(self) -> bool:
        return (await self.total.get())[1]


@strawberry.type(
    description="The same work for many endpoints: a firmware update, or operations one after the other. Its targets "
    "begin in waves, at a limited rate, and within a daily window."
)
class Campaign(Node):
    name: str = strawberry.field(description="Unique name.")
    status: CampaignStatus = strawberry.field(description="Current status.")
    reason: str | None = strawberry.field(
        description="Why it is PAUSED, ABORTED or CANCELED; null if there is no reason."
    )
    filter: JSON = strawberry.field(description="The `EndpointFilter` as it was given.")
    continuous: bool = strawberry.field(description="Whether endpoints that match later join while it runs.")
    waves: JSON = strawberry.field(
        description="Its waves, `[{percent, minSuccessPercent, approve}]`: a `CampaignWaveInput` each."
    )
    wave: int = strawberry.field(description="Number of the current wave, from 1.")
    starts_per_minute: int | None = strawberry.field(
        description="Maximum number of targets that begin in a minute; null for no limit."
    )
    max_running: int | None = strawberry.field(
        description="Maximum number of targets that are RUNNING at a time; null for no limit."
    )
    abort: JSON | None = strawberry.field(
        description="When failures abort it, `{failurePercent, minEnded}`; null for never."
    )
    start_at: DateTime | None = strawberry.field(description="Start time that was given; null if none.")
    end_at: DateTime | None = strawberry.field(
        description="Time at which targets that have not begun become SKIPPED; null if none was given."
    )
    window: JSON | None = strawberry.field(
        description="Hours of each day within which targets begin, `{from, to, timeZone}`; null for always."
    )
    retries: int = strawberry.field(description="Number of times that a target that failed is tried again.")
    created_at: DateTime = strawberry.field(description="Time of creation.")
    created_by: str | None = strawberry.field(
        description="Name of the user who created the campaign; null if it is not known."
    )
    started_at: DateTime | None = strawberry.field(description="Time at which it first became RUNNING; null before.")
    finished_at: DateTime | None = strawberry.field(
        description="Time at which it became ABORTED, COMPLETED or CANCELED; null until then."
    )
    view: strawberry.Private[CampaignView]

    @resolved("Package that is installed; null for a campaign of operations.")
    async def package(self, info: Info) -> FirmwarePackage | None:
        if self.view.package_id is None:
            return None
        view = await info.context.reads.fleet.package(self.view.package_id)
        return package_of(view, info.context.services.firmware.url)

    @resolved("Number of targets by state: one entry for each state, also if the number is 0.")
    async def counts(self) -> list[CampaignCount]:
        counts = self.view.counts
        return [CampaignCount(state=state, count=clamped_int(counts[state])) for state in State]

    @resolved("Its targets, in the order in which they begin: by endpoint name, later ones at the end.")
    async def targets(
        self,
        info: Info,
        states: Annotated[
            list[CampaignTargetState] | None,
            strawberry.argument(description="Any of these states; an empty list matches nothing. Default: all."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> CampaignTargetConnection:
        wanted = None if states is None else frozenset(states)
        page = await campaign_target_page(self.view, wanted, page_size(first), after)
        info.context.reads.fleet.reserve_details(page.items)
        return target_connection(page)


@strawberry.type(description="Entry of a page of campaigns.")
class CampaignEdge:
    node: Campaign = strawberry.field(description="The campaign.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of campaigns, newest first.")
class CampaignConnection:
    edges: list[CampaignEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


def campaign_of(view: CampaignView) -> Campaign:
    return Campaign(
        id=strawberry.ID(campaign_id(view.id)),
        name=view.name,
        status=view.status,
        reason=view.reason,
        filter=JSON(load_json(view.given_filter_json)),
        continuous=view.continuous,
        waves=JSON(
            [_named(wave, "percent", "minSuccessPercent", "approve") for wave in load_json(view.waves_json) or ()]
        ),
        wave=view.wave,
        starts_per_minute=view.starts_per_minute,
        max_running=view.max_running,
        abort=_abort(view),
        start_at=time_or_none(view.start_at),
        end_at=time_or_none(view.end_at),
        window=_window(view),
        retries=view.retries,
        created_at=DateTime(view.created_at),
        created_by=view.created_by,
        started_at=time_or_none(view.started_at),
        finished_at=time_or_none(view.finished_at),
        view=view,
    )


def _abort(view: CampaignView) -> JSON | None:
    if view.abort_percent is None:
        return None
    return JSON({"failurePercent": view.abort_percent, "minEnded": view.abort_min_ended})


def _waves(view: CampaignView) -> JSON:
    waves = load_json(view.waves_json) or ()  # null if it is not selected
    return JSON([_named(wave, "percent", "minSuccessPercent", "approve") for wave in waves])


def _window(view: CampaignView) -> JSON | None:
    window = load_json(view.daily_window_json)
    return None if window is None else JSON(_named(window, "from", "to", "timeZone"))


def _named(values: Sequence[Any], *names: str) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def target_of(view: CampaignTargetView) -> CampaignTarget:
    return CampaignTarget(
        state=view.state,
        wave=view.wave,
        attempts=view.attempts,
        detail=view.detail,
        changed_at=DateTime(view.changed_at),
        view=view,
    )


def target_connection(page: Page[CampaignTargetView]) -> CampaignTargetConnection:
    edges = [
        CampaignTargetEdge(node=target_of(view), cursor=cursor)
        for view, cursor in zip(page.items, page.cursors, strict=True)
    ]
    return CampaignTargetConnection(edges=edges, page_info=page_info(page), total=Total(page))


def campaign_connection(page: Page[CampaignView], views: list[CampaignView]) -> CampaignConnection:
    """Return the connection of a page; ``views`` are its items with the selected large values."""
    edges = [
        CampaignEdge(node=campaign_of(view), cursor=cursor) for view, cursor in zip(views, page.cursors, strict=True)
    ]
    return CampaignConnection(edges=edges, page_info=page_info(page))
