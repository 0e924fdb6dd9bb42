"""A connection is cut, or loses a response: the database's, Redis', or Leshan's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from standardwebhooks import Webhook

from app.domain.enums import SECOND
from tests.faults.checks import breaches, gather, violations
from tests.faults.proxy import before_port, before_socket
from tests.faults.site import Site
from tests.faults.test_moments import execute, only, started, story
from tests.support.api import api, write
from tests.support.cluster import Cluster
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

PORT: Final = ".s.PGSQL.5432"
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def behind(whole: Cluster, own: Path) -> tuple[Path, dict[str, str]]:
    """Return PostgreSQL's socket, and the settings of a process that connects to it through a wire in this folder."""
    (folder,) = parse_qs(urlsplit(whole.settings["database_url"]).query)["host"]
    return Path(folder) / PORT, {"database_url": whole.settings["database_url"].replace(folder, str(own))}


async def test_a_commit_with_a_lost_response_is_neither_lost_nor_repeated(site: Site, tmp_path: Path) -> None:
    """PostgreSQL commits, and the response never arrives: for every third COMMIT of an API and a dispatcher."""
    whole = site.whole
    names = await whole.devices("swallowed", 5)
    sockets = [tmp_path / role for role in ("api", "dispatch")]
    for own in sockets:
        own.mkdir()
    (socket, first), (_, second) = (behind(whole, own) for own in sockets)
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
    assert await violations(whole) == []


def _pair(name: str, number: int) -> list[dict[str, Any]]:
    """Return an EXECUTE without a key and a WRITE with one."""
    return [execute(name, timeoutSeconds=30), write(name, idempotencyKey=f"swallowed/{number}")]


async def test_a_process_cut_off_from_postgres_past_its_lease_changes_nothing(site: Site, tmp_path: Path) -> None:
    """Leshan responds meanwhile, and the result cannot be stored: the others settle the expired lease, and the
    dispatcher learns so."""
    whole = site.whole
    (name,) = await whole.devices("severed", 1)
    await whole.tell("behaviour", name, kind="success", delay_ms=700, times=1)
    socket, through = behind(whole, tmp_path)
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
    assert await violations(whole) == []


async def test_a_process_cut_off_from_leshan_sends_nothing_and_counts_nothing(site: Site) -> None:
    """The breaker is shared: it opens, probes find Leshan again, and all waiting operations are sent."""
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
    assert await violations(whole) == []


async def test_without_redis_for_a_whole_run_all_is_confirmed_only_later(site: Site) -> None:
    """Nothing is published and nothing is received: every process finds its work by polling."""
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
    assert await violations(whole) == []


@pytest.mark.parametrize("ahead", [300, -300])
async def test_a_wrong_clock_of_a_process_decides_nothing(site: Site, ahead: int) -> None:
    """Five minutes ahead or behind, an API, a dispatcher and a bridge do all the work among others whose clocks are
    right."""
    whole = site.whole
    names = await whole.devices(f"clock{ahead}", 4)
    settings = {"test_clock": str(ahead)}
    wrong_api, wrong_sender = [await started(site, role, **settings) for role in ("api", "dispatch")]
    async with only(site), listening(site, settings), api(wrong_api.url) as client:
        begun = await _now(whole)
        await asyncio.gather(*(whole.tell("register", name) for name in names))
        await eventually(lambda: _heard_within(whole, names, begun), "it hears them, and knows when")
        ids = [id_ for name in names for id_ in await client.create(execute(name), write(name, ttlSeconds=60))]
        await whole.confirmed(ids)
        await whole.tell("behaviour", names[0], kind="never", times=1)
        (lost,) = await client.create(execute(names[0]))
        await eventually(lambda: _received(whole, names[0], 3), "Leshan has it")
        wrong_sender.kill()
    assert list((await whole.ended([lost])).values()) == ["FAILED OUTCOME_UNKNOWN"], "its lease ends in its time"
    invariants = await asyncio.to_thread(whole.processes.run, "check", **whole.settings)
    assert invariants.stdout == "all invariants hold\n"
    assert breaches(await gather(whole, names)) == []


