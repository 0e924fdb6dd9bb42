"""The update of one device's firmware through the Firmware Update object (LwM2M Core 1.1, appendix E.6), as data.

A step is what Reveille does next: it sends one operation, or waits. :data:`TRANSITIONS` says what follows each event in
each step; an event that is not in a step's row changes nothing. ``docs/fleet.md`` has the same table, made from this
one. This module decides, :mod:`app.fleet.updates` reads the facts and carries the decision out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import auto
from typing import Final, NamedTuple, TypeAlias

from app.domain.enums import DAY, FirmwareUpdateState, Instant, NamedEnum
from app.domain.firmware_object import (
    CONNECTION_LOST,
    DOWNLOADED,
    DOWNLOADING,
    RESULTS,
    STATE,
    SUCCESS,
    UPDATING,
    Reason,
)

_S = FirmwareUpdateState


class Step(NamedEnum):
    """What is being done. Those that send an operation are in :data:`SENDS`."""

    READ_VERSION = auto()
    READ_OBJECT = auto()
    RESET = auto()
    AWAIT_IDLE = auto()
    DELIVER = auto()
    CHECK_REFUSED_DELIVERY = auto()
    CHECK_LOST_DELIVERY = auto()
    AWAIT_DOWNLOAD = auto()
    POLL_DOWNLOAD = auto()
    EXECUTE = auto()
    CHECK_REFUSED_EXECUTE = auto()
    CHECK_LOST_EXECUTE = auto()
    AWAIT_UPDATE = auto()
    POLL_UPDATE = auto()
    VERIFY = auto()
    VERIFY_PACKAGE = auto()


class Event(NamedEnum):
    """What happened. The device's state is known from a READ of the object (``IS_..``) or from a report."""

    DONE = auto()
    """The step's operation is CONFIRMED, and there is nothing to be learned from its answer."""
    REFUSED = auto()
    """The device answered the step's operation with an error."""
    LOST = auto()
    """The step's operation ended, and the device has not answered: it may have been executed."""
    IS_IDLE = auto()
    """State 0, Update Result 0 (or deferred)."""
    IS_UPDATED = auto()
    """State 0, Update Result 1."""
    HAS_FAILED = auto()
    """Update Result 2 or more, and State is not 1 or 3."""
    LOST_CONNECTION = auto()
    """The same with Update Result 4, which a further attempt may not meet."""
    IS_DOWNLOADING = auto()
    IS_DOWNLOADED = auto()
    IS_UPDATING = auto()
    IS_PENDING = auto()
    """State 2, although the installation was requested: the device has not rebooted since, or has deferred it."""
    NO_DELIVERY = auto()
    """The device accepts the package in no way in which it can be delivered."""
    NO_PROTOCOL = auto()
    """The device does not support the protocol of the package's URI."""
    REPORTED = auto()
    """A report that does not say enough by itself: State 0, or the Update Result of a success."""
    REPORTED_FAILURE = auto()
    """A report of an Update Result of 2 or more."""
    RIGHT_VERSION = auto()
    """The device runs exactly the package's version."""
    WRONG_VERSION = auto()
    """The device runs another version, and says that it was updated, or was not to be updated yet."""
    NOT_INSTALLED = auto()
    """The device runs another version, and does not say that it was updated: it was cut off, and forgot the package."""
    REGISTERED = auto()
    """The device has a new registration: it may have rebooted, and its observations are gone."""
    PAUSE_OVER = auto()
    """Nothing was reported for some time."""
    DEADLINE = auto()
    """The state's :data:`TIMEOUTS` is over."""
    CANCEL = auto()
    DELETED = auto()
    """The endpoint was deleted."""


class Limit(NamedEnum):
    """What a transition counts, up to :data:`LIMITS`: an update is never driven in circles."""

    ATTEMPTS = auto()
    """Deliveries of the package."""
    EXECUTIONS = auto()
    """Requests to install it."""
    TRIES = auto()
    """Repetitions within one state."""


LIMITS: Final[Mapping[Limit, int]] = {Limit.ATTEMPTS: 3, Limit.EXECUTIONS: 3, Limit.TRIES: 5}


class Go(NamedTuple):
    """The next step; if it was taken as often as ``limit`` allows, the update fails for the reason ``otherwise``: None
    is the device's own Update Result, by name."""

    step: Step
    limit: Limit | None = None
    otherwise: str | None = Reason.UNEXPECTED_STATE


class End(NamedTuple):
    """The end of the update; without a reason it is the device's own Update Result, by name."""

    state: FirmwareUpdateState
    reason: str | None = None


