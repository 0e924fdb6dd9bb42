"""Two of each role on PostgreSQL and Redis: dead processes are replaced, nothing is lost and nothing is duplicated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.api import Api, Subscription, live, write
from tests.support.cluster import Cluster, key
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

CURSOR: Final = "{ transitionCursor }"
TRANSITIONS: Final = """
subscription ($after: String) {
  operationTransitions(after: $after) { cursor number toStatus operation { id version } }
}"""
SUBSCRIBERS: Final = 3
"""The number on each of the two APIs."""


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def judged(whole: Cluster) -> AsyncIterator[None]:
    """Check after each test that the invariants hold, and that the devices agree with the database."""
    yield
    await whole.check()


async def test_subscribers_of_both_apis_see_each_step_once_and_in_one_order(whole: Cluster) -> None:
    names = await whole.devices("seen", 20)
    async with AsyncExitStack() as stack:
        after = (await whole.apis[0].ask(CURSOR))["transitionCursor"]
        subscriptions = [
            await (await stack.enter_async_context(live(api.url))).subscribe(TRANSITIONS, after=after)
            for api in whole.apis
            for _ in range(SUBSCRIBERS)
        ]
        created = await asyncio.gather(
            *(whole.apis[number % 2].create(write(name, text=str(number))) for number in range(4) for name in names)
        )
        ids = [id_ for ids_ in created for id_ in ids_]
        await whole.confirmed(ids)
        seen = [await _steps(subscription, 3 * len(ids)) for subscription in subscriptions]
    sql = """SELECT o.id, t.number, t.to_status FROM transition t JOIN operation o ON o.seq = t.operation_id
             WHERE o.id = ANY($1::uuid[]) ORDER BY t.seq"""
    rows = [(str(row["id"]), row["number"], row["to_status"]) for row in await whole.rows(sql, list(map(key, ids)))]
    for steps in seen:
        assert [step[:3] for step in steps] == rows
        assert [step for step in steps if step[3] < step[1]] == [], "an operation older than its step"


async def _steps(subscription: Subscription, number: int) -> list[tuple[str, int, str, int]]:
    steps = [await subscription.next() for _ in range(number)]
    return [
        (key(step["operation"]["id"]), step["number"], step["toStatus"], step["operation"]["version"]) for step in steps
    ]


async def test_an_event_posted_to_both_apis_counts_once(whole: Cluster) -> None:
    """The same delivery, sent again to another process because its response was lost; here even with different
    content."""
    name, delivery = f"posted-{uuid4().hex[:8]}", uuid4().hex
    clock = count(1_800_000_000_000)
    for _ in range(2):
        posts = [
            api.http.post("/leshan/events", json=_registration(name, next(clock)), headers={"webhook-id": delivery})
            for api in whole.apis
        ]
        assert [answer.status_code for answer in await asyncio.gather(*posts)] == [202, 202]
    (row,) = await whole.rows("SELECT wake_seq, leshan_last_update FROM endpoint WHERE name = $1", name)
    assert row["wake_seq"] == 1
    assert row["leshan_last_update"] in {1_800_000_000_000, 1_800_000_000_001}


def _registration(name: str, millis: int) -> dict[str, Any]:
    registration = {
        "endpoint": name,
        "registrationId": f"r{millis}",
        "registrationDate": millis,
        "lastUpdate": millis,
        "address": "127.0.0.1:5683",
        "lwM2mVersion": "1.1",
        "lifetime": 300,
        "bindingMode": "UQ",
        "rootPath": "/",
        "objectLinks": [],
        "secure": False,
        "additionalRegistrationAttributes": {},
        "queuemode": True,
    }
    return {"event": "REGISTRATION", "data": registration}


async def test_a_bridge_takes_over_from_one_that_was_killed(whole: Cluster) -> None:
    (name,) = await whole.devices("bridged", 1)
    await whole.tell("sleep", name)
    await whole.known([name], "ASLEEP")
    (id_,) = await whole.apis[1].create(write(name))
    active = await whole.active_bridge()
    active.kill()
    await whole.wake(name)  # no bridge listens: the missed wake is found by requesting all registrations
    await whole.confirmed([id_])
    assert await whole.active_bridge() is not active
    whole.bridges.remove(active)
    whole.bridges.append(whole.start("bridge"))


async def test_a_dispatcher_is_killed_while_its_calls_are_open(whole: Cluster) -> None:
    """The devices have received both requests, and their responses are never read. The lease expires: a WRITE is sent
    again at the next wake, an EXECUTE is not repeated."""
    writing, executing = names = await whole.devices("orphan", 2)
    for name in names:
        await whole.tell("behaviour", name, kind="never", carry_out=True, times=1)
    victim, survivor = whole.dispatchers
    survivor.server.freeze()
    (written,) = await whole.apis[0].create(write(writing, timeoutSeconds=1))
    (executed,) = await whole.apis[1].create(
        {"endpoint": executing, "kind": "EXECUTE", "path": "/3442/0/0", "timeoutSeconds": 1}
    )
    try:
        await eventually(lambda: _both_open(whole), "both calls are open")
        victim.kill()
    finally:
        survivor.server.thaw()
    whole.dispatchers = [survivor, whole.start("dispatch")]
    assert list((await whole.ended([executed])).values()) == ["FAILED OUTCOME_UNKNOWN"]
    await whole.becomes(written, "QUEUED")
    await whole.wake(writing)
    await whole.confirmed([written])
    assert [len(await whole.received(name)) for name in names] == [2, 1]


async def _both_open(whole: Cluster) -> bool:
    return await whole.figure("openCalls") == 2


async def test_without_redis_everything_is_only_delayed(whole: Cluster) -> None:
    names = await whole.devices("quiet", 10)
    after = (await whole.apis[1].ask(CURSOR))["transitionCursor"]
    whole.valkey.server.kill()
    async with live(whole.apis[1].url) as connection:
        subscription = await connection.subscribe(TRANSITIONS, after=after)
        created = [await whole.apis[number % 2].create(write(name)) for number, name in enumerate(names)]
        ids = [id_ for ids_ in created for id_ in ids_]
        await whole.confirmed(ids)
        steps = await _steps(subscription, 3 * len(ids))
    assert len({step[:2] for step in steps}) == 3 * len(ids)
    whole.valkey.restart()
    for api in whole.apis:
        ids = await api.create(write(names[0]))  # a process that publishes nothing does not notice that Redis is back
        await eventually(lambda api=api: _bus_works(api), "the bus is back")  # type: ignore[misc]
        await whole.confirmed(ids)


async def _bus_works(api: Api) -> bool:
    ready = (await api.http.get("/health/ready?only=bus")).json()
    return bool(ready["checks"]["bus"]["detail"] == "connected")
