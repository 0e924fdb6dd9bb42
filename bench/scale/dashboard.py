"""The dashboard's fleet page in headless Chromium, with very many endpoints and a constant rate of changes, beside the
page that needs no build: longest task, frame times, growth of the heap, and bytes of the first load."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from bench.events import update
from bench.filling import fill
from bench.measuring import share
from bench.scale.common import Measured, options, run
from bench.site import Site, fake_leshan, site
from tests.support.browser import CHROMIUM_FLAGS

TICKS_PER_SECOND: Final = 10
PRESENCES_PER_TICK: Final = 7
"""Beside them one operation is created in each tick, which makes three transitions."""
AWAKE: Final = 20
"""Endpoints that are always awake, for the operations."""
SETTLED_SECONDS: Final = 5.0
WARM_SECONDS: Final = 45.0
"""Time before the heap is measured, in which the browser compiles what is executed often: 0.7 MiB of machine code."""
SCROLLED_SECONDS: Final = 10.0
PAGES: Final = {"dashboard": "/#/fleet", "plain-html": "/plain-html/"}
ASLEEP: Final = """
    UPDATE endpoint SET presence = 'ASLEEP', told_presence = 'ASLEEP', awake_until = NULL, ready_at = NULL
    WHERE name NOT IN ({awake})
"""
CHANGES: Final = "SELECT (SELECT count(*) FROM transition) + (SELECT count(*) FROM presence_change)"
CREATE: Final = """
mutation ($name: String!) {
  createDeviceOperation(input: {endpoint: $name, path: "/5/0/1", value: {string: "https://url.com/fw.bin"}}) { created }
}"""
WATCH: Final = """
window.bench = { tasks: [], frames: [] };
new PerformanceObserver((list) => bench.tasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });
let last = 0;
requestAnimationFrame(function frame(now) {
  if (last) bench.frames.push(now - last);
  last = now;
  requestAnimationFrame(frame);
});
"""


def main() -> None:
    """Fill, serve, change, watch both pages, and report."""
    parser = options("bench.scale.dashboard", __doc__)
    parser.add_argument("--endpoints", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="for which each page is watched")
    parser.add_argument("--page", choices=list(PAGES), help="watch this one alone")
    arguments = parser.parse_args()
    run(_measure(arguments), f"{arguments.endpoints:,} endpoints, {arguments.minutes:g} minutes, {arguments.database}")


async def _measure(arguments: argparse.Namespace) -> list[Measured]:
    names = sorted(f"dev-{number}" for number in range(1, arguments.endpoints + 1))
    async with fake_leshan() as leshan, site(arguments.database) as system:
        await fill(system.reader, "dev", arguments.endpoints, 0)
        await system.reader.execute(ASLEEP.format(awake=", ".join(f"'{name}'" for name in names[:AWAKE])))
        await system.run(leshan, web=True)
        figures: list[Measured] = []
        async with _changing(system, names), _chromium() as browser:
            for title in [arguments.page] if arguments.page else PAGES:
                figures += await _watched(system, browser, title, PAGES[title], arguments.minutes * 60)
        return figures


@asynccontextmanager
async def _changing(system: Site, names: list[str]) -> AsyncIterator[None]:
    """Change endpoints at a constant rate: every second one is among the first 200 of the list."""
    changing = asyncio.create_task(_change(system, names))
    try:
        yield
    finally:
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)


async def _change(system: Site, names: list[str]) -> None:
    assert system.web is not None
    url = system.web.url
    events = itertools.chain.from_iterable(zip(_presences(names[AWAKE:200]), _presences(names[200::97]), strict=True))
    awake = itertools.cycle(names[:AWAKE])
    open_ticks = asyncio.Semaphore(TICKS_PER_SECOND)
    due = asyncio.get_running_loop().time()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as ticks:
        while True:
            async with open_ticks:
                body = orjson.dumps(list(itertools.islice(events, PRESENCES_PER_TICK)))
                create = {"query": CREATE, "variables": {"name": next(awake)}}
                ticks.create_task(_tick(session, open_ticks, url, body, create))
            due += 1 / TICKS_PER_SECOND
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


async def _tick(
    session: aiohttp.ClientSession, open_ticks: asyncio.Semaphore, url: str, body: bytes, create: dict[str, Any]
) -> None:
    async with open_ticks:
        async with session.post(f"{url}/leshan/events", data=body) as answer:
            answer.raise_for_status()
        async with session.post(f"{url}/graphql", json=create) as answer:
            answer.raise_for_status()


def _presences(names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield events that register each endpoint in turn, then events that end each registration, without end. Each
    registration has its own id: a REGISTRATION with that of an ended one came late and has no effect, as SLEEPING by
    the webhook has none, whose events have no order."""
    for number in itertools.count():
        for kind in ("REGISTRATION", "DEREGISTRATION"):
            for name in names:
                now = time.time_ns() // 1_000_000
                own = {"registrationId": f"r-{name}-{number}", "registrationDate": now, "lastUpdate": now}
                yield {"event": kind, "data": update(name, 0)["data"]["registration"] | own}


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("Chromium is needed: apt-get install chromium fonts-dejavu-core")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


