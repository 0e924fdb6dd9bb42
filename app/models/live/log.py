"""The live log: one reader per process, any number of subscribers, no gap and no repetition.

The bus and the poll only notify "look now"; events for subscribers are read from the database, in the single order of
``seq``.

Subscribing is free of races because of three facts. A feed's position is the one up to which its subscribers have
received events; attaching to a feed and reading its position happen in one step of the event loop; and everything up to
the position is committed, so it can be read from the log. A subscriber therefore attaches first, then reads the log up
to the position at that moment, and its queue accepts only later events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog

from app.models.cursors import InvalidCursor, log_cursor
from app.models.ledger.outage import READING, Outage
from app.models.live.events import (
    CampaignCriteria,
    Campaigns,
    CursorExpired,
    Lagged,
    LiveCampaignChange,
    LivePresence,
    LiveResource,
    LiveTransition,
    PresenceCriteria,
    Presences,
    ResourceCriteria,
    Resources,
    TransitionCriteria,
    Transitions,
)
from app.models.live.feed import Ending, Feed, V
from app.models.queries.access import ReadUnavailable
from app.models.queries.log import Expired, Piece
from app.models.queries.server import log_head

log = structlog.get_logger(__name__)

NEAR: Final = 2_000
"""A subscriber that is further behind reads the log before it attaches, so that its queue does not grow meanwhile."""

QUEUE_LIMIT: Final = 10_000

T = TypeVar("T")
Wait = Callable[[float], Awaitable[object]]
"""A function that returns when the log may have grown, or after this many seconds: a bus subscription's ``wait``."""


