"""Two PostgreSQL servers: a primary, and a standby that replicates it synchronously, so that every acknowledged commit
is on both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.support.ports import free_port
from tests.support.servers.postgres import PostgresServer, on_port
from tests.support.waiting import eventually

REPLICATED: Final = ("wal_level=replica", "max_wal_senders=4", "hot_standby=on", "wal_receiver_status_interval=1s")


@dataclass
class Pair:
    """The two servers, each of which may be either.

    Attributes:
        ports: those of 127.0.0.1, which stay the same when a server is replaced.
    """

    ports: tuple[int, int]
    options: Sequence[str]
    primary: PostgresServer
    standby: PostgresServer | None = None
    _stacks: dict[int, ExitStack] = field(default_factory=dict)

    def url(self, database: str, first: int = 0) -> str:
        """Return the address with both hosts; ``first`` is the port of the one that comes first."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in sorted(self.ports, key=lambda port: port != first))
        return f"postgres://postgres@{hosts}/{database}?target_session_attrs=read-write"

    async def replicate(self) -> PostgresServer:
        """Return the standby. If there is none, start one on the other port, whatever ran there, and make the primary
        wait for it at each commit."""
        if self.standby is not None:
            return self.standby
        (port,) = {*self.ports} - {self.primary.port}
        if (previous := self._stacks.pop(port, None)) is not None:
            previous.close()
        self._stacks[port] = stack = ExitStack()
        self.standby = stack.enter_context(on_port(port, self.options, self.primary))
        await self.primary.fetch("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self.primary.fetch("SELECT pg_reload_conf()")
        await eventually(self._is_synchronous, "the standby is synchronous")
        return self.standby

    async def _is_synchronous(self) -> bool:
        rows = await self.primary.fetch("SELECT sync_state FROM pg_stat_replication")
        return [row["sync_state"] for row in rows] == ["sync"]

    async def promote(self) -> PostgresServer:
        """Make the standby the primary, which waits for no other; return the old primary, which is left as it is."""
        assert self.standby is not None
        old, self.primary, self.standby = self.primary, self.standby, None
        await self.primary.fetch("ALTER SYSTEM RESET synchronous_standby_names")
        await self.primary.fetch("SELECT pg_promote()")
        await self.primary.fetch("SELECT pg_reload_conf()")
        return old

    def close(self) -> None:
        for stack in self._stacks.values():
            stack.close()


@contextmanager
def pair(options: Sequence[str]) -> Iterator[Pair]:
    """Run a primary, to which :meth:`Pair.replicate` adds the standby.

    Raises:
        FileNotFoundError: there are no binaries.
    """
    ports = free_port(), free_port()
    options = (*options, *REPLICATED)
    stack = ExitStack()
    with stack:
        both = Pair(ports, options, stack.enter_context(on_port(ports[0], options)))
        both._stacks[ports[0]] = stack.pop_all()
        try:
            yield both
        finally:
            both.close()
