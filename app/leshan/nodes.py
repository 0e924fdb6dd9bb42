"""Leshan's JSON nodes: made from values in the contract's form, and read back into them, typed by the object model.

Three dialects are read: today's nodes with ``kind`` and ``type``; those of 2.0.0-M4, which have neither and give raw
values; and those of servers that know few object models, whose types follow the device's content format. In the last
two the object model decides: the bytes of TLV and of text come as hex digits (OPAQUE, or untyped), SenML's numbers as
INTEGER or FLOAT, text as STRING. A value that cannot be converted to the model's type is kept as received.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.domain.enums import ValueType
from app.domain.object_models import Models
from app.domain.paths import InvalidPath, LwM2mPath, path_text
from app.domain.values import InvalidValue, JsonValue, TypedValue, canonical, time_from_millis, time_to_millis

MAX_RESOURCES: Final = 20_000
"""Maximum number of resources, and instances of multiple ones, read from one content. More than any object has; the
rest is left out and reported as a problem."""

MAX_PROBLEMS: Final = 1_000
"""Number of unreadable resources of one content after which no more of it is read."""

_LEVELS: Final = {"root": 0, "obj": 1, "instance": 2, "singleResource": 3, "multiResource": 3, "resourceInstance": 4}
_CHILDREN: Final = {"root": "objects", "obj": "instances", "instance": "resources"}
_TYPES: Final = {str(type_): type_ for type_ in ValueType}

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?")
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")
"""Non-finite numbers as Java writes them."""

_NUMBERS: Final = frozenset({int, float})
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

_log = structlog.get_logger(__name__)


class InvalidNode(ValueError):
    """Raised if Leshan's data is not a node, or has no readable content."""


class Unreadable(ValueError):
    """Raised for a value that its type does not allow. The message says what is wrong."""


@dataclass(slots=True)
class Decoded:
    """The result of decoding a content: readable resources by path, and one sentence for each unreadable one."""

    values: dict[str, TypedValue] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    size: int = 0

    def count(self, resource: Mapping[str, JsonValue]) -> None:
        """Count a resource before it is read, a multiple one by its instances. Raise _TooMuch above the limit."""
        values = resource.get("values")
        self.size += len(values) if isinstance(values, dict) and values else 1
        if self.size > MAX_RESOURCES:
            raise _TooMuch(f"more than {MAX_RESOURCES} resources in one content")

    def note(self, where: object, problem: Exception) -> None:
        """Record an unreadable resource. Raise _TooMuch at the limit."""
        self.problems.append(f"{where}: {problem}")
        if len(self.problems) >= MAX_PROBLEMS:
            raise _TooMuch(f"more than {MAX_PROBLEMS} resources cannot be read")


class _TooMuch(Exception):
    """Raised to leave the rest of the content unread."""


def resource_node(path: LwM2mPath, value: TypedValue) -> dict[str, JsonValue]:
    """Return the node that writes a value to a resource (single or multiple) or to an instance of a resource."""
    if path.depth == len(_LEVELS) - 2:
        kind = "resourceInstance"
    else:
        kind = "multiResource" if value.multiple else "singleResource"
    node: dict[str, JsonValue] = {"id": path.ids[-1], "kind": kind, "type": str(value.type)}
    if kind == "multiResource":
        node["values"] = {key: leshan_value(value.type, one) for key, one in value.value.items()}
    else:
        node["value"] = leshan_value(value.type, value.value)
    return node


def leshan_value(type_: ValueType, value: JsonValue) -> JsonValue:
    """Return one value in Leshan's form: numbers as strings, so that no digit is lost, TIME as milliseconds."""
    if type_ is ValueType.FLOAT:
        return repr(float(value))
    if type_ is ValueType.TIME:
        return time_to_millis(value)
    return value


def decode_content(path: str | None, content: JsonValue, models: Models) -> Decoded:
    """Read the ``content`` of a response: a node at ``path``, or, without one (composites, events), a map of
    path -> node, where null stands for a node that the device does not have.

    A resource that cannot be read is left out, listed in ``problems`` and logged; its neighbors are kept.

    Raises:
        InvalidNode: the content as a whole is neither a node nor a map of them.
    """
    nodes = content if path is None else {path: content}
    if not isinstance(nodes, dict):
        raise InvalidNode("the content is no map of paths to nodes")
    decoded = Decoded()
    try:
        for text, node in nodes.items():
            if node is None:
                continue
            try:
                base = () if text in {"/", ""} else LwM2mPath.parse(text).ids
                for ids, resource in _resources(base, node, decoded):
                    decoded.count(resource)
                    where = path_text(ids)
                    try:
                        decoded.values[where] = _typed_value(where, ids, resource, models, decoded.problems)
                    except (Unreadable, InvalidValue) as error:
                        decoded.note(where, error)
            except (InvalidNode, InvalidPath) as error:
                decoded.note(str(text)[:100], error)
    except _TooMuch as error:
        decoded.problems.append(str(error))
    if decoded.problems:
        _log.warning("values_unreadable", path=path, problems=decoded.problems[:10])
    return decoded


