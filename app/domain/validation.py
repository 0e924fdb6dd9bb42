"""Validate an operation against the device's own object models before it is queued.

An operation is refused only if the model or the registration certainly excludes it. A resource that the model does not
define may be the device's own: such an operation is accepted unchecked, and the device decides. An EXECUTE of one is
refused unless its id is a vendor's: it is not repeatable, and only a model says what it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from app.domain.enums import OperationKind, ValueType
from app.domain.kinds import CANCELS, COMPOSITES, READS
from app.domain.object_models import ObjectModel, ResourceModel, resource_model
from app.domain.operations import OperationRequest
from app.domain.paths import MAX_ID, LwM2mPath
from app.domain.ranges import value_range
from app.domain.values import InvalidValue, JsonValue, canonical, is_multiple, time_from_millis, writable

ModelOf: TypeAlias = Callable[[int], ObjectModel | None]

_NOT_REGISTERED: Final = frozenset({0, 21, 23})
"""Objects that no registration lists, though the device has them: Security, OSCORE, COSE (LwM2M Core 1.2, 6.2.1)."""

_REPORTS: Final = READS & COMPOSITES
"""A device omits paths that it does not have from its response to these."""

_VENDOR_RESOURCES: Final = 26_241
"""Resources from this id on are private ones of vendors (the OMA registry's ranges), which no model has to define."""

_INSTANCE_ID: Final = re.compile(r"[0-9]{1,5}")


class InvalidOperation(ValueError):
    """Raised for an operation that the device's object model excludes. ``field`` is the invalid input field."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def validate(
    request: OperationRequest,
    model_of: ModelOf,
    *,
    registered: Collection[int] | None = None,
    ranges: bool = True,
) -> bool:
    """Check an operation whose paths and values are well formed by themselves.

    Args:
        registered: the objects of the device's present registration; None if it is not registered, or listed none.
        ranges: whether values must be in the ranges of the models (:mod:`app.domain.ranges`).

    Returns:
        Whether all of it was checked against a model; False if one is not known.

    Raises:
        InvalidOperation: the model or the registration excludes it, or an instance node is malformed.
    """
    _check_registered(request, registered)
    if request.kind is OperationKind.WRITE_COMPOSITE:
        commands = [_check_member(path, command, model_of, ranges) for path, command in request.values.items()]
        return all(commands)
    if request.kind is OperationKind.CREATE or (request.kind is OperationKind.WRITE and request.value_type is None):
        return _check_instance(request, model_of, ranges)
    paths = (request.path,) if request.path else request.paths
    checked = [_check_path(request, LwM2mPath.parse(path), model_of, ranges) for path in paths]
    return all(checked)


def typed_by_model(request: OperationRequest, model_of: ModelOf) -> OperationRequest:
    """Return a WRITE that clears a multiple resource with the model's type: it has no value from which to take one."""
    if request.value_type is None or request.value != {}:
        return request
    resource = resource_model(model_of, LwM2mPath.parse(request.path or ""))
    return replace(request, value_type=resource.type) if resource and resource.type else request


def _check_registered(request: OperationRequest, registered: Collection[int] | None) -> None:
    if not registered or request.kind in CANCELS:
        return
    texts = (request.path,) if request.path else request.paths
    missing = [(index, path) for index, path in enumerate(map(LwM2mPath.parse, texts)) if not _has(registered, path)]
    if not missing or (request.kind in _REPORTS and len(missing) < len(texts)):
        return
    index, path = missing[0]
    field = "path" if request.path else f"values.{index}.path" if request.values else f"paths.{index}"
    raise InvalidOperation(f"{path}: the device has not registered object {path.object_id}.", field)


def _has(registered: Collection[int], path: LwM2mPath) -> bool:
    return path.object_id in registered or path.object_id in _NOT_REGISTERED


def _check_path(request: OperationRequest, path: LwM2mPath, model_of: ModelOf, ranges: bool) -> bool:
    model = model_of(path.object_id)
    if model is None or path.resource_id is None:
        return model is not None
    resource = model.resources.get(path.resource_id)
    if resource is None:
        if request.kind is OperationKind.EXECUTE and path.resource_id < _VENDOR_RESOURCES:
            message = f"{path} is not defined by the device's model of object {model.id}, version {model.version}"
            raise InvalidOperation(f"{message}; EXECUTE requires a resource that is.", "path")
        return False
    field = "path" if request.path else "paths"
    _check_depth(path, resource, field)
    if request.kind in READS:
        _check_readable(path, resource, field)
    elif request.kind is OperationKind.EXECUTE:
        _check_executable(path, resource)
    elif request.kind is OperationKind.WRITE:
        _check_writable(path, resource, "path")
        _check_value(path, resource, request.value_type, request.value, "value")
        if ranges:
            _check_range(path, resource, request.value, "value")
    return True


def _check_member(text: str, command: Mapping[str, JsonValue], model_of: ModelOf, ranges: bool) -> bool:
    path = LwM2mPath.parse(text)
    resource = resource_model(model_of, path)
    if resource is None:
        return False
    _check_depth(path, resource, "values")
    _check_writable(path, resource, "values")
    _check_value(path, resource, ValueType(command["type"]), command["value"], "values")
    if ranges:
        _check_range(path, resource, command["value"], "values")
    return True


def _check_depth(path: LwM2mPath, resource: ResourceModel, field: str) -> None:
    if path.depth > 3 and not resource.multiple:
        raise InvalidOperation(
            f"{_of(path)} is a single resource and has no instances; its own path is expected.", field
        )


def _check_readable(path: LwM2mPath, resource: ResourceModel, field: str) -> None:
    if resource.operations and "R" not in resource.operations:
        what = "executable" if "E" in resource.operations else "write-only"
        raise InvalidOperation(f"{_of(path)} ({resource.name}) cannot be read: it is {what}.", field)


def _check_executable(path: LwM2mPath, resource: ResourceModel) -> None:
    if resource.operations and "E" not in resource.operations:
        raise InvalidOperation(f"{path} ({resource.name}) is not executable.", "path")


def _check_writable(path: LwM2mPath, resource: ResourceModel, field: str) -> None:
    if resource.operations and "W" not in resource.operations:
        what = "executable" if "E" in resource.operations else "read-only"
        raise InvalidOperation(f"{_of(path)} ({resource.name}) cannot be written: it is {what}.", field)


def _check_value(
    path: LwM2mPath, resource: ResourceModel, type_: ValueType | None, value: JsonValue, field: str
) -> None:
    if resource.type is not None and type_ is not resource.type and value != {}:
        raise InvalidOperation(f"{_of(path)} ({resource.name}) is {resource.type}, not {type_}.", field)
    if path.depth > 3:
        return
    if resource.multiple and not is_multiple(value):
        raise InvalidOperation(
            f"{path} ({resource.name}) is a multiple resource; values by instance are expected.", field
        )
    if not resource.multiple and is_multiple(value):
        raise InvalidOperation(f"{path} ({resource.name}) is a single resource; one value is expected.", field)


def _check_range(path: LwM2mPath, resource: ResourceModel, value: JsonValue, field: str) -> None:
    """Check a value, or each instance of a multiple resource, whose type is known to be the model's."""
    allowed = value_range(resource.type, resource.range) if resource.type is not None else None
    if allowed is None:
        return
    for one in value.values() if is_multiple(value) else (value,):
        outside = allowed.violation(one)
        if outside is not None:
            raise InvalidOperation(
                f"{_of(path)} ({resource.name}): {outside} is outside the range {resource.range.strip()!r} of its "
                "object model; `validateRange: false` sends it anyway.",
                field,
            )


def _of(path: LwM2mPath) -> LwM2mPath:
    return LwM2mPath(path.ids[:3])


def _check_instance(request: OperationRequest, model_of: ModelOf, ranges: bool) -> bool:
    """Check a WRITE to an object instance or a CREATE: each resource of the node, in Leshan's own form."""
    path = LwM2mPath.parse(request.path or "")
    model = model_of(path.object_id)
    known = model is not None
    for node in _instance_resources(request.value):
        resource_path = LwM2mPath((path.object_id, path.ids[1] if path.depth > 1 else 0, node["id"]))
        type_, value = _node_value(resource_path, node)
        if value == {} and request.kind is OperationKind.WRITE and not request.replace:
            raise InvalidOperation(
                f"{resource_path}: a partial update changes only the instances that it names, so it cannot clear a "
                f"multiple resource; use a WRITE to {resource_path} with `multiple: []`.",
                "value",
            )
        resource = model.resources.get(node["id"]) if model else None
        if resource is None:
            known = False
            continue
        if request.kind is OperationKind.WRITE:
            _check_writable(resource_path, resource, "value")
        _check_value(resource_path, resource, type_, value, "value")
        if ranges:
            _check_range(resource_path, resource, value, "value")
    return known


def _instance_resources(node: JsonValue) -> list[dict[str, JsonValue]]:
    if not isinstance(node, dict) or node.get("kind", "instance") != "instance":
        raise InvalidOperation('Invalid instance node; {"kind": "instance", "resources": [..]} is expected.', "value")
    if "id" in node and (not _is_id(node["id"]) or node["id"] == MAX_ID):
        raise InvalidOperation(f"Invalid instance id; 0 to {MAX_ID - 1} is expected ({MAX_ID} is reserved).", "value")
    resources = node.get("resources")
    if not isinstance(resources, list) or not all(isinstance(one, dict) and _is_id(one.get("id")) for one in resources):
        raise InvalidOperation(
            "Invalid resources of the instance node; a list of resource nodes with ids is expected.", "value"
        )
    return resources


def _node_value(path: LwM2mPath, node: Mapping[str, JsonValue]) -> tuple[ValueType, JsonValue]:
    """Return the type and value(s) of a resource node, checked by themselves: Leshan fails on malformed ones with a
    null pointer."""
    kind, type_ = node.get("kind"), node.get("type")
    if kind not in ("singleResource", "multiResource") or type_ not in list(ValueType):
        raise InvalidOperation(
            f"{path}: invalid resource node; kind singleResource or multiResource and a type are expected.", "value"
        )
    values = node.get("values") if kind == "multiResource" else {"0": node.get("value")}
    if not isinstance(values, dict) or not all(_INSTANCE_ID.fullmatch(key) for key in values):
        raise InvalidOperation(
            f"{path}: invalid values of a multiResource; values by instance id are expected.", "value"
        )
    for value in values.values():
        _check_leshan_value(path, ValueType(type_), value)
    return ValueType(type_), values if kind == "multiResource" else node.get("value")


def _check_leshan_value(path: LwM2mPath, type_: ValueType, value: JsonValue) -> None:
    try:
        if type_ is ValueType.TIME:
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidValue("milliseconds since the epoch are expected in a node")
            time_from_millis(value)
        elif type_ is ValueType.FLOAT and isinstance(value, str):
            canonical(type_, float(value))
        else:
            writable(type_, value)
    except ValueError as error:
        raise InvalidOperation(f"{path}: invalid {type_}: {error}.", "value") from None


def _is_id(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID
