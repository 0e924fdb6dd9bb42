"""An embedded Reveille whose disk is full: mutations are UNAVAILABLE, nothing is half stored, and it recovers alone."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.clients import CREATE, Api, api, write
from tests.e2e.processes import Process, Processes, processes

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

PROVISION = 'mutation { provisionEndpoint(name: "d") { name } }'


@pytest.fixture
def group(tmp_path: Path, pycache: Path, started: list[Processes]) -> Iterator[Processes]:
    with processes(tmp_path, pycache) as own:
        started.append(own)
        yield own
        started.remove(own)


@pytest.fixture
def embedded(group: Processes) -> Process:
    """``reveille api`` on a SQLite file; nobody dispatches."""
    return group.start("api", database_url=f"sqlite://{group.folder / 'reveille.db'}")


@pytest_asyncio.fixture
async def client(embedded: Process) -> AsyncIterator[Api]:
    async with api(embedded.url) as asking:
        await asking.ask(PROVISION)
        yield asking


async def test_a_full_disk_is_told_and_survived(client: Api, embedded: Process, group: Processes) -> None:
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
    assert (done.returncode, done.stdout) == (0, "all laws hold\n")


async def refused(client: Api, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = await client.http.post("/graphql", json={"query": CREATE, "variables": {"inputs": inputs}})
    errors: list[dict[str, Any]] = response.json()["errors"]
    return errors


@contextmanager
def full_disk(process: Process, file: Path) -> Iterator[None]:
    """No file of the process grows beyond what its write-ahead log has now: a write there is refused by the kernel."""
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
