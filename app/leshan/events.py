"""Leshan's events, by name and JSON, as the domain's: for the event stream, the webhook and ``GET /clients`` alike.

Names come from devices and are hostile input: whatever an event contains, only the three errors below are raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from app.domain.enums import SECOND
from app.domain.events import (
    AttemptEnded,
    Awake,
    Deregistered,
    Event,
    Gap,
    LeshanEvent,
    ObservationChanged,
    Registered,
    Registration,
    Reported,
    RequestResponse,
    Sample,
    Sleeping,
    Updated,
)
from app.domain.values import JsonValue
from app.leshan.links import read_links

MAX_NAME: Final = 255
"""Maximum characters of an endpoint's name: the width of a database column, and more than any device has."""

MAX_BOOT_ID: Final = 64
"""Maximum characters of a server's boot id: the width of a database column."""

MAX_REQUEST_ID: Final = 64
"""Maximum characters of the id of a delayed request: the width of a database column; Leshan's own is a UUID."""

MAX_SAMPLES: Final = 20_000
"""Maximum samples of one report; a Send of 128 KiB, our server's limit, has some 10,000."""

_ATTEMPT: Final = re.compile(r"([0-9a-f-]{36})/([1-9][0-9]{0,8})")
"""``{operation}/{attempt}``, as Reveille sends it. The ids of other users of a Leshan server have other forms."""

_PATH: Final = re.compile(r"(?:/[0-9]{1,5}){1,4}")
_MAX_INTEGER: Final = 2**53
_MAX_DEPTH: Final = 32
"""Maximum nesting of a response, which is kept until its call is known; Leshan's own have at most ten levels."""


class UnknownEvent(ValueError):
    """Raised if Leshan has no event of this name."""


class UnreadableEvent(ValueError):
    """Raised if the event cannot be read. The message says why; ``field`` is the path of the invalid field."""

    def __init__(self, message: str, field: str = "data") -> None:
        super().__init__(message)
        self.field = field


class MissingField(UnreadableEvent):
    """Raised if the event lacks a required field, or has another kind of value there."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is missing or not what Leshan has there", field)


class BrokenEvent(UnreadableEvent):
    """Raised if a part of the event cannot be stored: a name with NUL, a response nested without limit."""


def parse_event(
    name: str,
    data: JsonValue,
    *,
    age: int = 0,
    ordered: bool = False,
    notifications_wake: bool = False,
    time: int | None = None,
    boot_id: JsonValue = None,
) -> LeshanEvent | None:
    """Read one event; None if it is known and has no effect here.

    Args:
        age: the time since it happened, in microseconds.
        ordered: whether its source preserves order.
        notifications_wake: whether this server takes a device that notifies as awake.
        time: when it happened, in milliseconds of the server's clock.
        boot_id: of the server process in which it happened, as received.

    Raises:
        UnknownEvent, MissingField, BrokenEvent: see there.
    """
    parser = _PARSERS.get(name)
    if parser is None:
        raise UnknownEvent(f"{str(name)[:50]!r} is no event that means something here")
    if not isinstance(data, Mapping):
        raise BrokenEvent(f"the data of {name} is no JSON object")
    if name == "AWAKE" and data.get("cause") == "ANSWER":
        return None
    common: _Common = {"age": max(0, age), "ordered": ordered, "boot_id": boot_id_of(boot_id)}
    told = parser(data, common, notifications_wake)
    if isinstance(told, Awake):
        return replace(told, window=_window(data, time))
    return told


def boot_id_of(value: JsonValue) -> str | None:
    """Return a ``bootId`` that can be stored and compared."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_BOOT_ID and "\x00" not in value else None


def endpoint_name(value: JsonValue, field: str) -> str:
    """Return an endpoint's name if it can be stored.

    Raises:
        MissingField: no text at all. BrokenEvent: empty, too long, with NUL, or no Unicode.
    """
    if not isinstance(value, str):
        raise MissingField(field)
    if not value or len(value) > MAX_NAME or "\x00" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise BrokenEvent(f"an endpoint's name has 1 to {MAX_NAME} characters and no NUL", field)
    return value


