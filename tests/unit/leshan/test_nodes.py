"""Nodes converted back into values, in three dialects; hostile nodes have no effect."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.enums import ValueType
from app.domain.object_models import ObjectModel
from app.domain.paths import LwM2mPath
from app.domain.values import TypedValue, canonical
from app.leshan.nodes import InvalidNode, decode_content, leshan_value, read_value, resource_node
from app.leshan.object_models import parse_object_specs
from tests.unit.leshan.captures import answered, load

MODELS = {model.id: model for model in parse_object_specs(load("m18-objectspecs.json"))}
T = ValueType


def models(object_id: int) -> ObjectModel | None:
    return MODELS.get(object_id)


def nothing(_object_id: int) -> None:
    return None


def contents(name: str) -> list[Any]:
    """Return (label, path, content) of every recorded response with a content; the path of a composite is None."""
    found = []
    for exchange in answered(name):
        body, path = exchange["response"]["body"], exchange["request"]["path"].partition("?")[0]
        answer = json.loads(body) if body.startswith("{") and not body.endswith("…") else {}
        if "content" in answer and path.startswith("/api/clients/"):
            path = "/" + "/".join(path.split("/")[4:]).removesuffix("/observe")
            path = None if path.startswith("/composite") else path
            found.append(pytest.param(path, answer["content"], id=exchange["label"]))
    return found


M18 = contents("m18-rest.json")


@pytest.mark.parametrize(("path", "content"), M18)
def test_every_recorded_content_is_read(path: str | None, content: Any) -> None:
    decoded = decode_content(path, content, models)
    assert decoded.problems == []
    assert decoded.values or content == {"kind": "instance", "resources": [], "id": 0}
    for text, value in decoded.values.items():
        resource = MODELS[LwM2mPath.parse(text).object_id].resources[LwM2mPath.parse(text).ids[2]]
        assert value.type is resource.type
    assert decode_content(path, content, nothing).values == decoded.values


def test_values_are_in_the_contracts_form() -> None:
    read = [decode_content(path, content, models).values for path, content in map(attrgetter("values"), M18)]
    flat = {(path, json.dumps(value.value)) for values in read for path, value in values.items()}
    assert {
        ("/3442/0/120", '"9223372036854775807"'),
        ("/3442/0/125", '"18446744073709551615"'),
        ("/3442/0/130", "1e+300"),
        ("/3442/0/140", "true"),
        ("/3442/0/150", '"00ff10"'),
        ("/3442/0/160", '"2023-11-14T22:13:20Z"'),
        ("/3442/0/170", '{"objectId": 3, "objectInstanceId": 0}'),
        ("/3442/0/180", '"</3442>"'),
        ("/3442/0/1110", '{"0": "a", "5": "b", "7": "c"}'),
        ("/3442/0/1110/5", '"z"'),
        ("/3442/0/1170", '{"0": {"objectId": 3, "objectInstanceId": 0}}'),
    } <= flat


@pytest.mark.parametrize(("path", "content"), contents("m4-rest-differences.json"))
def test_the_untyped_contents_of_m4_are_typed_by_the_model(path: str, content: Any) -> None:
    if content == {"id": 5}:
        assert decode_content(path, content, models).problems
        return
    decoded = decode_content(path, content, models)
    assert decoded.problems == []
    assert decoded.values
    assert all(value.type is typed(text) for text, value in decoded.values.items())


def typed(path: str) -> ValueType | None:
    parsed = LwM2mPath.parse(path)
    return MODELS[parsed.object_id].resources[parsed.ids[2]].type


M4 = [
    ("/3/0/0", "4c657368616e2044656d6f20446576696365", "Leshan Demo Device"),
    ("/3/0/9", "2e", "46"),
    ("/3/0/10", "00024d9c", "150940"),
    ("/3/0/13", "6b0460ff", "2026-11-23T15:51:27Z"),
    ("/3303/0/5700", 18.9, 18.9),
    ("/3303/0/5701", "cel", "cel"),
    ("/3442/0/110", "68c3a96c6c6f2022782220e282ac", 'héllo "x" €'),
    ("/3442/0/120", 1024.0, "1024"),
    ("/3442/0/120", "0400", "1024"),
    ("/3442/0/125", "8000000000000000", "9223372036854775808"),
    ("/3442/0/130", "400921f9f01b866e", 3.14159),
    ("/3442/0/140", "01", True),
    ("/3442/0/160", "0000018bcfe56800", "2023-11-14T22:13:20Z"),
    ("/3442/0/170", "00030000", {"objectId": 3, "objectInstanceId": 0}),
    ("/3442/0/180", "3c2f333434323e", "</3442>"),
]


@pytest.mark.parametrize(("path", "raw", "value"), M4)
def test_raw_values(path: str, raw: Any, value: Any) -> None:
    node = {"id": int(path.rpartition("/")[2]), "value": raw}
    assert decode_content(path, node, models).values == {path: TypedValue(typed(path) or T.STRING, value)}


CONVERTED = [
    (T.OPAQUE, "4039800000000000", T.FLOAT, 25.5),
    (T.OPAQUE, "41cc0000", T.FLOAT, 25.5),
    (T.INTEGER, "22", T.FLOAT, 22.0),
    (T.STRING, "23.5", T.FLOAT, 23.5),
    (T.FLOAT, "22.0", T.INTEGER, "22"),
    (T.INTEGER, "1700000000", T.TIME, "2023-11-14T22:13:20Z"),
    (T.INTEGER, "1", T.BOOLEAN, True),
    (T.STRING, "3:0", T.OBJLNK, {"objectId": 3, "objectInstanceId": 0}),
    (T.OPAQUE, "ff", T.INTEGER, "-1"),
    (T.OPAQUE, "ff", T.UNSIGNED_INTEGER, "255"),
    (T.OPAQUE, "", T.STRING, ""),
    (T.INTEGER, "7", T.UNSIGNED_INTEGER, "7"),
    (T.INTEGER, "42", T.STRING, "42"),
]


@pytest.mark.parametrize(("told", "raw", "wanted", "value"), CONVERTED)
def test_types_that_follow_the_content_format_are_converted(
    told: ValueType, raw: Any, wanted: ValueType, value: Any
) -> None:
    assert read_value(told, raw, wanted) == TypedValue(wanted, value)


KEPT = [
    (T.OPAQUE, "403980", T.FLOAT, TypedValue(T.OPAQUE, "403980")),
    (T.OPAQUE, "7ff8000000000000", T.FLOAT, TypedValue(T.OPAQUE, "7ff8000000000000")),
    (T.STRING, "warm", T.FLOAT, TypedValue(T.STRING, "warm")),
    (T.STRING, "NaN", T.FLOAT, TypedValue(T.STRING, "NaN")),
    (T.FLOAT, "22.5", T.INTEGER, TypedValue(T.FLOAT, 22.5)),
    (T.INTEGER, "-1", T.UNSIGNED_INTEGER, TypedValue(T.INTEGER, "-1")),
    (None, "12x", T.INTEGER, TypedValue(T.STRING, "12x")),
    (None, "1234", T.STRING, TypedValue(T.STRING, "1234")),
]


@pytest.mark.parametrize(("told", "raw", "wanted", "value"), KEPT)
def test_a_value_that_cannot_be_converted_is_unchanged(
    told: ValueType | None, raw: Any, wanted: ValueType, value: TypedValue
) -> None:
    assert read_value(told, raw, wanted) == value


def single(id_: int, type_: str, value: Any) -> dict[str, Any]:
    return {"kind": "singleResource", "id": id_, "type": type_, "value": value}


BAD = [
    single(1, "FLOAT", "NaN"),
    single(1, "FLOAT", "1e999"),
    single(1, "FLOAT", "1" * 10_000),
    single(1, "INTEGER", "9" * 10_000),
    single(1, "INTEGER", True),
    single(1, "TIME", 10**18),
    single(1, "TIME", "soon"),
    single(1, "BOOLEAN", "true"),
    single(1, "OPAQUE", "abc"),
    single(1, "OBJLNK", {"objectId": -1, "objectInstanceId": 0}),
    single(1, "STRING", {"a": {}}),
    single(1, "STRING", "a\x00b"),
    single(1, "STRING", "x" * 131_073),
    {"kind": "multiResource", "id": 1, "type": "INTEGER", "values": ["1"]},
    {"kind": "multiResource", "id": 1, "type": "INTEGER", "values": {"²": "1"}},
    {"kind": "singleResource", "id": 1},
    {"kind": "wave", "id": 1},
    {"kind": ["x"], "id": 1, "value": 1},
    {"id": "1", "value": 1},
    {"id": 70_000, "value": 1},
    "text",
    None,
    7,
]


@pytest.mark.parametrize("bad", BAD, ids=[json.dumps(bad)[:60] for bad in BAD])
def test_a_bad_resource_does_not_affect_its_neighbors(bad: Any) -> None:
    instance = {"kind": "instance", "id": 0, "resources": [single(7, "INTEGER", "7"), bad, single(9, "STRING", "ok")]}
    decoded = decode_content(None, {"/3310/0": instance}, nothing)
    assert decoded.values == {"/3310/0/7": TypedValue(T.INTEGER, "7"), "/3310/0/9": TypedValue(T.STRING, "ok")}
    assert len(decoded.problems) == 1


def test_a_bad_path_or_node_does_not_affect_the_others() -> None:
    nodes = {"/x": single(1, "STRING", "a"), "/3/0/1/0/0": {}, "/3/0/2": single(2, "STRING", "b"), "/3/0/3": None}
    decoded = decode_content(None, nodes, nothing)
    assert set(decoded.values) == {"/3/0/2"}
    assert len(decoded.problems) == 2


def test_a_content_that_is_no_map_is_refused() -> None:
    with pytest.raises(InvalidNode):
        decode_content(None, [1], nothing)


def test_a_node_at_the_wrong_depth_is_refused() -> None:
    decoded = decode_content(
        None, {"/3/0/1": {"kind": "obj", "id": 3, "instances": []}, "/": single(1, "STRING", "a")}, nothing
    )
    assert decoded.values == {}
    assert len(decoded.problems) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "id", "type", "value", "values", "resources", "instances", "objects", "0", "5", "x"]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["singleResource", "multiResource", "instance", "obj", "root", "TIME", "FLOAT"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.sampled_from(["/", "/3", "/3/0", "/3442/0/120", "/3442/0/1120/1", "x"]), JSON)
def test_no_content_raises_an_unexpected_error(path: str, content: Any) -> None:
    for value in decode_content(path, content, models).values.values():
        for one in value.value.values() if value.multiple and value.type is not T.OBJLNK else [value.value]:
            assert canonical(value.type, one) == one


@pytest.mark.parametrize(
    ("type_", "value", "told"),
    [
        (T.TIME, "2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        (T.FLOAT, 1e300, "1e+300"),
        (T.FLOAT, 2, "2.0"),
        (T.BOOLEAN, False, False),
    ],
)
def test_values_in_leshans_form(type_: ValueType, value: Any, told: Any) -> None:
    assert leshan_value(type_, value) == told


def test_an_object_link_is_no_multiple_resource() -> None:
    link = {"objectId": 3, "objectInstanceId": 0}
    node = resource_node(LwM2mPath.parse("/3442/0/170"), TypedValue(T.OBJLNK, link))
    assert node == {"id": 170, "kind": "singleResource", "type": "OBJLNK", "value": link}
