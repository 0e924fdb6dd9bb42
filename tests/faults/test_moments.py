"""A process freezes or dies at one chosen moment: the requests that the device received, and the operation's result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from app.models.ledger.postgres_store import AT_ONCE
from tests.faults.checks import violations
from tests.faults.site import Site
from tests.support import loopback
from tests.support.api import CREATE, write
from tests.support.cluster import key
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]

UNKNOWN: Final = "FAILED OUTCOME_UNKNOWN"
EXECUTED: Final = {
    "claimed": (UNKNOWN, 0),
    "committing_claim": (UNKNOWN, 0),
    "before_write": (UNKNOWN, 0),
    "answered": (UNKNOWN, 1),
    "inside_settle": (UNKNOWN, 1),
    "inside_claim": ("CONFIRMED", 1),
    "committing_settle": ("CONFIRMED", 1),
    "settled": ("CONFIRMED", 1),
}
"""The result of an EXECUTE whose dispatcher got no further, and the number of times that the device received it."""

WRITTEN: Final = {"answered": 2, "inside_settle": 2}
"""The number of times that the device receives a WRITE, which is repeatable; once unless listed here."""


@pytest.mark.parametrize("how", ["freeze", "kill"])
@pytest.mark.parametrize("moment", EXECUTED)
async def test_an_execute_is_never_handed_over_twice(site: Site, moment: str, how: str) -> None:
    whole = site.whole
    (name,) = await whole.devices(f"{moment}-{how}", 1)
    async with alone(site, f"{moment}:{how}") as victim:
        (id_,) = await whole.apis[0].create(execute(name))
        await met(victim)
    end, received = EXECUTED[moment]
    assert list((await whole.ended([id_])).values()) == [end]
    before = await story(site, id_)
    if how == "freeze":
        victim.server.thaw()
        assert await asyncio.to_thread(victim.end) == 0, "it goes on, and ends when it is told to"
    await whole.wake(name)
    assert await story(site, id_) == before, "what it brings late is no news"
    assert len(await whole.received(name)) == received, "what it had not sent stays unsent"
    assert await violations(whole) == []


@pytest.mark.parametrize("moment", EXECUTED)
async def test_a_write_is_never_lost(site: Site, moment: str) -> None:
    whole = site.whole
    (name,) = await whole.devices(f"{moment}-write", 1)
    async with alone(site, f"{moment}:kill") as victim:
        (id_,) = await whole.apis[0].create(write(name, timeoutSeconds=1))
        await met(victim)

    async def confirmed() -> bool:
        await whole.wake(name)
        return bool((await story(site, id_))[-1][1] == "CONFIRMED")

    await eventually(confirmed, f"{id_} is CONFIRMED", every=0.3)
    assert len(await whole.received(name)) == WRITTEN.get(moment, 1)
    assert await violations(whole) == []


@pytest.mark.parametrize("how", ["freeze", "kill"])
@pytest.mark.parametrize("moment", ["inside_create", "committing_create"])
async def test_a_mutation_is_stored_once_and_whole(site: Site, moment: str, how: str) -> None:
    """The client retries with its keys, at another process; a batch without keys is stored wholly or not at all."""
    whole = site.whole
    (name,) = await whole.devices(f"{moment}-{how}", 1)
    victim = await started(site, "api", test_moment=f"{moment}:{how}")
    keyed = [write(name, idempotencyKey=f"{moment}/{how}/{number}") for number in range(3)]
    asked = asyncio.create_task(_ask(victim, keyed))
    await met(victim)
    ids = await whole.apis[0].create(*keyed)
    await whole.confirmed(ids)
    if how == "freeze":
        victim.server.thaw()
        assert await asked == ids, "thawed, it finds what another process has stored"
    else:
        assert await asked is None
    rows = await whole.rows("SELECT 1 FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = $1", name)
    assert len(rows) == len(await whole.received(name)) == 3
    assert await violations(whole) == []


@pytest.mark.parametrize("how", ["freeze", "kill"])
@pytest.mark.parametrize("moment", ["inside_hear", "committing_hear"])
async def test_an_event_of_a_webhook_takes_effect_once(site: Site, moment: str, how: str) -> None:
    """The sender receives no response, and posts again, to another process: an update without a date is new each
    time."""
    whole = site.whole
    name = f"{moment}-{how}"
    victim = await started(site, "api", test_moment=f"{moment}:{how}")
    told = asyncio.create_task(_tell(victim.url, name))
    await met(victim)
    assert await _tell(whole.serving[0].url, name) == 202
    if how == "freeze":
        victim.server.thaw()
        assert await told == 202
    else:
        assert await told is None
    (row,) = await whole.rows("SELECT presence, wake_seq FROM endpoint WHERE name = $1", name)
    assert (row["presence"], row["wake_seq"]) == ("ONLINE", 2)
    assert await violations(whole) == []


async def _tell(url: str, name: str) -> int | None:
    """Return the status of the webhook's response, or None if the process dies meanwhile."""
    registration = {"endpoint": name, "registrationId": name, "lifetime": 3_600, "queuemode": True}
    events = [
        {"event": "REGISTRATION", "data": registration},
        {"event": "UPDATED", "data": {"registration": registration}},
    ]
    async with loopback.AsyncClient(base_url=url, timeout=60) as client:
        try:
            return (await client.post("/leshan/events", json=events, headers={"webhook-id": name})).status_code
        except httpx.HTTPError:
            return None


