"""The emergency brake with a long queue: time from the request to the last call at Leshan, then to cancel the whole
queue by a filter.

The request goes to the API; on PostgreSQL two dispatchers are other processes. The pause is not sent over the bus.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import aiohttp

from app.models.invariant_check import violations
from bench.devices import names, queue, wake
from bench.measuring import Figure
from bench.site import FakeLeshan, Site, fake_leshan, site
from bench.size import Size

RUNNING_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 2.5
"""Longer than a dispatcher's poll interval: a dispatcher that still calls reads the pause by then."""

PAUSE: Final = 'mutation { pauseDispatch(reason: "measured") { pausedAt } }'
RESUME: Final = "mutation { resumeDispatch { resumedAt } }"
CANCEL: Final = """
mutation($count: Int!) {
  cancelDeviceOperations(filter: {kinds: [WRITE], statuses: [QUEUED]}, expectedCount: $count) { canceled passedOver }
}"""


async def measure(kind: str, size: Size) -> list[list[Figure]]:
    """Measure each round with a site of its own, so that every round starts with the same queue."""
    rounds = []
    for _ in range(size.rounds):
        async with fake_leshan() as leshan, site(kind) as system:
            await system.run(leshan, dispatchers=2, web=True)
            rounds.append(await _round(system, leshan, size))
    return rounds


async def _round(system: Site, leshan: FakeLeshan, size: Size) -> list[Figure]:
    devices = names("braked", size.devices)
    await _execute(system, PAUSE)
    await wake(system.ledger, devices)
    await queue(system.ledger, devices, size.braked)
    await _execute(system, RESUME)
    await asyncio.sleep(RUNNING_SECONDS)
    wished = time.monotonic()
    await _execute(system, PAUSE)
    answered = time.monotonic()
    await asyncio.sleep(QUIET_SECONDS)
    last = max(at for _, at in await leshan.arrivals())
    left = int(await system.one("SELECT queued FROM leshan_server"))
    started = time.monotonic()
    result = await _execute(system, CANCEL, count=left)
    canceled = time.monotonic() - started
    assert result["cancelDeviceOperations"] == {"canceled": left, "passedOver": 0}
    broken = await violations(system.database_url)
    return [
        Figure("queued when the brake was pulled", left, "operations"),
        Figure("from the wish to its answer", (answered - wished) * 1e3, "ms"),
        Figure("from the wish to the last call at Leshan", (last - wished) * 1e3, "ms", "< 1,000 ms"),
        Figure("all of it canceled by a filter", canceled, "s", "< 5 s with 40,000"),
        Figure("invariants broken", len(broken), "", "0"),
    ]


async def _execute(system: Site, document: str, **variables: Any) -> dict[str, Any]:
    assert system.web is not None
    body = {"query": document, "variables": variables}
    async with aiohttp.ClientSession() as session, session.post(f"{system.web.url}/graphql", json=body) as answer:
        result = await answer.json()
    assert "errors" not in result, result
    data: dict[str, Any] = result["data"]
    return data
