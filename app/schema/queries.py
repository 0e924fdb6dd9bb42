"""The root of reading. Every field is nullable, so that one which fails does not take the others with it."""

from __future__ import annotations

import strawberry

from app.models.cursors import log_cursor
from app.models.queries import endpoint_by_id, endpoint_by_name, endpoint_page, operation_counts
from app.schema.brake import BrakeQuery
from app.schema.context import Info
from app.schema.fields import resolved
from app.schema.filters import checked_name, endpoint_criteria, operation_criteria
from app.schema.ids import OPERATION, NoSuchId, parse_id
from app.schema.input_checks import plain_text
from app.schema.inputs import DeviceOperationFilter, EndpointFilter
from app.schema.limits import DEFAULT_PAGE, page_size
from app.schema.scalars import clamped_int
from app.schema.types.change import OperationCount
from app.schema.types.endpoint import Endpoint, EndpointConnection, endpoint_connection
from app.schema.types.node import Node
from app.schema.types.operation import DeviceOperation, DeviceOperationConnection


@strawberry.type(description="What can be read.")
class Query(BrakeQuery):
    @resolved("Anything by its global id; null when there is none.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        if type_name == OPERATION:
            return await info.context.reads.operation_by_id(key)
        reads = info.context.reads
        return await reads.endpoint(await endpoint_by_id(int(key), reads.large))

    @resolved("An endpoint by its exact name; null when there is none.")
    async def endpoint(self, info: Info, name: str) -> Endpoint | None:
        reads = info.context.reads
        return await reads.endpoint(await endpoint_by_name(plain_text(name, "name"), reads.large))

    @resolved("Endpoints by name.")
    async def endpoints(
        self,
        info: Info,
        filter: EndpointFilter | None = None,  # noqa: A002
        first: int | None = DEFAULT_PAGE,
        after: str | None = None,
    ) -> EndpointConnection | None:
        reads = info.context.reads
        page = await endpoint_page(endpoint_criteria(filter), page_size(first), after, reads.large)
        return endpoint_connection(page, await reads.whole_endpoints(page.items))

    @resolved("An operation by its id; null when there is none.")
    async def device_operation(self, info: Info, id: strawberry.ID) -> DeviceOperation | None:  # noqa: A002
        try:
            type_name, key = parse_id(id)
        except NoSuchId:
            return None
        return await info.context.reads.operation_by_id(key) if type_name == OPERATION else None

    @resolved("Operations, newest first.")
    async def device_operations(
        self,
        info: Info,
        filter: DeviceOperationFilter | None = None,  # noqa: A002
        first: int | None = DEFAULT_PAGE,
        after: str | None = None,
    ) -> DeviceOperationConnection | None:
        return await info.context.reads.operation_page(operation_criteria(filter), page_size(first), after)

    @resolved("How many operations stand where, one entry per status, zeros too.")
    async def operation_counts(self, endpoint: str | None = None) -> list[OperationCount] | None:
        counts = await operation_counts(checked_name(endpoint, "endpoint"))
        return [OperationCount(status=status, count=clamped_int(count)) for status, count in counts.items()]

    @resolved(
        "Where the log stands, read before all else of the document: a list read together with it, and a "
        "subscription `after` it, have no gap between them."
    )
    async def transition_cursor(self, info: Info) -> str | None:
        cursor = info.context.cursor
        if isinstance(cursor, Exception):
            raise cursor
        return None if cursor is None else log_cursor(cursor)
