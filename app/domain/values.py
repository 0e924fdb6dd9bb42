"""Values of resources in the single JSON form that the contract defines by LwM2M type.

INTEGER and UNSIGNED_INTEGER are strings of digits, FLOAT a number, BOOLEAN a boolean, STRING and CORELINK strings, TIME
an RFC 3339 string, OPAQUE a string of hex digits, OBJLNK ``{"objectId": .., "objectInstanceId": ..}``, and a multiple
resource ``{"0": .., "5": ..}`` of these. The database stores this form and GraphQL returns it; Leshan's own form is
made from it in ``app/leshan/nodes.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from app.domain.enums import ValueType
from app.domain.paths import MAX_ID

JsonValue: TypeAlias = Any
"""Any value that ``json`` can write; the :class:`ValueType` beside it determines its shape."""

MAX_TEXT_BYTES: Final = 128 * 1024
"""Maximum bytes (UTF-8) of a text, in both directions: the limit of our own Leshan server by default
(``--max-body``)."""

MAX_OPAQUE_BYTES: Final = 1024 * 1024
"""Maximum bytes of an OPAQUE value, in both directions. REVEILLE_MAX_OPAQUE may set a lower limit for writes."""

INTEGER_RANGE: Final = (-(2**63), 2**63 - 1)
UNSIGNED_RANGE: Final = (0, 2**64 - 1)

UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""Characters that a database cannot store in a text: NUL, and half of a surrogate pair."""

_HEX: Final = re.compile(r"[0-9a-fA-F]*+")
_DIGITS: Final = re.compile(r"-?[0-9]{1,20}")


class InvalidValue(ValueError):
    """Raised for a value that its type does not allow. The message says what is expected."""


class TypedValue(NamedTuple):
    """A resource's value with its type. ``value`` is one value, or ``{"0": .., "5": ..}`` of a multiple resource."""

    type: ValueType
    value: JsonValue

    @property
    def multiple(self) -> bool:
        return is_multiple(self.value)

    def as_json(self) -> dict[str, JsonValue]:
        return {"type": str(self.type), "value": self.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, JsonValue]) -> TypedValue:
        return cls(ValueType(stored["type"]), stored["value"])


def is_multiple(value: JsonValue) -> bool:
    """Return whether a value in the contract's form is a multiple resource's. The keys distinguish it from an
    OBJLNK."""
    return isinstance(value, dict) and all(key.isdigit() for key in value)


def number_of(type_: ValueType, value: JsonValue) -> float | None:
    """Return a value in the contract's form as a number: INTEGER, UNSIGNED_INTEGER and FLOAT, BOOLEAN as 0 or 1, TIME
    in seconds since the epoch; None for other types and for a multiple resource."""
    if type(value) is float:
        return value
    if type_ not in _NUMERIC or isinstance(value, dict):
        return None
    try:
        return time_to_millis(value) / 1000 if type_ is ValueType.TIME else float(value)
    except (TypeError, ValueError):  # a device's value that was kept as received
        return None


_NUMERIC: Final = frozenset(
    {ValueType.FLOAT, ValueType.INTEGER, ValueType.UNSIGNED_INTEGER, ValueType.BOOLEAN, ValueType.TIME}
)


def canonical(type_: ValueType, value: JsonValue) -> JsonValue:
    """Check one value (not a multiple) and return it in the contract's form.

    Integers are accepted as integers or as strings of digits, times as RFC 3339 strings or aware datetimes.

    Raises:
        InvalidValue: the type does not allow the value, or it is outside the type's range.
    """
    return _CHECKS[type_](value)


