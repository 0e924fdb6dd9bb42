"""Which columns of a changed endpoint are written: a span that has all changes, and no longer one than needed."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import pytest

from app.models.ledger.rows import CHANGING_ENDPOINT, ENDPOINT_COLUMNS, ENDPOINT_SPANS
from app.models.ledger.writing import span_of_changes

COLUMNS: Final = ENDPOINT_COLUMNS[CHANGING_ENDPOINT]


def written(*changed: str) -> tuple[str, ...]:
    """Return the columns that are written if these have changed."""
    before: tuple[Any, ...] = (0,) * len(COLUMNS)
    number, span = span_of_changes(before, tuple(int(column in changed) for column in COLUMNS))
    assert span is ENDPOINT_SPANS[number]
    return COLUMNS[span]


def test_all_columns_but_the_key_and_the_name_can_be_written() -> None:
    assert ("id", "server_id", "name", *COLUMNS) == ENDPOINT_COLUMNS


def test_no_change_is_left_out() -> None:
    for pair in combinations(COLUMNS, 2):
        assert set(written(*pair)) >= set(pair)


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        (("wake_seq", "last_seen_at", "awake_until", "contacts", "last_update_at"), 0),
        (("wake_seq", "presence", "told_presence", "last_update_at", "ready_at"), 1),
        (("lease_operation", "queued", "sending", "ready_at"), 2),
        (("lease_operation", "presence"), 3),
        (("registration_id", "address"), 3),
    ],
)
def test_columns_that_change_together_are_written_by_a_span_of_their_own(changed: tuple[str, ...], number: int) -> None:
    assert written(*changed) == COLUMNS[ENDPOINT_SPANS[number]]


def test_spans_are_ordered_by_their_length() -> None:
    lengths = [len(COLUMNS[span]) for span in ENDPOINT_SPANS]
    assert lengths == sorted(lengths)
