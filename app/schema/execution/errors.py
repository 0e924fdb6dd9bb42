"""Errors as clients receive them. Internal errors are masked, with a reference to the log."""

from __future__ import annotations

import uuid
from typing import Final

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from app.models.cursors import InvalidCursor
from app.models.ledger import LedgerError, LedgerUnavailable
from app.models.live import CursorExpired, Lagged
from app.models.queries import ReadUnavailable
from app.schema.api.ledger_gateway import refusal
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.execution.error_locations import ErrorPaths, location_of
from app.schema.limits import MAX_MESSAGE, MAX_TOKENS
from app.telemetry import get_logger

log = get_logger(__name__)


def is_persisted(extensions: object) -> bool:
    """Return whether a request names a persisted query. Without a query it is what Apollo and urql send first."""
    return isinstance(extensions, dict) and "persistedQuery" in extensions


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

_NOWHERE: Final = ErrorPaths(None)


def presentable(error: GraphQLError, locations: ErrorPaths = _NOWHERE) -> GraphQLError:
    """Return the error with a code, masked if it is internal. ``locations`` are those of its document."""
    if error.extensions and "code" in error.extensions:
        return error
    cause = error.original_error
    if isinstance(cause, _REQUEST_ERRORS):
        return _like(error, request_error(cause))
    if (api_error := _expected_error(cause)) is not None:
        return _like(error, api_error)
    if isinstance(error, GraphQLSyntaxError) and _TOO_LONG in error.message:
        return _like(error, over_limit(error.message, MAX_TOKENS))
    if cause is None or isinstance(cause, GraphQLError):
        return _like(error, bad_input(error.message[:MAX_MESSAGE], **location_of(error, locations)))
    return _like(error, _masked(error, cause))


def _expected_error(cause: Exception | None) -> ApiError | None:
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
