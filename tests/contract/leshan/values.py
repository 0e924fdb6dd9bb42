"""Values of every LwM2M type, in the contract's form, and their comparison with the values that Leshan returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.domain.enums import ValueType as T
from app.domain.values import JsonValue, TypedValue
from app.leshan.nodes import leshan_value

OBJECT: Final = 3442
"""The LwM2M 1.1 test object: a resource of each type, single (110 to 180) and multiple (1110 to 1180)."""

RESOURCES: Final = {
    T.STRING: 110,
    T.INTEGER: 120,
    T.UNSIGNED_INTEGER: 125,
    T.FLOAT: 130,
    T.BOOLEAN: 140,
    T.OPAQUE: 150,
    T.TIME: 160,
    T.OBJLNK: 170,
    T.CORELINK: 180,
}

VALUES: Final[dict[T, list[JsonValue]]] = {
    T.STRING: ["https://url.com/fw.bin", 'h\u00e9llo "\u20ac" \U0001d11e \\ \n\t', ""],
    T.INTEGER: ["-9223372036854775808", "9223372036854775807", "9007199254740993", "-1", "0"],
    T.UNSIGNED_INTEGER: ["18446744073709551615", "9223372036854775808", "0"],
    T.FLOAT: [3.141592653589793, -0.1, 1e300, 5e-324, 0.0],
    T.BOOLEAN: [True, False],
    T.OPAQUE: ["00ff10", "00" * 300, ""],
    T.TIME: ["2026-11-23T10:00:00Z", "2106-02-07T06:28:16Z", "1970-01-01T00:00:00Z"],
    T.OBJLNK: [{"objectId": 3, "objectInstanceId": 0}, {"objectId": 65534, "objectInstanceId": 65534}],
    T.CORELINK: ["</3/0>", "</3>;ver=1.2,</3/0>"],
}


@dataclass(frozen=True, slots=True)
class Case:
    """One value and the resource of the test object that holds it."""

    typed: TypedValue
    resource: int

    @property
    def path(self) -> str:
        return f"/{OBJECT}/0/{self.resource}"

    def __str__(self) -> str:
        return f"{self.typed.type}-{self.typed.value}"[:50].encode("ascii", "replace").decode()


SINGLE: Final = [
    Case(TypedValue(type_, value), RESOURCES[type_]) for type_, values in VALUES.items() for value in values
]

MULTIPLE: Final = [
    Case(TypedValue(type_, dict(zip(("0", "7", "65534"), values, strict=False))), 1000 + RESOURCES[type_])
    for type_, values in VALUES.items()
]

UNSIGNED = [str(at) for bits in (*range(0, 64, 7), 8, 15, 16, 31, 32, 33, 62, 63) for at in (2**bits - 1, 2**bits)]
UNSIGNED += [str(2**64 - 2**bits + more) for bits in (7, 8, 15, 16, 31, 32, 63) for more in (-1, 0, 1)]
UNSIGNED += [str(2**64 - 1)]
"""Both sides of every boundary at which an encoder uses another number of bytes, or reads a sign."""


def equal(node: Any, typed: TypedValue) -> bool:
    """Return whether Leshan's node of a resource has the value that was written."""
    if typed.multiple:
        told = node["values"]
        equals = [same(typed.type, told.get(key), one) for key, one in typed.value.items()]
        return all(equals) and len(told) == len(equals)
    return same(typed.type, node["value"], typed.value)


def same(type_: T, told: JsonValue, value: JsonValue) -> bool:
    """Return whether a value in Leshan's form equals one in ours: no digit and no character may be lost."""
    if type_ is T.FLOAT:
        return bool(float(told) == value)
    if type_ is T.TIME:
        return bool(told == int(datetime.fromisoformat(value).timestamp() * 1000))
    if type_ is T.OBJLNK:
        return bool({**value, "nullLink": False} == told)
    if type_ is T.OPAQUE:
        return bool(told.lower() == value)
    return bool(told == value)


def in_leshans_form(typed: TypedValue) -> JsonValue:
    """Return a value as a device's control API accepts it."""
    if typed.multiple:
        return {key: leshan_value(typed.type, one) for key, one in typed.value.items()}
    return leshan_value(typed.type, typed.value)


def number_of(typed: TypedValue) -> float | None:
    """Return ``Reading.number`` of a value, as the API describes it."""
    if typed.multiple:
        return None
    if typed.type in {T.INTEGER, T.UNSIGNED_INTEGER, T.FLOAT, T.BOOLEAN}:
        return float(typed.value)
    return datetime.fromisoformat(typed.value).timestamp() if typed.type is T.TIME else None
