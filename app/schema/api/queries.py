"""GraphQL queries. Every root field is nullable, so that a failing one does not make the whole response null."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.models.cursors import log_cursor
from app.models.queries import (
    EndpointView,
    api_token_by_id,
    count_endpoints,
    endpoint_by_id,
    endpoint_by_name,
    endpoint_page,
    firmware_package_by_id,
    observation_rule_by_id,
    operation_counts,
)
from app.schema.api.access import AccessQuery
from app.schema.api.arguments import PageCursor, PageSize
from app.schema.api.campaigns import CampaignQuery, campaign
from app.schema.api.checks import optional_text, plain_text
from app.schema.api.context import Info
from app.schema.api.dispatch_control import DispatchQuery
from app.schema.api.fields import check_role, resolved
from app.schema.api.filters import endpoint_criteria, operation_criteria
from app.schema.api.firmware_packages import FirmwarePackageQuery
from app.schema.api.firmware_updates import FirmwareUpdateQuery, firmware_update
from app.schema.api.ids import (
    API_TOKEN,
    CAMPAIGN,
    FIRMWARE_PACKAGE,
    FIRMWARE_UPDATE,
    OPERATION,
    RULE,
    NoSuchId,
    parse_id,
)
from app.schema.api.inputs import DeviceOperationFilter, EndpointFilter
from app.schema.api.observation_rules import ObservationRuleQuery
from app.schema.api.readings import ReadingQuery
from app.schema.api.scalars import clamped_int
from app.schema.api.statistics import StatisticsQuery
from app.schema.api.types.access import api_token_of
from app.schema.api.types.change import OperationCount
from app.schema.api.types.device import (
    DeviceOperation,
    DeviceOperationConnection,
    Endpoint,
    endpoint_of,
    operation_connection,
    operation_of,
)
from app.schema.api.types.endpoint_list import EndpointConnection, endpoint_connection
from app.schema.api.types.firmware_package import package_of
from app.schema.api.types.node import Node
from app.schema.api.types.observation import rule_of
from app.schema.limits import DEFAULT_PAGE, page_size
from app.security import Role


@strawberry.type(
    description="Queries. Each field is nullable: one that fails is null, with an error, and does not affect the "
    "others."
)
class Query(
    DispatchQuery,
    StatisticsQuery,
    ObservationRuleQuery,
    ReadingQuery,
    FirmwarePackageQuery,
    FirmwareUpdateQuery,
    CampaignQuery,
    AccessQuery,
):
    @resolved(
        "Endpoint, operation, observation rule, firmware package, firmware update, campaign or, for the role ADMIN, "
        "API token with this global id; null if there is none."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID,
            strawberry.argument(description="Global id of an object."),
        ],
    ) -> Node | None:
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        if type_name == OPERATION:
            return await _operation(info, key)
        if type_name == RULE:
            rule = await observation_rule_by_id(int(key))
            return rule_of(rule) if rule else None
        if type_name == FIRMWARE_UPDATE:
            return await firmware_update(info, int(key))
        if type_name == CAMPAIGN:
            return await campaign(info, int(key))
        if type_name == FIRMWARE_PACKAGE:
            package = await firmware_package_by_id(int(key))
            return package_of(package, info.context.services.firmware.url) if package else None
        if type_name == API_TOKEN:
            check_role(info.context.viewer, Role.ADMIN)
            token = await api_token_by_id(int(key))
            return api_token_of(token) if token else None
        return await _endpoint(info, await endpoint_by_id(int(key), info.context.reads.large))

    @resolved("Endpoint with this name; null if there is none.")
    async def endpoint(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="LwM2M endpoint client name, exactly.")],
    ) -> Endpoint | None:
        view = await endpoint_by_name(plain_text(name, "name"), info.context.reads.large)
        return await _endpoint(info, view)

    @resolved("Endpoints, sorted by name.")
    async def endpoints(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            EndpointFilter | None,
            strawberry.argument(description="Criteria for the endpoints. Default: all endpoints."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> EndpointConnection | None:
        reads = info.context.reads
        page = await endpoint_page(endpoint_criteria(filter), page_size(first), after, reads.large)
        return endpoint_connection(page, await reads.whole_endpoints(page.items))

    @resolved("Exact number of endpoints that match a filter. Costly: at most 10 of these fields fit in a request.")
    async def endpoint_count(
        self,
        filter: Annotated[  # noqa: A002
            EndpointFilter | None,
            strawberry.argument(description="Criteria for the endpoints. Default: all endpoints."),
        ] = None,
    ) -> int | None:
        return clamped_int(await count_endpoints(endpoint_criteria(filter)))

    @resolved("Operation with this global id; null if there is none.")
    async def device_operation(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID, strawberry.argument(description="Global id of the operation.")
        ],
    ) -> DeviceOperation | None:
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        return await _operation(info, key) if type_name == OPERATION else None

    @resolved("Operations, newest first.")
    async def device_operations(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            DeviceOperationFilter | None,
            strawberry.argument(description="Criteria for the operations. Default: all operations."),
        ] = None,
        first: PageSize = DEFAULT_PAGE,
        after: PageCursor = None,
    ) -> DeviceOperationConnection | None:
        criteria = operation_criteria(filter)
        return operation_connection(*await info.context.reads.operation_page(criteria, page_size(first), after))

    @resolved("Number of operations by status: one entry for each status, also if the number is 0.")
    async def operation_counts(
        self,
        endpoint: Annotated[
            str | None,
            strawberry.argument(description="Exact name of the endpoint whose operations to count. Default: all."),
        ] = None,
    ) -> list[OperationCount] | None:
        counts = await operation_counts(optional_text(endpoint, "endpoint"))
        return [OperationCount(status=status, count=clamped_int(count)) for status, count in counts.items()]

    @resolved(
        "Cursor of the end of the log, read before all other fields of the document: a subscription with this `after` "
        "continues without a gap from the lists in the same document."
    )
    async def transition_cursor(self, info: Info) -> str | None:
        cursor = info.context.cursor
        if isinstance(cursor, Exception):
            raise cursor
        return None if cursor is None else log_cursor(cursor)


async def _operation(info: Info, key: str) -> DeviceOperation | None:
    loaded = await info.context.reads.operation_by_id(key)
    return operation_of(loaded) if loaded else None


async def _endpoint(info: Info, view: EndpointView | None) -> Endpoint | None:
    return endpoint_of((await info.context.reads.whole_endpoints([view]))[0]) if view else None
