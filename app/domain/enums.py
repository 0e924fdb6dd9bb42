"""The words everything else is written in: one enum per noun of the contract.

Each is a ``StrEnum`` whose value is its own name: the same word stands in the database, in GraphQL and in a log line.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Final, TypeAlias

Instant: TypeAlias = int
"""A point in time: microseconds since the epoch, UTC. Inside Reveille no other form is used."""

MILLISECOND: Final = 1_000
SECOND: Final = 1_000_000
"""Microseconds in a second; ``5 * SECOND`` is a duration that can be added to an :data:`Instant`."""


class _Word(StrEnum):
    @staticmethod
    def _generate_next_value_(name: str, *_: object) -> str:
        return name


class OperationStatus(_Word):
    """Where an operation stands. Who moves it in and out: ``app/models/lifecycle.py``."""

    QUEUED = auto()
    SENDING = auto()
    CONFIRMED = auto()
    FAILED = auto()
    CANCELED = auto()
    EXPIRED = auto()


class OperationKind(_Word):
    """What is asked of the device: the operations of LwM2M's interfaces for device management and for reporting."""

    READ = auto()
    WRITE = auto()
    EXECUTE = auto()
    CREATE = auto()
    DELETE = auto()
    DISCOVER = auto()
    OBSERVE = auto()
    CANCEL_OBSERVE = auto()
    WRITE_ATTRIBUTES = auto()
    READ_COMPOSITE = auto()
    WRITE_COMPOSITE = auto()
    OBSERVE_COMPOSITE = auto()
    CANCEL_OBSERVE_COMPOSITE = auto()


class Presence(_Word):
    """What we know of a device: reachable now, registered but asleep, or not registered."""

    ONLINE = auto()
    ASLEEP = auto()
    OFFLINE = auto()


class ReasonCode(_Word):
    """Why an operation made its last step."""

    DEVICE_REFUSED = auto()
    DEVICE_ERROR = auto()
    NO_ANSWER = auto()
    OUTCOME_UNKNOWN = auto()
    INVALID_REQUEST = auto()
    NOT_REGISTERED = auto()
    DEVICE_ASLEEP = auto()
    DELAYED_BY_LESHAN = auto()
    LESHAN_UNREACHABLE = auto()
    LESHAN_REFUSED = auto()
    LEASE_LOST = auto()
    RELEASED = auto()
    EXPIRED = auto()
    CANCELED_BY_USER = auto()
    SUPERSEDED = auto()


class WaitingFor(_Word):
    """What has to happen next, so that every stuck operation says why."""

    DEVICE_WAKE = auto()
    TURN = auto()
    CLAIM = auto()
    CAPACITY = auto()
    RETRY_DELAY = auto()
    LESHAN = auto()
    PAUSED = auto()
    LESHAN_HOLDS_IT = auto()
    DISPATCHER = auto()
    DEVICE_ANSWER = auto()
    NOTHING = auto()


class Delivery(_Word):
    """What is known of the request and the device, over all attempts of an operation."""

    NOT_SENT = auto()
    MAY_HAVE_REACHED = auto()
    ANSWERED = auto()


class ContentFormat(_Word):
    """The content formats of LwM2M that Leshan's REST API takes by name (its ``ContentFormat``)."""

    TLV = auto()
    SENML_JSON = auto()
    SENML_CBOR = auto()
    CBOR = auto()
    JSON = auto()
    TEXT = auto()
    OPAQUE = auto()


class ValueType(_Word):
    """The data types of LwM2M (Core 1.1, appendix C), named as Leshan's ``ResourceModel.Type`` names them."""

    STRING = auto()
    INTEGER = auto()
    UNSIGNED_INTEGER = auto()
    FLOAT = auto()
    BOOLEAN = auto()
    OPAQUE = auto()
    TIME = auto()
    OBJLNK = auto()
    CORELINK = auto()
