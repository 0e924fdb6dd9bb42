"""GraphQL mutations: validate the input, submit it to the ledger, return the stored result."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Final, NamedTuple, TypeVar

import strawberry

from app.domain.enums import OperationStatus
from app.domain.object_models import ObjectModel
from app.models.ledger import Cancel, Create, Created
from app.models.object_models import stored_versions
from app.models.operation import NewOperation
from app.models.queries import endpoint_by_id, operation_by_id
from app.schema.api.access import AccessMutation
from app.schema.api.campaigns import CampaignMutation
from app.schema.api.context import Info, RequestContext
from app.schema.api.dispatch_control import DispatchMutation
from app.schema.api.endpoint_mutations import EndpointMutation, known_endpoint
from app.schema.api.fields import mutation
from app.schema.api.firmware_packages import FirmwarePackageMutation
from app.schema.api.firmware_updates import FirmwareUpdateMutation
from app.schema.api.ids import NoSuchId, operation_id, parse_operation_id
from app.schema.api.input_validation import new_operation
from app.schema.api.inputs import CreateDeviceOperationInput
from app.schema.api.ledger_gateway import retry_of, submit
from app.schema.api.observation_rules import ObservationRuleMutation
from app.schema.api.operation_batches import OperationBatchMutation
from app.schema.api.types.change import DeviceOperationPayload
from app.schema.api.types.device import DeviceOperation, operation_of
from app.schema.errors import ApiError, Code, over_limit
from app.schema.limits import MAX_CREATED
from app.security import Role

Result = TypeVar("Result")

WITHDRAW_SECONDS: Final = 5.0
"""Time in seconds that a cancellation waits for Leshan to drop a request that it holds."""
WITHDRAW_POLL_SECONDS: Final = 0.1
TURN: Final = 50
"""Number of inputs that are validated before other tasks of the event loop can run."""


@strawberry.type(
    description="Mutations, which require the role OPERATOR, those of access ADMIN: without it, the error is "
    "FORBIDDEN. Each is written to the audit."
)
class Mutation(
    DispatchMutation,
    OperationBatchMutation,
    EndpointMutation,
    ObservationRuleMutation,
    FirmwarePackageMutation,
    FirmwareUpdateMutation,
    CampaignMutation,
    AccessMutation,
):
    @mutation(
        "Create an operation with status QUEUED. NOT_FOUND if the endpoint does not exist, CONFLICT if the idempotency "
        "key was used with another input, LIMIT_EXCEEDED if the endpoint's queue is full.",
        Role.OPERATOR,
    )
    async def create_device_operation(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            CreateDeviceOperationInput, strawberry.argument(description="Operation to create.")
        ],
    ) -> DeviceOperationPayload | None:
        return (await _create(info.context, [input], batch=False))[0]

    @mutation(
        "Create several operations in one transaction: all of them, in this order, or none. An error names the input "
        "at fault in `extensions.index`.",
        Role.OPERATOR,
    )
    async def create_device_operations(
        self,
        info: Info,
        inputs: Annotated[
            list[CreateDeviceOperationInput],
            strawberry.argument(description="Operations to create, at most 1,000; more are LIMIT_EXCEEDED."),
        ],
    ) -> list[DeviceOperationPayload] | None:
        if len(inputs) > MAX_CREATED:
            raise over_limit(f"Too many operations ({len(inputs)}); at most {MAX_CREATED} are allowed.", MAX_CREATED)
        return await _create(info.context, inputs, batch=True)

    @mutation(
        "Cancel an operation that is QUEUED, or that a stock Leshan server holds (`waitingFor: LESHAN_HOLDS_IT`). "
        "CONFLICT if it has another status or the device woke first, and also if Leshan has not dropped a held request "
        "within 5 seconds: it is then canceled as soon as Leshan does.",
        Role.OPERATOR,
    )
    async def cancel_device_operation(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID,
            strawberry.argument(description="Global id of the operation. NOT_FOUND if there is none."),
        ],
    ) -> DeviceOperation | None:
        context = info.context
        key = _operation_key(id)
        await context.reads.reserve_operation(key)
        await submit(context, Cancel(key))
        await _withdrawn(key)
        context.reads.forget()
        loaded = await context.reads.operation_by_id(key, reserved=True)
        return operation_of(loaded) if loaded else None

    @mutation(
        "Create a new operation with the request and settings of one that has ended. CONFLICT if that one has not "
        "ended, or has an unfinished retry.",
        Role.OPERATOR,
    )
    async def retry_device_operation(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID,
            strawberry.argument(description="Global id of the operation to retry. NOT_FOUND if there is none."),
        ],
        idempotency_key: Annotated[
            str | None,
            strawberry.argument(
                description="Idempotency key of the new operation, 1 to 255 characters: the same key and operation "
                "return the existing retry. Default: none."
            ),
        ] = None,
    ) -> DeviceOperationPayload | None:
        context = info.context
        created_by = context.viewer.name
        old = await operation_by_id(_operation_key(id))
        endpoint = await endpoint_by_id(old.endpoint_id) if old else None
        if old is None:
            raise ApiError(Code.NOT_FOUND, "Unknown operation id.", field="id")
        if endpoint is None:
            raise ApiError(Code.NOT_FOUND, "The endpoint of the operation was deleted.", field="id")
        context.services.limiter.admit_operations(context.viewer, 1)
        new = retry_of(old, endpoint.name, idempotency_key, created_by)
        return (await _stored(context, [new]))[0]


async def _withdrawn(key: str) -> None:
    """Wait for the end of an operation whose cancellation was requested while Leshan held it.

    Raises:
        ApiError: CONFLICT: Leshan still holds it, or the operation has ended with a status other than CANCELED.
    """
    give_up = time.monotonic() + WITHDRAW_SECONDS
    while (view := await operation_by_id(key)) is not None and view.status is OperationStatus.SENDING:
        if time.monotonic() > give_up:
            message = (
                "Leshan still holds the request (LESHAN_HOLDS_IT); the operation is canceled once Leshan drops it, "
                "unless the device wakes first."
            )
            raise ApiError(Code.CONFLICT, message, id=operation_id(key), status=view.status)
        await asyncio.sleep(WITHDRAW_POLL_SECONDS)
    if view is not None and view.status is not OperationStatus.CANCELED:
        message = f"The operation is {view.status}; the device woke before Leshan dropped the request."
        raise ApiError(Code.CONFLICT, message, id=operation_id(key), status=view.status)


def _operation_key(id_: str) -> str:
    try:
        return parse_operation_id(id_)
    except NoSuchId:
        raise ApiError(Code.NOT_FOUND, "Unknown operation id.", field="id") from None


class _Objects(NamedTuple):
    """Objects of an endpoint.

    Attributes:
        models: stored object models, by object id, of the objects in its last registration.
        registered: ids of the objects in its current registration; None if it is not registered.
    """

    models: Mapping[int, ObjectModel]
    registered: Collection[int] | None


async def _create(
    context: RequestContext, inputs: Sequence[CreateDeviceOperationInput], *, batch: bool
) -> list[DeviceOperationPayload]:
    created_by = context.viewer.name
    context.services.limiter.admit_operations(context.viewer, len(inputs))
    known: dict[str, _Objects] = {}
    news = []
    for index, given in enumerate(inputs):
        if index % TURN == TURN - 1:
            await asyncio.sleep(0)
        try:
            news.append(await _new(context, given, created_by, known))
        except ApiError as error:
            raise _at(error, index) if batch else error from None
    return await _stored(context, news, batch=batch)


async def _new(
    context: RequestContext,
    given: CreateDeviceOperationInput,
    created_by: str,
    known: dict[str, _Objects],
) -> NewOperation:
    """Validate one input. ``known`` caches the objects of endpoints for the further inputs."""
    objects = known.get(given.endpoint)
    if objects is None:
        endpoint = await known_endpoint(given.endpoint, "endpoint")
        versions = stored_versions(endpoint.object_links_json, endpoint.lwm2m_version)
        registered = versions.keys() if endpoint.registered else None
        objects = _Objects(await context.services.object_models.exact(versions), registered)
        known[given.endpoint] = objects
    return new_operation(
        given,
        context.services.defaults,
        objects.models.get,
        registered=objects.registered,
        id_=str(uuid.uuid4()),
        created_by=created_by,
        now=time.time_ns() // 1000,
    )


def _at(error: ApiError, index: int) -> ApiError:
    facts = dict(error.extensions or {})
    return ApiError(Code(facts.pop("code")), error.message, **facts, index=index)


async def _stored(
    context: RequestContext, news: Sequence[NewOperation], *, batch: bool = False
) -> list[DeviceOperationPayload]:
    if not news:
        return []
    reserved = await context.reads.reserve_new(news)  # before the commit, so that nothing is stored on an error
    try:
        created = await submit(context, Create(news))
    except ApiError as error:
        facts = error.extensions or {}
        if not batch:
            facts.pop("index", None)
        raise
    return await _payloads(context, created, reserved)


async def _payloads(context: RequestContext, created: Sequence[Created], reserved: int) -> list[DeviceOperationPayload]:
    """Read the stored operations. Only one that existed with its idempotency key may need more than the ``reserved``
    bytes, because it may have an answer."""
    more = not all(one.created for one in created)
    operations = await context.reads.operations_by_id([one.id for one in created], reserved if more else None)
    return [DeviceOperationPayload(operation=operation_of(operations[one.id]), created=one.created) for one in created]
