"""The dashboard's fleet page: filters in the address, live rows, selection, tags, deletion."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.api import Api, write
from tests.support.browser import Watched, provision

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

TAGS = "query ($name: String!) { endpoint(name: $name) { tags } }"
PROVISION = "mutation ($name: String!) { provisionEndpoint(name: $name) { name } }"


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


async def test_filters_are_in_the_address(watched: Watched, api: Api) -> None:
    group, page = uuid4().hex[:8], watched.page
    waiting, idle = await provision(api, f"{group}-w"), await provision(api, f"{group}-i")
    await api.create(write(waiting, "/5/0/1", "https://url.com/fw.bin"))
    await page.goto(f"{api.url}/#/fleet")
    await page.get_by_role("searchbox", name="Name contains").fill(group)
    await expect(page.get_by_text("2 endpoints match")).to_be_visible()
    await page.get_by_role("button", name="Pending operations").click()
    await expect(page.get_by_text("1 endpoint matches")).to_be_visible()
    await expect(row(page, waiting)).to_be_visible()
    await expect(row(page, idle)).to_have_count(0)
    await expect(page).to_have_url(f"{api.url}/#/fleet?nameContains={group}&hasPending=true")
    await page.reload()
    await expect(page.get_by_role("searchbox", name="Name contains")).to_have_value(group)
    await expect(page.get_by_role("button", name="Pending operations")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="OFFLINE", exact=True).click()
    await expect(page.get_by_text("1 endpoint matches")).to_be_visible()
    await page.get_by_role("button", name="Reset").click()
    await expect(page).to_have_url(f"{api.url}/#/fleet")
    assert watched.complaints == []


async def test_pending_operations_and_new_endpoints_appear_by_themselves(watched: Watched, api: Api) -> None:
    group, page = uuid4().hex[:8], watched.page
    name = await provision(api, group)
    await page.goto(f"{api.url}/#/fleet?nameContains={group}")
    await expect(row(page, name)).to_contain_text("OFFLINE")
    await api.create(write(name, "/5/0/1", "https://url.com/fw.bin"))
    await expect(row(page, name).get_by_role("link", name="1", exact=True)).to_be_visible()
    second = await provision(api, group)
    await api.create(write(second, "/5/0/1", "https://url.com/fw.bin"))
    await expect(row(page, second)).to_be_visible()
    await expect(page.get_by_text("2 endpoints match")).to_be_visible()
    assert watched.complaints == []


async def test_the_presence_of_a_device_changes_in_its_row(watched: Watched, api: Api) -> None:
    page = watched.page
    await page.goto(f"{api.url}/#/fleet?nameContains=dev-0005")
    await expect(row(page, "dev-0005")).to_contain_text("ONLINE")
    await expect(row(page, "dev-0005")).to_contain_text("ASLEEP")
    await expect(row(page, "dev-0005")).to_contain_text("ONLINE")
    assert watched.complaints == []


async def test_tags_of_all_that_match_are_changed(watched: Watched, api: Api) -> None:
    group, page = uuid4().hex[:8], watched.page
    names = [await provision(api, group) for _ in range(3)]
    await page.goto(f"{api.url}/#/fleet?nameContains={group}")
    await page.get_by_role("button", name="Select all 3 that match").click()
    await expect(page.get_by_text("All 3 that match are selected")).to_be_visible()
    await page.get_by_role("button", name="Tags").click()
    dialog = page.get_by_role("dialog", name="Change tags")
    await dialog.get_by_label("Add").fill("site:north, model:x1")
    added = await provision(api, group)
    await dialog.get_by_role("button", name="Change 3 endpoints").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("4 endpoints")
    await dialog.get_by_role("button", name="Change 4 endpoints").click()
    await expect(dialog).to_have_count(0)
    await expect(row(page, names[0])).to_contain_text("site:north")
    for name in [*names, added]:
        assert (await api.ask(TAGS, name=name))["endpoint"]["tags"] == ["model:x1", "site:north"]
    await row(page, names[0]).get_by_role("link", name="model:x1").click()
    await expect(page.get_by_role("button", name="Remove the filter by tag model:x1")).to_be_visible()
    assert watched.complaints == []


async def test_the_tags_of_one_endpoint_are_removed(watched: Watched, api: Api) -> None:
    name, page = await provision(api), watched.page
    await api.ask(
        'mutation ($name: String!) { tagEndpoints(filter: {names: [$name]}, add: ["old", "kept"]) }', name=name
    )
    await page.goto(f"{api.url}/#/fleet?nameContains={name}")
    await page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    await page.get_by_role("button", name="Tags").click()
    dialog = page.get_by_role("dialog", name="Change tags")
    await dialog.get_by_label("Remove").fill("old")
    await dialog.get_by_role("button", name="Change 1 endpoint").click()
    await expect(row(page, name).get_by_role("link", name="old")).to_have_count(0)
    assert (await api.ask(TAGS, name=name))["endpoint"]["tags"] == ["kept"]
    assert watched.complaints == []


async def test_an_endpoint_with_an_unusual_name_is_listed_and_opened(watched: Watched, api: Api) -> None:
    name, page = f"a/b%2Fc#d<b>x</b>{uuid4().hex[:8]}", watched.page
    await page.goto(f"{api.url}/#/fleet")
    await page.get_by_role("button", name="Provision an endpoint").click()
    await page.get_by_role("dialog").get_by_label("Endpoint client name").fill(name)
    await page.get_by_role("dialog").get_by_role("button", name="Provision").click()
    await expect(page.get_by_role("status").get_by_role("link", name=name)).to_be_visible()
    await page.get_by_role("searchbox", name="Name contains").fill(name)
    await expect(page.get_by_text("1 endpoint matches")).to_be_visible()
    assert await page.locator("b", has_text="x").count() == 0
    await page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await form.get_by_role("textbox", name="Path", exact=True).fill("/5/0/1")
    await form.get_by_role("textbox", name="Value", exact=True).fill("https://url.com/fw.bin")
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("dialog", name="Operation created")).to_contain_text("QUEUED")
    await page.keyboard.press("Escape")
    await page.get_by_role("table").get_by_role("link", name=name).click()
    await expect(page).to_have_url(f"{api.url}/#/endpoint/{quote(name, safe='')}")
    assert watched.complaints == []


async def test_deleting_an_endpoint_states_what_it_means(watched: Watched, api: Api) -> None:
    name, page = await provision(api), watched.page
    await page.goto(f"{api.url}/#/fleet?nameContains={name}")
    await page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    await page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete the endpoint?")
    await expect(dialog).to_contain_text("Its queued operations are canceled")
    await dialog.get_by_role("button", name="Delete 1 endpoint").click()
    await expect(page.get_by_text("No endpoint matches.")).to_be_visible()
    assert (await api.ask(TAGS, name=name))["endpoint"] is None
    assert watched.complaints == []
