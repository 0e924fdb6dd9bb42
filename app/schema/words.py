"""The enums of ``app.domain.words`` as GraphQL enums, each value with its description."""

from __future__ import annotations

from collections.abc import Mapping
from enum import EnumMeta
from typing import Any, Final

import strawberry

from app.domain.words import (
    ContentFormat,
    Delivery,
    OperationKind,
    OperationStatus,
    Presence,
    ReasonCode,
    ValueType,
    WaitingFor,
)

_STATUSES: Final = {
    "QUEUED": "Waits; `waitingFor` says for what.",
    "SENDING": "An attempt is being made, or a stock Leshan holds the request.",
    "CONFIRMED": "The device did it. Final.",
    "FAILED": "It did not come about, or nobody knows; `reason` says which. Final.",
    "CANCELED": "Taken back, or superseded, while it was queued. Final.",
    "EXPIRED": "Its time to live ran out while it was queued. Final.",
}
_KINDS: Final = {
    "READ": "Read an object, an instance, a resource or a resource instance.",
    "WRITE": "Write an object instance, a resource or a resource instance.",
    "EXECUTE": "Execute a resource. Not repeated when its outcome is unknown, unless `repeatable`.",
    "CREATE": "Create an object instance. Not repeated when its outcome is unknown, unless `repeatable`.",
    "DELETE": "Delete an object instance.",
    "DISCOVER": "Ask which instances, resources and attributes there are.",
    "OBSERVE": "Begin to observe a path.",
    "CANCEL_OBSERVE": "Stop to observe a path.",
    "WRITE_ATTRIBUTES": "Set the attributes that steer notifications.",
    "READ_COMPOSITE": "Read several paths at once (LwM2M 1.1).",
    "WRITE_COMPOSITE": "Write several resources at once (LwM2M 1.1).",
    "OBSERVE_COMPOSITE": "Begin to observe several paths at once (LwM2M 1.1).",
    "CANCEL_OBSERVE_COMPOSITE": "Stop to observe several paths at once (LwM2M 1.1).",
}
_PRESENCES: Final = {
    "ONLINE": "Reachable now.",
    "ASLEEP": "Registered, and not listening now.",
    "OFFLINE": "Not registered.",
}
_REASONS: Final = {
    "DEVICE_REFUSED": "The device answered that it will not do this.",
    "DEVICE_ERROR": "The device answered that it could not do this now, or answered nonsense.",
    "NO_ANSWER": "The device did not answer as often as `maxAttempts` allows.",
    "OUTCOME_UNKNOWN": "The device may have done it, nobody knows, and repeating it could do it twice.",
    "INVALID_REQUEST": "Leshan does not take this request; nothing was sent.",
    "NOT_REGISTERED": "The device is not registered.",
    "DEVICE_ASLEEP": "The device sleeps.",
    "DELAYED_BY_LESHAN": "A stock Leshan holds the request until the device's next wake.",
    "LESHAN_UNREACHABLE": "Leshan cannot be reached.",
    "LESHAN_REFUSED": "Leshan, or a proxy before it, turned the request away.",
    "LEASE_LOST": "The process that made the attempt did not come back.",
    "RELEASED": "The attempt was given back before anything was sent.",
    "EXPIRED": "The time to live ran out.",
    "CANCELED_BY_USER": "Somebody canceled it.",
    "SUPERSEDED": "A newer write to the same path took its place.",
}
_WAITS: Final = {
    "DEVICE_WAKE": "The endpoint's next registration or update.",
    "TURN": "An operation of the same endpoint that goes first, or that waits for its retry and holds this one back.",
    "CLAIM": "A dispatcher takes it within moments: nothing else is in the way.",
    "CAPACITY": "All calls that may be open at Leshan are open, or all those of devices that did not answer before.",
    "RETRY_DELAY": "An attempt failed, and the next one follows after a pause: a device that does not sleep has no "
    "wake to wait for, or Leshan was at fault.",
    "LESHAN": "Leshan is unreachable.",
    "PAUSED": "Somebody holds it back.",
    "LESHAN_HOLDS_IT": 'A stock Leshan said "delayed" and sends it at the next wake.',
    "DISPATCHER": "No dispatcher is alive.",
    "DEVICE_ANSWER": "The request is out.",
    "NOTHING": "It has ended.",
}
_DELIVERIES: Final = {
    "NOT_SENT": "No request reached the device.",
    "MAY_HAVE_REACHED": "A request left and nothing came back: the device may have it, or may yet get it.",
    "ANSWERED": "The device answered.",
}
_FORMATS: Final = {
    "TLV": "application/vnd.oma.lwm2m+tlv",
    "SENML_JSON": "application/senml+json",
    "SENML_CBOR": "application/senml+cbor",
    "CBOR": "application/cbor",
    "JSON": "application/vnd.oma.lwm2m+json",
    "TEXT": "text/plain",
    "OPAQUE": "application/octet-stream",
}
_TYPES: Final = {
    "STRING": "Unicode text.",
    "INTEGER": "A signed integer of 64 bits.",
    "UNSIGNED_INTEGER": "An unsigned integer of 64 bits.",
    "FLOAT": "A floating point number of double precision.",
    "BOOLEAN": "True or false.",
    "OPAQUE": "Bytes.",
    "TIME": "A point in time.",
    "OBJLNK": "A link to an object instance.",
    "CORELINK": "Text in CoRE link format.",
}


def _describe(enum: EnumMeta, description: str, members: Mapping[str, str]) -> None:
    """Make it a GraphQL enum; a member without a description is a mistake that the start-up finds."""
    described: Any = strawberry.enum(enum, description=description)
    for value in described.__strawberry_definition__.values:
        value.description = members[value.name]


_describe(OperationStatus, "Where an operation stands.", _STATUSES)
_describe(OperationKind, "What is asked of the device: an LwM2M operation.", _KINDS)
_describe(Presence, "What is known of a device.", _PRESENCES)
_describe(ReasonCode, "Why an operation made a step.", _REASONS)
_describe(WaitingFor, "What has to happen next.", _WAITS)
_describe(Delivery, "What is known of the request and the device, over all attempts.", _DELIVERIES)
_describe(ContentFormat, "A content format of LwM2M.", _FORMATS)
_describe(ValueType, "A data type of LwM2M (Core 1.1, appendix C).", _TYPES)

__all__ = [
    "ContentFormat",
    "Delivery",
    "OperationKind",
    "OperationStatus",
    "Presence",
    "ReasonCode",
    "ValueType",
    "WaitingFor",
]
