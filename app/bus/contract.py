"""The contract of a bus: three channels, a publisher that never blocks, and subscribers that merge notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Channel(StrEnum):
    """``wake``: an endpoint may be claimable, for dispatchers. ``changed``: the log has grown, for API processes.
    ``fleet``: a firmware update or a campaign may be due, for dispatchers."""

    WAKE = "wake"
    CHANGED = "changed"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class BusHealth:
    """Whether notifications are delivered now. Without them polling still finds everything, only later.

    Attributes:
        node: the server in use, if there is a choice: the primary behind Sentinel, or a node of a Cluster.
    """

    ok: bool
    detail: str
    node: str | None = None


class Subscription:
    """One subscriber of one channel, in one task."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        """Wake the subscriber; called by the bus. Never blocks."""
        self._notified.set()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - the poll interval, not a deadline
        """Return True after a notification since the last call, False after ``timeout`` seconds without one.

        Call it in a loop and read the database after every return: the bus does not guarantee delivery.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._notified.wait()
        except TimeoutError:
            return False
        self._notified.clear()
        return True


class Subscribers:
    """The subscriptions of this process, by channel."""

    def __init__(self) -> None:
        self._by_channel: dict[Channel, set[Subscription]] = {channel: set() for channel in Channel}

    @contextmanager
    def subscribe(self, channel: Channel) -> Iterator[Subscription]:
        """Subscribe to a channel for as long as the context is open."""
        subscription = Subscription()
        self._by_channel[channel].add(subscription)
        try:
            yield subscription
        finally:
            self._by_channel[channel].discard(subscription)

    def notify(self, channel: Channel) -> None:
        """Notify every subscription of a channel."""
        for subscription in self._by_channel[channel]:
            subscription.notify()


class Bus(Protocol):
    """One process's end of the bus. Call all methods in the event loop that opened it."""

    def notify(self, channel: Channel) -> None:
        """Notify every subscriber of every process. Return at once and never raise; the notification may be lost."""

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        """Subscribe to a channel for as long as the context is open."""

    def health(self) -> BusHealth:
        """Return the state of the connection, without I/O."""
