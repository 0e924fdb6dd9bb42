"""Access in the dashboard: log-in, roles, tokens and the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.browser import BOUND_MS
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Command

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

ADMIN: Final = "the-token-of-the-administrator"
VIEWER: Final = "the-token-of-the-viewer"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a server that requires tokens."""
    with processes_in(tmp_path_factory.mktemp("access"), Command()) as group:
        database = f"sqlite://{group.folder / 'reveille.db'}"
        yield group.start("serve", database_url=database, auth=f"chief:admin:{ADMIN},watch:viewer:{VIEWER}").url


@pytest_asyncio.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page whose console may have errors: requests with a refused token are answered by 401."""
    context = await chromium.new_context(viewport={"width": 1300, "height": 800})
    context.set_default_timeout(BOUND_MS)
    yield await context.new_page()
    await context.close()


async def log_in(page: Page, token: str) -> None:
    await page.get_by_label("Access token").fill(token)
    await page.get_by_role("button", name="Log in").click()


async def test_a_refused_token_is_reported_and_another_one_accepted(page: Page, url: str) -> None:
    await page.goto(url)
    await log_in(page, "a-token-that-nobody-has")
    await expect(page.get_by_role("alert")).to_contain_text("The server refused the token")
    await log_in(page, VIEWER)
    await expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Access token")).to_be_visible()


async def test_a_viewer_has_no_pages_of_administrators(page: Page, url: str) -> None:
    await page.goto(url)
    await log_in(page, VIEWER)
    pages = page.get_by_role("navigation", name="Pages")
    await expect(pages.get_by_role("link", name="Fleet")).to_be_visible()
    await expect(pages.get_by_role("link", name="Tokens")).to_have_count(0)
    await expect(pages.get_by_role("link", name="Audit")).to_have_count(0)
    await page.goto(f"{url}/#/tokens")
    await expect(page.get_by_role("heading", level=1, name="Tokens")).to_be_visible()
    await expect(page.get_by_role("button", name="New token")).to_have_count(0)


async def test_a_token_is_created_used_and_revoked(page: Page, url: str, chromium: Browser) -> None:
    await page.goto(f"{url}/#/tokens")
    await log_in(page, ADMIN)
    await page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    await form.get_by_label("Name of the bearer").fill("night shift")
    await form.get_by_label("Role").select_option("OPERATOR")
    await form.get_by_role("button", name="Create").click()
    created = page.get_by_role("dialog", name="Token created")
    secret = await created.get_by_label("Secret").input_value()
    await created.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name="night shift")
    await expect(row).to_contain_text("OPERATOR")

    context = await chromium.new_context()
    other = await context.new_page()
    await other.goto(f"{url}/#/operations")
    await log_in(other, secret)
    await expect(other.get_by_text("night shift")).to_be_visible()
    await expect(other.get_by_role("status").filter(has_text="Live")).to_be_visible()

    await row.get_by_role("button", name="Revoke night shift").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("REVOKED")
    await expect(other.get_by_role("alert")).to_contain_text("The server refused the token", timeout=BOUND_MS)
    await context.close()

    await page.get_by_role("link", name="Audit").click()
    await expect(page.get_by_role("row").filter(has_text="revokeApiToken")).to_contain_text("chief")


async def test_the_first_token_ends_open_access_and_the_page_continues_with_it(page: Page, own_url: str) -> None:
    await page.goto(f"{own_url}/#/tokens")
    await page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    await form.get_by_label("Name of the bearer").fill("chief")
    await form.get_by_label("Role").select_option("VIEWER")
    await form.get_by_role("button", name="Create").click()
    await expect(form.get_by_role("alert")).to_contain_text("ADMIN")
    await form.get_by_label("Role").select_option("ADMIN")
    await form.get_by_role("button", name="Create").click()
    created = page.get_by_role("dialog", name="Token created")
    await expect(created).to_contain_text("This tab uses it from now on")
    await created.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("row", name="chief")).to_contain_text("VALID")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    await page.get_by_role("button", name="New token").click()
    await form.get_by_label("Name of the bearer").fill("guest")
    await form.get_by_label("Role").select_option("VIEWER")
    await form.get_by_role("button", name="Create").click()
    await expect(created.get_by_label("Secret")).to_be_visible()
    await expect(created).not_to_contain_text("This tab uses it")
    await created.get_by_role("button", name="Done").click()
    await page.reload()
    await expect(page.get_by_role("row", name="chief ADMIN")).to_contain_text("VALID")


@pytest.fixture
def own_url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a server of this test, with open access."""
    with processes_in(tmp_path_factory.mktemp("open")) as group:
        yield group.start("serve", database_url=f"sqlite://{group.folder / 'reveille.db'}").url
