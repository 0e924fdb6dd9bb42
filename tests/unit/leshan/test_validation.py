"""Before queueing, only requests that a device's object model, its registered objects or a node's form certainly
excludes are refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.operations import OperationRequest
from app.domain.validation import InvalidOperation, validate
from app.leshan.object_models import parse_object_specs
from tests.unit.leshan.captures import load

MODELS = {model.id: model for model in parse_object_specs(load("m18-objectspecs.json"))}
K, T = OperationKind, ValueType


def model_of(object_id: int) -> ObjectModel | None:
    return MODELS.get(object_id)


def op(kind: OperationKind, path: str | None = None, **more: Any) -> OperationRequest:
    return OperationRequest("ep", kind, path=path, **more)


def write(path: str, type_: ValueType, value: Any) -> OperationRequest:
    return op(K.WRITE, path, value_type=type_, value=value)


def instance(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "instance", "resources": list(resources), **more}


def single(id_: int, type_: str, value: Any) -> dict[str, Any]:
    return {"id": id_, "kind": "singleResource", "type": type_, "value": value}


CHECKED = [
    op(K.READ, "/3"),
    op(K.READ, "/3/0"),
    op(K.READ, "/3/0/0"),
    op(K.READ, "/3/0/11/0"),
    op(K.DISCOVER, "/3/0/4"),
    op(K.OBSERVE, "/3303/0/5700"),
    op(K.EXECUTE, "/3/0/4"),
    op(K.DELETE, "/3442/1"),
    op(K.WRITE_ATTRIBUTES, "/3303/0/5700"),
    op(K.READ_COMPOSITE, paths=("/3/0/0", "/3442/0")),
    write("/3442/0/120", T.INTEGER, "5"),
    write("/3442/0/170", T.OBJLNK, {"objectId": 3, "objectInstanceId": 0}),
    write("/3442/0/1110", T.STRING, {"0": "a"}),
    write("/3442/0/1110/0", T.STRING, "a"),
    op(K.WRITE_COMPOSITE, values={"/3442/0/120": {"type": "INTEGER", "value": "5"}}),
    op(K.CREATE, "/3442", value=instance(single(110, "STRING", "a"), single(160, "TIME", 1_700_000_000_000))),
    op(K.CREATE, "/3", value=instance(single(0, "STRING", "read-only ones are set at creation"))),
    op(K.WRITE, "/3442/0", value=instance(single(130, "FLOAT", "1.0E300"), single(120, "INTEGER", "1"), id=0)),
]

UNKNOWN = [
    op(K.READ, "/5/0/1"),
    op(K.READ, "/3/0/99"),
    op(K.EXECUTE, "/3/0/26241"),
    op(K.EXECUTE, "/5/0/99"),
    write("/3/0/99", T.STRING, "x"),
    write("/5/0/1", T.STRING, "https://url.com/fw.bin"),
    write("/3442/0/999", T.STRING, "x"),
    op(K.READ_COMPOSITE, paths=("/3/0/0", "/5/0/1")),
    op(K.WRITE_COMPOSITE, values={"/5/0/1": {"type": "STRING", "value": "x"}}),
    op(K.CREATE, "/5", value=instance()),
    op(K.CREATE, "/3442", value=instance(single(999, "STRING", "x"))),
]

REFUSED = [
    (write("/3442/0/110", T.INTEGER, "5"), "value", "/3442/0/110 .* is STRING, not INTEGER"),
    (write("/3442/0/120", T.UNSIGNED_INTEGER, "5"), "value", "is INTEGER, not UNSIGNED_INTEGER"),
    (write("/3442/0/125", T.INTEGER, "5"), "value", "is UNSIGNED_INTEGER, not INTEGER"),
    (write("/3/0/0", T.STRING, "x"), "path", "read-only"),
    (write("/3/0/4", T.STRING, "x"), "path", "executable"),
    (write("/3442/0/1110", T.STRING, "a"), "value", "multiple resource"),
    (write("/3442/0/110", T.STRING, {"0": "a"}), "value", "single resource"),
    (write("/3442/0/110/0", T.STRING, "a"), "path", "no instances"),
    (write("/3442/0/1110/0", T.INTEGER, "1"), "value", "is STRING, not INTEGER"),
    (op(K.EXECUTE, "/3/0/0"), "path", "not executable"),
    (op(K.EXECUTE, "/3/0/99"), "path", "/3/0/99 is not defined by the device's model of object 3, version 1.2"),
    (op(K.READ, "/3/0/4"), "path", "cannot be read"),
    (op(K.OBSERVE, "/3/0/4"), "path", "cannot be read"),
    (op(K.READ, "/3/0/0/0"), "path", "no instances"),
    (op(K.READ_COMPOSITE, paths=("/3/0/0", "/3/0/4")), "paths", "cannot be read"),
    (op(K.WRITE_COMPOSITE, values={"/3/0/0": {"type": "STRING", "value": "x"}}), "values", "read-only"),
    (op(K.WRITE_COMPOSITE, values={"/3442/0/120": {"type": "STRING", "value": "x"}}), "values", "is INTEGER"),
    (op(K.WRITE_COMPOSITE, values={"/3442/0/1120": {"type": "INTEGER", "value": "1"}}), "values", "multiple"),
    (op(K.WRITE, "/3/0", value=instance(single(0, "STRING", "x"))), "value", "read-only"),
    (op(K.CREATE, "/3442", value=instance(single(120, "STRING", "x"))), "value", "is INTEGER, not STRING"),
]

NO_NODES = [
    None,
    "x",
    {"kind": "singleResource", "resources": []},
    {"kind": "instance"},
    instance(id=-1),
    instance(id="0"),
    instance("x"),
    instance({"kind": "singleResource", "type": "STRING", "value": "x"}),
    instance({"id": 1, "type": "STRING", "value": "x"}),
    instance({"id": 1, "kind": ["x"], "type": "STRING", "value": "x"}),
    instance({"id": 1, "kind": "singleResource", "value": "x"}),
    instance({"id": 1, "kind": "singleResource", "type": ["x"], "value": "x"}),
    instance(single(1, "INTEGER", "12x")),
    instance(single(1, "FLOAT", "NaN")),
    instance(single(1, "TIME", "2023-11-14T22:13:20Z")),
    instance(single(1, "TIME", 10**18)),
    instance(single(1, "BOOLEAN", "true")),
    instance({"id": 1, "kind": "multiResource", "type": "STRING", "value": "x"}),
    instance({"id": 1, "kind": "multiResource", "type": "STRING", "values": {"²": "x"}}),
    instance({"id": 1, "kind": "multiResource", "type": "INTEGER", "values": {"0": "x"}}),
]


@pytest.mark.parametrize("request_", CHECKED, ids=str)
def test_constraints_of_the_model_are_checked(request_: OperationRequest) -> None:
    assert validate(request_, model_of) is True
    assert validate(request_, lambda _object_id: None) is False


@pytest.mark.parametrize("request_", UNKNOWN, ids=str)
def test_paths_without_a_model_are_accepted_unchecked(request_: OperationRequest) -> None:
    assert validate(request_, model_of) is False


@pytest.mark.parametrize(("request_", "field", "message"), REFUSED)
def test_operations_that_the_model_excludes_are_refused(request_: OperationRequest, field: str, message: str) -> None:
    with pytest.raises(InvalidOperation, match=message) as refusal:
        validate(request_, model_of)
    assert refusal.value.field == field
    assert validate(request_, lambda _object_id: None) is False


@pytest.mark.parametrize("kind_path", [(K.CREATE, "/5"), (K.WRITE, "/5/0")])
@pytest.mark.parametrize("node", NO_NODES, ids=str)
def test_an_invalid_instance_node_is_refused_even_without_a_model(
    kind_path: tuple[OperationKind, str], node: Any
) -> None:
    with pytest.raises(InvalidOperation) as refusal:
        validate(op(*kind_path, value=node), lambda _object_id: None)
    assert refusal.value.field == "value"


ELSEWHERE = [
    (op(K.READ, "/9999"), "path"),
    (op(K.OBSERVE, "/9999/0/1"), "path"),
    (op(K.DISCOVER, "/9999"), "path"),
    (op(K.EXECUTE, "/9999/0/1"), "path"),
    (op(K.DELETE, "/9999/0"), "path"),
    (op(K.WRITE_ATTRIBUTES, "/9999/0"), "path"),
    (write("/9999/0/1", T.STRING, "x"), "path"),
    (op(K.CREATE, "/9999", value=instance()), "path"),
    (op(K.WRITE, "/9999/0", value=instance(single(1, "STRING", "x"))), "path"),
    (op(K.READ_COMPOSITE, paths=("/9999/0", "/9998")), "paths.0"),
    (
        op(
            K.WRITE_COMPOSITE,
            paths=("/3442/0/120", "/9999/0/1"),
            values={path: {"type": "INTEGER", "value": "5"} for path in ("/3442/0/120", "/9999/0/1")},
        ),
        "values.1.path",
    ),
]


@pytest.mark.parametrize(("request_", "field"), ELSEWHERE)
def test_objects_that_the_device_has_not_registered_are_refused(request_: OperationRequest, field: str) -> None:
    with pytest.raises(InvalidOperation, match=r"the device has not registered object 999[89]") as refusal:
        validate(request_, model_of, registered={3, 3442})
    assert refusal.value.field == field
    for nothing in (None, set[int]()):
        validate(request_, model_of, registered=nothing)


@pytest.mark.parametrize(
    "request_",
    [
        op(K.READ, "/3/0/99"),
        op(K.READ, "/0"),
        op(K.READ, "/21/0"),
        op(K.READ_COMPOSITE, paths=("/3/0", "/9999/0")),
        op(K.CANCEL_OBSERVE, "/9999"),
        op(K.CANCEL_OBSERVE_COMPOSITE, paths=("/9999/0",)),
    ],
    ids=str,
)
def test_requests_that_real_devices_support_are_accepted(request_: OperationRequest) -> None:
    """Security and OSCORE are never registered; a composite read omits missing paths; a cancel ends at Leshan."""
    validate(request_, model_of, registered={3, 3442})


EMPTY = {"id": 1110, "kind": "multiResource", "type": "STRING", "values": {}}


def test_an_update_of_an_instance_cannot_clear_a_multiple_resource() -> None:
    update = op(K.WRITE, "/3442/0", value=instance(EMPTY, id=0), replace=False)
    with pytest.raises(InvalidOperation, match=r"use a WRITE to /3442/0/1110 with `multiple: \[\]`") as refusal:
        validate(update, model_of)
    assert refusal.value.field == "value"
    assert validate(op(K.WRITE, "/3442/0", value=instance(EMPTY, id=0)), model_of) is True
    assert validate(op(K.CREATE, "/3442", value=instance(EMPTY)), model_of) is True
    assert validate(op(K.CREATE, "/3442", value=instance()), model_of) is True


RANGED = ObjectModel(
    7777,
    "1.0",
    "Ranged",
    multiple=True,
    resources={
        id_: ResourceModel(id_, name, "RW", multiple=multiple, mandatory=False, type=type_, range=range_)
        for id_, name, type_, range_, multiple in (
            (1, "Command", T.INTEGER, "0..100", False),
            (2, "Levels", T.FLOAT, "0..1", True),
            (3, "Name", T.STRING, "0..4 bytes", False),
            (4, "Mode", T.INTEGER, "0: disabled", False),
        )
    },
)

OUT_OF_RANGE = [
    (write("/7777/0/1", T.INTEGER, "101"), "value", r"/7777/0/1 \(Command\): 101 is outside the range '0..100'"),
    (
        write("/7777/0/2", T.FLOAT, {"0": 0.5, "7": 1.5}),
        "value",
        r"/7777/0/2 \(Levels\): 1.5 is outside the range '0..1'",
    ),
    (write("/7777/0/2/7", T.FLOAT, -0.1), "value", "-0.1 is outside"),
    (write("/7777/0/3", T.STRING, "abcde"), "value", "a length of 5 bytes is outside the range '0..4 bytes'"),
    (op(K.WRITE_COMPOSITE, values={"/7777/0/1": {"type": "INTEGER", "value": "-1"}}), "values", "-1 is outside"),
    (op(K.WRITE, "/7777/0", value=instance(single(1, "INTEGER", 101))), "value", "101 is outside"),
    (
        op(
            K.CREATE,
            "/7777",
            value=instance({"id": 2, "kind": "multiResource", "type": "FLOAT", "values": {"0": "1.0E300"}}),
        ),
        "value",
        "1.0E300 is outside",
    ),
]


@pytest.mark.parametrize(("request_", "field", "message"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_unless_disabled(request_: OperationRequest, field: str, message: str) -> None:
    with pytest.raises(InvalidOperation, match=message) as refusal:
        validate(request_, {7777: RANGED}.get)
    assert refusal.value.field == field
    assert "validateRange: false" in str(refusal.value)
    assert validate(request_, {7777: RANGED}.get, ranges=False) is True
    assert validate(request_, lambda _object_id: None) is False


def test_a_value_in_range_or_without_a_clear_range_is_accepted() -> None:
    for request_ in (
        write("/7777/0/1", T.INTEGER, "100"),
        write("/7777/0/2", T.FLOAT, {"0": 0.0, "7": 1.0}),
        write("/7777/0/4", T.INTEGER, "99"),
        op(K.READ, "/7777/0/1"),
    ):
        assert validate(request_, {7777: RANGED}.get) is True
