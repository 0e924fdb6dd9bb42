"""GraphQL fields of campaigns: list, create, and the changes of a campaign's status. The ledger carries campaigns out
(``app.fleet.campaigns``)."""

from __future__ import annotations

import time
from typing import Annotated, TypeAlias

import strawberry

from app.fleet.campaigns import (
    ApproveCampaignWave,
    CancelCampaign,
    CreateCampaign,
    PauseCampaign,
    ResumeCampaign,
    RetryCampaign,
)
from app.models.fields import dump_json
from app.models.queries.campaigns import campaign_by_id, campaign_page
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.campaign_inputs import CampaignInput
from app.schema.api.campaign_validation import campaign_definition
from app.schema.api.checks import plain_text
from app.schema.api.context import Info
from app.schema.api.enums import CampaignStatus
from app.schema.api.fields import mutation, resolved
from app.schema.api.ids import CAMPAIGN, NoSuchId, parse_campaign_id, parse_id
from app.schema.api.ledger_gateway import submit
from app.schema.api.types.campaign import Campaign, CampaignConnection, campaign_connection, campaign_of
from app.schema.errors import ApiError, Code
from app.schema.limits import DEFAULT_PAGE, page_size
from app.security import Role

CampaignId: TypeAlias = Annotated[
    strawberry.ID, strawberry.argument(description="Global id of the campaign. NOT_FOUND if there is none.")
]
Reason: TypeAlias = Annotated[str, strawberry.argument(description="Reason, 1 to 255 characters, shown to all users.")]


@strawberry.type
class CampaignQuery:
    @resolved("Campaign with this global id; null if there is none.")
    async def campaign(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the campaign.")],  # noqa: A002
    ) -> Campaign | None:
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        return await campaign(info, int(key)) if type_name == CAMPAIGN else None

    @resolved("Campaigns, newest first.")
    async def campaigns(
        self,
        info: Info,
        statuses: Annotated[
            list[CampaignStatus] | None,
            strawberry.argument(description="Any of these statuses; an empty list matches nothing. Default: all."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> CampaignConnection | None:
        reads = info.context.reads
        wanted = None if statuses is None else frozenset(statuses)
        page = await campaign_page(wanted, page_size(first), after, reads.large)
        return campaign_connection(page, await reads.fleet.whole_campaigns(page.items))


@strawberry.type
class CampaignMutation:
    @mutation(
        "Create a campaign, which begins at its `startAt` (SCHEDULED) or at once (RUNNING). CONFLICT with "
        "`extensions.id` if there is one of this name. It counts as many operations as its input has, or one, in the "
        "caller's limit.",
        Role.OPERATOR,
    )
    async def create_campaign(
        self,
        info: Info,
        input: Annotated[CampaignInput, strawberry.argument(description="Campaign to create.")],  # noqa: A002
    ) -> Campaign | None:
        context = info.context
        definition = campaign_definition(input, context.services.defaults, time.time_ns() // 1_000)
        context.services.limiter.admit_operations(context.viewer, max(1, len(definition.operations)))
        context.reads.reserve(len(dump_json(dict(definition.given_filter)) or ""))
        return await _stored(await submit(context, CreateCampaign(definition, context.viewer.name)))

    @mutation(
        "Pause a campaign: no further target begins until `resumeCampaign`; those that have begun go on. CONFLICT with "
        "`extensions.status` unless it is SCHEDULED or RUNNING.",
        Role.OPERATOR,
    )
    async def pause_campaign(self, info: Info, id: CampaignId, reason: Reason) -> Campaign | None:  # noqa: A002
        command = PauseCampaign(_key(id), plain_text(reason, "reason"))
        return await _changed(info, command)

    @mutation(
        "Resume a campaign that is PAUSED. If it was paused because a wave had too little success, the next wave "
        "begins. CONFLICT if it has another status.",
        Role.OPERATOR,
    )
    async def resume_campaign(self, info: Info, id: CampaignId) -> Campaign | None:  # noqa: A002
        command = ResumeCampaign(_key(id))
        return await _changed(info, command)

    @mutation(
        "Begin the next wave of a campaign that is WAITING_FOR_APPROVAL. CONFLICT if it has another status.",
        Role.OPERATOR,
    )
    async def approve_campaign_wave(self, info: Info, id: CampaignId) -> Campaign | None:  # noqa: A002
        command = ApproveCampaignWave(_key(id))
        return await _changed(info, command)

    @mutation(
        "Cancel a campaign that has not ended: its WAITING targets are CANCELED, and those that have begun go on. "
        "CONFLICT if it has ended.",
        Role.OPERATOR,
    )
    async def cancel_campaign(self, info: Info, id: CampaignId, reason: Reason) -> Campaign | None:  # noqa: A002
        command = CancelCampaign(_key(id), plain_text(reason, "reason"))
        return await _changed(info, command)

    @mutation(
        "Begin the FAILED and CANCELED targets of a campaign again; their `attempts` go on counting. CONFLICT if there "
        "are none, or if it is SCHEDULED or WAITING_FOR_APPROVAL.",
        Role.OPERATOR,
    )
    async def retry_campaign(self, info: Info, id: CampaignId) -> Campaign | None:  # noqa: A002
        command = RetryCampaign(_key(id))
        return await _changed(info, command)


_Change: TypeAlias = PauseCampaign | ResumeCampaign | ApproveCampaignWave | CancelCampaign | RetryCampaign


async def _changed(info: Info, command: _Change) -> Campaign | None:
    """Change a campaign and return it. Its size is reserved before, so that nothing is changed on that error."""
    await info.context.reads.fleet.reserve_campaign(command.id)
    return await _stored(await submit(info.context, command))


async def _stored(key: int) -> Campaign | None:
    """Return a campaign whose size was reserved."""
    view = await campaign_by_id(key)
    return None if view is None else campaign_of(view)


def _key(id_: str) -> int:
    try:
        return parse_campaign_id(id_)
    except NoSuchId:
        raise ApiError(Code.NOT_FOUND, "Unknown campaign.", field="id") from None


async def campaign(info: Info, key: int) -> Campaign | None:
    """Return a campaign by its id; None if there is none."""
    view = await info.context.reads.fleet.campaign(key)
    return None if view is None else campaign_of(view)
