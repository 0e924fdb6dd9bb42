"""Very many ended operations are pruned while devices wake: the latency of a wake meanwhile, compared with that
without.

Subscribers listen all the while: none may miss a transition or receive one twice, their cursors must remain valid
afterwards, and a cursor older than the pruned part must be rejected with CURSOR_EXPIRED.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.models.cursors import log_cursor, parse_log_cursor
from app.models.invariant_check import violations
from bench.devices import names, provision, queue
from bench.filling import fill
from bench.lines.wake import delays_of, wake_in_turn
from bench.measuring import share
from bench.scale.common import Measured, judge, options, run
from bench.site import FakeLeshan, Site, fake_leshan, site
from tests.support.api import Subscription, live, socket

SUBSCRIBERS: Final = 3
STEPS_OF_A_WAKE: Final = 2
"""Sent and confirmed; the transition to QUEUED is older than the subscription."""

KEEP_DAYS: Final = 36_500
FORGET_DAYS: Final = 90
TRANSITIONS: Final = "subscription ($after: String!) { operationTransitions(after: $after) { cursor } }"
OLD: Final = "SELECT seq FROM operation WHERE finished_at IS NOT NULL AND finished_at < 1750000000000000 LIMIT 1"
WRITTEN: Final = "SELECT seq FROM transition WHERE seq > $1 ORDER BY seq"


def main() -> None:
    """Fill, wake, prune, judge and report; exit with 1 if a guarantee is broken."""
    parser = options("bench.scale.prune", __doc__)
    parser.add_argument("--operations", type=int, default=500_000, help="that have ended and are to be forgotten")
    parser.add_argument("--wakes", type=int, default=300, help="before and after, to compare with")
    parser.add_argument("--most", type=int, default=20_000, help="wakes while it prunes")
    parser.add_argument("--within", type=float, default=1_800.0, help="seconds after which pruning is given up")
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"{arguments.operations:,} ended operations forgotten, {arguments.database}")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    async with fake_leshan() as leshan, site(arguments.database) as system:
        await fill(system.reader, "old", max(1, arguments.operations // 20), arguments.operations, ended=True)
        before, busy, after = (
            names("before", arguments.wakes),
            names("busy", arguments.most),
            names("after", arguments.wakes),
        )
        for devices in (before, busy, after):
            await provision(system.ledger, devices)
            await queue(system.ledger, devices, len(devices))
        await system.run(leshan, web=True, retention=KEEP_DAYS)
        without = await delays_of(await wake_in_turn(system, before), leshan)
        await system.stop(*system.processes.running)
        await system.run(leshan, web=True, retention=FORGET_DAYS)
        beside, seconds = await _while_pruning(system, leshan, busy, arguments.within, broken)
        without += await delays_of(await wake_in_turn(system, after), leshan)
        broken += await violations(system.database_url)
        return [
            ("forgotten in", seconds, "s"),
            ("forgotten a second", arguments.operations / seconds, "/s"),
            ("wakes without, and while it prunes", f"{len(without):,} and {len(beside):,}", ""),
            *_compared(without, beside, 0.5),
            *_compared(without, beside, 0.99),
            ("longest wake while it prunes", max(beside, default=0.0), "ms"),
        ]


def _compared(without: list[float], beside: list[float], part: float) -> list[Measured]:
    name = f"wake (webhook called) to request at Leshan, p{part * 100:.0f}"
    first, second = share(without, part), share(beside, part) if beside else 0.0
    return [(f"{name}, without", first, "ms"), (f"{name}, while it prunes", second, "ms"), (name, second / first, "x")]


async def _while_pruning(
    system: Site, leshan: FakeLeshan, devices: list[str], within: float, broken: list[str]
) -> tuple[list[float], float]:
    """Wake devices until all is pruned; return the delays of the wakes, and the duration of the pruning."""
    begun, head = time.monotonic(), await system.seq()
    over: list[float] = []

    async def forgotten() -> bool:
        if not over and not await system.reader.fetch(OLD):
            over.append(time.monotonic() - begun)
        return bool(over)

    async with _subscribers(system, head) as subscriptions, asyncio.timeout(within):
        woken = await wake_in_turn(system, devices, forgotten)
        while not await forgotten():  # noqa: ASYNC110 - the database is polled
            await asyncio.sleep(0.1)
        await _all_sent(system, head, STEPS_OF_A_WAKE * len(woken))
        await _judge_cursors(system, head, subscriptions, broken)
    return await delays_of(woken, leshan), over[0]


@asynccontextmanager
async def _subscribers(system: Site, head: int) -> AsyncIterator[list[Subscription]]:
    assert system.web is not None
    async with live(system.web.url) as connection:
        after = log_cursor(head)
        yield [await connection.subscribe(TRANSITIONS, after=after) for _ in range(SUBSCRIBERS)]


async def _all_sent(system: Site, head: int, steps: int) -> None:
    """Wait until the operations of the woken devices are confirmed."""
    sql = "SELECT count(*) FROM transition WHERE seq > $1"
    while await system.one(sql, head) < steps:  # noqa: ASYNC110 - the database is polled
        await asyncio.sleep(0.05)


async def _judge_cursors(system: Site, head: int, subscriptions: list[Subscription], broken: list[str]) -> None:
    written = [int(row[0]) for row in await system.reader.fetch(WRITTEN, head)]
    for number, subscription in enumerate(subscriptions):
        seen = await _seen(subscription, len(written))
        if seen != written:
            broken.append(f"subscriber {number} saw {len(seen)} steps of {len(written)}, or another order")
    if written and (first := await _resumed(system, head)) != log_cursor(written[0]):
        broken.append(f"who comes back with a cursor that is not forgotten receives {first}")
    horizon = int(await system.one("SELECT horizon FROM ledger_head"))
    results = {await _resumed(system, older) for older in (1, horizon - 1)}
    if results != {"CURSOR_EXPIRED"}:
        broken.append(f"cursors from before what was forgotten receive {results}")


async def _seen(subscription: Subscription, count: int) -> list[int]:
    """Return the positions received; wait only a limited time for those that are missing."""
    seen: list[int] = []
    with contextlib.suppress(TimeoutError):
        while len(seen) < count:
            seen.append(parse_log_cursor((await subscription.next(within=20.0))["cursor"]))
    return seen


async def _resumed(system: Site, seq: int) -> str:
    """Return the cursor of the first message after a position of the log, or the error's code if there is an error."""
    assert system.web is not None
    async with socket(system.web.url) as connection, asyncio.timeout(30.0):
        await connection.send(json.dumps({"type": "connection_init"}))
        request = {"query": TRANSITIONS, "variables": {"after": log_cursor(seq)}}
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": request}))
        while True:
            message = json.loads(await connection.recv())
            if message["type"] in {"next", "error"}:
                break
    payload = message["payload"]
    errors = payload if message["type"] == "error" else payload.get("errors")
    return str(errors[0]["extensions"]["code"] if errors else payload["data"]["operationTransitions"]["cursor"])


if __name__ == "__main__":
    main()
