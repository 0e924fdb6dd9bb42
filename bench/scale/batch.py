"""One operation is created for each of very many sleeping devices by ``createDeviceOperationsFor``, while others wake:
the latency of a wake meanwhile, compared with that without."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any, Final

import aiohttp

from app.models.invariant_check import violations
from bench.devices import names, provision, queue
from bench.filling import fill
from bench.lines.wake import delays_of, wake_in_turn
from bench.scale.common import Measured, compared_wakes, judge, options, run
from bench.site import Site, fake_leshan, site

ASLEEP: Final = """
    UPDATE endpoint SET presence = 'ASLEEP', told_presence = 'ASLEEP', awake_until = NULL, ready_at = NULL
    WHERE name LIKE 'fleet-%'
"""
CREATE: Final = """
mutation {
  createDeviceOperationsFor(
    filter: {nameContains: "fleet-"}, input: {path: "/5/0/1", value: {string: "https://url.com/fw.bin"}}, batch: "fleet"
  ) { created passedOver }
}"""


def main() -> None:
    """Fill, wake, create, judge and report; exit with 1 if an operation is missing or an invariant is violated."""
    parser = options("bench.scale.batch", __doc__)
    parser.add_argument("--endpoints", type=int, default=100_000, help="for which an operation is created")
    parser.add_argument("--wakes", type=int, default=300, help="before and after, to compare with")
    parser.add_argument("--most", type=int, default=5_000, help="wakes while the operations are created")
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"{arguments.endpoints:,} operations by one filter, {arguments.database}")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    async with fake_leshan() as leshan, site(arguments.database) as system:
        await fill(system.reader, "fleet", arguments.endpoints, 0)
        await system.reader.execute(ASLEEP)
        before, busy, after = (
            names("before", arguments.wakes),
            names("busy", arguments.most),
            names("after", arguments.wakes),
        )
        for devices in (before, busy, after):
            await provision(system.ledger, devices)
            await queue(system.ledger, devices, len(devices))
        await system.run(leshan, web=True)
        without = await delays_of(await wake_in_turn(system, before), leshan)
        requests: list[float] = []
        creating = asyncio.create_task(_create(system, requests))
        started = time.monotonic()

        async def created() -> bool:
            return creating.done()

        woken = await wake_in_turn(system, busy, created)
        result = await creating
        seconds = time.monotonic() - started
        beside = await delays_of(woken, leshan)
        without += await delays_of(await wake_in_turn(system, after), leshan)
        if result != {"created": arguments.endpoints, "passedOver": 0}:
            broken.append(f"{result}, of {arguments.endpoints} endpoints")
        broken += await violations(system.database_url)
        return [
            ("created in", seconds, "s"),
            ("created a second", arguments.endpoints / seconds, "/s"),
            ("requests, and the longest", f"{len(requests)}, {max(requests):.1f}", "s"),
            ("wakes without, and while they are created", f"{len(without):,} and {len(beside):,}", ""),
            *compared_wakes(without, beside, 0.5, "while they are created"),
            *compared_wakes(without, beside, 0.99, "while they are created"),
            ("longest wake while they are created", max(beside, default=0.0), "ms"),
        ]


async def _create(system: Site, requests: list[float]) -> dict[str, Any]:
    """Repeat the mutation until it is done; append the seconds of each request."""
    assert system.web is not None
    async with aiohttp.ClientSession() as session:
        while True:
            begun = time.monotonic()
            async with session.post(f"{system.web.url}/graphql", json={"query": CREATE}) as response:
                answer = await response.json()
            requests.append(time.monotonic() - begun)
            if "errors" not in answer:
                result: dict[str, Any] = answer["data"]["createDeviceOperationsFor"]
                return result
            (error,) = answer["errors"]
            if error["extensions"]["code"] != "UNAVAILABLE":
                raise RuntimeError(str(error))


if __name__ == "__main__":
    main()
