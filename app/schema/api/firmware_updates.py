"""GraphQL fields of firmware updates: list, create, cancel. The ledger carries them out (``app.fleet.updates``)."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.fleet.packages import package_uri
from app.fleet.updates import CancelFirmwareUpdate, UpdateRules
from app.fleet.updates import UpdateFirmware as CreateFirmwareUpdate
from app.models.queries.firmware_updates import FirmwareUpdateCriteria, firmware_update_page
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.campaign_validation import object_instance, package_key
from app.schema.api.checks import optional_text, plain_text
from app.schema.api.context import Info
from app.schema.api.enums import FirmwareMethod, FirmwareUpdateState
from app.schema.api.fields import mutation, resolved
from app.schema.api.ids import FIRMWARE_UPDATE, NoSuchId, parse_firmware_update_id, parse_id
from app.schema.api.ledger_gateway import submit
from app.schema.api.types.firmware_update import (
    FirmwareUpdate,
    FirmwareUpdateConnection,
    firmware_update_connection,
    firmware_update_of,
)
from app.schema.errors import ApiError, Code
from app.schema.limits import DEFAULT_PAGE, page_size
from app.security import Role


@strawberry.type
class FirmwareUpdateQuery:
    @resolved("Firmware update with this global id; null if there is none.")
    async def firmware_update(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID, strawberry.argument(description="Global id of the firmware update.")
        ],
    ) -> FirmwareUpdate | None:
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        return await firmware_update(info, int(key)) if type_name == FIRMWARE_UPDATE else None

    @resolved("Firmware updates, newest first.")
    async def firmware_updates(
        self,
        info: Info,
        endpoint: Annotated[
            str | None,
            strawberry.argument(description="Exact name of the endpoint whose updates to list. Default: all."),
        ] = None,
        states: Annotated[
            list[FirmwareUpdateState] | None,
            strawberry.argument(description="Any of these states; an empty list matches nothing. Default: all."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> FirmwareUpdateConnection | None:
        criteria = FirmwareUpdateCriteria(
            optional_text(endpoint, "endpoint"), None if states is None else frozenset(states)
        )
        page = await firmware_update_page(criteria, page_size(first), after)
        info.context.reads.fleet.reserve_details(page.items)
        return firmware_update_connection(page)


@strawberry.type
class FirmwareUpdateMutation:
    @mutation(
        "Update the firmware of a device. It begins when the device is awake, and continues whatever happens in "
        "between. CONFLICT with `extensions.id` if the endpoint has an update that has not ended, NOT_FOUND if the "
        "endpoint or the package does not exist.",
        Role.OPERATOR,
    )
    async def update_firmware(
        self,
        info: Info,
        endpoint: Annotated[str, strawberry.argument(description="Exact name of the endpoint, which must exist.")],
        package_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the package.")],
        method: Annotated[
            FirmwareMethod | None,
            strawberry.argument(
                description="How the device receives the package, if it supports this; otherwise the other way. "
                "Default: PULL, but a small package that was uploaded is written to the device."
            ),
        ] = FirmwareMethod.PULL,
        object_instance_id: Annotated[
            int | None,
            strawberry.argument(description="Instance of the Firmware Update object, 0 to 65534. Default: 0."),
        ] = 0,
    ) -> FirmwareUpdate | None:
        context = info.context
        name = plain_text(endpoint, "endpoint")
        instance = object_instance(object_instance_id or 0, "objectInstanceId")
        command = CreateFirmwareUpdate(
            name, package_key(package_id, "packageId"), method or FirmwareMethod.PULL, instance, context.viewer.name
        )
        context.services.limiter.admit_operations(context.viewer, 1)
        return await firmware_update(info, await submit(context, command))

    @mutation(
        "Cancel a firmware update that has not ended: its queued operations are canceled, and no further ones are "
        "created. What the device has begun by itself, a download or an installation, goes on. CONFLICT if the update "
        "has ended.",
        Role.OPERATOR,
    )
    async def cancel_firmware_update(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID,
            strawberry.argument(description="Global id of the firmware update. NOT_FOUND if there is none."),
        ],
    ) -> FirmwareUpdate | None:
        try:
            key = parse_firmware_update_id(id)
        except NoSuchId:
            raise ApiError(Code.NOT_FOUND, "Unknown firmware update.", field="id") from None
        rules = UpdateRules(uri_of=lambda package: package_uri(package, info.context.services.firmware.url))
        command = CancelFirmwareUpdate(rules, key)
        return await firmware_update(info, await submit(info.context, command))


async def firmware_update(info: Info, key: int) -> FirmwareUpdate | None:
    """Return a firmware update by its id; None if there is none."""
    view = await info.context.reads.fleet.update(key)
    return None if view is None else firmware_update_of(view)
