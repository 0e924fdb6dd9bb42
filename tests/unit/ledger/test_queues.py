"""Operations that touch the same object instance, and the next operation of a queue in which one waits for its
retry."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import OperationKind
from app.domain.operations import conflict, instances_of
from app.models.fields import dump_json
from app.models.ledger.queues import NOTHING, Queued, due_at, next_of
from app.models.ledger.rules import START_MARGIN, WINDOW_MARGIN, start_margin, window_margin
from app.models.queue_order import overtaken
from app.settings import AWAKE_WINDOW

K = OperationKind
NOW, WAKE = 1_000, 5


@pytest.mark.parametrize(
    ("kind", "path", "paths", "expected"),
    [
        (K.WRITE, "/5/0/1", ("/5/0/1",), {(5, 0)}),
        (K.READ, "/5/0/7/1", ("/5/0/7/1",), {(5, 0)}),
        (K.DELETE, "/5/0", ("/5/0",), {(5, 0)}),
        (K.CREATE, "/5", ("/5",), {(5, None)}),
        (K.READ_COMPOSITE, None, ("/5/0/1", "/5/0/2", "/3", "/4/1"), {(5, 0), (3, None), (4, 1)}),
        (K.EXECUTE, "/5/0/3", ("/5/0/3",), {(5, 0)}),
        (K.EXECUTE, "/3/0/4", ("/3/0/4",), None),
        (K.EXECUTE, "/5/1/2", ("/5/1/2",), None),
        (K.READ, "/3/0/4", ("/3/0/4",), {(3, 0)}),
    ],
)
def test_an_operation_uses_the_instances_of_its_paths(
    kind: OperationKind, path: str | None, paths: tuple[str, ...], expected: set[Any] | None
) -> None:
    assert instances_of(kind, path, paths) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({(5, 0)}, {(5, 0)}, True),
        ({(5, 0)}, {(5, 1)}, False),
        ({(5, 0)}, {(55, 0)}, False),
        ({(5, None)}, {(5, 1)}, True),
        ({(5, None)}, {(5, None)}, True),
        ({(5, None)}, {(3, 0)}, False),
        ({(3, 0), (4, 0)}, {(5, 0), (4, 0)}, True),
        (None, {(5, 0)}, True),
        (None, None, True),
    ],
)
def test_operations_conflict_if_they_use_the_same_instance(one: Any, other: Any, expected: bool) -> None:
    assert conflict(one, other) is conflict(other, one) is expected


def queued(seq: int, path: str, kind: OperationKind = K.READ, **facts: Any) -> Queued:
    values: dict[str, Any] = (
        dict.fromkeys(("expires_at", "held_wake_seq", "retry_at", "not_before", "sequence")) | facts
    )
    return Queued(1, seq, kind, path, dump_json([path]) or "", 0, 30, **values)


def test_without_waiting_operations_the_first_is_next() -> None:
    found = next_of([queued(1, "/5/0/1"), queued(2, "/5/0/1")], WAKE, NOW)
    assert (found.operation, found.at, found.waiting) == (1, 0, False)


@pytest.mark.parametrize(
    ("held_wake_seq", "retry_at", "expected"),
    [(WAKE - 1, None, (1, 0)), (WAKE, None, (NOTHING, None)), (WAKE, NOW, (1, NOW)), (WAKE, NOW + 9, (1, NOW + 9))],
    ids=["woke since", "next wake", "due", "later"],
)
def test_a_retry_is_due_at_the_next_wake_or_at_its_time(
    held_wake_seq: int, retry_at: int | None, expected: tuple[int, int | None]
) -> None:
    queue = [queued(1, "/5/0/1", held_wake_seq=held_wake_seq, retry_at=retry_at), queued(2, "/5/0/2")]
    found = next_of(queue, WAKE, NOW)
    assert (found.operation, found.at) == expected
    assert found.waiting is (expected[1] is None or expected[1] > NOW)


def test_of_those_that_wait_for_a_time_the_first_to_be_due_is_next() -> None:
    waits = [queued(n, f"/5/{n}/1", held_wake_seq=WAKE, retry_at=NOW + at) for n, at in ((1, 30), (2, 10), (3, 20))]
    found = next_of([*waits, queued(4, "/5/2/2")], WAKE, NOW)
    assert (found.operation, found.at) == (2, NOW + 10)


def test_operations_that_wait_further_behind_are_considered() -> None:
    """An urgent operation is first: the one that waits behind it must not become the head of a plain queue."""
    found = next_of([queued(1, "/3/0/1"), queued(2, "/5/0/1", held_wake_seq=WAKE)], WAKE, NOW)
    assert (found.operation, found.waiting) == (1, True)


def test_an_expired_operation_is_neither_sent_nor_holds_back() -> None:
    queue = [queued(1, "/5/0/1", held_wake_seq=WAKE, expires_at=NOW), queued(2, "/5/0/2")]
    assert next_of(queue, WAKE, NOW).operation == 2


@pytest.mark.parametrize(
    ("not_before", "expected"),
    [(NOW - 1, (1, NOW - 1, False)), (NOW, (1, NOW, False)), (NOW + 1, (2, 0, True))],
    ids=["past", "now", "later"],
)
def test_an_operation_is_passed_over_until_its_time_and_holds_back_none(
    not_before: int, expected: tuple[int, int, bool]
) -> None:
    found = next_of([queued(1, "/5/0/1", not_before=not_before), queued(2, "/5/0/1")], WAKE, NOW)
    assert (found.operation, found.at, found.waiting) == expected


def test_a_time_that_comes_before_any_retry_is_next() -> None:
    retried = queued(1, "/5/0/1", held_wake_seq=WAKE, retry_at=NOW + 30)
    found = next_of([retried, queued(2, "/5/0/1", not_before=NOW + 10)], WAKE, NOW)
    assert (found.operation, found.at, found.waiting) == (2, NOW + 10, True)


def test_the_later_of_its_time_and_its_retry_counts() -> None:
    one = queued(1, "/5/0/1", held_wake_seq=WAKE, retry_at=NOW + 30, not_before=NOW + 40)
    assert due_at(one, WAKE) == NOW + 40
    assert due_at(one, WAKE + 1) == NOW + 40
    assert due_at(queued(1, "/5/0/1", held_wake_seq=WAKE, not_before=NOW + 40), WAKE) is None


def test_a_queue_with_a_sequence_is_always_walked() -> None:
    """Its operations behind the first one are not read: the head of the plain queue may be one of them."""
    found = next_of([queued(1, "/5/0/1"), queued(2, "/5/0/1", sequence="s")], WAKE, NOW)
    assert (found.operation, found.waiting) == (1, True)


@pytest.mark.parametrize("facts", [{"sequence": "s"}, {"not_before": NOW + 9}], ids=["sequence", "time"])
def test_an_expired_operation_that_hides_others_keeps_the_queue_walked(facts: dict[str, Any]) -> None:
    found = next_of([queued(1, "/5/0/1", expires_at=NOW, **facts)], WAKE, NOW)
    assert (found.operation, found.at, found.waiting) == (NOTHING, None, True)


@pytest.mark.parametrize("seconds", range(AWAKE_WINDOW[0], 61))
def test_the_minimum_window_to_start_a_call(seconds: int) -> None:
    window = seconds * 1_000_000
    remaining = window - window_margin(window) - start_margin(window)
    assert remaining >= window // 2
    assert remaining >= window - WINDOW_MARGIN - START_MARGIN
    assert remaining > 2_000_000, "the longest that a lost notification delays a dispatcher"
    if seconds >= 20:
        assert remaining == window - WINDOW_MARGIN - START_MARGIN


def step(seq: int, number: int, to_status: str, last_seq: int, path: str = "/3/0/0") -> dict[str, Any]:
    return {
        "seq": seq, "priority": 0, "kind": "READ", "path": path, "paths": dump_json([path]), "expires_at": None,
        "not_before": None, "sequence": None, "finished_at": 1, "last_seq": last_seq, "step": number,
        "to_status": to_status, "reason": None, "at": 1,
    }  # fmt: skip


def test_operations_sent_during_omitted_history_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that was sent while omitted operations were queued is not judged: one of them may have held it
    back."""
    history = [
        *(step(1, 11, "QUEUED", 20), step(2, 12, "QUEUED", 14)),
        *(step(2, 13, "SENDING", 14), step(2, 14, "CONFIRMED", 14)),
        *(step(3, 15, "QUEUED", 18), step(3, 16, "SENDING", 18), step(3, 18, "CONFIRMED", 18)),
        *(step(1, 19, "SENDING", 20), step(1, 20, "CONFIRMED", 20)),
    ]
    assert overtaken(history, 0, 0) == [1]
    monkeypatch.setattr("app.models.queue_order.ENDED", 3)
    assert overtaken(history, 0, 0) == [1], "the third was sent after the second, the first of the known, had ended"
    monkeypatch.setattr("app.models.queue_order.ENDED", 2)
    assert overtaken([one for one in history if one["seq"] != 3 and one["last_seq"] != 18], 0, 0) == []