def writable(type_: ValueType, value: JsonValue) -> JsonValue:
    """Check one value that is to be written, and return it as :func:`canonical` does.

    An OBJLNK is the null link 65535:65535, or has no id 65535 (LwM2M Core 1.1, appendix C: MAX_ID is reserved). Leshan
    sends no other one.

    Raises:
        InvalidValue: as :func:`canonical`, or an OBJLNK of which one id is reserved.
    """
    checked = canonical(type_, value)
    if type_ is ValueType.OBJLNK and [*checked.values()].count(MAX_ID) == 1:
        raise InvalidValue(f"{MAX_ID} is reserved: both ids (the null link) or neither have this value")
    return checked


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise InvalidValue("a string is expected")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidValue("text without lone surrogates is expected") from None
    if size > MAX_TEXT_BYTES:
        raise InvalidValue(f"at most {MAX_TEXT_BYTES} bytes of text are allowed")
    if "\x00" in value:
        raise InvalidValue("text without NUL is expected, because PostgreSQL cannot store it")
    return value


def _integer(bounds: tuple[int, int], name: str) -> Callable[[JsonValue], str]:
    def check(value: JsonValue) -> str:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise InvalidValue(f"an integer or a string of digits is expected for {name}")
        if isinstance(value, str) and not _DIGITS.fullmatch(value):
            raise InvalidValue(f"a string of digits is expected for {name}")
        number = int(value)
        if not bounds[0] <= number <= bounds[1]:
            raise InvalidValue(f"{bounds[0]} to {bounds[1]} is expected for {name}")
        return str(number)

    return check


def _float(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue("a number is expected")
    if isinstance(value, int) and abs(value) > 2**1023:
        raise InvalidValue("a number of double precision is expected")
    if not math.isfinite(value):
        raise InvalidValue("a finite number is expected, because JSON has neither NaN nor infinity")
    return float(value)


def _boolean(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("true or false is expected")
    return value


def _opaque(value: JsonValue) -> str:
    if not isinstance(value, str) or len(value) % 2 or not _HEX.fullmatch(value):
        raise InvalidValue("an even number of hex digits is expected, two for each byte")
    if len(value) > 2 * MAX_OPAQUE_BYTES:
        raise InvalidValue(f"at most {MAX_OPAQUE_BYTES} bytes are allowed")
    return value.lower()


def _time(value: JsonValue) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidValue("a time in RFC 3339 form is expected, like 2026-11-23T10:00:00Z") from None
    if moment.tzinfo is None:
        raise InvalidValue("a time with an offset from UTC is expected, like 2026-11-23T10:00:00Z")
    try:
        return rfc3339(moment)
    except OverflowError:
        raise InvalidValue("a time within the years 1 to 9999 UTC is expected") from None


def rfc3339(moment: datetime) -> str:
    """Return the time in UTC with ``Z``, with microseconds only if there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time_from_millis(millis: int) -> str:
    """Return a TIME value from Leshan's milliseconds since the epoch.

    Raises:
        InvalidValue: outside the years 1 to 9999.
    """
    try:
        whole, rest = divmod(millis, 1000)
        return rfc3339(datetime.fromtimestamp(whole, UTC).replace(microsecond=rest * 1000))
    except (OverflowError, ValueError, OSError):
        raise InvalidValue(
            f"a time within the years 1 to 9999 UTC is expected, not {millis} ms since the epoch"
        ) from None


def time_to_millis(text: str) -> int:
    """Return the milliseconds since the epoch of a TIME value in the contract's form."""
    moment = datetime.fromisoformat(text)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def _object_link(value: JsonValue) -> dict[str, int]:
    keys = ("objectId", "objectInstanceId")
    if not isinstance(value, Mapping) or not all(_is_id(value.get(key)) for key in keys):
        raise InvalidValue(f"{{objectId, objectInstanceId}} is expected, each 0 to {MAX_ID}")
    return {key: value[key] for key in keys}


def _is_id(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID


_CHECKS: Final[dict[ValueType, Callable[[JsonValue], JsonValue]]] = {
    ValueType.STRING: _text,
    ValueType.INTEGER: _integer(INTEGER_RANGE, "INTEGER"),
    ValueType.UNSIGNED_INTEGER: _integer(UNSIGNED_RANGE, "UNSIGNED_INTEGER"),
    ValueType.FLOAT: _float,
    ValueType.BOOLEAN: _boolean,
    ValueType.OPAQUE: _opaque,
    ValueType.TIME: _time,
    ValueType.OBJLNK: _object_link,
    ValueType.CORELINK: _text,
}
