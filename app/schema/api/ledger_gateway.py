"""Submission of commands to the ledger, with its errors as GraphQL errors, and the command of a retry."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final, TypeVar

from app.domain.operations import OperationRequest
from app.models.ledger import ANSWER_SECONDS, Conflict, LedgerError, LedgerUnavailable, NewOperation, NotFound
from app.models.ledger.commands import Command
from app.models.queries import OperationView
from app.schema.api.context import RequestContext
from app.schema.api.ids import operation_id
from app.schema.api.input_validation import digest, plain_text
from app.schema.errors import ApiError, Code

Result = TypeVar("Result")

UNAVAILABLE: Final = (
    "The database cannot be reached; retry with the same idempotencyKey, because the mutation may have been executed."
)


async def submit(context: RequestContext, command: Command[Result]) -> Result:
    """Commit a command and return its result. Cached reads of the request are dropped.

    Raises:
        ApiError: the ledger rejected the command, or is unavailable.
    """
    context.reads.forget()
    try:
        return await context.services.ledger.submit(command, within=ANSWER_SECONDS)
    except (LedgerError, LedgerUnavailable) as error:
        raise refusal(error) from None


def refusal(error: LedgerError | LedgerUnavailable) -> ApiError:
    """Return a ledger's error as a GraphQL error."""
    if isinstance(error, LedgerUnavailable):
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE)
    codes: Mapping[type[LedgerError], Code] = {NotFound: Code.NOT_FOUND, Conflict: Code.CONFLICT}
    facts = dict(error.facts)
    if "id" in facts:
        facts["id"] = operation_id(facts["id"])
    return ApiError(codes.get(type(error), Code.CONFLICT), str(error), **facts)


def retry_of(old: OperationView, endpoint: str, idempotency_key: str | None, created_by: str) -> NewOperation:
    """Return a new operation with the same request and settings; its time to live starts again."""
    ttl = None if old.expires_at is None else max(1, (old.expires_at - old.created_at) // 1_000_000)
    return NewOperation(
        id=str(uuid.uuid4()),
        request=_request_of(old, endpoint),
        priority=old.priority,
        max_attempts=old.max_attempts,
        repeatable=old.repeatable,
        validated=old.validated,
        ttl_seconds=ttl,
        idempotency_key=None if idempotency_key is None else plain_text(idempotency_key, "idempotencyKey"),
        fingerprint=digest({"retryOf": old.id}),
        created_by=created_by,
        retry_of=old.seq,
        batch=old.batch,
    )


def _request_of(old: OperationView, endpoint: str) -> OperationRequest:
    values: Mapping[str, Mapping[str, object]] = old.values or {}
    return OperationRequest(
        endpoint=endpoint,
        kind=old.kind,
        path=old.path,
        paths=tuple(old.paths),
        value_type=old.value_type,
        value=old.value,
        values=values,
        replace=old.replace,
        arguments=old.arguments,
        attributes=old.attributes or {},
        format=old.format,
        timeout_seconds=old.timeout_seconds,
    )
