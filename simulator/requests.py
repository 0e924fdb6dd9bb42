"""Leshan's REST addresses, parsed as Leshan parses them: the request to a client, or Leshan's error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote

from simulator.config import Mode
from simulator.device import Request
from simulator.nodes import MAX_ID, RESERVED, Node, Path, check_types, node_from, read_node
from simulator.responses import TEXT, ServerAnswer, html_error, invalid_request, unexpected

_INVALID_PATH: Final = "org.eclipse.leshan.core.node.InvalidLwM2mPathException: "
_LEVELS: Final = ("object", "object instance", "resource", "resource instance")
_DIGITS: Final = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request to ``/api/clients/{ep}/..``. ``parts`` are the segments after the endpoint's name."""

    method: str
    parts: Sequence[str]
    query: Mapping[str, str]
    content_type: str | None
    body: bytes
    chunked: bool

    @property
    def timeout_seconds(self) -> int | None:
        """The timeout in seconds, None if Leshan uses its default: no value, or an unreadable one."""
        text = self.query.get("timeout", "")
        return max(0, int(text)) if re.fullmatch("-?[0-9]{1,9}", text) else None


def segments(raw_path: bytes, mode: Mode) -> list[str]:
    """Return a path's decoded segments, as Jetty (or, in mode ``reveille``, our own server) splits and decodes them.

    Raises:
        ServerAnswer: 400, Jetty takes the path for ambiguous.
    """
    parts = raw_path.decode("ascii", "replace").split("/")[1:]
    if mode is Mode.REVEILLE:
        return [unquote(part) for part in parts]
    if "%" in (text := "/".join(parts)):
        _refuse_ambiguous(text.lower())
    if ";" not in text and "." not in text:
        return [unquote(part) for part in parts] if "%" in text else parts
    kept: list[str] = []
    for part in (unquote(part.split(";")[0]) for part in parts):
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    return kept


def _refuse_ambiguous(text: str) -> None:
    titles = []
    if any(unquote(part) in {".", ".."} and "%" in part for part in text.split("/")):
        titles.append("Ambiguous URI path segment")
    if "%2f" in text:
        titles.append("Ambiguous URI path separator")
    if "%25" in text:
        titles.append("Ambiguous URI path encoding")
    if titles:
        raise html_error(400, ", ".join(titles))


