"""A model of another version is used for reading only where it cannot give a wrong value."""

from __future__ import annotations

import pytest

from app.domain.enums import ValueType
from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.values import TypedValue
from app.leshan.nodes import decode_content
from app.models.object_models import ObjectModelCache

T = ValueType


def model(object_id: int, version: str, *resources: tuple[int, ValueType] | tuple[int, ValueType, bool]) -> ObjectModel:
    """Return a model with these resources: id, type, and whether it is multiple."""
    return ObjectModel(
        object_id,
        version,
        "An object",
        multiple=True,
        resources={
            id_: ResourceModel(id_, "A resource", "RW", multiple=bool(more), mandatory=False, type=type_)
            for id_, type_, *more in resources
        },
    )


def shelf_of(*models: ObjectModel) -> ObjectModelCache:
    shelf = ObjectModelCache(1)
    for one in models:
        shelf._put(one)
    return shelf


def read(shelf: ObjectModelCache, versions: dict[int, str], path: str, type_: str, value: str) -> TypedValue:
    """Return the displayed form of a value that Leshan sent."""
    node = {"kind": "singleResource", "id": int(path.rpartition("/")[2]), "type": type_, "value": value}
    decoded = decode_content(None, {path: node}, shelf.of(versions))
    assert not decoded.problems
    return decoded.values[path]


LAMP_1 = model(3416, "1.0", (1, T.INTEGER), (26, T.STRING))
LAMP_2 = model(3416, "2.0", (1, T.INTEGER), (26, T.INTEGER))


@pytest.mark.parametrize("known", [[LAMP_2], [LAMP_2, model(3416, "2.1", (26, T.INTEGER))]])
def test_a_later_major_version_is_not_used(known: list[ObjectModel]) -> None:
    """Object 3416: a resource that is STRING in 1.0, here ``2700``, is INTEGER in 2.0. Leshan has no model of 1.0."""
    assert read(shelf_of(*known), {3416: "1.0"}, "/3416/0/26", "OPAQUE", "32373030") == TypedValue(T.OPAQUE, "32373030")


def test_the_exact_model_is_preferred_over_others() -> None:
    shelf = shelf_of(LAMP_2, LAMP_1)
    assert read(shelf, {3416: "1.0"}, "/3416/0/26", "OPAQUE", "32373030") == TypedValue(T.STRING, "2700")
    assert read(shelf, {3416: "2.0"}, "/3416/0/26", "OPAQUE", "0a8c") == TypedValue(T.INTEGER, "2700")


def test_a_compatible_version_is_used() -> None:
    shelf = shelf_of(model(3303, "1.1", (5700, T.FLOAT), (5518, T.TIME)))
    assert read(shelf, {3303: "1.0"}, "/3303/0/5700", "OPAQUE", "4039800000000000") == TypedValue(T.FLOAT, 25.5)


@pytest.mark.parametrize("other", [(2, T.STRING), (2, T.INTEGER, True)], ids=["type", "multiplicity"])
def test_compatible_versions_that_disagree_are_not_used(other: tuple[int, ValueType]) -> None:
    shelf = shelf_of(model(7, "1.0", (1, T.INTEGER), (2, T.INTEGER)), model(7, "1.1", (1, T.INTEGER), other))
    assert read(shelf, {7: "1.2"}, "/7/0/1", "OPAQUE", "05") == TypedValue(T.INTEGER, "5")
    assert read(shelf, {7: "1.2"}, "/7/0/2", "OPAQUE", "05") == TypedValue(T.OPAQUE, "05")


def test_a_device_of_unknown_version_is_decoded_by_common_definitions() -> None:
    shelf = shelf_of(LAMP_1, LAMP_2)
    assert read(shelf, {}, "/3416/0/1", "OPAQUE", "05") == TypedValue(T.INTEGER, "5")
    assert read(shelf, {}, "/3416/0/26", "OPAQUE", "32373030") == TypedValue(T.OPAQUE, "32373030")


def test_a_newer_text_of_a_version_replaces_it() -> None:
    shelf = shelf_of(model(7, "1.0", (2, T.INTEGER)), model(7, "1.0", (2, T.STRING)))
    assert read(shelf, {7: "1.1"}, "/7/0/2", "OPAQUE", "35") == TypedValue(T.STRING, "5")
