"""The verdict table, row by row as it was designed, written a second time and independently of the code's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.dispatcher.verdict import TABLE, judge
from app.domain.enums import Delivery, OperationKind, OperationStatus, Presence, ReasonCode
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Attempt, BreakerSignal, Report

_K, _S, _R, _D, _B = OutcomeKind, OperationStatus, ReasonCode, Delivery, BreakerSignal
UNKNOWN = (_S.FAILED, _R.OUTCOME_UNKNOWN)

FIRST = Attempt(
    kind=OperationKind.WRITE,
    repeatable=True,
    attempts=0,
    max_attempts=3,
    delivery=Delivery.NOT_SENT,
    queue_mode=True,
)


@dataclass(frozen=True)
class Case:
    """A row of the design: ``twice`` for a repeatable operation, ``once`` for one that is not (None: the same),
    ``used_up`` when the attempt was the last that counts."""

    outcome: Outcome
    delivery: Delivery
    twice: tuple[OperationStatus, ReasonCode | None]
    once: tuple[OperationStatus, ReasonCode | None] | None = None
    counted: bool = False
    ends_turn: bool = False
    used_up: tuple[OperationStatus, ReasonCode] | None = None
    presence: Presence | None = None
    breaker: BreakerSignal = _B.HEALTHY
    healthy: bool | None = None


def device(code: int) -> Outcome:
    return Outcome(_K.DEVICE_ANSWERED_NO, 200, code, f"X({code})", "why")


PERHAPS: dict[str, Any] = {
    "delivery": _D.MAY_HAVE_REACHED,
    "once": UNKNOWN,
    "counted": True,
    "ends_turn": True,
    "used_up": (_S.FAILED, _R.NO_ANSWER),
}
NOT_SENT: dict[str, Any] = {"delivery": _D.NOT_SENT}

CASES = [
    Case(Outcome(_K.SUCCESS, 200, 204, "CHANGED(204)"), _D.ANSWERED, (_S.CONFIRMED, None)),
    *(
        Case(
            device(code),
            _D.ANSWERED,
            (_S.QUEUED, _R.DEVICE_ERROR),
            once=None if code in (429, 503) else (_S.FAILED, _R.DEVICE_ERROR),
            counted=True,
            used_up=(_S.FAILED, _R.DEVICE_ERROR),
        )
        for code in (408, 429, 500, 502, 503, 504)
    ),
    *(
        Case(device(code), _D.ANSWERED, (_S.FAILED, _R.DEVICE_REFUSED))
        for code in (400, 401, 402, 403, 404, 405, 406, 412, 413, 415, 501)
    ),
    Case(Outcome(_K.DEVICE_ANSWERED_NONSENSE, 500), _D.ANSWERED, (_S.FAILED, _R.DEVICE_ERROR)),
    Case(Outcome(_K.ANSWER_TOO_LARGE, 500), _D.ANSWERED, (_S.FAILED, _R.DEVICE_ERROR)),
    Case(Outcome(_K.DEVICE_SILENT, 504), twice=(_S.QUEUED, _R.NO_ANSWER), presence=Presence.ASLEEP, **PERHAPS),
    Case(Outcome(_K.ANSWER_LOST), twice=(_S.QUEUED, _R.NO_ANSWER), breaker=_B.NONE, **PERHAPS),
    Case(
        Outcome(_K.ANSWER_LOST, deadline_passed=True),
        twice=(_S.QUEUED, _R.NO_ANSWER),
        breaker=_B.FAILURE,
        **PERHAPS,
    ),
    Case(
        Outcome(_K.PROXY_ERROR, 502),
        _D.MAY_HAVE_REACHED,
        (_S.QUEUED, _R.LESHAN_UNREACHABLE),
        once=UNKNOWN,
        breaker=_B.FAILURE,
    ),
    Case(Outcome(_K.LEASE_LOST), twice=(_S.QUEUED, _R.LEASE_LOST), breaker=_B.NONE, **PERHAPS),
    Case(Outcome(_K.DELAYED_LOST), twice=(_S.QUEUED, _R.NO_ANSWER), breaker=_B.NONE, **PERHAPS),
    Case(Outcome(_K.DELAYED_DROPPED), twice=(_S.QUEUED, _R.RELEASED), breaker=_B.NONE, **NOT_SENT),
    Case(Outcome(_K.NOT_CONNECTED, 500), twice=(_S.QUEUED, _R.DEVICE_ASLEEP), presence=Presence.ASLEEP, **NOT_SENT),
    Case(Outcome(_K.DELAYED, 200), twice=(_S.SENDING, _R.DELAYED_BY_LESHAN), presence=Presence.ASLEEP, **NOT_SENT),
    Case(Outcome(_K.NOT_REGISTERED, 400), twice=(_S.QUEUED, _R.NOT_REGISTERED), presence=Presence.OFFLINE, **NOT_SENT),
    Case(Outcome(_K.ASLEEP, 409), twice=(_S.QUEUED, _R.DEVICE_ASLEEP), presence=Presence.ASLEEP, **NOT_SENT),
    Case(Outcome(_K.BAD_REQUEST, 400), twice=(_S.FAILED, _R.INVALID_REQUEST), **NOT_SENT),
    Case(Outcome(_K.UNREACHABLE), twice=(_S.QUEUED, _R.LESHAN_UNREACHABLE), breaker=_B.DOWN, **NOT_SENT),
    Case(Outcome(_K.LESHAN_REFUSED, 401), twice=(_S.QUEUED, _R.LESHAN_REFUSED), breaker=_B.DOWN, **NOT_SENT),
    Case(Outcome(_K.LESHAN_BUSY, 409), twice=(_S.QUEUED, _R.LESHAN_REFUSED), **NOT_SENT),
    Case(Outcome(_K.NOT_SENT), twice=(_S.QUEUED, _R.RELEASED), breaker=_B.NONE, **NOT_SENT),
    Case(Outcome(_K.UNEXPECTED, 404), twice=(_S.QUEUED, _R.LESHAN_REFUSED), breaker=_B.DOWN, healthy=False, **NOT_SENT),
    Case(Outcome(_K.UNEXPECTED, 404), twice=(_S.FAILED, _R.INVALID_REQUEST), healthy=True, **NOT_SENT),
    Case(Outcome(_K.TOO_LATE), twice=(_S.QUEUED, _R.RELEASED), breaker=_B.NONE, **NOT_SENT),
]
each_case = pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.outcome.kind.name}-{case.outcome.device_code}"
)


def test_every_outcome_has_its_row() -> None:
    assert set(TABLE) == set(OutcomeKind) == {case.outcome.kind for case in CASES}


@each_case
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_row_gives_its_verdict(case: Case, repeatable: bool) -> None:
    verdict = judge(replace(FIRST, repeatable=repeatable), Report(case.outcome, leshan_healthy=case.healthy))
    expected = case.twice if repeatable or case.once is None else case.once
    assert (verdict.status, verdict.reason) == expected
    assert (verdict.delivery, verdict.counted) == (case.delivery, case.counted)
    assert verdict.ends_turn is case.ends_turn
    assert (verdict.presence, verdict.breaker) == (case.presence, case.breaker)
    assert verdict.contact is (case.delivery is _D.ANSWERED)
    assert verdict.detail == case.outcome.detail


@each_case
def test_the_last_counted_attempt_ends_it_and_an_uncounted_one_does_not(case: Case) -> None:
    verdict = judge(replace(FIRST, attempts=2), Report(case.outcome, leshan_healthy=case.healthy))
    assert (verdict.status, verdict.reason) == (case.used_up or case.twice)


@each_case
def test_a_second_call_proves_that_the_device_answered_the_first(case: Case) -> None:
    alone = judge(FIRST, Report(case.outcome, leshan_healthy=case.healthy))
    second = judge(FIRST, Report(replace(case.outcome, answered_before=True), leshan_healthy=case.healthy))
    assert second == replace(alone, delivery=_D.ANSWERED)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("delivery", Delivery)
def test_a_delete_answered_not_found_after_a_perhaps_is_confirmed(delivery: Delivery, repeatable: bool) -> None:
    attempt = replace(FIRST, kind=OperationKind.DELETE, delivery=delivery, repeatable=repeatable)
    verdict = judge(attempt, Report(device(404)))
    if delivery is _D.MAY_HAVE_REACHED:
        assert (verdict.status, verdict.reason, verdict.detail) == (_S.CONFIRMED, None, "already gone")
    else:
        assert (verdict.status, verdict.reason) == (_S.FAILED, _R.DEVICE_REFUSED)


def test_without_a_delete_not_found_is_a_failure() -> None:
    attempt = replace(FIRST, delivery=_D.MAY_HAVE_REACHED)
    assert judge(attempt, Report(device(404))).status is _S.FAILED


def test_a_silent_device_without_queue_mode_does_not_count_as_asleep() -> None:
    assert judge(replace(FIRST, queue_mode=False), Report(Outcome(_K.DEVICE_SILENT))).presence is None


@pytest.mark.parametrize("kind", [OperationKind.CANCEL_OBSERVE, OperationKind.CANCEL_OBSERVE_COMPOSITE])
def test_an_observation_canceled_by_leshan_is_confirmed_without_contact(kind: OperationKind) -> None:
    verdict = judge(replace(FIRST, kind=kind), Report(Outcome(_K.SUCCESS, 200)))
    assert (verdict.status, verdict.contact) == (_S.CONFIRMED, False)
    answered = judge(replace(FIRST, kind=kind), Report(Outcome(_K.SUCCESS, 200, 205, "CONTENT(205)")))
    assert answered.contact


@pytest.mark.parametrize("kind", [_K.NOT_CONNECTED, _K.ASLEEP])
def test_without_queue_mode_an_uncallable_device_is_called_after_a_pause(kind: OutcomeKind) -> None:
    verdict = judge(replace(FIRST, queue_mode=False), Report(Outcome(kind)))
    assert (verdict.status, verdict.presence, verdict.ends_turn, verdict.counted) == (_S.QUEUED, None, True, False)


@pytest.mark.parametrize("queue_mode", [True, False])
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_composite_that_the_device_never_answers_is_tried_once(queue_mode: bool, repeatable: bool) -> None:
    facts: dict[str, Any] = {"kind": OperationKind.READ_COMPOSITE, "queue_mode": queue_mode, "repeatable": repeatable}
    verdict = judge(replace(FIRST, answers_others_only=True, **facts), Report(Outcome(_K.DEVICE_SILENT, detail="504")))
    assert verdict.status is _S.FAILED
    assert verdict.reason is (_R.NO_ANSWER if repeatable else _R.OUTCOME_UNKNOWN)
    assert "READ_COMPOSITE" in (verdict.detail or "")
    assert verdict.ends_turn is queue_mode
    assert verdict.presence is (Presence.ASLEEP if queue_mode else None)


def test_only_a_missing_response_fails_a_composite_at_once() -> None:
    attempt = replace(FIRST, kind=OperationKind.READ_COMPOSITE, answers_others_only=True)
    for outcome in (Outcome(_K.ANSWER_LOST), Outcome(_K.LEASE_LOST), device(503)):
        assert judge(attempt, Report(outcome)).status is _S.QUEUED


def test_an_unprobed_leshan_does_not_count_as_healthy() -> None:
    assert judge(FIRST, Report(Outcome(_K.UNEXPECTED, 404))).status is _S.QUEUED


@pytest.mark.parametrize(
    "kind", [_K.PROXY_ERROR, _K.UNREACHABLE, _K.LESHAN_REFUSED, _K.LESHAN_BUSY, _K.NOT_SENT, _K.UNEXPECTED]
)
def test_a_failure_of_leshan_pauses_the_endpoint(kind: OutcomeKind) -> None:
    assert judge(FIRST, Report(Outcome(kind))).set_back
