"""Leases: the process that calls an endpoint, the lease's expiry, and how the end of a call changes the endpoint."""

from __future__ import annotations

from typing import Final

from app.domain.enums import SECOND, Delivery, Instant, OperationStatus, Presence, ReadingOrigin, ReasonCode
from app.domain.kinds import COMPOSITES, KINDS
from app.domain.operations import is_turn_ender
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Attempt, Report, Verdict
from app.models.fields import dump_json, load_json, storable_text
from app.models.ledger import breaker, readings
from app.models.ledger.group import Group
from app.models.ledger.presence import after_contact, is_registered_under, observe, open_window, seen
from app.models.ledger.queues import NOTHING
from app.models.ledger.rows import NOT_OPEN, EndpointRow
from app.models.ledger.rules import ANSWER_MARGIN, HELD_BY_LESHAN_LIMIT, LEASE_MARGIN, RETRY_PAUSES, SETBACK_LIMIT
from app.models.operation import Operation

MAX_DEVICE_STATUS: Final = 64

_CERTAINTY = (Delivery.NOT_SENT, Delivery.MAY_HAVE_REACHED, Delivery.ANSWERED)


def take_lease(group: Group, endpoint: EndpointRow, operation: Operation, token: str) -> None:
    """Move an operation from QUEUED to SENDING: the attempt's number is the fence, and the lease's time starts now."""
    operation.attempt += 1
    operation.last_attempt_at = group.now
    operation.held_wake_seq = operation.retry_at = None
    endpoint.lease_operation, endpoint.lease_token = operation.seq, token
    endpoint.lease_until = group.now + operation.timeout_seconds * SECOND + ANSWER_MARGIN + LEASE_MARGIN
    endpoint.lease_wake_seq, endpoint.call_open = endpoint.wake_seq, True
    group.move(operation, OperationStatus.SENDING, None)


def end_attempt(group: Group, operation: Operation, report: Report) -> None:
    """Apply the verdict to the operation's current attempt: operation, endpoint and breaker together."""
    endpoint = group.endpoints[operation.endpoint_id]
    verdict = group.rules.judge(attempt_of(operation, endpoint), report)
    slept_on = endpoint.wake_seq == endpoint.lease_wake_seq
    answered_at = _answered_at(group, operation, report)
    _record_delivery(operation, verdict, report.outcome)
    _change_presence(group, endpoint, verdict, answered_at, slept_on=slept_on)
    if report.outcome.of_the_device:
        endpoint.answered_wake_seq = _wake_of_attempt(endpoint)
    breaker.record(group, endpoint, verdict)
    if verdict.status is OperationStatus.SENDING:
        _let_leshan_hold(group, endpoint, operation, report, verdict)
        return
    _record_composite(endpoint, operation, report.outcome)
    _hold_back(group, endpoint, operation, verdict)
    if verdict.ends_turn and verdict.counted:
        endpoint.silent = verdict.reason in _SILENCE
    if verdict.contact:
        endpoint.silent = False
        origin = ReadingOrigin.OBSERVE if KINDS[operation.kind].observes else ReadingOrigin.READ
        readings.report(group, endpoint, [readings.TypedSample(report.values)], origin, answered_at)
    if verdict.status is OperationStatus.CONFIRMED:
        _record_observation(endpoint, operation)
    operation.answer = dump_json(report.answer) if verdict.status is OperationStatus.CONFIRMED else operation.answer
    endpoint.lease_operation = endpoint.lease_token = endpoint.lease_until = endpoint.lease_wake_seq = None
    endpoint.call_open = False
    group.move(operation, verdict.status, verdict.reason, verdict.detail)
    if operation.status is OperationStatus.QUEUED:
        _end_overtaken(group, operation)
    elif group.server.rules_seq and (operation.rule_id is not None or KINDS[operation.kind].observes is not None):
        group.observing.append(operation)


def _record_observation(endpoint: EndpointRow, operation: Operation) -> None:
    """Record a confirmed change of an observation, unless the device has registered again since the call began."""
    stands = KINDS[operation.kind].observes
    if stands is None or not endpoint.registered or _registered_since(endpoint, operation):
        return
    observe(endpoint, load_json(operation.paths), composite=operation.kind in COMPOSITES, stands=stands)


