"""A dispatcher that was frozen past its lease: its unsent request stays unsent, and its late results change nothing.

Two are frozen at once: one before its request left, one after Leshan had received it. A third settles their leases.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.faults.checks import violations
from tests.faults.full_accept_queue import full_accept_queue
from tests.faults.site import Site
from tests.support.api import write
from tests.support.cluster import Cluster, key
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]


def execute(device: str, **more: Any) -> dict[str, Any]:
    return {"endpoint": device, "kind": "EXECUTE", "path": "/3442/0/0", **more}


async def test_a_thawed_dispatcher_neither_sends_nor_settles_its_claims(site: Site) -> None:
    whole = site.whole
    unsent, executed, written = await whole.devices("frozen", 3)
    for name in (executed, written):
        await whole.tell("behaviour", name, kind="success", delay_ms=2_500, times=1)
    after_sending, survivor = (slot.process for slot in site.of("dispatch"))
    with full_accept_queue() as door:
        before_sending = await _started(whole, door.url)
        after_sending.server.freeze()
        survivor.server.freeze()
        (never,) = await whole.apis[0].create(execute(unsent, timeoutSeconds=1))
        await whole.becomes(never, "SENDING")  # it is connecting, or about to
        before_sending.server.freeze()

        after_sending.server.thaw()
        once, again = await whole.apis[0].create(execute(executed, timeoutSeconds=3), write(written, timeoutSeconds=3))
        await eventually(lambda: _open_calls(whole, 2), "Leshan has both requests")
        after_sending.server.freeze()  # their responses arrive in a buffer that is not read

        survivor.server.thaw()
        assert set((await whole.ended([never, once])).values()) == {"FAILED OUTCOME_UNKNOWN"}
        await whole.becomes(again, "QUEUED")
        await whole.wake(written)
        await whole.confirmed([again])
        steps = await _steps(whole, never, once, again)

        before_sending.server.thaw()
        after_sending.server.thaw()
        said = await asyncio.to_thread(door.open)
        await eventually(lambda: _is(before_sending.log.count("stale_result") == 1), "it brought its late result")
        await eventually(lambda: _is(after_sending.log.count("stale_result") == 2), "it brought its late results")
    assert b"/3442/" not in said  # it may have requested object models
    assert await _steps(whole, never, once, again) == steps
    assert [len(await whole.received(name)) for name in (unsent, executed, written)] == [0, 1, 2]
    await asyncio.to_thread(before_sending.end)
    assert await violations(whole) == []


async def _started(whole: Cluster, leshan_url: str) -> Process:
    """Start a dispatcher with another address of Leshan."""
    process = whole.processes.spawn("dispatch", **whole.settings | {"leshan_url": leshan_url})
    await asyncio.to_thread(whole.processes.ready, process)
    return process


async def _is(condition: bool) -> bool:
    return condition


async def _open_calls(whole: Cluster, count: int) -> bool:
    return await whole.figure("openCalls") == count


async def _steps(whole: Cluster, *ids: str) -> list[tuple[Any, ...]]:
    sql = """SELECT o.id, t.number, t.to_status, t.reason, o.version, o.device_status FROM transition t
             JOIN operation o ON o.seq = t.operation_id WHERE o.id = ANY($1::uuid[]) ORDER BY t.seq"""
    return [tuple(row) for row in await whole.rows(sql, [key(id_) for id_ in ids])]
