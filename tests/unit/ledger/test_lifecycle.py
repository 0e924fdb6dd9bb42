"""The lifecycle, and the document that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.enums import OperationStatus
from app.models.ledger.group import IllegalMove, check_move
from app.models.lifecycle import MOVES, TERMINAL
from tests.unit.ledger.lifecycle_tables import moves_table, verdict_table

DOCUMENT = (Path(__file__).parents[3] / "docs" / "lifecycle.md").read_text()
_S = OperationStatus

DESIGNED = {
    (None, _S.QUEUED),
    (_S.QUEUED, _S.SENDING),
    (_S.QUEUED, _S.CANCELED),
    (_S.QUEUED, _S.EXPIRED),
    (_S.SENDING, _S.SENDING),
    (_S.SENDING, _S.CONFIRMED),
    (_S.SENDING, _S.FAILED),
    (_S.SENDING, _S.QUEUED),
}


@pytest.mark.parametrize("before", [None, *OperationStatus])
@pytest.mark.parametrize("after", OperationStatus)
def test_every_move_is_allowed_exactly_as_designed(before: OperationStatus | None, after: OperationStatus) -> None:
    if (before, after) in DESIGNED:
        check_move(before, after)
    else:
        with pytest.raises(IllegalMove):
            check_move(before, after)


def test_terminal_operations_never_move() -> None:
    assert frozenset({_S.CONFIRMED, _S.FAILED, _S.CANCELED, _S.EXPIRED}) == TERMINAL
    assert all(not MOVES[status] for status in TERMINAL)


def test_the_document_shows_the_moves_of_the_code() -> None:
    assert moves_table() in DOCUMENT


def test_the_document_shows_the_verdicts_of_the_code() -> None:
    assert verdict_table() in DOCUMENT
