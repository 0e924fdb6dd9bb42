"""The web page at ``/plain-html/``, in Chromium, against a running Reveille, as a person reads it, types and presses.

``reveille_url`` is the address of a server without access tokens. Every test creates its own endpoints and needs no
device: an operation for an endpoint that never registered stays QUEUED.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import Page, WebSocketRoute, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.support.api import Api, write
from tests.support.browser import BOUND_MS, PROVISION, Watched, provision
from tests.support.processes import ROOT, Processes
from tests.support.schema import served
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]


async def open_endpoint(page: Page, api: Api, name: str) -> None:
    await page.goto(f"{api.url}/plain-html/#/endpoint/{quote(name, safe='')}")
    await expect(page.get_by_role("button", name="New operation")).to_be_visible(timeout=BOUND_MS)
    await expect(page.locator("#link-text")).to_have_text("Live", timeout=BOUND_MS)


async def fill_write(page: Page, path: str, value: str) -> None:
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("form", name="New operation")
    await form.get_by_label("Path").first.fill(path)
    await form.get_by_label("Value", exact=True).first.fill(value)
    await form.get_by_role("button", name="Create", exact=True).click()


async def test_an_endpoint_is_found_by_name_and_chosen_with_the_keyboard(watched: Watched, api: Api) -> None:
    name, other = await provision(api, "needle"), await provision(api, "hay")
    page = watched.page
    await page.goto(f"{api.url}/plain-html/")
    await page.get_by_role("searchbox", name="Filter by name").fill(name[2:])
    link = page.locator("#endpoints").get_by_role("link", name=name)
    await expect(link).to_be_visible(timeout=BOUND_MS)
    await expect(page.locator("#endpoints").get_by_role("link", name=other)).to_have_count(0)
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2, name=name)).to_be_focused(timeout=BOUND_MS)
    await expect(page.locator("#device-state .badge")).to_have_text("OFFLINE")


async def test_another_filter_lists_its_first_page_however_many_rows_are_shown(watched: Watched, api: Api) -> None:
    many, page = f"many-{uuid4().hex[:8]}", watched.page
    await asyncio.gather(*(api.ask(PROVISION, name=f"{many}-{number:03}") for number in range(205)))
    await page.goto(f"{api.url}/plain-html/")
    names = page.get_by_role("searchbox", name="Filter by name")
    rows = page.locator("#endpoints .endpoint")
    await names.fill(many)
    await expect(page.locator("#endpoints-total")).to_have_text("205", timeout=BOUND_MS)
    for shown in (50, 100, 150, 200):
        await expect(rows).to_have_count(shown, timeout=BOUND_MS)
        await page.locator("#endpoints-more").click()
    await expect(rows).to_have_count(205, timeout=BOUND_MS)
    await names.fill(f"{many}-007")
    await expect(rows).to_have_count(1, timeout=BOUND_MS)
    await expect(rows).to_contain_text(f"{many}-007")
    await names.fill(many)
    await expect(rows).to_have_count(50, timeout=BOUND_MS)


async def test_graphiql_runs_a_query_and_a_subscription_under_its_policy(watched: Watched, api: Api) -> None:
    name, page = await provision(api, "graphiql"), watched.page
    query = quote(f'{{ endpoint(name: "{name}") {{ name presence }} }}')
    answer = await page.goto(f"{api.url}/graphql?q={query}")
    assert answer is not None
    assert "script-src 'self' 'sha256-" in answer.headers["content-security-policy"]
    run = page.get_by_role("button", name="Execute query (Ctrl-Enter)")
    await run.click()
    await expect(page.locator(".result-window")).to_contain_text("OFFLINE", timeout=BOUND_MS)
    subscription = quote(f'subscription {{ operationTransitions(endpoint: "{name}") {{ toStatus }} }}')
    await page.goto(f"{api.url}/graphql?q={subscription}")
    await page.get_by_role("button", name="Execute query (Ctrl-Enter)").click()
    await expect(page.locator(".graphiql-spinner")).to_be_visible(timeout=BOUND_MS)

    async def received() -> bool:  # the spinner is visible before the server has subscribed
        await api.create(write(name, "/5/0/1", "https://url.com/fw.bin"))
        return "QUEUED" in (await page.locator(".result-window").text_content() or "")

    await eventually(received, "the subscription shows a transition", every=0.5)
    assert watched.complaints == []


async def test_an_operation_is_created_canceled_and_retried(watched: Watched, api: Api) -> None:
    name = await provision(api)
    page = watched.page
    await open_endpoint(page, api, name)
    await fill_write(page, "/5/0/1", "https://url.com/fw.bin")
    queued = page.locator("#queue .operation")
    await expect(queued).to_have_count(1, timeout=BOUND_MS)
    await expect(queued).to_contain_text("QUEUED")
    await expect(queued).to_contain_text("https://url.com/fw.bin")
    await expect(queued.locator(".sentence")).to_have_text(re.compile("^(Waits|No dispatcher)"))

    await queued.get_by_role("button", name="Cancel").click()
    ended = page.locator("#history .operation")
    await expect(ended).to_contain_text("CANCELED", timeout=BOUND_MS)
    await expect(queued).to_have_count(0)

    await ended.get_by_role("button", name="Retry").click()
    await expect(queued).to_have_count(1, timeout=BOUND_MS)
    await expect(page.locator("#feed li", has_text=name)).to_have_count(3, timeout=BOUND_MS)


async def test_the_steps_of_an_operation_are_shown_on_demand(watched: Watched, api: Api) -> None:
    name = await provision(api)
    await api.create(write(name, "/5/0/1", "a"))
    page = watched.page
    await open_endpoint(page, api, name)
    details = page.get_by_role("button", name="Details: WRITE /5/0/1")
    await details.click()
    await expect(details).to_have_attribute("aria-expanded", "true")
    await expect(page.locator("#queue .steps li")).to_have_count(1, timeout=BOUND_MS)
    await page.get_by_role("button", name="Cancel: WRITE /5/0/1").click()
    await expect(page.locator("#history .operation")).to_have_count(1, timeout=BOUND_MS)


async def test_an_input_error_is_shown_at_its_field_and_announced(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api, await provision(api))
    await fill_write(page, "nonsense", "x")
    field = page.get_by_role("form", name="New operation").get_by_label("Path").first
    await expect(field).to_have_attribute("aria-invalid", "true", timeout=BOUND_MS)
    await expect(field).to_be_focused()
    note = page.locator(f"#{await field.get_attribute('aria-describedby')}")
    await expect(note).to_contain_text("LwM2M path")
    await expect(page.locator("#queue .operation")).to_have_count(0)

    await field.fill("/5/0/1")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.locator("#queue .operation")).to_have_count(1, timeout=BOUND_MS)
    await expect(field).not_to_have_attribute("aria-invalid", "true")


async def test_a_64_bit_integer_is_not_rounded(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api, await provision(api))
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("form", name="New operation")
    await form.get_by_label("Type").first.select_option("unsignedInteger")
    await form.get_by_label("Path").first.fill("/3442/0/150")
    await form.get_by_label("Value", exact=True).first.fill("18446744073709551615")
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(page.locator("#queue .operation")).to_contain_text("18446744073709551615", timeout=BOUND_MS)


async def test_names_and_values_of_devices_stay_text(watched: Watched, api: Api) -> None:
    name = await provision(api, '<img src=x onerror="window.hurt=1"><b>')
    await api.create(write(name, "/5/0/1", "<script>window.hurt=1</script>"))
    page = watched.page
    await open_endpoint(page, api, name)
    await expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()
    await expect(page.locator("#queue .operation .value")).to_have_text("<script>window.hurt=1</script>")
    assert await page.locator("main img, main b, main script").count() == 0
    assert await page.evaluate("window.hurt") is None
    assert watched.complaints == []


async def test_changes_of_other_users_appear_automatically(watched: Watched, api: Api) -> None:
    name = await provision(api)
    page = watched.page
    await open_endpoint(page, api, name)
    await api.create(write(name, "/5/0/1", "from elsewhere"))
    await expect(page.locator("#queue .operation")).to_contain_text("from elsewhere", timeout=BOUND_MS)
    await expect(page.locator("#feed li", has_text=name)).to_have_count(1, timeout=BOUND_MS)


async def test_no_transition_is_lost_or_repeated_over_a_reconnect(watched: Watched, api: Api) -> None:
    name = await provision(api)
    page = watched.page
    down = False
    sockets: list[WebSocketRoute] = []

    async def through(route: WebSocketRoute) -> None:
        if down:
            await route.close(code=1012)
            return
        sockets.append(route)
        route.connect_to_server()

    await page.route_web_socket(re.compile("/graphql$"), through)
    await open_endpoint(page, api, name)
    await api.create(write(name, "/5/0/1", "before"))
    steps = page.locator("#feed li", has_text=name)
    await expect(steps).to_have_count(1, timeout=BOUND_MS)

    down = True
    await sockets[-1].close(code=1012)
    await expect(page.locator("#link-text")).not_to_have_text("Live", timeout=BOUND_MS)
    await api.create(write(name, "/5/0/1", "meanwhile 1"))
    await api.create(write(name, "/5/0/1", "meanwhile 2"))
    down = False
    await expect(page.locator("#link-text")).to_have_text("Live", timeout=2 * BOUND_MS)
    await expect(page.locator("#queue .operation")).to_have_count(3, timeout=BOUND_MS)
    await expect(steps).to_have_count(3)


async def test_the_page_requests_no_other_host_and_logs_no_errors(watched: Watched, api: Api) -> None:
    await open_endpoint(watched.page, api, await provision(api))
    origin = urlsplit(api.url).netloc
    assert {urlsplit(url).netloc for url in watched.requested} == {origin}
    assert watched.complaints == []


ADDRESS: Final = '<meta name="reveille-graphql" content="{}">'


def copy_page(folder: Path, changes: Mapping[str, str]) -> None:
    """Copy the page, and replace these parts of its ``index.html``."""
    shutil.copytree(ROOT / "frontend-examples" / "plain-html", folder)
    text = (folder / "index.html").read_text()
    for before, after in changes.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (folder / "index.html").write_text(text)


async def test_a_copy_of_the_page_works_at_another_origin_and_path(
    watched: Watched, own_processes: Processes, tmp_path: Path
) -> None:
    app = Starlette(routes=[Mount("/copy", StaticFiles(directory=tmp_path / "copy", html=True, check_dir=False))])
    async with served(app) as origin:
        url = own_processes.start("serve", allowed_origins=f"http://{origin}").url
        host = urlsplit(url).netloc
        address = {ADDRESS.format("../graphql"): ADDRESS.format(f"{url}/graphql")}
        policy = {"connect-src 'self'": f"connect-src http://{host} ws://{host}"}
        copy_page(tmp_path / "copy", address | policy)
        await watched.page.goto(f"http://{origin}/copy/")
        await expect(watched.page.locator("#link-text")).to_have_text("Live")
        await expect(watched.page.locator("#endpoints .endpoint").first).to_be_visible()
        assert watched.complaints == []


@pytest.mark.parametrize("width", [380, 1000, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_cut_off_at_any_width(watched: Watched, api: Api, width: int, scheme: Any) -> None:
    name = await provision(api, "an-endpoint-with-a-rather-long-name-urn:imei:356938035643809")
    await api.create(write(name, "/5/0/1", "https://example.com/" + "a" * 300))
    page = watched.page
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    await open_endpoint(page, api, name)
    await page.get_by_role("button", name="New operation").click()
    await expect(page.locator("#queue .operation")).to_have_count(1, timeout=BOUND_MS)
    assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    panes = await page.locator(".pane-body").all()
    assert not [pane for pane in panes if await pane.evaluate("pane => pane.scrollWidth > pane.clientWidth")]
