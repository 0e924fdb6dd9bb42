"""The dashboard at ``/``: its frame, its addresses, and what it loads."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.support.api import Api, write
from tests.support.browser import Watched, provision

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]


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
