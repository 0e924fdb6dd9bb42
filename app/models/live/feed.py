"""A feed: the subscribers to one kind of event, and the position up to which events were delivered to them."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar

from app.bounded_queue import BoundedQueue
from app.models.live.events import Key, LiveEvent, Source
from app.models.queries.access import MAX_SEQ
from app.models.queries.log import Expired

TURN: Final = 2_000
"""Deliveries after which the event loop runs other tasks: subscribers consume their events, and other requests are
served."""


V = TypeVar("V", bound=LiveEvent)


class Ending(Enum):
    """The reason why a subscription ended."""

    CLOSED = auto()
    LAGGED = auto()
    EXPIRED = auto()


class Subscriber(BoundedQueue[V, Ending]):
    """One subscriber's queue. It has received the events up to ``floor`` already: its cursor may be ahead of the
    feed."""

    def __init__(self, criteria: Any, floor: int, limit: int) -> None:
        super().__init__(limit)
        self.criteria = criteria
        self._floor = floor

    def offer(self, event: V) -> None:
        """Enqueue an event; one that exceeds the limit ends the subscription."""
        if event.seq > self._floor and not self.put(event):
            self.end(Ending.LAGGED, drop=True)


class Feed(Generic[V]):
    """The subscribers to one source, indexed by their criteria.

    ``position`` is None while there is no subscriber; then nothing is read either.
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
        """Subscribe to new events. Return the subscriber and the position up to which it must read the log by itself.

        ``served`` is the position up to which it has received events, ``head`` the log's head at some moment before
        this call.
        """
        if self.position is None:
            self.position = head
        subscriber: Subscriber[V] = Subscriber(criteria, served, limit)
        self._subscribers.add(subscriber)
        for key in criteria.interests():
            self._by_key.setdefault(key, set()).add(subscriber)
        return subscriber, self.position

    def detach(self, subscriber: Subscriber[V]) -> None:
        """Unsubscribe; may be called again."""
        self._subscribers.discard(subscriber)
        for key in subscriber.criteria.interests():
            if (others := self._by_key.get(key)) is not None:
                others.discard(subscriber)
                if not others:
                    del self._by_key[key]

    async def advance(self) -> bool:
        """Read a piece of the log and deliver it; return whether there may be more at once.

        Raises:
            ReadUnavailable: the database cannot be reached; nothing was delivered, and the next call retries.
        """
        if self.position is None or not self._subscribers:
            self.position = None
            return False
        try:
            piece = await self.source.read(self._everything, self.position, MAX_SEQ)
        except Expired:
            self.end(Ending.EXPIRED)
            return False
        await self._deliver(piece.rows)
        self.position = piece.upto
        return piece.upto < piece.head

    async def _deliver(self, events: list[V]) -> None:
        delivered = 0
        for event in events:
            for key in self.source.keys(event):
                for subscriber in self._by_key.get(key, ()):
                    delivered += 1
                    if subscriber.criteria.admits(event):
                        subscriber.offer(event)
            # set for each event: a subscriber that attaches during the pause below must get the current position
            self.position = event.seq
            if delivered >= TURN:
                delivered = 0
                await asyncio.sleep(0)

    def end(self, ending: Ending) -> None:
        """End all subscriptions."""
        for subscriber in self._subscribers:
            subscriber.end(ending, drop=True)
        self._subscribers.clear()
        self._by_key.clear()
        self.position = None
