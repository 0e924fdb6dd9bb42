"""An embedded Reveille whose disk is full: mutations are UNAVAILABLE, nothing is half stored, and it recovers by
itself."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support import loopback
from tests.support.api import CREATE, Api, api, write
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Process, Processes
from tests.support.waiting import BOUND, eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

DEVICE = "dev-0000"
PROVISION = 'mutation { provisionEndpoint(name: "d") { name } }'


@pytest.fixture
def group(tmp_path: Path, processes_in: ProcessesIn) -> Iterator[Processes]:
    with processes_in(tmp_path) as own:
        yield own


@pytest.fixture
def embedded(group: Processes) -> Process:
    """``reveille api`` on a SQLite file, without a dispatcher."""
    return group.start("api", database_url=f"sqlite://{group.folder / 'reveille.db'}")


@pytest_asyncio.fixture
async def client(embedded: Process) -> AsyncIterator[Api]:
    async with api(embedded.url) as asking:
        await asking.ask(PROVISION)
        yield asking


async def test_a_full_disk_is_reported_and_recovered_from(client: Api, embedded: Process, group: Processes) -> None:
    file = group.folder / "reveille.db"
    before = await client.create(*(write("d", text="x" * 8_000) for _ in range(40)))
    batch = [write("d", text="y" * 8_000, idempotencyKey=f"full/{number}") for number in range(10)]
    with full_disk(embedded, file):
        for _ in range(2):
            (error,) = await refused(client, batch)
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert "full" in embedded.log or "disk I/O" in embedded.log
            assert (await client.ask("{ transitionCursor }"))["transitionCursor"], "reading goes on"
        assert stored(file) == len(before)
    ids = await client.create(*batch)
    assert await client.create(*batch) == ids
    assert stored(file) == len(before) + len(batch)
    done = group.run("check", database_url=f"sqlite://{file}")
    assert (done.returncode, done.stdout) == (0, "all invariants hold\n")


async def test_an_answer_received_on_a_full_disk_is_stored_later(
    group: Processes,
) -> None:
    """The device has executed it, so it may be neither reported as failed nor executed again."""
    leshan = group.start("simulate", "--told", "--devices", "1")
    url = f"sqlite://{group.folder / 'reveille.db'}"
    process = group.start("serve", database_url=url, leshan_url=leshan.url, leshan_events="stream")
    async with (
        api(process.url) as client,
        loopback.AsyncClient(base_url=leshan.url, timeout=BOUND) as sim,
    ):
        for verb, body in (("behaviour", {"kind": "success", "delay_ms": 1_500, "times": 1}), ("register", {})):
            (await sim.post(f"/sim/{verb}", params={"ep": DEVICE}, json=body)).raise_for_status()
        await eventually(lambda: _is(group, "endpoint", "presence", "ONLINE"), "it is awake")
        await client.create({"endpoint": DEVICE, "kind": "EXECUTE", "path": "/3442/0/0", "timeoutSeconds": 30})
        await eventually(lambda: _received(sim, 1), "Leshan has the request")
        with full_disk(process, group.folder / "reveille.db"):
            await eventually(lambda: _carried_out(sim), "the device has done it")
            (error,) = await refused(client, [write(DEVICE, text="y" * 8_000, validateRange=False)])
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert await _is(group, "operation", "status", "SENDING")
        await eventually(lambda: _is(group, "operation", "status", "CONFIRMED"), "its result is stored")
        assert await _received(sim, 1), "it was sent once"
    assert process.end() == 0
    done = group.run("check", database_url=url)
    assert (done.returncode, done.stdout) == (0, "all invariants hold\n")


async def _is(group: Processes, table: str, column: str, value: str) -> bool:
    with closing(sqlite3.connect(f"file:{group.folder / 'reveille.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT {column} FROM {table}").fetchall() == [(value,)]  # noqa: S608


async def _received(sim: httpx.AsyncClient, count: int) -> bool:
    return len((await sim.get("/sim/devices", params={"ep": DEVICE})).json()["received"]) == count


async def _carried_out(sim: httpx.AsyncClient) -> bool:
    (one,) = (await sim.get("/sim/devices", params={"ep": DEVICE})).json()["received"]
    return bool(one["carried_out"] and one["status"] == 200)


async def refused(client: Api, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = await client.http.post("/graphql", json={"query": CREATE, "variables": {"inputs": inputs}})
    errors: list[dict[str, Any]] = response.json()["errors"]
    return errors


@contextmanager
def full_disk(process: Process, file: Path) -> Iterator[None]:
    """Limit the files of the process to the present size of its write-ahead log: the kernel refuses a write beyond
    it."""
    now = file.with_name(f"{file.name}-wal").stat().st_size
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (now, hard))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def stored(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM operation").fetchone()
        assert connection.execute("SELECT count(*) FROM transition").fetchone() == (count,), "each was queued once"
        return int(count)
