"""Campaigns: the same work for many endpoints, in waves, at a limited rate. Pure: definitions, the table of statuses,
and the arithmetic of waves, rates and daily windows. :mod:`app.fleet.campaigns` carries campaigns out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import auto
from functools import lru_cache
from itertools import accumulate
from math import ceil
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.enums import SECOND, CampaignStatus, FirmwareMethod, Instant, NamedEnum
from app.domain.operations import OperationRequest

_S = CampaignStatus

MINUTE: Final = 60 * SECOND

MAX_WAVES: Final = 100
MAX_OPERATIONS: Final = 20
MAX_RETRIES: Final = 10
MAX_STARTS_PER_MINUTE: Final = 60_000
MAX_RUNNING: Final = 1_000_000
MAX_NAME: Final = 255
_MAX_ZONE: Final = 64

BURST: Final[Instant] = 2 * SECOND
"""Starts that were due within this time are made up for, because the campaign is only looked at so often."""


class InvalidCampaign(ValueError):
    """The definition is not valid. ``field`` is the input field as the API names it."""

    def __init__(self, message: str, field_: str) -> None:
        super().__init__(message)
        self.field = field_


class Action(NamedEnum):
    """What changes the status of a campaign: a mutation, or what the campaign itself has reached."""

    BEGIN = auto()
    PAUSE = auto()
    RESUME = auto()
    RESUME_BEFORE_BEGIN = auto()
    APPROVE = auto()
    CANCEL = auto()
    RETRY = auto()
    HOLD = auto()
    AWAIT_APPROVAL = auto()
    ABORT = auto()
    COMPLETE = auto()


MUTATIONS: Final[Mapping[Action, str]] = {
    Action.PAUSE: "pauseCampaign",
    Action.RESUME: "resumeCampaign",
    Action.RESUME_BEFORE_BEGIN: "resumeCampaign",
    Action.APPROVE: "approveCampaignWave",
    Action.CANCEL: "cancelCampaign",
    Action.RETRY: "retryCampaign",
}
"""The actions that a caller requests. ``RESUME_BEFORE_BEGIN`` is that of a campaign that has not begun yet."""

TRANSITIONS: Final[Mapping[CampaignStatus, Mapping[Action, CampaignStatus]]] = {
    _S.SCHEDULED: {
        Action.BEGIN: _S.RUNNING,
        Action.PAUSE: _S.PAUSED,
        Action.CANCEL: _S.CANCELED,
    },
    _S.RUNNING: {
        Action.PAUSE: _S.PAUSED,
        Action.CANCEL: _S.CANCELED,
        Action.RETRY: _S.RUNNING,
        Action.HOLD: _S.PAUSED,
        Action.AWAIT_APPROVAL: _S.WAITING_FOR_APPROVAL,
        Action.ABORT: _S.ABORTED,
        Action.COMPLETE: _S.COMPLETED,
    },
    _S.PAUSED: {
        Action.RESUME: _S.RUNNING,
        Action.RESUME_BEFORE_BEGIN: _S.SCHEDULED,
        Action.CANCEL: _S.CANCELED,
        Action.RETRY: _S.RUNNING,
        Action.ABORT: _S.ABORTED,
        Action.COMPLETE: _S.COMPLETED,
    },
    _S.WAITING_FOR_APPROVAL: {
        Action.APPROVE: _S.RUNNING,
        Action.CANCEL: _S.CANCELED,
        Action.COMPLETE: _S.COMPLETED,
    },
    _S.ABORTED: {Action.RETRY: _S.RUNNING},
    _S.COMPLETED: {Action.RETRY: _S.RUNNING},
    _S.CANCELED: {Action.RETRY: _S.RUNNING},
}
"""The status after each action; an action that is not in a status's row is not possible."""