def registration_of(data: JsonValue, field: str = "data") -> tuple[str, Registration]:
    """Return the endpoint and its registration from Leshan's registration object.

    Raises:
        MissingField, BrokenEvent: it has no usable name or id.
    """
    if not isinstance(data, Mapping):
        raise MissingField(field)
    name = endpoint_name(data.get("endpoint"), f"{field}.endpoint")
    attributes = data.get("additionalRegistrationAttributes")
    return name, Registration(
        registration_id=_required_text(data, "registrationId", field),
        registered_at=_millis(data.get("registrationDate")),
        last_update=_millis(data.get("lastUpdate")),
        lifetime_seconds=_lifetime(data.get("lifetime")),
        lwm2m_version=_text(data.get("lwM2mVersion")),
        binding_mode=_text(data.get("bindingMode")),
        queue_mode=_boolean(data.get("queuemode")),
        address=_text(data.get("address")),
        object_links=read_links(data.get("objectLinks")),
        awake_millis=_awake_millis(attributes.get("at")) if isinstance(attributes, Mapping) else None,
        sleeping=_boolean(data.get("sleeping")),
    )


_Common = dict[str, Any]


def _registered(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event:
    endpoint, registration = registration_of(data)
    return Registered(endpoint=endpoint, registration=registration, **common)


def _updated(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event:
    endpoint, registration = registration_of(data.get("registration"), "data.registration")
    return Updated(endpoint=endpoint, registration=registration, **common)


def _deregistered(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event:
    endpoint, registration = registration_of(data)
    by_device = data.get("reason") == "CLIENT"  # our own Leshan server's; the others are EXPIRED and REPLACED
    return Deregistered(endpoint=endpoint, registration=registration, by_device=by_device, **common)


def _awake(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event:
    return Awake(endpoint=_endpoint(data), **common)


def _window(data: Mapping[str, JsonValue], time: int | None) -> int | None:
    until = _integer(data.get("until"))
    return (until - time) * 1000 if until is not None and time is not None and until > time else None


def _sleeping(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event:
    return Sleeping(endpoint=_endpoint(data), **common)


def _notification(data: Mapping[str, JsonValue], common: _Common, wake: bool) -> Event:
    """Read a notification. One of 2.0.0-M4, which has no composites, has no ``kind``."""
    if data.get("kind", "single") != "single":
        return _sent(data, common, wake)
    path = _required_text(data, "res", "data")
    if "val" not in data:
        raise MissingField("data.val")
    return Reported(endpoint=_endpoint(data), nodes={path: data["val"]}, wakes=wake, samples=_samples(data), **common)


def _sent(data: Mapping[str, JsonValue], common: _Common, wake: bool) -> Event:
    """Read a Send or a composite notification. Null means that it has no content: the device answered an error."""
    nodes = data.get("val")
    if "val" not in data or not isinstance(nodes, Mapping | None):
        raise MissingField("data.val")
    return Reported(endpoint=_endpoint(data), nodes=nodes or {}, wakes=wake, samples=_samples(data), **common)


def _samples(data: Mapping[str, JsonValue]) -> tuple[Sample, ...]:
    """Return all samples that our own server reports, with the device's times; one that cannot be read is left out."""
    told = data.get("samples")
    commands = told[:MAX_SAMPLES] if isinstance(told, list) else []
    return tuple(
        Sample(_integer(each.get("time")), each["val"])
        for each in commands
        if isinstance(each, Mapping) and isinstance(each.get("val"), Mapping)
    )


def _unreadable(_data: Mapping[str, JsonValue], _common: _Common, _wake: bool) -> None:
    """Return None: the Leshan server could not decode the notification, and reports its AWAKE as another event."""


def _gap(_data: Mapping[str, JsonValue], _common: _Common, _wake: bool) -> LeshanEvent:
    return Gap()


def _request_response(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> LeshanEvent | None:
    if data.get("delayed") is False:
        return _attempt_ended(data)
    response = data.get("response")
    if not isinstance(response, Mapping):
        raise MissingField("data.response")
    if _nested_deeper(response, _MAX_DEPTH):
        raise BrokenEvent(f"an answer is nested at most {_MAX_DEPTH} deep", "data.response")
    request_id = _required_text(data, "requestId", "data")
    if len(request_id) > MAX_REQUEST_ID:
        raise BrokenEvent(f"the id of a request has at most {MAX_REQUEST_ID} characters", "data.requestId")
    path = _text(data.get("path"))
    return RequestResponse(endpoint=_endpoint(data), request_id=request_id, path=path, response=response, **common)


def _attempt_ended(data: Mapping[str, JsonValue]) -> AttemptEnded | None:
    if not isinstance(request_id := data.get("requestId"), str):
        raise MissingField("data.requestId")
    if (match := _ATTEMPT.fullmatch(request_id)) is None:
        return None  # another user's call: refusing it stalled the whole webhook
    response, error = data.get("response"), data.get("error")
    if _nested_deeper(response, _MAX_DEPTH):
        raise BrokenEvent(f"an answer is nested at most {_MAX_DEPTH} deep", "data.response")
    return AttemptEnded(
        endpoint=_endpoint(data),
        operation_id=match[1],
        attempt=int(match[2]),
        response=response if isinstance(response, Mapping) else None,
        error=error if isinstance(error, Mapping) else None,
    )


def _observation(data: Mapping[str, JsonValue], common: _Common, *, stands: bool) -> Event | None:
    """Return None for an observation that Reveille does not show, for example of the root: refusing it would stall the
    webhook."""
    composite = data.get("kind") == "composite"
    paths = data.get("paths") if composite else [data.get("res")]
    registration_id = _text(data.get("registrationId"))
    if registration_id is None or not isinstance(paths, list) or not paths or not all(map(_is_path, paths)):
        return None
    known: dict[str, Any] = {"registration_id": registration_id, "paths": tuple(paths), "composite": composite}
    return ObservationChanged(endpoint=_endpoint(data), stands=stands, **known, **common)


def _is_path(value: JsonValue) -> bool:
    return isinstance(value, str) and _PATH.fullmatch(value) is not None


def _observation_added(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event | None:
    return _observation(data, common, stands=True)


def _observation_ended(data: Mapping[str, JsonValue], common: _Common, _wake: bool) -> Event | None:
    return _observation(data, common, stands=False)


_PARSERS: Final[dict[str, Callable[[Mapping[str, JsonValue], _Common, bool], LeshanEvent | None]]] = {
    "REGISTRATION": _registered,
    "UPDATED": _updated,
    "DEREGISTRATION": _deregistered,
    "AWAKE": _awake,
    "SLEEPING": _sleeping,
    "NOTIFICATION": _notification,
    "NOTIFICATION_UNREADABLE": _unreadable,
    "SEND": _sent,
    "REQUEST_RESPONSE": _request_response,
    "OBSERVATION_ADDED": _observation_added,
    "OBSERVATION_ENDED": _observation_ended,
    "GAP": _gap,
}


def _nested_deeper(value: JsonValue, depth: int) -> bool:
    """Return whether parsed JSON nests deeper; level by level, because a response may be as wide as it is long."""
    level = [value]
    for _ in range(depth + 1):
        containers = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [child for container in containers for child in container]
        if not containers:
            return False
    return True


def _endpoint(data: Mapping[str, JsonValue]) -> str:
    return endpoint_name(data.get("ep"), "data.ep")


def _required_text(data: Mapping[str, JsonValue], key: str, field: str) -> str:
    if (text := _text(data.get(key))) is None:
        raise MissingField(f"{field}.{key}")
    return text


def _text(value: JsonValue) -> str | None:
    """Return a short text that can be stored: PostgreSQL accepts no NUL."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME and "\x00" not in value else None


def _integer(value: JsonValue) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_INTEGER
    return value if usable else None


def _lifetime(value: JsonValue) -> int | None:
    """Return the lifetime in whole seconds, at most 2^53 - 1. Leshan stores any 64-bit number that a device registers
    with; a negative one and a value that is no number are None."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    elif isinstance(value, float):
        value = int(value) if isfinite(value) else None
    return _integer(min(value, _MAX_INTEGER - 1) if isinstance(value, int) else None)


def _boolean(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else None


def _awake_millis(value: JsonValue) -> int | None:
    """Read the attribute ``at``, which is text, as all registration attributes are."""
    if isinstance(value, str):
        digits = value.strip('"')
        value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    return _integer(value)


def _millis(value: JsonValue) -> int | None:
    """Read a date in milliseconds; 2.0.0-M4 has it as ISO text (``"2026-11-23T15:51:20Z"``)."""
    if not isinstance(value, str):
        return _integer(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _integer(int(moment.timestamp() * SECOND) // 1000)
