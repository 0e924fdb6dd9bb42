"""The components of a measurement: real databases with durable commits, a Redis-protocol server, a fake Leshan in its
own process, and Reveille's own processes. All of them are removed when their context ends."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from app.bus import Channel, open_bus
from app.dispatcher.verdict import judge
from app.models.database import migrate
from app.models.ledger import Ledger, Rules, open_store
from app.models.ledger.store import Store
from bench.measuring import Used, used_by
from tests.support.processes import ROOT, Command, Process, Processes, environment, processes
from tests.support.servers.forks import fork_server
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.process import Server, start
from tests.support.servers.valkey import valkey

POSTGRES: Final = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=512MB")
SQLITE: Final = ("journal_mode=WAL", "synchronous=FULL")
_TIMEOUTS: Final = ("statement_timeout", "lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")
"""Timeouts that are disabled: to insert a million rows takes longer than any statement of Reveille may."""
FORKED: Final = "BENCH_FORKED"
"""The variable with which Reveille's processes are forked: several of them start with less work, and share memory."""
WITHIN: Final = 3_600.0
"""Seconds after which a measurement that does not end is aborted."""


@dataclass
class Site:
    """The running components. ``ledger`` writes to the same database as Reveille's processes, and notifies them.

    Attributes:
        dispatchers: the processes that dispatch; on SQLite the one that does everything.
        web: the process that serves HTTP, on SQLite the same one; None if none was requested.
    """

    kind: str
    database_url: str
    bus_url: str
    folder: Path
    processes: Processes
    server: PostgresServer | None = None
    ledger: Ledger = field(init=False)
    reader: Store = field(init=False)
    dispatchers: list[Process] = field(default_factory=list)
    web: Process | None = None

    def settings(self, leshan: str, **more: object) -> dict[str, object]:
        """Return the settings of a Reveille process."""
        own = {"database_url": self.database_url, "redis_url": self.bus_url, "leshan_events": "webhook"}
        return own | {"leshan_url": leshan} | more

    async def run(self, leshan: FakeLeshan, *, dispatchers: int = 1, web: bool = False, **settings: object) -> None:
        """Start Reveille: on PostgreSQL a process for each role, on SQLite one for all."""
        own = self.settings(leshan.address, **settings)
        if self.kind == "sqlite":
            started = [self.processes.spawn("serve", **own)]
            self.dispatchers, self.web = started, started[0]
        else:
            self.dispatchers = [self.processes.spawn("dispatch", **own) for _ in range(dispatchers)]
            self.web = self.processes.spawn("api", **own) if web else None
            started = [*self.dispatchers, *([self.web] if self.web else [])]
        await asyncio.to_thread(self.processes.ready, *started)

    async def stop(self, *ended: Process) -> None:
        """Stop these processes of Reveille; :meth:`run` replaces them."""
        for process in ended:
            await asyncio.to_thread(process.end)

    def end(self) -> None:
        """Stop Reveille's processes."""
        self.processes.end_all()
        self.processes.running.clear()
        self.dispatchers, self.web = [], None

    async def one(self, sql: str, *values: Any) -> Any:
        """Return the only value of a statement's only row."""
        return (await self.reader.fetch(sql, *values))[0][0]

    async def seq(self) -> int:
        """Return the last position of the log."""
        return int(await self.one("SELECT seq FROM ledger_head"))

    async def confirmed(self, count: int, within: float = WITHIN) -> None:
        """Wait until so many operations are CONFIRMED in total."""
        async with asyncio.timeout(within):
            while await self.one("SELECT confirmed FROM leshan_server") < count:  # noqa: ASYNC110 - the database is polled
                await asyncio.sleep(0.1)

    async def metric(self, name: str) -> float:
        """Return the sum of a metric over all dispatchers."""
        total = 0.0
        async with aiohttp.ClientSession() as session:
            for process in self.dispatchers:
                async with session.get(f"{process.url}/metrics") as answer:
                    text = await answer.text()
                total += sum(float(found) for found in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))
        return total

    def used(self) -> Used:
        """Return the resources that the dispatchers used."""
        return used_by(process.pid for process in self.dispatchers)

    def used_by_database(self) -> Used:
        """Return the resources that PostgreSQL used; SQLite runs inside the processes that use it."""
        return used_by([self.server.server.process.pid] if self.server else [])


@dataclass
class FakeLeshan:
    """The process of the fake Leshan."""

    server: Server
    address: str

    @property
    def pid(self) -> int:
        return self.server.process.pid

    async def figures(self, *, begin: bool = False) -> dict[str, float]:
        """Return its figures; ``begin`` resets them."""
        return dict(await self._request("POST" if begin else "GET", "/bench"))

    async def arrivals(self) -> list[tuple[str, float]]:
        """Return the endpoint and the time of each call, by ``time.monotonic``."""
        return [(str(name), float(at)) for name, at in await self._request("GET", "/bench/arrivals")]

    async def _request(self, method: str, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.request(method, self.address + path) as answer:
            return await answer.json()


@asynccontextmanager
async def fake_leshan(delay: float = 0.0) -> AsyncIterator[FakeLeshan]:
    """Run the fake; its devices respond after so many seconds."""
    with tempfile.TemporaryDirectory(prefix="reveille-bench-") as own:
        server = python("bench.fake_leshan", "--delay", str(delay), folder=Path(own))
        try:
            yield FakeLeshan(server, address_of(server))
        finally:
            server.kill()


def python(module: str, *arguments: str, folder: Path) -> Server:
    """Start a program of the benchmarks that prints ``address=..`` once it serves."""
    return start(
        [sys.executable, "-m", module, *arguments],
        folder,
        ready=lambda: "address=" in (folder / "server.log").read_text(),
        environment=environment({}),
    )


def address_of(server: Server) -> str:
    """Return the address that a program of the benchmarks printed."""
    return server.log.read_text().partition("address=")[2].split()[0]


async def ran(module: str, *arguments: str) -> str:
    """Run a program of the benchmarks to its end; return its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        async with asyncio.timeout(WITHIN):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return output.decode()


@asynccontextmanager
async def site(kind: str, *, max_in_flight: int = 120) -> AsyncIterator[Site]:
    """Yield an empty, migrated database of the kind with the benchmark's own ledger, and a bus."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reveille-bench-")))
        server = stack.enter_context(postgres(POSTGRES)) if kind == "postgres" else None
        bus_url = stack.enter_context(valkey()).url
        url = await server.create("reveille") if server else f"sqlite://{folder / 'bench.db'}"
        launcher = stack.enter_context(fork_server()) if FORKED in os.environ else Command()
        started = stack.enter_context(processes(folder, launcher))
        own = Site(kind, url, bus_url, folder, started, server)
        await migrate(url)
        bus = await stack.enter_async_context(open_bus(bus_url))
        own.reader = open_store(url)
        await own.reader.open()
        for timeout in _TIMEOUTS if own.reader.postgres else ():
            await own.reader.execute(f"SET {timeout} = 0")
        stack.push_async_callback(own.reader.close)
        own.ledger = Ledger(
            open_store(url),
            Rules(judge=judge, max_in_flight=max_in_flight),
            notify=lambda channel: bus.notify(Channel(channel)),
        )
        await own.ledger.start()
        stack.push_async_callback(own.ledger.close)
        yield own


async def settings_of(site: Site) -> dict[str, str]:
    """Return the database's settings that a figure depends on."""
    if site.server is None:
        return dict(option.split("=") for option in SQLITE)
    names: Sequence[str] = [option.partition("=")[0] for option in POSTGRES]
    return {name: str(await site.one(f"SHOW {name}")) for name in ("server_version", *names)}
