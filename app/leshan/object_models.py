"""Object models as Leshan tells them (``GET /objectspecs/{ep}``), and in a plain form for storing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeGuard

from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.paths import MAX_ID
from app.domain.values import JsonValue
from app.domain.words import ValueType

DEFAULT_VERSION: Final = "1.0"
"""The version of an object whose link has no ``ver`` (LwM2M Core 1.1, 7.2.2)."""

_OBJECT_URL: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})")
_INSTANCE_URL: Final = re.compile(r"/(?:.*/)?([0-9]{1,5})/[0-9]{1,5}")


class InvalidModels(ValueError):
    """What Leshan sent is no list of object models."""


def parse_object_specs(specs: JsonValue) -> list[ObjectModel]:
    """Read ``/objectspecs``. A model or resource that makes no sense is left out: without one nothing is refused.

    Raises:
        InvalidModels: it is no list at all.
    """
    if not isinstance(specs, list):
        raise InvalidModels("a list of object models is expected")
    models = (_object_model(spec) for spec in specs if isinstance(spec, Mapping))
    return [model for model in models if model is not None]


def _object_model(spec: Mapping[str, JsonValue]) -> ObjectModel | None:
    id_, definitions = spec.get("id"), spec.get("resourcedefs")
    if not _is_id(id_) or not isinstance(definitions, list):
        return None
    resources = (_resource_model(definition) for definition in definitions if isinstance(definition, Mapping))
    return ObjectModel(
        id=id_,
        version=_text(spec, "version") or DEFAULT_VERSION,
        name=_text(spec, "name"),
        multiple=spec.get("instancetype") == "multiple",
        resources={resource.id: resource for resource in resources if resource is not None},
    )


def _resource_model(definition: Mapping[str, JsonValue]) -> ResourceModel | None:
    id_ = definition.get("id")
    if not _is_id(id_):
        return None
    return ResourceModel(
        id=id_,
        name=_text(definition, "name"),
        operations=_text(definition, "operations").upper().removeprefix("NONE"),
        multiple=definition.get("instancetype") == "multiple",
        mandatory=definition.get("mandatory") is True,
        type=_value_type(_text(definition, "type")),
        range=_text(definition, "range"),
        units=_text(definition, "units"),
    )


def _value_type(text: str) -> ValueType | None:
    """``none`` (an executable), and a type that this version does not know, say nothing of the value."""
    try:
        return ValueType(text.upper())
    except ValueError:
        return None


def _text(spec: Mapping[str, JsonValue], key: str) -> str:
    value = spec.get(key)
    return value if isinstance(value, str) else ""


def _is_id(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID


def model_to_json(model: ObjectModel) -> dict[str, JsonValue]:
    """A model in a plain form for storing, that :func:`model_from_json` reads back."""
    return {
        "id": model.id,
        "version": model.version,
        "name": model.name,
        "multiple": model.multiple,
        "resources": [
            {
                "id": resource.id,
                "name": resource.name,
                "operations": resource.operations,
                "multiple": resource.multiple,
                "mandatory": resource.mandatory,
                "type": str(resource.type) if resource.type else None,
                "range": resource.range,
                "units": resource.units,
            }
            for resource in model.resources.values()
        ],
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
    """The objects a registration names, with their versions: ``ver`` of the object's link, else 1.0.

    The attribute is quoted or bare (``"1.1"``, ``1.1``), and links may stand below an alternate path (``/lwm2m/3``).
    """
    versions: dict[int, str] = {}
    for link in object_links or ():
        url = str(link.get("url", ""))
        prefix = _INSTANCE_URL.fullmatch(url) or _OBJECT_URL.fullmatch(url)
        if prefix is None or int(prefix[1]) > MAX_ID:
            continue
        told = _version(link.get("attributes"))
        if told or int(prefix[1]) not in versions:
            versions[int(prefix[1])] = told or DEFAULT_VERSION
    return versions


def _version(attributes: JsonValue) -> str | None:
    told = attributes.get("ver") if isinstance(attributes, Mapping) else None
    text = str(told).strip('"') if isinstance(told, str | float | int) and not isinstance(told, bool) else ""
    return text if re.fullmatch(r"\d{1,3}\.\d{1,3}", text) else None
