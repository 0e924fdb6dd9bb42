"""Contract of the bus, for every implementation: notifying never blocks, notifications are merged, waits end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Final
from unittest import mock

import pytest
import pytest_asyncio

from app.bus import Bus, Channel, Subscription, open_bus
from app.bus.redis import RedisBus
from tests.support.servers.valkey import ValkeyServer
from tests.support.waiting import BOUND, eventually

QUIET: Final = 0.2
"""Seconds without a notification after which no earlier notification is still on its way."""


async def notified(subscription: Subscription) -> None:
    """Wait for a notification."""
    async with asyncio.timeout(BOUND):
        while not await subscription.wait(timeout=1):
            pass


async def quiet(*subscriptions: Subscription) -> None:
    """Wait until no more notifications arrive, such as those of new connections."""
    for subscription in subscriptions:
        while await subscription.wait(timeout=QUIET):
            pass


@dataclass
class Ends:
    """Two ends of a bus: those of two processes with Redis, the same one in memory."""

    near: Bus
    far: Bus


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else request.getfixturevalue("valkey_server").url


@pytest_asyncio.fixture(loop_scope="session")
async def ends(url: str) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as stack:
        near = await stack.enter_async_context(open_bus(url))
        far = near if url == "memory://" else await stack.enter_async_context(open_bus(url))
        await eventually(lambda: near.health().ok and far.health().ok)
        yield Ends(near, far)


@pytest.mark.asyncio
async def test_a_notification_reaches_both_ends(ends: Ends) -> None:
    with ends.near.subscribe(Channel.WAKE) as near, ends.far.subscribe(Channel.WAKE) as far:
        await quiet(near, far)
        ends.near.notify(Channel.WAKE)
        await notified(near)
        await notified(far)


@pytest.mark.asyncio
async def test_channels_are_separate(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake, ends.far.subscribe(Channel.CHANGED) as changed:
        await quiet(wake, changed)
        ends.near.notify(Channel.WAKE)
        await notified(wake)
        assert not await changed.wait(timeout=QUIET)


@pytest.mark.asyncio
async def test_notifications_before_a_wait_are_merged(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        await quiet(wake)
        for _ in range(1_000):
            ends.near.notify(Channel.WAKE)
        await asyncio.sleep(QUIET)
        await notified(wake)
        assert not await wake.wait(timeout=QUIET)


@pytest.mark.asyncio
async def test_a_wait_without_a_notification_ends_after_the_poll_interval(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        await quiet(wake)
        assert not await wake.wait(timeout=0.01)


@pytest.mark.asyncio
async def test_a_canceled_wait_loses_no_notification(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        await quiet(wake)
        waiting = asyncio.create_task(wake.wait(timeout=BOUND))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        ends.near.notify(Channel.WAKE)
        await notified(wake)


@pytest.mark.asyncio
async def test_an_ended_subscription_is_not_notified(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as ended:
        await quiet(ended)
    with ends.far.subscribe(Channel.WAKE) as other:
        ends.near.notify(Channel.WAKE)
        await notified(other)
    assert not await ended.wait(timeout=0)


@pytest.mark.asyncio
async def test_a_slow_subscriber_delays_no_other(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE), ends.far.subscribe(Channel.WAKE) as quick:
        await quiet(quick)
        for _ in range(100):
            ends.near.notify(Channel.WAKE)
            await notified(quick)


@pytest.mark.asyncio
async def test_redis_killed_and_restarted(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as near, open_bus(own_valkey.url) as far:
        await eventually(lambda: near.health().ok and far.health().ok)
        with far.subscribe(Channel.WAKE) as wake:
            own_valkey.server.kill()
            near.notify(Channel.WAKE)
            await eventually(lambda: not near.health().ok and not far.health().ok)
            await wake.wait(timeout=0)
            own_valkey.restart()
            await notified(wake)  # messages may have been missed
            await eventually(lambda: near.health().ok and far.health().ok)
            await quiet(wake)
            near.notify(Channel.WAKE)
            await notified(wake)
        await eventually(lambda: near.health().ok and far.health().ok)


@pytest.mark.asyncio
async def test_the_health_of_a_bus_recovers_without_publishers(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as bus:
        await eventually(lambda: bus.health().ok)
        own_valkey.server.kill()
        bus.notify(Channel.WAKE)
        await eventually(lambda: "publish" in bus.health().detail)
        own_valkey.restart()
        await eventually(lambda: bus.health().ok)


@pytest.mark.asyncio
async def test_an_unresponsive_redis_blocks_no_caller(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as bus:
        await eventually(lambda: bus.health().ok)
        with bus.subscribe(Channel.WAKE) as wake:
            own_valkey.server.freeze()
            bus.notify(Channel.WAKE)
            await eventually(lambda: not bus.health().ok)
            own_valkey.server.thaw()
            await eventually(lambda: bus.health().ok)
            await quiet(wake)
            bus.notify(Channel.WAKE)
            await notified(wake)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Yield the address of a port without a listener, bound so that no other program can listen on it."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.asyncio
async def test_without_redis_no_notification_is_received(nowhere: str) -> None:
    async with open_bus(nowhere) as bus:
        with bus.subscribe(Channel.WAKE) as wake:
            bus.notify(Channel.WAKE)
            assert not await wake.wait(timeout=0.01)
        await eventually(lambda: "publish" in bus.health().detail and "listen" in bus.health().detail)
        assert not bus.health().ok


@pytest.mark.asyncio
async def test_databases_of_one_redis_are_separate(valkey_server: ValkeyServer) -> None:
    async with open_bus(f"{valkey_server.url}?db=1") as one, open_bus(f"{valkey_server.url}?db=2") as other:
        await eventually(lambda: one.health().ok and other.health().ok)
        with one.subscribe(Channel.WAKE) as here, other.subscribe(Channel.WAKE) as there:
            await quiet(here, there)
            one.notify(Channel.WAKE)
            await notified(here)
            assert not await there.wait(timeout=QUIET)


def test_a_redis_that_cannot_be_reached_holds_up_neither_publisher_nor_end() -> None:
    async def notify_without_redis() -> None:
        async with open_bus("redis://192.0.2.1:6379") as bus:  # a documentation address, which never answers (RFC 5737)
            for _ in range(20_000):
                bus.notify(Channel.WAKE)

    asyncio.run(asyncio.wait_for(notify_without_redis(), BOUND))


@pytest.mark.asyncio
async def test_a_cancellation_that_the_library_loses_holds_up_no_end(nowhere: str) -> None:
    """redis-py loses a cancellation now and then, in about one of a hundred shutdowns right after the start."""

    async def lose_one(bus: RedisBus) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    with mock.patch.object(RedisBus, "listen", lose_one):
        async with asyncio.timeout(BOUND), open_bus(nowhere):
            await asyncio.sleep(0)
