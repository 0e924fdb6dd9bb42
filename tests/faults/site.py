"""A cluster whose processes are stopped, frozen and replaced while it works, as a service manager would do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support import loopback
from tests.support.api import Api
from tests.support.cluster import Cluster, cluster
from tests.support.processes import Process, processes
from tests.support.servers.forks import ForkServer
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.process import ServerFailed

ROLES: Final = ("api", "dispatch", "bridge")
REPLACED_WITHIN: Final = 180.0
CLIENT_SECONDS: Final = 5.0
"""A client's own timeout: an API process may be frozen."""


class Unanswered(Exception):
    """It is unknown whether the request was executed: no response, or UNAVAILABLE."""


@dataclass(slots=True)
class Slot:
    """A slot for one process of a role; a process that dies is replaced."""

    role: str
    process: Process
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Site:
    """The cluster, and its processes by slot."""

    whole: Cluster
    slots: list[Slot]
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    later: list[Api] = field(default_factory=list)
    """Clients of API processes that replaced others."""
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    gave_up: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""

    def of(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of a server, which prevents two faults from stopping it at once."""
        return self.locks.setdefault(name, asyncio.Lock())

    # --- processes

    async def replace(self, slot: Slot) -> None:
        """Start a new process in place of one that has ended; retry as long as it cannot start."""
        async with asyncio.timeout(REPLACED_WITHIN):
            while True:
                new = self.whole.processes.spawn(slot.role, **self.whole.settings)
                try:
                    await asyncio.to_thread(self.whole.processes.ready, new)
                except ServerFailed:  # the database is unavailable
                    new.kill()
                    await asyncio.sleep(0.2)
                else:
                    slot.process = new
                    self._ask_at_its_new_address(slot)
                    return

    def _ask_at_its_new_address(self, slot: Slot) -> None:
        for number, one in enumerate(self.of("api")):
            if one is slot:
                self.whole.apis[number] = new = Api.at(slot.process.url)
                self.later.append(new)

    def note_if_ended(self, slot: Slot) -> None:
        """Record a process that ended without having been signaled to."""
        code = slot.process.server.process.poll()
        if code is not None:
            self.gave_up.append(f"{slot.process.name} ended by itself with {code}: {slot.process.log[-1_500:]}")

    async def heal(self) -> None:
        """Restore all processes and servers."""
        for slot in self.slots:
            self.note_if_ended(slot)
        self.whole.simulator.server.thaw()
        await self.well_behaved()
        for slot in self.slots:
            slot.process.server.thaw()
            if slot.process.server.process.poll() is not None:
                await self.replace(slot)

    async def well_behaved(self) -> None:
        """Reset the behavior of the simulator and its devices."""
        (await self.whole.sim.delete("/sim/behaviour")).raise_for_status()

    # --- requests

    async def ask(self, slot: Slot, query: str, **variables: Any) -> dict[str, Any]:
        """Send one request to one API process.

        Raises:
            Unanswered: it did not respond, or responded UNAVAILABLE.
            ValueError: it rejected the request; the message has the error's code.
        """
        client = self.clients.setdefault(slot.process.url, self._client(slot.process.url))
        try:
            response = await client.post("/graphql", json={"query": query, "variables": variables})
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unanswered(repr(error)) from error
        if errors := answer.get("errors"):
            code = errors[0].get("extensions", {}).get("code")
            raise Unanswered(code) if code == "UNAVAILABLE" else ValueError(f"{code}: {errors[0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data

    @staticmethod
    def _client(url: str) -> httpx.AsyncClient:
        return loopback.AsyncClient(base_url=url, timeout=CLIENT_SECONDS)

    async def close(self) -> None:
        for client in (*self.clients.values(), *(new.http for new in self.later)):
            await client.aclose()

    # --- servers

    async def end_postgres(self, how: signal.Signals, seconds: float) -> None:
        """Stop PostgreSQL for a while."""
        async with self.lock("postgres"):
            await asyncio.to_thread(self.whole.database.stop, how)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.whole.database.restart)  # replaying the log may take a while

    async def end_sessions(self) -> None:
        """Terminate all sessions of PostgreSQL, whatever they are doing."""
        async with self.lock("postgres"):
            await self.whole.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@asynccontextmanager
async def site(
    folder: Path, forks: ForkServer, like: str = "M18", server: PostgresServer | None = None, **settings: str
) -> AsyncIterator[Site]:
    """Run a cluster until the block ends. Its processes are forked, because they are replaced all the time."""
    with processes(folder, forks) as group:
        async with cluster(group, like, server, **settings) as whole, adopted(whole) as ready:
            yield ready


@asynccontextmanager
async def adopted(whole: Cluster) -> AsyncIterator[Site]:
    """Provide the slots of a running cluster."""
    running = {"api": whole.serving, "dispatch": whole.dispatchers, "bridge": whole.bridges[:1]}
    for spare in whole.bridges[1:]:  # other tests cover the takeover from a killed bridge
        await asyncio.to_thread(spare.end)
    here = Site(whole, [Slot(role, process) for role in ROLES for process in running[role]])
    try:
        yield here
    finally:
        with contextlib.suppress(Exception):
            await here.close()
