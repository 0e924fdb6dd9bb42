"""The pauses between retries."""

from __future__ import annotations

from app.backoff import DATABASE_PAUSES, Backoff


def test_pauses_grow_to_a_limit() -> None:
    backoff = Backoff(*DATABASE_PAUSES)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_pauses_begin_again_after_a_success() -> None:
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next(), backoff.next()] == [0.2, 1.0]
    backoff.reset()
    assert backoff.next() == 0.2


def test_jitter_shortens_a_pause_by_up_to_a_half() -> None:
    backoff = Backoff(2.0, jitter=True)
    assert all(1.0 <= backoff.next() <= 2.0 for _ in range(100))