Then: TypeAlias = Go | End

STATES: Final[Mapping[Step, FirmwareUpdateState]] = {
    Step.READ_VERSION: _S.QUEUED,
    Step.READ_OBJECT: _S.PREPARING,
    Step.RESET: _S.PREPARING,
    Step.AWAIT_IDLE: _S.PREPARING,
    Step.DELIVER: _S.DELIVERING,
    Step.CHECK_REFUSED_DELIVERY: _S.DELIVERING,
    Step.CHECK_LOST_DELIVERY: _S.DELIVERING,
    Step.AWAIT_DOWNLOAD: _S.DOWNLOADING,
    Step.POLL_DOWNLOAD: _S.DOWNLOADING,
    Step.EXECUTE: _S.DOWNLOADED,
    Step.CHECK_REFUSED_EXECUTE: _S.DOWNLOADED,
    Step.CHECK_LOST_EXECUTE: _S.DOWNLOADED,
    Step.AWAIT_UPDATE: _S.UPDATING,
    Step.POLL_UPDATE: _S.UPDATING,
    Step.VERIFY: _S.VERIFYING,
    Step.VERIFY_PACKAGE: _S.VERIFYING,
}
"""The state of the update in each step."""

WAITS: Final = frozenset({Step.AWAIT_IDLE, Step.AWAIT_DOWNLOAD, Step.AWAIT_UPDATE})
"""Steps that wait for a report, a registration, or the end of a pause."""

SENDS: Final = frozenset(Step) - WAITS
"""Steps that send an operation, and wait for its end."""

READS_OBJECT: Final = frozenset(
    {
        Step.READ_OBJECT,
        Step.CHECK_REFUSED_DELIVERY,
        Step.CHECK_LOST_DELIVERY,
        Step.POLL_DOWNLOAD,
        Step.CHECK_REFUSED_EXECUTE,
        Step.CHECK_LOST_EXECUTE,
        Step.POLL_UPDATE,
    }
)
"""Steps that read the whole object instance, so that State and Update Result are of one moment."""

READS_VERSION: Final = frozenset({Step.READ_VERSION, Step.VERIFY, Step.VERIFY_PACKAGE})

TIMEOUTS: Final[Mapping[FirmwareUpdateState, Instant]] = {
    _S.QUEUED: 30 * DAY,
    _S.PREPARING: 7 * DAY,
    _S.DELIVERING: 7 * DAY,
    _S.DOWNLOADING: 7 * DAY,
    _S.DOWNLOADED: 7 * DAY,
    _S.UPDATING: 7 * DAY,
    _S.VERIFYING: 7 * DAY,
}
"""The longest time in each state, in microseconds: devices sleep for days."""

_FAILED: Final = End(_S.FAILED)
_DELIVER: Final = Go(Step.DELIVER, Limit.ATTEMPTS, Reason.STATE_LOST)
_DOWNLOADED: Final = Go(Step.EXECUTE, Limit.EXECUTIONS, Reason.INTERRUPTED)

_ALWAYS: Final[Mapping[Event, Then]] = {
    Event.DEADLINE: End(_S.FAILED, Reason.TIMEOUT),
    Event.CANCEL: End(_S.CANCELED, Reason.CANCELED_BY_USER),
    Event.DELETED: End(_S.CANCELED, Reason.ENDPOINT_DELETED),
}

_PREPARED: Final[Mapping[Event, Then]] = {
    Event.IS_IDLE: _DELIVER,
    Event.IS_UPDATED: _DELIVER,
    Event.HAS_FAILED: _DELIVER,
    Event.LOST_CONNECTION: _DELIVER,
    Event.IS_DOWNLOADING: Go(Step.RESET, Limit.TRIES),
    Event.IS_DOWNLOADED: Go(Step.RESET, Limit.TRIES),
    Event.IS_UPDATING: Go(Step.AWAIT_IDLE),
}

_UNDER_WAY: Final[Mapping[Event, Then]] = {
    Event.IS_UPDATED: Go(Step.VERIFY),
    Event.HAS_FAILED: _FAILED,
    Event.LOST_CONNECTION: Go(Step.DELIVER, Limit.ATTEMPTS, None),
    Event.IS_DOWNLOADING: Go(Step.AWAIT_DOWNLOAD),
    Event.IS_DOWNLOADED: _DOWNLOADED,
    Event.IS_UPDATING: Go(Step.AWAIT_UPDATE),
}
"""What a known state of the device means once the package was delivered."""

