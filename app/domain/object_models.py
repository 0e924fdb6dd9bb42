"""LwM2M object models: what a device's own object definitions say of a resource, by object id and version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from app.domain.paths import MAX_ID
from app.domain.values import JsonValue
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


DEFAULT_VERSION: Final = "1.0"
"""The version of an object whose link has no ``ver`` (LwM2M Core 1.1, 7.2.2)."""

VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
"""What is a version of an object, be it a device's word or Leshan's."""

_LINK: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})")
_INSTANCE_LINK: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})/[0-9]{1,5}")


def model_to_json(model: ObjectModel) -> dict[str, JsonValue]:
    """A model in a plain form for storing, that :func:`model_from_json` reads back."""
    resources = [
        {**asdict(resource), "type": str(resource.type) if resource.type else None}
        for resource in model.resources.values()
    ]
    return {
        "id": model.id,
        "version": model.version,
        "name": model.name,
        "multiple": model.multiple,
        "resources": resources,
    }


def model_from_json(stored: Mapping[str, JsonValue]) -> ObjectModel:
    """The model that :func:`model_to_json` stored."""
    resources = [
        ResourceModel(**{**resource, "type": ValueType(resource["type"]) if resource["type"] else None})
        for resource in stored["resources"]
    ]
    return ObjectModel(
        id=stored["id"],
        version=stored["version"],
        name=stored["name"],
        multiple=stored["multiple"],
        resources={resource.id: resource for resource in resources},
    )


def object_versions(object_links: Sequence[Mapping[str, JsonValue]] | None) -> dict[int, str]:
    """The objects that a registration names, with their versions: ``ver`` of the object's link, else 1.0.

    The attribute is quoted or bare (``"1.1"``, ``1.1``), and links may stand below an alternate path (``/lwm2m/3``).
    """
    versions: dict[int, str] = {}
    for link in object_links or ():
        url = str(link.get("url", ""))
        named = _INSTANCE_LINK.fullmatch(url) or _LINK.fullmatch(url)
        if named is None or int(named[1]) > MAX_ID:
            continue
        told = _version(link.get("attributes"))
        if told or int(named[1]) not in versions:
            versions[int(named[1])] = told or DEFAULT_VERSION
    return versions


def _version(attributes: JsonValue) -> str | None:
    told = attributes.get("ver") if isinstance(attributes, Mapping) else None
    text = str(told).strip('"') if isinstance(told, str | float | int) and not isinstance(told, bool) else ""
    return text if VERSION.fullmatch(text) else None


def with_known_formats(
    known: Sequence[Mapping[str, JsonValue]] | None, told: Sequence[Mapping[str, JsonValue]]
) -> list[Mapping[str, JsonValue]]:
    """The links that an update told, with the content formats (``ct``) of the root link that we know already.

    A client that was given an instance, or lost one, updates its links and leaves the root's ``ct`` out; it speaks what
    it spoke before (seen with Leshan's own client, 2.0.0-M18).
    """
    formats = next((_formats(link) for link in known or () if _formats(link) is not None), None)
    if formats is None or any(_formats(link) is not None for link in told):
        return list(told)
    return [_with_formats(link, formats) if link.get("url") == "/" else link for link in told]


def _formats(link: Mapping[str, JsonValue]) -> JsonValue:
    attributes = link.get("attributes")
    return attributes.get("ct") if isinstance(attributes, Mapping) else None


def _with_formats(link: Mapping[str, JsonValue], formats: JsonValue) -> Mapping[str, JsonValue]:
    attributes = link.get("attributes")
    return {**link, "attributes": {**(attributes if isinstance(attributes, Mapping) else {}), "ct": formats}}
