"""``createDeviceOperationsFor``: one operation for each endpoint that matches a filter.

The endpoints are read and their operations are created piece by piece, each piece in a short transaction, with a pause
after it for other mutations, wakes and claims. A request creates pieces only for so long that its response is due in
time; the next request with the same batch name continues (``docs/decisions/0025-batches-continue-by-name.md``).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

import strawberry
from strawberry import Some
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from app.domain.operations import OperationRequest
from app.domain.paths import LwM2mPath
from app.models.fields import dump_json
from app.models.ledger import ANSWER_SECONDS, Batch, BeginBatch, ContinueBatch
from app.models.object_models import stored_versions
from app.models.operation import NewOperation
from app.models.queries import EndpointCriteria, EndpointView, count_endpoints, endpoints_after
from app.schema.api.checks import plain_text
from app.schema.api.context import Info, RequestContext
from app.schema.api.fields import mutation
from app.schema.api.filters import endpoint_criteria
from app.schema.api.input_validation import OperationTemplate, digest, operation_template
from app.schema.api.inputs import DeviceOperationTemplateInput, EndpointFilter
from app.schema.api.ledger_gateway import submit
from app.schema.api.types.change import CreateForPayload
from app.schema.errors import ApiError, Code, bad_input
from app.schema.limits import MAX_SECONDS
from app.security import Role
from app.tracing import current_trace

PIECE: Final = 200
"""Maximum number of endpoints of a piece: its transaction holds the append lock."""
PIECE_BYTES: Final = 1_048_576
"""Maximum number of bytes of the values of a piece, unless it has only one operation."""
WORK_SECONDS: Final = MAX_SECONDS - ANSWER_SECONDS
"""No further piece begins after this time in seconds: its commit may take ``ANSWER_SECONDS``, and the response is due
within ``MAX_SECONDS``."""
MAX_PAUSE: Final = 0.5
"""Maximum time in seconds of the pause after a piece, which otherwise is as long as the piece took."""
TURN: Final = 50
"""Number of endpoints after which other tasks of the event loop can run."""


@strawberry.type
class OperationBatchMutation:
    @mutation(
        "Create one operation for each endpoint that matches a filter, in the order of their names, in transactions of "
        "at most 500. The operations have `batch`, by which filters select them. UNAVAILABLE if endpoints are left "
        "after some seconds, with the numbers so far in `extensions.created` and `extensions.passedOver`: repeat the "
        "mutation unchanged to continue. It also continues after any other interruption; once all endpoints are done, "
        "it returns the same numbers again. CONFLICT if the batch was begun with another filter or input. At most one "
        "of these fields fits in a request.",
        Role.OPERATOR,
    )
    async def create_device_operations_for(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            EndpointFilter,
            strawberry.argument(
                description="Criteria for the endpoints; each is checked when its piece is created. At least one "
                "criterion, or `expectedCount`, is required."
            ),
        ],
        input: Annotated[  # noqa: A002
            DeviceOperationTemplateInput, strawberry.argument(description="Operation to create for each endpoint.")
        ],
        batch: Annotated[
            str,
            strawberry.argument(
                description="Name of the batch, 1 to 255 characters. It is stored as long as its operations are, and "
                "at least for `REVEILLE_RETENTION` days after its last piece."
            ),
        ],
        expected_count: Annotated[
            int | None,
            strawberry.argument(
                description="Number of endpoints that match. If it differs when the batch begins, nothing is created "
                "and the error is CONFLICT with the actual number in `extensions.count`. Default: any number."
            ),
        ] = None,
    ) -> CreateForPayload | None:
        context = info.context
        name, criteria = plain_text(batch, "batch"), endpoint_criteria(filter)
        if criteria == EndpointCriteria() and expected_count is None:
            raise bad_input("Empty filter; at least one criterion, or `expectedCount`, is expected.", "filter")
        template = operation_template(input, context.services.defaults, time.time_ns() // 1_000)
        given = input_json(filter)
        begin = BeginBatch(
            name=name,
            endpoint_filter=dump_json(given) or "{}",
            template=dump_json(input_json(input)) or "{}",
            fingerprint=digest({"filter": given, "template": template.fingerprint}),
            by=context.viewer.name,
            expected=expected_count,
            matching=None if expected_count is None else await count_endpoints(criteria),
        )
        stored = await _continued(_Pieces(context, criteria, template), await submit(context, begin))
        return CreateForPayload(created=stored.created, passed_over=stored.passed_over, batch=stored.name)


async def _continued(pieces: _Pieces, batch: Batch) -> Batch:
    """Create pieces until the batch is finished, and return it.

    Raises:
        ApiError: UNAVAILABLE: endpoints are left after :data:`WORK_SECONDS`. The error of a piece. Both with the
            numbers so far.
    """
    begun = time.monotonic()
    while batch.finished_at is None:
        started = time.monotonic()
        try:
            batch = await pieces.create_next(batch)
        except ApiError as error:
            facts = dict(error.extensions or {})
            raise ApiError(Code(facts.pop("code")), error.message, **{**facts, **_numbers(batch)}) from None
        now = time.monotonic()
        if batch.finished_at is None and now - begun > WORK_SECONDS:
            message = f"{batch.done} endpoints of the batch are done; repeat the mutation unchanged for the others."
            raise ApiError(Code.UNAVAILABLE, message, **_numbers(batch))
        await asyncio.sleep(min(now - started, MAX_PAUSE))
    return batch


def _numbers(batch: Batch) -> dict[str, int]:
    return {"created": batch.created, "passedOver": batch.passed_over}


_Deciding: TypeAlias = tuple[tuple[tuple[int, str], ...], bool]
"""The facts about an endpoint that decide about its request: the versions of the objects that the request names, and
whether the endpoint is registered with any objects."""


@dataclass(slots=True)
class _Pieces:
    """Creation of the pieces of one batch. Endpoints with the same objects share the checks of the request."""

    context: RequestContext
    criteria: EndpointCriteria
    template: OperationTemplate
    _fitted: dict[_Deciding, tuple[OperationRequest, bool] | None] = field(default_factory=dict)

    async def create_next(self, batch: Batch) -> Batch:
        """Create the operations of the endpoints that come next; return the batch as it is then.

        Raises:
            ApiError: the ledger rejected the piece, or is unavailable.
            ReadUnavailable: the database cannot be reached.
        """
        most = self._length(batch)
        found = await endpoints_after(self.criteria, batch.last_endpoint or "", most)
        operations = []
        for index, endpoint in enumerate(found):
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
            if (new := await self._operation(batch, endpoint)) is not None:
                operations.append(new)
        piece = ContinueBatch(
            batch,
            operations,
            passed_over=len(found) - len(operations),
            last_endpoint=found[-1].name if found else batch.last_endpoint,
            last=len(found) < most,
        )
        return await submit(self.context, piece)

    def _length(self, batch: Batch) -> int:
        """Return the maximum number of endpoints of a piece."""
        size = self._new(batch, "", self.template.request, validated=False).weight
        return max(1, min(PIECE, PIECE_BYTES // max(1, size)))

    async def _operation(self, batch: Batch, endpoint: EndpointView) -> NewOperation | None:
        """Return the operation for an endpoint; None if its registration or its object models exclude it."""
        versions = stored_versions(endpoint.object_links_json, endpoint.lwm2m_version)
        named = {LwM2mPath.parse(path).object_id for path in self.template.request.paths}
        touched = {object_id: versions[object_id] for object_id in sorted(named) if object_id in versions}
        deciding: _Deciding = tuple(touched.items()), endpoint.registered and bool(versions)
        if deciding not in self._fitted:
            models = await self.context.services.object_models.exact(touched)
            registered = versions.keys() if endpoint.registered else None
            try:
                self._fitted[deciding] = self.template.fitted(models.get, registered)
            except ApiError:
                self._fitted[deciding] = None
        fitted = self._fitted[deciding]
        if fitted is None:
            return None
        request, validated = fitted
        return self._new(batch, endpoint.name, request, validated=validated)

    def _new(self, batch: Batch, endpoint: str, request: OperationRequest, *, validated: bool) -> NewOperation:
        return NewOperation(
            id=str(uuid.uuid4()),
            request=replace(request, endpoint=endpoint),
            validated=validated,
            fingerprint=batch.fingerprint,
            created_by=self.context.viewer.name,
            batch=batch.name,
            trace=current_trace(),
            **self.template.settings,
        )


def input_json(given: Any) -> Any:
    """Return a GraphQL input as JSON, with the names of its fields there and without those that are null. Times are
    microseconds, as in the database."""
    if isinstance(given, Some):
        return input_json(given.value)
    if isinstance(given, list | tuple):
        return [input_json(one) for one in given]
    if isinstance(given, Mapping):
        return {name: input_json(one) for name, one in given.items()}
    definition = get_object_definition(given)
    if definition is None or isinstance(given, StrEnum):
        return given
    declared = ((one.graphql_name or to_camel_case(one.python_name), one.python_name) for one in definition.fields)
    members = ((name, input_json(getattr(given, python_name))) for name, python_name in declared)
    return {name: value for name, value in members if value is not None}
