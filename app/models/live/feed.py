"""A feed: the subscribers of one kind of event, and up to where they have been told."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import Any, Final, Generic, Protocol, TypeVar

from app.models.live.criteria import Key
from app.models.live.sources import Source
from app.models.queries.log import Expired
from app.models.queries.reading import MAX_SEQ

TURN: Final = 2_000
"""After so many deliveries the event loop gets its turn: subscribers take what they have, others are served."""


class Happening(Protocol):
    """An event of a feed."""

    @property
    def seq(self) -> int: ...


V = TypeVar("V", bound=Happening)


class Ending(Enum):
    """Why a subscriber gets nothing more."""

    CLOSED = auto()
    LAGGED = auto()
    EXPIRED = auto()


class Subscriber(Generic[V]):
    """One subscriber's queue, bounded. Events up to ``floor`` it has already: its cursor may be ahead of the feed."""

    def __init__(self, criteria: Any, floor: int, limit: int) -> None:
        self.criteria = criteria
        self.ending: Ending | None = None
        self._floor = floor
        self._limit = limit
        self._queue: deque[V] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: V) -> None:
        """Take an event; the one that is too many ends the subscription."""
        if event.seq <= self._floor or self.ending is not None:
            return
        if len(self._queue) >= self._limit:
            self.end(Ending.LAGGED)
            return
        self._queue.append(event)
        self._arrived.set()

    def end(self, ending: Ending) -> None:
        """Nothing more comes, and what was not taken yet is dropped."""
        self.ending = self.ending or ending
        self._queue.clear()
        self._arrived.set()

    async def take(self) -> V | None:
        """The next event; None once the subscription has ended."""
        while not self._queue:
            if self.ending is not None:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()


class Feed(Generic[V]):
    """The subscribers to one source, found by what they asked for.

    ``position`` is None while nobody listens; then nothing is read either.
    """

    def __init__(self, source: Source[Any, V], everything: Any) -> None:
        self.source = source
        self.position: int | None = None
        self._everything = everything
        self._by_key: dict[Key, set[Subscriber[V]]] = {}
        self._subscribers: set[Subscriber[V]] = set()

    def __len__(self) -> int:
        return len(self._subscribers)

    def attach(self, criteria: Any, served: int, head: int, limit: int) -> tuple[Subscriber[V], int]:
        """Listen from now on. Answers the subscriber and the position up to which it has to read the log by itself.

        ``served`` is what it has already, ``head`` where the log stood at some moment before this call.
        """
        if self.position is None:
            self.position = head
        subscriber: Subscriber[V] = Subscriber(criteria, served, limit)
        self._subscribers.add(subscriber)
        for key in criteria.interests():
            self._by_key.setdefault(key, set()).add(subscriber)
        return subscriber, self.position

    def detach(self, subscriber: Subscriber[V]) -> None:
        """Listen no more; harmless when it was done before."""
        self._subscribers.discard(subscriber)
        for key in subscriber.criteria.interests():
            if (others := self._by_key.get(key)) is not None:
                others.discard(subscriber)
                if not others:
                    del self._by_key[key]

    async def advance(self) -> bool:
        """Read a piece and tell it; answers whether there may be more at once.

        Raises:
            ReadUnavailable: the database cannot be reached; nothing was told, and the next call tries again.
        """
        if self.position is None or not self._subscribers:
            self.position = None
            return False
        try:
            piece = await self.source.read(self._everything, self.position, MAX_SEQ)
        except Expired:
            self.end(Ending.EXPIRED)
            return False
        await self._tell(piece.rows)
        self.position = piece.upto
        return piece.upto < piece.head

    async def _tell(self, events: list[V]) -> None:
        told = 0
        for event in events:
            for key in self.source.keys(event):
                for subscriber in self._by_key.get(key, ()):
                    told += 1
                    if subscriber.criteria.admits(event):
                        subscriber.put(event)
            # with the event itself: who attaches during the pause below must meet what has been told so far
            self.position = event.seq
            if told >= TURN:
                told = 0
                await asyncio.sleep(0)

    def end(self, ending: Ending) -> None:
        """Let all subscribers go."""
        for subscriber in self._subscribers:
            subscriber.end(ending)
        self._subscribers.clear()
        self._by_key.clear()
        self.position = None