async def _watched(system: Site, browser: Browser, title: str, path: str, seconds: float) -> list[Measured]:
    assert system.web is not None
    page = await browser.new_page(viewport={"width": 1400, "height": 900})
    await page.add_init_script(WATCH)
    devtools = await page.context.new_cdp_session(page)
    loaded = await _counted(devtools)
    await page.goto(f"{system.web.url}{path}")
    await page.get_by_text("dev-1", exact=True).first.wait_for()
    await asyncio.sleep(SETTLED_SECONDS)
    files, data = loaded["files"], loaded["data"]
    load, _ = await _taken(page)
    await asyncio.sleep(WARM_SECONDS)
    heap, before, cpu = await _heap(devtools), await system.one(CHANGES), await _cpu(devtools)
    await _taken(page)
    await asyncio.sleep(seconds)
    tasks, frames = await _taken(page)
    cpu = await _cpu(devtools) - cpu
    changes = await system.one(CHANGES) - before
    grown = await _heap(devtools) / heap
    await _taken(page)
    await _scrolled(page)
    scrolled = await _taken(page)
    await page.close()
    return [
        (f"{title}: first load, files, compressed", files / 1024, "KiB"),
        (f"{title}: first load, data", data / 1024, "KiB"),
        (f"{title}: longest task of the load", max(load, default=0.0), "ms"),
        (f"{title}: changes a second", changes / seconds, "/s"),
        (f"{title}: longest task", max(tasks, default=0.0), "ms (0: below 50)"),
        (f"{title}: time between frames, p95", share(frames, 0.95), "ms"),
        (f"{title}: CPU of the page's thread", cpu / seconds * 100, "% of a core"),
        (f"{title}: heap at the begin", heap / 1024**2, "MiB"),
        (f"{title}: heap at the end", (grown - 1) * 100, "% more"),
        (f"{title}: longest task while scrolling", max(scrolled[0], default=0.0), "ms (0: below 50)"),
        (f"{title}: time between frames while scrolling, p95", share(scrolled[1], 0.95), "ms"),
    ]


async def _counted(devtools: CDPSession) -> dict[str, float]:
    """Return a count of the bytes that arrive: those of GraphQL as data, all others as files."""
    counts = {"files": 0.0, "data": 0.0}
    kinds: dict[str, str] = {}

    def response(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = "data" if event["response"]["url"].endswith("/graphql") else "files"

    def finished(event: dict[str, Any]) -> None:
        counts[kinds.get(event["requestId"], "files")] += event["encodedDataLength"]

    devtools.on("Network.responseReceived", response)
    devtools.on("Network.loadingFinished", finished)
    await devtools.send("Network.enable")
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    return counts


async def _cpu(devtools: CDPSession) -> float:
    """Return the seconds of CPU that the page's tasks used."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


async def _taken(page: Page) -> tuple[list[float], list[float]]:
    """Return the durations of long tasks, and the times between frames, since the last call, in ms."""
    found = await page.evaluate("[bench.tasks.splice(0), bench.frames.splice(0)]")
    return found[0], found[1]


async def _heap(devtools: CDPSession) -> float:
    """Return the bytes that the page's scripts use, without garbage."""
    await devtools.send("HeapProfiler.collectGarbage")
    return float((await devtools.send("Runtime.getHeapUsage"))["usedSize"])


async def _scrolled(page: Page) -> None:
    """Scroll through the list at a hundred rows a second."""
    await page.mouse.move(700, 600)
    end = asyncio.get_running_loop().time() + SCROLLED_SECONDS
    while asyncio.get_running_loop().time() < end:
        await page.mouse.wheel(0, 200)
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
