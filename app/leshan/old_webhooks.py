"""The two bodies that the older kind of Leshan server posts (``tests/captures/old-webhooks.json``).

It reports registrations as object 10240, instance 0: resource 0 registered, 1 unregistered, 2 updated. Their value is
always the date of the registration, so two updates look alike and their arrival is what matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from app.domain.enums import ReadingOrigin
from app.domain.events import Deregistered, Event, Registered, Registration, Reported, Updated
from app.domain.paths import MAX_ID
from app.domain.values import JsonValue
from app.leshan.events import BrokenEvent, MissingField, endpoint_name

REGISTRATION_OBJECT: Final = 10_240

_RegistrationEvent: TypeAlias = type[Registered] | type[Deregistered] | type[Updated]
_REGISTRATION_EVENTS: Final[dict[int, _RegistrationEvent]] = {0: Registered, 1: Deregistered, 2: Updated}


def parse_single(body: JsonValue) -> Event:
    """Read ``/leshan_api/resource/single``: ``{"ep", "obj_id", "val"}``; ``val`` is null if the device had none.

    Raises:
        MissingField, BrokenEvent: it cannot be read.
    """
    endpoint, body = _common(body)
    object_id = body.get("obj_id")
    if isinstance(object_id, bool) or not isinstance(object_id, int) or not 0 <= object_id <= MAX_ID:
        raise MissingField("obj_id")
    node = body["val"]
    if object_id == REGISTRATION_OBJECT:
        return _registration_event(endpoint, node)
    return Reported(endpoint=endpoint, nodes={_path(object_id, node): node}, origin=ReadingOrigin.LEGACY_WEBHOOK)


def parse_composite(body: JsonValue) -> Event:
    """Read ``/leshan_api/resource/composite``: ``{"ep", "val": {PATH: NODE}}``; a node may be null.

    Raises:
        MissingField, BrokenEvent: it cannot be read.
    """
    endpoint, body = _common(body)
    nodes = body["val"]
    if nodes is None:
        nodes = {}
    if not isinstance(nodes, Mapping):
        raise MissingField("val")
    return Reported(endpoint=endpoint, nodes=nodes, origin=ReadingOrigin.LEGACY_WEBHOOK)


def _common(body: JsonValue) -> tuple[str, Mapping[str, JsonValue]]:
    if not isinstance(body, Mapping):
        raise BrokenEvent("a JSON object is expected", "")
    endpoint = endpoint_name(body.get("ep"), "ep")
    if "val" not in body:
        raise MissingField("val")
    return endpoint, body


def _registration_event(endpoint: str, node: JsonValue) -> Event:
    if not isinstance(node, Mapping):
        raise MissingField("val")
    id_, value = node.get("id"), node.get("value")
    if isinstance(id_, bool) or not isinstance(id_, int) or id_ not in _REGISTRATION_EVENTS:
        raise BrokenEvent("object 10240 has the resources 0 registered, 1 unregistered and 2 updated", "val.id")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise BrokenEvent("the registration's date in milliseconds is expected", "val.value")
    return _REGISTRATION_EVENTS[id_](endpoint=endpoint, registration=Registration(registered_at=value))


def _path(object_id: int, node: JsonValue) -> str:
    """Return the node's path. This form has no instance id: a resource is taken as one of instance 0."""
    kind, id_ = (node.get("kind"), node.get("id")) if isinstance(node, Mapping) else (None, None)
    if kind in ("singleResource", "multiResource"):
        return f"/{object_id}/0/{id_}"
    return f"/{object_id}/{id_}" if kind == "instance" else f"/{object_id}"
