"""The verdict: the consequence of an outcome. A table with a row per outcome; ``docs/lifecycle.md`` shows the same.

A row says what the attempt reveals about delivery, whether it counts, and the operation's next status if it is
repeatable and if it is not. "Perhaps" rows (the device may have received the request) end a non-repeatable operation as
OUTCOME_UNKNOWN: its effect is not known, and a retry could cause it twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from app.domain.enums import Delivery, OperationKind, OperationStatus, Presence, ReasonCode
from app.domain.kinds import CANCELS
from app.domain.outcomes import OutcomeKind
from app.domain.verdicts import Attempt, BreakerSignal, Report, Verdict

PASSING_CODES: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Device codes of temporary failures: they justify another attempt at the next wake."""

NOT_DONE_CODES: Final = frozenset({429, 503})
"""The codes among these that say the request was not carried out, so that even a non-repeatable operation is
retried."""

_Q, _F, _C, _S = OperationStatus.QUEUED, OperationStatus.FAILED, OperationStatus.CONFIRMED, OperationStatus.SENDING
_R, _K = ReasonCode, OutcomeKind
_MAY, _NOT, _ANSWERED = Delivery.MAY_HAVE_REACHED, Delivery.NOT_SENT, Delivery.ANSWERED
_HEALTHY, _FAILURE, _DOWN = BreakerSignal.HEALTHY, BreakerSignal.FAILURE, BreakerSignal.DOWN

