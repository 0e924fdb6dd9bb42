"""Leshan's node JSON: parsed as Leshan parses it (with its own error texts), stored as Leshan would return it.

A stored value is ready to be sent: integers and floats as strings, opaque as hex, TIME in milliseconds cut to seconds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from simulator.models import Json, resource_model
from simulator.responses import invalid_request, unexpected

Path = tuple[int, ...]

MAX_ID: Final = 65_535
RESERVED: Final = f"Invalid object instance id {MAX_ID}, It MUST be an unsigned int. ({MAX_ID} is reserved)"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it was sent. ``value``: one value, values by instance id, or an instance's resources by id."""

    kind: str
    id: int | None
    type: str | None = None
    value: Json = None


def read_node(body: bytes) -> Node:
    """Read a node from a request's body.

    Raises:
        ServerAnswer: Leshan's response to an unreadable body.
    """
    try:
        tree = json.loads(body)
    except ValueError as error:
        raise invalid_request(f"unable to parse json to tlv:{error}") from None
    return node_from(tree)


def node_from(tree: Json) -> Node:
    """Read a node from its JSON.

    Raises:
        ServerAnswer: Leshan's response to an unreadable body.
    """
    if not isinstance(tree, dict) or "kind" not in tree:
        raise unexpected(
            'Cannot invoke "com.fasterxml.jackson.databind.JsonNode.asText()" because the return value of '
            '"com.fasterxml.jackson.databind.JsonNode.get(String)" is null'
        )
    kind, id_ = tree["kind"], tree.get("id")
    if kind == "instance":
        if id_ == MAX_ID:
            raise unexpected(RESERVED)
        nodes = [node_from(item) for item in tree.get("resources", [])]
        return Node(kind, id_, value={node.id: node for node in nodes})
    if kind not in {"singleResource", "multiResource", "resourceInstance"}:
        raise unexpected(f"Invalid kind {kind}")
    if tree.get("type") not in _READERS:
        raise unexpected(f"No enum constant org.eclipse.leshan.core.model.ResourceModel.Type.{tree.get('type')}")
    read = _READERS[tree["type"]]
    if kind == "multiResource":
        values = {int(key): read(item) for key, item in tree.get("values", {}).items()}
        return Node(kind, id_, tree["type"], values)
    return Node(kind, id_, tree["type"], read(tree.get("value")))


def check_types(path: Path, node: Node) -> None:
    """Compare a node's types with the object models, as Leshan does when it encodes a request.

    Raises:
        ServerAnswer: 400, another type is expected.
    """
    if node.kind == "instance":
        for resource in node.value.values():
            check_types((*path[:2], resource.id), resource)
        return
    resource_id = path[2] if node.kind == "resourceInstance" or node.id is None else node.id
    model = resource_model(path[0], resource_id)
    if model is not None and node.type != model.type and node.value != {}:
        target = "/" + "/".join(map(str, path))
        raise invalid_request(f"Invalid value type for resource {target}, expected {model.type}, got {node.type}")


# --- values, each as Leshan reads it


def _wrong(value: Json, expected: str) -> Exception:
    kind = {bool: "boolean", str: "string", dict: "object", list: "array"}.get(type(value), "number")
    return unexpected(
        f"Unexpected JSON type of 'value' field [{json.dumps(value)}]: a JSON {expected} but was {kind}. null"
    )


def _string(expected: str) -> Callable[[Json], str]:
    def read(value: Json) -> str:
        if not isinstance(value, str):
            raise _wrong(value, f"string is expected for {expected}")
        return value

    return read


def _integer(name: str, low: int, high: int) -> Callable[[Json], str]:
    def read(value: Json) -> str:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]+", text) or not low <= int(text) <= high:
            raise unexpected(f'"{text}" is not a valid {name}.')
        return str(int(text))

    return read


def _float(value: Json) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise unexpected(f'"{value}" is not a valid Double.')
    return java_double(number)


def _boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "boolean is expected for BOOLEAN")
    return value


def _opaque(value: Json) -> str:
    text = _string("OPAQUE")(value)
    if len(text) % 2:
        raise unexpected("Odd number of characters.")
    for index, char in enumerate(text):
        if char not in "0123456789abcdefABCDEF":
            raise unexpected(f"Illegal hexadecimal character {char} at index {index}")
    return text.lower()


def _time(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(value, "number(long) is expected for TIME")
    return value // 1000 * 1000


def _object_link(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _wrong(value, "object{objectId:integer, objectInstanceId:integer} is expected for OBJLNK")
    object_id, instance_id = int(value.get("objectId", 0)), int(value.get("objectInstanceId", 0))
    null = object_id == instance_id == MAX_ID
    if not null and MAX_ID in (object_id, instance_id):
        raise unexpected("The validated expression is false")
    return {"objectId": object_id, "objectInstanceId": instance_id, "nullLink": null}


_LINK: Final = re.compile(r'</[0-9/]*>(?:;[a-z]+(?:="[^"]*"|=[^",;]+)?)*')
_VERSION_BELOW_OBJECT: Final = re.compile(r"</[0-9]+/[0-9/]+>[^,]*;ver=")


def _core_link(value: Json) -> str:
    text = _string("CORELINK")(value)
    for link in filter(None, text.split(",")):
        if not _LINK.fullmatch(link) or _VERSION_BELOW_OBJECT.match(link):
            raise unexpected(f"Invalid Links: Unable to parse link {link} in {text}")
    return text


def java_double(number: float) -> str:
    """Return a double as Java's ``Double.toString`` writes it: ``"2.5"``, ``"1.0E300"``."""
    if number == 0:
        return "-0.0" if math.copysign(1, number) < 0 else "0.0"
    if 1e-3 <= abs(number) < 1e7:
        text = format(Decimal(repr(number)), "f")
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    head, tail = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{head}.{tail}E{int(exponent) + len(digits) - 1}"


_READERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "STRING": _string("STRING"),
    "INTEGER": _integer("Long", -(2**63), 2**63 - 1),
    "UNSIGNED_INTEGER": _integer("Unsigned Long", 0, 2**64 - 1),
    "FLOAT": _float,
    "BOOLEAN": _boolean,
    "OPAQUE": _opaque,
    "TIME": _time,
    "OBJLNK": _object_link,
    "CORELINK": _core_link,
}
