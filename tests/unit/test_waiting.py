"""What an operation waits for, as the table in ``app/models/waiting.py`` has it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from app.domain.words import SECOND, OperationStatus, Presence, WaitingFor
from app.models.queries import EndpointView, OperationView, ServerView
from app.models.waiting import needs_head, waiting_for

NOW = 1_700_000_000 * SECOND
SELF, OTHER = 10, 20

QUEUED: dict[str, Any] = {"seq": SELF, "status": OperationStatus.QUEUED, "timeout_seconds": 30}
SENDING: dict[str, Any] = {**QUEUED, "status": OperationStatus.SENDING}

READY: dict[str, Any] = {
    "presence": Presence.ONLINE,
    "awake_until": NOW + 60 * SECOND,
    "ready_at": 0,
    "queued": 2,
    "lease_operation": None,
    "call_open": False,
}
OUT: dict[str, Any] = {**READY, "lease_operation": SELF, "call_open": True, "ready_at": None}
HELD: dict[str, Any] = {**OUT, "call_open": False}
OTHER_OUT: dict[str, Any] = {**OUT, "lease_operation": OTHER}
ASLEEP: dict[str, Any] = {**READY, "presence": Presence.ASLEEP, "awake_until": None, "ready_at": None}

WELL: dict[str, Any] = {"swept_at": NOW - SECOND, "breaker_opened_at": None}
BROKEN: dict[str, Any] = {**WELL, "breaker_opened_at": NOW - SECOND}
NOBODY: dict[str, Any] = {**WELL, "swept_at": NOW - 11 * SECOND}


def view(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**{field.name: values.get(field.name) for field in fields(kind)})


@pytest.mark.parametrize(
    ("operation", "endpoint", "server", "head", "expected"),
    [
        *((dict(QUEUED, status=s), ASLEEP, NOBODY, None, WaitingFor.NOTHING) for s in list(OperationStatus)[2:]),
        (SENDING, HELD, NOBODY, None, WaitingFor.LESHAN_HOLDS_IT),
        (SENDING, OUT, NOBODY, None, WaitingFor.DEVICE_ANSWER),
        (SENDING, READY, WELL, None, WaitingFor.DEVICE_ANSWER),
        (QUEUED, READY, {**WELL, "swept_at": None}, SELF, WaitingFor.DISPATCHER),
        (QUEUED, ASLEEP, NOBODY, SELF, WaitingFor.DISPATCHER),
        (QUEUED, READY, {**NOBODY, "breaker_opened_at": NOW}, SELF, WaitingFor.DISPATCHER),
        (QUEUED, READY, BROKEN, SELF, WaitingFor.LESHAN),
        (QUEUED, OTHER_OUT, BROKEN, OTHER, WaitingFor.LESHAN),
        (QUEUED, ASLEEP, BROKEN, SELF, WaitingFor.LESHAN),
        (QUEUED, OTHER_OUT, WELL, OTHER, WaitingFor.TURN),
        (QUEUED, {**OTHER_OUT, "awake_until": None}, WELL, OTHER, WaitingFor.TURN),
        (QUEUED, OUT, WELL, SELF, WaitingFor.DEVICE_ANSWER),
        (QUEUED, ASLEEP, WELL, SELF, WaitingFor.DEVICE_WAKE),
        (QUEUED, ASLEEP, WELL, OTHER, WaitingFor.DEVICE_WAKE),
        (QUEUED, {**READY, "awake_until": NOW - 1}, WELL, SELF, WaitingFor.DEVICE_WAKE),
        (QUEUED, {**READY, "awake_until": NOW + 4 * SECOND}, WELL, SELF, WaitingFor.DEVICE_WAKE),
        (dict(QUEUED, timeout_seconds=2), {**READY, "awake_until": NOW + 4 * SECOND}, WELL, SELF, WaitingFor.CAPACITY),
        (QUEUED, {**READY, "ready_at": None}, WELL, SELF, WaitingFor.DEVICE_WAKE),
        (QUEUED, READY, WELL, OTHER, WaitingFor.TURN),
        (QUEUED, {**READY, "ready_at": NOW + SECOND}, WELL, OTHER, WaitingFor.TURN),
        (QUEUED, {**READY, "ready_at": NOW + SECOND}, WELL, SELF, WaitingFor.RETRY_DELAY),
        (QUEUED, {**READY, "queued": 1}, WELL, None, WaitingFor.CAPACITY),
        (QUEUED, {**READY, "ready_at": NOW}, WELL, SELF, WaitingFor.CAPACITY),
    ],
)
def test_the_outermost_obstacle_is_named(
    operation: dict[str, Any],
    endpoint: dict[str, Any],
    server: dict[str, Any],
    head: int | None,
    expected: WaitingFor,
) -> None:
    views = view(OperationView, operation), view(EndpointView, endpoint), view(ServerView, server)
    assert waiting_for(*views, NOW, head) is expected


def test_the_head_is_read_only_where_it_can_matter() -> None:
    queued, sending = view(OperationView, QUEUED), view(OperationView, SENDING)
    assert needs_head(queued, view(EndpointView, READY))
    assert not needs_head(queued, view(EndpointView, {**READY, "queued": 1}))
    assert not needs_head(queued, view(EndpointView, ASLEEP))
    assert not needs_head(sending, view(EndpointView, OUT))
