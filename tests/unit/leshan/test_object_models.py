"""Object models as Leshan sends them, stored and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.domain.enums import ValueType
from app.domain.object_models import model_from_json, model_to_json, object_versions, with_known_formats
from app.leshan.object_models import InvalidModels, parse_object_specs
from tests.unit.leshan.captures import load


def test_the_recorded_models() -> None:
    models = {model.id: model for model in parse_object_specs(load("m18-objectspecs.json"))}
    device, test_object = models[3], models[3442]
    assert (device.version, device.multiple, test_object.multiple) == ("1.2", False, True)
    assert (device.resources[4].operations, device.resources[4].type) == ("E", None)
    assert (device.resources[11].multiple, device.resources[11].operations) == (True, "R")
    assert device.resources[13].type is ValueType.TIME
    assert {resource.type for resource in test_object.resources.values()} == {*ValueType, None}


def test_a_stored_model_is_read_unchanged() -> None:
    for model in parse_object_specs(load("m18-objectspecs.json")):
        assert model_from_json(json.loads(json.dumps(model_to_json(model)))) == model


@pytest.mark.parametrize(
    "spec",
    [
        7,
        {},
        {"id": "3", "resourcedefs": []},
        {"id": 70_000, "resourcedefs": []},
        {"id": True, "resourcedefs": []},
        {"id": 3, "resourcedefs": {}},
        {"id": 3, "resourcedefs": [], "version": "1.1-a-version-of-our-own"},
    ],
)
def test_an_invalid_model_is_omitted(spec: Any) -> None:
    assert parse_object_specs([spec]) == []


def test_an_invalid_resource_is_omitted() -> None:
    spec = {"id": 3, "resourcedefs": [{"id": -1}, "x", {"id": 1, "type": "wave", "operations": None}]}
    model = parse_object_specs([spec])[0]
    assert model.version == "1.0"
    assert [(one.id, one.type, one.operations) for one in model.resources.values()] == [(1, None, "")]


def test_a_content_that_is_no_list_is_refused() -> None:
    with pytest.raises(InvalidModels):
        parse_object_specs({"id": 3})


def test_versions_of_the_registered_objects() -> None:
    links: list[Any] = [
        {"url": "/", "attributes": {"ver": "9.9"}},
        {"url": "/1/0", "attributes": {}},
        {"url": "/3", "attributes": {"ver": "1.2"}},
        {"url": "/3/0", "attributes": {}},
        {"url": "/5/0", "attributes": {}},
        {"url": "/5", "attributes": {"ver": '"1.1"'}},
        {"url": "/lwm2m/6/0", "attributes": None},
        {"url": "/7", "attributes": {"ver": 2.0}},
        {"url": "/8", "attributes": {"ver": ["1.1"]}},
        {"url": "/99999"},
        {"url": 5},
    ]
    assert object_versions(links, "1.0") == {1: "1.0", 3: "1.2", 5: "1.1", 6: "1.0", 7: "2.0", 8: "1.0"}
    assert object_versions(None, "1.1") == {}


@pytest.mark.parametrize(
    ("release", "versions"),
    [
        ("1.0", ["1.0", "1.0", "1.0", "1.0", "1.0", "1.0", "1.0", "1.0"]),
        ("1.1", ["1.1", "1.1", "1.0", "1.1", "1.2", "1.0", "1.0", "1.0"]),
        ("1.2", ["1.2", "1.2", "1.1", "1.2", "1.3", "1.1", "1.0", "1.0"]),
        (None, ["1.0"] * 8),
        ("4.7", ["1.0"] * 8),
    ],
)
def test_a_core_object_without_ver_has_the_version_of_the_lwm2m_release(
    release: str | None, versions: list[str]
) -> None:
    links: list[Any] = [{"url": f"/{object_id}/0", "attributes": {}} for object_id in range(8)]
    assert object_versions(links, release) == dict(enumerate(versions))
    assert object_versions([{"url": "/3303/0"}], release) == {3303: "1.0"}
    assert object_versions([{"url": "/4/0"}, {"url": "/4", "attributes": {"ver": "1.1"}}], release) == {4: "1.1"}


def test_an_update_without_formats_preserves_the_known_ones() -> None:
    known = [{"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": '"110 112"'}}, {"url": "/3/0", "attributes": {}}]
    told = [{"url": "/", "attributes": {"rt": '"oma.lwm2m"'}}, {"url": "/3442/7", "attributes": {}}]
    assert with_known_formats(known, told) == [known[0], told[1]]
    assert with_known_formats(told, known) == known
    assert with_known_formats(None, told) == told
