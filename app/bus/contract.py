"""What a bus is: two channels, a publish that cannot hurt, a subscription that merges what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class Channel(StrEnum):
    """``wake``: an endpoint may be sendable, for dispatchers. ``changed``: the log grew, for API processes."""

    WAKE = "wake"
    CHANGED = "changed"


EVERYTHING: Final = ""
"""The payload that means "look at everything": sent on purpose, and after anything may have been missed."""

MAX_PENDING: Final = 10_000
"""Different payloads kept for one slow reader; more are merged into :data:`EVERYTHING`."""


@dataclass(frozen=True, slots=True)
class BusHealth:
    """Whether whispers travel now. Where they do not, polling still finds everything: slower, not wrong."""

    ok: bool
    detail: str


class Pending:
    """Different payloads, oldest first, bounded: what no hand has taken yet."""

    def __init__(self, limit: int = MAX_PENDING) -> None:
        self._limit = limit
        self._payloads: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._payloads)

    def add(self, payload: str) -> None:
        if payload not in self._payloads and len(self._payloads) >= self._limit:
            self._payloads = {EVERYTHING: None}
        if EVERYTHING not in self._payloads:
            self._payloads[payload] = None

    def take(self) -> tuple[str, ...]:
        """All of them; afterwards there are none. ``(EVERYTHING,)`` stands for all others."""
        taken = (EVERYTHING,) if EVERYTHING in self._payloads else tuple(self._payloads)
        self._payloads = {}
        return taken


class Subscription:
    """One reader of one channel, in one task."""

    def __init__(self) -> None:
        self._pending = Pending()
        self._told = asyncio.Event()

    def tell(self, payload: str) -> None:
        """For the bus: never blocks, whatever the reader does."""
        self._pending.add(payload)
        self._told.set()

    async def wait(self, timeout: float) -> tuple[str, ...]:  # noqa: ASYNC109 - the poll interval, not a deadline
        """The payloads told since the last call, without repeats; ``()`` after `timeout` seconds of silence.

        A reader calls it in a loop and looks at the database after every return, told or not: that is the promise
        which the bus cannot give.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._told.wait()
        except TimeoutError:
            return ()
        self._told.clear()
        return self._pending.take()


class Subscribers:
    """The subscriptions of this process, by channel."""

    def __init__(self) -> None:
        self._by_channel: dict[Channel, set[Subscription]] = {channel: set() for channel in Channel}

    @contextmanager
    def subscribe(self, channel: Channel) -> Iterator[Subscription]:
        subscription = Subscription()
        self._by_channel[channel].add(subscription)
        try:
            yield subscription
        finally:
            self._by_channel[channel].discard(subscription)

    def tell(self, channel: Channel, payload: str) -> None:
        for subscription in self._by_channel[channel]:
            subscription.tell(payload)


class Bus(Protocol):
    """One process's end of the bus. All methods belong to the event loop that opened it."""

    def publish(self, channel: Channel, payload: str = EVERYTHING) -> None:
        """Whisper to every subscriber of every process. Returns at once and never raises; it may get lost."""

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        """Hear a channel for as long as the context is open."""

    def health(self) -> BusHealth:
        """For readiness and people; costs nothing."""
