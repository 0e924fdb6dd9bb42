"""Readiness: one pure function decides from when an endpoint's next operation may be claimed; one column stores it."""

from __future__ import annotations

from typing import Protocol

from app.domain.enums import Instant
from app.models.ledger.rows import EndpointRow


def ready_at(endpoint: EndpointRow) -> Instant | None:
    """Return the earliest time at which the endpoint may be claimed; None while another event must come first.

    Such events: an operation is queued, the current call ends, a pause of the endpoint is resumed, the device wakes
    (window or turn), or it returns from a reboot. The window's end is not checked here: a claim compares
    ``awake_until`` with the clock. Neither are operations that wait for their retry (``ledger/queues.py``).
    """
    if endpoint.queued == 0 or endpoint.lease_operation is not None or endpoint.paused:
        return None
    if endpoint.awake_until is None or endpoint.down_since is not None:
        return None
    earliest = endpoint.not_before or 0
    if not turn_is_over(endpoint):
        return earliest
    if endpoint.retry_at is not None:
        return max(earliest, endpoint.retry_at)
    return None if endpoint.sleeps else earliest


def callable_at(ready: Instant | None, awake_until: Instant | None, now: Instant) -> bool:
    """Return whether an endpoint with these two columns may be called now: the condition of a claim's statement."""
    return ready is not None and ready <= now and awake_until is not None and awake_until > now


def turn_is_over(endpoint: EndpointRow) -> bool:
    """Return whether a silent attempt ended the endpoint's turn and it has not woken since."""
    return endpoint.held_wake_seq is not None and endpoint.wake_seq <= endpoint.held_wake_seq


class Leased(Protocol):
    """The properties of an endpoint that decide whether Leshan holds a request for it: a row of the ledger or a
    reader's view."""

    lease_operation: int | None
    lease_wake_seq: int | None
    wake_seq: int
    call_open: bool


def leshan_holds(endpoint: Leased, operation_seq: int) -> bool:
    """Return whether Leshan holds the operation's request until the device wakes: at the wake it sends it."""
    held = endpoint.lease_operation == operation_seq and not endpoint.call_open
    return held and endpoint.lease_wake_seq == endpoint.wake_seq
