"""Every rule for the input of an operation: accepted inputs, and the field that a refusal names."""

from __future__ import annotations

from typing import Any

import pytest
from strawberry import Some

from app.domain.enums import SECOND, ContentFormat, OperationKind, ValueType
from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.operations import OperationRequest
from app.schema.api.input_validation import Defaults, new_operation, operation_request
from app.schema.api.inputs import (
    AttributesInput,
    CompositeValueInput,
    CreateDeviceOperationInput,
    ObjectLinkInput,
    ResourceInstanceInput,
    ResourceValueInput,
)
from app.schema.api.scalars import DateTime
from app.schema.errors import ApiError
from app.schema.limits import MAX_BODY, body_limit

K = OperationKind


NOW = 1_700_000_000 * SECOND


def no_model(_object_id: int) -> ObjectModel | None:
    return None


def value(**commands: Any) -> ResourceValueInput:
    names = (
        "string", "integer", "unsigned_integer", "float_", "boolean", "opaque", "time", "object_link", "core_link",
        "multiple", "node",
    )  # fmt: skip
    return ResourceValueInput(**{name: Some(commands[name]) if name in commands else None for name in names})


def given(kind: OperationKind = K.WRITE, path: str | None = None, **more: Any) -> CreateDeviceOperationInput:
    return CreateDeviceOperationInput(endpoint=more.pop("endpoint", "d"), kind=kind, path=path, **more)


def request(*args: Any, **more: Any) -> OperationRequest:
    return operation_request(given(*args, **more), 30)


def refused(asked: CreateDeviceOperationInput) -> tuple[str, str]:
    """Return (code, field) of the refusal."""
    with pytest.raises(ApiError) as error:
        new_operation(asked, Defaults(), no_model, id_="1", created_by="olga", now=NOW)
    extensions: dict[str, Any] = error.value.extensions or {}
    return extensions["code"], extensions["field"]


TEXT = value(string="a")
NODE = value(node={"id": 0, "resources": [{"id": 1, "kind": "singleResource", "type": "STRING", "value": "x"}]})


def node(**resource: Any) -> ResourceValueInput:
    known = {"id": 1, "kind": "singleResource", "type": "STRING", "value": "x"}
    return value(node={"kind": "instance", "resources": [{**known, **resource}]})


def instances(*pairs: tuple[int, ResourceValueInput]) -> ResourceValueInput:
    return value(multiple=[ResourceInstanceInput(id=id_, value=one) for id_, one in pairs])


