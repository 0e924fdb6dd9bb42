"""Errors of Reveille's own Leshan server for clients that accept JSON: ``{"code", "text", "delivery"}``."""

from __future__ import annotations

import re
from typing import Final

import orjson

from simulator.responses import JSON, HttpResponse

_NOT_SENT: Final = "NOT_SENT"
_MAY: Final = "MAY_HAVE_REACHED"
_ANSWERED: Final = "ANSWERED"

_CODES: Final = (
    (400, "No registered client", "NOT_REGISTERED", _NOT_SENT),
    (400, "Invalid request", "INVALID_REQUEST", _NOT_SENT),
    (400, "Invalid attributes", "INVALID_ATTRIBUTES", _NOT_SENT),
    (404, "no (composite )?observation", "NO_OBSERVATION", _NOT_SENT),
    (504, "Request timeout", "REQUEST_TIMEOUT", _MAY),
    (500, "Request rejected", "REQUEST_REJECTED", _MAY),
    (500, "Request cancelled", "REQUEST_CANCELLED", _MAY),
    (500, "Invalid Response", "INVALID_RESPONSE", _ANSWERED),
    (500, "Unexpected exception", "UNEXPECTED", _MAY),
)
"""Status, the start of stock Leshan's text, code, and how far the request had got by then."""


def own_error(status: int, code: str, text: str, delivery: str = _NOT_SENT) -> HttpResponse:
    """Return an error in the form of our own server."""
    return HttpResponse(status, orjson.dumps({"code": code, "text": text, "delivery": delivery}), JSON)


def as_own_error(answer: HttpResponse) -> HttpResponse:
    """Return a stock server's error in the form of our own; any other response, such as a page of the web server,
    unchanged."""
    if answer.status < 400 or answer.content_type == JSON:
        return answer
    text = answer.body.decode()
    for status, start, code, delivery in _CODES:
        if answer.status == status and re.match(start, text):
            return own_error(status, code, text, delivery)
    return answer


def delivery_of(answer: HttpResponse) -> str:
    """Return how far the request of this response had got."""
    if answer.status == 200:
        return _ANSWERED
    content = orjson.loads(answer.body) if answer.content_type == JSON else {}
    return str(content.get("delivery", _MAY))
