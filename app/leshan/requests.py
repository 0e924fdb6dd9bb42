"""Operations as HTTP requests to Leshan's REST API.

Addresses are relative to the API's root (``http://HOST:8080/api``). The facts were read in the source of Leshan's
``ClientServlet`` and seen on running servers (``tests/captures``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import orjson

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.operations import OperationRequest, is_turn_ender
from app.domain.paths import LwM2mPath
from app.domain.values import JsonValue, TypedValue
from app.leshan.content_formats import COMPOSITE_FORMATS, check_writable
from app.leshan.nodes import resource_node

JSON_TYPE: Final = "application/json; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_UNSAFE: Final = re.compile(r"[/%\\;\x00-\x1f\x7f]")


class Unaddressable(ValueError):
    """Raised if a request about an endpoint of this name might reach another one on this Leshan."""


@dataclass(frozen=True, slots=True)
class LeshanRequest:
    """One HTTP request: ``target`` is path and query, percent-encoded, relative to the API's root."""

    method: str
    target: str
    body: bytes | None = None
    content_type: str | None = None


@lru_cache(maxsize=8192)
def endpoint_segment(endpoint: str, any_name: bool = False) -> str:
    r"""Return the endpoint's name as one segment of an address.

    ``/`` and ``%`` are refused or split by a stock Leshan's web server even when encoded, and a proxy before it may
    decode ``%3B`` and ``%5C``, whereupon the rest after ``;`` is cut off and ``\`` becomes a separator. A server that
    reports support for them (``any_name``) accepts them.

    Raises:
        Unaddressable: the name could make the call reach another path or client.
    """
    if endpoint in {"", ".", ".."} or (not any_name and _UNSAFE.search(endpoint)):
        raise Unaddressable(
            f"Leshan cannot be queried about the endpoint {endpoint[:100]!r}: "
            "an address safely holds no name that is empty, '.' or '..', or has one of / % \\ ; or a control character"
        )
    try:
        return quote(endpoint, safe="")
    except UnicodeEncodeError:
        raise Unaddressable("Leshan cannot be queried about an endpoint whose name is no Unicode text") from None


def probe_request(endpoint: str, *, any_name: bool = False) -> LeshanRequest:
    """Request one registration: changes nothing and reaches no device."""
    return LeshanRequest("GET", f"/clients/{endpoint_segment(endpoint, any_name)}")


def clients_request(limit: int | None = None, after: str | None = None) -> LeshanRequest:
    """Request all registrations, or with ``limit`` at most that many, those that follow the endpoint ``after``."""
    page = "" if limit is None else f"limit={limit}"
    return LeshanRequest("GET", "/clients" + _query(page, "" if after is None else f"after={quote(after, safe='')}"))


def info_request() -> LeshanRequest:
    """Request the server's features."""
    return LeshanRequest("GET", "/server/info")


def closing_request(request_id: str, wait_seconds: int) -> LeshanRequest:
    """Request the state of a call, and have it refused from now on if it has not arrived: a query alone would race with
    a late packet. ``wait_seconds``: the time to wait for a call that is still open, at most 30."""
    return LeshanRequest("DELETE", f"/requests/{request_id}?wait={wait_seconds}")


def objectspecs_request(endpoint: str, *, any_name: bool = False) -> LeshanRequest:
    """Request the object models that Leshan uses for an endpoint."""
    return LeshanRequest("GET", f"/objectspecs/{endpoint_segment(endpoint, any_name)}")


def request_for(
    op: OperationRequest, *, any_name: bool = False, once: bool = False, typed: bool = True
) -> LeshanRequest:
    """Return the HTTP request of an operation that was validated before it was queued.

    With ``once`` a turn-ender is sent as a single datagram: a device that has rebooted takes a retransmission for a new
    request (RFC 7252, 4.2: its memory of messages is gone) and would go down again.

    ``typed``: whether the server reads the types of values (``LeshanClient.typed``).

    Raises:
        Unaddressable: the endpoint's name cannot be part of an address.
        Unwritable: this server would write another value than the operation's.
    """
    check_writable(op, typed=typed)
    client = f"/clients/{endpoint_segment(op.endpoint, any_name)}"
    request = _COMPOSERS[op.kind](op, client)
    if once and is_turn_ender(op.kind, op.path):
        return replace(request, target=f"{request.target}&retransmit=0")
    return request


def _written_node(op: OperationRequest) -> JsonValue:
    path = _parsed(_path(op))
    if op.value_type is None:
        return {"kind": "instance", **op.value, "id": path.ids[-1]}
    return resource_node(path, TypedValue(op.value_type, op.value))


def _write_composite(op: OperationRequest, client: str) -> LeshanRequest:
    nodes = {
        path: resource_node(_parsed(path), TypedValue(ValueType(typed["type"]), typed["value"]))
        for path, typed in op.values.items()
    }
    return _json("PUT", f"{client}/composite" + _query(*_composite_formats(op), _timeout(op)), nodes)


