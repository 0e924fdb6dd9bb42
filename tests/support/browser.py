"""Headless Chromium for tests of the web pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from app.schema.trusted_documents import SHIPPED, TrustedDocuments
from tests.support.api import Api
from tests.support.waiting import BOUND

CHROMIUM_FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BOUND_MS: Final = BOUND * 1_000
"""Milliseconds to wait for a condition of the page; also where no time is given."""

expect.set_options(timeout=BOUND_MS)


PROVISION: Final = "mutation ($name: String!) { provisionEndpoint(name: $name) { name } }"


async def provision(api: Api, name: str = "page") -> str:
    """Create an endpoint that never registered; its name begins with ``name``."""
    unique = f"{name}-{uuid4().hex[:8]}"
    await api.ask(PROVISION, name=unique)
    return unique


@pytest_asyncio.fixture
async def api(reveille_url: str) -> AsyncIterator[Api]:
    """A client beside the page."""
    client = Api.at(reveille_url)
    async with client.http:
        yield client


@pytest_asyncio.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "Chromium is needed: apt-get install chromium fonts-dejavu-core"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


SHIPPED_DOCUMENTS: Final = TrustedDocuments.load([SHIPPED])


class Watched:
    """A page with its errors and warnings, and the addresses that it requested. A document that is not among the
    trusted ones is an error."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)
        page.on("websocket", lambda socket: socket.on("framesent", self._document))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        self.requested.append(request.url)
        if request.url.endswith("/graphql") and request.post_data:
            self._document(request.post_data)

    def _document(self, message: str | bytes) -> None:
        if urlsplit(self.page.url).path == "/graphql":
            return  # GraphiQL, whose documents are the person's own
        query = json.loads(message).get("query") or json.loads(message).get("payload", {}).get("query")
        if query is not None and query not in SHIPPED_DOCUMENTS:
            self.complaints.append(f"not a trusted document: {query}")


@pytest_asyncio.fixture
async def watched(chromium: Browser) -> AsyncIterator[Watched]:
    context = await chromium.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(BOUND_MS)
    yield Watched(await context.new_page())
    await context.close()
