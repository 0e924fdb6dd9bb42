"""Operations as HTTP requests: the recorded ones, and names that come from hostile devices."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.operations import OperationRequest
from app.leshan.requests import (
    JSON_TYPE,
    LeshanRequest,
    Unaddressable,
    clients_request,
    endpoint_segment,
    objectspecs_request,
    probe_request,
    request_for,
)
from tests.unit.leshan.captures import answered

EP = "plain-2"
K = OperationKind
INSTANCE = {"kind": "instance", "resources": [{"id": 110, "kind": "singleResource", "type": "STRING", "value": "new"}]}


def op(kind: OperationKind, path: str | None = None, **more: Any) -> OperationRequest:
    return OperationRequest(EP, kind, path=path, **more)


def write(path: str, type_: str, value: object, **more: Any) -> OperationRequest:
    return op(K.WRITE, path, value_type=ValueType(type_), value=value, **more)


LINK = {"objectId": 3, "objectInstanceId": 0}
PATHS = ("/3/0/0", "/3442/0/110")
RECORDED: list[tuple[str, OperationRequest]] = [
    ("read device", op(K.READ, "/3/0")),
    ("read obj", op(K.READ, "3303")),
    ("read multi inst", op(K.READ, "/3/0/7/0")),
    ("read fmt SENML_CBOR", op(K.READ, "/3442/0/120", format=ContentFormat.SENML_CBOR)),
    ("discover obj", op(K.DISCOVER, "/3")),
    ("write STRING", write("/3442/0/110", "STRING", 'héllo "x" €')),
    ("write INTEGER", write("/3442/0/120", "INTEGER", "-9223372036854775808")),
    ("write FLOAT", write("/3442/0/130", "FLOAT", 3.141592653589793)),
    ("write BOOLEAN", write("/3442/0/140", "BOOLEAN", True)),
    ("write OPAQUE", write("/3442/0/150", "OPAQUE", "00ff10")),
    ("write TIME", write("/3442/0/160", "TIME", "2023-11-14T22:13:20Z")),
    ("write OBJLNK", write("/3442/0/170", "OBJLNK", LINK)),
    ("write multi STRING", write("/3442/0/1110", "STRING", {"0": "a", "5": "b"})),
    ("write multi INTEGER", write("/3442/0/1120", "INTEGER", {"0": "1", "1": "-5"})),
    ("write multi FLOAT", write("/3442/0/1130", "FLOAT", {"0": 1.5})),
    ("write multi TIME", write("/3442/0/1160", "TIME", {"0": "2023-11-14T22:13:20Z"})),
    ("write multi OBJLNK", write("/3442/0/1170", "OBJLNK", {"0": LINK})),
    ("write multi update", write("/3442/0/1110", "STRING", {"7": "c"}, replace=False)),
    ("write res instance", write("/3442/0/1110/5", "STRING", "z")),
    ("exec args", op(K.EXECUTE, "/3442/0/3", arguments="0='a',1")),
    ("create", op(K.CREATE, "/3442", value={"id": 7, **INSTANCE})),
    ("create no id", op(K.CREATE, "/3442", value=INSTANCE)),
    ("delete", op(K.DELETE, "/3442/7")),
    ("observe", op(K.OBSERVE, "/3303/0/5700")),
    ("cancel", op(K.CANCEL_OBSERVE, "/3303/0/5700")),
    ("attrs", op(K.WRITE_ATTRIBUTES, "/3303/0/5700", attributes={"pmin": 1, "pmax": 5})),
    ("read comp", op(K.READ_COMPOSITE, paths=PATHS)),
    ("read comp cbor", op(K.READ_COMPOSITE, paths=PATHS, format=ContentFormat.SENML_CBOR)),
    ("obs comp", op(K.OBSERVE_COMPOSITE, paths=("/3303/0/5700", "/3442/0/120"))),
]


def recorded(label: str) -> dict[str, Any]:
    """Return the request of this label; of composites the last one, since the first ones lacked their formats."""
    found: list[dict[str, Any]] = [
        one["request"]
        for one in answered("m18-rest.json")
        if one["label"].partition(" ")[2] == label and one["response"]["status"] == 200
    ]
    return found[-1] if "composite" in found[0]["path"] else found[0]


@pytest.mark.parametrize(("label", "operation"), RECORDED, ids=[label for label, _ in RECORDED])
def test_requests_are_as_recorded(label: str, operation: OperationRequest) -> None:
    told, ours = recorded(label), request_for(operation)
    assert ours.method == told["method"]
    path, _, query = ours.target.partition("?")
    told_path, _, told_query = told["path"].removeprefix("/api").partition("?")
    assert path == told_path
    assert set(query.split("&")) - {"timeout=30", ""} == set(told_query.split("&")) - {""}
    if told.get("body") and operation.kind is not K.EXECUTE:
        assert json.loads(ours.body or b"") == json.loads(told["body"])
        assert ours.content_type == JSON_TYPE
        assert (ours.body or b"").isascii()
    elif told.get("body"):
        assert (ours.body, ours.content_type) == (told["body"].encode(), "text/plain; charset=utf-8")


def test_a_whole_instance_has_the_id_of_its_path() -> None:
    sent = request_for(op(K.WRITE, "/3442/4", value={"resources": []}, timeout_seconds=7))
    assert sent.target == "/clients/plain-2/3442/4?timeout=7"
    assert json.loads(sent.body or b"") == {"kind": "instance", "resources": [], "id": 4}


def test_composite_write_has_both_formats_and_a_node_per_path() -> None:
    values = {
        "/3442/0/120": {"type": "INTEGER", "value": "5"},
        "/3442/0/1110/3": {"type": "STRING", "value": "m"},
    }
    sent = request_for(op(K.WRITE_COMPOSITE, values=values, format=ContentFormat.TLV))
    assert sent.target == "/clients/plain-2/composite?pathformat=SENML_JSON&nodeformat=SENML_JSON&timeout=30"
    assert json.loads(sent.body or b"") == {
        "/3442/0/120": {"id": 120, "kind": "singleResource", "type": "INTEGER", "value": "5"},
        "/3442/0/1110/3": {"id": 3, "kind": "resourceInstance", "type": "STRING", "value": "m"},
    }


@pytest.mark.parametrize(
    ("value", "text"), [(0.00001, "0.00001"), (1e22, "1" + "0" * 22), (-2.5, "-2.5"), (3.0, "3"), (7, "7")]
)
def test_attributes_are_written_without_exponent(value: float, text: str) -> None:
    sent = request_for(op(K.WRITE_ATTRIBUTES, "/3303/0/5700", attributes={"gt": value}))
    assert sent.target == f"/clients/plain-2/3303/0/5700/attributes?gt={text}"


def test_cancels_are_passive_and_execute_always_has_a_body() -> None:
    assert request_for(op(K.CANCEL_OBSERVE, "/3")) == LeshanRequest("DELETE", "/clients/plain-2/3/observe")
    canceled = request_for(op(K.CANCEL_OBSERVE_COMPOSITE, paths=("/3",)))
    assert "active" not in canceled.target
    assert request_for(op(K.EXECUTE, "/3/0/4")).body == b""


def test_requests_about_the_server() -> None:
    assert clients_request().target == "/clients"
    assert probe_request("urn:imei:1").target == "/clients/urn%3Aimei%3A1"
    assert objectspecs_request("a b").target == "/objectspecs/a%20b"


@pytest.mark.parametrize("name", ['a"b', "urn:imei:1", "x?a=1#", "a b", "é€😀", "..a", "...", "a&b=c", "a+b", "~"])
def test_a_name_is_one_segment(name: str) -> None:
    segment = endpoint_segment(name)
    assert unquote(segment) == name
    assert not set(segment) & set("/?#;&\\ ")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "x/3/0/4?a=1#", "50%", "a;x=1", "a\\b", "a\x00", "a\nb", "\ud800"]
)
@pytest.mark.parametrize("kind", [K.READ, K.EXECUTE])
def test_a_name_that_could_reach_another_path_is_not_sent(name: str, kind: OperationKind) -> None:
    with pytest.raises(Unaddressable):
        request_for(OperationRequest(name, kind, path="/3/0/4"))


def test_a_server_that_reports_so_accepts_any_name() -> None:
    def target(name: str) -> str:
        return request_for(OperationRequest(name, K.READ, path="/3/0/4", timeout_seconds=5), any_name=True).target

    assert target("a/b%2Fc") == "/clients/a%2Fb%252Fc/3/0/4?timeout=5"
    for name in ("", ".", ".."):
        with pytest.raises(Unaddressable):
            target(name)


@pytest.mark.parametrize(
    ("path", "once", "retransmit"), [("/3/0/4", True, "&retransmit=0"), ("/3/0/4", False, ""), ("/3/0/12", True, "")]
)
def test_a_request_that_takes_a_device_down_is_sent_as_one_datagram(path: str, once: bool, retransmit: str) -> None:
    request = request_for(OperationRequest("a", K.EXECUTE, path=path, timeout_seconds=5), once=once)
    assert request.target == f"/clients/a{path}?timeout=5{retransmit}"


def test_a_page_of_registrations() -> None:
    assert clients_request().target == "/clients"
    assert clients_request(1_000).target == "/clients?limit=1000"
    assert clients_request(1_000, "a/b&c").target == "/clients?limit=1000&after=a%2Fb%26c"


@pytest.mark.parametrize("any_name", [False, True])
@given(name=st.text(max_size=300))
def test_no_name_escapes_its_segment(name: str, any_name: bool) -> None:
    try:
        target = request_for(OperationRequest(name, K.READ, path="/3/0/4"), any_name=any_name).target
    except Unaddressable:
        return
    path = target.partition("?")[0]
    assert path.isascii()
    assert path.split("/")[3:] == ["3", "0", "4"]
    assert unquote(path.split("/")[2]) == name
