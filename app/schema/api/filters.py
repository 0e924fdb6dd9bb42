"""Conversion of filters to criteria of the read side."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from strawberry.utils.str_converters import to_camel_case

from app.models.queries import EndpointCriteria, OperationCriteria
from app.schema.api.checks import checked_values
from app.schema.api.inputs import DeviceOperationFilter, EndpointFilter
from app.schema.api.scalars import write_datetime

_PREFIX = "filter."


def operation_criteria(given: DeviceOperationFilter | None, *, of_endpoint: str | None = None) -> OperationCriteria:
    """Return the criteria of a filter; ``of_endpoint`` restricts them to one endpoint.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``; LIMIT_EXCEEDED: too many endpoint names.
    """
    criteria = OperationCriteria(**checked_values(given, _PREFIX)) if given else OperationCriteria()
    if of_endpoint is None:
        return criteria
    if criteria.endpoint not in {None, of_endpoint}:
        criteria = replace(criteria, statuses=())  # of another endpoint: nothing matches
    return replace(criteria, endpoint=of_endpoint)


def given_filter(given: EndpointFilter) -> dict[str, Any]:
    """Return a filter as it was given, in JSON with the names of the API and without what is null."""
    there = {field.name: getattr(given, field.name) for field in fields(given)}
    return {
        to_camel_case(name): write_datetime(value) if name in _TIMES else value
        for name, value in there.items()
        if value is not None
    }


_TIMES: Final = frozenset({"last_seen_after", "last_seen_before"})


def endpoint_criteria(given: EndpointFilter | None) -> EndpointCriteria:
    """Return the criteria of a filter.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    return EndpointCriteria(**checked_values(given, _PREFIX)) if given else EndpointCriteria()
