"""Firmware updates of single devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from app.models.queries import EndpointView, OperationCriteria, Page
from app.models.queries.firmware_updates import FirmwareUpdateView
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.context import Info
from app.schema.api.enums import FirmwareMethod, FirmwareUpdateState
from app.schema.api.fields import resolved
from app.schema.api.ids import firmware_update_id
from app.schema.api.scalars import DateTime, time_or_none
from app.schema.api.types.firmware_package import FirmwarePackage, package_of
from app.schema.api.types.node import ENTRY_CURSOR, Node, PageInfo, page_info
from app.schema.limits import DEFAULT_PAGE, page_size

if TYPE_CHECKING:
    from app.schema.api.types.campaign import Campaign
    from app.schema.api.types.device import DeviceOperationConnection, Endpoint


@strawberry.type(
    description="The update of one device's firmware through its Firmware Update object. Each step is an ordinary "
    "operation; an endpoint has at most one update that has not ended."
)
class FirmwareUpdate(Node):
    method: FirmwareMethod = strawberry.field(
        description="How the device receives the package; until it is delivered, the requested way."
    )
    object_instance_id: int = strawberry.field(description="Instance of the Firmware Update object.")
    state: FirmwareUpdateState = strawberry.field(description="Progress.")
    state_since: DateTime = strawberry.field(description="Time at which it entered `state`.")
    device_state: int | None = strawberry.field(
        description="State of the Firmware Update object (`/5/x/3`) as last reported: 0 idle, 1 downloading, 2 "
        "downloaded, 3 updating; null before the first report."
    )
    update_result: int | None = strawberry.field(
        description="Update Result (`/5/x/5`) as last reported; null before the first report."
    )
    version_before: str | None = strawberry.field(
        description="Firmware version (`/3/0/3`) before the update; null if the device did not report it."
    )
    version_after: str | None = strawberry.field(
        description="Firmware version that was read to verify the update; null until then."
    )
    attempts: int = strawberry.field(description="Number of deliveries of the package.")
    created_at: DateTime = strawberry.field(description="Time of creation.")
    created_by: str | None = strawberry.field(
        description="Name of the user who created the update or its campaign; null if it is not known."
    )
    finished_at: DateTime | None = strawberry.field(description="Time of the final state; null until then.")
    reason: str | None = strawberry.field(
        description="Why the update ended as it did: the name of the device's Update Result, for example "
        "`INTEGRITY_CHECK_FAILED`, or one of Reveille, for example `TIMEOUT`, `WRONG_VERSION` or `ALREADY_INSTALLED`. "
        "Null if there is none."
    )
    detail: str | None = strawberry.field(description="Text of the device or of Leshan on `reason`; null if none.")
    view: strawberry.Private[FirmwareUpdateView]

    @resolved("Device that is updated.")
    async def endpoint(self, info: Info) -> Annotated[Endpoint, strawberry.lazy("app.schema.api.types.device")]:
        from app.schema.api.types.device import endpoint_of  # noqa: PLC0415 - the types refer to each other

        return endpoint_of(await info.context.reads.fleet.endpoint(self.view.endpoint_id))

    @resolved("Package that is installed.")
    async def package(self, info: Info) -> FirmwarePackage:
        view = await info.context.reads.fleet.package(self.view.package_id)
        return package_of(view, info.context.services.firmware.url)

    @resolved("Campaign that the update belongs to; null if none, or if the campaign was deleted.")
    async def campaign(
        self, info: Info
    ) -> Annotated[Campaign, strawberry.lazy("app.schema.api.types.campaign")] | None:
        from app.schema.api.types.campaign import campaign_of  # noqa: PLC0415 - the types refer to each other

        if self.view.target_id is None:
            return None
        view = await info.context.reads.fleet.campaign_of_target(self.view.target_id)
        return None if view is None else campaign_of(view)

    @resolved("Operations that were created for the update, newest first.")
    async def operations(
        self, info: Info, first: PageSize = DEFAULT_PAGE, after: PageCursor = None
    ) -> Annotated[DeviceOperationConnection, strawberry.lazy("app.schema.api.types.device")]:
        from app.schema.api.types.device import operation_connection  # noqa: PLC0415 - the types refer to each other

        criteria = OperationCriteria(fleet_id=self.view.id)
        return operation_connection(*await info.context.reads.operation_page(criteria, page_size(first), after))


@strawberry.type(description="Entry of a page of firmware updates.")
class FirmwareUpdateEdge:
    node: FirmwareUpdate = strawberry.field(description="The firmware update.")
    cursor: str = strawberry.field(description=ENTRY_CURSOR)


@strawberry.type(description="A page of firmware updates, newest first.")
class FirmwareUpdateConnection:
    edges: list[FirmwareUpdateEdge] = strawberry.field(description="Entries of the page.")
    page_info: PageInfo = strawberry.field(description="Position of the page within the list.")


@strawberry.type
class EndpointFirmware:
    view: strawberry.Private[EndpointView]

    @resolved("Firmware update of the endpoint that has not ended, otherwise its newest one; null if there is none.")
    async def firmware_update(self, info: Info) -> FirmwareUpdate | None:
        view = await info.context.reads.fleet.newest_update(self.view.id)
        return None if view is None else firmware_update_of(view)


def firmware_update_of(view: FirmwareUpdateView) -> FirmwareUpdate:
    return FirmwareUpdate(
        id=strawberry.ID(firmware_update_id(view.id)),
        method=view.method,
        object_instance_id=view.object_instance,
        state=view.state,
        state_since=DateTime(view.since),
        device_state=view.device_state,
        update_result=view.update_result,
        version_before=view.version_before,
        version_after=view.version_after,
        attempts=view.attempts,
        created_at=DateTime(view.created_at),
        created_by=view.created_by,
        finished_at=time_or_none(view.finished_at),
        reason=view.reason,
        detail=view.detail,
        view=view,
    )


def firmware_update_connection(page: Page[FirmwareUpdateView]) -> FirmwareUpdateConnection:
    edges = [
        FirmwareUpdateEdge(node=firmware_update_of(view), cursor=cursor)
        for view, cursor in zip(page.items, page.cursors, strict=True)
    ]
    return FirmwareUpdateConnection(edges=edges, page_info=page_info(page))
