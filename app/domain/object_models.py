"""LwM2M object models: the definitions of a device's resources, by object id and version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

from app.domain.enums import ValueType
from app.domain.paths import MAX_ID, LwM2mPath
from app.domain.values import JsonValue


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
    description: str = ""


@dataclass(frozen=True, slots=True)
class ObjectModel:
    """An object's definition as in Leshan's ``/objectspecs``."""

    id: int
    version: str
    name: str
    multiple: bool
    resources: Mapping[int, ResourceModel]
    mandatory: bool = False
    description: str = ""


Models: TypeAlias = Callable[[int], ObjectModel | None]
"""A function that returns the model of an object by its id, or None if it is not known."""

Versions: TypeAlias = Mapping[int, str]
"""Versions of a device's objects, by object id."""

DEFAULT_VERSION: Final = "1.0"
"""The default version of an object whose link has no ``ver``, unless the LwM2M release itself defines it (see
below)."""

_CORE_VERSIONS: Final[Mapping[str, Mapping[int, str]]] = {
    "1.1": {0: "1.1", 1: "1.1", 3: "1.1", 4: "1.2"},
    "1.2": {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1", 21: "2.0"},
}
"""The versions of the core objects by LwM2M release, where they are not 1.0: the meaning of an object link without
``ver`` for a device that registered with that release.

1.1 as in Leshan 2.0.0-M18 (``LwM2mCoreObjectVersionRegistry``: that of 1.1.1 where 1.1 and 1.1.1 differ, which is
object 4). 1.2 as in the OMA registry (``DDF.xml``: the objects whose specification is LwM2M Core 1.2); M18 refuses such
registrations with 4.12, other servers may not. Core objects that are not listed are 1.0.
"""

VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
"""The form of an object version, whether a device or Leshan reports it."""

_LINK: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})")
_INSTANCE_LINK: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})/([0-9]{1,5})")
_RESOURCE_FIELDS: Final = tuple(field.name for field in fields(ResourceModel))


def model_to_json(model: ObjectModel) -> dict[str, JsonValue]:
    """Return a model in a plain form for storing, which :func:`model_from_json` reads back."""
    resources = [
        {name: getattr(resource, name) for name in _RESOURCE_FIELDS}
        | {"type": str(resource.type) if resource.type else None}
        for resource in model.resources.values()
    ]
    # apart from the resources: a version that does not know descriptions reads these rows, too
    descriptions = {str(resource["id"]): resource.pop("description") for resource in resources}
    return {
        "id": model.id,
        "version": model.version,
        "name": model.name,
        "multiple": model.multiple,
        "mandatory": model.mandatory,
        "description": model.description,
        "descriptions": descriptions,
        "resources": resources,
    }


def model_from_json(stored: Mapping[str, JsonValue]) -> ObjectModel:
    """Return the model that :func:`model_to_json` stored."""
    descriptions = stored.get("descriptions", {})
    resources = [
        ResourceModel(
            **{**resource, "type": ValueType(resource["type"]) if resource["type"] else None},
            description=descriptions.get(str(resource["id"]), ""),
        )
        for resource in stored["resources"]
    ]
    return ObjectModel(
        id=stored["id"],
        version=stored["version"],
        name=stored["name"],
        multiple=stored["multiple"],
        mandatory=stored.get("mandatory", False),
        description=stored.get("description", ""),
        resources={resource.id: resource for resource in resources},
    )


def object_versions(
    object_links: Sequence[Mapping[str, JsonValue]] | None, lwm2m_version: str | None
) -> dict[int, str]:
    """Return the objects of a registration with their versions: ``ver`` of the object's link, otherwise the default
    version of the LwM2M release that the device registered with, which is 1.0 for all but core objects.

    The attribute is quoted or bare (``"1.1"``, ``1.1``), and links may be below an alternate path (``/lwm2m/3``).
    """
    defaults = _CORE_VERSIONS.get(lwm2m_version or "", {})
    versions: dict[int, str] = {}
    for link in object_links or ():
        url = str(link.get("url", ""))
        named = _INSTANCE_LINK.fullmatch(url) or _LINK.fullmatch(url)
        if named is None or int(named[1]) > MAX_ID:
            continue
        object_id, version = int(named[1]), _version(link.get("attributes"))
        if version or object_id not in versions:
            versions[object_id] = version or defaults.get(object_id, DEFAULT_VERSION)
    return versions


def _version(attributes: JsonValue) -> str | None:
    version = attributes.get("ver") if isinstance(attributes, Mapping) else None
    plain = isinstance(version, str | float | int) and not isinstance(version, bool)
    text = str(version).strip('"') if plain else ""
    return text if VERSION.fullmatch(text) else None


def registered_instances(object_links: Sequence[Mapping[str, JsonValue]] | None) -> dict[int, set[int]] | None:
    """Return the instance ids of the objects of a registration, by object id (none for an object without
    instances); None if it has no object links."""
    if object_links is None:
        return None
    instances: dict[int, set[int]] = {}
    for link in object_links:
        url = str(link.get("url", ""))
        named = _INSTANCE_LINK.fullmatch(url) or _LINK.fullmatch(url)
        ids = tuple(map(int, named.groups())) if named else ()
        if ids and max(ids) <= MAX_ID:
            instances.setdefault(ids[0], set()).update(ids[1:])
    return instances


def resource_model(models: Models, path: LwM2mPath) -> ResourceModel | None:
    """Return the model of the resource at a path, or of its instance; None if it is not known."""
    model = models(path.object_id)
    return model.resources.get(path.ids[2]) if model else None


def stand_in(models: Sequence[ObjectModel]) -> ObjectModel:
    """Return the common part of several versions of an object: the resources that have the same type and multiplicity
    in each of the ``models`` (at least one) that defines them."""
    agreed: dict[int, ResourceModel] = {}
    for resource_id in {id_ for model in models for id_ in model.resources}:
        found = [model.resources[resource_id] for model in models if resource_id in model.resources]
        if len({(resource.type, resource.multiple) for resource in found}) == 1:
            agreed[resource_id] = found[-1]
    return replace(models[-1], resources=agreed)


def major(version: str) -> str:
    """Return the part of an object's version that changes when a later one is incompatible (LwM2M Core 1.1, 7.2.1)."""
    return version.partition(".")[0]


def with_known_formats(
    known: Sequence[Mapping[str, JsonValue]] | None, links: Sequence[Mapping[str, JsonValue]]
) -> list[Mapping[str, JsonValue]]:
    """Return the links of an update with the known content formats (``ct``) of the root link.

    A client that created or deleted an instance updates its links and leaves the root's ``ct`` out; its formats are
    unchanged (seen with Leshan's own client, 2.0.0-M18).
    """
    formats = next((_formats(link) for link in known or () if _formats(link) is not None), None)
    if formats is None or any(_formats(link) is not None for link in links):
        return list(links)
    return [_with_formats(link, formats) if link.get("url") == "/" else link for link in links]


def _formats(link: Mapping[str, JsonValue]) -> JsonValue:
    attributes = link.get("attributes")
    return attributes.get("ct") if isinstance(attributes, Mapping) else None


def _with_formats(link: Mapping[str, JsonValue], formats: JsonValue) -> Mapping[str, JsonValue]:
    attributes = link.get("attributes")
    return {**link, "attributes": {**(attributes if isinstance(attributes, Mapping) else {}), "ct": formats}}
