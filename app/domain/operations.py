"""An operation's request to the device, the object instances that it touches, and whether it may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.kinds import KINDS
from app.domain.paths import LwM2mPath
from app.domain.values import JsonValue


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """The request to a device: everything that the Leshan client needs for a call, and nothing about its progress.

    Attributes:
        path: ``"/5/0/1"``; None for the composites.
        paths: all paths, also of a single one.
        value_type, value: WRITE of a resource or of a resource instance, in the contract's form. For a whole instance
            (WRITE to an object instance, CREATE) ``value_type`` is None and ``value`` is Leshan's instance node. The
            content of a firmware package is ``{"firmwarePackage": id}`` (:attr:`package_id`).
        values: WRITE_COMPOSITE: path -> ``{"type": .., "value": ..}``.
        attributes: WRITE_ATTRIBUTES: name -> number, only those to be set.
        timeout_seconds: the time for which Leshan waits for the device.
    """

    endpoint: str
    kind: OperationKind
    path: str | None = None
    paths: tuple[str, ...] = ()
    value_type: ValueType | None = None
    value: JsonValue = None
    values: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    replace: bool = True
    arguments: str | None = None
    attributes: Mapping[str, JsonValue] = field(default_factory=dict)
    format: ContentFormat | None = None
    timeout_seconds: int = 30

    @property
    def package_id(self) -> int | None:
        """The firmware package whose content is the value; None if the value is given itself."""
        if self.value_type is not ValueType.OPAQUE or not isinstance(self.value, dict):
            return None
        id_: int | None = self.value.get(PACKAGE_REFERENCE)
        return id_


PACKAGE_REFERENCE: Final = "firmwarePackage"
"""The key of an OPAQUE value that names a firmware package instead of having its content."""

TURN_ENDERS: Final = frozenset({(3, 4), (3, 5), (5, 2), (9, 4), (9, 6), (1, 4), (1, 9)})
"""(object, resource) whose EXECUTE takes the device down: reboot, factory reset, firmware update, software install and
uninstall, disable, bootstrap request trigger (LwM2M Core 1.1 objects 1 and 3; firmware 5; software management 9)."""

REGISTRATION_UPDATE_TRIGGER: Final = (1, 8)
"""Executing it twice has the same effect as executing it once, so it is repeatable."""


def execute_target(kind: OperationKind, path: str | None) -> tuple[int, int] | None:
    """Return (object id, resource id) of an EXECUTE, None for all other kinds."""
    if kind is not OperationKind.EXECUTE or path is None:
        return None
    object_id, _, resource_id = path.strip("/").split("/")
    return int(object_id), int(resource_id)


def is_turn_ender(kind: OperationKind, path: str | None) -> bool:
    """Return whether the operation takes the device down, so that nothing may follow before the device is back."""
    return execute_target(kind, path) in TURN_ENDERS


def repeatable_by_kind(kind: OperationKind, path: str | None) -> bool:
    """Return whether executing the operation twice has the same effect as executing it once: by its kind, and for an
    EXECUTE of 1/x/8."""
    return KINDS[kind].repeatable or execute_target(kind, path) == REGISTRATION_UPDATE_TRIGGER


Instances: TypeAlias = frozenset[tuple[int, int | None]] | None
"""The object instances that an operation touches, as (object id, instance id); the instance id is None for a whole
object. None is the whole device."""


def instances_of(kind: OperationKind, path: str | None, paths: Sequence[str]) -> Instances:
    """Return the object instances that an operation reads or changes.

    A path of a whole object (``/5``) touches all its instances, a composite those of all its paths. A turn-ender
    touches the whole device: operations queued before it are meant to be done before the device goes down, and
    operations queued behind it when the device is back (``docs/decisions/0017-order-after-an-error.md``).
    """
    if is_turn_ender(kind, path):
        return None
    targets = (LwM2mPath.parse(text).ids for text in (paths if path is None else (path,)))
    return frozenset((ids[0], ids[1] if len(ids) > 1 else None) for ids in targets)


def conflict(one: Instances, other: Instances) -> bool:
    """Return whether two operations touch the same object instance, so that their order must be kept."""
    if one is None or other is None:
        return True
    return any(
        object_id == their_object and (instance == their_instance or instance is None or their_instance is None)
        for object_id, instance in one
        for their_object, their_instance in other
    )
