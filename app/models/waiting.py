"""The condition that a queued operation waits for: one pure function, so that every row can explain why it is not
done."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.enums import SECOND, Instant, OperationStatus, ReasonCode, WaitingFor
from app.models.ledger.queues import NOTHING, waits_for_retry
from app.models.ledger.readiness import leshan_holds
from app.models.ledger.rules import MARGIN_PARTS, START_MARGIN, silent_share, start_margin
from app.models.lifecycle import TERMINAL
from app.models.operation import Operation
from app.models.queries.views import EndpointView, ServerView

DISPATCHER_SPAN: Instant = 10 * SECOND
"""Dispatchers sweep every second; when none has for this long, none is alive."""


QUERIED = frozenset({ReasonCode.LEASE_LOST, ReasonCode.LESHAN_UNREACHABLE})
"""Reasons of an operation that is still SENDING while the Leshan server is queried for its call's outcome."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The number of open calls at the Leshan server and their maximum: all, and those of endpoints that did not respond
    last time (``ledger.rules.SILENT_SHARE``)."""

    open: int
    silent: int
    most: int

    def are_all_open(self, endpoint: EndpointView) -> bool:
        """Return whether there is no free call for the endpoint's next operation."""
        return self.open >= self.most or (endpoint.silent and self.silent >= silent_share(self.most))


def waiting_for(
    operation: Operation,
    endpoint: EndpointView,
    server: ServerView,
    now: Instant,
    head: int | None = None,
    *,
    calls: Calls | None = None,
    window: Instant = MARGIN_PARTS * START_MARGIN,
) -> WaitingFor:
    """Return the condition that must change next, for operators: the outermost obstacle first.

    ``head`` is the ``seq`` of the endpoint's next operation (``queries.heads_of``), or None if it is unknown; it
    matters only if :func:`needs_head` is true. ``calls`` matter only if the result without them is CLAIM. ``window`` is
    the awake window of endpoints without one of their own.

    | condition, in this order | result |
    |---|---|
    | it has ended | NOTHING |
    | it is SENDING, the response was lost, and Leshan is queried for the call's outcome | LESHAN |
    | it is SENDING, Leshan returned "delayed", and the device has not woken since | LESHAN_HOLDS_IT |
    | it is SENDING | DEVICE_ANSWER |
    | the endpoint, its Leshan server or everything is paused: only resuming changes that | PAUSED |
    | its ``notBefore`` has not come | NOT_BEFORE |
    | no dispatcher swept for 10 s: none would even detect that Leshan is back | DISPATCHER |
    | the breaker is open: no device can be called | LESHAN |
    | another operation of the endpoint is SENDING | TURN |
    | the endpoint is not sendable, is down, or sleeps and its turn is over until the next wake | DEVICE_WAKE |
    | the device answered it with an error: retry at the next wake, or after a pause | DEVICE_WAKE, RETRY_DELAY |
    | another operation of the endpoint or of its sequence goes first, or holds it back | TURN |
    | the endpoint pauses after a failure | RETRY_DELAY |
    | none of these, and all calls that it may use are open | CAPACITY |
    | none of these | CLAIM |
    """
    if operation.status in TERMINAL:
        return WaitingFor.NOTHING
    if operation.status is OperationStatus.SENDING:
        if operation.reason in QUERIED:
            return WaitingFor.LESHAN
        return WaitingFor.LESHAN_HOLDS_IT if leshan_holds(endpoint, operation.seq) else WaitingFor.DEVICE_ANSWER
    if endpoint.paused or server.paused:
        return WaitingFor.PAUSED
    if operation.not_before is not None and operation.not_before > now:
        return WaitingFor.NOT_BEFORE
    if server.swept_at is None or now - server.swept_at > DISPATCHER_SPAN:
        return WaitingFor.DISPATCHER
    if server.breaker_opened_at is not None:
        return WaitingFor.LESHAN
    obstacle = _at_the_endpoint(operation, endpoint, now, head, window)
    if obstacle is not None:
        return obstacle
    return WaitingFor.CAPACITY if calls is not None and calls.are_all_open(endpoint) else WaitingFor.CLAIM


def _at_the_endpoint(
    operation: Operation, endpoint: EndpointView, now: Instant, head: int | None, window: Instant
) -> WaitingFor | None:
    if endpoint.lease_operation is not None:
        # its own lease: the two rows were read a moment apart, and it is SENDING by now
        return WaitingFor.DEVICE_ANSWER if endpoint.lease_operation == operation.seq else WaitingFor.TURN
    own = endpoint.awake_window_seconds
    margin = min(start_margin(window if own is None else own * SECOND), operation.timeout_seconds * SECOND)
    if endpoint.awake_until is None or endpoint.awake_until - now < margin or endpoint.down_since is not None:
        return WaitingFor.DEVICE_WAKE
    wakes = endpoint.queue_mode is not False
    if waits_for_retry(operation, endpoint.wake_seq, now):
        return WaitingFor.DEVICE_WAKE if wakes and operation.retry_at is None else WaitingFor.RETRY_DELAY
    if endpoint.queued == 0:
        return None  # the two rows were read a moment apart, and it was claimed in between
    if endpoint.ready_at is None:
        if endpoint.next_operation == NOTHING:
            return WaitingFor.TURN
        return WaitingFor.DEVICE_WAKE if wakes else WaitingFor.RETRY_DELAY
    if head is not None and head != operation.seq:
        return WaitingFor.TURN
    return WaitingFor.RETRY_DELAY if endpoint.ready_at > now else None


def may_be_full(server: ServerView, most: int) -> bool:
    """Return whether so many operations are SENDING that all calls may be open, and must be counted."""
    return server.sending >= silent_share(most)


def needs_head(operation: Operation, endpoint: EndpointView) -> bool:
    """Return whether the head of the endpoint's queue can make a difference, and must be read."""
    return operation.status is OperationStatus.QUEUED and endpoint.queued > 1 and endpoint.ready_at is not None
