"""The bus between processes: Redis pub/sub.

Two tasks keep Redis away from the callers: one publishes pending notifications, one listens. Each retries with its own
backoff, and the listener notifies every subscriber when it is connected again, because messages may have been missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.backoff import Backoff
from app.bus.contract import Bus, BusHealth, Channel, Subscribers, Subscription
from app.telemetry import BUS_CONNECTED, BUS_FAILURES, get_logger

log = get_logger(__name__)

SOCKET_TIMEOUT: Final = 2.0
"""Seconds for a connect, or for the reply to a command."""
SILENCE: Final = 5.0
"""Seconds without a message after which the listener sends a ping."""
RECONNECT_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds between attempts to connect to an unreachable Redis."""
CANCEL_AGAIN: Final = 0.2
"""Seconds after which a task that has not ended is canceled again."""

_CONNECTING: Final = "not connected yet"


class RedisBus:
    """The bus of ``redis://``, ``rediss://`` and ``unix://``. :func:`redis_bus` creates it and runs its two tasks."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._subscribers = Subscribers()
        self._pending: set[Channel] = set()
        self._published = asyncio.Event()
        self._failures: dict[str, str] = {"listen": _CONNECTING}
        # Redis separates pub/sub by name only, so the database's number becomes part of the name
        database = client.connection_pool.connection_kwargs.get("db") or 0
        self._names = {channel: f"reveille:{database}:{channel}" for channel in Channel}
        self._channels = {name.encode(): channel for channel, name in self._names.items()}

    def notify(self, channel: Channel) -> None:
        """See :class:`Bus`. Notifications that were not published yet are merged."""
        self._pending.add(channel)
        self._published.set()

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        """See :class:`Bus`."""
        return self._subscribers.subscribe(channel)

    def health(self) -> BusHealth:
        """See :class:`Bus`."""
        failures = "; ".join(f"{side}: {text}" for side, text in sorted(self._failures.items()))
        return BusHealth(ok=not failures, detail=failures or "connected")

    async def send(self) -> None:
        """Publish pending notifications, all in one round trip, until canceled."""
        backoff = Backoff(*RECONNECT_PAUSES, jitter=True)
        while True:
            await self._published.wait()
            self._published.clear()
            try:
                await self._flush()
            except Exception as error:  # of any kind: the next notification may be delivered
                self._failed("publish", error)
                await asyncio.sleep(backoff.next())
                self._published.set()  # the next notification may come late: probe until Redis is back
            else:
                self._works("publish")
                backoff.reset()

    async def _flush(self) -> None:
        pending, self._pending = self._pending, set()
        if not pending:
            await self._client.ping()
            return
        pipeline = self._client.pipeline(transaction=False)
        for channel in pending:
            pipeline.publish(self._names[channel], b"")
        await pipeline.execute()

    async def listen(self) -> None:
        """Receive messages and notify the subscribers, until canceled."""
        backoff = Backoff(*RECONNECT_PAUSES, jitter=True)
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(*self._names.values())
                    async for message in _messages(pubsub):
                        self._receive(message)
                        backoff.reset()
            except Exception as error:  # of any kind: listening is retried
                self._failed("listen", error)
                BUS_CONNECTED.set(0)
            await asyncio.sleep(backoff.next())

    def _receive(self, message: dict[str, object]) -> None:
        name = message["channel"]
        channel = self._channels.get(name) if isinstance(name, bytes) else None
        if channel is None:
            return
        if message["type"] == "subscribe":
            # connected, for the first time or again: messages may have been missed
            self._works("listen")
            BUS_CONNECTED.set(1)
        if message["type"] in ("subscribe", "message"):
            self._subscribers.notify(channel)

    def _failed(self, side: str, error: BaseException) -> None:
        BUS_FAILURES.labels(side=side).inc()
        if self._failures.get(side) in {None, _CONNECTING}:  # one line per outage, not one per attempt
            log.warning("bus_failed", side=side, error=str(error) or type(error).__name__)
        self._failures[side] = type(error).__name__

    def _works(self, side: str) -> None:
        if self._failures.pop(side, None):
            log.info("bus_recovered", side=side)


async def _messages(pubsub: PubSub) -> AsyncIterator[dict[str, object]]:
    """Yield the messages of a subscription.

    Raises:
        TimeoutError: Redis sent no message and did not reply to a ping: the connection is dead, though still open.
    """
    pinged = False
    while True:
        message = await pubsub.get_message(timeout=SOCKET_TIMEOUT if pinged else SILENCE)
        if message is not None:
            pinged = False
            yield message
        elif pinged:
            raise TimeoutError("no reply to a ping")
        else:
            await pubsub.ping()
            pinged = True


@asynccontextmanager
async def redis_bus(url: str) -> AsyncIterator[Bus]:
    """Run a :class:`RedisBus` on the Redis at `url`. Entering does not wait for it."""
    client = Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 0),  # the two loops above retry
        client_name="reveille",
    )
    bus = RedisBus(client)
    tasks = [asyncio.create_task(bus.send(), name="bus send"), asyncio.create_task(bus.listen(), name="bus listen")]
    try:
        yield bus
    finally:
        await _end(tasks)
        await client.aclose()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks until they have ended: redis-py sometimes loses a cancellation that comes while it reads, and a
    stopping process would wait forever for a task that continues to listen."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
