"""Content formats: which are requested, in which order, and which values no Leshan server can encode."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.enums import ContentFormat, ValueType
from app.domain.enums import OperationKind as K
from app.domain.operations import OperationRequest
from app.leshan.content_formats import GARBLED_IN_TLV, Formats, Unwritable, formats_for, registered_formats
from app.leshan.requests import request_for

CBOR, JSON, TLV = ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TLV
LESHANS_CHOICE: Final[Formats] = (None,)

RESOURCE: Final = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "x"}
INSTANCE: Final = {"kind": "instance", "resources": [RESOURCE]}
WIDE: Final = str(GARBLED_IN_TLV)


def op(kind: K, path: str | None = None, **more: Any) -> OperationRequest:
    return OperationRequest("dev", kind, path, more.pop("paths", (path,)), **more)


def write(value: Any, type_: ValueType = ValueType.UNSIGNED_INTEGER, **more: Any) -> OperationRequest:
    return op(K.WRITE, "/3442/0/125", value_type=type_, value=value, **more)


def node(**resource: Any) -> dict[str, Any]:
    return {"kind": "instance", "id": 0, "resources": [{"id": 125, "type": "UNSIGNED_INTEGER", **resource}]}


def links(ct: object, **root: Any) -> list[dict[str, Any]]:
    return [{"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": ct}, **root}, {"url": "/3", "attributes": {}}]


@pytest.mark.parametrize(
    ("object_links", "registered"),
    [
        (links('"60 110 112 11542 11543"'), {CBOR, JSON, TLV}),
        (links("110"), {JSON}),
        (links(11542), {TLV}),
        (links('"11543"'), set()),
        (links('"112"', url="/lwm2m"), {CBOR}),
        ([{"url": "/", "attributes": {"ct": "110"}}], {JSON}),
        ([{"url": "/3", "attributes": {"ct": "110"}}, {"url": "/"}], None),
        (links(None), None),
        ([], None),
        (None, None),
    ],
)
def test_formats_are_those_of_the_root_link(
    object_links: list[dict[str, Any]] | None, registered: set[ContentFormat] | None
) -> None:
    assert registered_formats(object_links) == registered


ALL: Final = frozenset({CBOR, JSON, TLV})
TEXT: Final = write("x", ValueType.STRING)


@pytest.mark.parametrize(
    ("operation", "registered", "formats"),
    [
        (TEXT, ALL, (CBOR, JSON)),
        (TEXT, {JSON}, (JSON,)),
        (TEXT, {TLV}, (TLV,)),
        (TEXT, set(), LESHANS_CHOICE),
        (TEXT, None, LESHANS_CHOICE),
        (write("x", ValueType.STRING, format=TLV), ALL, (TLV,)),
        (write({}, ValueType.STRING), ALL, LESHANS_CHOICE),
        (write({}, ValueType.STRING), {CBOR, JSON}, (CBOR, JSON)),
        (write({}, ValueType.STRING), set(), LESHANS_CHOICE),
        (write({}, ValueType.STRING), None, LESHANS_CHOICE),
        (op(K.WRITE, "/3442/0", value=node(values={})), {CBOR, JSON}, LESHANS_CHOICE),
        (op(K.CREATE, "/3442", value=INSTANCE), ALL, LESHANS_CHOICE),
        (op(K.CREATE, "/3442", value={"id": 1, **INSTANCE}), ALL, (CBOR, JSON)),
        (op(K.CREATE, "/3442", value={"id": 1, "resources": []}), ALL, LESHANS_CHOICE),
        (op(K.CREATE, "/3442", value=node(values={})), ALL, LESHANS_CHOICE),
        (op(K.READ, "/3"), ALL, (CBOR, JSON)),
        (op(K.READ, "/3"), {CBOR, TLV}, (CBOR, None)),
        (op(K.READ, "/3"), {JSON}, (JSON, None)),
        (op(K.READ, "/3"), {TLV}, LESHANS_CHOICE),
        (op(K.READ, "/3"), None, LESHANS_CHOICE),
        (op(K.READ, "/3", format=TLV), ALL, (TLV,)),
        (op(K.OBSERVE, "/3"), {JSON}, (JSON, None)),
        (op(K.EXECUTE, "/3/0/4"), ALL, LESHANS_CHOICE),
        (op(K.WRITE_ATTRIBUTES, "/3"), ALL, LESHANS_CHOICE),
    ],
)
def test_the_registered_formats_are_requested(
    operation: OperationRequest, registered: set[ContentFormat] | None, formats: Formats
) -> None:
    assert formats_for(operation, None if registered is None else frozenset(registered), "1.1") == formats


@pytest.mark.parametrize("kind", [K.READ_COMPOSITE, K.WRITE_COMPOSITE, K.OBSERVE_COMPOSITE, K.CANCEL_OBSERVE_COMPOSITE])
@pytest.mark.parametrize(
    ("registered", "lwm2m", "formats"),
    [
        (ALL, "1.1", (CBOR, JSON)),
        ({CBOR}, "1.1", (CBOR, JSON)),
        ({JSON}, "1.1", (JSON, CBOR)),
        ({TLV}, "1.1", (CBOR, JSON)),
        (None, "1.1", (CBOR, JSON)),
        (None, "1.2", (CBOR, JSON)),
        (None, "1.0", (JSON, CBOR)),
        (None, None, (JSON, CBOR)),
        ({CBOR}, "1.0", (CBOR, JSON)),
    ],
)
def test_a_composite_prefers_senml_cbor_with_the_other_in_reserve(
    kind: K, registered: set[ContentFormat] | None, lwm2m: str | None, formats: Formats
) -> None:
    operation = op(kind, paths=("/3/0", "/4/0"))
    assert formats_for(operation, None if registered is None else frozenset(registered), lwm2m) == formats


@pytest.mark.parametrize(
    "operation",
    [
        write(WIDE),
        write({"0": "1", "7": WIDE}),
        op(K.WRITE, "/3442/0", value=node(kind="singleResource", value=WIDE)),
        op(K.WRITE, "/3442/0", value=node(kind="multiResource", values={"0": "0", "1": WIDE})),
        op(K.CREATE, "/3442", value=node(kind="singleResource", value=WIDE)),
    ],
    ids=["single", "multiple", "instance", "multiple in an instance", "create"],
)
@pytest.mark.parametrize(
    ("registered", "lwm2m", "formats"),
    [
        (ALL, "1.1", (CBOR, JSON)),
        ({JSON, TLV}, "1.1", (JSON,)),
        (None, "1.1", (CBOR, JSON)),
        (None, "1.0", LESHANS_CHOICE),
        ({TLV}, "1.1", LESHANS_CHOICE),
    ],
)
def test_a_value_that_tlv_changes_is_never_sent_as_tlv(
    operation: OperationRequest, registered: set[ContentFormat] | None, lwm2m: str, formats: Formats
) -> None:
    chosen = formats_for(operation, None if registered is None else frozenset(registered), lwm2m)
    assert chosen == formats
    for format_ in (None, TLV):
        with pytest.raises(Unwritable, match=rf"/3442.*{GARBLED_IN_TLV}.*ct=112"):
            request_for(_in(operation, format_))
    request_for(_in(operation, JSON))


def _in(operation: OperationRequest, format_: ContentFormat | None) -> OperationRequest:
    return OperationRequest(
        operation.endpoint,
        operation.kind,
        operation.path,
        value_type=operation.value_type,
        value=operation.value,
        format=format_,
    )


@pytest.mark.parametrize("value", ["0", str(GARBLED_IN_TLV - 1)])
def test_a_value_that_tlv_preserves_may_be_sent_as_tlv(value: str) -> None:
    assert request_for(write(value)).target.endswith("?timeout=30")


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (write("5", ValueType.INTEGER), "/3442/0/125: .* this INTEGER"),
        (write({"0": 1.5}, ValueType.FLOAT), "this FLOAT"),
        (write("2026-11-23T10:00:00Z", ValueType.TIME), "this TIME"),
        (write("00ff", ValueType.OPAQUE), "this OPAQUE"),
        (write({"objectId": 3, "objectInstanceId": 0}, ValueType.OBJLNK), "this OBJLNK"),
        (op(K.WRITE, "/3442/0", value=node(kind="singleResource", value="5")), "resource 125: .* UNSIGNED_INTEGER"),
        (op(K.CREATE, "/3442", value=node(kind="multiResource", values={"0": "5"})), "resource 125"),
        (op(K.READ_COMPOSITE, paths=("/3/0",)), "no composite operations"),
        (op(K.CANCEL_OBSERVE_COMPOSITE, paths=("/3/0",)), "no composite operations"),
    ],
)
def test_a_server_that_ignores_types_receives_no_value_it_would_change(operation: OperationRequest, why: str) -> None:
    with pytest.raises(Unwritable, match=why):
        request_for(operation, typed=False)


@pytest.mark.parametrize(
    "operation",
    [
        TEXT,
        write(True, ValueType.BOOLEAN),
        write({"0": "x"}, ValueType.STRING),
        op(K.CREATE, "/3442", value=INSTANCE),
        op(K.READ, "/3"),
        op(K.EXECUTE, "/3/0/4"),
    ],
)
def test_a_server_that_ignores_types_receives_all_other_values(operation: OperationRequest) -> None:
    assert request_for(operation, typed=False).target.startswith("/clients/dev/3")
