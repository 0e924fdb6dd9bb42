"""The obstacle that an operation waits for, as in the table of ``app/models/waiting.py``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from app.domain.enums import SECOND, OperationStatus, Presence, ReasonCode, WaitingFor
from app.models.operation import Operation
from app.models.queries import EndpointView, ServerView
from app.models.waiting import Calls, needs_head, waiting_for

NOW = 1_700_000_000 * SECOND
SELF, OTHER = 10, 20

WAKE = 1
QUEUED: dict[str, Any] = {"seq": SELF, "status": OperationStatus.QUEUED, "timeout_seconds": 30}
SENDING: dict[str, Any] = {**QUEUED, "status": OperationStatus.SENDING}

READY: dict[str, Any] = {
    "presence": Presence.ONLINE,
    "awake_until": NOW + 60 * SECOND,
    "ready_at": 0,
    "queued": 2,
    "lease_operation": None,
    "wake_seq": WAKE,
    "call_open": False,
    "silent": False,
    "queue_mode": True,
}
OUT: dict[str, Any] = {**READY, "lease_operation": SELF, "lease_wake_seq": WAKE, "call_open": True, "ready_at": None}
HELD: dict[str, Any] = {**OUT, "call_open": False}
OTHER_OUT: dict[str, Any] = {**OUT, "lease_operation": OTHER}
ASLEEP: dict[str, Any] = {**READY, "presence": Presence.ASLEEP, "awake_until": None, "ready_at": None}
TURN_OVER: dict[str, Any] = {**READY, "ready_at": None}
ALWAYS_ON: dict[str, Any] = {"queue_mode": False}

RETRIED: dict[str, Any] = {**QUEUED, "held_wake_seq": WAKE}
"""Answered with an error: the operation is retried at the next wake."""
BLOCKED: dict[str, Any] = {**READY, "ready_at": None, "next_operation": 0}
"""Nothing is sent before the next wake, because an operation waits for its retry."""

WELL: dict[str, Any] = {"swept_at": NOW - SECOND, "breaker_opened_at": None}
BROKEN: dict[str, Any] = {**WELL, "breaker_opened_at": NOW - SECOND}
NOBODY: dict[str, Any] = {**WELL, "swept_at": NOW - 11 * SECOND}


def view(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**{field.name: values.get(field.name) for field in fields(kind)})


FREE, FULL, SILENT_FULL = Calls(7, 2, 8), Calls(8, 0, 8), Calls(2, 2, 8)

Case = tuple[dict[str, Any], dict[str, Any], dict[str, Any], int | None, Calls | None, WaitingFor]

CASES: list[Case] = [
    *((dict(QUEUED, status=s), ASLEEP, NOBODY, None, None, WaitingFor.NOTHING) for s in list(OperationStatus)[2:]),
    (SENDING, HELD, NOBODY, None, None, WaitingFor.LESHAN_HOLDS_IT),
    (SENDING, {**HELD, "wake_seq": WAKE + 1}, WELL, None, None, WaitingFor.DEVICE_ANSWER),
    (SENDING, OUT, NOBODY, None, None, WaitingFor.DEVICE_ANSWER),
    (SENDING, READY, WELL, None, None, WaitingFor.DEVICE_ANSWER),
    (dict(SENDING, reason=ReasonCode.LEASE_LOST), OUT, WELL, None, None, WaitingFor.LESHAN),
    (QUEUED, {**READY, "paused": True}, NOBODY, SELF, None, WaitingFor.PAUSED),
    (QUEUED, ASLEEP, {**BROKEN, "paused": True}, SELF, FULL, WaitingFor.PAUSED),
    ({**QUEUED, "not_before": NOW + 1}, ASLEEP, NOBODY, SELF, None, WaitingFor.NOT_BEFORE),
    ({**QUEUED, "not_before": NOW + 1}, READY, BROKEN, SELF, None, WaitingFor.NOT_BEFORE),
    ({**QUEUED, "not_before": NOW + 1}, {**READY, "paused": True}, WELL, SELF, None, WaitingFor.PAUSED),
    ({**QUEUED, "not_before": NOW}, READY, WELL, SELF, FREE, WaitingFor.CLAIM),
    (QUEUED, READY, {**WELL, "swept_at": None}, SELF, None, WaitingFor.DISPATCHER),
    (QUEUED, ASLEEP, NOBODY, SELF, None, WaitingFor.DISPATCHER),
    (QUEUED, READY, {**NOBODY, "breaker_opened_at": NOW}, SELF, None, WaitingFor.DISPATCHER),
    (QUEUED, READY, BROKEN, SELF, FULL, WaitingFor.LESHAN),
    (QUEUED, OTHER_OUT, BROKEN, OTHER, None, WaitingFor.LESHAN),
    (QUEUED, ASLEEP, BROKEN, SELF, None, WaitingFor.LESHAN),
    (QUEUED, OTHER_OUT, WELL, OTHER, None, WaitingFor.TURN),
    (QUEUED, {**OTHER_OUT, "awake_until": None}, WELL, OTHER, None, WaitingFor.TURN),
    (QUEUED, OUT, WELL, SELF, None, WaitingFor.DEVICE_ANSWER),
    (QUEUED, ASLEEP, WELL, SELF, FULL, WaitingFor.DEVICE_WAKE),
    (QUEUED, ASLEEP, WELL, OTHER, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**READY, "awake_until": NOW - 1}, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**READY, "awake_until": NOW + 4 * SECOND}, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (
        dict(QUEUED, timeout_seconds=2),
        {**READY, "awake_until": NOW + 4 * SECOND},
        WELL,
        SELF,
        FREE,
        WaitingFor.CLAIM,
    ),
    (QUEUED, TURN_OVER, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**TURN_OVER, "queue_mode": None}, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**TURN_OVER, **ALWAYS_ON}, WELL, SELF, FULL, WaitingFor.RETRY_DELAY),
    (QUEUED, {**TURN_OVER, **ALWAYS_ON, "down_since": NOW}, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**ASLEEP, **ALWAYS_ON, "presence": Presence.OFFLINE}, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, READY, WELL, OTHER, FULL, WaitingFor.TURN),
    (QUEUED, {**READY, "ready_at": NOW + SECOND}, WELL, OTHER, None, WaitingFor.TURN),
    (QUEUED, {**READY, "ready_at": NOW + SECOND}, WELL, SELF, FULL, WaitingFor.RETRY_DELAY),
    (QUEUED, {**READY, "queued": 1}, WELL, None, FULL, WaitingFor.CAPACITY),
    (QUEUED, {**READY, "silent": True}, WELL, SELF, SILENT_FULL, WaitingFor.CAPACITY),
    (QUEUED, READY, WELL, SELF, SILENT_FULL, WaitingFor.CLAIM),
    (QUEUED, {**READY, "ready_at": NOW}, WELL, SELF, FREE, WaitingFor.CLAIM),
    (QUEUED, {**READY, "queued": 0, "ready_at": None}, WELL, None, FREE, WaitingFor.CLAIM),
    (
        QUEUED,
        {**READY, "awake_until": NOW + 2 * SECOND, "awake_window_seconds": 8},
        WELL,
        SELF,
        FREE,
        WaitingFor.CLAIM,
    ),
    (RETRIED, BLOCKED, WELL, None, FULL, WaitingFor.DEVICE_WAKE),
    (QUEUED, BLOCKED, WELL, None, FULL, WaitingFor.TURN),
    (RETRIED, {**READY, "next_operation": OTHER}, WELL, OTHER, None, WaitingFor.DEVICE_WAKE),
    (QUEUED, {**READY, "next_operation": OTHER}, WELL, OTHER, None, WaitingFor.TURN),
    ({**RETRIED, "retry_at": NOW + 1}, {**READY, "ready_at": NOW + 1}, WELL, SELF, FULL, WaitingFor.RETRY_DELAY),
    ({**RETRIED, "retry_at": NOW + 1}, READY, WELL, OTHER, None, WaitingFor.RETRY_DELAY),
    (QUEUED, {**READY, "ready_at": NOW + 1}, WELL, OTHER, None, WaitingFor.TURN),
    ({**RETRIED, "retry_at": NOW}, READY, WELL, SELF, FREE, WaitingFor.CLAIM),
    ({**RETRIED, "held_wake_seq": WAKE - 1}, READY, WELL, SELF, FULL, WaitingFor.CAPACITY),
    ({**RETRIED, "retry_at": NOW + 1}, ASLEEP, WELL, SELF, None, WaitingFor.DEVICE_WAKE),
]


def views_of(case: Case) -> tuple[Operation, EndpointView, ServerView]:
    return view(Operation, case[0]), view(EndpointView, case[1]), view(ServerView, case[2])


@pytest.mark.parametrize("case", CASES)
def test_the_outermost_obstacle_is_named(case: Case) -> None:
    *_, head, calls, expected = case
    assert waiting_for(*views_of(case), NOW, head, calls=calls) is expected


def test_the_default_window_decides_where_the_endpoint_has_none() -> None:
    views = (
        view(Operation, QUEUED),
        view(EndpointView, {**READY, "awake_until": NOW + 2 * SECOND}),
        view(ServerView, WELL),
    )
    assert waiting_for(*views, NOW, SELF) is WaitingFor.DEVICE_WAKE
    assert waiting_for(*views, NOW, SELF, window=5 * SECOND) is WaitingFor.CLAIM


def test_every_value_has_a_case() -> None:
    assert {case[-1] for case in CASES} == set(WaitingFor)


@pytest.mark.parametrize("case", CASES)
def test_capacity_is_never_named_while_calls_are_free(case: Case) -> None:
    for free in (None, Calls(0, 0, 1), Calls(7, 1, 8)):
        assert waiting_for(*views_of(case), NOW, case[3], calls=free) is not WaitingFor.CAPACITY


@pytest.mark.parametrize("case", CASES)
def test_a_callable_device_without_queue_mode_does_not_wait_for_a_wake(case: Case) -> None:
    operation, endpoint, server, head, *_ = case
    always_on = {**endpoint, **ALWAYS_ON, "awake_until": NOW + 3600 * SECOND, "down_since": None}
    views = views_of((operation, always_on, server, head, None, WaitingFor.CLAIM))
    assert waiting_for(*views, NOW, head) is not WaitingFor.DEVICE_WAKE


def test_the_head_is_read_only_where_it_can_matter() -> None:
    queued, sending = view(Operation, QUEUED), view(Operation, SENDING)
    assert needs_head(queued, view(EndpointView, READY))
    assert not needs_head(queued, view(EndpointView, {**READY, "queued": 1}))
    assert not needs_head(queued, view(EndpointView, ASLEEP))
    assert not needs_head(sending, view(EndpointView, OUT))
