"""Conversion of filters to criteria of the read side."""

from __future__ import annotations

from dataclasses import replace

from app.models.queries import EndpointCriteria, OperationCriteria
from app.schema.api.checks import checked_values
from app.schema.api.inputs import DeviceOperationFilter, EndpointFilter

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


def endpoint_criteria(given: EndpointFilter | None) -> EndpointCriteria:
    """Return the criteria of a filter.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    return EndpointCriteria(**checked_values(given, _PREFIX)) if given else EndpointCriteria()
