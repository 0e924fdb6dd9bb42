"""Errors as clients receive them: a message and ``extensions.code``. Internal errors are masked, with a reference."""

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
from app.schema.error_locations import ErrorPaths, location_of
from app.schema.ids import operation_id
from app.telemetry import get_logger

log = get_logger(__name__)


class Code(StrEnum):
    """Values of ``extensions.code``. Clients depend on them, so a member never changes its meaning."""

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
    """An expected error. ``facts`` that are not None become further extensions."""

    def __init__(self, code: Code, message: str, **facts: Any) -> None:
        present = {name: fact for name, fact in facts.items() if fact is not None}
        super().__init__(message, extensions={"code": str(code), **present})


def bad_input(message: str, field: str | None, **facts: Any) -> ApiError:
    """Return an error for invalid input; ``field`` is the path of the value within the input, in GraphQL names."""
    return ApiError(Code.BAD_USER_INPUT, message, field=field, **facts)


def over_limit(message: str, limit: int) -> ApiError:
    """Return an error for an exceeded limit, with the limit as an extension."""
    return ApiError(Code.LIMIT_EXCEEDED, message, limit=limit)


def is_hash_only(query: object, extensions: object) -> bool:
    """Return whether a request has a persisted query's hash but no query, as Apollo and urql send it first."""
    return not query and isinstance(extensions, dict) and "persistedQuery" in extensions


def persisted_query_not_supported() -> ApiError:
    """Return the error whose message and code cause Apollo and urql to send full queries from then on."""
    return ApiError(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")


MAX_TOKENS: Final = 10_000
"""Maximum number of tokens of a document."""

UNAVAILABLE: Final = (
    "The database cannot be reached; retry with the same idempotencyKey, because the mutation may have been executed."
)


def refusal(error: LedgerError | LedgerUnavailable) -> ApiError:
    """Return a ledger's error as a GraphQL error."""
    if isinstance(error, LedgerUnavailable):
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE)
    codes: Mapping[type[LedgerError], Code] = {NotFound: Code.NOT_FOUND, Conflict: Code.CONFLICT}
    facts = dict(error.facts)
    if "id" in facts:
        facts["id"] = operation_id(facts["id"])
    return ApiError(codes.get(type(error), Code.CONFLICT), str(error), **facts)


def request_error(error: Exception, method: str = "POST") -> ApiError:
    """Return Strawberry's exception for a request without an executable operation as a GraphQL error."""
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
"""Maximum length in characters of graphql-core's messages, which may quote the client's input."""


_NOWHERE: Final = ErrorPaths(None)


def presentable(error: GraphQLError, places: ErrorPaths = _NOWHERE) -> GraphQLError:
    """Return the error with a code, masked if it is internal. ``places`` are those of its document."""
    if error.extensions and "code" in error.extensions:
        return error
    cause = error.original_error
    if isinstance(cause, _REQUEST_ERRORS):
        return _like(error, request_error(cause))
    if (api_error := _foreseen(cause)) is not None:
        return _like(error, api_error)
    if isinstance(error, GraphQLSyntaxError) and _TOO_LONG in error.message:
        return _like(error, over_limit(error.message, MAX_TOKENS))
    if cause is None or isinstance(cause, GraphQLError):
        return _like(error, bad_input(error.message[:LONGEST_MESSAGE], **location_of(error, places)))
    return _like(error, _masked(error, cause))


def _foreseen(cause: Exception | None) -> ApiError | None:
    """Return the GraphQL error of an exception that is expected; None for any other."""
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


def _like(error: GraphQLError, api_error: ApiError) -> GraphQLError:
    """Return ``api_error`` with the locations and the path of the original error."""
    return GraphQLError(
        api_error.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=api_error.extensions,
    )


class PresentErrors(SchemaExtension):
    """Extension that applies :func:`presentable` to the errors of all results, for all transports."""

    def on_operation(self) -> Iterator[None]:
        yield
        self._present(self.execution_context.result)

    def on_stream_result(self, result: Any) -> Iterator[None]:
        self._present(result)
        yield

    def _present(self, result: Any) -> None:
        if result is not None and result.errors:
            places = ErrorPaths(self.execution_context.graphql_document)
            result.errors = [presentable(error, places) for error in result.errors]
