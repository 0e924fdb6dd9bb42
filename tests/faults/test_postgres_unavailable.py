"""PostgreSQL goes and comes back, or a session stops in the middle of a transaction: the processes recover."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest

from app.models.ledger.postgres_store import APPEND_LOCK, LEDGER_TIMEOUTS
from tests.faults.checks import violations
from tests.faults.site import Site, Slot, Unanswered
from tests.support.api import CREATE, Api, write
from tests.support.cluster import Cluster, key
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

BATCH = 3


class Client:
    """A client that creates one batch after the other at one API process, each with its keys until it gets a
    response."""

    def __init__(self, site: Site, slot: Slot, devices: list[str], name: str) -> None:
        self._site, self._slot, self._devices, self._name = site, slot, devices, name
        self.answered: dict[int, list[str]] = {}
        self.refusals: Counter[str] = Counter()

    def batch(self, number: int) -> list[dict[str, Any]]:
        keys = [f"{self._name}/{number}/{index}" for index in range(BATCH)]
        return [write(device, idempotencyKey=one) for device, one in zip(self._devices, keys, strict=True)]

    async def ask(self, number: int) -> list[str]:
        data = await self._site.ask(self._slot, CREATE, inputs=self.batch(number))
        return [payload["operation"]["id"] for payload in data["createDeviceOperations"]]

    async def run(self) -> None:
        for number in count():
            while number not in self.answered:
                try:
                    self.answered[number] = await self.ask(number)
                except Unanswered as error:
                    self.refusals[str(error)] += 1
                    await asyncio.sleep(0.05)


async def test_all_processes_recover_from_a_restart_under_load(site: Site) -> None:
    whole = site.whole
    devices = await whole.devices("load", BATCH)
    clients = [Client(site, slot, devices, f"client {n}") for n, slot in enumerate(site.of("api"))]
    before = [slot.process.pid for slot in site.slots]
    async with _running(*clients):
        await _more_answers(clients, 5)
        await asyncio.to_thread(whole.database.stop, signal.SIGQUIT)
        await eventually(lambda: _all_refused(clients), "both APIs say that they cannot")
        await asyncio.to_thread(whole.database.restart)
        await _more_answers(clients, 5)
    assert {refusal for client in clients for refusal in client.refusals} == {"UNAVAILABLE"}
    assert [slot.process.pid for slot in site.slots if slot.process.server.process.poll() is None] == before
    for client in clients:
        for number, ids in client.answered.items():
            assert await client.ask(number) == ids, "the same keys, and another answer"
    created = [id_ for client in clients for ids in client.answered.values() for id_ in ids]
    await whole.confirmed(created)
    await _nothing_half_stored(whole, created)
    assert await violations(whole) == []


async def _nothing_half_stored(whole: Cluster, answered: list[str]) -> None:
    """Check that batches were stored wholly or not at all; at most the last one of each client got no response."""
    rows = await whole.rows("SELECT id, idempotency_key FROM operation WHERE idempotency_key LIKE 'client %'")
    batches = Counter(row["idempotency_key"].rpartition("/")[0] for row in rows)
    assert set(batches.values()) == {BATCH}
    assert {key(id_) for id_ in answered} <= {str(row["id"]) for row in rows}


async def _more_answers(clients: Sequence[Client], more: int) -> None:
    wanted = [len(client.answered) + more for client in clients]

    async def so() -> bool:
        return all(len(client.answered) >= number for client, number in zip(clients, wanted, strict=True))

    await eventually(so, "clients are answered")


async def _all_refused(clients: list[Client]) -> bool:
    return all(client.refusals for client in clients)


@asynccontextmanager
async def _running(*clients: Client) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(client.run()) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result


async def test_others_continue_to_write_while_the_lock_holder_is_frozen(site: Site) -> None:
    """A session like the ledger's acquires the append lock and then stays idle: PostgreSQL terminates it."""
    whole = site.whole
    (name,) = await whole.devices("locked", 1)
    frozen = await asyncpg.connect(whole.settings["database_url"], server_settings=LEDGER_TIMEOUTS)
    try:
        await frozen.execute(f"BEGIN; SELECT pg_advisory_xact_lock({APPEND_LOCK})")
        (id_,) = await whole.apis[0].create(write(name))
        await whole.confirmed([id_])
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):  # its session is gone
            await frozen.execute("COMMIT")
    finally:
        frozen.terminate()
    assert await violations(whole) == []


async def test_others_continue_to_write_while_a_dispatcher_is_frozen(site: Site) -> None:
    whole = site.whole
    (name,) = await whole.devices("inside", 1)
    victim, other = (slot.process.server for slot in site.of("dispatch"))
    (bridge,) = (slot.process.server for slot in site.of("bridge"))
    for bystander in (other, bridge):
        bystander.freeze()
    holder = await asyncpg.connect(whole.settings["database_url"])
    try:
        await holder.execute(f"BEGIN; SELECT pg_advisory_xact_lock({APPEND_LOCK})")
        await eventually(lambda: _waiters(holder, 1), "the dispatcher waits for the lock")
        victim.freeze()
        await holder.execute("COMMIT")  # the frozen dispatcher now holds the lock
        assert await _holders(holder) == 1
        for bystander in (other, bridge):
            bystander.thaw()
        (id_,) = await whole.apis[0].create(write(name))
        await whole.confirmed([id_])
    finally:
        await holder.close()
        for server in (other, bridge, victim):
            server.thaw()
    other.freeze()
    try:
        (alone,) = await whole.apis[1].create(write(name))
        await whole.confirmed([alone])  # by the one that was frozen
    finally:
        other.thaw()
    assert await violations(whole) == []


async def test_a_read_only_database_makes_every_process_not_ready(site: Site) -> None:
    """A standby, or a database that an administrator has closed, behaves like this: reads continue, and nothing can be
    stored."""
    whole = site.whole
    (name,) = await whole.devices("closed", 1)
    administrator = await asyncpg.connect(whole.database.url())
    await administrator.execute("ALTER DATABASE reveille SET default_transaction_read_only = on")
    try:
        await site.end_sessions()
        for client in whole.apis:
            await eventually(lambda c=client: _fails(c, "read-only transaction"), "readiness says why")  # type: ignore[misc]
            response = await client.http.post(
                "/graphql", json={"query": CREATE, "variables": {"inputs": [write(name)]}}
            )
            assert response.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            assert (await client.ask("{ transitionCursor }"))["transitionCursor"]
    finally:
        await administrator.execute("ALTER DATABASE reveille RESET default_transaction_read_only")
        await administrator.close()
    for client in whole.apis:
        await eventually(lambda c=client: _fails(c, None), "it is ready again")  # type: ignore[misc]
        await whole.confirmed(await client.create(write(name)))
    assert await violations(whole) == []


async def _fails(client: Api, why: str | None) -> bool:
    """Return whether only the database's check fails, with this cause; with None, whether it passes."""
    answer = await client.http.get("/health/ready?only=database")
    detail = answer.json()["checks"]["database"]["detail"]
    return answer.status_code == (503 if why else 200) and (why or "") in detail


_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND granted = $2"


async def _waiters(connection: asyncpg.Connection[Any], count: int) -> bool:
    return bool(await connection.fetchval(_LOCKS, APPEND_LOCK, False) == count)


async def _holders(connection: asyncpg.Connection[Any]) -> int:
    """Return the number of other sessions that hold the append lock."""
    return int(await connection.fetchval(_LOCKS, APPEND_LOCK, True))
