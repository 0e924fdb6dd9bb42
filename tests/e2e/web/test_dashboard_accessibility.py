"""Every page and dialog of the dashboard: axe's rules of WCAG 2.1 A and AA, narrow screens, keyboard, screenshots."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.conftest import missing
from tests.support.api import Api, write
from tests.support.browser import BOUND_MS
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

AXE: Final = ROOT / "frontend-examples" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PAGES: Final = {
    "overview": "",
    "operations": "operations",
    "fleet": "fleet",
    "endpoint": "endpoint/dev-0001",
    "rules": "rules",
    "firmware": "firmware",
    "campaigns": "campaigns",
    "tokens": "tokens",
    "audit": "audit",
}
DIALOGS: Final = {
    "pause": ("operations", "Pause dispatch…"),
    "operation": ("endpoint/dev-0001", "New operation"),
    "rule": ("rules", "New rule"),
    "package": ("firmware", "New package"),
    "campaign": ("campaigns", "New campaign"),
    "token": ("tokens", "New token"),
    "provision": ("fleet", "Provision an endpoint…"),
}
DESKTOP: Final = (1300, 800)
PHONE: Final = (390, 844)
PREPARE: Final = """
mutation {
  createObservationRule(input: {name: "temperature", filter: {}, paths: ["/3303/*/5700"]}) { id }
  createFirmwarePackage(input: {name: "meter", version: "2.0.0", uri: "http://198.51.100.7/fw?version=2.0.0"}) { id }
  createCampaign(input: {name: "clocks", filter: {}, operations: [{kind: READ, path: "/3/0/13"}]}) { id }
  tagEndpoints(filter: {nameContains: "dev-000"}, add: ["site:north"])
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a server of these tests alone, whose devices work."""
    with processes_in(tmp_path_factory.mktemp("pages")) as group:
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'reveille.db'}").url


@pytest_asyncio.fixture(scope="module")
async def prepared(url: str) -> str:
    """The address, once every page has something to show."""
    client = Api.at(url)
    async with client.http:
        await client.ask(PREPARE)
        for number in range(4):
            await client.create(write(f"dev-000{number}", "/5/0/1", "https://url.com/fw.bin"))
        await client.ask('mutation { provisionEndpoint(name: "never-seen") { name } }')
        await client.create(write("never-seen", "/5/0/1", "https://url.com/fw.bin"))
    return url


async def opened(browser: Browser, size: tuple[int, int], scheme: Any = "light") -> Page:
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(BOUND_MS)
    return await context.new_page()


async def show(page: Page, url: str, address: str) -> None:
    """Open a page of the dashboard, and wait until it has its data."""
    await page.goto(f"{url}/#/{address}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.wait_for_load_state("networkidle")


async def violations(page: Page) -> Sequence[str]:
    """Return what axe finds, one text for each element."""
    if not AXE.exists():
        missing("axe-core, which npm installs: make dashboard")
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("(rules) => axe.run(document, { runOnly: rules })", RULES)
    return [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]]


@pytest_asyncio.fixture(params=["light", "dark"])
async def page(chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    made = await opened(chromium, DESKTOP, request.param)
    yield made
    await made.context.close()


@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
async def test_no_page_violates_a_rule_of_axe(page: Page, prepared: str, address: str) -> None:
    await show(page, prepared, address)
    assert await violations(page) == []


@pytest.mark.parametrize(("address", "button"), DIALOGS.values(), ids=DIALOGS)
async def test_no_dialog_violates_a_rule_of_axe(page: Page, prepared: str, address: str, button: str) -> None:
    await show(page, prepared, address)
    await page.get_by_role("button", name=button, exact=True).click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("button", name=button, exact=True)).to_be_focused()


@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
async def test_no_page_is_wider_than_a_phone(chromium: Browser, prepared: str, address: str) -> None:
    page = await opened(chromium, PHONE)
    await show(page, prepared, address)
    widths = "[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth, innerWidth]"
    document, main, screen = await page.evaluate(widths)
    assert max(document, main) <= screen
    current = page.get_by_role("navigation", name="Pages").locator("[aria-current]")
    if await current.count():
        await expect(current).to_be_in_viewport(ratio=0.95)
    assert await violations(page) == []
    await page.context.close()


async def test_an_operation_is_created_and_canceled_by_keyboard_alone(chromium: Browser, prepared: str) -> None:
    page = await opened(chromium, DESKTOP)
    await page.goto(prepared)
    await expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()

    async def go_to(name: str, role: Any = "button", *, exact: bool = True) -> None:
        target = page.get_by_role(role, name=name, exact=exact).first
        await expect(target).to_be_visible()
        for _ in range(200):
            if await target.evaluate("(element) => element === document.activeElement"):
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"{role} {name!r} is not reached by Tab")

    await go_to("Fleet", "link")
    await page.keyboard.press("Enter")
    await go_to("Name contains", "searchbox")
    await page.keyboard.type("never-seen")
    await expect(page.get_by_text("1 endpoint matches")).to_be_visible()
    await go_to("never-seen", "link")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("never-seen")
    await go_to("New operation")
    await page.keyboard.press("Enter")
    await go_to("Path", "textbox")
    await page.keyboard.type("/3/0/15")
    await go_to("Value", "textbox", exact=False)
    await page.keyboard.type("Europe/Berlin")
    await go_to("Create")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Operation created")).to_be_visible()
    await page.keyboard.press("Escape")
    operation = page.get_by_role("link", name="WRITE /3/0/15").first
    await expect(operation).to_be_visible()
    await go_to("WRITE /3/0/15", "link")
    await page.keyboard.press("Enter")
    await go_to("Cancel WRITE /3/0/15 of never-seen")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("CANCELED").first).to_be_visible()
    await page.context.close()


SHOTS: Final = {
    "overview": ("", DESKTOP, "light"),
    "fleet": ("fleet", DESKTOP, "light"),
    "endpoint-dark": ("endpoint/dev-0001", DESKTOP, "dark"),
    "operations-phone": ("operations", PHONE, "light"),
}


@pytest.mark.parametrize("name", SHOTS)
async def test_screenshots_of_the_readme(chromium: Browser, prepared: str, name: str, tmp_path: Path) -> None:
    """Written to the folder ``REVEILLE_SCREENSHOTS``, if it is set (`make screenshots`)."""
    address, size, scheme = SHOTS[name]
    page = await opened(chromium, size, scheme)
    await show(page, prepared, address)
    file = Path(os.environ.get("REVEILLE_SCREENSHOTS", tmp_path)) / f"{name}.png"
    assert len(await page.screenshot(path=file)) > 10_000, "the page is not empty"
    await page.context.close()