class LiveLog:
    """Follow the log.

    Args:
        wait: the bus's subscription to "changed"; it may lose messages, the poll finds the events that they announced.
        poll: seconds between two reads without a message, and between two retries while the database is unavailable.
        queue_limit: events that may wait for one subscriber before it is dropped as lagging.
        outage: the process's own, which logs once that the database is unavailable.
    """

    def __init__(
        self, wait: Wait, *, poll: float = 1.0, queue_limit: int = QUEUE_LIMIT, outage: Outage | None = None
    ) -> None:
        self._wait = wait
        self._poll = poll
        self._queue_limit = queue_limit
        self._outage = outage or Outage()
        self._transitions: Feed[LiveTransition] = Feed(Transitions(), TransitionCriteria())
        self._presences: Feed[LivePresence] = Feed(Presences(), PresenceCriteria())
        self._resources: Feed[LiveResource] = Feed(Resources(), ResourceCriteria())
        self._campaigns: Feed[LiveCampaignChange] = Feed(Campaigns(), CampaignCriteria())
        self._feeds: tuple[Feed[Any], ...] = (self._transitions, self._presences, self._resources, self._campaigns)
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start reading; the database must be open for reading."""
        self._task = asyncio.create_task(self._run(), name="live-log")

    async def close(self) -> None:
        """Stop reading; every subscription ends without an error."""
        self._closed.set()
        for feed in self._feeds:
            feed.end(Ending.CLOSED)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def subscribers(self) -> int:
        """The number of current subscribers."""
        return sum(len(feed) for feed in self._feeds)

    def behind(self, head: int) -> int:
        """Return how many entries of the log, up to ``head``, its slowest feed has yet to deliver; 0 without
        subscribers."""
        positions = [feed.position for feed in self._feeds if feed.position is not None]
        return max(0, head - min(positions, default=head))

    def transitions(
        self, criteria: TransitionCriteria, after: int | None = None
    ) -> AsyncGenerator[LiveTransition, None]:
        """Yield the transitions after a position of the log, and then new ones as they arrive; ``after`` None means
        from now on.

        The generator ends when the live log is closed. While the database is unavailable it waits.

        Raises:
            InvalidCursor: ``after`` is beyond the end of the log.
            CursorExpired: the log has been pruned beyond ``after``.
            Lagged: events arrived faster than they were consumed.
        """
        return self._follow(self._transitions, criteria, after)

    def presences(self, endpoint: str | None = None, after: int | None = None) -> AsyncGenerator[LivePresence, None]:
        """Yield changes of presence, as :meth:`transitions` does."""
        return self._follow(self._presences, PresenceCriteria(endpoint), after)

    def resources(
        self, endpoint: str | None = None, path_prefix: str | None = None, after: int | None = None
    ) -> AsyncGenerator[LiveResource, None]:
        """Yield values of resources, as :meth:`transitions` does."""
        return self._follow(self._resources, ResourceCriteria(endpoint, path_prefix), after)

    def campaigns(
        self, campaign_id: int | None = None, after: int | None = None
    ) -> AsyncGenerator[LiveCampaignChange, None]:
        """Yield changes of a campaign and its targets, as :meth:`transitions` does."""
        return self._follow(self._campaigns, CampaignCriteria(campaign_id), after)

    # --- the reader

    async def _run(self) -> None:
        while True:
            reads = any(map(len, self._feeds))
            try:
                more = [await feed.advance() for feed in self._feeds]
            except ReadUnavailable as error:
                self._outage.failed(error, READING)
                await self._pause()
            except Exception:
                # a reader that died would leave every subscriber waiting without an error
                log.exception("live_log_failed")
                await self._pause()
            else:
                if reads and self._outage.failing:
                    self._outage.ended(READING)
                if not any(more):
                    await self._wait(self._poll)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._closed.wait()

    # --- one subscriber

    async def _follow(self, feed: Feed[V], criteria: Any, after: int | None) -> AsyncGenerator[V, None]:
        head = await self._persist(log_head)
        if head is None:
            return
        served = head.seq if after is None else after
        _check(served, head.seq, head.reading_horizon if feed is self._resources else head.horizon)
        while head.seq - served > NEAR:
            async with contextlib.aclosing(self._stored(feed, criteria, served, head.seq)) as stored:
                async for event in stored:
                    yield event
            served = head.seq
            head = await self._persist(log_head)
            if head is None:
                return
        async with contextlib.aclosing(self._join(feed, criteria, served, head.seq)) as joined:
            async for event in joined:
                yield event

    async def _join(self, feed: Feed[V], criteria: Any, served: int, head: int) -> AsyncGenerator[V, None]:
        """Attach, read the log up to the feed's position, then yield new events."""
        subscriber, position = feed.attach(criteria, served, head, self._queue_limit)
        try:
            async with contextlib.aclosing(self._stored(feed, criteria, served, position)) as stored:
                async for event in stored:
                    served = event.seq
                    yield event
            served = max(served, position)
            while (taken := await subscriber.take()) is not None:
                served = taken.seq
                yield taken
        finally:
            feed.detach(subscriber)
        if subscriber.ending is Ending.LAGGED:
            raise Lagged(log_cursor(served))
        if subscriber.ending is Ending.EXPIRED:
            raise CursorExpired("The log was pruned before it could be read; read the list again, then subscribe.")

    async def _stored(self, feed: Feed[V], criteria: Any, after: int, until: int) -> AsyncGenerator[V, None]:
        """Yield the log's events with ``after < seq <= until``; end early when the live log is closed."""
        while after < until:
            piece = await self._persist(lambda start=after: _read(feed, criteria, start, until))  # type: ignore[misc]
            if piece is None:
                return
            for event in piece.rows:
                yield event
            after = piece.upto

    async def _persist(self, read: Callable[[], Awaitable[T]]) -> T | None:
        """Retry a read until the database is available; return None once the live log is closed."""
        while not self._closed.is_set():
            try:
                return await read()
            except ReadUnavailable as error:
                self._outage.failed(error, READING)
                await self._pause()
        return None


async def _read(feed: Feed[V], criteria: Any, after: int, until: int) -> Piece[V]:
    try:
        return await feed.source.read(criteria, after, until)
    except Expired as error:
        raise CursorExpired(str(error)) from None


def _check(after: int, head: int, horizon: int) -> None:
    if after > head:
        raise InvalidCursor("The cursor is beyond the end of the log; a cursor of this database is expected.")
    if after < horizon:
        raise CursorExpired("The log has been pruned beyond the cursor; read the list again, then subscribe.")