@lru_cache(maxsize=1024)
def read_query(query: bytes) -> Mapping[str, str]:
    """Return a query's parameters; shared, must not be changed."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


@lru_cache(maxsize=4096)
def read_path(text: str) -> Path:
    """Return ``"3/0/9"`` as ids.

    Raises:
        ServerAnswer: 400 with Leshan's text.
    """
    parts = [part for part in text.split("/") if part]
    if len(parts) > 4:
        raise invalid_request(f"{_INVALID_PATH}Invalid length for path {text}")
    if not all(_DIGITS.fullmatch(part) for part in parts):
        raise invalid_request(f"{_INVALID_PATH}Invalid elements in path {text}")
    for level, part in zip(_LEVELS, parts, strict=False):
        if int(part) > MAX_ID:
            raise invalid_request(f"{_INVALID_PATH}Invalid {level} id {part}, It MUST be an unsigned int.")
    if len(parts) > 1 and int(parts[1]) == MAX_ID:
        raise invalid_request(f"{_INVALID_PATH}{RESERVED}")
    return tuple(map(int, parts))


def check_shape(call: Call) -> None:
    """Check the number of path parts, which Leshan does before it looks for the client.

    Raises:
        ServerAnswer: 400 ``Invalid path``.
    """
    if call.method not in _METHODS:
        raise ServerAnswer(501, "")
    least = {"PUT": 2, "POST": 1, "DELETE": 1}.get(call.method, 0)
    if len(call.parts) < least and call.parts[:1] != ["composite"]:
        raise ServerAnswer(400, "Invalid path", TEXT)


def read_request(call: Call, default_timeout: int) -> Request:
    """Return the request to the client.

    Raises:
        ServerAnswer: the problem in Leshan's text; nothing is sent then.
    """
    composite = call.parts[0] == "composite"
    request = (_COMPOSITE if composite else _METHODS)[call.method](call)
    request.composite = composite
    given = call.timeout_seconds
    request.timeout_seconds = default_timeout if given is None else given
    request.size = len(call.body)
    return request


def is_passive_cancel(call: Call) -> bool:
    """Return whether the call is a DELETE of an observation without ``?active``: the server removes it and calls no
    device."""
    return call.method == "DELETE" and call.parts[-1:] == ["observe"] and "active" not in call.query


# --- one path


def _target(call: Call, *, cut: int = 0) -> Path:
    parts = call.parts[:-cut] if cut else call.parts
    return read_path("/".join(parts))


def _get(call: Call) -> Request:
    if len(call.parts) >= 2 and call.parts[-1] == "discover":
        return Request("DISCOVER", (_target(call, cut=1),))
    return Request("READ", (_target(call),), format=call.query.get("format"))


def _put(call: Call) -> Request:
    if call.parts[-1] == "attributes":
        return Request("WRITE_ATTRIBUTES", (_target(call, cut=1),), attributes=_attributes(call.query))
    path = _target(call)
    node = _body(call, path)
    replace = call.query.get("replace", "true").lower() == "true"
    if not replace and len(path) > 2 and node.kind != "multiResource":
        raise invalid_request(f"Invalid path {_text(path)}: update mode is not allowed for a single resource")
    check_types(path, node)
    return Request("WRITE", (path,), (node,), replace=replace)


def _post(call: Call) -> Request:
    if len(call.parts) >= 2 and call.parts[-1] == "observe":
        return Request("OBSERVE", (_target(call, cut=1),))
    if len(call.parts) == 3:
        # without a Content-Length Leshan does not see that there are arguments, and executes without them
        text = "" if call.chunked else call.body.decode("utf-8", "replace")
        return Request("EXECUTE", (_target(call),), arguments=read_arguments(text))
    path = _target(call)
    node = _body(call, path)
    if len(path) != 1:
        raise invalid_request(f"Invalid path {_text(path)}: Create request must target an object")
    if node.kind != "instance":
        raise unexpected("payload must contain an object instance")
    check_types(path, node)
    return Request("CREATE", (path,), (node,))


def _delete(call: Call) -> Request:
    if call.parts[-1] == "observe":
        return Request("CANCEL_OBSERVE", (_target(call, cut=1),))
    path = _target(call)
    if len(path) != 2:
        raise invalid_request(f"Invalid path {_text(path)} : Only object instances can be delete")
    return Request("DELETE", (path,))


def _body(call: Call, path: Path) -> Node:
    kind = (call.content_type or "").split(";")[0].strip()
    if kind == "application/json":
        return read_node(call.body)
    if kind == "text/plain":
        return Node("singleResource", path[-1], "STRING", call.body.decode("utf-8", "replace"))
    raise invalid_request(f"content type {call.content_type or 'null'} not supported")


def _text(path: Path) -> str:
    return "/" + "/".join(map(str, path))


# --- composites


def _paths(call: Call) -> tuple[Path, ...]:
    if "paths" not in call.query:
        raise unexpected('Cannot invoke "String.split(String)" because "pathParam" is null')
    paths = tuple(read_path(text) for text in call.query["paths"].split(","))
    for index, path in enumerate(paths):
        for other in paths[index + 1 :]:
            if path[: len(other)] == other[: len(path)]:
                overlapped = f"{_text(path)} and {_text(other)} are overlapped paths"
                raise invalid_request(f"Invalid path list :  {overlapped}")
    return paths


def _need_formats(call: Call, request: str, getter: str) -> None:
    if not {"pathformat", "nodeformat"} <= call.query.keys():
        what = "org.eclipse.leshan.core.request."
        raise unexpected(
            f'Cannot invoke "{what}ContentFormat.getCode()" because '
            f'the return value of "{what}{request}.{getter}()" is null'
        )


def _get_composite(call: Call) -> Request:
    paths = _paths(call)
    _need_formats(call, "ReadCompositeRequest", "getRequestContentFormat")
    return Request("READ_COMPOSITE", paths)


def _post_composite(call: Call) -> Request:
    paths = _paths(call)
    _need_formats(call, "ObserveCompositeRequest", "getRequestContentFormat")
    return Request("OBSERVE_COMPOSITE", paths)


def _delete_composite(call: Call) -> Request:
    return Request("CANCEL_OBSERVE_COMPOSITE", _paths(call))


def _put_composite(call: Call) -> Request:
    try:
        tree = json.loads(call.body)
    except ValueError as error:
        raise invalid_request(f"unable to parse json to tlv:{error}") from None
    nodes = {read_path(text): node_from(node) for text, node in tree.items()}
    for node in nodes.values():
        if node.kind not in {"singleResource", "resourceInstance"}:
            name = {"multiResource": "LwM2mMultipleResource"}.get(node.kind, "LwM2mObjectInstance")
            allowed = "[LwM2mSingleResource, LwM2mResourceInstance]"
            raise invalid_request(f"{name} is not supported, only {allowed} is allowed")
    _need_formats(call, "WriteCompositeRequest", "getContentFormat")
    for path, node in nodes.items():
        check_types(path, node)
    return Request("WRITE_COMPOSITE", tuple(nodes), tuple(nodes.values()))


_METHODS: Final[Mapping[str, Callable[[Call], Request]]] = {
    "GET": _get,
    "PUT": _put,
    "POST": _post,
    "DELETE": _delete,
}
_COMPOSITE: Final[Mapping[str, Callable[[Call], Request]]] = {
    "GET": _get_composite,
    "PUT": _put_composite,
    "POST": _post_composite,
    "DELETE": _delete_composite,
}


# --- attributes and arguments

_INTEGERS: Final = frozenset({"pmin", "pmax", "epmin", "epmax", "con", "hqmax", "dim"})
_NUMBERS: Final = frozenset({"gt", "lt", "st"})


def _attributes(query: Mapping[str, str]) -> dict[str, str | None]:
    for name, value in query.items():
        if name not in _INTEGERS | _NUMBERS:
            raise ServerAnswer(400, f"Invalid attributes: {name} attribute is unknown or not a LWM2M attribute")
        form = r"-?[0-9]+(\.[0-9]+)?" if name in _NUMBERS else "[0-9]+"
        if value and not re.fullmatch(form, value):
            read = value[: len(value) - len(value.lstrip("0123456789"))]
            bad = f"unexpected character '{value[len(read) :][:1]}', expected 'DIGIT' after {read}"
            raise ServerAnswer(400, f"Invalid attributes: Unable to parse [{value}] : {bad}")
    return {name: value or None for name, value in query.items()}


_ARGUMENT: Final = re.compile(r"([0-9])(?:='([^']*)')?")


def read_arguments(text: str) -> dict[int, str]:
    """Parse EXECUTE's arguments (LwM2M Core 1.1, 6.3.5): ``0='a',1``.

    Raises:
        ServerAnswer: 400 with Leshan's text.
    """
    found: dict[int, str] = {}
    rest = text
    while rest:
        match = _ARGUMENT.match(rest)
        if match is None:
            _bad_arguments(text, f"Invalid digit [{rest[0]}] (an integer between 0 and 9 is expected)")
        else:
            found[int(match[1])] = match[2] or ""
            rest = rest[match.end() :]
            if rest and (rest[0] != "," or len(rest) == 1):
                _bad_arguments(text, f"Unexpected character [{rest[0]}]")
            rest = rest[1:]
    return found


def _bad_arguments(text: str, why: str) -> None:
    raise invalid_request(f"Invalid Execute request : [Unable to parse Arguments [{text}] : {why}]")
