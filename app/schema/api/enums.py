"""Enums of ``app.domain.enums`` as GraphQL enums, with a description of each value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import EnumMeta
from typing import Any, Final

import strawberry

from app.domain.enums import (
    CampaignStatus,
    CampaignTargetState,
    ContentFormat,
    Delivery,
    FirmwareMethod,
    FirmwareUpdateState,
    ObservationState,
    OperationKind,
    OperationStatus,
    Presence,
    ReadingOrigin,
    ReasonCode,
    TimeSource,
    ValueType,
    WaitingFor,
)
from app.domain.kinds import KINDS
from app.security import Role

_STATUSES: Final = {
    "QUEUED": "Not sent yet, or waiting for a retry; `waitingFor` names the next event that it needs.",
    "SENDING": "An attempt is in progress, or a stock Leshan server holds the request until the device wakes.",
    "CONFIRMED": "Final: the operation succeeded.",
    "FAILED": "Final: the operation failed or its outcome is unknown, according to `reason`.",
    "CANCELED": "Final: a user canceled the operation, a newer write superseded it, its `sequence` stopped, or its "
    "observation rule does not want it any more.",
    "EXPIRED": "Final: the time to live (`ttlSeconds`) ended while the operation was QUEUED.",
}
_PRESENCES: Final = {
    "ONLINE": "Registered and reachable now.",
    "ASLEEP": "Registered, and assumed not to be listening.",
    "OFFLINE": "Not registered.",
}
_REASONS: Final = {
    "DEVICE_REFUSED": "The device answered with an error that is not retried.",
    "DEVICE_ERROR": "The device answered with a temporary error, or its answer was invalid or too large.",
    "NO_ANSWER": "The device did not answer. The operation is FAILED once `maxAttempts` is used up; a composite kind "
    "that the device never answers, at the first attempt.",
    "OUTCOME_UNKNOWN": "The device may have executed the operation, which is not retried because `repeatable` is "
    "false.",
    "INVALID_REQUEST": "Leshan rejected the request as invalid; nothing was sent to the device.",
    "NOT_REGISTERED": "The device is not registered at Leshan; nothing was sent.",
    "DEVICE_ASLEEP": "The device is asleep; nothing was sent.",
    "DELAYED_BY_LESHAN": "A stock Leshan server holds the request until the device's next wake.",
    "LESHAN_UNREACHABLE": "Leshan could not be reached, or a proxy in front of it returned an error.",
    "LESHAN_REFUSED": "Leshan, or a proxy in front of it, rejected the call, for example for authentication or load.",
    "LEASE_LOST": "The process that made the attempt did not report a result before its lease ended.",
    "RELEASED": "The attempt ended before anything was sent to the device.",
    "EXPIRED": "The time to live (`ttlSeconds`) ended.",
    "CANCELED_BY_USER": "A user canceled the operation.",
    "SUPERSEDED": "A newer write to the same path, created with `supersede`, replaced the operation, or the "
    "observation rule that created it does not want it any more.",
    "SEQUENCE_STOPPED": "An earlier operation of the same `sequence` ended otherwise than CONFIRMED.",
    "ENDPOINT_DELETED": "The endpoint was deleted.",
}
_TIME_SOURCES: Final = {
    "DEVICE": "The device's own timestamp, which is plausible: not before 2010, and at most 5 minutes after "
    "its receipt.",
    "SERVER": "The time of receipt: the device sent no timestamp, or an implausible one.",
}
_ORIGINS: Final = {
    "NOTIFICATION": "A notification of an observation.",
    "SEND": "A Send of the device.",
    "READ": "The answer to a READ or READ_COMPOSITE.",
    "OBSERVE": "The answer to an OBSERVE or OBSERVE_COMPOSITE.",
    "LEGACY_WEBHOOK": "A call of one of the older webhooks.",
}
_WAITS: Final = {
    "NOT_BEFORE": "The time given as `notBefore`.",
    "DEVICE_WAKE": "The device's next registration or registration update.",
    "TURN": "Another operation of the same endpoint: one that goes first, one whose retry has to precede this "
    "operation, or an earlier one of its `sequence`.",
    "CLAIM": "A dispatcher, which claims the operation within moments: nothing blocks it.",
    "CAPACITY": "The end of another call to Leshan: the limit of open calls is reached, or their share for devices "
    "that did not answer last time.",
    "RETRY_DELAY": "The end of the delay after a failed attempt, where no wake is due: the device does not sleep, or "
    "the fault was Leshan's.",
    "LESHAN": "Leshan, which is unreachable or has not yet reported the result of a call whose answer was lost.",
    "PAUSED": "The end of a pause, by `resumeDispatch`.",
    "LESHAN_HOLDS_IT": "The device's next wake, at which a stock Leshan server (not Reveille's own) sends the request "
    "that it holds.",
    "DISPATCHER": "A running dispatcher: none has reported within the last 10 seconds.",
    "DEVICE_ANSWER": "The device's answer to the request that was sent.",
    "NOTHING": "Nothing: the operation has ended.",
}
_DELIVERIES: Final = {
    "NOT_SENT": "No request reached the device.",
    "MAY_HAVE_REACHED": "A request was sent and no answer arrived: the device may have received it, or may still "
    "receive it.",
    "ANSWERED": "The device answered a request.",
}
_FORMATS: Final = {
    "TLV": "Media type `application/vnd.oma.lwm2m+tlv`.",
    "SENML_JSON": "Media type `application/senml+json`.",
    "SENML_CBOR": "Media type `application/senml+cbor`.",
    "CBOR": "Media type `application/cbor`.",
    "JSON": "Media type `application/vnd.oma.lwm2m+json`.",
    "TEXT": "Media type `text/plain`.",
    "OPAQUE": "Media type `application/octet-stream`.",
}
_TYPES: Final = {
    "STRING": "Unicode text.",
    "INTEGER": "Signed 64-bit integer.",
    "UNSIGNED_INTEGER": "Unsigned 64-bit integer.",
    "FLOAT": "Double-precision floating-point number.",
    "BOOLEAN": "True or false.",
    "OPAQUE": "Sequence of bytes.",
    "TIME": "Point in time.",
    "OBJLNK": "Link to an object instance.",
    "CORELINK": "Links in CoRE Link Format (RFC 6690).",
}
_OBSERVATIONS: Final = {
    "PENDING": "Not observed yet: the operation waits, or ended without an answer of the device, or the device is not "
    "registered. Observed at its next registration at the latest.",
    "ESTABLISHED": "The device answered an OBSERVE of each path under its current registration, or has reported since.",
    "STALE": "No report for more than twice `pmax`; the device is observed again.",
    "REFUSED": "The device answered an OBSERVE with an error. Tried again at its next registration.",
    "NOT_SUPPORTED": "The device has not registered an instance with one of the paths.",
}
_METHODS: Final = {
    "PULL": "The device downloads the package from its URI.",
    "PUSH": "The package is written to the device (`/5/x/0`).",
}
_UPDATES: Final = {
    "QUEUED": "Not begun: the device has not answered yet which version it runs.",
    "PREPARING": "The device's Firmware Update object is read, reset where it is not idle, and observed.",
    "DELIVERING": "The package, or its URI, is written to the device.",
    "DOWNLOADING": "The device downloads the package.",
    "DOWNLOADED": "The device has the package; its installation is requested.",
    "UPDATING": "The device installs the package and reboots.",
    "VERIFYING": "The version that the device runs is read.",
    "SUCCEEDED": "Final: the device runs exactly the package's version.",
    "FAILED": "Final: the update failed, according to `reason`.",
    "CANCELED": "Final: a user canceled the update, or the endpoint was deleted.",
}
_CAMPAIGNS: Final = {
    "SCHEDULED": "Begins at its `startAt`.",
    "RUNNING": "Targets begin as its waves, limits and daily window allow.",
    "PAUSED": "No target begins until `resumeCampaign`; those that have begun go on. `reason` says why.",
    "WAITING_FOR_APPROVAL": "The current wave has ended; the next one begins after `approveCampaignWave`.",
    "ABORTED": "Too many targets failed: those that had not begun are canceled.",
    "COMPLETED": "All targets have ended.",
    "CANCELED": "A user canceled the campaign: targets that had not begun are canceled.",
}
_TARGETS: Final = {
    "WAITING": "Not begun, or to be tried again.",
    "RUNNING": "Its firmware update, or its operations, have begun.",
    "SUCCEEDED": "The firmware update succeeded, or all operations are CONFIRMED.",
    "FAILED": "The firmware update or an operation failed, and `retries` is used up.",
    "CANCELED": "The campaign, the firmware update or an operation was canceled.",
    "SKIPPED": "Nothing was sent to the device; `detail` says why.",
}


def _describe(enum: EnumMeta, description: str, commands: Mapping[str, str]) -> None:
    """Register a GraphQL enum with its descriptions; raise KeyError for a member without one."""
    described: Any = strawberry.enum(enum, description=description)
    for value in described.__strawberry_definition__.values:
        value.description = commands[value.name]


_describe(
    Role,
    "Role of a caller. Each role includes those before it.",
    {
        "VIEWER": "Reads everything but the administration of access.",
        "OPERATOR": "Also acts on devices: all mutations but those of access.",
        "ADMIN": "Also manages API tokens and reads the audit.",
    },
)
_describe(OperationStatus, "Status of an operation.", _STATUSES)
_describe(OperationKind, "Kind of LwM2M operation.", {kind: row.description for kind, row in KINDS.items()})
_describe(Presence, "Reachability of a device.", _PRESENCES)
_describe(ReasonCode, "Reason for a status transition of an operation.", _REASONS)
_describe(WaitingFor, "Event or condition that an operation waits for next.", _WAITS)
_describe(
    Delivery, "Whether a request reached the device: the highest value of all attempts of an operation.", _DELIVERIES
)
_describe(ContentFormat, "Content format of LwM2M payloads.", _FORMATS)
_describe(ObservationState, "Progress of an observation rule on an endpoint.", _OBSERVATIONS)
_describe(ValueType, "LwM2M data type of a value (Core 1.1, appendix C).", _TYPES)
_describe(TimeSource, "Whose clock gave the time of a value.", _TIME_SOURCES)
_describe(ReadingOrigin, "Kind of message that carried a value.", _ORIGINS)
_describe(FirmwareMethod, "How a device receives a firmware package (LwM2M Core 1.1, appendix E.6).", _METHODS)
_describe(FirmwareUpdateState, "Progress of a firmware update.", _UPDATES)
_describe(CampaignStatus, "Status of a campaign.", _CAMPAIGNS)
_describe(CampaignTargetState, "State of one endpoint of a campaign.", _TARGETS)

__all__ = [
    "CampaignStatus",
    "CampaignTargetState",
    "ContentFormat",
    "Delivery",
    "FirmwareMethod",
    "FirmwareUpdateState",
    "ObservationState",
    "OperationKind",
    "OperationStatus",
    "Presence",
    "ReadingOrigin",
    "ReasonCode",
    "TimeSource",
    "ValueType",
    "WaitingFor",
]
