"""The vocabulary of the contract: one enum per noun.

Each is a ``StrEnum`` whose value is its own name, so that the database, GraphQL and log lines use the same term.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Final, TypeAlias

Instant: TypeAlias = int
"""A point in time: microseconds since the epoch, UTC. Reveille uses no other form internally."""

MILLISECOND: Final = 1_000
SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
"""Microseconds; ``5 * SECOND`` is a duration that can be added to an :data:`Instant`."""


class NamedEnum(StrEnum):
    """An enumeration whose members' values are their names."""

    @staticmethod
    def _generate_next_value_(name: str, *_: object) -> str:
        return name


class OperationStatus(NamedEnum):
    """The state of an operation. The legal transitions and their causes: ``app/models/lifecycle.py``."""

    QUEUED = auto()
    SENDING = auto()
    CONFIRMED = auto()
    FAILED = auto()
    CANCELED = auto()
    EXPIRED = auto()


class OperationKind(NamedEnum):
    """The request to the device: the operations of LwM2M's interfaces for device management and for reporting."""

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


class Presence(NamedEnum):
    """The known state of a device: reachable now, registered but asleep, or not registered."""

    ONLINE = auto()
    ASLEEP = auto()
    OFFLINE = auto()


class TimeSource(NamedEnum):
    """Whose clock gave the time of a reading. The database stores the position in this list: append only."""

    DEVICE = auto()
    SERVER = auto()


class ReadingOrigin(NamedEnum):
    """The kind of message that carried a reading. The database stores the position in this list: append only."""

    NOTIFICATION = auto()
    SEND = auto()
    READ = auto()
    OBSERVE = auto()
    LEGACY_WEBHOOK = auto()


class ReasonCode(NamedEnum):
    """The reason for an operation's last transition."""

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
    SEQUENCE_STOPPED = auto()
    ENDPOINT_DELETED = auto()


class WaitingFor(NamedEnum):
    """The event that has to happen next, so that every stuck operation shows why."""

    NOT_BEFORE = auto()
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


class Delivery(NamedEnum):
    """The knowledge of whether the device received the request, over all attempts of an operation."""

    NOT_SENT = auto()
    MAY_HAVE_REACHED = auto()
    ANSWERED = auto()


class ContentFormat(NamedEnum):
    """The content formats of LwM2M that Leshan's REST API accepts by name (its ``ContentFormat``)."""

    TLV = auto()
    SENML_JSON = auto()
    SENML_CBOR = auto()
    CBOR = auto()
    JSON = auto()
    TEXT = auto()
    OPAQUE = auto()


class ValueType(NamedEnum):
    """The data types of LwM2M (Core 1.1, appendix C), named as in Leshan's ``ResourceModel.Type``."""

    STRING = auto()
    INTEGER = auto()
    UNSIGNED_INTEGER = auto()
    FLOAT = auto()
    BOOLEAN = auto()
    OPAQUE = auto()
    TIME = auto()
    OBJLNK = auto()
    CORELINK = auto()


class ObservationState(NamedEnum):
    """The progress of what an observation rule wants of an endpoint (``docs/observation-rules.md``)."""

    PENDING = auto()
    ESTABLISHED = auto()
    STALE = auto()
    REFUSED = auto()
    NOT_SUPPORTED = auto()


class FirmwareMethod(NamedEnum):
    """How a device receives a firmware package (LwM2M Core 1.1, appendix E.6): PULL, it downloads from a URI; PUSH, the
    package is written to it."""

    PULL = auto()
    PUSH = auto()


class FirmwareUpdateState(NamedEnum):
    """The progress of one firmware update of one device. The transitions: :mod:`app.domain.firmware`."""

    QUEUED = auto()
    PREPARING = auto()
    DELIVERING = auto()
    DOWNLOADING = auto()
    DOWNLOADED = auto()
    UPDATING = auto()
    VERIFYING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELED = auto()


class CampaignStatus(NamedEnum):
    """The state of a campaign. The transitions: :mod:`app.domain.campaigns`."""

    SCHEDULED = auto()
    RUNNING = auto()
    PAUSED = auto()
    WAITING_FOR_APPROVAL = auto()
    ABORTED = auto()
    COMPLETED = auto()
    CANCELED = auto()


class CampaignTargetState(NamedEnum):
    """The state of one endpoint of a campaign."""

    WAITING = auto()
    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELED = auto()
    SKIPPED = auto()
