"""Every process is stopped and replaced, one after another, under load: nothing is lost, nothing is repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.faults.checks import breaches, gather, unseen, violations
from tests.faults.site import Site
from tests.faults.subscribers import watchers
from tests.faults.test_moments import execute, only, started
from tests.faults.test_postgres_unavailable import Client, _more_answers, _running
from tests.support.cluster import key
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]


class Executing(Client):
    """A client whose every batch begins with a non-repeatable operation."""

    def batch(self, number: int) -> list[dict[str, Any]]:
        first, *others = super().batch(number)
        return [execute(self._devices[0], timeoutSeconds=30, idempotencyKey=first["idempotencyKey"]), *others]


async def test_a_rolling_restart_of_all_processes_loses_and_repeats_nothing(site: Site) -> None:
    whole = site.whole
    devices = await whole.devices("rolling", 3)
    for name in devices:
        await whole.tell("behaviour", name, kind="success", delay_ms=100)
    clients = [Executing(site, slot, devices, f"rolling {n}") for n, slot in enumerate(site.of("api"))]
    cursor = (await site.ask(site.of("api")[0], "{ transitionCursor }"))["transitionCursor"]
    async with watchers(site, cursor, 2) as watching:
        async with _running(*clients):
            for slot in site.slots:
                await _more_answers(clients, 2)
                assert await asyncio.to_thread(slot.process.end) == 0
                await site.replace(slot)
            await _more_answers(clients, 2)
        ids = [id_ for client in clients for batch in client.answered.values() for id_ in batch]
        await whole.confirmed(ids)
        await eventually(lambda: _all_ended(site, devices), "what was asked for last has ended, too")
        evidence = await gather(whole, devices)
        await eventually(
            lambda: _seen([len(watcher.seen) for watcher in watching], len(evidence.transitions)),
            "subscribers have seen every step",
        )
    assert {key(id_) for id_ in ids} <= set(evidence.operations)
    assert set(evidence.ends()) == {"CONFIRMED"}
    assert breaches(evidence) == []
    assert [breach for watcher in watching for breach in unseen(evidence, watcher)] == []
    attempts = sum(row["attempt"] for row in evidence.operations.values())
    assert sum(map(len, evidence.received.values())) == len(evidence.operations), "each was sent once"
    assert attempts >= len(evidence.operations), "what was claimed and given back was not sent"
    assert await violations(whole) == []


async def test_a_stopping_dispatcher_waits_for_its_open_calls(site: Site) -> None:
    whole = site.whole
    name, other = await whole.devices("ending", 2)
    await whole.tell("behaviour", name, kind="success", delay_ms=1_500, times=1)
    last = await started(site, "dispatch")
    async with only(site):
        (open_,) = await whole.apis[0].create(execute(name, timeoutSeconds=20))
        await eventually(lambda: _called(site, name), "Leshan has the request")
        ending = asyncio.create_task(asyncio.to_thread(last.end))
        await eventually(lambda: _says(last, "waiting_for_open_calls"), "it waits")
        (queued,) = await whole.apis[0].create(execute(other, timeoutSeconds=20))
        assert await ending == 0
        assert list((await whole.ended([open_])).values()) == ["CONFIRMED"]
        await whole.becomes(queued, "QUEUED")
        assert await whole.received(other) == [], "it claimed nothing more"
    await whole.confirmed([queued])
    assert await violations(whole) == []


async def _all_ended(site: Site, devices: list[str]) -> bool:
    sql = """SELECT 1 FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
             WHERE e.name = ANY($1::text[]) AND o.finished_at IS NULL LIMIT 1"""
    return not await site.whole.rows(sql, devices)


async def _seen(counts: list[int], wanted: int) -> bool:
    return all(count >= wanted for count in counts)


async def _called(site: Site, name: str) -> bool:
    return bool(await site.whole.received(name))


async def _says(process: Process, text: str) -> bool:
    return text in process.log