NEVER_ANSWERED: Final = (
    "The device answers other operations and has not answered a {kind} since it registered: not tried again."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        ends_turn: the endpoint is not called again before its next wake or, if it does not sleep, its retry time.
        again: QUEUED rows only: the reason shown while the operation waits for its next attempt.
        used_up: the reason of FAILED when a counted attempt was the last one.
        once: (status, reason) for a non-repeatable operation; None means the same as for a repeatable one.
    """

    delivery: Delivery
    status: OperationStatus
    again: ReasonCode | None = None
    counted: bool = False
    ends_turn: bool = False
    used_up: ReasonCode | None = None
    once: tuple[OperationStatus, ReasonCode] | None = None
    presence: Presence | None = None
    contact: bool = False
    set_back: bool = False
    breaker: BreakerSignal = BreakerSignal.NONE


_UNKNOWN: Final = (_F, _R.OUTCOME_UNKNOWN)

TABLE: Final[dict[OutcomeKind, Row]] = {
    _K.SUCCESS: Row(_ANSWERED, _C, contact=True, breaker=_HEALTHY),
    _K.DEVICE_ANSWERED_NO: Row(_ANSWERED, _F, _R.DEVICE_REFUSED, contact=True, breaker=_HEALTHY),
    _K.DEVICE_ANSWERED_NONSENSE: Row(_ANSWERED, _F, _R.DEVICE_ERROR, contact=True, breaker=_HEALTHY),
    _K.ANSWER_TOO_LARGE: Row(_ANSWERED, _F, _R.DEVICE_ERROR, contact=True, breaker=_HEALTHY),
    _K.DEVICE_SILENT: Row(
        _MAY,
        _Q,
        _R.NO_ANSWER,
        counted=True,
        ends_turn=True,
        used_up=_R.NO_ANSWER,
        once=_UNKNOWN,
        presence=Presence.ASLEEP,
        breaker=_HEALTHY,
    ),
    _K.ANSWER_LOST: Row(_MAY, _Q, _R.NO_ANSWER, counted=True, ends_turn=True, used_up=_R.NO_ANSWER, once=_UNKNOWN),
    _K.PROXY_ERROR: Row(_MAY, _Q, _R.LESHAN_UNREACHABLE, once=_UNKNOWN, set_back=True, breaker=_FAILURE),
    _K.LEASE_LOST: Row(_MAY, _Q, _R.LEASE_LOST, counted=True, ends_turn=True, used_up=_R.NO_ANSWER, once=_UNKNOWN),
    _K.DELAYED_LOST: Row(_MAY, _Q, _R.NO_ANSWER, counted=True, ends_turn=True, used_up=_R.NO_ANSWER, once=_UNKNOWN),
    _K.DELAYED_DROPPED: Row(_NOT, _Q, _R.RELEASED),
    _K.NOT_CONNECTED: Row(_NOT, _Q, _R.DEVICE_ASLEEP, presence=Presence.ASLEEP, breaker=_HEALTHY),
    _K.DELAYED: Row(_NOT, _S, _R.DELAYED_BY_LESHAN, presence=Presence.ASLEEP, breaker=_HEALTHY),
    _K.NOT_REGISTERED: Row(_NOT, _Q, _R.NOT_REGISTERED, presence=Presence.OFFLINE, breaker=_HEALTHY),
    _K.ASLEEP: Row(_NOT, _Q, _R.DEVICE_ASLEEP, presence=Presence.ASLEEP, breaker=_HEALTHY),
    _K.BAD_REQUEST: Row(_NOT, _F, _R.INVALID_REQUEST, breaker=_HEALTHY),
    _K.UNREACHABLE: Row(_NOT, _Q, _R.LESHAN_UNREACHABLE, set_back=True, breaker=_DOWN),
    _K.LESHAN_REFUSED: Row(_NOT, _Q, _R.LESHAN_REFUSED, set_back=True, breaker=_DOWN),
    _K.LESHAN_BUSY: Row(_NOT, _Q, _R.LESHAN_REFUSED, set_back=True, breaker=_HEALTHY),
    _K.NOT_SENT: Row(_NOT, _Q, _R.RELEASED, set_back=True),
    _K.UNEXPECTED: Row(_NOT, _Q, _R.LESHAN_REFUSED, set_back=True, breaker=_DOWN),
    _K.TOO_LATE: Row(_NOT, _Q, _R.RELEASED),
}

UNEXPECTED_OF_A_HEALTHY_LESHAN: Final = Row(_NOT, _F, _R.INVALID_REQUEST, breaker=_HEALTHY)
"""Ends a poison operation alone: Leshan serves other requests well, so it is this request that it does not accept."""

PASSING_DEVICE_ERROR: Final = Row(
    _ANSWERED,
    _Q,
    _R.DEVICE_ERROR,
    counted=True,
    used_up=_R.DEVICE_ERROR,
    once=(_F, _R.DEVICE_ERROR),
    contact=True,
    breaker=_HEALTHY,
)
NOT_DONE_DEVICE_ERROR: Final = replace(PASSING_DEVICE_ERROR, once=None)

COMPOSITE_NEVER_ANSWERED: Final = replace(TABLE[_K.DEVICE_SILENT], status=_F, again=_R.NO_ANSWER)
"""A device that does not know FETCH or iPATCH may acknowledge one and never answer it, each time: another attempt would
cost another wake. Leshan takes a silent queue-mode device as asleep all the same; a device that does not sleep keeps
its turn."""


def judge(attempt: Attempt, report: Report) -> Verdict:
    """Return the consequence of an attempt's outcome. Pure: the same facts always give the same verdict."""
    outcome, kind = report.outcome, report.outcome.kind
    not_found = kind is _K.DEVICE_ANSWERED_NO and outcome.device_code == 404
    if not_found and attempt.kind is OperationKind.DELETE and attempt.delivery is _MAY:
        # an earlier attempt, which may have reached the device, has deleted the instance
        return _verdict(TABLE[_K.SUCCESS], attempt, "already gone")
    row, detail = row_for(report), outcome.detail
    if attempt.answers_others_only and kind is _K.DEVICE_SILENT and not outcome.answered_before:
        row = replace(COMPOSITE_NEVER_ANSWERED, ends_turn=attempt.queue_mode)
        detail = NEVER_ANSWERED.format(kind=attempt.kind)
    if detail is None and kind is _K.DEVICE_ANSWERED_NO:
        detail = outcome.device_status  # most devices send nothing but their code: use it as the text
    if attempt.kind in CANCELS and outcome.device_status is None:
        row = replace(row, contact=False)  # Leshan ends an observation by itself: the device sent no message
    if outcome.answered_before:
        row = replace(row, delivery=_ANSWERED)
    if outcome.deadline_passed:
        row = replace(row, breaker=_FAILURE)
    if not attempt.queue_mode and kind in (_K.DEVICE_SILENT, _K.NOT_CONNECTED, _K.ASLEEP):
        # a device that does not sleep has no wake to wait for: it is called again after a pause
        row = replace(row, presence=None, ends_turn=row.ends_turn or kind is not _K.DEVICE_SILENT)
    return _verdict(row, attempt, detail)


def row_for(report: Report) -> Row:
    """Return the table's row for a report, before the operation's own properties apply."""
    outcome = report.outcome
    if outcome.kind is _K.DEVICE_ANSWERED_NO and outcome.device_code in PASSING_CODES:
        return NOT_DONE_DEVICE_ERROR if outcome.device_code in NOT_DONE_CODES else PASSING_DEVICE_ERROR
    if outcome.kind is _K.UNEXPECTED and report.leshan_healthy:
        return UNEXPECTED_OF_A_HEALTHY_LESHAN
    return TABLE[outcome.kind]


def _verdict(row: Row, attempt: Attempt, detail: str | None) -> Verdict:
    status, reason = row.status, row.again
    if not attempt.repeatable and row.once is not None:
        status, reason = row.once
    elif row.counted and attempt.attempts + 1 >= attempt.max_attempts:
        status, reason = _F, row.used_up
    return Verdict(
        status=status,
        reason=reason,
        delivery=row.delivery,
        counted=row.counted,
        ends_turn=row.ends_turn,
        presence=row.presence,
        contact=row.contact,
        set_back=row.set_back,
        breaker=row.breaker,
        detail=detail,
    )
