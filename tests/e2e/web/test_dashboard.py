"""The dashboard at ``/``: its frame, its addresses, and what it loads."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.support.api import Api, write
from tests.support.browser import Watched, provision

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

IS_TOO_WIDE = "element => element.scrollWidth > element.clientWidth"


async def test_an_operation_is_listed_with_what_it_waits_for(watched: Watched, api: Api) -> None:
    name = await provision(api)
    await api.create(write(name, "/5/0/1", f"https://url.com/{uuid4().hex}"))
    page = watched.page
    await page.goto(f"{api.url}/#/operations?endpoint={name}")
    row = page.get_by_role("row").filter(has_text=name)
    await expect(row).to_contain_text("WRITE /5/0/1")
    await expect(row).to_contain_text("Waits until the device wakes")
    await expect(page).to_have_title("Operations - Reveille")
    assert watched.complaints == []


async def test_a_page_that_does_not_arrive_leaves_the_navigation(watched: Watched, api: Api) -> None:
    page = watched.page
    await page.goto(f"{api.url}/#/fleet")
    await expect(page.get_by_role("heading", level=1, name="Fleet")).to_be_visible()
    await page.route("**/assets/rules-*.js", lambda route: route.abort())
    await page.get_by_role("link", name="Rules").click()
    alert = page.get_by_role("alert").filter(has_text="This page could not be loaded.")
    await expect(alert).to_be_visible()
    await page.get_by_role("link", name="Fleet").click()
    await expect(page.get_by_role("heading", level=1, name="Fleet")).to_be_visible()
    await page.unroute_all()
    await page.get_by_role("link", name="Rules").click()
    rules = page.get_by_role("heading", level=1, name="Rules")
    await expect(rules.or_(alert)).to_be_visible()
    if await alert.is_visible():  # the browser may remember that the file did not arrive
        await alert.get_by_role("button", name="Reload").click()
    await expect(rules).to_be_visible()


async def test_a_long_name_does_not_widen_the_page_of_a_phone(watched: Watched, api: Api) -> None:
    name = await provision(api, "n" * 200)
    page = watched.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"{api.url}/#/endpoint/{name}")
    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    assert await page.locator("main").evaluate(IS_TOO_WIDE) is False
    await page.get_by_role("button", name="New operation").click()
    dialog = page.get_by_role("dialog", name="New operation")
    await expect(dialog.get_by_text(name)).to_be_visible()
    assert await dialog.evaluate(IS_TOO_WIDE) is False
    (operation,) = await api.create(write(name, "/5/0/1", f"https://url.com/{uuid4().hex}"))
    await page.goto(f"{api.url}/#/operations/{operation}")
    await expect(page.get_by_role("link", name=name)).to_be_visible()
    assert await page.locator("main").evaluate(IS_TOO_WIDE) is False
    assert watched.complaints == []
