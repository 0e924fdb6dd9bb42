"""The bus between processes: Redis pub/sub.

Two tasks keep the callers free of Redis: one sends what was published, one listens. Each meets an outage with its own
backoff, and the listener tells every subscriber to look at everything once it hears again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.bus.contract import EVERYTHING, Bus, BusHealth, Channel, Pending, Subscribers, Subscription
from app.telemetry import BUS_CONNECTED, BUS_FAILURES, get_logger

log = get_logger(__name__)

SOCKET_TIMEOUT: Final = 2.0
"""Seconds for a connect, or for the answer to a command."""
SILENCE: Final = 5.0
"""Seconds without a message after which the listener asks whether Redis is still there."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between attempts to reach a Redis that is away."""
CANCEL_AGAIN: Final = 0.2
"""Seconds after which a task that has not ended is cancelled again."""

_CONNECTING: Final = "not connected yet"


class RedisBus:
    """``redis://``, ``rediss://``, ``unix://``. Made by :func:`redis_bus`, which runs its two tasks."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._subscribers = Subscribers()
        self._outbox = {channel: Pending() for channel in Channel}
        self._published = asyncio.Event()
        self._trouble: dict[str, str] = {"listen": _CONNECTING}
        # Redis keeps pub/sub apart by name only, so the database's number becomes part of it
        database = client.connection_pool.connection_kwargs.get("db") or 0
        self._names = {channel: f"reveille:{database}:{channel}" for channel in Channel}
        self._channels = {name.encode(): channel for channel, name in self._names.items()}

    def publish(self, channel: Channel, payload: str = EVERYTHING) -> None:
        self._outbox[channel].add(payload)
        self._published.set()

    def subscribe(self, channel: Channel) -> AbstractContextManager[Subscription]:
        return self._subscribers.subscribe(channel)

    def health(self) -> BusHealth:
        trouble = "; ".join(f"{side}: {text}" for side, text in sorted(self._trouble.items()))
        return BusHealth(ok=not trouble, detail=trouble or "connected")

    async def send(self) -> None:
        """Send what is published, all that waits in one round trip, until cancelled."""
        pauses = _pauses()
        while True:
            await self._published.wait()
            self._published.clear()
            try:
                await self._flush()
            except Exception as error:  # whatever it is: the next whisper may get through
                self._failed("publish", error)
                await asyncio.sleep(next(pauses))
                self._published.set()  # nobody may publish for long: whether it is back is asked until it is
            else:
                self._works("publish")
                pauses = _pauses()

    async def _flush(self) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for channel, pending in self._outbox.items():
            for payload in pending.take():
                pipeline.publish(self._names[channel], payload)
        if len(pipeline):
            await pipeline.execute()
        else:
            await self._client.ping()

    async def listen(self) -> None:
        """Tell the subscribers what Redis tells, until cancelled."""
        pauses = _pauses()
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(*self._names.values())
                    async for message in _messages(pubsub):
                        self._hear(message)
                        pauses = _pauses()
            except Exception as error:  # whatever it is: hearing goes on
                self._failed("listen", error)
                BUS_CONNECTED.set(0)
            await asyncio.sleep(next(pauses))

    def _hear(self, message: dict[str, object]) -> None:
        name = message["channel"]
        channel = self._channels.get(name) if isinstance(name, bytes) else None
        if channel is None:
            return
        if message["type"] == "subscribe":
            # connected, for the first time or again: whatever was whispered before was not heard
            self._works("listen")
            BUS_CONNECTED.set(1)
            self._subscribers.tell(channel, EVERYTHING)
        elif isinstance(data := message["data"], bytes):
            self._subscribers.tell(channel, data.decode(errors="replace"))

    def _failed(self, side: str, error: BaseException) -> None:
        BUS_FAILURES.labels(side=side).inc()
        if self._trouble.get(side) in {None, _CONNECTING}:  # one line per outage, not one per attempt
            log.warning("the bus is silent, polling goes on", side=side, error=str(error) or type(error).__name__)
        self._trouble[side] = type(error).__name__

    def _works(self, side: str) -> None:
        if self._trouble.pop(side, None):
            log.info("the bus works", side=side)


async def _messages(pubsub: PubSub) -> AsyncIterator[dict[str, object]]:
    """The messages of a subscription.

    Raises:
        TimeoutError: Redis answered neither a message nor a ping in time: the connection is dead, though still open.
    """
    asked = False
    while True:
        message = await pubsub.get_message(timeout=SOCKET_TIMEOUT if asked else SILENCE)
        if message is not None:
            asked = False
            yield message
        elif asked:
            raise TimeoutError("no answer to a ping")
        else:
            await pubsub.ping()
            asked = True


def _pauses() -> Iterator[float]:
    """Longer and longer, with jitter, so that many processes do not come back in step."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it
        pause = min(pause * 2, LONGEST_PAUSE)


@asynccontextmanager
async def redis_bus(url: str) -> AsyncIterator[Bus]:
    """Run a :class:`RedisBus` on the Redis at `url`. Entering does not wait for it."""
    client = Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 0),  # the two loops above are the retry
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
    """Cancel until they have ended: redis-py now and then loses a cancellation that comes while it reads, and a process
    that stops would wait for ever for a task that goes on listening."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