FINISHED: Final = frozenset({_S.ABORTED, _S.COMPLETED, _S.CANCELED})
"""Statuses in which no target begins any more, unless failed ones are retried."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A part of a campaign's targets, in the order of their numbers.

    Attributes:
        percent: of all targets.
        min_success_percent: of its targets that are not SKIPPED; with less the campaign is paused when the wave ends.
        approve: whether the next wave begins only after an approval.
    """

    percent: float
    min_success_percent: float = 0.0
    approve: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise InvalidCampaign("Invalid percentage; more than 0 and at most 100 is expected.", "waves.percent")
        if not 0 <= self.min_success_percent <= 100:
            raise InvalidCampaign("Invalid percentage; 0 to 100 is expected.", "waves.minSuccessPercent")


def wave_ends(total: int, waves: Sequence[Wave]) -> list[int]:
    """Return the number of the last target of each wave; the last wave ends with the last of all ``total`` targets."""
    cumulated = accumulate(wave.percent for wave in waves)
    ends = [min(total, ceil(total * percent / 100 - 1e-6)) for percent in cumulated]
    return [*ends[:-1], total]


def wave_of(number: int, ends: Sequence[int]) -> int:
    """Return the wave of a target, from 1. Targets that were added later are in the last one."""
    return min(bisect_left(ends, number) + 1, len(ends)) if ends else 1


def success_percent(succeeded: int, counted: int) -> float:
    """Return the success of a wave of which ``counted`` targets were not SKIPPED."""
    return 100.0 * succeeded / counted if counted else 100.0


@dataclass(frozen=True, slots=True)
class Abort:
    """When a campaign is aborted: so many percent of the targets that SUCCEEDED or FAILED have FAILED, once at least
    ``min_ended`` of them have ended. Each target counts once, with its present state."""

    failure_percent: float
    min_ended: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.failure_percent <= 100:
            raise InvalidCampaign(
                "Invalid percentage; more than 0 and at most 100 is expected.", "abort.failurePercent"
            )
        if self.min_ended < 1:
            raise InvalidCampaign("Invalid number; at least 1 is expected.", "abort.minEnded")

    def reached(self, succeeded: int, failed: int) -> bool:
        """Return whether a campaign with so many targets in these states is aborted."""
        ended = succeeded + failed
        return failed > 0 and ended >= self.min_ended and 100 * failed >= self.failure_percent * ended


# --- rate


def starts_due(next_start_at: Instant | None, now: Instant, per_minute: int) -> int:
    """Return how many targets may begin ``now``, if the next one may begin at ``next_start_at`` (None: at once)."""
    if next_start_at is None:
        return 1
    if next_start_at > now:
        return 0
    return 1 + min(now - next_start_at, BURST) * per_minute // MINUTE


def next_start(next_start_at: Instant | None, now: Instant, per_minute: int, begun: int) -> Instant:
    """Return when the next target may begin, after ``begun`` targets have begun ``now``."""
    base = now if next_start_at is None else max(next_start_at, now - BURST)
    return base - (-begun * MINUTE) // per_minute


# --- daily window

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


