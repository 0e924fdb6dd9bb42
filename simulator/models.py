"""The simulated devices' object models: facts of the OMA registry, stored in ``models.json`` without the
descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

Json = Any
"""Any JSON value."""

NOW: Final = "now"
"""In ``models.json``: this TIME is the device's clock."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. ``type`` is named as in node JSON (``"UNSIGNED_INTEGER"``, ``"NONE"`` of an executable)."""

    id: int
    name: str
    operations: str
    multiple: bool
    mandatory: bool
    type: str
    range: str
    units: str

    @property
    def readable(self) -> bool:
        return "R" in self.operations

    @property
    def writable(self) -> bool:
        return "W" in self.operations

    @property
    def executable(self) -> bool:
        return self.operations == "E"

    def spec(self) -> dict[str, Json]:
        """Return the form of ``GET /objectspecs``."""
        return {
            "id": self.id,
            "name": self.name,
            "operations": self.operations,
            "instancetype": "multiple" if self.multiple else "single",
            "mandatory": self.mandatory,
            "type": self.type.lower(),
            "range": self.range,
            "units": self.units,
            "description": "",
        }


@dataclass(frozen=True, slots=True)
class Model:
    """One object. ``values`` are those of a new instance; ``undiscovered`` resources the demo client does not list."""

    id: int
    name: str
    version: str
    urn: str
    lwm2m_version: str
    multiple: bool
    mandatory: bool
    undiscovered: frozenset[int]
    resources: Mapping[int, Resource]
    values: Mapping[int, Json]

    def spec(self) -> dict[str, Json]:
        """Return the form of ``GET /objectspecs``."""
        return {
            "id": self.id,
            "name": self.name,
            "instancetype": "multiple" if self.multiple else "single",
            "mandatory": self.mandatory,
            "urn": self.urn,
            "version": self.version,
            "lwm2mversion": self.lwm2m_version,
            "description": "",
            "description2": "",
            "resourcedefs": [resource.spec() for resource in self.resources.values()],
        }

    def listed_executables(self) -> Iterable[int]:
        """Return the resources that DISCOVER lists although they have no value."""
        return (r.id for r in self.resources.values() if r.executable and r.id not in self.undiscovered)


def _resource(row: list[Json]) -> Resource:
    id_, name, operations, multiple, mandatory, type_, range_, units = row
    return Resource(id_, name, operations, multiple, mandatory, type_.upper(), range_, units)


def _value(value: Json, resource: Resource) -> Json:
    return {int(key): item for key, item in value.items()} if resource.multiple else value


def _model(object_id: str, facts: dict[str, Json]) -> Model:
    rows = {row[0]: _resource(row) for row in facts["resources"]}
    return Model(
        id=int(object_id),
        name=facts["name"],
        version=facts["version"],
        urn=facts["urn"],
        lwm2m_version=facts["lwm2mversion"],
        multiple=facts["multiple"],
        mandatory=facts["mandatory"],
        undiscovered=frozenset(facts["undiscovered"]),
        resources=rows,
        values={int(key): _value(value, rows[int(key)]) for key, value in facts["values"].items()},
    )


def _load() -> dict[int, Model]:
    text = resources.files(__package__).joinpath("models.json").read_text("utf-8")
    return {int(object_id): _model(object_id, facts) for object_id, facts in json.loads(text).items()}


MODELS: Final[Mapping[int, Model]] = _load()
"""All objects that a simulated device can have, by object id."""


def resource_model(object_id: int, resource_id: int) -> Resource | None:
    """Return the model of a resource, None if it is not known."""
    model = MODELS.get(object_id)
    return model.resources.get(resource_id) if model else None
