"""Validation of input values by themselves, and their conversion to the canonical form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.domain.enums import ValueType
from app.domain.paths import MAX_ID
from app.domain.values import InvalidValue, JsonValue, TypedValue, writable
from app.schema.api.inputs import AttributesInput, ObjectLinkInput, ResourceInstanceInput, ResourceValueInput
from app.schema.api.scalars import moment
from app.schema.errors import bad_input
from app.schema.limits import MAX_RESOURCES

_SCALARS: Final[Mapping[str, tuple[ValueType, str]]] = {
    "string": (ValueType.STRING, "string"),
    "integer": (ValueType.INTEGER, "integer"),
    "unsigned_integer": (ValueType.UNSIGNED_INTEGER, "unsignedInteger"),
    "float_": (ValueType.FLOAT, "float"),
    "boolean": (ValueType.BOOLEAN, "boolean"),
    "opaque": (ValueType.OPAQUE, "opaque"),
    "time": (ValueType.TIME, "time"),
    "object_link": (ValueType.OBJLNK, "objectLink"),
    "core_link": (ValueType.CORELINK, "coreLink"),
}


def single_value(given: ResourceValueInput, field: str) -> TypedValue:
    """Return a single value, as opposed to ``multiple`` and ``node``.

    Raises:
        ApiError: BAD_USER_INPUT: not a single value, or a value that is invalid for its type.
    """
    if given.multiple is not None:
        raise bad_input("`multiple` is not allowed here; a single value is expected.", f"{field}.multiple")
    if given.node is not None:
        message = "`node` is for CREATE and for WRITE to an object instance; a single value is expected here."
        raise bad_input(message, f"{field}.node")
    for command, (type_, name) in _SCALARS.items():
        some = getattr(given, command)
        if some is not None:
            return TypedValue(type_, _canonical(type_, some.value, f"{field}.{name}"))
    raise bad_input("Invalid value; exactly one field, not null, is expected.", field)


def resource_value(given: ResourceValueInput, field: str) -> TypedValue:
    """Return the value of a resource: a single value, or the instances of a multiple-instance resource.

    Without instances, the type is STRING until it is replaced by that of the device's object model.

    Raises:
        ApiError: as :func:`single_value`; also for instances of different types or with duplicate ids.
    """
    if given.multiple is None:
        return single_value(given, field)
    return _multiple(given.multiple.value, f"{field}.multiple")


def _multiple(instances: Sequence[ResourceInstanceInput], field: str) -> TypedValue:
    if len(instances) > MAX_RESOURCES:
        raise bad_input(f"Too many resource instances ({len(instances)}); at most {MAX_RESOURCES} are allowed.", field)
    values: dict[str, JsonValue] = {}
    types: set[ValueType] = set()
    for index, instance in enumerate(instances):
        at = f"{field}.{index}"
        if not 0 <= instance.id <= MAX_ID:
            raise bad_input(f"Invalid resource instance id {instance.id}; 0 to {MAX_ID} is expected.", f"{at}.id")
        if str(instance.id) in values:
            raise bad_input(f"Duplicate resource instance id {instance.id}.", f"{at}.id")
        value = single_value(instance.value, f"{at}.value")
        values[str(instance.id)] = value.value
        types.add(value.type)
        if len(types) > 1:
            raise bad_input(
                "The resource instances have different types; values of one type are expected.", f"{at}.value"
            )
    return TypedValue(types.pop() if types else ValueType.STRING, values)


def _canonical(type_: ValueType, value: Any, field: str) -> JsonValue:
    if isinstance(value, ObjectLinkInput):
        value = {"objectId": value.object_id, "objectInstanceId": value.object_instance_id}
    elif type_ is ValueType.TIME:
        value = moment(value)
    try:
        return writable(type_, value)
    except InvalidValue as error:
        raise bad_input(f"Invalid {type_}: {error}.", field) from None


def instance_node(given: ResourceValueInput, instance: int | None, field: str) -> dict[str, JsonValue]:
    """Return a whole object instance in Leshan's node form, with the members that Leshan knows.

    Values of its resources are checked by :func:`app.domain.validation.validate`. ``instance`` is the instance id of
    the path; it is None for CREATE, where resources may be omitted for the device to set them.

    Raises:
        ApiError: BAD_USER_INPUT: not a node, too many resources, none (except for CREATE), a duplicate one, or an id
            that differs from the path's.
    """
    if given.node is None:
        raise bad_input("Missing `node`; a whole object instance is expected.", f"{field}.node")
    node, field = given.node.value, f"{field}.node"
    resources = node.get("resources", [] if instance is None else None) if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(resources, list):
        raise bad_input('Invalid node; {"kind": "instance", "resources": [..]} is expected.', field)
    least = 0 if instance is None else 1
    if not least <= len(resources) <= MAX_RESOURCES or not all(isinstance(one, dict) for one in resources):
        message = f"Invalid resources of the node; {least} to {MAX_RESOURCES} objects are expected."
        raise bad_input(message, f"{field}.resources")
    _check_ids([one.get("id") for one in resources], f"{field}.resources")
    known: dict[str, JsonValue] = {"kind": node.get("kind", "instance"), "resources": [_resource(r) for r in resources]}
    if instance is not None and node.get("id", instance) != instance:
        raise bad_input(f"The id of the node differs from the path; {instance} is expected.", f"{field}.id")
    if instance is not None or "id" in node:
        known["id"] = node.get("id", instance)
    return known


def _resource(node: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: node[key] for key in ("id", "kind", "type", "value", "values") if key in node}


def _check_ids(ids: Sequence[JsonValue], field: str) -> None:
    seen: set[int] = set()
    for index, id_ in enumerate(ids):
        if not isinstance(id_, int) or isinstance(id_, bool) or not 0 <= id_ <= MAX_ID:
            raise bad_input(f"Invalid resource id; an integer from 0 to {MAX_ID} is expected.", f"{field}.{index}.id")
        if id_ in seen:
            raise bad_input(f"Duplicate resource id {id_}.", f"{field}.{index}.id")
        seen.add(id_)


def attributes(given: AttributesInput, depth: int, field: str) -> dict[str, int | float]:
    """Return the given attributes of WRITE_ATTRIBUTES (LwM2M Core 1.1, 7.3) by name.

    Raises:
        ApiError: BAD_USER_INPUT: no attribute, or attributes that are invalid by themselves or in combination.
    """
    values = {name: value for name in _ATTRIBUTES if (value := getattr(given, name)) is not None}
    if not values:
        raise bad_input("Missing attributes; at least one is expected.", field)
    for name, value in values.items():
        if name in _SECONDS and value < 0:
            raise bad_input(f"`{name}` is {value}; 0 s or more are expected.", f"{field}.{name}")
        if name not in _SECONDS and depth < 3:
            message = f"`{name}` applies to resources only; a path of a resource or a resource instance is expected."
            raise bad_input(message, f"{field}.{name}")
    for least, most in (("pmin", "pmax"), ("epmin", "epmax")):
        if values.get(least, 0) > values.get(most, values.get(least, 0)):
            raise bad_input(f"`{least}` must be at most `{most}` (LwM2M Core 1.1, 7.3).", f"{field}.{least}")
    _check_thresholds(values, field)
    return values


def _check_thresholds(values: Mapping[str, float], field: str) -> None:
    if "st" in values and values["st"] <= 0:
        raise bad_input("`st` must be greater than 0 (LwM2M Core 1.1, 7.3).", f"{field}.st")
    if "lt" in values and "gt" in values and values["lt"] + 2 * values.get("st", 0) >= values["gt"]:
        raise bad_input("`lt + 2*st` must be less than `gt` (LwM2M Core 1.1, 7.3.2).", f"{field}.lt")


_SECONDS: Final = frozenset({"pmin", "pmax", "epmin", "epmax"})
_ATTRIBUTES: Final = ("pmin", "pmax", "gt", "lt", "st", "epmin", "epmax")
