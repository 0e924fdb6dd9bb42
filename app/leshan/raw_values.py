"""One value of Leshan in the contract's form: as received, or converted to the object model's type.

A server without the object's model reports values in the device's content format: the bytes of TLV or text as hex
digits (OPAQUE, or untyped), SenML's numbers as INTEGER or FLOAT, text as STRING. If the model is known these are
converted to its type; if that fails the value is kept as received.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Final

from app.domain.enums import ValueType
from app.domain.values import InvalidValue, JsonValue, TypedValue, canonical, time_from_millis

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?")
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")
"""Non-finite numbers as Java writes them."""

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}")
_HEX: Final = re.compile(r"[0-9a-fA-F]*+")
_LINK: Final = re.compile(r"(\d{1,5}):(\d{1,5})")

_JSON_TYPES: Final = {
    bool: ValueType.BOOLEAN,
    int: ValueType.INTEGER,
    float: ValueType.FLOAT,
    dict: ValueType.OBJLNK,
}
"""The types of values that come without a type, and without a known object model."""

_END_OF_SECONDS: Final = 253_402_300_800
"""The year 10000 in seconds: a greater TIME can only be the milliseconds that 2.0.0-M4 writes."""


class Unreadable(ValueError):
    """Raised for a value that its type does not allow. The message says what is wrong."""


def read_value(declared: ValueType | None, raw: JsonValue, wanted: ValueType | None) -> TypedValue:
    """Read one value: FLOAT as a string (``"1.0E300"``) or number, TIME in milliseconds.

    Args:
        declared: the type that Leshan sends beside it, None in the dialect of 2.0.0-M4.
        wanted: the type of the resource in its object's model, None if that is not known.

    Raises:
        Unreadable: the value is not of its declared type.
    """
    if wanted is not None and declared is not wanted:
        try:
            return TypedValue(wanted, canonical(wanted, _converted(declared, raw, wanted)))
        except (InvalidValue, Unreadable, ValueError, OverflowError, struct.error):
            pass
    type_ = declared or _JSON_TYPES.get(type(raw), ValueType.STRING)
    try:
        if type_ is ValueType.FLOAT:
            return TypedValue(type_, _number(raw))
        if type_ is not ValueType.TIME:
            return TypedValue(type_, canonical(type_, raw))
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Unreadable("milliseconds since the epoch are expected")
        return TypedValue(type_, time_from_millis(raw))
    except (InvalidValue, ValueError, OverflowError) as error:
        raise Unreadable(f"no readable {type_}: {error}") from None


def _converted(declared: ValueType | None, raw: JsonValue, wanted: ValueType) -> JsonValue:
    """Convert a value of another type, or of none, to the wanted type.

    Hex digits are TLV's bytes (LwM2M Core 1.1, appendix C); without a type they are text only if it is printable.
    """
    is_hex = isinstance(raw, str) and len(raw) % 2 == 0 and _HEX.fullmatch(raw) is not None
    if declared is ValueType.OPAQUE and not is_hex:
        raise Unreadable("an even number of hex digits is expected")
    if declared is not ValueType.OPAQUE and (declared is not None or not is_hex or not raw):
        return _FROM_JSON[wanted](raw)
    data = bytes.fromhex(raw)
    if wanted not in {ValueType.STRING, ValueType.CORELINK}:
        return _FROM_BYTES[wanted](data)
    text = data.decode()
    if declared is None and not text.isprintable():
        raise Unreadable("these bytes are no text")
    return text


def _integer_bytes(data: bytes, *, signed: bool = True) -> int:
    if len(data) not in {1, 2, 4, 8}:
        raise Unreadable("TLV has integers of 1, 2, 4 or 8 bytes")
    return int.from_bytes(data, "big", signed=signed)


def _float_bytes(data: bytes) -> float:
    if len(data) not in {4, 8}:
        raise Unreadable("TLV has floats of 4 or 8 bytes")
    number: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
    return number


def _boolean_bytes(data: bytes) -> bool:
    if data not in {b"\x00", b"\x01"}:
        raise Unreadable("TLV has booleans of one byte, 00 or 01")
    return data == b"\x01"


def _link_bytes(data: bytes) -> dict[str, int]:
    object_id, instance_id = struct.unpack(">HH", data)
    return {"objectId": object_id, "objectInstanceId": instance_id}


_FROM_BYTES: Final[dict[ValueType, Callable[[bytes], JsonValue]]] = {
    ValueType.INTEGER: _integer_bytes,
    ValueType.UNSIGNED_INTEGER: lambda data: _integer_bytes(data, signed=False),
    ValueType.FLOAT: _float_bytes,
    ValueType.BOOLEAN: _boolean_bytes,
    ValueType.TIME: lambda data: _time_from_seconds(_integer_bytes(data)),
    ValueType.OBJLNK: _link_bytes,
    ValueType.OPAQUE: bytes.hex,
}


def _number(raw: JsonValue) -> float:
    if raw in _NOT_FINITE:
        raise Unreadable(f"{raw} is not a finite number, which is all that JSON has")
    if isinstance(raw, str):
        if not _NUMBER.fullmatch(raw):
            raise Unreadable("a number is expected")
        raw = float(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise Unreadable("a finite number is expected")
    return float(raw)


def _whole(raw: JsonValue) -> int:
    if isinstance(raw, str) and _INTEGER.fullmatch(raw):
        return int(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    number = _number(raw)
    if not number.is_integer():
        raise Unreadable("a whole number is expected")
    return int(number)


def _truth(raw: JsonValue) -> JsonValue:
    words = {"1": True, "true": True, "0": False, "false": False}
    return words.get(raw.lower(), raw) if isinstance(raw, str) else {1: True, 0: False}.get(_whole(raw), raw)


def _text(raw: JsonValue) -> JsonValue:
    return str(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw


def _link(raw: JsonValue) -> JsonValue:
    """Read a link. SenML and text have one as ``"3:0"``."""
    match = _LINK.fullmatch(raw) if isinstance(raw, str) else None
    return {"objectId": int(match[1]), "objectInstanceId": int(match[2])} if match else raw


def _time_from_seconds(seconds: int) -> str:
    """Read a time. TLV, SenML and text have one in seconds."""
    return time_from_millis(seconds * 1000 if seconds < _END_OF_SECONDS else seconds)


_FROM_JSON: Final[dict[ValueType, Callable[[JsonValue], JsonValue]]] = {
    ValueType.STRING: _text,
    ValueType.CORELINK: _text,
    ValueType.INTEGER: _whole,
    ValueType.UNSIGNED_INTEGER: _whole,
    ValueType.FLOAT: _number,
    ValueType.BOOLEAN: _truth,
    ValueType.TIME: lambda raw: _time_from_seconds(_whole(raw)),
    ValueType.OBJLNK: _link,
    ValueType.OPAQUE: lambda raw: raw,
}
