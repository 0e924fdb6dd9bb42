"""Outcomes read from response bodies: every recorded response, and the rows that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.domain.enums import OperationKind
from app.domain.outcomes import OutcomeKind
from app.leshan.answers import MAX_DETAIL, read_answer, read_response_object
from tests.unit.leshan.captures import answered

CANCELS = {OperationKind.CANCEL_OBSERVE, OperationKind.CANCEL_OBSERVE_COMPOSITE}
OTHER_STATUSES = {401: "LESHAN_REFUSED", 404: "UNEXPECTED", 501: "UNEXPECTED", 504: "DEVICE_SILENT"}


def kind_of(request: dict[str, Any]) -> OperationKind:
    """Return the operation kind of a recorded request."""
    path = request["path"].partition("?")[0]
    composite, observe = "/composite" in path, path.endswith("/observe")
    if observe and request["method"] == "DELETE":
        return OperationKind.CANCEL_OBSERVE_COMPOSITE if composite else OperationKind.CANCEL_OBSERVE
    by_method = {"PUT": OperationKind.WRITE, "POST": OperationKind.EXECUTE, "DELETE": OperationKind.DELETE}
    return by_method.get(request["method"], OperationKind.READ)


def expected(kind: OperationKind, status: int, body: str) -> str:
    """Return the expected outcome by a short form of the rules, for the recorded responses to operations."""
    if status == 200 and not body:
        return "SUCCESS" if kind in CANCELS else "ANSWER_LOST"
    if status == 200:
        answer = json.loads(body)
        if not isinstance(answer, dict) or not {"success", "delayed"} & set(answer):
            return "ANSWER_LOST"
        return "DELAYED" if answer.get("delayed") else "SUCCESS" if answer["success"] else "DEVICE_ANSWERED_NO"
    if status == 400:
        return "NOT_REGISTERED" if body.lower().startswith("no registered client") else "BAD_REQUEST"
    if status == 500:
        return "DEVICE_ANSWERED_NONSENSE" if body.startswith("Invalid Response:") else "ANSWER_LOST"
    if status == 404 and kind in CANCELS:
        return "SUCCESS"
    return OTHER_STATUSES[status]


EXCHANGES = [
    pytest.param(exchange, id=f"{name[:3]}{exchange['label']}")
    for name in ("m18-rest.json", "m4-rest-differences.json")
    for exchange in answered(name)
]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_recorded_answer_has_its_outcome(exchange: dict[str, Any]) -> None:
    kind, response = kind_of(exchange["request"]), exchange["response"]
    headers = {"Content-Type": response["contentType"]} if response["contentType"] else {}
    body = response["body"]
    if body.endswith("…"):
        body = shortened(body)
    outcome = read_answer(kind, response["status"], headers, body.encode())
    assert outcome.kind.name == expected(kind, response["status"], body)
    assert outcome.http_status == response["status"]
    assert len(outcome.detail or "") <= MAX_DETAIL
    if outcome.kind in {OutcomeKind.SUCCESS, OutcomeKind.DEVICE_ANSWERED_NO} and body.startswith("{"):
        answer = json.loads(body)
        assert outcome.device_status == answer["status"]
        assert f"({outcome.device_code})" in answer["status"]
        assert outcome.content == answer.get("content")
        assert outcome.location == answer.get("location")
        assert outcome.object_links == answer.get("objectLinks")
        assert outcome.detail == answer.get("errormessage")
    if outcome.kind is OutcomeKind.DELAYED:
        assert outcome.request_id == json.loads(body)["requestId"]


def shortened(body: str) -> str:
    """Complete the recording of a long JSON body, which was truncated within the value."""
    return body if not body.startswith("{") else body[:-1] + '"}}'


def read(kind: OperationKind, status: int, text: str, content_type: str = "text/plain") -> OutcomeKind:
    return read_answer(kind, status, {"Content-Type": content_type}, text.encode()).kind


ROWS = [
    (504, "Request timeout", OutcomeKind.DEVICE_SILENT),
    (504, "<html><title>504 Gateway Time-out</title></html>", OutcomeKind.PROXY_ERROR),
    (504, "upstream request timeout", OutcomeKind.PROXY_ERROR),
    (502, "Bad Gateway", OutcomeKind.PROXY_ERROR),
    (503, "", OutcomeKind.PROXY_ERROR),
    (408, "", OutcomeKind.PROXY_ERROR),
    (524, "", OutcomeKind.PROXY_ERROR),
    (500, "Request rejected: Reset", OutcomeKind.ANSWER_LOST),
    (500, "Request cancelled: x", OutcomeKind.ANSWER_LOST),
    (500, "Invalid Response:Unable to decode", OutcomeKind.DEVICE_ANSWERED_NONSENSE),
    (500, "Unexpected exception: Unable to send request", OutcomeKind.NOT_CONNECTED),
    (500, "Unexpected exception: Request 1 can not be sent: peer is not connected", OutcomeKind.NOT_CONNECTED),
    (500, "Unexpected exception: Invalid Links: Unable to parse link peer is not connected", OutcomeKind.ANSWER_LOST),
    (500, 'Unexpected exception: "peer is not connected" is not a valid Long.', OutcomeKind.ANSWER_LOST),
    (500, "<html><title>Error 500</title>peer is not connected</html>", OutcomeKind.ANSWER_LOST),
    (400, "No registered client with id 'is sleeping'", OutcomeKind.NOT_REGISTERED),
    (
        400,
        "Invalid request: The destination client is sleeping, request cannot be sent.",
        OutcomeKind.ASLEEP,
    ),
    (400, "Invalid request:The destination client is sleeping, request cannot be sent.", OutcomeKind.ASLEEP),
    (400, "Invalid request: Unable to parse [he is sleeping]", OutcomeKind.BAD_REQUEST),
    (400, "", OutcomeKind.BAD_REQUEST),
    (401, "", OutcomeKind.LESHAN_REFUSED),
    (403, "", OutcomeKind.LESHAN_REFUSED),
    (407, "", OutcomeKind.LESHAN_REFUSED),
    (429, "", OutcomeKind.LESHAN_REFUSED),
    (302, "", OutcomeKind.UNEXPECTED),
    (404, "no observation for path /3", OutcomeKind.UNEXPECTED),
    (405, "", OutcomeKind.UNEXPECTED),
    (413, "", OutcomeKind.UNEXPECTED),
    (409, "", OutcomeKind.UNEXPECTED),
    (409, '{"code":"CLIENT_SLEEPING","text":"x","delivery":"NOT_SENT"}', OutcomeKind.ASLEEP),
    (409, '{"code":"BUSY","text":"x","delivery":"NOT_SENT"}', OutcomeKind.LESHAN_BUSY),
    (429, '{"code":"TOO_MANY_CALLS","text":"x","delivery":"NOT_SENT"}', OutcomeKind.LESHAN_BUSY),
    (429, '{"code":"UNHEARD_OF","text":"x","delivery":"NOT_SENT"}', OutcomeKind.LESHAN_REFUSED),
    (409, '{"code":"REQUEST_CLOSED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_SENT),
    (422, '{"code":"REQUEST_ID_REUSED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (400, '{"code":"NOT_REGISTERED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_REGISTERED),
    (400, '{"code":"INVALID_REQUEST","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (400, '{"code":"INVALID_ATTRIBUTES","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (400, '{"code":"INVALID_PATH","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (404, '{"code":"NO_OBSERVATION","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (504, '{"code":"REQUEST_TIMEOUT","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.DEVICE_SILENT),
    (504, '{"code":"REQUEST_TIMEOUT","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_CONNECTED),
    (500, '{"code":"REQUEST_REJECTED","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (500, '{"code":"REQUEST_CANCELLED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_SENT),
    (500, '{"code":"REQUEST_CANCELLED","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (500, '{"code":"INVALID_RESPONSE","text":"x","delivery":"ANSWERED"}', OutcomeKind.DEVICE_ANSWERED_NONSENSE),
    (500, '{"code":"RESPONSE_TOO_LARGE","text":"x","delivery":"ANSWERED"}', OutcomeKind.ANSWER_TOO_LARGE),
    (500, '{"code":"NOT_CONNECTED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_CONNECTED),
    (500, '{"code":"NOT_CONNECTED","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (500, '{"code":"UNEXPECTED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (500, '{"code":"UNEXPECTED","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (500, '{"code":"UNEXPECTED","text":"x","delivery":"ANSWERED"}', OutcomeKind.DEVICE_ANSWERED_NONSENSE),
    (503, '{"code":"SHUTTING_DOWN","text":"x","delivery":"NOT_SENT"}', OutcomeKind.UNREACHABLE),
    (401, '{"code":"UNAUTHORIZED","text":"x","delivery":"NOT_SENT"}', OutcomeKind.LESHAN_REFUSED),
    (500, '{"code":"INTERRUPTED","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (503, '{"code":"UNHEARD_OF","text":"x","delivery":"NOT_SENT"}', OutcomeKind.NOT_SENT),
    (400, '{"code":"UNHEARD_OF","text":"x","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.ANSWER_LOST),
    (504, '{"code":"TIMEOUT","text":"Request timeout","delivery":"MAY_HAVE_REACHED"}', OutcomeKind.DEVICE_SILENT),
    (500, '{"code":"BAD","text":"Unexpected exception: x","delivery":"NOT_SENT"}', OutcomeKind.BAD_REQUEST),
    (500, '{"code":"BAD","text":"Unexpected exception: x"}', OutcomeKind.ANSWER_LOST),
    (200, "", OutcomeKind.ANSWER_LOST),
    (200, "{", OutcomeKind.ANSWER_LOST),
    (200, "[]", OutcomeKind.ANSWER_LOST),
    (200, '{"endpoint":"x"}', OutcomeKind.ANSWER_LOST),
    (200, '{"success":true}', OutcomeKind.ANSWER_LOST),
    (200, '{"success":"true","status":"CHANGED(204)"}', OutcomeKind.ANSWER_LOST),
    (200, '{"success":true,"status":"NOT_FOUND(404)"}', OutcomeKind.ANSWER_LOST),
    (200, '{"success":false,"status":"NOT_FOUND(404)"}', OutcomeKind.DEVICE_ANSWERED_NO),
    (200, '{"success":true,"status":"CHANGED(204)"}', OutcomeKind.SUCCESS),
    (200, '{"delayed":true,"requestId":"a"}', OutcomeKind.DELAYED),
    (200, '{"delayed":true}', OutcomeKind.ANSWER_LOST),
    (200, '{"delayed":true,"requestId":"' + "a" * 65 + '"}', OutcomeKind.ANSWER_LOST),
    (200, "<html>login</html>", OutcomeKind.ANSWER_LOST),
    (204, "", OutcomeKind.ANSWER_LOST),
    (200, "[" * 100_000, OutcomeKind.ANSWER_LOST),
]


@pytest.mark.parametrize(("status", "text", "kind"), ROWS)
def test_rows_of_the_answer_table(status: int, text: str, kind: OutcomeKind) -> None:
    assert read(OperationKind.WRITE, status, text) is kind


@pytest.mark.parametrize("kind", sorted(CANCELS))
def test_an_observation_that_does_not_exist_is_canceled(kind: OperationKind) -> None:
    assert read(kind, 404, "no observation for path /3 for  client 'x'") is OutcomeKind.SUCCESS
    assert read(kind, 404, "no composite observation for paths [/3]") is OutcomeKind.SUCCESS
    assert read(kind, 404, "<html><title>Error 404 Not Found</title></html>") is OutcomeKind.UNEXPECTED
    assert read(kind, 200, "") is OutcomeKind.SUCCESS


def test_an_html_page_is_reported_by_its_title_in_its_charset() -> None:
    page = "<html><head><title>Error 404\n Nicht gefunden \xfc</title></head></html>".encode("latin-1")
    outcome = read_answer(OperationKind.READ, 404, {"Content-Type": "text/html;charset=iso-8859-1"}, page)
    assert outcome.detail == "Error 404 Nicht gefunden ü"
    assert read_answer(OperationKind.READ, 404, {"Content-Type": "text/html;charset=nope"}, b"\xff").detail == "\ufffd"


def test_a_device_text_without_end_or_with_nul_can_be_stored() -> None:
    body = json.dumps({"status": "BAD_REQUEST(400)", "success": False, "errormessage": "\0" + "x" * 5000})
    outcome = read_answer(OperationKind.READ, 200, {}, body.encode())
    assert outcome.detail == "x" * MAX_DETAIL


def test_the_response_of_a_delayed_request_is_read_like_a_direct_one() -> None:
    answer = {"status": "CHANGED(204)", "valid": True, "success": True, "failure": False}
    assert read_response_object(OperationKind.WRITE, answer).kind is OutcomeKind.SUCCESS
    refused = {"status": "NOT_FOUND(404)", "success": False}
    assert read_response_object(OperationKind.WRITE, refused).device_code == 404
    assert read_response_object(OperationKind.WRITE, {}).kind is OutcomeKind.ANSWER_LOST