def _end_overtaken(group: Group, operation: Operation) -> None:
    """Cancel or expire an operation instead of requeueing it."""
    if operation.cancel_requested:
        group.move(operation, OperationStatus.CANCELED, ReasonCode.CANCELED_BY_USER)
    elif operation.superseded:
        group.move(operation, OperationStatus.CANCELED, ReasonCode.SUPERSEDED)
    elif operation.expires_at is not None and operation.expires_at <= group.now:
        group.move(operation, OperationStatus.EXPIRED, ReasonCode.EXPIRED)


_SILENCE = frozenset({ReasonCode.NO_ANSWER, ReasonCode.OUTCOME_UNKNOWN})


def _record_composite(endpoint: EndpointRow, operation: Operation, outcome: Outcome) -> None:
    """Store for the registration which composites the device answers, and since which wake it has not answered
    others."""
    silent = outcome.kind is OutcomeKind.DEVICE_SILENT and not outcome.answered_before
    if operation.kind not in COMPOSITES or not (silent or outcome.of_the_device):
        return
    kind, known = operation.kind.value, load_json(endpoint.composites) or {}
    if silent and kind in known:
        return
    endpoint.composites = dump_json({**known, kind: _wake_of_attempt(endpoint) if silent else None})


def attempt_of(operation: Operation, endpoint: EndpointRow) -> Attempt:
    """Return what a verdict needs to know about the current attempt."""
    answers_others_only = False
    if operation.kind in COMPOSITES and endpoint.answered_wake_seq is not None:
        # it has answered something else since its first silence to one, or before that in the same wake
        known = load_json(endpoint.composites) or {}
        first_silence = known.get(operation.kind.value, _wake_of_attempt(endpoint))
        answers_others_only = first_silence is not None and endpoint.answered_wake_seq >= first_silence
    return Attempt(
        kind=operation.kind,
        repeatable=operation.repeatable,
        attempts=operation.attempts,
        max_attempts=operation.max_attempts,
        delivery=operation.delivery,
        queue_mode=endpoint.sleeps,
        answers_others_only=answers_others_only,
    )


def give_up_held(group: Group, endpoint: EndpointRow, kind: OutcomeKind, detail: str) -> None:
    """End a delayed request of which no further event will come: DELAYED_LOST ("perhaps") or DELAYED_DROPPED."""
    if endpoint.lease_operation is not None and not endpoint.call_open:
        operation = group.operations[endpoint.lease_operation]
        end_attempt(group, operation, Report(Outcome(kind, detail=detail)))


def drop_held(group: Group, endpoint: EndpointRow, detail: str) -> None:
    """End a delayed request because the registration under which Leshan held it is over and no wake was received since.
    It was never sent (DELAYED_DROPPED), unless the wake, the response and the events about them were missed: that
    possibility makes the outcome DELAYED_LOST."""
    if endpoint.lease_operation is None or endpoint.call_open:
        return
    operation = group.operations[endpoint.lease_operation]
    sure = received_all_since(group, operation.last_attempt_at or 0)
    kind = OutcomeKind.DELAYED_DROPPED if sure else OutcomeKind.DELAYED_LOST
    give_up_held(group, endpoint, kind, detail if sure else f"{detail}, and events may have been missed before")


def received_all_since(group: Group, at: Instant) -> bool:
    """Return whether no event of Leshan since ``at`` was missed, as far as its event stream shows: it has been open
    ever since. If no bridge has ever read the stream, webhooks are considered complete."""
    server = group.server
    if server.missed_at is not None:
        return False
    since = server.bridge_open_since
    return since is None or (NOT_OPEN < since <= at and (server.bridge_until or 0) > group.now)


def take_as_sent(endpoint: EndpointRow) -> None:
    """From now on, assume that the device may have woken since Leshan accepted the request: nothing proves any more
    that it was not sent."""
    endpoint.lease_wake_seq = endpoint.wake_seq - 1


def expect_answer(group: Group, endpoint: EndpointRow) -> None:
    """Shorten the lease after a wake: Leshan sends the held request now, so the response is due within the timeout."""
    if endpoint.lease_operation is not None and not endpoint.call_open:
        operation = group.operations[endpoint.lease_operation]
        due = group.now + operation.timeout_seconds * SECOND + ANSWER_MARGIN
        endpoint.lease_until = min(endpoint.lease_until or due, due)


