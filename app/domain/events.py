"""What Leshan tells us, in one form for all of its ways: event stream, webhook, older webhooks, reconciling.

``age`` is how long ago the event happened, by Leshan's own clock alone (microseconds, 0 where nothing is told): clocks
of different hosts are never compared. ``ordered`` says that the source keeps order, so that SLEEPING can be believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.domain.values import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A client's registration as far as Leshan told it; what was not told is None.

    ``registered_at`` and ``last_update`` are Leshan's own milliseconds: good for comparing with each other only.
    The older webhook form has no id: there ``registration_id`` is None and ``registered_at`` tells registrations apart.
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
    """The registration attribute ``at``; honoured only of a server that honours it itself."""
    sleeping: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """Any event: somebody heard this endpoint. ``boot_id`` is that of the run of Leshan which heard it, where told."""

    endpoint: str
    age: int = 0
    ordered: bool = False
    boot_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(EndpointEvent):
    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(EndpointEvent):
    """``asleep``: it comes from ``GET /clients``, which says in the same answer that the device sleeps by now."""

    registration: Registration
    asleep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregistered(EndpointEvent):
    """``by_device``: the device is known to have sent it. A stock Leshan says the same of an expired lifetime."""

    registration: Registration
    by_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Awake(EndpointEvent):
    """``window`` is how long Leshan takes it as awake from then on (microseconds), where that is told."""

    window: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeping(EndpointEvent):
    pass


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one moment. ``time`` is the device's own, in milliseconds since the epoch; None where it told none."""

    time: int | None
    nodes: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(EndpointEvent):
    """Values that came without being asked for just now: a NOTIFICATION, a SEND, or an older webhook's values.

    ``nodes`` maps a path (``"/3303/0/5700"``) to Leshan's node there, None where the device had none. ``wakes`` is
    set when the server that reports is known to take the device as awake from now on (a stock Leshan does not).
    ``samples`` are all that were reported, oldest first, where the server tells more than the newest; ``nodes`` is the
    last of them then.
    """

    nodes: Mapping[str, JsonValue]
    wakes: bool = False
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResponse(EndpointEvent):
    """The answer to a delayed request. ``response`` is Leshan's answer object, as a direct call would have had it.

    ``path`` is None for a composite.
    """

    request_id: str
    path: str | None = None
    response: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationChanged(EndpointEvent):
    """An observation of a registration stands from now on (``stands``), or has ended: canceled, or replaced by a newer
    one of the same paths. A stock Leshan does not report this."""

    registration_id: str
    paths: tuple[str, ...]
    composite: bool
    stands: bool


Event: TypeAlias = (
    Registered | Updated | Deregistered | Awake | Sleeping | Reported | RequestResponse | ObservationChanged
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """What an attempt of ours came to, told beside the answer to its call: of use where that reached nobody.

    ``response`` is Leshan's answer object, None where the answer is empty; ``error`` is code, text and delivery.
    """

    endpoint: str
    operation_id: str
    attempt: int
    response: Mapping[str, JsonValue] | None = None
    error: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Leshan had to drop events: what happened meanwhile is not known."""


LeshanEvent: TypeAlias = Event | AttemptEnded | Gap
"""Whatever a source of events tells."""