async def _now(whole: Cluster) -> int:
    """Return PostgreSQL's time."""
    return int((await whole.rows("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))[0][0])


async def _heard_within(whole: Cluster, names: list[str], begun: int) -> bool:
    sql = "SELECT count(*) FROM endpoint WHERE name = ANY($1::text[]) AND last_seen_at BETWEEN $2 AND $3"
    return bool((await whole.rows(sql, names, begun, await _now(whole)))[0][0] == len(names))


@pytest.mark.parametrize(("ahead", "status"), [(300, 401), (-300, 202)])
async def test_an_event_signed_by_a_wrong_clock_has_the_age_the_sender_states(
    site: Site, ahead: int, status: int
) -> None:
    """A signature is valid for five minutes. A rejected event is sent again, to a process whose clock is right."""
    whole = site.whole
    name = f"signed{ahead}"
    wrong = await started(site, "api", test_clock=str(ahead), webhook_secret=SECRET)
    begun, now = await _now(whole), time.time()
    body = json.dumps({"event": "AWAKE", "data": {"ep": name}, "time": int((now - 60) * 1_000)})
    signature = Webhook(SECRET).sign(name, datetime.fromtimestamp(now, UTC), body)
    headers = {"webhook-id": name, "webhook-timestamp": str(int(now)), "webhook-signature": signature}
    async with api(wrong.url) as client:
        answer = await client.http.post("/leshan/events", content=body, headers=headers)
    assert answer.status_code == status
    assert len(await whole.rows("SELECT 1 FROM endpoint WHERE name = $1", name)) == (status == 202)
    again = await whole.apis[0].http.post("/leshan/events", content=body, headers=headers)
    assert again.status_code == 202
    (row,) = await whole.rows("SELECT last_seen_at FROM endpoint WHERE name = $1", name)
    assert begun - 60 * SECOND <= row["last_seen_at"] <= await _now(whole) - 58 * SECOND
    assert await asyncio.to_thread(wrong.end) == 0
    assert await violations(whole) == []


async def test_a_bridge_frozen_past_its_lease_reports_nothing_twice(site: Site) -> None:
    """The bridge that took over has processed the events that remained in the frozen one's socket: they are dropped at
    the thaw."""
    whole = site.whole
    (name,) = await whole.devices("thawed", 1)
    async with listening(site) as frozen:
        frozen.server.freeze()
        async with listening(site, takes_over=True):
            await whole.tell("send", name, paths=["/3303/0/5700"])
            await eventually(lambda: _values(whole, name, 1), "the one that took over has heard it")
            assert await whole.figure("eventListeners") == 2
            frozen.server.thaw()
            await eventually(lambda: _listeners(whole, 1), "it has learned that the hold is another's")
            assert await asyncio.to_thread(frozen.end) == 0
            await whole.tell("send", name, paths=["/3303/0/5701"])
            await eventually(lambda: _values(whole, name, 2), "and goes on hearing")
    assert await violations(whole) == []


async def _listeners(whole: Cluster, count: int) -> bool:
    return await whole.figure("eventListeners") == count


async def _values(whole: Cluster, name: str, count: int) -> bool:
    """Return whether so many values of the device are stored; fail if there are more."""
    sql = "SELECT 1 FROM reading c JOIN endpoint e ON e.id = c.endpoint_id WHERE e.name = $1"
    found = len(await whole.rows(sql, name))
    assert found <= count
    return found == count


@asynccontextmanager
async def listening(
    site: Site, settings: Mapping[str, str] | None = None, *, takes_over: bool = False
) -> AsyncIterator[Process]:
    """Run a bridge with these settings instead of the site's own."""
    (slot,) = site.of("bridge")
    if not takes_over:
        assert await asyncio.to_thread(slot.process.end) == 0
    bridge = await started(site, "bridge", **settings or {})
    try:
        await eventually(lambda: _says(bridge, "event_stream_open"), "it listens")
        yield bridge
        if bridge.lives:
            assert await asyncio.to_thread(bridge.end) == 0
    finally:
        bridge.kill()
        if not takes_over:
            await site.replace(slot)


async def _received(whole: Cluster, name: str, count: int) -> bool:
    return len(await whole.received(name)) == count


async def _says(process: Any, text: str) -> bool:
    return text in process.log


async def _breaker_is(whole: Cluster, *, opened: bool) -> bool:
    (row,) = await whole.rows("SELECT breaker_opened_at FROM leshan_server")
    return (row["breaker_opened_at"] is not None) is opened
