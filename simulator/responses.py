"""Responses of the server, and errors that end a request early: the server's own (nothing was sent) and the device's
refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

JSON: Final = "application/json"
TEXT: Final = "text/plain;charset=utf-8"
HTML: Final = "text/html;charset=iso-8859-1"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response of the server."""

    status: int
    body: bytes
    content_type: str | None = None


class ServerAnswer(Exception):
    """Raised if the server responds by itself. ``content_type`` None: stock Leshan sets none on many of its errors."""

    def __init__(self, status: int, text: str, content_type: str | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.content_type = content_type


class Refused(Exception):
    """Raised if the device refuses, with a CoAP code (404 is 4.04) and an optional text."""

    def __init__(self, code: int, text: str | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def invalid_request(text: str) -> ServerAnswer:
    """Return Leshan's response to a request that its own classes do not accept."""
    return ServerAnswer(400, f"Invalid request: {text}")


def unexpected(text: str) -> ServerAnswer:
    """Return Leshan's response to its own failure: mostly a body that it could not read."""
    return ServerAnswer(500, f"Unexpected exception: {text}")


def html_error(status: int, title: str) -> ServerAnswer:
    """Return an error page of the web server under Leshan (Jetty)."""
    page = (
        '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>\n'
        f"<title>Error {status} {title}</title>\n</head>\n<body>\n"
        f"<h2>HTTP ERROR {status} {title}</h2>\n</body>\n</html>\n"
    )
    return ServerAnswer(status, page, HTML)


def no_registered_client(name: str) -> ServerAnswer:
    return ServerAnswer(400, f"No registered client with id '{name}'", TEXT)


CODES: Final = {
    201: "CREATED",
    202: "DELETED",
    204: "CHANGED",
    205: "CONTENT",
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    408: "REQUEST_ENTITY_INCOMPLETE",
    412: "PRECONDITION_FAILED",
    413: "REQUEST_ENTITY_TOO_LARGE",
    415: "UNSUPPORTED_CONTENT_FORMAT",
    500: "INTERNAL_SERVER_ERROR",
}
"""Leshan's ``ResponseCode``; it writes a code that it has no name for as ``UNKNOWN(429)``."""


def status_text(code: int) -> str:
    """Return a CoAP code as Leshan writes it: ``"CHANGED(204)"``."""
    return f"{CODES.get(code, 'UNKNOWN')}({code})"
