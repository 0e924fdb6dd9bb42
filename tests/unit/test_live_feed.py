"""A feed that pauses between two events of a piece: a subscriber that attaches then continues exactly after the
published events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from app.models.live import PresenceCriteria
from app.models.live.events import EVERYTHING, Key, LiveEvent
from app.models.live.feed import Feed
from app.models.queries import Piece


class ThreeEvents:
    async def read(self, criteria: object, after: int, until: int) -> Piece[LiveEvent]:
        return Piece([LiveEvent(seq) for seq in (1, 2, 3) if seq > after], 3, 3)

    def keys(self, event: LiveEvent) -> Iterable[Key]:
        return (EVERYTHING,)


@pytest.mark.asyncio
async def test_attaching_between_two_events_of_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.live.feed.TURN", 1)
    feed: Feed[LiveEvent] = Feed(ThreeEvents(), None)
    first, _ = feed.attach(PresenceCriteria(), 0, 0, 10)
    reading = asyncio.create_task(feed.advance())
    await first.take()
    second, position = feed.attach(PresenceCriteria(), 0, 0, 10)
    await reading
    told = [event.seq for event in (await second.take(), await second.take()) if event is not None]
    assert (position, told) == (1, [2, 3])
    assert feed.position == 3