_ROWS: Final[Mapping[Step, Mapping[Event, Then]]] = {
    Step.READ_VERSION: {
        Event.RIGHT_VERSION: End(_S.SUCCEEDED, Reason.ALREADY_INSTALLED),
        Event.WRONG_VERSION: Go(Step.READ_OBJECT),
        Event.REFUSED: Go(Step.READ_OBJECT),
        Event.LOST: Go(Step.READ_VERSION, Limit.TRIES, Reason.NO_ANSWER),
    },
    Step.READ_OBJECT: {
        **_PREPARED,
        Event.NO_DELIVERY: End(_S.FAILED, Reason.UNSUPPORTED_DELIVERY),
        Event.NO_PROTOCOL: End(_S.FAILED, Reason.UNSUPPORTED_PROTOCOL),
        Event.REFUSED: End(_S.FAILED, Reason.NOT_SUPPORTED),
        Event.LOST: Go(Step.READ_OBJECT, Limit.TRIES, Reason.NO_ANSWER),
    },
    Step.RESET: {
        Event.DONE: Go(Step.READ_OBJECT),
        Event.REFUSED: Go(Step.READ_OBJECT),
        Event.LOST: Go(Step.READ_OBJECT),
    },
    Step.AWAIT_IDLE: {
        Event.REPORTED: Go(Step.READ_OBJECT),
        Event.REPORTED_FAILURE: Go(Step.READ_OBJECT),
        Event.IS_DOWNLOADED: Go(Step.READ_OBJECT),
        Event.REGISTERED: Go(Step.READ_OBJECT),
        Event.PAUSE_OVER: Go(Step.READ_OBJECT),
    },
    Step.DELIVER: {
        Event.DONE: Go(Step.AWAIT_DOWNLOAD),
        Event.REFUSED: Go(Step.CHECK_REFUSED_DELIVERY),
        Event.LOST: Go(Step.CHECK_LOST_DELIVERY),
    },
    Step.CHECK_REFUSED_DELIVERY: {
        **_UNDER_WAY,
        Event.IS_IDLE: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.IS_UPDATED: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.LOST_CONNECTION: _FAILED,
        Event.REFUSED: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.LOST: Go(Step.CHECK_REFUSED_DELIVERY, Limit.TRIES, Reason.DEVICE_REFUSED),
    },
    Step.CHECK_LOST_DELIVERY: {
        **_UNDER_WAY,
        Event.IS_IDLE: Go(Step.DELIVER, Limit.ATTEMPTS, Reason.NO_ANSWER),
        Event.IS_UPDATED: Go(Step.DELIVER, Limit.ATTEMPTS, Reason.NO_ANSWER),
        Event.HAS_FAILED: Go(Step.DELIVER, Limit.ATTEMPTS, None),  # perhaps of an earlier update
        Event.REFUSED: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.LOST: Go(Step.CHECK_LOST_DELIVERY, Limit.TRIES, Reason.NO_ANSWER),
    },
    Step.AWAIT_DOWNLOAD: {
        Event.IS_DOWNLOADED: _DOWNLOADED,
        Event.IS_UPDATING: Go(Step.AWAIT_UPDATE),
        Event.REPORTED: Go(Step.POLL_DOWNLOAD),
        Event.REPORTED_FAILURE: Go(Step.POLL_DOWNLOAD),  # perhaps late, of the attempt before
        Event.REGISTERED: Go(Step.POLL_DOWNLOAD),
        Event.PAUSE_OVER: Go(Step.POLL_DOWNLOAD),
    },
    Step.POLL_DOWNLOAD: {
        **_UNDER_WAY,
        Event.IS_IDLE: _DELIVER,
        Event.REFUSED: Go(Step.AWAIT_DOWNLOAD),
        Event.LOST: Go(Step.AWAIT_DOWNLOAD),
    },
    Step.EXECUTE: {
        Event.DONE: Go(Step.AWAIT_UPDATE),
        Event.REFUSED: Go(Step.CHECK_REFUSED_EXECUTE),
        Event.LOST: Go(Step.CHECK_LOST_EXECUTE),
    },
    Step.CHECK_REFUSED_EXECUTE: {
        **_UNDER_WAY,
        Event.IS_DOWNLOADED: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.IS_IDLE: _DELIVER,
        Event.REFUSED: End(_S.FAILED, Reason.DEVICE_REFUSED),
        Event.LOST: Go(Step.CHECK_REFUSED_EXECUTE, Limit.TRIES, Reason.DEVICE_REFUSED),
    },
    Step.CHECK_LOST_EXECUTE: {
        **_UNDER_WAY,
        Event.IS_IDLE: Go(Step.VERIFY),
        Event.REFUSED: Go(Step.AWAIT_UPDATE),
        Event.LOST: Go(Step.AWAIT_UPDATE),
    },
    Step.AWAIT_UPDATE: {
        Event.REPORTED: Go(Step.POLL_UPDATE),
        Event.REPORTED_FAILURE: _FAILED,  # without a reboot, nothing is sent to the device before it registers
        Event.IS_DOWNLOADED: Go(Step.POLL_UPDATE),
        Event.REGISTERED: Go(Step.POLL_UPDATE),
        Event.PAUSE_OVER: Go(Step.POLL_UPDATE),
    },
    Step.POLL_UPDATE: {
        **_UNDER_WAY,
        Event.IS_IDLE: Go(Step.VERIFY),
        Event.REPORTED_FAILURE: _FAILED,
        Event.IS_PENDING: Go(Step.AWAIT_UPDATE),
        Event.IS_DOWNLOADING: Go(Step.AWAIT_UPDATE),
        Event.REFUSED: Go(Step.AWAIT_UPDATE),
        Event.LOST: Go(Step.AWAIT_UPDATE),
    },
    Step.VERIFY: {
        Event.RIGHT_VERSION: End(_S.SUCCEEDED),
        Event.WRONG_VERSION: End(_S.FAILED, Reason.WRONG_VERSION),
        Event.NOT_INSTALLED: Go(Step.DELIVER, Limit.ATTEMPTS, Reason.WRONG_VERSION),
        Event.REFUSED: Go(Step.VERIFY_PACKAGE),
        Event.LOST: Go(Step.VERIFY, Limit.TRIES, Reason.NO_ANSWER),
    },
    Step.VERIFY_PACKAGE: {
        Event.RIGHT_VERSION: End(_S.SUCCEEDED),
        Event.WRONG_VERSION: End(_S.FAILED, Reason.WRONG_VERSION),
        Event.NOT_INSTALLED: Go(Step.DELIVER, Limit.ATTEMPTS, Reason.WRONG_VERSION),
        Event.REFUSED: End(_S.FAILED, Reason.VERSION_UNKNOWN),
        Event.LOST: Go(Step.VERIFY_PACKAGE, Limit.TRIES, Reason.NO_ANSWER),
    },
}
TRANSITIONS: Final[Mapping[Step, Mapping[Event, Then]]] = {step: {**row, **_ALWAYS} for step, row in _ROWS.items()}
"""What follows each event in each step."""


