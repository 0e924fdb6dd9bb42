"""The older webhook bodies: all recorded ones, and the errors for hostile ones."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import ReadingOrigin, ValueType
from app.domain.events import Deregistered, Registered, Registration, Reported, Updated
from app.domain.object_models import ObjectModel
from app.domain.values import TypedValue
from app.leshan.events import MissingField, UnreadableEvent
from app.leshan.nodes import decode_content
from app.leshan.object_models import parse_object_specs
from app.leshan.old_webhooks import parse_composite, parse_single
from tests.unit.leshan.captures import load

POSTS = load("old-webhooks.json")
MODELS = {model.id: model for model in parse_object_specs(load("m18-objectspecs.json"))}
REGISTRATIONS = {0: Registered, 1: Deregistered, 2: Updated}


def models(object_id: int) -> ObjectModel | None:
    return MODELS.get(object_id)


@pytest.mark.parametrize("post", POSTS, ids=[f"{number} {post['trigger']}" for number, post in enumerate(POSTS)])
def test_every_recorded_post_is_read(post: dict[str, Any]) -> None:
    body = post["body"]
    single = post["path"].endswith("single")
    event = parse_single(body) if single else parse_composite(body)
    assert event.endpoint == body["ep"]
    assert (event.age, event.ordered) == (0, False)
    if body.get("obj_id") == 10240:
        kind = REGISTRATIONS[body["val"]["id"]]
        assert event == kind(endpoint=body["ep"], registration=Registration(registered_at=body["val"]["value"]))
        return
    assert isinstance(event, Reported)
    assert not event.wakes
    decoded = decode_content(None, event.nodes, models)
    assert decoded.problems == []
    assert bool(decoded.values) == any(node is not None for node in event.nodes.values())


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (2, TypedValue(ValueType.FLOAT, 19.1)),
        (8, TypedValue(ValueType.FLOAT, 22.25)),
        (9, TypedValue(ValueType.FLOAT, 22.0)),
        (10, TypedValue(ValueType.FLOAT, 23.5)),
        (11, TypedValue(ValueType.FLOAT, 25.5)),
    ],
)
def test_values_are_typed_by_the_model_if_it_is_known(number: int, value: TypedValue) -> None:
    body = POSTS[number]["body"]
    event = parse_single(body)
    assert isinstance(event, Reported)
    read = decode_content(None, event.nodes, models).values["/3303/0/5700"]
    assert read.type is value.type
    assert read.value == pytest.approx(value.value)


def test_the_form_has_no_instance_so_zero_is_assumed() -> None:
    def nodes(val: Any) -> list[str]:
        event = parse_single({"ep": "a", "obj_id": 3303, "val": val})
        assert isinstance(event, Reported)
        return list(event.nodes)

    assert nodes({"kind": "singleResource", "id": 5700}) == ["/3303/0/5700"]
    assert nodes({"kind": "multiResource", "id": 5700}) == ["/3303/0/5700"]
    assert nodes({"kind": "instance", "id": 2}) == ["/3303/2"]
    assert nodes({"kind": "obj", "id": 3303}) == ["/3303"]
    assert nodes(None) == ["/3303"]


BROKEN = [
    ([], ""),
    ({"obj_id": 3, "val": None}, "ep"),
    ({"ep": "", "obj_id": 3, "val": None}, "ep"),
    ({"ep": "a", "obj_id": 3}, "val"),
    ({"ep": "a", "obj_id": "3", "val": None}, "obj_id"),
    ({"ep": "a", "obj_id": 70_000, "val": None}, "obj_id"),
    ({"ep": "a", "obj_id": True, "val": None}, "obj_id"),
    ({"ep": "a", "obj_id": 10240, "val": None}, "val"),
    ({"ep": "a", "obj_id": 10240, "val": {"id": 3, "value": 1}}, "val.id"),
    ({"ep": "a", "obj_id": 10240, "val": {"id": [0], "value": 1}}, "val.id"),
    ({"ep": "a", "obj_id": 10240, "val": {"id": 0, "value": "now"}}, "val.value"),
    ({"ep": "a", "obj_id": 10240, "val": {"id": 0, "value": 10**20}}, "val.value"),
    ({"ep": "a", "obj_id": 10240, "val": {"id": 0}}, "val.value"),
]


@pytest.mark.parametrize(("body", "field"), BROKEN)
def test_the_invalid_field_is_named(body: Any, field: str) -> None:
    with pytest.raises(UnreadableEvent) as error:
        parse_single(body)
    assert error.value.field == field


def test_a_composite_without_content_is_accepted() -> None:
    assert parse_composite({"ep": "a", "val": None}) == Reported(
        endpoint="a", nodes={}, origin=ReadingOrigin.LEGACY_WEBHOOK
    )
    with pytest.raises(MissingField):
        parse_composite({"ep": "a", "val": [1]})
