"""Validation of filters, and their conversion to criteria of the read side."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from app.domain.paths import InvalidPath, LwM2mPath
from app.models.queries import EndpointCriteria, OperationCriteria
from app.schema.api.input_validation import plain_text
from app.schema.api.inputs import DeviceOperationFilter, EndpointFilter
from app.schema.errors import bad_input, over_limit
from app.schema.limits import MAX_NAMES

T = TypeVar("T")


def checked_prefix(text: str | None, field: str) -> str | None:
    """Return a path prefix with its leading slash; None for no prefix and for the root.

    Raises:
        ApiError: BAD_USER_INPUT: not a path.
    """
    if text is None or text in {"", "/"}:
        return None
    try:
        return str(LwM2mPath.parse(text.removesuffix("/")))
    except InvalidPath as error:
        raise bad_input(str(error), field) from None


def checked_name(text: str | None, field: str) -> str | None:
    return None if text is None else plain_text(text, field)


def operation_criteria(given: DeviceOperationFilter | None, *, of_endpoint: str | None = None) -> OperationCriteria:
    """Return the criteria of a filter; ``of_endpoint`` restricts them to one endpoint.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``; LIMIT_EXCEEDED: too many endpoint names.
    """
    if given is None:
        return OperationCriteria(endpoint=of_endpoint)
    name = checked_name(given.endpoint, "filter.endpoint")
    elsewhere = name is not None and of_endpoint is not None and name != of_endpoint
    return OperationCriteria(
        endpoint=of_endpoint or name,
        statuses=() if elsewhere else _distinct(given.statuses),
        kinds=_distinct(given.kinds),
        path_prefix=checked_prefix(given.path_prefix, "filter.pathPrefix"),
        created_after=given.created_after,
        created_before=given.created_before,
        endpoints=_names(given.endpoints),
        reasons=_distinct(given.reasons),
        batch=checked_name(given.batch, "filter.batch"),
        created_by=checked_name(given.created_by, "filter.createdBy"),
        retried=given.retried,
    )


def endpoint_criteria(given: EndpointFilter | None) -> EndpointCriteria:
    """Return the criteria of a filter.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    if given is None:
        return EndpointCriteria()
    part = checked_name(given.name_contains or None, "filter.nameContains")
    return EndpointCriteria(name_contains=part, presences=_distinct(given.presences))


def _names(given: Collection[str] | None) -> tuple[str, ...] | None:
    if given is not None and len(given) > MAX_NAMES:
        raise over_limit(f"Too many endpoint names ({len(given)}); at most {MAX_NAMES} are allowed.", MAX_NAMES)
    return _distinct(given if given is None else [plain_text(name, "filter.endpoints") for name in given])


def _distinct(words: Collection[T] | None) -> tuple[T, ...] | None:
    return None if words is None else tuple(dict.fromkeys(words))
