"""PostgreSQL does not respond, and no connection ends: a proxy acknowledges and drops, or the server is frozen.

Callers receive a response within 10 s, readiness reports the outage, each process logs it once, and all recover by
themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from app.models.database import MIGRATION_LOCK
from tests.faults.checks import violations
from tests.faults.proxy import before_socket
from tests.faults.site import Site
from tests.faults.test_cut_off import behind
from tests.faults.test_moments import started
from tests.support.api import CREATE, Api, api, write
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE: Final = 10.0
"""Seconds within which every caller receives a response: a client's own timeout."""


@asynccontextmanager
async def swallowed(site: Site, folder: Path) -> AsyncIterator[tuple[Process, Callable[[], None], Callable[[], None]]]:
    """Start an API process whose connections to PostgreSQL drop everything between the two calls."""
    socket, through = behind(site.whole, folder)
    async with before_socket(socket, folder) as wire:
        process = await started(site, "api", **through)
        yield process, wire.swallow, wire.pass_on
        assert await asyncio.to_thread(process.end) == 0


@asynccontextmanager
async def frozen(site: Site, _folder: Path) -> AsyncIterator[tuple[Process, Callable[[], None], Callable[[], None]]]:
    """Start an API process like the site's own: PostgreSQL is frozen between the two calls."""
    database = site.whole.database
    process = await started(site, "api")
    try:
        yield process, database.freeze, database.thaw
    finally:
        database.thaw()
    assert await asyncio.to_thread(process.end) == 0


@pytest.mark.parametrize("silence", [swallowed, frozen])
async def test_every_caller_is_answered_while_postgres_is_unresponsive(
    site: Site, tmp_path: Path, silence: Any
) -> None:
    whole = site.whole
    (name,) = await whole.devices(f"silent-{silence.__name__}", 1)
    async with silence(site, tmp_path) as (process, begin, end), api(process.url) as client:
        created = await client.create(write(name, idempotencyKey="before"))
        assert await unready(client) == []
        begin()
        for number in range(2):
            asked = [mutation(client, write(name, idempotencyKey=str(number))), reading(client), webhook(client, name)]
            assert await asyncio.gather(*asked) == ["UNAVAILABLE", "UNAVAILABLE", 503]
            assert "database" in await unready(client)
        end()
        await eventually(lambda: _ready(client), "it is ready again")
        assert await client.create(write(name, idempotencyKey="before")) == created
        again = [id_ for number in range(2) for id_ in await client.create(write(name, idempotencyKey=str(number)))]
        assert await webhook(client, name) == 202
        await whole.confirmed(created + again)
        await eventually(lambda: _said(process, "database_recovered", {process.name: 0}), "its readers are back, too")
        assert expected(process) == ["database_unavailable"]
        assert process.log.count("database_recovered") == 1
    await eventually(lambda: _stored(site, name, 3), "each was stored once")
    assert await violations(whole) == []


async def test_dropped_open_connections_cost_one_response(site: Site, tmp_path: Path) -> None:
    """A firewall loses its connections: new ones get through, and all old ones are discarded after the first
    failure."""
    whole = site.whole
    (name,) = await whole.devices("forgotten", 1)
    async with swallowed(site, tmp_path) as (process, begin, end), api(process.url) as client:
        await asyncio.gather(*(reading(client) for _ in range(10)), client.create(write(name)))
        begin()
        end()
        assert await mutation(client, write(name, idempotencyKey="forgotten")) in {None, "UNAVAILABLE"}
        assert await mutation(client, write(name, idempotencyKey="forgotten")) is None
        begin()
        end()
        assert await pausing(client, name) is None
        assert [await reading(client) for _ in range(10)] == [None] * 10
    assert await _stored(site, name, 2)
    assert await violations(whole) == []


