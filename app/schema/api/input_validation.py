"""Validation of an operation's input, field by field, and its conversion to a command of the ledger.

Pure functions, without access to the database or the request. Every error names the field by its GraphQL path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from app.domain.enums import SECOND, ContentFormat, Instant, OperationKind, ValueType
from app.domain.kinds import COMPOSITES, INPUT_PARTS, KINDS
from app.domain.operations import OperationRequest, repeatable_by_kind
from app.domain.paths import InvalidPath, LwM2mPath, overlap, path_for
from app.domain.validation import InvalidOperation, ModelOf, typed_by_model, validate
from app.domain.values import MAX_OPAQUE_BYTES, JsonValue
from app.models.operation import NewOperation
from app.schema.api.checks import checked_values, plain_text, within
from app.schema.api.input_values import attributes, instance_node, resource_value, single_value
from app.schema.api.inputs import (
    CompositeValueInput,
    CreateDeviceOperationInput,
    DeviceOperationTemplateInput,
    ResourceValueInput,
)
from app.schema.errors import bad_input
from app.schema.limits import MAX_ARGUMENTS, MAX_DAYS_AHEAD, MAX_PATHS, TIMEOUT_SECONDS
from app.tracing import current_trace

_K: Final = OperationKind

_COMPOSITE_FORMATS: Final = (ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)
_ARGUMENT: Final = r"([0-9])(?:='[!\x23-\x26\x28-\x5B\x5D-\x7E]*')?"
_ARGUMENTS: Final = re.compile(f"{_ARGUMENT}(?:,{_ARGUMENT})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults and limits from the settings."""

    timeout_seconds: int = 30
    max_attempts: int = 3
    max_opaque: int = 131_072


_timeout: Final = within(TIMEOUT_SECONDS)


