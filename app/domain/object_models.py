"""LwM2M object models: what a device's own object definitions say of a resource, by object id and version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.words import ValueType


@dataclass(frozen=True, slots=True)
class ResourceModel:
    """One resource of an object. ``type`` is None for an executable one; ``operations`` is R, W, RW, E or empty."""

    id: int
    name: str
    operations: str
    multiple: bool
    mandatory: bool
    type: ValueType | None
    range: str = ""
    units: str = ""


@dataclass(frozen=True, slots=True)
class ObjectModel:
    """An object's definition as Leshan's ``/objectspecs`` tells it."""

    id: int
    version: str
    name: str
    multiple: bool
    resources: Mapping[int, ResourceModel]
