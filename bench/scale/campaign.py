"""A campaign for very many sleeping devices is created while others wake: the time until all targets have begun, the
memory of the dispatcher, and the latency of a wake meanwhile, compared with that without."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

import aiohttp

from app.models.invariant_check import violations
from bench.devices import names, provision, queue
from bench.filling import fill
from bench.lines.wake import delays_of, wake_in_turn
from bench.scale.batch import ASLEEP
from bench.scale.common import Measured, compared_wakes, judge, options, run
from bench.site import WITHIN, Site, fake_leshan, site
from tests.support.waiting import eventually

PACKAGE: Final = """
mutation { createFirmwarePackage(input: {name: "image", version: "2.0.0", uri: "http://192.0.2.1/image"}) { id } }
"""
CREATE: Final = "mutation($input: CampaignInput!) { createCampaign(input: $input) { id } }"
OPERATIONS: Final = [{"path": "/5/0/1", "value": {"string": "http://192.0.2.1/image"}}]
_BEGUN: Final = "SELECT running, waiting, listed_at FROM campaign"


def main() -> None:
    """Fill, wake, create, judge and report; exit with 1 if a target has not begun or an invariant is violated."""
    parser = options("bench.scale.campaign", __doc__)
    parser.add_argument("--endpoints", type=int, default=100_000, help="targets of the campaign")
    parser.add_argument("--wakes", type=int, default=300, help="before and after, to compare with")
    parser.add_argument("--most", type=int, default=8_000, help="wakes while the targets begin")
    parser.add_argument("--operations", action="store_true", help="one operation for each target, no firmware update")
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"a campaign of {arguments.endpoints:,} targets, {arguments.database}")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    async with fake_leshan() as leshan, site(arguments.database) as system:
        await fill(system.reader, "fleet", arguments.endpoints, 0)
        await system.reader.execute(ASLEEP)
        before, after = names("before", arguments.wakes), names("after", arguments.wakes)
        busy = names("busy", arguments.most)
        for devices in (before, busy, after):
            await provision(system.ledger, devices)
            await queue(system.ledger, devices, len(devices))
        await system.run(leshan, web=True)
        without = await delays_of(await wake_in_turn(system, before), leshan)
        at_rest = system.used()
        started = time.monotonic()
        await _create(system, firmware=not arguments.operations)
        ended: list[float] = []

        async def begun() -> bool:
            ((running, waiting, listed_at),) = await system.reader.fetch(_BEGUN)
            if listed_at is not None and not waiting and running:
                ended.append(time.monotonic())
            return bool(ended)

        woken = await wake_in_turn(system, busy, begun)
        await eventually(begun, "all targets have begun", WITHIN)
        spent = system.used()
        beside = await delays_of(woken, leshan)
        without += await delays_of(await wake_in_turn(system, after), leshan)
        if (running := await system.one("SELECT running FROM campaign")) != arguments.endpoints:
            broken.append(f"{running} targets have begun, of {arguments.endpoints}")
        broken += await violations(system.database_url)
        seconds = ended[0] - started
        return [
            ("all targets begun in", seconds, "s"),
            ("targets begun a second", arguments.endpoints / seconds, "/s"),
            ("dispatcher's memory before, and at its peak", f"{at_rest.memory:.0f}, {spent.memory:.0f}", "MiB"),
            ("dispatcher's CPU for each target", (spent.cpu - at_rest.cpu) / arguments.endpoints * 1e6, "us"),
            ("wakes without, and while they begin", f"{len(without):,} and {len(beside):,}", ""),
            *compared_wakes(without, beside, 0.5, "while they begin"),
            *compared_wakes(without, beside, 0.99, "while they begin"),
            ("longest wake while they begin", max(beside, default=0.0), "ms"),
        ]


async def _create(system: Site, *, firmware: bool) -> None:
    """Create the campaign of all endpoints whose name begins with ``fleet-``."""
    assert system.web is not None
    async with aiohttp.ClientSession() as session:

        async def ask(query: str, **variables: Any) -> Any:
            body = {"query": query, "variables": variables}
            async with session.post(f"{system.web.url}/graphql", json=body) as response:  # type: ignore[union-attr]
                answer = await response.json()
            if "errors" in answer:
                raise RuntimeError(str(answer["errors"]))
            return answer["data"]

        work: dict[str, Any] = {"operations": OPERATIONS}
        if firmware:
            work = {"firmware": {"packageId": (await ask(PACKAGE))["createFirmwarePackage"]["id"]}}
        await ask(CREATE, input={"name": "fleet", "filter": {"nameContains": "fleet-"}, **work})


if __name__ == "__main__":
    main()