_COMPOSERS: Final[dict[OperationKind, Callable[[OperationRequest, str], LeshanRequest]]] = {
    OperationKind.READ: lambda op, client: LeshanRequest("GET", client + _path(op) + _query(_timeout(op), _format(op))),
    OperationKind.WRITE: lambda op, client: _json(
        "PUT",
        client + _path(op) + _query(_timeout(op), _format(op), "" if op.replace else "replace=false"),
        _written_node(op),
    ),
    # the body is always present, if empty: Leshan drops arguments that come without Content-Length
    OperationKind.EXECUTE: lambda op, client: LeshanRequest(
        "POST", client + _path(op) + _query(_timeout(op)), (op.arguments or "").encode(), TEXT_TYPE
    ),
    OperationKind.CREATE: lambda op, client: _json(
        "POST", client + _path(op) + _query(_timeout(op), _format(op)), {"kind": "instance", **op.value}
    ),
    OperationKind.DELETE: lambda op, client: LeshanRequest("DELETE", client + _path(op) + _query(_timeout(op))),
    OperationKind.DISCOVER: lambda op, client: LeshanRequest(
        "GET", f"{client}{_path(op)}/discover{_query(_timeout(op))}"
    ),
    OperationKind.OBSERVE: lambda op, client: LeshanRequest(
        "POST", f"{client}{_path(op)}/observe{_query(_timeout(op), _format(op))}", b""
    ),
    # the passive form: Leshan removes the observation and answers the device's next notification with a reset. It
    # succeeds whether the device sleeps or not, and whether anything was observed or not; LwM2M allows both forms
    OperationKind.CANCEL_OBSERVE: lambda op, client: LeshanRequest("DELETE", f"{client}{_path(op)}/observe"),
    # without `timeout`: Leshan reads the whole query as the list of attributes, and waits its own 5 seconds
    OperationKind.WRITE_ATTRIBUTES: lambda op, client: LeshanRequest(
        "PUT",
        f"{client}{_path(op)}/attributes?"
        + "&".join(f"{name}={_plain(value)}" for name, value in op.attributes.items()),
        b"",
    ),
    OperationKind.READ_COMPOSITE: lambda op, client: LeshanRequest(
        "GET", f"{client}/composite" + _query(_paths(op), *_composite_formats(op), _timeout(op))
    ),
    OperationKind.WRITE_COMPOSITE: _write_composite,
    OperationKind.OBSERVE_COMPOSITE: lambda op, client: LeshanRequest(
        "POST", f"{client}/composite/observe{_query(_paths(op), *_composite_formats(op), _timeout(op))}", b""
    ),
    OperationKind.CANCEL_OBSERVE_COMPOSITE: lambda op, client: LeshanRequest(
        "DELETE", f"{client}/composite/observe{_query(_paths(op), *_composite_formats(op))}"
    ),
}
"""The request of each kind, from the operation and the address of its client."""


def _json(method: str, target: str, node: JsonValue) -> LeshanRequest:
    """Build a JSON request in ASCII alone: if Leshan ignores the charset, it reads with the platform's. The node comes
    from stored JSON, which has no NaN: orjson would write null for it."""
    body = orjson.dumps(node)
    if not body.isascii():
        body = _ENCODER.encode(node).encode("ascii")
    return LeshanRequest(method, target, body, JSON_TYPE)


@lru_cache(maxsize=8192)
def _parsed(path: str) -> LwM2mPath:
    return LwM2mPath.parse(path)


@lru_cache(maxsize=8192)
def _slashed(path: str) -> str:
    return str(LwM2mPath.parse(path))


def _path(op: OperationRequest) -> str:
    if op.path is None:
        raise ValueError(f"{op.kind} needs a path")
    return _slashed(op.path)


def _paths(op: OperationRequest) -> str:
    return "paths=" + ",".join(map(_slashed, op.paths))


def _query(*parts: str) -> str:
    filled = "&".join(part for part in parts if part)
    return f"?{filled}" if filled else ""


def _timeout(op: OperationRequest) -> str:
    return f"timeout={op.timeout_seconds}"


def _format(op: OperationRequest) -> str:
    return f"format={op.format}" if op.format else ""


def _composite_formats(op: OperationRequest) -> tuple[str, str]:
    """Return both formats, which are required: without them Leshan fails on a null pointer and sends nothing."""
    chosen = op.format if op.format in COMPOSITE_FORMATS else ContentFormat.SENML_JSON
    return f"pathformat={chosen}", f"nodeformat={chosen}"


def _plain(value: JsonValue) -> str:
    """Return a number without exponent, as in the attribute grammar (LwM2M Core 1.1, 7.3.2): 0.00001, never 1e-05."""
    if isinstance(value, int):
        return str(value)
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
