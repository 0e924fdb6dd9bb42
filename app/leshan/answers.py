"""Read the outcome of a call from the response's body: 200 with ``success:false`` is not a success.

There is one function per row of the verdict table's first column. All texts are those of Leshan's own servlets, from
2.0.0-M4 (``no registered client``, no blank after the colon) up to today, and of our own Leshan server, which returns
errors as ``{"code", "text", "delivery"}``. A text is compared from its start: the rest may quote a device or a user.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from app.domain.enums import Delivery, OperationKind
from app.domain.kinds import CANCELS
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue
from app.leshan.bounded import parse_json
from app.leshan.events import MAX_NAME, MAX_REQUEST_ID
from app.leshan.links import read_links
from app.leshan.transport import Exchange, Failure

MAX_DETAIL: Final = 1000

_DEVICE_STATUS: Final = re.compile(r"[A-Za-z_ ]{0,60}\(([1-5]\d\d)\)")
_TITLE: Final = re.compile(r"<title>(.{0,300}?)</title>", re.IGNORECASE | re.DOTALL)
_CHARSET: Final = re.compile(r"charset=\"?([\w.:-]{1,40})", re.IGNORECASE)

_NOT_REGISTERED: Final = re.compile(r"no registered client\b", re.IGNORECASE)
_ASLEEP: Final = re.compile(r"invalid request:\s*(?:the )?destination client\b.{0,300}?is sleeping", re.IGNORECASE)
_TIMEOUT: Final = re.compile(r"request timeout\b", re.IGNORECASE)
_NO_OBSERVATION: Final = re.compile(r"no (?:composite )?observation\b", re.IGNORECASE)
_NONSENSE: Final = re.compile(r"invalid response:", re.IGNORECASE)
_NOT_CONNECTED: Final = re.compile(
    r"(?:(?:unexpected exception|request rejected|request cancelled):\s*)?+(?!invalid )"
    r"(?:unable to send request|[^<\"]{0,300}?\bpeer is not connected)",
    re.IGNORECASE,
)

_ANY: Final = re.compile("")
_TEXTS: Final = {
    400: (
        (_NOT_REGISTERED, OutcomeKind.NOT_REGISTERED),
        (_ASLEEP, OutcomeKind.ASLEEP),
        (_ANY, OutcomeKind.BAD_REQUEST),
    ),
    500: (
        (_NONSENSE, OutcomeKind.DEVICE_ANSWERED_NONSENSE),
        (_NOT_CONNECTED, OutcomeKind.NOT_CONNECTED),
        (_ANY, OutcomeKind.ANSWER_LOST),
    ),
    504: ((_TIMEOUT, OutcomeKind.DEVICE_SILENT), (_ANY, OutcomeKind.PROXY_ERROR)),
}
"""The meaning of a stock server's texts by status; the first match counts."""

_STATUSES: Final = {
    **dict.fromkeys((401, 403, 407, 429), OutcomeKind.LESHAN_REFUSED),
    **dict.fromkeys((408, 499, 502, 503), OutcomeKind.PROXY_ERROR),
}
_OWN_CODES: Final = {
    "NOT_REGISTERED": OutcomeKind.NOT_REGISTERED,
    "INVALID_REQUEST": OutcomeKind.BAD_REQUEST,
    "INVALID_ATTRIBUTES": OutcomeKind.BAD_REQUEST,
    "INVALID_PATH": OutcomeKind.BAD_REQUEST,
    "NO_OBSERVATION": OutcomeKind.BAD_REQUEST,
    "REQUEST_ID_REUSED": OutcomeKind.BAD_REQUEST,
    "CLIENT_SLEEPING": OutcomeKind.ASLEEP,
    "BUSY": OutcomeKind.LESHAN_BUSY,
    "TOO_MANY_CALLS": OutcomeKind.LESHAN_BUSY,
    "REQUEST_TIMEOUT": OutcomeKind.DEVICE_SILENT,
    "REQUEST_REJECTED": OutcomeKind.ANSWER_LOST,
    "REQUEST_CANCELLED": OutcomeKind.ANSWER_LOST,
    "INTERRUPTED": OutcomeKind.ANSWER_LOST,
    "INVALID_RESPONSE": OutcomeKind.DEVICE_ANSWERED_NONSENSE,
    "RESPONSE_TOO_LARGE": OutcomeKind.ANSWER_TOO_LARGE,
    "NOT_CONNECTED": OutcomeKind.NOT_CONNECTED,
    "SHUTTING_DOWN": OutcomeKind.UNREACHABLE,
    "UNAUTHORIZED": OutcomeKind.LESHAN_REFUSED,
    "REQUEST_CLOSED": OutcomeKind.NOT_SENT,
}
"""The meaning of our own Leshan server's codes, unless ``delivery`` says otherwise."""

