"""The history on the dashboard's page of an endpoint: plots, gaps, zoom, export, and lists of texts.

Events come by webhook here, so that the tests report readings with times of their own.
"""

from __future__ import annotations

import csv
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.support.api import Api
from tests.support.api import api as client
from tests.support.browser import Watched, provision
from tests.support.process_fixtures import ProcessesIn
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

TEMPERATURE = "/3303/0/5700"
UNIT = "/3303/0/5701"
MINUTE = 60_000


@pytest.fixture(scope="module")
def webhook_url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a server to which events are posted."""
    with processes_in(tmp_path_factory.mktemp("history")) as group:
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'r.db'}", leshan_events="webhook").url


@pytest_asyncio.fixture
async def api(webhook_url: str) -> AsyncIterator[Api]:
    async with client(webhook_url) as one:
        yield one


def number(value: float) -> dict[str, Any]:
    return {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": str(value)}


def text(value: str) -> dict[str, Any]:
    return {"kind": "singleResource", "id": 5701, "type": "STRING", "value": value}


async def report(api: Api, name: str, samples: dict[int, dict[str, Any]]) -> None:
    """Report nodes by their times in milliseconds, as one Send, and wait until they are stored."""
    listed = [{"time": at, "val": nodes} for at, nodes in samples.items()]
    body = {"event": "SEND", "data": {"ep": name, "val": listed[-1]["val"], "samples": listed}}
    answer = await api.http.post("/leshan/events", json=body)
    assert answer.status_code == 202, answer.text
    query = "query ($name: String!) { readings(endpoint: $name, first: 200) { edges { node { at } } } }"

    async def stored() -> bool:
        return len((await api.ask(query, name=name))["readings"]["edges"]) >= len(samples)

    await eventually(stored, "the readings are stored")


async def open_endpoint(page: Page, api: Api, name: str) -> Locator:
    """Open the page, which plots the only number; return the table of the plot."""
    await page.goto(f"{api.url}/#/endpoint/{name}")
    await page.get_by_text("Latest values as a table").click()
    return page.get_by_role("table", name="Latest values of the plot")


def now() -> int:
    return time.time_ns() // 1_000_000


async def test_a_plot_shows_values_and_gaps_and_appends_what_is_reported(watched: Watched, api: Api) -> None:
    name, page, end = await provision(api, "plot"), watched.page, now()
    minutes = [*range(40, 30, -1), *range(10, 1, -1)]
    await report(api, name, {end - minute * MINUTE: {TEMPERATURE: number(minute / 2)} for minute in minutes})
    rows = (await open_endpoint(page, api, name)).get_by_role("row")
    await expect(rows).to_have_count(1 + len(minutes) + 1)
    await expect(rows.nth(10)).to_contain_text("no readings")
    await expect(rows.nth(1)).to_contain_text("1")
    await report(api, name, {end - MINUTE: {TEMPERATURE: number(77.25)}})
    await expect(rows.nth(1)).to_contain_text("77.25")
    await expect(page.get_by_role("listitem").filter(has_text=TEMPERATURE).first).to_contain_text("77.25")
    assert watched.complaints == []


async def test_a_range_is_zoomed_by_dragging_and_by_the_keyboard(watched: Watched, api: Api) -> None:
    name, page, end = await provision(api, "zoom"), watched.page, now()
    readings = {end - minute * MINUTE: {TEMPERATURE: number(minute)} for minute in range(170, 1, -1)}
    await report(api, name, readings)
    table = await open_endpoint(page, api, name)
    rows = table.get_by_role("row")
    await page.get_by_role("button", name="24 h").click()
    await expect(table).to_contain_text(re.compile(r"[45] readings"))  # in an interval of 288 s
    await page.get_by_role("button", name="1 h", exact=True).click()
    await expect(table).not_to_contain_text("readings")
    box = await page.locator(".plot .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=5)
    await page.mouse.up()
    newest = rows.nth(1).get_by_role("cell").nth(1)
    await expect(newest).to_have_text(re.compile(r"^3\d$"))  # half an hour ago
    zoomed = await rows.count()
    await page.get_by_role("button", name="Zoom out").focus()
    await page.keyboard.press("Enter")
    await expect(rows).not_to_have_count(zoomed)
    await page.get_by_role("button", name="Up to now").press("Enter")
    await expect(newest).to_have_text("2")
    assert watched.complaints == []


async def test_the_readings_of_the_range_are_exported_as_csv(watched: Watched, api: Api) -> None:
    name, page, end = await provision(api, "export"), watched.page, now()
    await report(
        api, name, {end - minute * MINUTE: {TEMPERATURE: number(minute), UNIT: text("Cel")} for minute in (300, 20, 10)}
    )
    await open_endpoint(page, api, name)
    async with page.expect_download() as started:
        await page.get_by_role("button", name="CSV").click()
    download = await started.value
    assert download.suggested_filename == f"{name}.csv"
    rows = list(csv.DictReader((await download.path()).read_text().splitlines()))
    assert [(row["path"], float(row["value"])) for row in rows] == [(TEMPERATURE, 20), (TEMPERATURE, 10)]
    assert watched.complaints == []


async def test_readings_of_a_text_are_a_list(watched: Watched, api: Api) -> None:
    name, page, end = await provision(api, "text"), watched.page, now()
    await report(
        api, name, {end - 2 * MINUTE: {UNIT: text("Far")}, end - MINUTE: {UNIT: text("Cel"), TEMPERATURE: number(1)}}
    )
    await open_endpoint(page, api, name)
    await page.get_by_role("button", name=re.compile("^History of .*5701")).click()
    rows = page.get_by_role("table", name=re.compile("^Readings of")).get_by_role("row")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("Cel")
    unit = f"unit-{uuid4().hex[:8]}"
    await report(api, name, {end: {UNIT: text(unit)}})
    await expect(rows.nth(1)).to_contain_text(unit)
    assert watched.complaints == []
