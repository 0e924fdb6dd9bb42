"""Leshan's events, by name and JSON, as the domain's: for the event stream, the webhook and ``GET /clients`` alike.

Names come from devices and are hostile input: whatever an event contains, only the three errors below are raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from app.domain.enums import SECOND, ReadingOrigin
from app.domain.events import (
    AttemptEnded,
    Awake,
    Deregistered,
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
from app.domain.values import UNSTORABLE, JsonValue
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
    if not isinstance(data, dict):
        raise BrokenEvent(f"the data of {name} is no JSON object")
    common = {"age": max(0, age), "ordered": ordered, "boot_id": boot_id_of(boot_id)}
    return parser(name, data, _Source(common, notifications_wake, time))


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
    if not value or len(value) > MAX_NAME or UNSTORABLE.search(value):
        raise BrokenEvent(f"an endpoint's name has 1 to {MAX_NAME} characters and no NUL", field)
    return value


def registration_of(data: JsonValue, field: str = "data") -> tuple[str, Registration]:
    """Return the endpoint and its registration from Leshan's registration object.

    Raises:
        MissingField, BrokenEvent: it has no usable name or id.
    """
    if not isinstance(data, dict):
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
        awake_millis=_awake_millis(attributes.get("at")) if isinstance(attributes, dict) else None,
        sleeping=_boolean(data.get("sleeping")),
    )


class _Source(NamedTuple):
    """The attributes that the source gives to every event, whether notifications wake, and the event's time."""

    common: dict[str, Any]
    notifications_wake: bool
    time: int | None


def _registration_event(name: str, data: Mapping[str, JsonValue], source: _Source) -> LeshanEvent:
    """Read a registration, its update or its end."""
    if name == "UPDATED":
        endpoint, registration = registration_of(data.get("registration"), "data.registration")
        return Updated(endpoint=endpoint, registration=registration, **source.common)
    endpoint, registration = registration_of(data)
    if name == "REGISTRATION":
        return Registered(endpoint=endpoint, registration=registration, **source.common)
    by_device = data.get("reason") == "CLIENT"  # our own Leshan server's; the others are EXPIRED and REPLACED
    return Deregistered(endpoint=endpoint, registration=registration, by_device=by_device, **source.common)


def _presence_event(name: str, data: Mapping[str, JsonValue], source: _Source) -> LeshanEvent | None:
    if name == "SLEEPING":
        return Sleeping(endpoint=_endpoint(data), **source.common)
    if data.get("cause") == "ANSWER":
        return None
    until, time = _integer(data.get("until")), source.time
    window = (until - time) * 1000 if until is not None and time is not None and until > time else None
    return Awake(endpoint=_endpoint(data), window=window, **source.common)


def _report(name: str, data: Mapping[str, JsonValue], source: _Source) -> LeshanEvent:
    """Read a Send, or a single or composite notification. A notification of 2.0.0-M4, which has no composites, has no
    ``kind``. Null instead of several values means that there is no content: the device answered an error."""
    is_single = name == "NOTIFICATION" and data.get("kind", "single") == "single"
    path = _required_text(data, "res", "data") if is_single else ""
    if "val" not in data:
        raise MissingField("data.val")
    nodes, samples = data["val"], data.get("samples")
    if is_single:
        nodes = {path: nodes}
    elif nodes is None:
        nodes = {}
    elif not isinstance(nodes, dict):
        raise MissingField("data.val")
    kept: tuple[Sample, ...] = ()
    if isinstance(samples, list):  # all that our own server reports, with the device's times, if they can be read
        kept = tuple(
            Sample(_integer(each.get("time")), each["val"])
            for each in samples[:MAX_SAMPLES]
            if isinstance(each, dict) and isinstance(each.get("val"), dict)
        )
    return Reported(
        endpoint=_endpoint(data),
        nodes=nodes,
        origin=ReadingOrigin(name),
        wakes=source.notifications_wake,
        samples=kept,
        **source.common,
    )


def _response(_name: str, data: Mapping[str, JsonValue], source: _Source) -> LeshanEvent | None:
    """Read the response to a request that Leshan delayed, or the end of a call that was made with a request id."""
    if data.get("delayed") is False:
        return _attempt_ended(data)
    response = data.get("response")
    if not isinstance(response, dict):
        raise MissingField("data.response")
    if _nested_deeper(response, _MAX_DEPTH):
        raise BrokenEvent(f"an answer is nested at most {_MAX_DEPTH} deep", "data.response")
    id_, path = _required_text(data, "requestId", "data"), _text(data.get("path"))
    if len(id_) > MAX_REQUEST_ID:
        raise BrokenEvent(f"the id of a request has at most {MAX_REQUEST_ID} characters", "data.requestId")
    return RequestResponse(endpoint=_endpoint(data), request_id=id_, path=path, response=response, **source.common)


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
        response=response if isinstance(response, dict) else None,
        error=error if isinstance(error, dict) else None,
    )


def _observation(name: str, data: Mapping[str, JsonValue], source: _Source) -> LeshanEvent | None:
    """Return None for an observation that Reveille does not show, for example of the root: refusing it would stall the
    webhook."""
    composite = data.get("kind") == "composite"
    paths = data.get("paths") if composite else [data.get("res")]
    registration_id = _text(data.get("registrationId"))
    if registration_id is None or not isinstance(paths, list) or not paths:
        return None
    if not all(isinstance(path, str) and _PATH.fullmatch(path) for path in paths):
        return None
    return ObservationChanged(
        endpoint=_endpoint(data),
        stands=name == "OBSERVATION_ADDED",
        registration_id=registration_id,
        paths=tuple(paths),
        composite=composite,
        **source.common,
    )


_PARSERS: Final[dict[str, Callable[[str, Mapping[str, JsonValue], _Source], LeshanEvent | None]]] = {
    "REGISTRATION": _registration_event,
    "UPDATED": _registration_event,
    "DEREGISTRATION": _registration_event,
    "AWAKE": _presence_event,
    "SLEEPING": _presence_event,
    "NOTIFICATION": _report,
    "NOTIFICATION_UNREADABLE": lambda *_: None,  # the server could not decode it, and reports its AWAKE on its own
    "SEND": _report,
    "REQUEST_RESPONSE": _response,
    "OBSERVATION_ADDED": _observation,
    "OBSERVATION_ENDED": _observation,
    "GAP": lambda *_: Gap(),
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