_PERHAPS: Final = {
    OutcomeKind.DEVICE_SILENT: OutcomeKind.NOT_CONNECTED,
    OutcomeKind.ANSWER_LOST: OutcomeKind.NOT_SENT,
    OutcomeKind.PROXY_ERROR: OutcomeKind.NOT_SENT,
}
"""Outcomes that leave open whether the device received the request, and their replacements if nothing was sent."""

_ANSWERED: Final = frozenset({OutcomeKind.SUCCESS, OutcomeKind.ANSWER_TOO_LARGE})
"""Outcomes that are possible after the device has answered, besides an unreadable response."""


_FAILURES: Final = {
    Failure.UNREACHABLE: OutcomeKind.UNREACHABLE,
    Failure.TOO_LATE: OutcomeKind.TOO_LATE,
    Failure.DEADLINE: OutcomeKind.ANSWER_LOST,
    Failure.LOST: OutcomeKind.ANSWER_LOST,
    Failure.TOO_LARGE: OutcomeKind.ANSWER_LOST,
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response with its text taken out of its JSON or HTML. ``delivery`` is our own server's."""

    kind: OperationKind
    status: int
    body: bytes
    text: str
    delivery: str | None = None

    def outcome(self, kind: OutcomeKind, detail: str | None = None) -> Outcome:
        return Outcome(kind, http_status=self.status, detail=(detail or self.text)[:MAX_DETAIL] or None)


def outcome_of(kind: OperationKind, exchange: Exchange) -> Outcome:
    """Return the outcome of an exchange for an operation of this kind."""
    if exchange.failure is None and exchange.status is not None:
        return read_answer(kind, exchange.status, exchange.headers, exchange.body)
    failure = exchange.failure or Failure.LOST
    return Outcome(
        _FAILURES[failure],
        http_status=exchange.status,
        detail=exchange.detail[:MAX_DETAIL] or None,
        deadline_passed=failure is Failure.DEADLINE,
    )


def read_answer(kind: OperationKind, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Return the outcome that a response of Leshan, or of a proxy before it, means for an operation of this kind. Never
    raises."""
    if 200 <= status < 300 and (content := _json_object(body)) is not None:
        return _read_object(content, status)
    answer = _Answer(kind, status, body, readable_text(headers.get("Content-Type", ""), body))
    if 200 <= status < 300:  # without a JSON object: valid only for a passive cancel, whose response has no body
        if body.strip():
            return answer.outcome(OutcomeKind.ANSWER_LOST, f"unreadable answer: {answer.text}")
        if kind in CANCELS:
            return answer.outcome(OutcomeKind.SUCCESS)
        return answer.outcome(OutcomeKind.ANSWER_LOST, "Leshan answered without a body")
    own = (_json_object(body) or {}) if status >= 400 and body.lstrip().startswith(b"{") else {}
    code, text, delivery = (own.get(key) for key in ("code", "text", "delivery"))
    if not isinstance(code, str) or not isinstance(text, str):
        return _read_error(answer)
    delivery = delivery if isinstance(delivery, str) else None
    return _read_own(_Answer(kind, status, body, _cut(text), delivery), code)


def _read_own(answer: _Answer, code: str) -> Outcome:
    """Read an error of our own Leshan server: ``code`` is the error, ``delivery`` is how far the request had got."""
    if code == "NO_OBSERVATION" and answer.kind in CANCELS:
        return answer.outcome(OutcomeKind.SUCCESS)
    known = _OWN_CODES.get(code)
    if known is None and answer.status == 500 and answer.delivery == Delivery.NOT_SENT:
        return answer.outcome(OutcomeKind.BAD_REQUEST)  # this request made it fail, and will again
    kind = known or _read_error(answer).kind
    if answer.delivery == Delivery.NOT_SENT:
        kind = _PERHAPS.get(kind, kind)
    elif answer.delivery == Delivery.MAY_HAVE_REACHED and kind not in _PERHAPS:
        kind = OutcomeKind.ANSWER_LOST
    elif answer.delivery == Delivery.ANSWERED and kind not in _ANSWERED:
        kind = OutcomeKind.DEVICE_ANSWERED_NONSENSE
    return answer.outcome(kind)


def _read_error(answer: _Answer) -> Outcome:
    """Read an error of a stock server, or of a proxy before it. A text that is not known leaves open whether the device
    received the request of a 500."""
    status = answer.status
    for text, kind in _TEXTS.get(status, ()):
        if text.match(answer.text):
            return answer.outcome(kind)
    if status == 404 and answer.kind in CANCELS and _NO_OBSERVATION.match(answer.text):
        return answer.outcome(OutcomeKind.SUCCESS)
    if status in _STATUSES:
        return answer.outcome(_STATUSES[status])
    return answer.outcome(OutcomeKind.PROXY_ERROR if status > 505 else OutcomeKind.UNEXPECTED)


def read_own_error(kind: OperationKind, error: Mapping[str, JsonValue]) -> Outcome:
    """Return the outcome for the ``error`` of our own server's REQUEST_RESPONSE, as a direct call would have had it."""
    code, text, delivery = (error.get(key) for key in ("code", "text", "delivery"))
    delivery = delivery if isinstance(delivery, str) else None
    answer = _Answer(kind, 500, b"", _cut(text) if isinstance(text, str) else "", delivery)
    return _read_own(answer, code if isinstance(code, str) else "")


def read_response_object(kind: OperationKind, response: Mapping[str, JsonValue]) -> Outcome:
    """Return the outcome for the ``response`` of a REQUEST_RESPONSE event, as a direct call would have had it."""
    del kind  # a device's response is read alike for all kinds; an empty one, which is not, comes in no event
    return _read_object(response, None)


def _read_object(answer: Mapping[str, JsonValue], http_status: int | None) -> Outcome:
    if answer.get("delayed") is True and "success" not in answer:
        return _read_delayed(answer, http_status)
    status, success = answer.get("status"), answer.get("success")
    match = _DEVICE_STATUS.fullmatch(status) if isinstance(status, str) else None
    if match is None or not isinstance(success, bool) or success != match[1].startswith("2"):
        try:
            shown = orjson.dumps(dict(answer), default=str).decode(errors="replace")
        except TypeError:  # orjson reads JSON that nests 1,024 deep, and writes 254 levels of it
            shown = f"it has the fields {', '.join(islice(answer, 20))} and nests too deeply to be shown"
        detail = _cut(f"unreadable answer: {shown}")
        return Outcome(OutcomeKind.ANSWER_LOST, http_status=http_status, detail=detail)
    message, location, links = answer.get("errormessage"), answer.get("location"), answer.get("objectLinks")
    is_location = isinstance(location, str) and 0 < len(location) <= MAX_NAME and "\x00" not in location
    return Outcome(
        OutcomeKind.SUCCESS if success else OutcomeKind.DEVICE_ANSWERED_NO,
        http_status=http_status,
        device_code=int(match[1]),
        device_status=status,
        detail=_cut(message) if isinstance(message, str) and message else None,
        content=answer.get("content"),
        object_links=None if links is None else read_links(links),
        location=location if is_location else None,  # only one that can be stored
    )


def _read_delayed(answer: Mapping[str, JsonValue], http_status: int | None) -> Outcome:
    request_id = answer.get("requestId")
    if isinstance(request_id, str) and 0 < len(request_id) <= MAX_REQUEST_ID and "\x00" not in request_id:
        detail = "Leshan keeps it until the device wakes"
        return Outcome(OutcomeKind.DELAYED, http_status=http_status, request_id=request_id, detail=detail)
    detail = "Leshan delayed the request without telling a usable id"
    return Outcome(OutcomeKind.ANSWER_LOST, http_status=http_status, detail=detail)


def _cut(text: str) -> str:
    """Cut the text to its maximum length and remove NUL, which no supported database stores in a text."""
    return text.replace("\x00", "")[:MAX_DETAIL]


def _json_object(body: bytes) -> dict[str, JsonValue] | None:
    try:
        content = parse_json(body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def readable_text(content_type: str, body: bytes) -> str:
    """Return a response's text for people: the title of an HTML page; at most 4,000 bytes are read."""
    charset = _CHARSET.search(content_type)
    try:
        text = body[:4000].decode(charset[1] if charset else "utf-8", errors="replace")
    except LookupError:
        text = body[:4000].decode("utf-8", errors="replace")
    if text.lstrip()[:1] == "<" and (title := _TITLE.search(text)):
        text = html.unescape(title[1])
    return " ".join(text.replace("\x00", "").split())