def operation_request(given: DeviceOperationTemplateInput, default_timeout: int) -> OperationRequest:
    """Return the request to the device; that of a template has no endpoint.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    kind = given.kind or OperationKind.WRITE
    _check_parts(given, kind)
    request = OperationRequest(
        endpoint=plain_text(given.endpoint, "endpoint") if isinstance(given, CreateDeviceOperationInput) else "",
        kind=kind,
        replace=given.replace is not False,
        format=_format(given.format, kind),
        timeout_seconds=default_timeout
        if given.timeout_seconds is None
        else _timeout(given.timeout_seconds, "timeoutSeconds"),
    )
    request = _COMPLETE.get(kind, _with_path)(request, given)
    _check_replace(request)
    return request


def _check_parts(given: DeviceOperationTemplateInput, kind: OperationKind) -> None:
    row = KINDS[kind]
    for part in INPUT_PARTS:
        there = getattr(given, part) not in (None, False)
        if there and part not in row.requires | row.accepts:
            raise bad_input(f"{kind} does not accept `{part}`.", part)
        if not there and part in row.requires:
            raise bad_input(f"{kind} requires `{part}`.", part)


def _path(kind: OperationKind, text: str, field: str) -> LwM2mPath:
    try:
        return path_for(kind, text)
    except InvalidPath as error:
        raise bad_input(str(error), field) from None


def _with_path(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    path = str(_path(request.kind, given.path or "", "path"))
    return replace(request, path=path, paths=(path,))


def _write(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    request = _with_path(request, given)
    path = LwM2mPath.parse(request.path or "")
    value = _required(given.value)
    if path.depth == 2:
        return replace(request, value=instance_node(value, path.ids[1], "value"))
    typed = resource_value(value, "value") if path.depth == 3 else single_value(value, "value")
    return replace(request, value_type=typed.type, value=typed.value)


def _create(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    """Complete a CREATE. Without a value, the device sets all resources of the new instance."""
    value = {"kind": "instance", "resources": []} if given.value is None else instance_node(given.value, None, "value")
    return replace(_with_path(request, given), value=value)


def _required(value: ResourceValueInput | None) -> ResourceValueInput:
    if value is None:
        raise bad_input("Missing `value`.", "value")
    return value


def _execute(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    return replace(_with_path(request, given), arguments=_arguments(given.arguments) if given.arguments else None)


def _arguments(text: str) -> str:
    if len(text) > MAX_ARGUMENTS or not _ARGUMENTS.fullmatch(text):
        expected = (
            f"digits, each with or without an ASCII text, are expected, for example 0='a',1: at most {MAX_ARGUMENTS}"
        )
        raise bad_input(f"Invalid arguments; {expected} characters.", "arguments")
    digits = re.findall(rf"(?:^|,){_ARGUMENT}(?=,|$)", text)
    if len(set(digits)) < len(digits):
        raise bad_input("Duplicate digit in the arguments; each may occur once.", "arguments")
    return text


def _write_attributes(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    request = _with_path(request, given)
    if given.attributes is None:
        raise bad_input("Missing `attributes`.", "attributes")
    depth = LwM2mPath.parse(request.path or "").depth
    return replace(request, attributes=attributes(given.attributes, depth, "attributes"))


def _with_paths(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    texts = given.paths or []
    if not 1 <= len(texts) <= MAX_PATHS:
        raise bad_input(f"Invalid number of paths ({len(texts)}); 1 to {MAX_PATHS} are expected.", "paths")
    paths = [_path(request.kind, text, f"paths.{index}") for index, text in enumerate(texts)]
    _check_apart(paths, "paths")
    return replace(request, paths=tuple(map(str, paths)))


def _write_composite(request: OperationRequest, given: DeviceOperationTemplateInput) -> OperationRequest:
    commands = given.values or []
    if not 1 <= len(commands) <= MAX_PATHS:
        raise bad_input(f"Invalid number of values ({len(commands)}); 1 to {MAX_PATHS} are expected.", "values")
    pairs = [_member(request.kind, command, f"values.{index}") for index, command in enumerate(commands)]
    _check_apart([path for path, _ in pairs], "values")
    values = {str(path): value for path, value in pairs}
    return replace(request, paths=tuple(values), values=values)


def _member(kind: OperationKind, command: CompositeValueInput, field: str) -> tuple[LwM2mPath, Mapping[str, JsonValue]]:
    path = _path(kind, command.path, f"{field}.path")
    return path, single_value(command.value, f"{field}.value").as_json()


def _check_apart(paths: list[LwM2mPath], field: str) -> None:
    """Check that the paths are distinct, and that none is part of another."""
    for index, path in enumerate(paths):
        if path in paths[:index]:
            raise bad_input(f"Duplicate path {path}.", f"{field}.{index}")
    found = overlap(paths)
    if found is not None:
        index, above = found
        message = f"Path {paths[index]} is part of {above}; paths that do not overlap are expected."
        raise bad_input(message, f"{field}.{index}")


_COMPLETE: Final[
    Mapping[OperationKind, Callable[[OperationRequest, DeviceOperationTemplateInput], OperationRequest]]
] = {
    **dict.fromkeys(COMPOSITES, _with_paths),
    _K.WRITE: _write,
    _K.CREATE: _create,
    _K.EXECUTE: _execute,
    _K.WRITE_ATTRIBUTES: _write_attributes,
    _K.WRITE_COMPOSITE: _write_composite,
}


def _format(given: ContentFormat | None, kind: OperationKind) -> ContentFormat | None:
    if given is not None and kind in COMPOSITES and given not in _COMPOSITE_FORMATS:
        raise bad_input(f"{kind} does not support {given}; SENML_JSON or SENML_CBOR is expected.", "format")
    return given


def _check_replace(request: OperationRequest) -> None:
    """Reject a partial update of a single resource, as Leshan does (``captures/m18-rest.json``)."""
    if request.replace:
        return
    multiple = isinstance(request.value, Mapping) and request.value_type is not None and request.value.keys() != _LINK
    if request.kind is not OperationKind.WRITE or not (request.value_type is None or multiple):
        message = "`replace: false` is for a WRITE to an object instance or to a multiple-instance resource only."
        raise bad_input(message, "replace")
    if request.value == {}:
        message = "A partial update without instances changes nothing; use `replace: true` to clear the resource."
        raise bad_input(message, "replace")


_LINK: Final = {"objectId", "objectInstanceId"}


@dataclass(frozen=True, slots=True)
class OperationTemplate:
    """The input of an operation, checked as far as it does not depend on the endpoint.

    Attributes:
        settings: the given settings of :class:`NewOperation`, and the defaults of the others.
        ranges: whether values must be in the ranges of the object models.
    """

    request: OperationRequest
    settings: Mapping[str, Any]
    ranges: bool
    fingerprint: str

    def fitted(self, model_of: ModelOf, registered: Collection[int] | None) -> tuple[OperationRequest, bool]:
        """Return the request to an endpoint with these object models, and whether all of it was checked against them.

        Args:
            model_of: returns the endpoint's object model of an object id; None if it is not known.
            registered: ids of the objects that the endpoint has registered; None if it is not registered.

        Raises:
            ApiError: BAD_USER_INPUT with ``field``.
        """
        try:
            validated = validate(self.request, model_of, registered=registered, ranges=self.ranges)
        except InvalidOperation as error:
            raise bad_input(str(error), error.field) from None
        return typed_by_model(self.request, model_of), validated


def operation_template(given: DeviceOperationTemplateInput, defaults: Defaults, now: Instant) -> OperationTemplate:
    """Return the checked input of an operation.

    Args:
        now: the current time, from which ``notBefore`` is limited.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    request = operation_request(given, defaults.timeout_seconds)
    _check_opaque(request, defaults.max_opaque)
    settings = checked_values(given, settings=True)
    _check_not_before(given, now)
    by_default = {
        "max_attempts": defaults.max_attempts,
        "repeatable": repeatable_by_kind(request.kind, request.path),
    }
    return OperationTemplate(
        request=request,
        settings=by_default | settings,
        ranges=given.validate_range is not False,
        fingerprint=fingerprint(request, given, settings),
    )