REFUSED: list[tuple[CreateDeviceOperationInput, str]] = [
    # paths
    (given(K.READ, "nonsense"), "path"),
    (given(K.READ, "/3/0/70000"), "path"),
    (given(K.READ, "/3/0/0/0/0"), "path"),
    (given(K.READ, ""), "path"),
    (given(K.READ, "/3/65535"), "path"),
    (given(K.DELETE, "/3442/65535"), "path"),
    (given(K.READ), "path"),
    (given(K.WRITE, "/3", value=TEXT), "path"),
    (given(K.EXECUTE, "/3/0"), "path"),
    (given(K.CREATE, "/3/0", value=NODE), "path"),
    (given(K.DELETE, "/3/0/1"), "path"),
    (given(K.READ_COMPOSITE, paths=["/3/0", "/x"]), "paths.1"),
    (given(K.READ_COMPOSITE, paths=["/3/0", "3/0"]), "paths.1"),
    (given(K.READ_COMPOSITE, paths=[f"/3/{i}" for i in range(101)]), "paths"),
    (given(K.READ_COMPOSITE, paths=["/3/0", "/3/0/0"]), "paths.1"),
    (given(K.READ_COMPOSITE, paths=["/3/0/7/1", "/5/0", "/3"]), "paths.0"),
    (given(K.OBSERVE_COMPOSITE, paths=["/3/0/7", "/3/0/7/1"]), "paths.1"),
    (given(K.CANCEL_OBSERVE_COMPOSITE, paths=["/3", "/3/0"]), "paths.1"),
    (given(K.READ_COMPOSITE, paths=["/3/0", "/3/65535"]), "paths.1"),
    # fields that a kind requires or excludes
    (given(K.READ, "/3", value=TEXT), "value"),
    (given(K.READ, "/3", paths=["/3"]), "paths"),
    (given(K.WRITE, "/5/0/1"), "value"),
    (given(K.WRITE, "/5/0/1", value=TEXT, arguments="0"), "arguments"),
    (given(K.READ_COMPOSITE, "/3"), "path"),
    (given(K.READ_COMPOSITE), "paths"),
    (given(K.READ_COMPOSITE, paths=[]), "paths"),
    (given(K.WRITE_COMPOSITE, values=[]), "values"),
    (given(K.WRITE_COMPOSITE, paths=["/3/0/1"]), "paths"),
    (given(K.WRITE_COMPOSITE), "values"),
    (given(K.WRITE_ATTRIBUTES, "/3"), "attributes"),
    (given(K.EXECUTE, "/3/0/4", supersede=True), "supersede"),
    # values
    (given(path="/5/0/1", value=value()), "value"),
    (given(path="/5/0/1", value=NODE), "value.node"),
    (given(path="/5/0", value=TEXT), "value.node"),
    (given(path="/5/0/1/0", value=instances((0, TEXT))), "value.multiple"),
    (given(path="/5/0/1", value=instances(*((id_, TEXT) for id_ in range(1_001)))), "value.multiple"),
    (given(path="/5/0/1", value=instances(), replace=False), "replace"),
    (given(path="/5/0/1/0", value=instances()), "value.multiple"),
    (given(path="/5/0/1", value=instances((0, TEXT), (0, TEXT))), "value.multiple.1.id"),
    (given(path="/5/0/1", value=instances((65_536, TEXT))), "value.multiple.0.id"),
    (given(path="/5/0/1", value=instances((0, TEXT), (1, value(boolean=True)))), "value.multiple.1.value"),
    (given(path="/5/0/1", value=instances((0, instances((0, TEXT))))), "value.multiple.0.value.multiple"),
    (given(path="/5/0/1", value=value(string="x" * 131_073)), "value.string"),
    (given(path="/5/0/1", value=value(string="a\x00")), "value.string"),
    (given(path="/5/0/1", value=value(integer=2**63)), "value.integer"),
    (given(path="/5/0/1", value=value(unsigned_integer=-1)), "value.unsignedInteger"),
    (given(path="/5/0/1", value=value(float_=float("nan"))), "value.float"),
    (given(path="/5/0/1", value=value(float_=float("inf"))), "value.float"),
    (given(path="/5/0/1", value=value(opaque="abc")), "value.opaque"),
    (given(path="/5/0/1", value=value(opaque="xx")), "value.opaque"),
    (
        given(path="/5/0/1", value=value(object_link=ObjectLinkInput(object_id=-1, object_instance_id=0))),
        "value.objectLink",
    ),
    *(
        (given(path="/5/0/1", value=value(object_link=ObjectLinkInput(object_id=a, object_instance_id=b))), field)
        for a, b, field in ((3, 65_535, "value.objectLink"), (65_535, 0, "value.objectLink"))
    ),
    # nodes
    (given(path="/5/0", value=value(node=[])), "value.node"),
    (given(path="/5/0", value=value(node={"resources": []})), "value.node.resources"),
    (given(path="/5/0", value=value(node={"resources": [{"id": 1}, {"id": 1}]})), "value.node.resources.1.id"),
    (given(path="/5/0", value=value(node={"resources": [{"id": "1"}]})), "value.node.resources.0.id"),
    (given(path="/5/1", value=NODE), "value.node.id"),
    (given(path="/5/0", value=node(kind="resourceInstance")), "value"),
    (given(path="/5/0", value=node(type="NONSENSE")), "value"),
    (given(path="/5/0", value=node(type="INTEGER", value="1.5")), "value"),
    (given(K.CREATE, "/5", value=node(type="TIME", value="today")), "value"),
    (given(K.CREATE, "/5", value=node(type="OBJLNK", value={"objectId": 3, "objectInstanceId": 65_535})), "value"),
    (given(K.CREATE, "/5", value=value(node={"id": 65_535, "resources": []})), "value"),
    (given(K.CREATE, "/5", value=value(node={"resources": {}})), "value.node"),
    (given(K.CREATE, "/5", value=TEXT), "value.node"),
    (given(path="/5/0", value=value(node={})), "value.node"),
    (
        given(path="/5/0", value=node(kind="multiResource", value=None, values={}), replace=False),
        "value",
    ),
    # composites write single resources only: a stock Leshan answers 500 to the rest and sends nothing
    (
        given(K.WRITE_COMPOSITE, values=[CompositeValueInput(path="/3/0/7", value=instances((0, TEXT)))]),
        "values.0.value.multiple",
    ),
    (given(K.WRITE_COMPOSITE, values=[CompositeValueInput(path="/3/0", value=TEXT)]), "values.0.path"),
    (
        given(K.WRITE_COMPOSITE, values=[CompositeValueInput(path=path, value=TEXT) for path in ("/3/0/1", "3/0/1")]),
        "values.1",
    ),
    (given(K.READ_COMPOSITE, paths=["/3"], format=ContentFormat.TLV), "format"),
    (
        given(K.WRITE_COMPOSITE, values=[CompositeValueInput(path=p, value=TEXT) for p in ("/5/0/1/0", "/5/0/1")]),
        "values.0",
    ),
    # partial updates
    (given(path="/5/0/1", value=TEXT, replace=False), "replace"),
    (
        given(
            path="/5/0/1",
            value=value(object_link=ObjectLinkInput(object_id=3, object_instance_id=0)),
            replace=False,
        ),
        "replace",
    ),
    (given(K.READ, "/3", replace=False), "replace"),
    # arguments
    (given(K.EXECUTE, "/3/0/4", arguments="hello"), "arguments"),
    (given(K.EXECUTE, "/3/0/4", arguments="0='a'b'"), "arguments"),
    (given(K.EXECUTE, "/3/0/4", arguments="0,0='a'"), "arguments"),
    (given(K.EXECUTE, "/3/0/4", arguments="0='ä'"), "arguments"),
    (given(K.EXECUTE, "/3/0/4", arguments="0\n"), "arguments"),
    # attributes
    (given(K.WRITE_ATTRIBUTES, "/3", attributes=AttributesInput()), "attributes"),
    (given(K.WRITE_ATTRIBUTES, "/3", attributes=AttributesInput(pmin=-1)), "attributes.pmin"),
    (given(K.WRITE_ATTRIBUTES, "/3", attributes=AttributesInput(pmin=2, pmax=1)), "attributes.pmin"),
    (given(K.WRITE_ATTRIBUTES, "/3", attributes=AttributesInput(epmin=2, epmax=1)), "attributes.epmin"),
    (given(K.WRITE_ATTRIBUTES, "/3/0", attributes=AttributesInput(gt=1.0)), "attributes.gt"),
    (given(K.WRITE_ATTRIBUTES, "/3/0/9", attributes=AttributesInput(gt=1.0, lt=1.0)), "attributes.lt"),
    (given(K.WRITE_ATTRIBUTES, "/3/0/9", attributes=AttributesInput(st=0.0)), "attributes.st"),
    # settings
    (given(K.READ, "/3", priority=101), "priority"),
    (given(K.READ, "/3", priority=-101), "priority"),
    (given(K.READ, "/3", max_attempts=0), "maxAttempts"),
    (given(K.READ, "/3", max_attempts=101), "maxAttempts"),
    (given(K.READ, "/3", ttl_seconds=0), "ttlSeconds"),
    (given(K.READ, "/3", timeout_seconds=0), "timeoutSeconds"),
    (given(K.READ, "/3", timeout_seconds=601), "timeoutSeconds"),
    (given(K.READ, "/3", idempotency_key=""), "idempotencyKey"),
    (given(K.READ, "/3", idempotency_key="x" * 256), "idempotencyKey"),
    (given(K.READ, "/3", endpoint=""), "endpoint"),
    (given(K.READ, "/3", endpoint="x" * 256), "endpoint"),
    (given(K.READ, "/3", endpoint="a\x00"), "endpoint"),
]


