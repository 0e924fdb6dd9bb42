"""Submission of commands to the ledger, with its errors as GraphQL errors, and the command of a retry."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from app.models.ledger import ANSWER_SECONDS, LedgerError, LedgerUnavailable, LimitExceeded, NotFound
from app.models.ledger.commands import Command
from app.models.operation import NewOperation, Operation
from app.schema.api.checks import optional_text
from app.schema.api.context import RequestContext
from app.schema.api.ids import campaign_id, firmware_update_id, operation_id, rule_id
from app.schema.api.input_validation import digest
from app.schema.errors import ApiError, Code
from app.telemetry import LIMIT_REFUSALS
from app.tracing import current_trace

Result = TypeVar("Result")

UNAVAILABLE: Final = (
    "The database cannot be reached; retry with the same idempotencyKey or batch, because the mutation may have been "
    "executed."
)

_IDS: Final[Mapping[str, Callable[[int], str]]] = {
    "rule": rule_id,
    "update": firmware_update_id,
    "campaign": campaign_id,
}
"""What a conflict names beside an operation, with its global id."""


async def submit(context: RequestContext, command: Command[Result]) -> Result:
    """Commit a command and return its result, with the audit entry of the mutation if it was not written yet. Cached
    reads of the request are dropped.

    Raises:
        ApiError: the ledger rejected the command, or is unavailable.
    """
    context.reads.forget()
    command.audit, context.audit = context.audit, None
    try:
        return await context.services.ledger.submit(command, within=ANSWER_SECONDS)
    except LedgerError as error:
        if setting := error.facts.get("setting"):
            LIMIT_REFUSALS.labels(setting).inc()
        context.audit = command.audit
        raise refusal(error) from None
    except LedgerUnavailable as error:
        raise refusal(error) from None


def refusal(error: LedgerError | LedgerUnavailable) -> ApiError:
    """Return a ledger's error as a GraphQL error."""
    if isinstance(error, LedgerUnavailable):
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE)
    codes: Mapping[type[LedgerError], Code] = {NotFound: Code.NOT_FOUND, LimitExceeded: Code.LIMIT_EXCEEDED}
    facts = dict(error.facts)
    if "id" in facts:
        facts["id"] = operation_id(facts["id"])
    for name, id_of in _IDS.items():
        if name in facts:
            facts["id"] = id_of(facts.pop(name))
    return ApiError(codes.get(type(error), Code.CONFLICT), str(error), **facts)


def retry_of(old: Operation, endpoint: str, idempotency_key: str | None, created_by: str) -> NewOperation:
    """Return the operation that retries ``old``, with the same request and settings.

    Raises:
        ApiError: BAD_USER_INPUT: an invalid idempotency key.
    """
    key = optional_text(idempotency_key, "idempotencyKey")
    fingerprint = digest({"retryOf": old.id})
    return old.retry(
        endpoint,
        id_=str(uuid.uuid4()),
        fingerprint=fingerprint,
        created_by=created_by,
        idempotency_key=key,
        trace=current_trace(),
    )