@lru_cache(maxsize=64)
def _zone(key: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raise InvalidCampaign for an unknown one."""
    try:
        if 0 < len(key) <= _MAX_ZONE:
            return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a directory, or a path out of the database
        pass
    message = f"Unknown time zone {key[:_MAX_ZONE]!r}; a name of the IANA database is expected, like Europe/Berlin."
    raise InvalidCampaign(message, "window.timeZone")


def _clock(text: str, field_: str) -> time:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise InvalidCampaign(f"Invalid time {text[:20]!r}; HH:MM is expected, like 22:00.", field_)
    return time(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """The part of each day in which targets begin, by the local time of a zone; it may cross midnight.

    A local time that occurs twice is its first occurrence; one that does not occur is taken with the UTC offset before
    the clocks changed (RFC 5545, 3.3.5). So 22:00 to 05:00 is as long as that night is.
    """

    from_: str
    to: str
    time_zone: str
    _begin: time = field(init=False, repr=False, compare=False)
    _end: time = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (
            ("_begin", _clock(self.from_, "window.from")),
            ("_end", _clock(self.to, "window.to")),
            ("_zone", _zone(self.time_zone)),
        ):
            object.__setattr__(self, name, value)
        if self._begin == self._end:
            raise InvalidCampaign("The window begins and ends at the same time; omit it to begin at any.", "window.to")

    def is_open(self, at: Instant) -> bool:
        """Return whether targets begin at this time."""
        return any(begin <= at < end for begin, end in self._around(at))

    def next_opening(self, at: Instant) -> Instant:
        """Return the earliest time from ``at`` on at which the window is open."""
        return next(max(begin, at) for begin, end in self._around(at) if begin < end and at < end)

    def _around(self, at: Instant) -> Iterator[tuple[Instant, Instant]]:
        """Yield begin and end of the windows around this time, in their order. One may be empty, on the day of a change
        of the clocks: it ends before it begins."""
        today = (_EPOCH + at * _MICROSECOND).astimezone(self._zone).date()
        for days in range(-1, 4):
            day = today + days * _DAY
            last = day if self._begin < self._end else day + _DAY
            yield self._instant(day, self._begin), self._instant(last, self._end)

    def _instant(self, day: date, clock: time) -> Instant:
        return (datetime.combine(day, clock, self._zone) - _EPOCH) // _MICROSECOND


# --- definition


@dataclass(frozen=True, slots=True)
class CampaignFirmware:
    """The firmware update of each target."""

    package_id: int
    method: FirmwareMethod = FirmwareMethod.PULL
    object_instance: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOperation:
    """An operation for each target; the ``endpoint`` of the request is empty. Fields as in ``NewOperation``. The
    sequence is the campaign's own."""

    request: OperationRequest
    max_attempts: int
    repeatable: bool
    fingerprint: str
    priority: int = 0
    ttl_seconds: int | None = None
    supersede: bool = False
    not_before: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDefinition:
    """A validated campaign.

    Attributes:
        given_filter: the filter as the API shows it.
        criteria: the same filter as the fields of ``EndpointCriteria``.
        continuous: whether endpoints that match later are added while it runs.
        firmware, operations: the work for each target, one of both; operations are done one after the other.
        starts_per_minute, max_running: limits; None for none.
        start_at, end_at: targets begin between these times.
        retries: how often a target that has FAILED begins again by itself.
    """

    name: str
    given_filter: Mapping[str, Any]
    criteria: Mapping[str, Any]
    continuous: bool = False
    firmware: CampaignFirmware | None = None
    operations: tuple[CampaignOperation, ...] = ()
    waves: tuple[Wave, ...] = (Wave(100.0),)
    starts_per_minute: int | None = None
    max_running: int | None = None
    abort: Abort | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    window: DailyWindow | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME:
            raise InvalidCampaign(f"Invalid name; 1 to {MAX_NAME} characters are expected.", "name")
        if (self.firmware is None) == (not self.operations):
            raise InvalidCampaign("Either `firmware` or `operations` is expected.", "firmware")
        if len(self.operations) > MAX_OPERATIONS:
            raise InvalidCampaign(f"Too many operations; at most {MAX_OPERATIONS} are allowed.", "operations")
        if not 0 < len(self.waves) <= MAX_WAVES:
            raise InvalidCampaign(f"Invalid number of waves; 1 to {MAX_WAVES} are expected.", "waves")
        if abs(sum(wave.percent for wave in self.waves) - 100) > 1e-6:
            raise InvalidCampaign("The percentages of the waves do not add up to 100.", "waves")
        for value, least, most, name in (
            (self.starts_per_minute, 1, MAX_STARTS_PER_MINUTE, "startsPerMinute"),
            (self.max_running, 1, MAX_RUNNING, "maxRunning"),
            (self.retries, 0, MAX_RETRIES, "retries"),
        ):
            if value is not None and not least <= value <= most:
                raise InvalidCampaign(f"Invalid number; {least} to {most} is expected.", name)
        if self.start_at is not None and self.end_at is not None and self.start_at >= self.end_at:
            raise InvalidCampaign("`endAt` is not after `startAt`.", "endAt")
