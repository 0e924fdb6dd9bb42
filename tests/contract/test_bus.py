"""The bus's contract, kept by every implementation: publishing cannot hurt, what is heard is merged, silence ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from unittest import mock

import pytest
import pytest_asyncio

from app.bus import EVERYTHING, Bus, Channel, Subscription, open_bus
from app.bus.contract import MAX_PENDING
from app.bus.redis import RedisBus
from tests.servers.valkey import ValkeyServer
from tests.waiting import BOUND, eventually


async def until(subscription: Subscription, *payloads: str) -> set[str]:
    """Hear until all these payloads came; the answer is everything heard."""
    heard: set[str] = set()
    async with asyncio.timeout(BOUND):
        while not heard.issuperset(payloads):
            heard.update(await subscription.wait(timeout=1))
    return heard


@dataclass
class Ends:
    """Two ends of a bus: two processes' with Redis, the same one in memory."""

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
async def test_a_whisper_reaches_both_ends(ends: Ends) -> None:
    with ends.near.subscribe(Channel.WAKE) as near, ends.far.subscribe(Channel.WAKE) as far:
        ends.near.publish(Channel.WAKE, "leshan")
        assert "leshan" in await until(near, "leshan")
        assert "leshan" in await until(far, "leshan")


@pytest.mark.asyncio
async def test_channels_are_apart(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake, ends.far.subscribe(Channel.CHANGED) as changed:
        ends.near.publish(Channel.WAKE, "w")
        ends.near.publish(Channel.CHANGED, "c")
        assert "c" not in await until(wake, "w")
        assert "w" not in await until(changed, "c")


@pytest.mark.asyncio
async def test_a_payload_is_optional(ends: Ends) -> None:
    with ends.far.subscribe(Channel.CHANGED) as changed:
        ends.near.publish(Channel.CHANGED)
        await until(changed, EVERYTHING)


@pytest.mark.asyncio
async def test_what_is_repeated_before_it_is_heard_is_told_once(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        for _ in range(1_000):
            ends.near.publish(Channel.WAKE, "same")
        ends.near.publish(Channel.WAKE, "last")
        heard: list[str] = []
        async with asyncio.timeout(BOUND):
            while "last" not in heard:
                heard += await wake.wait(timeout=1)
    assert heard.count("same") < 1_000


@pytest.mark.asyncio
async def test_a_flood_becomes_look_at_everything(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        for number in range(MAX_PENDING + 1):
            ends.near.publish(Channel.WAKE, str(number))
        await until(wake, EVERYTHING)


@pytest.mark.asyncio
async def test_silence_answers_nothing_after_the_poll_interval(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        assert await wake.wait(timeout=0.01) == ()


@pytest.mark.asyncio
async def test_a_cancelled_wait_loses_no_whisper(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as wake:
        waiting = asyncio.create_task(wake.wait(timeout=BOUND))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        ends.near.publish(Channel.WAKE, "kept")
        await until(wake, "kept")


@pytest.mark.asyncio
async def test_who_left_is_told_nothing(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE) as gone:
        pass
    with ends.far.subscribe(Channel.WAKE) as stays:
        ends.near.publish(Channel.WAKE, "late")
        await until(stays, "late")
    assert await gone.wait(timeout=0) == ()


@pytest.mark.asyncio
async def test_a_slow_reader_holds_up_nobody(ends: Ends) -> None:
    with ends.far.subscribe(Channel.WAKE), ends.far.subscribe(Channel.WAKE) as quick:
        for number in range(100):
            ends.near.publish(Channel.WAKE, str(number))
            await until(quick, str(number))


@pytest.mark.asyncio
async def test_redis_killed_and_restarted(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as near, open_bus(own_valkey.url) as far:
        await eventually(lambda: near.health().ok and far.health().ok)
        with far.subscribe(Channel.WAKE) as wake:
            own_valkey.server.kill()
            near.publish(Channel.WAKE, "into the void")
            await eventually(lambda: not near.health().ok and not far.health().ok)
            await wake.wait(timeout=0)
            own_valkey.restart()
            await until(wake, EVERYTHING)  # something may have been missed
            near.publish(Channel.WAKE, "back")
            await until(wake, "back")
        await eventually(lambda: near.health().ok and far.health().ok)


@pytest.mark.asyncio
async def test_the_health_of_a_bus_is_well_again_though_nobody_publishes(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as bus:
        await eventually(lambda: bus.health().ok)
        own_valkey.server.kill()
        bus.publish(Channel.WAKE, "into the void")
        await eventually(lambda: "publish" in bus.health().detail)
        own_valkey.restart()
        await eventually(lambda: bus.health().ok)


@pytest.mark.asyncio
async def test_redis_that_answers_nothing_blocks_nobody(own_valkey: ValkeyServer) -> None:
    async with open_bus(own_valkey.url) as bus:
        await eventually(lambda: bus.health().ok)
        with bus.subscribe(Channel.WAKE) as wake:
            own_valkey.server.freeze()
            bus.publish(Channel.WAKE, "frozen")
            await eventually(lambda: not bus.health().ok)
            own_valkey.server.thaw()
            bus.publish(Channel.WAKE, "thawed")
            await until(wake, "thawed")
            await eventually(lambda: bus.health().ok)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a port where nobody listens, held so that nobody can start to."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.asyncio
async def test_without_redis_everything_is_merely_silent(nowhere: str) -> None:
    async with open_bus(nowhere) as bus:
        with bus.subscribe(Channel.WAKE) as wake:
            bus.publish(Channel.WAKE, "unheard")
            assert await wake.wait(timeout=0.01) == ()
        await eventually(lambda: "publish" in bus.health().detail and "listen" in bus.health().detail)
        assert not bus.health().ok


@pytest.mark.asyncio
async def test_databases_of_one_redis_do_not_hear_each_other(valkey_server: ValkeyServer) -> None:
    async with open_bus(f"{valkey_server.url}?db=1") as one, open_bus(f"{valkey_server.url}?db=2") as other:
        await eventually(lambda: one.health().ok and other.health().ok)
        with one.subscribe(Channel.WAKE) as here, other.subscribe(Channel.WAKE) as there:
            one.publish(Channel.WAKE, "mine")
            await until(here, "mine")
            other.publish(Channel.WAKE, "theirs")
            assert "mine" not in await until(there, "theirs")


def test_a_redis_that_cannot_be_reached_holds_up_neither_publisher_nor_end() -> None:
    async def publish_to_nobody() -> None:
        async with open_bus("redis://192.0.2.1:6379") as bus:  # a documentation address: nobody answers (RFC 5737)
            for number in range(MAX_PENDING * 2):
                bus.publish(Channel.WAKE, str(number))

    asyncio.run(asyncio.wait_for(publish_to_nobody(), BOUND))


@pytest.mark.asyncio
async def test_a_cancellation_that_the_library_loses_holds_up_no_end(nowhere: str) -> None:
    """redis-py loses one now and then, about once in a hundred ends right after the start."""

    async def lose_one(bus: RedisBus) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    with mock.patch.object(RedisBus, "listen", lose_one):
        async with asyncio.timeout(BOUND), open_bus(nowhere):
            await asyncio.sleep(0)
