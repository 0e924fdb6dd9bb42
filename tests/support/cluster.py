"""Reveille as it runs in production: PostgreSQL, a Redis-protocol server, two processes of each role, and a simulated
Leshan server whose devices act only on command."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import httpx

from tests.support import loopback
from tests.support.api import Api, api
from tests.support.processes import Process, Processes
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.valkey import ValkeyServer, valkey
from tests.support.waiting import BOUND, eventually

DURABLE: Final = ("fsync=on", "synchronous_commit=on")
"""Reveille refuses a PostgreSQL that may lose acknowledged commits."""

FRESH: Final = httpx.Limits(max_keepalive_connections=0)
"""A simulator that was frozen closes idle connections when it thaws, even while a request uses one."""


@dataclass
class Cluster:
    """The processes, and helpers for tests. Each test uses its own names of devices."""

    processes: Processes
    database: PostgresServer
    valkey: ValkeyServer
    simulator: Process
    settings: dict[str, str]
    sim: httpx.AsyncClient
    apis: list[Api] = field(default_factory=list)
    serving: list[Process] = field(default_factory=list)
    dispatchers: list[Process] = field(default_factory=list)
    bridges: list[Process] = field(default_factory=list)

    # --- devices

    async def devices(self, prefix: str, count: int) -> list[str]:
        """Create devices, registered and awake."""
        names = [f"{prefix}-{number}" for number in range(count)]
        (await self.sim.post("/sim/devices", json={"names": names})).raise_for_status()
        await self.wake(*names)
        await self.known(names, "ONLINE")
        return names

    async def known(self, names: list[str], presence: str) -> None:
        """Wait until all these endpoints have this presence."""

        async def so() -> bool:
            sql = "SELECT count(*) FROM endpoint WHERE name = ANY($1::text[]) AND presence = $2"
            return bool((await self.rows(sql, names, presence))[0][0] == len(names))

        await eventually(so, f"{names} are {presence}")

    async def wake(self, *names: str) -> None:
        """Make the devices send a registration update, or register."""
        await self.tell_all("wake", names)

    async def tell_all(self, verb: str, names: Sequence[str]) -> None:
        (await self.sim.post(f"/sim/{verb}", json={"names": list(names)})).raise_for_status()

    async def tell(self, verb: str, name: str, **body: Any) -> None:
        (await self.sim.post(f"/sim/{verb}", params={"ep": name}, json=body)).raise_for_status()

    async def received(self, name: str) -> list[dict[str, Any]]:
        """Return the requests for the device that Leshan received, oldest first."""
        received: list[dict[str, Any]] = (await self.sim.get("/sim/devices", params={"ep": name})).json()["received"]
        return received

    async def figure(self, name: str) -> int:
        """Return one of the simulator's figures, like ``openCalls``."""
        return int((await self.sim.get("/sim/stats")).raise_for_status().json()[name])

    # --- operations

    async def rows(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Return the rows of a query."""
        connection = await asyncpg.connect(self.database.url("reveille"))
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    async def ended(self, ids: list[str], *, within: float = 60) -> dict[str, str]:
        """Wait until all these have ended; return each one's status and reason, like ``FAILED NO_ANSWER``."""
        keys = [key(id_) for id_ in ids]

        async def all_ended() -> bool:
            sql = "SELECT count(*) FROM operation WHERE id = ANY($1::uuid[]) AND finished_at IS NOT NULL"
            return bool((await self.rows(sql, keys))[0][0] == len(keys))

        await eventually(all_ended, f"{len(ids)} operations have ended", within)
        rows = await self.rows("SELECT id, status, reason FROM operation WHERE id = ANY($1::uuid[])", keys)
        return {str(row["id"]): f"{row['status']} {row['reason'] or ''}".strip() for row in rows}

    async def confirmed(self, ids: list[str]) -> None:
        assert Counter((await self.ended(ids)).values()) == {"CONFIRMED": len(ids)}

    async def becomes(self, id_: str, status: str) -> None:
        """Wait until the operation has this status."""

        async def so() -> bool:
            return bool((await self.rows("SELECT status FROM operation WHERE id = $1", key(id_)))[0][0] == status)

        await eventually(so, f"{id_} is {status}")

    # --- processes

    def start(self, role: str) -> Process:
        return self.processes.start(role, **self.settings)

    async def active_bridge(self) -> Process:
        """Return the bridge that listens."""

        async def one_listens() -> bool:
            return await self.figure("eventListeners") == 1

        await eventually(one_listens, "a bridge listens")
        return max((bridge for bridge in self.bridges if bridge.lives), key=_listens_since)

    # --- the checks

    async def check(self) -> None:
        """Check the invariants with ``reveille check``, and the attempts against the devices' own lists of received
        requests."""
        done = await asyncio.to_thread(self.processes.run, "check", **self.settings)
        assert (done.returncode, done.stdout) == (0, "all invariants hold\n"), done.stdout + done.stderr
        attempts = {str(row["id"]): row["attempt"] for row in await self.rows("SELECT id, attempt FROM operation")}
        for device in (await self.sim.get("/sim/devices")).json():
            assert device["maxOpenCalls"] <= 1, device
            self._check_received(await self.received(device["endpoint"]), attempts)

    @staticmethod
    def _check_received(received: list[dict[str, Any]], attempts: dict[str, int]) -> None:
        asked = Counter(one["request_id"] for one in received if one["request_id"])
        doubled = [request for request, count in asked.items() if count > 1]
        assert not doubled, f"asked more than once in one attempt: {doubled}"
        for operation, count in Counter(request.partition("/")[0] for request in asked).items():
            assert count == attempts[operation], f"{operation}: {attempts[operation]} attempts, {count} requests"


def _listens_since(bridge: Process) -> str:
    """Return the time of the last ``event_stream_open`` line in its log, or an empty string if there is none."""
    return max((line.split()[0] for line in bridge.log.splitlines() if "event_stream_open" in line), default="")


def key(id_: str) -> str:
    """Return the database's id of an operation."""
    return base64.b64decode(id_).decode().partition(":")[2]


@asynccontextmanager
async def cluster(
    processes: Processes, like: str = "M18", server: PostgresServer | None = None, **more: str
) -> AsyncIterator[Cluster]:
    """Run the whole cluster, ready: both APIs serve, both dispatchers sweep, one bridge listens. ``like`` is the
    simulated kind of Leshan server, ``server`` a PostgreSQL that runs already, ``more`` are settings of all
    processes."""
    with nullcontext(server) if server else postgres(DURABLE) as database, valkey() as bus:
        simulator = processes.start("simulate", "--told", "--devices", "0", "--like", like)
        settings = {
            "database_url": await database.create("reveille"),
            "redis_url": bus.url,
            "leshan_url": simulator.url,
            "leshan_events": "both",
            **more,
        }
        roles = {role: [processes.spawn(role, **settings) for _ in range(2)] for role in ("api", "dispatch", "bridge")}
        processes.ready(*(process for both in roles.values() for process in both))
        first, second = roles["api"]
        async with (
            loopback.AsyncClient(base_url=simulator.url, timeout=BOUND, limits=FRESH) as sim,
            api(first.url) as one,
            api(second.url) as other,
        ):
            running = (roles["api"], roles["dispatch"], roles["bridge"])
            whole = Cluster(processes, database, bus, simulator, settings, sim, [one, other], *running)
            await whole.active_bridge()
            yield whole
            processes.end_all()
