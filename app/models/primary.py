"""The primary among several PostgreSQL hosts: found at each new connection, and remembered by the process.

All hosts are asked at once, because one that is frozen, or behind a dead network, must not delay the others. A
promotion begins a new timeline in the write-ahead log, so the server with the greatest timeline is the primary, and an
old primary that came back is recognized by its smaller one (``docs/decisions/0027-which-host-is-the-primary.md``).
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import structlog

from app.addresses import Host, PostgresAddress, Target, postgres_address

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 0.25
"""How long the other hosts may take to answer after a primary was found."""

KEEPALIVE: Final = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 9_000}
"""Socket options with which the kernel ends a connection 9 s after the last packet that arrived, idle or not. The
first three are seconds, seconds and a number, the last one is milliseconds."""

_STATE: Final = """
    SELECT pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only') = 'on' AS read_only,
           (SELECT system_identifier FROM pg_control_system()) AS system,
           CASE WHEN pg_is_in_recovery() THEN (SELECT min_recovery_end_timeline FROM pg_control_recovery())
                ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline
"""
"""The name of a file of the write-ahead log begins with its timeline. ``pg_control_checkpoint()`` would show the new
one only after the first checkpoint."""


class NoPrimary(ConnectionError):
    """No host is a primary that may be written to. The message says why, for each host."""


class Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that knows its server, and that the kernel ends if the server is no longer reachable."""

    def __init__(self, protocol: Any, transport: Any, loop: Any, server: Any, *more: Any) -> None:
        super().__init__(protocol, transport, loop, server, *more)
        self.server: str | tuple[str, int] = server
        open_socket = transport.get_extra_info("socket")
        if open_socket is not None and open_socket.family in {socket.AF_INET, socket.AF_INET6}:
            open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE.items():
                if hasattr(socket, name):  # not on every system
                    open_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


FAILURES: Final = (
    OSError,
    RuntimeError,  # UnsupportedDatabase
    ValueError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state ..": a session that was ended during an exchange
)
"""The errors of one host, which do not matter if another one is the primary."""

Open = Callable[[Host], Awaitable[Connection]]
"""Open a connection to a host, within a time limit."""


@dataclass(slots=True)
class _Reply:
    """The state of a host, or the problem why it cannot be used."""

    host: Host
    problem: str = ""
    connection: Connection | None = None
    system: int = 0
    timeline: int = 0


@dataclass(slots=True)
class Primary:
    """The primary of one database URL, as this process knows it."""

    address: PostgresAddress
    _server: str | tuple[str, int] | None = None
    _timelines: dict[int, int] = field(default_factory=dict)
    """The greatest timeline seen of each database system."""

    @property
    def is_chosen(self) -> bool:
        """Return whether a host is chosen by its state; otherwise the only one is used as it is."""
        return len(self.address.hosts) > 1 or self.address.target is not Target.ANY

    @property
    def name(self) -> str | None:
        """Return the host and port in use, or None if there is no choice or nothing was chosen yet."""
        if isinstance(self._server, tuple):
            return str(Host(*self._server))
        return self._server

    def has_moved(self, connection: Connection) -> bool:
        """Return whether the primary is another server than the connection's."""
        return self._server is not None and connection.server != self._server

    async def connect(self, open_host: Open) -> Connection:
        """Ask all hosts, and return the connection to the primary.

        Raises:
            NoPrimary: there is none.
        """
        chosen: Connection | None = None
        tasks = [asyncio.create_task(self._ask(host, open_host)) for host in self.address.hosts]
        try:
            await _replies(tasks)
            chosen = self._select([task.result() for task in tasks if task.done()]).connection
            assert chosen is not None  # noqa: S101 - a reply without a problem has one
            self._use(chosen.server)
            return chosen
        finally:
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is None:
                    if (other := task.result().connection) is not None and other is not chosen:
                        other.terminate()
                else:
                    task.cancel()

    async def _ask(self, host: Host, open_host: Open) -> _Reply:
        try:
            connection = await open_host(host)
        except FAILURES as error:
            return _Reply(host, str(error) or type(error).__name__)
        try:
            state = await connection.fetchrow(_STATE)
        except FAILURES as error:
            connection.terminate()
            return _Reply(host, str(error) or type(error).__name__)
        except BaseException:
            connection.terminate()
            raise
        problem = ""
        if state["standby"]:
            problem = "it is a standby"
        elif state["read_only"] and self.address.target is Target.READ_WRITE:
            problem = "it is read-only (default_transaction_read_only)"
        return _Reply(host, problem, connection, state["system"], state["timeline"])

    def _select(self, replies: Sequence[_Reply]) -> _Reply:
        """Return the reply of the primary: the one with the greatest timeline, if none greater is known of its system.
        Standbys count, too: their timeline is that of the primary that they follow."""
        for reply in replies:
            self._timelines[reply.system] = max(reply.timeline, self._timelines.get(reply.system, 0))
        for reply in replies:
            if not reply.problem and reply.timeline < (newest := self._timelines[reply.system]):
                reply.problem = f"it is an old primary, of timeline {reply.timeline}; {newest} is the newest known"
        usable = [reply for reply in replies if not reply.problem]
        if not usable:
            raise NoPrimary("; ".join(f"{reply.host}: {reply.problem}" for reply in replies))
        return max(
            usable, key=lambda reply: (reply.timeline, reply.connection and not self.has_moved(reply.connection))
        )

    def _use(self, server: str | tuple[str, int]) -> None:
        before, self._server = self.name, server
        if before not in {None, self.name}:
            log.warning("database_primary_changed", server=self.name, before=before)


async def _replies(tasks: Sequence[asyncio.Task[_Reply]]) -> None:
    """Wait until all have replied, or for :data:`GRACE_SECONDS` without a further reply after one is usable."""
    pending, found = set(tasks), False
    while pending:
        done, pending = await asyncio.wait(
            pending, timeout=GRACE_SECONDS if found else None, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            return
        found = found or any(not task.result().problem for task in done)


@functools.cache
def primary_of(database_url: str) -> Primary:
    """Return the primary of a PostgreSQL URL, the same object for all connections of this process."""
    return Primary(postgres_address(database_url))
