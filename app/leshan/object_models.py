"""Object models in Leshan's form (``GET /objectspecs/{ep}``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeGuard

from app.domain.enums import ValueType
from app.domain.object_models import DEFAULT_VERSION, VERSION, ObjectModel, ResourceModel
from app.domain.paths import MAX_ID
from app.domain.values import JsonValue

MAX_MODELS: Final = 2_000
MAX_RESOURCES: Final = 20_000
"""Maximum object models of one endpoint and resources of all of them; the OMA registry has 751 and some 8,000."""

MAX_TEXT: Final = 1_000
"""Maximum characters kept of a name, a description, a range or a unit."""


class InvalidModels(ValueError):
    """Raised if Leshan's response is not a list of object models."""


def parse_object_specs(specs: JsonValue) -> list[ObjectModel]:
    """Read ``/objectspecs``. An invalid model or resource is left out: without a model no operation is refused.

    Raises:
        InvalidModels: it is no list at all, or holds more than any device has.
    """
    if not isinstance(specs, list):
        raise InvalidModels("a list of object models is expected")
    if len(specs) > MAX_MODELS or sum(map(_definitions, specs)) > MAX_RESOURCES:
        raise InvalidModels(f"more than {MAX_MODELS} object models, or {MAX_RESOURCES} resources")
    models = (_object_model(spec) for spec in specs if isinstance(spec, Mapping))
    return [model for model in models if model is not None]


def _definitions(spec: JsonValue) -> int:
    definitions = spec.get("resourcedefs") if isinstance(spec, Mapping) else None
    return len(definitions) if isinstance(definitions, list) else 0


def _object_model(spec: Mapping[str, JsonValue]) -> ObjectModel | None:
    id_, definitions = spec.get("id"), spec.get("resourcedefs")
    version = _text(spec, "version") or DEFAULT_VERSION
    if not _is_id(id_) or not isinstance(definitions, list) or not VERSION.fullmatch(version):
        return None
    resources = (_resource_model(definition) for definition in definitions if isinstance(definition, Mapping))
    return ObjectModel(
        id=id_,
        version=version,
        name=_text(spec, "name"),
        multiple=spec.get("instancetype") == "multiple",
        mandatory=spec.get("mandatory") is True,
        description=_text(spec, "description"),
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
        description=_text(definition, "description"),
    )


def _value_type(text: str) -> ValueType | None:
    """Return the type; None for ``none`` (an executable), and for a type that this version does not know."""
    try:
        return ValueType(text.upper())
    except ValueError:
        return None


def _text(spec: Mapping[str, JsonValue], key: str) -> str:
    value = spec.get(key)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _is_id(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID
