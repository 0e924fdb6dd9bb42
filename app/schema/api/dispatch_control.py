"""Fields for incident handling: pauses of the dispatch, bulk cancellation and retry, and the status of the dispatch.

Bulk mutations run in consecutive short transactions, so that other commands are served in between. A failure leaves the
earlier transactions committed: the error gives their total, and repeating the mutation processes the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Final

import strawberry

from app.domain.enums import OperationStatus
from app.models.ledger import CancelMany, Create, Created, PauseDispatch, ResumeDispatch, Scope
from app.models.lifecycle import TERMINAL
from app.models.operation import NewOperation
from app.models.queries import (
    OperationCriteria,
    endpoints_by_id,
    exact_count,
    leases,
    log_position,
    longest_waiting,
    not_retried,
    operation_seqs,
    operations_by_seq,
    pause_by_id,
    pauses,
    server_view,
    waiting_endpoints,
)
from app.schema.api.arguments import PauseEndpoint, PauseServer
from app.schema.api.checks import optional_text, plain_text
from app.schema.api.context import Info, RequestContext
from app.schema.api.fields import mutation, resolved
from app.schema.api.filters import operation_criteria
from app.schema.api.inputs import DeviceOperationFilter
from app.schema.api.ledger_gateway import retry_of, submit
from app.schema.api.scalars import clamped_int
from app.schema.api.types.device import DeviceOperation, operation_of
from app.schema.api.types.dispatch import (
    CancelDeviceOperationsPayload,
    DispatchPause,
    DispatchStatus,
    RetryDeviceOperationsPayload,
    pause_of,
    status_of,
)
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import MAX_CANCELED, MAX_RETRIED
from app.security import Role

PIECE: Final = 1_000
"""Maximum number of operations in one transaction, which holds the append lock."""
LONGEST: Final = 20
"""Number of operations in ``longestWaiting``."""

RETRIED_BY_DEFAULT: Final = (OperationStatus.FAILED, OperationStatus.EXPIRED)
"""Statuses of a bulk retry by default; CONFIRMED and CANCELED operations are retried only if the filter names them."""


@strawberry.type
class DispatchQuery:
    @resolved("Active pauses, widest scope first; with `past`, all stored pauses, newest first. At most 1,000.")
    async def dispatch_pauses(
        self,
        past: Annotated[
            bool,
            strawberry.argument(
                description="Whether to include ended pauses, which are stored for `REVEILLE_RETENTION` days."
            ),
        ] = False,
    ) -> list[DispatchPause] | None:
        return [pause_of(view) for view in await pauses(past=past)]

    @resolved("Current status of dispatching: pauses, waiting operations, open calls and the Leshan server.")
    async def dispatch_status(self, info: Info) -> DispatchStatus | None:
        context = info.context
        server = await server_view()
        longest = await _operations(context, await longest_waiting(LONGEST))
        out = await leases(server.now)
        behind = context.services.live.behind(await log_position())
        return status_of(
            server,
            await pauses(),
            await waiting_endpoints(),
            longest=longest,
            out=out,
            behind=behind,
            uses_stream=context.services.uses_stream,
        )

    @resolved("Exact number of operations that match a filter. Costly: at most 10 of these fields fit in a request.")
    async def device_operation_count(
        self,
        filter: Annotated[  # noqa: A002
            DeviceOperationFilter | None,
            strawberry.argument(description="Criteria for the operations. Default: all operations."),
        ] = None,
    ) -> int | None:
        return clamped_int(await exact_count(operation_criteria(filter)))


@strawberry.type
class DispatchMutation:
    @mutation(
        "Pause dispatching to one endpoint, to the devices of one Leshan server, or, if neither is given, to all "
        "devices. Open calls continue, and QUEUED operations still expire and can be canceled. An active pause of the "
        "same scope is returned unchanged.",
        Role.OPERATOR,
    )
    async def pause_dispatch(
        self,
        info: Info,
        reason: Annotated[str, strawberry.argument(description="Reason for the pause, 1 to 255 characters.")],
        leshan_server: PauseServer = None,
        endpoint: PauseEndpoint = None,
    ) -> DispatchPause | None:
        by = info.context.viewer.name
        scope = _scope(leshan_server, endpoint)
        return await _pause(info.context, PauseDispatch(scope, by, plain_text(reason.strip(), "reason")))

    @mutation(
        "End the pause of exactly this endpoint, this Leshan server or, if neither is given, all devices; pauses of "
        "other scopes stay active. NOT_FOUND if this scope is not paused.",
        Role.OPERATOR,
    )
    async def resume_dispatch(
        self, info: Info, leshan_server: PauseServer = None, endpoint: PauseEndpoint = None
    ) -> DispatchPause | None:
        by = info.context.viewer.name
        return await _pause(info.context, ResumeDispatch(_scope(leshan_server, endpoint), by))

    @mutation(
        "Cancel the QUEUED operations that match a filter, at most 200,000, in transactions of 1,000. An error in a "
        "later transaction gives the number canceled before it in `extensions.canceled`.",
        Role.OPERATOR,
    )
    async def cancel_device_operations(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            DeviceOperationFilter,
            strawberry.argument(description="Criteria for the operations, at least one."),
        ],
        expected_count: Annotated[
            int,
            strawberry.argument(
                description="Number of QUEUED operations that match. If it differs, nothing is canceled and the error "
                "is CONFLICT with the actual number in `extensions.count`."
            ),
        ],
    ) -> CancelDeviceOperationsPayload | None:
        criteria = _restricted(filter, {OperationStatus.QUEUED}, (OperationStatus.QUEUED,))
        seqs = await _expected(criteria, expected_count, MAX_CANCELED, by_endpoint=True)
        canceled = await _piece_by_piece(seqs, lambda piece: submit(info.context, CancelMany(piece)), "canceled")
        return CancelDeviceOperationsPayload(canceled=canceled, passed_over=len(seqs) - canceled)

    @mutation(
        "Retry the ended operations that match a filter and were not retried yet, oldest first, at most 10,000, in "
        "transactions of 1,000. Those of an endpoint whose queue is full are passed over. An error in a later "
        "transaction gives the number created before it in `extensions.created`.",
        Role.OPERATOR,
    )
    async def retry_device_operations(
        self,
        info: Info,
        filter: Annotated[  # noqa: A002
            DeviceOperationFilter,
            strawberry.argument(
                description="Criteria for the operations, at least one. Without `statuses`, FAILED and EXPIRED "
                "operations are retried."
            ),
        ],
        expected_count: Annotated[
            int | None,
            strawberry.argument(
                description="Number of operations that are to be retried. If it differs, nothing is created and the "
                "error is CONFLICT with the actual number in `extensions.count`. Default: any number."
            ),
        ] = None,
    ) -> RetryDeviceOperationsPayload | None:
        context = info.context
        by = context.viewer.name
        criteria = replace(_restricted(filter, TERMINAL, RETRIED_BY_DEFAULT), retried=False)
        seqs = await _expected(criteria, expected_count, MAX_RETRIED)
        context.services.limiter.admit_operations(context.viewer, len(seqs))
        created = await _piece_by_piece(seqs, lambda piece: _retry(context, piece, by), "created")
        return RetryDeviceOperationsPayload(created=created, passed_over=len(seqs) - created)


def _scope(server: str | None, endpoint: str | None) -> Scope:
    if server is not None and endpoint is not None:
        raise bad_input(
            "`endpoint` and `leshanServer` cannot be combined; one of them, or neither, is expected.", "endpoint"
        )
    return Scope(optional_text(server, "leshanServer"), optional_text(endpoint, "endpoint"))


async def _pause(context: RequestContext, command: PauseDispatch | ResumeDispatch) -> DispatchPause | None:
    view = await pause_by_id(await submit(context, command))
    return pause_of(view) if view else None


async def _operations(context: RequestContext, seqs: Sequence[int]) -> list[DeviceOperation]:
    views = await operations_by_seq(seqs, context.reads.large)
    loaded = await context.reads.operations([views[seq] for seq in seqs if seq in views])
    return [operation_of(one) for one in loaded]


def _restricted(
    given: DeviceOperationFilter, possible: Collection[OperationStatus], default: Sequence[OperationStatus]
) -> OperationCriteria:
    """Return the criteria, restricted to the ``possible`` statuses, by default to the ``default`` ones.

    Raises:
        ApiError: BAD_USER_INPUT: the filter has no criterion.
    """
    criteria = operation_criteria(given)
    if criteria.unrestricted:
        raise bad_input("Empty filter; at least one criterion is expected.", "filter")
    wanted = default if criteria.statuses is None else [status for status in criteria.statuses if status in possible]
    return replace(criteria, statuses=tuple(wanted))


async def _expected(
    criteria: OperationCriteria, count: int | None, most: int, *, by_endpoint: bool = False
) -> list[int]:
    """Return the ``seq`` of every operation that matches.

    Raises:
        ApiError: CONFLICT: their number is not ``count``. LIMIT_EXCEEDED: it is more than ``most``.
    """
    seqs = await operation_seqs(criteria, most + 1, by_endpoint=by_endpoint)
    actual = len(seqs) if len(seqs) <= most else await exact_count(criteria)
    if count is not None and actual != count:
        message = f"The filter matches {actual} operations, not {count}; nothing was changed."
        raise ApiError(Code.CONFLICT, message, count=actual)
    if actual > most:
        raise over_limit(f"The filter matches {actual} operations; at most {most} are allowed.", most)
    return seqs


async def _piece_by_piece(seqs: Sequence[int], act: Callable[[Sequence[int]], Awaitable[int]], done: str) -> int:
    """Call ``act`` for pieces of the list and return the total of its results.

    Raises:
        ApiError: the error of a piece, with the total of the pieces before it as the extension named by ``done``.
    """
    total = 0
    for start in range(0, len(seqs), PIECE):
        try:
            total += await act(seqs[start : start + PIECE])
        except ApiError as error:
            facts = dict(error.extensions or {})
            raise ApiError(Code(facts.pop("code")), error.message, **{**facts, done: total}) from None
    return total


async def _retry(context: RequestContext, seqs: Sequence[int], by: str) -> int:
    """Create retries and return their number, without operations that another request has retried meanwhile, and
    without those of endpoints whose queue is full.

    The ledger reports only the first of those, and a duplicate of this request may have retried all of them: so on a
    conflict, the operations without a retry are read again.
    """
    while news := await _retries(seqs, by):
        try:
            stored: list[Created] = await submit(context, Create(news))
            return len(stored)
        except ApiError as error:
            facts = error.extensions or {}
            if (index := facts.get("index")) is None:
                raise
            full = facts.get("endpoint")
            refused = {one.retry_of for one in news if one is news[index] or one.request.endpoint == full}
            seqs = await not_retried([seq for seq in seqs if seq not in refused])
    return 0


async def _retries(seqs: Sequence[int], by: str) -> list[NewOperation]:
    """Return the retries of those operations that still exist, and whose endpoints do."""
    views = await operations_by_seq(seqs)
    endpoints = await endpoints_by_id({view.endpoint_id for view in views.values()})
    olds = [views[seq] for seq in seqs if seq in views and endpoints[views[seq].endpoint_id].deleted_at is None]
    return [retry_of(old, endpoints[old.endpoint_id].name, None, by) for old in olds]
