"""Custom GraphQL scalars. Their parsers raise errors with messages for the client, which are not masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NewType

import orjson
import strawberry
from graphql import GraphQLError, ValueNode, value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from app.domain.enums import SECOND
from app.domain.values import INTEGER_RANGE, UNSIGNED_RANGE

DateTime = NewType("DateTime", int)
"""A point in time: an :data:`app.domain.enums.Instant` in Python, RFC 3339 with a UTC offset in GraphQL."""

BigInt = NewType("BigInt", int)
"""A 64-bit integer, signed or unsigned. It is returned as a string, because JSON numbers would lose digits."""

JSON = NewType("JSON", object)


def stored_json(text: str | None) -> JSON | None:
    """Return stored JSON for the response, without parsing it."""
    return None if text is None else JSON(orjson.Fragment(text))


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS: Final = re.compile(r"-?[0-9]+", re.ASCII)
_MOST_DIGITS: Final = 40
"""Maximum number of digits to parse, because the time grows with the square of their number."""
_YEARS: Final = (-62_135_596_800 * SECOND, 253_402_300_800 * SECOND)


_SHOWN: Final = (_YEARS[0] + 86_400 * SECOND, _YEARS[1] - 86_400 * SECOND)
"""Values returned for times before the year 1 and after 9999: one day inside that range, so that a client can convert
them to its time zone. The later one is ``awakeUntil`` of a device without queue mode and without a known lifetime."""

_INT: Final = (-(2**31), 2**31 - 1)
"""Range of GraphQL's ``Int``, which has 32 bits."""


def clamped_int(number: int) -> int:
    """Return the number, limited to the range of GraphQL's ``Int``; for columns and sums of more than 32 bits."""
    return max(_INT[0], min(number, _INT[1]))


def moment(instant: int) -> datetime:
    """Return an instant as an aware ``datetime``, exact to the microsecond."""
    return EPOCH + timedelta(microseconds=instant)


def time_or_none(instant: int | None) -> DateTime | None:
    return None if instant is None else DateTime(instant)


def write_datetime(instant: int) -> str:
    """Return the RFC 3339 text of an instant. Instants outside the years 1 to 9999 are replaced by :data:`_SHOWN`."""
    if not _YEARS[0] <= instant < _YEARS[1]:
        instant = _SHOWN[instant > 0]
    return moment(instant).isoformat()[:-6] + "Z"


def read_datetime(value: Any) -> DateTime:
    """Return the instant of an RFC 3339 text.

    Raises:
        GraphQLError: another format, no offset, or no valid time.
    """
    text = value.upper() if isinstance(value, str) and _RFC3339.fullmatch(value) else ""
    try:
        span = datetime.fromisoformat(text) - EPOCH
    except (ValueError, OverflowError):
        message = "Invalid DateTime; RFC 3339 with a UTC offset is expected, for example 2026-11-23T10:00:00Z."
        raise GraphQLError(message) from None
    instant = (span.days * 86_400 + span.seconds) * SECOND + span.microseconds
    if not _YEARS[0] <= instant < _YEARS[1]:
        raise GraphQLError("DateTime out of range; the years 1 to 9999 in UTC are expected.")
    return DateTime(instant)


def read_big_int(value: Any) -> BigInt:
    """Return the integer of a number or a decimal string.

    Raises:
        GraphQLError: another type or format, or outside of -2^63 to 2^64-1.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise GraphQLError("Invalid BigInt; an integer or a decimal string is expected.")
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise GraphQLError("Invalid BigInt; an integer or a decimal string is expected.")
    long = isinstance(value, str) and len(value) > _MOST_DIGITS
    number = 0 if long else int(value)
    if long or not INTEGER_RANGE[0] <= number <= UNSIGNED_RANGE[1]:
        raise GraphQLError("BigInt out of range; -2^63 to 2^64-1 is expected.")
    return BigInt(number)


def _literal(read: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the parser for literals. Its errors contain the node, because graphql-core does not add it to them."""

    def read_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return read(value_from_ast_untyped(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None

    return read_literal


SCALARS: Final[dict[object, ScalarDefinition]] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A point in time in RFC 3339 format with its UTC offset, for example `2026-11-23T10:00:00.5Z`: "
        "years 1 to 9999, microsecond precision. Output is in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=write_datetime,
        parse_value=read_datetime,
        parse_literal=_literal(read_datetime),
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="An integer from -2^63 to 2^64-1. Input is a number or a decimal string, output a decimal string.",
        serialize=str,
        parse_value=read_big_int,
        parse_literal=_literal(read_big_int),
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description=(
            "Any JSON value. The form of a resource value depends on its LwM2M type: INTEGER and UNSIGNED_INTEGER are "
            "decimal strings, FLOAT is a number, BOOLEAN a boolean, STRING and CORELINK are strings, TIME is an RFC "
            "3339 string, OPAQUE a string of hexadecimal digits, OBJLNK "
            '`{"objectId": .., "objectInstanceId": ..}`, and a multiple-instance resource an object of such values by '
            'resource instance id, `{"0": .., "5": ..}`.'
        ),
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}
