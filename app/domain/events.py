"""Events from Leshan, in one form for all sources: event stream, webhook, older webhooks, reconciliation.

``age`` is the time since the event happened, by Leshan's own clock alone (microseconds, 0 if the source gives none):
clocks of different hosts are never compared. ``ordered`` says that the source preserves order, so that SLEEPING can be
believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from app.domain.enums import ReadingOrigin
from app.domain.values import JsonValue


class Registration(NamedTuple):
    """A client's registration as far as Leshan reported it; missing fields are None.

    ``registered_at`` and ``last_update`` are Leshan's own milliseconds: they can only be compared with each other. The
    older webhook form has no id: there ``registration_id`` is None and ``registered_at`` distinguishes registrations.
    """

    registration_id: str | None = None
    registered_at: int | None = None
    last_update: int | None = None
    lifetime_seconds: int | None = None
    lwm2m_version: str | None = None
    binding_mode: str | None = None
    queue_mode: bool | None = None
    address: str | None = None
    object_links: Sequence[Mapping[str, JsonValue]] | None = None
    awake_millis: int | None = None
    """The registration attribute ``at``; honored only of a server that honors it itself."""
    sleeping: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """The base of all events. ``boot_id`` is that of the Leshan process that received the message, if it is
    reported."""

    endpoint: str
    age: int = 0
    ordered: bool = False
    boot_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(EndpointEvent):
    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(EndpointEvent):
    """``asleep``: the event comes from ``GET /clients``, which says in the same response that the device sleeps by
    now."""

    registration: Registration
    asleep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregistered(EndpointEvent):
    """``by_device``: the device is known to have sent it. A stock Leshan reports an expired lifetime in the same
    way."""

    registration: Registration
    by_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Awake(EndpointEvent):
    """``window`` is the time for which Leshan takes the device as awake from then on (microseconds), if it is
    reported."""

    window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeping(EndpointEvent):
    pass


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one moment. ``time`` is the device's own, in milliseconds since the epoch; None if the device sent
    none."""

    time: int | None
    nodes: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(EndpointEvent):
    """Values that are no response to a request just made: a NOTIFICATION, a SEND, or an older webhook's values.

    ``nodes`` maps a path (``"/3303/0/5700"``) to Leshan's node there, None if the device had none. ``wakes`` is set
    when the reporting server is known to take the device as awake from now on (a stock Leshan does not). ``samples``
    are all reported samples, oldest first, if the server reports more than the newest; ``nodes`` is the last of them
    then.
    """

    nodes: Mapping[str, JsonValue]
    origin: ReadingOrigin = ReadingOrigin.NOTIFICATION
    wakes: bool = False
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResponse(EndpointEvent):
    """The response to a delayed request. ``response`` is Leshan's response object, as of a direct call.

    ``path`` is None for a composite.
    """

    request_id: str
    path: str | None = None
    response: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationChanged(EndpointEvent):
    """An observation of a registration is active from now on (``stands``), or has ended: canceled, or replaced by a
    newer one of the same paths. A stock Leshan does not report this."""

    registration_id: str
    paths: tuple[str, ...]
    composite: bool
    stands: bool


Event: TypeAlias = (
    Registered | Updated | Deregistered | Awake | Sleeping | Reported | RequestResponse | ObservationChanged
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """The end of one of Reveille's attempts, reported beside the response to its call: needed if that response was
    lost.

    ``response`` is Leshan's response object, None if the response is empty; ``error`` is code, text and delivery.
    """

    endpoint: str
    operation_id: str
    attempt: int
    response: Mapping[str, JsonValue] | None = None
    error: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Leshan had to drop events: the changes in that time are unknown."""


LeshanEvent: TypeAlias = Event | AttemptEnded | Gap
"""Any event of any source."""
