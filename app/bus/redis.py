"""The bus between processes: Redis pub/sub.

Two tasks keep Redis away from the callers: one publishes pending notifications, one listens. Each retries with its own
backoff, and the listener notifies every subscriber when it is connected again, because messages may have been missed.

With Sentinel, each new connection goes to the primary that the Sentinels name. A Cluster forwards published messages to
all of its nodes, so any node serves; after a failure the next one of the URL is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from app.addresses import Host, RedisAddress, RedisKind, redis_address
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
    """The bus of one Redis, of the primary behind Sentinel, or of the nodes of a Cluster, which have a client each.
    :func:`redis_bus` creates it and runs its two tasks."""

    def __init__(self, clients: Sequence[Redis]) -> None:
        self._clients = clients
        self._listening = clients[0]
        self._subscribers = Subscribers()
        self._pending: set[Channel] = set()
        self._published = asyncio.Event()
        self._failures: dict[str, str] = {"listen": _CONNECTING}
        # Redis separates pub/sub by name only, so the database's number becomes part of the name
        database = clients[0].connection_pool.connection_kwargs.get("db") or 0
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
        node = None if failures else _node(self._listening, choice=len(self._clients) > 1)
        return BusHealth(ok=not failures, detail=failures or "connected", node=node)

    async def send(self) -> None:
        """Publish pending notifications, all in one round trip, until canceled."""
        backoff, clients = Backoff(*RECONNECT_PAUSES, jitter=True), cycle(self._clients)
        client = next(clients)
        while True:
            await self._published.wait()
            self._published.clear()
            try:
                await self._flush(client)
            except Exception as error:  # of any kind: the next notification may be delivered
                self._failed("publish", error)
                client = next(clients)
                await asyncio.sleep(backoff.next())
                self._published.set()  # the next notification may come late: probe until Redis is back
            else:
                self._works("publish")
                backoff.reset()

    async def _flush(self, client: Redis) -> None:
        pending, self._pending = self._pending, set()
        if not pending:
            await client.ping()
            return
        pipeline = client.pipeline(transaction=False)
        for channel in pending:
            pipeline.publish(self._names[channel], b"")
        try:
            await pipeline.execute()
        except BaseException:
            self._pending |= pending  # for the next server, whose subscribers may not have noticed anything
            raise

    async def listen(self) -> None:
        """Receive messages and notify the subscribers, until canceled."""
        backoff = Backoff(*RECONNECT_PAUSES, jitter=True)
        for client in cycle(self._clients):  # the next one after each failure
            try:
                self._listening = client
                async with client.pubsub() as pubsub:
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
    async with AsyncExitStack() as stack:
        clients, sentinel = redis_clients(redis_address(url))
        for each in (*clients, *((sentinel,) if sentinel else ())):
            stack.push_async_callback(each.aclose)
        bus = RedisBus(clients)
        tasks = [asyncio.create_task(bus.send(), name="bus send"), asyncio.create_task(bus.listen(), name="bus listen")]
        try:
            yield bus
        finally:
            await _end(tasks)


def redis_clients(address: RedisAddress) -> tuple[list[Redis], Sentinel | None]:
    """Return the clients of the servers that may be used, not connected yet, and that of the Sentinels."""
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        "client_name": "reveille",
    }
    if address.kind is RedisKind.SENTINEL:
        sentinel = _sentinel(address, options)
        return [sentinel.master_for(address.service, retry=_no_retry())], sentinel
    urls = [address.url_of(node) for node in address.nodes] or [address.url]
    return [Redis.from_url(url, **options, retry=_no_retry()) for url in urls], None


def _sentinel(address: RedisAddress, options: dict[str, Any]) -> Sentinel:
    """Return the client of the Sentinels, with the options of the primary's. TLS and its parameters apply to both, the
    user and the password do not."""
    given: dict[str, Any] = dict(parse_url(address.url))
    tls = {name: value for name, value in given.items() if name.startswith("ssl_")}
    if given.pop("connection_class", None) is SSLConnection:
        given["ssl"] = tls["ssl"] = True
    asking = {**options, **tls, **address.sentinel_auth, "retry": _no_retry()}
    return Sentinel(address.nodes, sentinel_kwargs=asking, **{**given, **options})  # type: ignore[no-untyped-call]


def _no_retry() -> Retry:
    """The two loops of the bus retry."""
    return Retry(NoBackoff(), 0)


def _node(client: Redis, *, choice: bool) -> str | None:
    """Return the host and port of the client's server, if it was chosen."""
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return str(Host(*pool.master_address)) if pool.master_address else None
    return str(Host(pool.connection_kwargs["host"], pool.connection_kwargs["port"])) if choice else None


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks until they have ended: redis-py sometimes loses a cancellation that comes while it reads, and a
    stopping process would wait forever for a task that continues to listen."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
