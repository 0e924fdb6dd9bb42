"""The time from which an endpoint's next operation may be claimed."""

from __future__ import annotations

from typing import Any

import pytest

from app.models.ledger.readiness import ready_at
from app.models.ledger.rows import EndpointRow


def endpoint(**facts: Any) -> EndpointRow:
    return EndpointRow(id=1, server_id=1, name="d", **{"queued": 1, "awake_until": 100, **facts})


def test_an_awake_endpoint_with_something_queued_is_ready_at_once() -> None:
    assert ready_at(endpoint()) == 0


@pytest.mark.parametrize(
    "facts",
    [{"queued": 0}, {"lease_operation": 7}, {"awake_until": None}, {"down_since": 5}, {"held_wake_seq": 0}],
    ids=["nothing queued", "a call is open", "asleep", "going down", "its turn is over"],
)
def test_an_endpoint_that_is_not_ready(facts: dict[str, Any]) -> None:
    assert ready_at(endpoint(**facts)) is None


def test_a_wake_after_the_failed_attempt_began_restores_the_turn() -> None:
    assert ready_at(endpoint(held_wake_seq=3, wake_seq=3)) is None
    assert ready_at(endpoint(held_wake_seq=3, wake_seq=4)) == 0


def test_after_a_failure_of_leshan_the_endpoint_pauses() -> None:
    assert ready_at(endpoint(not_before=50)) == 50


def test_a_device_without_queue_mode_is_retried_after_pauses() -> None:
    assert ready_at(endpoint(held_wake_seq=0, retry_at=30)) == 30
    assert ready_at(endpoint(held_wake_seq=0, retry_at=30, not_before=50)) == 50
    assert ready_at(endpoint(held_wake_seq=0, wake_seq=1, retry_at=30)) == 0
