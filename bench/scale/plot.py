"""A plot of a long history in the dashboard: the time from a click to the drawn plot, in Chromium.

The clicks choose ranges, and drag over the plot to zoom. Each round is the page of another endpoint. A plot is drawn
when the browser has painted the frame with the data of the chosen range. The server's part is the time of its response.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from app.domain.enums import SECOND
from bench.devices import names, provision
from bench.measuring import share
from bench.scale.common import Measured, options, run
from bench.scale.readings import aggregate, fill, history_options
from bench.site import Site, site
from tests.support.browser import CHROMIUM_FLAGS

NO_LESHAN: Final = "http://127.0.0.1:9"
"""No operation is created: Leshan is never called."""

_READY: Final = """() => document.querySelector('figure[aria-busy="false"] .u-over')
    && document.querySelector('figure table tbody tr')"""
_MEASURE: Final = """
async (action) => {
    const figure = document.querySelector('figure[aria-label="Plot"]');
    performance.clearResourceTimings();
    let started;
    const drawn = new Promise((resolve) => {
        let reading = false;
        const observer = new MutationObserver(() => {
            if (figure.getAttribute('aria-busy') === 'true') reading = true;
            else if (reading) {
                observer.disconnect();
                requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
            }
        });
        observer.observe(figure, { attributeFilter: ['aria-busy'] });
    });
    if (action === 'zoom') {
        const plot = document.querySelector('.u-over');
        const { left, top, width, height } = plot.getBoundingClientRect();
        const send = (target, type, part, buttons) => target.dispatchEvent(new MouseEvent(type, {
            bubbles: true, button: 0, buttons, clientX: left + width * part, clientY: top + height / 2, view: window,
            movementX: 5,
        }));
        send(plot, 'mousemove', 0.4, 0);
        send(plot, 'mousedown', 0.4, 1);
        for (const part of [0.45, 0.5, 0.55, 0.6]) send(plot, 'mousemove', part, 1);
        started = performance.now();
        send(plot, 'mouseup', 0.6, 0);
    } else {
        const button = [...document.querySelectorAll('.range button')].find((one) => one.textContent === action);
        started = performance.now();
        button.click();
    }
    const ended = await drawn;
    const request = performance.getEntriesByType('resource')
        .find(({ name, startTime }) => name.endsWith('/graphql') && startTime >= started);
    return [ended - started, request.responseEnd - request.requestStart];
}
"""

_ACTIONS: Final = {
    "click on 30 d": "30 d",
    "zoom into a fifth of 30 d": "zoom",
    "click on 7 d": "7 d",
    "click on 24 h": "24 h",
    "zoom into a fifth of 24 h": "zoom",
    "click on 1 h": "1 h",
}


def main() -> None:
    """Fill, aggregate, click and report."""
    parser = options("bench.scale.plot", __doc__)
    history_options(parser)
    parser.add_argument("--rounds", type=int, default=100, help="clicks of each kind")
    arguments = parser.parse_args()
    count = arguments.endpoints * arguments.readings
    run(_measure(arguments), f"Plots of {count:,} readings of {arguments.endpoints:,} endpoints, {arguments.database}")


async def _measure(arguments: argparse.Namespace) -> list[Measured]:
    devices = names("device", arguments.endpoints)
    async with site(arguments.database) as system:
        await provision(system.ledger, devices)
        now = time.time_ns() // 1000
        await fill(system, arguments, now - arguments.readings * arguments.seconds * SECOND, now)
        await aggregate(system, arguments.endpoints * arguments.readings)
        async with _page(system) as (page, url):
            times: dict[str, list[tuple[float, float]]] = {what: [] for what in _ACTIONS}
            for number in range(arguments.rounds):
                await page.goto(f"{url}/#/endpoint/{devices[number % len(devices)]}")
                await page.reload()
                await page.wait_for_function(_READY)
                for what, action in _ACTIONS.items():
                    times[what].append(await page.evaluate(_MEASURE, action))
    return [figure for what, pairs in times.items() for figure in _figures(what, pairs)]


@asynccontextmanager
async def _page(system: Site) -> AsyncIterator[tuple[Page, str]]:
    """Start the API and Chromium; yield a page, and the address of the dashboard."""
    process = system.processes.start("serve" if system.kind == "sqlite" else "api", **system.settings(NO_LESHAN))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        yield await browser.new_page(viewport={"width": 1400, "height": 900}), process.url
        await browser.close()


def _figures(what: str, pairs: list[Any]) -> list[Measured]:
    drawn, server = (sorted(column) for column in zip(*pairs, strict=True))
    return [
        (f"{what}, to drawn: median", share(drawn, 0.5), "ms"),
        (f"{what}, to drawn: p95", share(drawn, 0.95), "ms"),
        (f"{what}, server: median", share(server, 0.5), "ms"),
        (f"{what}, server: p95", share(server, 0.95), "ms"),
    ]


if __name__ == "__main__":
    main()