@pytest.mark.parametrize("moment", ["inside_create", "inside_claim", "inside_settle"])
async def test_others_continue_to_write_while_one_is_frozen_in_a_transaction(site: Site, moment: str) -> None:
    """They write within 5 seconds, the time that a ledger waits for the lock before it reports UNAVAILABLE."""
    whole = site.whole
    name, other = await whole.devices(f"{moment}-locked", 2)
    asked: asyncio.Task[Any] | None = None
    if moment == "inside_create":
        victim = await started(site, "api", test_moment=f"{moment}:freeze")
        asked = asyncio.create_task(_ask(victim, [write(name)]))
        await met(victim)
        async with asyncio.timeout(5):
            await whole.apis[0].create(write(other))
    else:
        async with alone(site, f"{moment}:freeze") as victim:
            await whole.apis[1].create(write(name, timeoutSeconds=1))
            await met(victim)
            async with asyncio.timeout(5):
                await whole.apis[0].create(write(other))
    victim.server.thaw()
    if asked is not None:
        assert len(await asked or []) == 1
    assert await violations(whole) == []


async def test_others_continue_to_write_while_one_is_frozen_in_a_statement(site: Site) -> None:
    """Its session is neither idle nor in a statement: a process that waits for the lock terminates it."""
    whole = site.whole
    name, other = await whole.devices("rows", 2)
    victim = await started(site, "api", test_moment="sending_rows:freeze")
    long: dict[str, Any] = {"text": "x" * 60_000, "validateRange": False}
    batch = [write(name, idempotencyKey=f"rows/{number}", **long) for number in range(AT_ONCE - 1)]
    asked = asyncio.create_task(_ask(victim, batch))
    await met(victim)
    async with asyncio.timeout(5):
        await whole.apis[0].create(write(other))
    victim.server.thaw()
    assert await asked == await whole.apis[1].create(*batch)
    assert await violations(whole) == []


# --- the processes under test


@asynccontextmanager
async def only(site: Site) -> AsyncIterator[None]:
    """Freeze the dispatchers of the site, so that only another one works."""
    others = [slot.process.server for slot in site.of("dispatch")]
    for other in others:
        other.freeze()
    try:
        yield
    finally:
        for other in others:
            other.thaw()


@asynccontextmanager
async def alone(site: Site, moment: str) -> AsyncIterator[Process]:
    """Start a dispatcher that reaches this moment, while the others are frozen."""
    victim = await started(site, "dispatch", test_moment=moment)
    async with only(site):
        yield victim


async def started(site: Site, role: str, **settings: str) -> Process:
    whole = site.whole
    process = whole.processes.spawn(role, **whole.settings | settings)
    await asyncio.to_thread(whole.processes.ready, process)
    return process


async def met(victim: Process) -> None:
    """Wait until the process is stopped, or gone."""

    async def so() -> bool:
        return not victim.lives or _state(victim) == "T"

    await eventually(so, f"{victim.name} meets its moment")


def _state(process: Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it ends while it is read
        return "gone"


async def _ask(api: Process, inputs: list[dict[str, Any]]) -> list[str] | None:
    """Return the ids in the response, or None if the process dies meanwhile."""
    async with loopback.AsyncClient(base_url=api.url, timeout=60) as client:
        try:
            answer = await client.post("/graphql", json={"query": CREATE, "variables": {"inputs": inputs}})
        except httpx.HTTPError:
            return None
    return [payload["operation"]["id"] for payload in answer.json()["data"]["createDeviceOperations"]]


def execute(device: str, **more: Any) -> dict[str, Any]:
    return {"endpoint": device, "kind": "EXECUTE", "path": "/3442/0/0", "timeoutSeconds": 1, **more}


async def story(site: Site, id_: str) -> list[tuple[Any, ...]]:
    """Return all transitions of an operation."""
    sql = """SELECT t.number, t.to_status, t.reason, t.attempt FROM transition t
             JOIN operation o ON o.seq = t.operation_id WHERE o.id = $1 ORDER BY t.seq"""
    return [tuple(row) for row in await site.whole.rows(sql, key(id_))]