async def test_the_whole_site_recovers_from_a_frozen_postgres(site: Site) -> None:
    """Dispatchers and bridge discard their connections, and continue without a restart."""
    whole = site.whole
    names = await whole.devices("thawed", 2)
    for slot in site.slots:
        await eventually(lambda s=slot: _is_back(s.process), f"{slot.process.name} is over an outage before")  # type: ignore[misc]
    before = {slot.process.name: len(slot.process.log) for slot in site.slots}
    ids = await whole.apis[0].create(*(write(name) for name in names))
    whole.database.freeze()
    try:
        for slot in site.slots:
            noticed = partial(_said, slot.process, "database_unavailable", before)
            await eventually(noticed, f"{slot.process.name} notices")
    finally:
        whole.database.thaw()
    ids += await _created(whole.apis[1], *(write(name) for name in names))
    await whole.confirmed(ids)
    for slot in site.slots:
        await eventually(lambda s=slot: _said(s.process, "database_recovered", before), f"{slot.process.name} is back")  # type: ignore[misc]
        assert slot.process.log[before[slot.process.name] :].count("database_unavailable") == 1
    assert await violations(whole) == []


async def test_migrate_ends_with_one_line_while_postgres_is_unresponsive(site: Site, tmp_path: Path) -> None:
    """While another process migrates, it waits for as long as that takes."""
    whole = site.whole
    socket, through = behind(whole, tmp_path)
    async with before_socket(socket, tmp_path) as wire:
        wire.swallow()
        done = await asyncio.to_thread(whole.processes.run, "migrate", **whole.settings | through)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "reveille: REVEILLE_DATABASE_URL: no answer within 3 s\n"
        wire.pass_on()
        other = await asyncpg.connect(whole.settings["database_url"])
        await other.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        waiting = asyncio.create_task(asyncio.to_thread(whole.processes.run, "migrate", **whole.settings | through))
        await eventually(lambda: _asks(other), "it asks for the lock")
        wire.swallow()
        done = await waiting
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        await other.close()


async def _asks(connection: asyncpg.Connection[Any]) -> bool:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%'"
    return bool(await connection.fetchval(sql))


async def mutation(client: Api, wanted: dict[str, Any]) -> str | None:
    """Return the code of its error, or None if there is none."""
    body = {"query": CREATE, "variables": {"inputs": [wanted]}}
    return _code(await client.http.post("/graphql", json=body, timeout=PATIENCE))


async def pausing(client: Api, name: str) -> str | None:
    """Send a mutation that writes before it reads; return the code of its error, or None."""
    query = f'mutation {{ pauseDispatch(endpoint: "{name}", reason: "r") {{ reason }} }}'
    return _code(await client.http.post("/graphql", json={"query": query}, timeout=PATIENCE))


async def reading(client: Api) -> str | None:
    return _code(await client.http.post("/graphql", json={"query": "{ transitionCursor }"}, timeout=PATIENCE))


def _code(response: httpx.Response) -> str | None:
    errors = response.json().get("errors")
    return errors[0]["extensions"]["code"] if errors else None


async def webhook(client: Api, name: str) -> int:
    body = {"event": "AWAKE", "data": {"ep": name}}
    return (await client.http.post("/leshan/events", json=body, timeout=PATIENCE)).status_code


async def unready(client: Api) -> list[str]:
    """Return the failing checks of readiness."""
    answer = await client.http.get("/health/ready", timeout=PATIENCE)
    failed = [name for name, check in answer.json()["checks"].items() if not check["ok"]]
    assert answer.status_code == (503 if failed else 200)
    return failed


async def _ready(client: Api) -> bool:
    return await unready(client) == []


async def _created(client: Api, *inputs: dict[str, Any]) -> list[str]:
    """Retry with the same keys until there is a response."""
    keyed = [{**one, "idempotencyKey": f"again/{number}"} for number, one in enumerate(inputs)]
    created: list[str] = []

    async def so() -> bool:
        with contextlib.suppress(AssertionError):
            created.extend(await client.create(*keyed))
        return bool(created)

    await eventually(so, "a mutation is answered")
    return created


def expected(process: Process) -> list[str]:
    """Return the names of all warnings and errors in its log."""
    lines = [line.split("]", 1) for line in process.log.splitlines() if "[warning" in line or "[error" in line]
    return [rest.split()[0] for _, rest in lines]


async def _is_back(process: Process) -> bool:
    return process.log.count("database_unavailable") == process.log.count("database_recovered")


async def _said(process: Process, what: str, before: dict[str, int]) -> bool:
    return what in process.log[before[process.name] :]


async def _stored(site: Site, name: str, count: int) -> bool:
    sql = "SELECT count(*) FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = $1"
    return bool((await site.whole.rows(sql, name))[0][0] == count)
