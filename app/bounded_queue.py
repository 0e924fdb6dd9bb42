"""A queue between one producer and one consumer of an event loop: limited in number and size, and it can end."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E")


class BoundedQueue(Generic[T, E]):
    """Items of type ``T`` until the queue ends with a reason of type ``E`` (``Never`` for a queue that does not end).

    ``put`` never waits: the producer decides what a full queue means, which may be to drop the item or to end.

    Args:
        max_items: maximum number of items.
        max_size: maximum of the items' sizes together. A larger single item is accepted into an empty queue.
        size_of: returns the size of an item.
    """

    def __init__(
        self, max_items: int, *, max_size: float = math.inf, size_of: Callable[[T], int] = lambda _item: 0
    ) -> None:
        self.ending: E | None = None
        """The reason for the end; None until then."""
        self._max_items, self._max_size, self._size_of = max_items, max_size, size_of
        self._items: deque[T] = deque()
        self._size = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def first(self) -> T:
        """Return the item that is taken next. The queue must not be empty."""
        return self._items[0]

    def put(self, item: T) -> bool:
        """Enqueue an item; return False if the queue is full or has ended, which leaves it unchanged."""
        if self.ending is not None or len(self._items) >= self._max_items:
            return False
        size = self._size_of(item)
        if self._items and self._size + size > self._max_size:
            return False
        self._items.append(item)
        self._size += size
        self._changed.set()
        return True

    def end(self, reason: E, *, drop: bool = False) -> None:
        """End the queue, unless it has ended. The items in it can still be taken; ``drop`` discards them."""
        if self.ending is None:
            self.ending = reason
        if drop:
            self._items.clear()
            self._size = 0
        self._changed.set()

    async def take(self) -> T | None:
        """Wait for an item and return it; None once the queue has ended and is empty."""
        if not self._items:
            await self._filled_or_ended()
        return self._pop() if self._items else None

    async def take_many(self, limit: int) -> list[T]:
        """Wait for an item and return the items that are there, at most ``limit``; none once the queue has ended and is
        empty."""
        if not self._items:
            await self._filled_or_ended()
        return [self._pop() for _ in range(min(limit, len(self._items)))]

    async def _filled_or_ended(self) -> None:
        while not self._items and self.ending is None:
            self._changed.clear()
            await self._changed.wait()

    def _pop(self) -> T:
        item = self._items.popleft()
        self._size -= self._size_of(item)
        return item