@pytest.mark.parametrize(("asked", "field"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_names_its_field(asked: CreateDeviceOperationInput, field: str) -> None:
    assert refused(asked) == ("BAD_USER_INPUT", field)


def test_a_path_is_returned_with_its_slash() -> None:
    asked = request(K.READ, "5/0/1")
    assert (asked.path, asked.paths) == ("/5/0/1", ("/5/0/1",))


def test_paths_of_a_composite_that_only_look_alike_are_accepted() -> None:
    paths = ["/3/0/1", "/3/0/11", "/3/1", "/33"]
    assert request(K.READ_COMPOSITE, paths=paths).paths == tuple(paths)


@pytest.mark.parametrize("nothing", [None, value(node={}), value(node={"resources": []})])
def test_a_create_may_leave_all_resources_to_the_device(nothing: ResourceValueInput | None) -> None:
    assert request(K.CREATE, "/3442", value=nothing).value == {"kind": "instance", "resources": []}
    assert made(given(K.CREATE, "/3442", value=nothing)).validated is False
    asked = request(K.CREATE, "/3442", value=value(node={"id": 7}))
    assert asked.value == {"kind": "instance", "id": 7, "resources": []}


def test_an_empty_list_clears_a_multiple_resource() -> None:
    asked = given(path="/3442/0/1120", value=instances())
    resource = ResourceModel(1120, "Integers", "RW", multiple=True, mandatory=False, type=ValueType.INTEGER)
    model = ObjectModel(3442, "1.0", "Test", multiple=True, resources={1120: resource})
    known = new_operation(asked, Defaults(), {3442: model}.get, id_="1", created_by="olga", now=NOW)
    unknown = made(asked)
    assert (known.request.value, known.request.value_type, known.validated) == ({}, ValueType.INTEGER, True)
    assert (unknown.request.value, unknown.request.value_type, unknown.validated) == ({}, ValueType.STRING, False)
    assert known.fingerprint == unknown.fingerprint, "a model that came meanwhile makes no other input"


def test_an_empty_list_for_a_single_resource_is_refused() -> None:
    resource = ResourceModel(120, "Integer", "RW", multiple=False, mandatory=False, type=ValueType.INTEGER)
    model = ObjectModel(3442, "1.0", "Test", multiple=True, resources={120: resource})
    asked = given(path="/3442/0/120", value=instances())
    with pytest.raises(ApiError, match="single resource"):
        new_operation(asked, Defaults(), {3442: model}.get, id_="1", created_by="olga", now=NOW)


def test_the_null_link_is_accepted() -> None:
    asked = request(
        path="/3442/0/170", value=value(object_link=ObjectLinkInput(object_id=65_535, object_instance_id=65_535))
    )
    assert asked.value == {"objectId": 65_535, "objectInstanceId": 65_535}


def test_kind_and_replace_have_their_defaults_also_when_null() -> None:
    asked = operation_request(
        CreateDeviceOperationInput(endpoint="d", kind=None, path="/5/0/1", value=TEXT, replace=None, priority=None), 7
    )
    assert (asked.kind, asked.replace, asked.timeout_seconds) == (K.WRITE, True, 7)


def test_a_node_drops_fields_unknown_to_leshan() -> None:
    resource = {"id": 1, "kind": "singleResource", "type": "STRING", "value": "x"}
    asked = request(path="/5/0", value=value(node={"more": 1, "resources": [{**resource, "more": [[[]]]}]}))
    assert asked.value == {"kind": "instance", "id": 0, "resources": [resource]}
    assert asked.value_type is None


def test_a_partial_update_of_an_instance_or_a_multiple_resource() -> None:
    assert not request(path="/5/0", value=NODE, replace=False).replace
    many = request(path="/5/0/1", value=instances((0, TEXT), (7, TEXT)), replace=False)
    assert (many.value_type, many.value) == (ValueType.STRING, {"0": "a", "7": "a"})


@pytest.mark.parametrize("arguments", ["0", "0,1", "0='a'", "2='10.3'", "7,0='https://www.example.com/~x!'"])
def test_arguments_in_lwm2ms_form(arguments: str) -> None:
    assert request(K.EXECUTE, "/3/0/4", arguments=arguments).arguments == arguments


def test_only_given_attributes_are_requested() -> None:
    asked = request(K.WRITE_ATTRIBUTES, "/3/0/9", attributes=AttributesInput(pmin=0, gt=5.5, lt=1.0, st=2.0))
    assert asked.attributes == {"pmin": 0, "gt": 5.5, "lt": 1.0, "st": 2.0}


def made(asked: CreateDeviceOperationInput, **defaults: int) -> Any:
    return new_operation(asked, Defaults(**defaults), no_model, id_="1", created_by="olga", now=NOW)


def test_a_time_and_a_sequence_reach_the_operation() -> None:
    asked = made(given(K.READ, "/3", not_before=DateTime(NOW + 5), sequence="s", ttl_seconds=1))
    assert (asked.not_before, asked.sequence) == (NOW + 5, "s")
    plain = made(given(K.READ, "/3"))
    assert len({made(given(K.READ, "/3", **more)).fingerprint for more in ({"sequence": "s"}, {"sequence": "t"})}) == 2
    assert (plain.not_before, plain.sequence) == (None, None)


TEN_YEARS = 3_653 * 86_400 * SECOND


@pytest.mark.parametrize(
    ("not_before", "ttl"),
    [(NOW + TEN_YEARS + 1, None), (NOW + 60 * SECOND, 60), (NOW + 61 * SECOND, 60)],
    ids=["too far ahead", "at the end of its time to live", "after it"],
)
def test_a_time_at_which_it_could_not_be_sent_is_refused(not_before: int, ttl: int | None) -> None:
    asked = given(K.READ, "/3", not_before=DateTime(not_before), ttl_seconds=ttl)
    assert refused(asked) == ("BAD_USER_INPUT", "notBefore")


@pytest.mark.parametrize(
    ("not_before", "ttl"), [(0, None), (NOW - 1, 1), (NOW + TEN_YEARS, None), (NOW + 60 * SECOND - 1, 60)]
)
def test_any_other_time_is_accepted(not_before: int, ttl: int | None) -> None:
    assert made(given(K.READ, "/3", not_before=DateTime(not_before), ttl_seconds=ttl)).not_before == not_before


@pytest.mark.parametrize("sequence", ["", "x" * 256, "a\0b"])
def test_the_name_of_a_sequence_is_checked(sequence: str) -> None:
    assert refused(given(K.READ, "/3", sequence=sequence)) == ("BAD_USER_INPUT", "sequence")


def test_repeatable_follows_the_kind_unless_given() -> None:
    assert made(given(K.READ, "/3")).repeatable
    assert not made(given(K.EXECUTE, "/3/0/4")).repeatable
    assert made(given(K.EXECUTE, "/1/0/8")).repeatable
    assert made(given(K.EXECUTE, "/3/0/4", repeatable=True)).repeatable


@pytest.mark.parametrize(
    ("opaque", "field"),
    [
        (given(path="/5/0/0", value=value(opaque="00" * 9)), "value"),
        (given(path="/5/0/0", value=instances((0, value(opaque="00")), (1, value(opaque="00" * 9)))), "value"),
        (given(K.CREATE, "/5", value=node(type="OPAQUE", value="00" * 9)), "value"),
        (given(path="/5/0", value=node(kind="multiResource", type="OPAQUE", values={"0": "00" * 9})), "value"),
        (
            given(K.WRITE_COMPOSITE, values=[CompositeValueInput(path="/5/0/0", value=value(opaque="00" * 9))]),
            "values",
        ),
    ],
)
def test_an_opaque_value_has_at_most_the_bytes_of_the_setting(opaque: CreateDeviceOperationInput, field: str) -> None:
    assert made(opaque, max_opaque=9).request.kind in {K.WRITE, K.CREATE, K.WRITE_COMPOSITE}
    with pytest.raises(ApiError, match=r"at most 8 bytes are allowed \(REVEILLE_MAX_OPAQUE, up to 1048576\)") as error:
        made(opaque, max_opaque=8)
    extensions: dict[str, Any] = error.value.extensions or {}
    assert (extensions["code"], extensions["field"]) == ("BAD_USER_INPUT", field)


def test_a_body_has_room_for_an_opaque_value_of_the_largest_size() -> None:
    assert body_limit(131_072) == MAX_BODY
    assert body_limit(1_048_576) == 2 * 1_048_576 + 65_536


def test_a_changed_setting_does_not_change_the_input() -> None:
    one, two = made(given(K.READ, "/3")), made(given(K.READ, "3"), timeout_seconds=60, max_attempts=9)
    assert one.fingerprint == two.fingerprint
    assert made(given(K.READ, "/3", timeout_seconds=30)).fingerprint != one.fingerprint
    assert made(given(K.READ, "/3", priority=1)).fingerprint != one.fingerprint