class Counts(NamedTuple):
    """How often the limited steps of an update were taken."""

    attempts: int = 0
    executions: int = 0
    tries: int = 0


def follow(step: Step, event: Event, counts: Counts) -> Then | None:
    """Return what follows an event in a step; None if it changes nothing."""
    then = TRANSITIONS[step].get(event)
    if isinstance(then, Go) and then.limit is not None:
        taken = {Limit.ATTEMPTS: counts.attempts, Limit.EXECUTIONS: counts.executions, Limit.TRIES: counts.tries}
        if taken[then.limit] >= LIMITS[then.limit]:
            return End(FirmwareUpdateState.FAILED, then.otherwise)
    return then


def known_state(state: int | None, result: int | None, *, pending: bool) -> Event:
    """Return the event of a device whose State and Update Result were read together.

    Args:
        pending: whether State 2 is expected, because the device has not rebooted since the installation was requested.
    """
    if state == UPDATING:
        return Event.IS_UPDATING
    if state == DOWNLOADING:
        return Event.IS_DOWNLOADING
    if result in RESULTS:
        return Event.LOST_CONNECTION if result == CONNECTION_LOST else Event.HAS_FAILED
    if state == DOWNLOADED:
        return Event.IS_PENDING if pending else Event.IS_DOWNLOADED
    return Event.IS_UPDATED if result == SUCCESS else Event.IS_IDLE


_REPORTS: Final = {DOWNLOADING: Event.IS_DOWNLOADING, DOWNLOADED: Event.IS_DOWNLOADED, UPDATING: Event.IS_UPDATING}


def reported(resource: int, value: int | None) -> Event | None:
    """Return the event of a reported State or Update Result, of which the other one may be older; None for an Update
    Result that says nothing."""
    if resource == STATE:
        return _REPORTS.get(value or 0, Event.REPORTED)
    if value in RESULTS:
        return Event.REPORTED_FAILURE
    return Event.REPORTED if value else None