def _resources(
    ids: tuple[int, ...], node: JsonValue, decoded: Decoded
) -> Iterator[tuple[tuple[int, ...], Mapping[str, JsonValue]]]:
    """Yield the resources below a node with the ids of their paths. Depth is that of LwM2M, so no nesting can exhaust
    the stack."""
    kind = _kind(node, len(ids))
    below = _LEVELS[kind] - len(ids)
    if below < 0:
        raise InvalidNode("the node stands higher than its path says")
    if below > 2 or (below == 2 and len(ids) != 1):
        raise InvalidNode("the node stands deeper than its path says")
    if below:  # older webhooks give the object alone; a missing instance id is taken as 0
        ids = (*ids, *([0] * (below - 1)), _id(node))
    if kind not in _CHILDREN:
        yield ids, node
        return
    children = node.get(_CHILDREN[kind])
    if not isinstance(children, list):
        raise InvalidNode(f"a node of kind {kind} has no list of {_CHILDREN[kind]}")
    for child in children:
        try:
            yield from _resources((*ids, _id(child)), child, decoded)
        except InvalidNode as error:
            decoded.note(LwM2mPath(ids) if ids else "/", error)


def _kind(node: JsonValue, depth: int) -> str:
    """Return the node's kind, by its shape if the field is missing (2.0.0-M4)."""
    if not isinstance(node, dict):
        raise InvalidNode("a node is a JSON object")
    kind = node.get("kind")
    if isinstance(kind, str) and kind in _LEVELS:
        return kind
    if kind is not None:
        raise InvalidNode(f"unknown kind of node {str(kind)[:50]!r}")
    for parent, children in _CHILDREN.items():
        if children in node:
            return parent
    if "values" in node:
        return "multiResource"
    if "value" in node:
        return "resourceInstance" if depth > 3 else "singleResource"
    raise InvalidNode("a node without kind and without value")


def _id(node: JsonValue) -> int:
    id_ = node.get("id") if isinstance(node, dict) else None
    if not isinstance(id_, int) or isinstance(id_, bool) or not 0 <= id_ <= 65_535:
        raise InvalidNode("a node without a valid id")
    return id_


def _typed_value(
    path: str, ids: tuple[int, ...], node: Mapping[str, JsonValue], models: Models, problems: list[str]
) -> TypedValue:
    """Read the value of a resource or of an instance of one, with the types of its node and of its object's model."""
    type_, model = node.get("type"), models(ids[0])
    declared = _TYPES.get(type_.upper()) if isinstance(type_, str) else None
    resource = model.resources.get(ids[2]) if model else None
    wanted = resource.type if resource else None
    if "values" not in node:
        if "value" not in node:
            raise Unreadable("a resource without a value")
        return read_value(declared, node["value"], wanted)
    values = node["values"]
    if not isinstance(values, dict):
        raise Unreadable("the values of a multiple resource are no JSON object")
    if not all(str(key).isascii() and str(key).isdigit() and len(str(key)) <= 5 for key in values):
        raise Unreadable("the ids of a multiple resource's instances are no numbers")
    return _multiple(path, declared, {str(int(key)): one for key, one in values.items()}, wanted, problems)


def _multiple(
    path: str,
    declared: ValueType | None,
    values: Mapping[str, JsonValue],
    wanted: ValueType | None,
    problems: list[str],
) -> TypedValue:
    """Read the instances of a multiple resource. All have one type: if the model's type does not fit all of them, the
    node's type. An instance that cannot be read is left out and listed in ``problems``."""
    read: dict[str, TypedValue] = {}
    unreadable: list[str] = []
    for key, one in values.items():
        try:
            read[key] = read_value(declared, one, wanted)
        except (Unreadable, InvalidValue) as error:
            unreadable.append(f"{path}/{key}: {error}")
    types = {one.type for one in read.values()}
    if len(types) > 1 and wanted is not None:
        return _multiple(path, declared, values, None, problems)
    if len(types) > 1:
        raise Unreadable("the instances of a multiple resource have different types")
    if unreadable and not read:
        raise Unreadable(unreadable[0].partition(": ")[2])
    problems += unreadable
    type_ = types.pop() if types else (wanted or declared or ValueType.STRING)
    return TypedValue(type_, {key: one.value for key, one in read.items()})


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
    if isinstance(raw, str):
        if raw in _NOT_FINITE:
            raise Unreadable(f"{raw} is not a finite number, which is all that JSON has")
        if not _NUMBER.fullmatch(raw):
            raise Unreadable("a number is expected")
        raw = float(raw)
    if type(raw) not in _NUMBERS or not math.isfinite(raw):
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