def _record_delivery(operation: Operation, verdict: Verdict, outcome: Outcome) -> None:
    if _CERTAINTY.index(verdict.delivery) > _CERTAINTY.index(operation.delivery):
        operation.delivery = verdict.delivery
    if verdict.counted:
        operation.attempts += 1
    if outcome.device_status is not None:
        operation.device_status = storable_text(outcome.device_status, MAX_DEVICE_STATUS)
    elif verdict.status is OperationStatus.CONFIRMED:
        operation.device_status = None  # an earlier attempt's response code is not this one's


def _answered_at(group: Group, operation: Operation, report: Report) -> Instant:
    """Return when the device responded. If that is unknown, it is now, but not later than the end of the call: a
    response that was lost on its way is found minutes later."""
    if report.at is not None:
        return report.at
    ended = (operation.last_attempt_at or group.now) + operation.timeout_seconds * SECOND + ANSWER_MARGIN
    return min(group.now, ended)


def _change_presence(
    group: Group, endpoint: EndpointRow, verdict: Verdict, answered_at: Instant, *, slept_on: bool
) -> None:
    if verdict.contact:
        known = endpoint.contacts, endpoint.lifetime_ends_at, endpoint.last_seen_at
        seen(endpoint, answered_at)
        after_contact(endpoint, *known)
        endpoint.setbacks, endpoint.not_before = 0, None
        endpoint.held_wake_seq, endpoint.retries, endpoint.retry_at = None, 0, None
        open_window(endpoint, answered_at, group.now, group.rules)
    elif verdict.presence is not None and slept_on and endpoint.presence is not Presence.OFFLINE:
        endpoint.presence, endpoint.awake_until = verdict.presence, None


def _hold_back(group: Group, endpoint: EndpointRow, operation: Operation, verdict: Verdict) -> None:
    if verdict.ends_turn:
        endpoint.held_wake_seq = _wake_of_attempt(endpoint)
        if not endpoint.sleeps:
            endpoint.retry_at = group.now + _pause(endpoint.retries)
            endpoint.retries += 1
    elif verdict.counted and verdict.status is OperationStatus.QUEUED:
        operation.held_wake_seq = _wake_of_attempt(endpoint)
        operation.retry_at = None if endpoint.sleeps else group.now + _pause(operation.attempts - 1)
        endpoint.next_operation = NOTHING  # must be found before the endpoint is written
    if verdict.set_back:
        endpoint.not_before = group.now + min(SETBACK_LIMIT, SECOND << min(endpoint.setbacks, 6))
        endpoint.setbacks += 1
    goes_down = verdict.status is OperationStatus.CONFIRMED or verdict.reason is ReasonCode.OUTCOME_UNKNOWN
    if goes_down and is_turn_ender(operation.kind, operation.path) and not _registered_since(endpoint, operation):
        # not if it has registered since: then it is back already, and its next registration may be days away
        endpoint.down_since = group.now


def _wake_of_attempt(endpoint: EndpointRow) -> int | None:
    """Return the wake in which the current attempt was made: a request that Leshan held was sent in the current one."""
    return endpoint.lease_wake_seq if endpoint.call_open else endpoint.wake_seq


def _pause(tries: int) -> Instant:
    return RETRY_PAUSES[min(tries, len(RETRY_PAUSES) - 1)]


def _registered_since(endpoint: EndpointRow, operation: Operation) -> bool:
    """Return whether the device has registered since the attempt began."""
    return (endpoint.registered_at or 0) > (operation.last_attempt_at or 0)


def _let_leshan_hold(
    group: Group, endpoint: EndpointRow, operation: Operation, report: Report, verdict: Verdict
) -> None:
    """Leave the request to Leshan. Leshan drops it together with the registration that it had when it responded. Only
    if that is the known registration does its end prove that the request was not sent: events may arrive late, and the
    end of an older registration would prove nothing."""
    endpoint.call_open = False
    endpoint.lease_until = max(endpoint.lifetime_ends_at or 0, group.now) + HELD_BY_LESHAN_LIMIT
    operation.request_id = report.outcome.request_id
    group.move(operation, OperationStatus.SENDING, verdict.reason, verdict.detail)
    if endpoint.wake_seq != endpoint.lease_wake_seq:
        expect_answer(group, endpoint)
    elif report.held_under is None or not is_registered_under(endpoint, report.held_under):
        take_as_sent(endpoint)
