"""The sweeper logs one line for each run that aggregated or pruned readings."""

from __future__ import annotations

from typing import Any, cast
from unittest import mock

import pytest
import structlog
from structlog.testing import capture_logs

from app.dispatcher import sweeper
from app.dispatcher.sweeper import Sweeper
from app.models.ledger import AggregateReadings, Ledger, Prune, PruneReadings

pytestmark = pytest.mark.asyncio


class Pieces:
    """A substitute for the ledger in which each kind of command has so many pieces of work."""

    def __init__(self, pieces: int) -> None:
        self.left = {AggregateReadings: pieces, PruneReadings: pieces, Prune: 0}

    async def submit(self, command: Any) -> bool:
        kind = type(command)
        if self.left[kind] == 0:
            return False
        self.left[kind] -= 1
        if kind is AggregateReadings:
            command.added = 7
        else:
            command.horizon, command.hours = 100 - self.left[kind], 2
        return True


@pytest.mark.parametrize("pieces", [0, 3])
async def test_a_run_that_did_something_is_logged_once(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dispatcher.sweeper.BETWEEN_PIECES", 0)
    other = mock.Mock()
    tested = Sweeper(cast(Ledger, Pieces(pieces)), other, other, other, other)
    with mock.patch.object(sweeper, "log", structlog.get_logger()), capture_logs() as lines:
        await tested._aggregate()
        await tested._prune()
    expected = [
        {"event": "readings_aggregated", "readings": 21, "log_level": "info"},
        {"event": "readings_pruned", "up_to": 100, "hours": 6, "log_level": "info"},
    ]
    assert lines == (expected if pieces else [])
