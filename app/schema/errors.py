"""Failures as clients see them: a sentence and ``extensions.code``; ours are masked and found again by a reference."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from app.models.cursors import InvalidCursor
from app.models.ledger import Conflict, LedgerError, LedgerUnavailable, NotFound
from app.models.live import CursorExpired, Lagged
from app.models.queries import ReadUnavailable
from app.schema.ids import operation_id
from app.schema.places import Places, place_of
from app.telemetry import get_logger

log = get_logger(__name__)


class Code(StrEnum):
    """``extensions.code``. Clients decide by it, so a member never changes its meaning."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    LAGGED = "LAGGED"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class ApiError(GraphQLError):
    """An expected failure. ``facts`` become further extensions; those that are None are left out."""

    def __init__(self, code: Code, message: str, **facts: Any) -> None:
        told = {name: fact for name, fact in facts.items() if fact is not None}
        super().__init__(message, extensions={"code": str(code), **told})


def bad_input(message: str, field: str | None, **facts: Any) -> ApiError:
    """An input that cannot be taken; ``field`` is its path within the input, as the client wrote it."""
    return ApiError(Code.BAD_USER_INPUT, message, field=field, **facts)


def over_limit(message: str, limit: int) -> ApiError:
    """More than is served at once; ``limit`` says how much is."""
    return ApiError(Code.LIMIT_EXCEEDED, message, limit=limit)


def is_hash_only(query: object, extensions: object) -> bool:
    """Whether a request names a persisted query by its hash alone, as Apollo and urql do at first."""
    return not query and isinstance(extensions, dict) and "persistedQuery" in extensions


def persisted_query_not_supported() -> ApiError:
    """Return the error whose message and code make Apollo and urql send the query itself from now on."""
    return ApiError(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")


MAX_TOKENS: Final = 10_000
"""Of a document."""

UNAVAILABLE: Final = (
    "The database cannot be reached; retry with the same idempotencyKey, because the mutation may have been executed."
)


def refusal(error: LedgerError | LedgerUnavailable) -> ApiError:
    """What the ledger refused, in the contract's words."""
    if isinstance(error, LedgerUnavailable):
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE)
    codes: Mapping[type[LedgerError], Code] = {NotFound: Code.NOT_FOUND, Conflict: Code.CONFLICT}
    facts = dict(error.facts)
    if "id" in facts:
        facts["id"] = operation_id(facts["id"])
    return ApiError(codes.get(type(error), Code.CONFLICT), str(error), **facts)


def request_error(error: Exception, method: str = "POST") -> ApiError:
    """A request that is no executable operation: Strawberry's exceptions for it as an expected failure."""
    if isinstance(error, InvalidOperationTypeError):
        if error.operation_type is OperationType.SUBSCRIPTION:
            return bad_input("A subscription requires graphql-transport-ws, or Accept: text/event-stream.", None)
        return bad_input(f"A {error.operation_type.value} cannot be sent with {method}; POST is expected.", None)
    if isinstance(error, CannotGetOperationTypeError):
        return bad_input(error.as_http_error_reason(), "operationName")
    return bad_input("Missing query.", "query")


_REQUEST_ERRORS: Final = (InvalidOperationTypeError, CannotGetOperationTypeError, MissingQueryError)
_TOO_LONG: Final = "Document contains more than"
LONGEST_MESSAGE: Final = 1_000
"""Characters. Some messages quote what the client sent."""


_NOWHERE: Final = Places(None)


def presentable(error: GraphQLError, places: Places = _NOWHERE) -> GraphQLError:
    """The error as it may leave: with a code, and masked if it is one of ours. ``places`` are of its document."""
    if error.extensions and "code" in error.extensions:
        return error
    cause = error.original_error
    if isinstance(cause, _REQUEST_ERRORS):
        return _like(error, request_error(cause))
    if (told := _foreseen(cause)) is not None:
        return _like(error, told)
    if isinstance(error, GraphQLSyntaxError) and _TOO_LONG in error.message:
        return _like(error, over_limit(error.message, MAX_TOKENS))
    if cause is None or isinstance(cause, GraphQLError):
        return _like(error, bad_input(error.message[:LONGEST_MESSAGE], **place_of(error, places)))
    return _like(error, _masked(error, cause))


def _foreseen(cause: Exception | None) -> ApiError | None:
    """What a part of ours says on purpose."""
    match cause:
        case LedgerError() | LedgerUnavailable():
            return refusal(cause)
        case ReadUnavailable():
            return ApiError(Code.UNAVAILABLE, "The database cannot be reached; retry later.")
        case InvalidCursor():
            return bad_input(str(cause), "after")
        case CursorExpired():
            return ApiError(Code.CURSOR_EXPIRED, str(cause))
        case Lagged():
            return ApiError(Code.LAGGED, str(cause), cursor=cause.cursor)
        case RecursionError():
            return bad_input("The document is nested too deeply; fewer levels are expected.", "query")
        case _:
            return None


def _masked(error: GraphQLError, cause: BaseException) -> ApiError:
    reference = uuid.uuid4().hex[:12]
    log.error("internal_error", reference=reference, path=error.path, exc_info=cause)
    return ApiError(Code.INTERNAL, "Internal error. Quote the reference when you report it.", reference=reference)


def _like(error: GraphQLError, told: ApiError) -> GraphQLError:
    """The told error at the place where the original one happened."""
    return GraphQLError(
        told.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=told.extensions,
    )


class PresentErrors(SchemaExtension):
    """Makes every error of every result presentable, whatever the transport."""

    def on_operation(self) -> Iterator[None]:
        yield
        self._present(self.execution_context.result)

    def on_stream_result(self, result: Any) -> Iterator[None]:
        self._present(result)
        yield

    def _present(self, result: Any) -> None:
        if result is not None and result.errors:
            places = Places(self.execution_context.graphql_document)
            result.errors = [presentable(error, places) for error in result.errors]