def new_operation(
    given: CreateDeviceOperationInput,
    defaults: Defaults,
    model_of: ModelOf,
    *,
    registered: Collection[int] | None = None,
    id_: str,
    created_by: str,
    now: Instant,
) -> NewOperation:
    """Return the operation for the ledger to create.

    Args:
        model_of, registered: as for :meth:`OperationTemplate.fitted`.
        now: as for :func:`operation_template`.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``.
    """
    template = operation_template(given, defaults, now)
    request, validated = template.fitted(model_of, registered)
    return NewOperation(
        id=id_,
        request=request,
        validated=validated,
        fingerprint=template.fingerprint,
        created_by=created_by,
        trace=current_trace(),
        **template.settings,
    )


def _check_not_before(given: DeviceOperationTemplateInput, now: Instant) -> None:
    if given.not_before is None:
        return
    if given.not_before > now + MAX_DAYS_AHEAD * 86_400 * SECOND:
        raise bad_input(f"Time too late; at most {MAX_DAYS_AHEAD} days from now are expected.", "notBefore")
    if given.ttl_seconds is not None and given.not_before >= now + given.ttl_seconds * SECOND:
        message = "`notBefore` is not before the end of `ttlSeconds`: the operation would expire before it is sent."
        raise bad_input(message, "notBefore")


def _check_opaque(request: OperationRequest, most: int) -> None:
    """Check OPAQUE values against the limit of the settings, which is at most :data:`MAX_OPAQUE_BYTES`."""
    if any(len(digits) > 2 * most for digits in _opaque_values(request)):
        message = (
            f"OPAQUE value too large; at most {most} bytes are allowed (REVEILLE_MAX_OPAQUE, up to {MAX_OPAQUE_BYTES})."
        )
        raise bad_input(message, "values" if request.values else "value")


def _opaque_values(request: OperationRequest) -> Iterator[str]:
    """Yield the hexadecimal digits of every OPAQUE value that an operation writes, also of invalid ones."""
    if request.value_type is ValueType.OPAQUE:
        yield from request.value.values() if isinstance(request.value, dict) else (request.value,)
    yield from (command["value"] for command in request.values.values() if command["type"] == ValueType.OPAQUE)
    nodes = request.value["resources"] if isinstance(request.value, dict) and request.value_type is None else ()
    for node in nodes:
        many = node.get("values")
        values = (node.get("value"), *(many.values() if isinstance(many, dict) else ()))
        yield from (value for value in values if node.get("type") == ValueType.OPAQUE and isinstance(value, str))


def fingerprint(request: OperationRequest, given: DeviceOperationTemplateInput, settings: Mapping[str, Any]) -> str:
    """Return a digest of the input. Defaults from the settings are excluded, so that a changed setting does not make it
    a different input."""
    facts: dict[str, Any] = {
        "endpoint": request.endpoint,
        "kind": request.kind,
        "paths": request.paths,
        "type": request.value_type,
        "value": request.value,
        "values": request.values,
        "replace": request.replace,
        "arguments": request.arguments,
        "attributes": request.attributes,
        "format": request.format,
        "timeout": given.timeout_seconds,
        "priority": given.priority or 0,
        "maxAttempts": given.max_attempts,
        "repeatable": given.repeatable,
        "ttl": given.ttl_seconds,
        "supersede": bool(given.supersede),
    }
    # only if they are given, so that stored digests of inputs without them stay valid
    facts |= {name: value for name, value in settings.items() if name not in _DIGESTED}
    if given.validate_range is False:
        facts["validateRange"] = False
    return digest(facts)


_DIGESTED: Final = frozenset({"priority", "max_attempts", "repeatable", "ttl_seconds", "supersede", "idempotency_key"})
"""Settings that are in every digest, and the key that it belongs to."""


def digest(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON with sorted keys, in hexadecimal digits."""
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
