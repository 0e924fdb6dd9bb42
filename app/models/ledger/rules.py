"""The ledger's parameters: durations in microseconds, limits, and the verdict table."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Final

from app.domain.enums import DAY, SECOND, Instant
from app.domain.verdicts import Judge

WINDOW_MARGIN: Final = 3 * SECOND
"""Subtracted from every awake window, at most a quarter of it: Leshan's own window ends at the same moment, and a call
needs time to arrive."""

START_MARGIN: Final = 5 * SECOND
"""Minimum remaining awake window to start a call, or the call's timeout or a quarter of the window, if shorter."""

MARGIN_PARTS: Final = 4
"""A margin is at most one part in this many of an awake window: half of a short one remains to start a call in."""


def window_margin(window: Instant) -> Instant:
    """Return the margin that is subtracted from an awake window of this length."""
    return min(WINDOW_MARGIN, window // MARGIN_PARTS)


def start_margin(window: Instant) -> Instant:
    """Return how much of an awake window of this length must remain to start a call."""
    return min(START_MARGIN, window // MARGIN_PARTS)


ANSWER_MARGIN: Final = 5 * SECOND
"""A call's deadline is its timeout plus this, for the response's way back."""

LEASE_MARGIN: Final = 10 * SECOND
"""A lease expires this much after the call's deadline."""

RETRY_PAUSES: Final = (30 * SECOND, 120 * SECOND, 600 * SECOND)
"""Pauses before retries to a device that does not sleep, because it has no wake to wait for; the last one repeats."""

TURN_ENDER_PAUSE: Final = 60 * SECOND
"""An UPDATED this long after a turn-ender means that the device is back (or never went down)."""

DEREGISTRATION_DELAY: Final = 2 * SECOND
"""A deregistration is published to subscribers after this, unless a new registration came meanwhile."""

SILENT_SHARE: Final = 4
"""Endpoints that did not respond at their last wake share one part in four of the open calls."""

SETBACK_LIMIT: Final = 60 * SECOND
FAILURES_IN_A_ROW: Final = 5
PROBE_FIRST: Final = SECOND
PROBE_LIMIT: Final = 30 * SECOND
EARLY_RESPONSE_SPAN: Final = 600 * SECOND
DELIVERY_SPAN: Final = DAY
HELD_BY_LESHAN_LIMIT: Final = DAY
"""How long a delayed request is retained beyond the registration's lifetime, or from now if none is known."""


QUERY_SPAN: Final = 20 * SECOND
"""Time in which a dispatcher queries the outcome of a call, before another one does."""

QUERY_LIMIT: Final = 600 * SECOND
"""How long after its lease the outcome of a call is queried: a Leshan server that stays unavailable cannot block an
endpoint forever."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings that the ledger needs.

    Attributes:
        awake_window: how long a queue-mode device is awake after a contact (microseconds).
        max_in_flight: calls that may be open at the Leshan server, over all processes.
        max_queued: QUEUED operations of an endpoint to which further ones can be added; 0 is no limit.
        retention: how long ended operations, their transitions and presence changes are stored (microseconds).
        reading_retention, aggregate_retention: the same of readings, and of their hourly aggregates.
        audit_retention: the same of the audit, and of API tokens after their end.
        honours_at: whether the Leshan server honors the registration attribute ``at``.
        notifications_wake: whether it reports that it considers a device awake after a notification or a SEND.
    """

    judge: Judge
    awake_window: Instant = 93 * SECOND
    max_in_flight: int = 120
    max_queued: int = 0
    retention: Instant = 90 * DAY
    reading_retention: Instant = 30 * DAY
    aggregate_retention: Instant = 730 * DAY
    audit_retention: Instant = 365 * DAY
    honours_at: bool = False
    notifications_wake: bool = False


def silent_share(most: int) -> int:
    """Return how many of this number of calls may be open to endpoints that did not respond at their last wake."""
    return max(1, most // SILENT_SHARE)


@functools.lru_cache(maxsize=16)
def rules_of_server(rules: Rules, notifications_wake: bool, open_calls: int | None) -> Rules:
    """Return the rules for a server that reported these properties: ``notifications_wake`` replaces the setting and
    implies ``honours_at``, and ``open_calls`` is an upper bound of ``max_in_flight``."""
    return replace(
        rules,
        honours_at=rules.honours_at or notifications_wake,
        notifications_wake=notifications_wake,
        max_in_flight=min(rules.max_in_flight, open_calls or rules.max_in_flight),
    )
