"""A wire is cut, or swallows an answer: the database's, Redis', or Leshan's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.clients import api, write
from tests.e2e.cluster import Cluster
from tests.e2e.waiting import eventually
from tests.faults.judging import breaches, broken_laws, gather
from tests.faults.site import Site
from tests.faults.test_moments import execute, only, started, story
from tests.faults.wire import before_port, before_socket

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

PORT: Final = ".s.PGSQL.5432"


def _behind(whole: Cluster, own: Path) -> tuple[Path, dict[str, str]]:
    """PostgreSQL's socket, and the settings of a process that comes to it through a wire in this folder."""
    (folder,) = parse_qs(urlsplit(whole.settings["database_url"]).query)["host"]
    return Path(folder) / PORT, {"database_url": whole.settings["database_url"].replace(folder, str(own))}


async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice(site: Site, tmp_path: Path) -> None:
    """PostgreSQL commits, and the answer never comes: of every third COMMIT of an API and a dispatcher."""
    whole = site.whole
    names = await whole.devices("swallowed", 5)
    sockets = [tmp_path / role for role in ("api", "dispatch")]
    for own in sockets:
        own.mkdir()
    (socket, first), (_, second) = (_behind(whole, own) for own in sockets)
    async with before_socket(socket, sockets[0]) as of_api, before_socket(socket, sockets[1]) as of_sender:
        asked, sender = await started(site, "api", **first), await started(site, "dispatch", **second)
        async with only(site), api(asked.url) as client:
            of_api.every = of_sender.every = 3  # never two in a row: a ledger tries a group four times
            created = [await client.create(*_pair(name, number)) for number in range(6) for name in names]
            ended = await whole.ended([id_ for ids in created for id_ in ids])
            of_api.every = of_sender.every = 0
        assert min(of_api.swallowed, of_sender.swallowed) > 3
        assert set(ended.values()) == {"CONFIRMED"}, "a device that answers leaves no doubt"
        evidence = await gather(whole, names)
        assert breaches(evidence) == []
        assert len(ended) == len(evidence.operations) == sum(map(len, evidence.received.values())) == 60
        assert [await asyncio.to_thread(process.end) for process in (sender, asked)] == [0, 0]
    assert await broken_laws(whole) == []


def _pair(name: str, number: int) -> list[dict[str, Any]]:
    """With and without a key, an EXECUTE and a WRITE."""
    return [execute(name, timeoutSeconds=30), write(name, idempotencyKey=f"swallowed/{number}")]


async def test_who_is_cut_off_from_postgres_past_its_lease_changes_nothing(site: Site, tmp_path: Path) -> None:
    """Leshan answers meanwhile, and the answer cannot be stored: the others judge the lease, and it learns so."""
    whole = site.whole
    (name,) = await whole.devices("severed", 1)
    await whole.tell("behaviour", name, kind="success", delay_ms=700, times=1)
    socket, through = _behind(whole, tmp_path)
    async with before_socket(socket, tmp_path) as wire:
        sender = await started(site, "dispatch", **through)
        async with only(site):
            (id_,) = await whole.apis[0].create(execute(name))
            await eventually(lambda: _received(whole, name, 1), "Leshan has the request")
            await wire.cut()
        assert list((await whole.ended([id_])).values()) == ["FAILED OUTCOME_UNKNOWN"]
        before = await story(site, id_)
        await wire.mend()
        await eventually(lambda: _says(sender, "stale_result"), "it has brought its late result")
        assert await story(site, id_) == before
        assert await asyncio.to_thread(sender.end) == 0
    assert len(await whole.received(name)) == 1
    assert await broken_laws(whole) == []


async def test_who_is_cut_off_from_leshan_sends_nothing_and_burns_nothing(site: Site) -> None:
    """The breaker is everybody's: it opens, probes find Leshan back, and all that waited goes out."""
    whole = site.whole
    names = await whole.devices("unreachable", 3)
    async with before_port(urlsplit(whole.simulator.url).port or 0) as (wire, url):
        sender = await started(site, "dispatch", leshan_url=url)
        async with only(site):
            await wire.cut()
            ids = [id_ for name in names for id_ in await whole.apis[0].create(execute(name))]
            await eventually(lambda: _breaker_is(whole, opened=True), "the breaker has opened")
            assert [len(await whole.received(name)) for name in names] == [0, 0, 0]
            await wire.mend()
            await whole.confirmed(ids)
        assert await asyncio.to_thread(sender.end) == 0
    assert [len(await whole.received(name)) for name in names] == [1, 1, 1]
    assert await broken_laws(whole) == []


async def test_without_redis_for_a_whole_run_all_is_confirmed_only_later(site: Site) -> None:
    """Nothing is published and nothing is heard: every process finds its work by looking."""
    whole = site.whole
    names = await whole.devices("whispered", 10)
    whole.valkey.server.kill()
    try:
        ids = [
            id_
            for number in range(3)
            for name in names
            for id_ in await whole.apis[number % 2].create(execute(name, timeoutSeconds=5), write(name))
        ]
        await whole.confirmed(ids)
        await asyncio.gather(*(whole.tell("sleep", name) for name in names))
        late = [id_ for name in names for id_ in await whole.apis[0].create(write(name))]
        await whole.wake(*names)
        await whole.confirmed(late)
    finally:
        whole.valkey.restart()
    evidence = await gather(whole, names)
    assert breaches(evidence) == []
    assert sum(map(len, evidence.received.values())) == 70
    assert await broken_laws(whole) == []


@pytest.mark.parametrize("ahead", [300, -300])
async def test_a_process_whose_clock_is_wrong_decides_nothing_by_it(site: Site, ahead: int) -> None:
    """Five minutes ahead or behind, an API, a dispatcher and a bridge do all the work among others that are right."""
    whole = site.whole
    names = await whole.devices(f"clock{ahead}", 4)
    settings = {"test_clock": str(ahead)}
    wrong_api, wrong_sender = [await started(site, role, **settings) for role in ("api", "dispatch")]
    async with only(site), api(wrong_api.url) as client:
        ids = [id_ for name in names for id_ in await client.create(execute(name), write(name, ttlSeconds=60))]
        await whole.confirmed(ids)
        await whole.tell("behaviour", names[0], kind="never", times=1)
        (lost,) = await client.create(execute(names[0]))
        await eventually(lambda: _received(whole, names[0], 3), "Leshan has it")
        wrong_sender.kill()
    assert list((await whole.ended([lost])).values()) == ["FAILED OUTCOME_UNKNOWN"], "its lease ends in its time"
    laws = await asyncio.to_thread(whole.processes.run, "check", **whole.settings)
    assert laws.stdout == "all laws hold\n"
    assert breaches(await gather(whole, names)) == []


async def _received(whole: Cluster, name: str, count: int) -> bool:
    return len(await whole.received(name)) == count


async def _says(process: Any, text: str) -> bool:
    return text in process.log


async def _breaker_is(whole: Cluster, *, opened: bool) -> bool:
    (row,) = await whole.rows("SELECT breaker_opened_at FROM leshan_server")
    return (row["breaker_opened_at"] is not None) is opened
