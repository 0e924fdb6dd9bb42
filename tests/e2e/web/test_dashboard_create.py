"""The dashboard's form that creates operations: for one endpoint, and for all that match a filter."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.support.api import Api
from tests.support.browser import Watched, provision

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

TAG = "mutation ($names: [String!]!, $tag: String!) { tagEndpoints(filter: {names: $names}, add: [$tag]) }"
OPERATIONS = (
    "query ($name: String!) { deviceOperations(filter: {endpoint: $name}) { edges { node { kind path value } } } }"
)


async def open_form(page: Page, api: Api, name: str) -> Locator:
    """Open the form for one endpoint, and return its dialog."""
    await page.goto(f"{api.url}/#/fleet?nameContains={name}")
    await page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    await page.get_by_role("button", name="New operation").click()
    return page.get_by_role("dialog", name="New operation")


def choice(form: Locator, name: str) -> Locator:
    return form.get_by_role("combobox", name=name, exact=True)


def text(form: Locator, name: str) -> Locator:
    return form.get_by_role("textbox", name=name, exact=True)


async def test_a_write_is_created_by_names_and_confirmed(watched: Watched, api: Api) -> None:
    page = watched.page
    form = await open_form(page, api, "dev-0001")
    await choice(form, "Object").select_option(label="Firmware Update (5)")
    await choice(form, "Resource").select_option(label="Package URI (1): read and write")
    await expect(text(form, "Path")).to_have_value("/5/0/1")
    await expect(form.get_by_text("STRING, length 0..255")).to_be_visible()
    await text(form, "Value").fill(f"https://url.com/{uuid4().hex}")
    await form.get_by_role("button", name="Create", exact=True).click()
    created = page.get_by_role("dialog", name="Operation created")
    await expect(created.get_by_role("status")).to_contain_text("CONFIRMED")
    await expect(created.get_by_role("link", name="WRITE /5/0/1")).to_be_visible()
    assert watched.complaints == []


async def test_the_kind_is_limited_to_what_the_resource_permits(watched: Watched, api: Api) -> None:
    form = await open_form(watched.page, api, "dev-0001")
    await choice(form, "Object").select_option(label="Device (3)")
    await choice(form, "Resource").select_option(label="Manufacturer (0): read-only")
    await expect(choice(form, "Kind")).to_have_value("READ")
    await expect(form.get_by_text("This resource is read-only.")).to_be_visible()
    await expect(choice(form, "Kind").get_by_role("option", name="WRITE", exact=True)).to_be_disabled()
    await choice(form, "Resource").select_option(label="Reboot (4): execute-only")
    await expect(choice(form, "Kind")).to_have_value("EXECUTE")
    assert watched.complaints == []


async def test_a_reboot_asks_first(watched: Watched, api: Api) -> None:
    name, page = await provision(api), watched.page
    form = await open_form(page, api, name)
    await choice(form, "Kind").select_option("EXECUTE")
    await text(form, "Path").fill("/3/0/4")
    await form.get_by_role("button", name="Create", exact=True).click()
    question = page.get_by_role("dialog", name="EXECUTE /3/0/4?")
    await expect(question).to_contain_text("This reboots the device.")
    await question.get_by_role("button", name="Back").click()
    assert (await api.ask(OPERATIONS, name=name))["deviceOperations"]["edges"] == []
    await form.get_by_role("button", name="Create", exact=True).click()
    await question.get_by_role("button", name="Create it").click()
    await expect(page.get_by_role("dialog", name="Operation created")).to_contain_text("QUEUED")
    assert watched.complaints == []


async def test_an_error_is_shown_at_its_field(watched: Watched, api: Api) -> None:
    form = await open_form(watched.page, api, "dev-0001")
    await text(form, "Path").fill("/4444/0/1")
    await text(form, "Value").fill("a" * 256)
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(text(form, "Path")).to_have_attribute("aria-invalid", "true")
    await expect(text(form, "Path")).to_be_focused()
    await expect(text(form, "Path")).to_have_accessible_description(re.compile("has not registered object 4444"))
    await text(form, "Path").fill("/5/0/1")
    await expect(form.get_by_text("STRING, length 0..255")).to_be_visible()
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(text(form, "Value")).to_be_focused()
    await expect(form.locator(".field-error")).to_have_text("The text is too long; 0..255 is expected.")
    await form.locator("summary", has_text="Options").click()
    await text(form, "Value").fill("a")
    await form.get_by_role("spinbutton", name="Priority").fill("101")
    await form.locator("summary", has_text="Options").click()
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(form.get_by_role("spinbutton", name="Priority")).to_be_focused()
    assert watched.complaints == []


async def test_a_value_out_of_its_range_is_refused_before_it_is_sent(watched: Watched, api: Api) -> None:
    form = await open_form(watched.page, api, "dev-0001")
    await choice(form, "Object").select_option(label="LwM2M Server (1)")
    await choice(form, "Resource").select_option("1")
    await text(form, "Value").fill("-1e")
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(form.locator(".field-error")).to_have_text("A whole number is expected.")
    assert watched.complaints == []


async def test_integers_keep_64_bits_and_composites_their_rows(watched: Watched, api: Api) -> None:
    name, page = await provision(api), watched.page
    form = await open_form(page, api, name)
    await choice(form, "Kind").select_option("WRITE_COMPOSITE")
    await form.get_by_role("button", name="Add a path").click()
    for number, (path, type_, value) in enumerate(
        [("/33000/0/1", "UNSIGNED_INTEGER", "18446744073709551615"), ("/33000/0/2", "OBJLNK", "3303:0")], start=1
    ):
        row = form.get_by_role("group", name=f"Path {number}")
        await text(row, "Path").fill(path)
        await choice(row, "Type").select_option(type_)
        await text(row, "Value").fill(value)
    await form.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("dialog", name="Operation created")).to_contain_text("WRITE_COMPOSITE")
    query = "query ($name: String!) { deviceOperations(filter: {endpoint: $name}) { edges { node { values } } } }"
    ((edge),) = (await api.ask(query, name=name))["deviceOperations"]["edges"]
    assert "18446744073709551615" in str(edge["node"]["values"])
    assert watched.complaints == []


async def test_operations_for_a_tag_are_created_and_confirmed(watched: Watched, api: Api) -> None:
    tag, page = f"site:{uuid4().hex[:8]}", watched.page
    await api.ask(TAG, names=["dev-0002", "dev-0003", "dev-0004"], tag=tag)
    await page.goto(f"{api.url}/#/fleet")
    await page.get_by_role("textbox", name="Tag", exact=True).fill(tag)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Select all 3 that match").click()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await expect(form).to_contain_text("For 3 endpoints that match the filter")
    await text(form, "Path").fill("/5/0/1")
    await text(form, "Value").fill("https://url.com/fw.bin")
    await form.get_by_role("button", name="Create 3 operations").click()
    done = page.get_by_role("dialog", name="WRITE /5/0/1 for 3 endpoints")
    await expect(done.get_by_role("status")).to_contain_text("Created 3 operations")
    await expect(done.get_by_text("3 of 3", exact=True)).to_be_visible()
    await expect(done.get_by_role("status")).to_contain_text("all have ended")
    await done.get_by_role("link", name="Show the operations of this batch").click()
    await expect(page.get_by_role("row").filter(has_text="CONFIRMED")).to_have_count(3)
    assert watched.complaints == []


async def test_a_changed_number_of_endpoints_is_stated_before_anything_is_created(watched: Watched, api: Api) -> None:
    tag, page = f"site:{uuid4().hex[:8]}", watched.page
    first, second = await provision(api), await provision(api)
    await api.ask(TAG, names=[first], tag=tag)
    await page.goto(f"{api.url}/#/fleet?tags=%5B%22{tag}%22%5D")
    await page.get_by_role("button", name="Select all 1 that match").click()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await text(form, "Path").fill("/5/0/1")
    await text(form, "Value").fill("https://url.com/fw.bin")
    await api.ask(TAG, names=[second], tag=tag)
    await form.get_by_role("button", name="Create 1 operation").click()
    await expect(form.get_by_role("alert")).to_contain_text("2")
    await form.get_by_role("button", name="Create 2 operations").click()
    await expect(page.get_by_role("dialog", name="WRITE /5/0/1 for 2 endpoints")).to_contain_text(
        "Created 2 operations"
    )
    assert watched.complaints == []


async def test_an_interrupted_batch_is_continued(watched: Watched, api: Api) -> None:
    tag, page = f"site:{uuid4().hex[:8]}", watched.page
    await api.ask(TAG, names=[await provision(api) for _ in range(3)], tag=tag)
    lost: list[str] = []

    async def lose_the_response(route: Route) -> None:
        """Lose the first response to the mutation: its operations exist."""
        if lost or "createDeviceOperationsFor" not in (route.request.post_data or ""):
            await route.continue_()
            return
        lost.append((await route.fetch()).status_text)
        await route.abort()

    await page.route("**/graphql", lose_the_response)
    await page.goto(f"{api.url}/#/fleet?tags=%5B%22{tag}%22%5D")
    await page.get_by_role("button", name="Select all 3 that match").click()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await text(form, "Path").fill("/5/0/1")
    await text(form, "Value").fill("https://url.com/fw.bin")
    await form.get_by_role("button", name="Create 3 operations").click()
    progress = page.get_by_role("dialog", name="WRITE /5/0/1 for 3 endpoints")
    await expect(progress.get_by_role("alert")).to_have_text("The server cannot be reached.")
    await progress.get_by_role("button", name="Continue").click()
    await expect(progress.get_by_role("status")).to_contain_text("Created 3 operations")
    count = "query ($filter: EndpointFilter!) { endpointCount(filter: $filter) }"
    assert (await api.ask(count, filter={"tags": [tag], "hasPending": True}))["endpointCount"] == 3
    assert lost
    assert [line for line in watched.complaints if "ERR_FAILED" not in line] == []


async def test_endpoints_that_come_and_go_meanwhile_do_not_refuse_a_batch(watched: Watched, api: Api) -> None:
    page, tag = watched.page, f"site:{uuid4().hex[:8]}"
    await api.ask(TAG, names=[await provision(api) for _ in range(2)], tag=tag)
    await page.goto(f"{api.url}/#/fleet?tags=%5B%22{tag}%22%5D&presences=%5B%22OFFLINE%22%5D")
    await page.get_by_role("button", name="Select all 2 that match").click()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await expect(form).to_contain_text("The number changes as devices wake")
    await text(form, "Path").fill("/5/0/1")
    await text(form, "Value").fill("https://url.com/fw.bin")
    await api.ask(TAG, names=[await provision(api)], tag=tag)
    await form.get_by_role("button", name="Create operations").click()
    progress = page.get_by_role("dialog", name="WRITE /5/0/1 for all that match")
    await expect(progress.get_by_role("status")).to_contain_text("Created 3 operations")
    await expect(progress).to_contain_text("3 of 3 endpoints")
    assert watched.complaints == []


async def begin_a_batch_that_is_held(page: Page, api: Api) -> tuple[Locator, asyncio.Event]:
    """Begin a batch for 3 endpoints, whose first request ends unfinished once the event is set. Return its dialog."""
    tag, goes_on = f"site:{uuid4().hex[:8]}", asyncio.Event()
    await api.ask(TAG, names=[await provision(api) for _ in range(3)], tag=tag)

    async def hold(route: Route) -> None:
        if goes_on.is_set() or "createDeviceOperationsFor" not in (route.request.post_data or ""):
            await route.continue_()
            return
        await goes_on.wait()
        error = {"message": "Not finished.", "extensions": {"code": "UNAVAILABLE", "created": 0, "passedOver": 0}}
        await route.fulfill(json={"data": None, "errors": [error]})

    await page.route("**/graphql", hold)
    await page.goto(f"{api.url}/#/fleet?tags=%5B%22{tag}%22%5D")
    await page.get_by_role("button", name="Select all 3 that match").click()
    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await text(form, "Path").fill("/5/0/1")
    await text(form, "Value").fill("https://url.com/fw.bin")
    await form.get_by_role("button", name="Create 3 operations").click()
    return page.get_by_role("dialog", name="WRITE /5/0/1 for 3 endpoints"), goes_on


async def test_a_batch_is_stopped_and_continued(watched: Watched, api: Api) -> None:
    page = watched.page
    progress, goes_on = await begin_a_batch_that_is_held(page, api)
    status = progress.get_by_role("status")
    await expect(status).to_have_text("Creating…")
    await page.keyboard.press("Escape")
    await expect(status).to_have_text("Stopping…")
    goes_on.set()
    await expect(status).to_have_text("Stopped: not all operations were created.")
    await progress.get_by_role("button", name="Continue").click()
    await expect(status).to_contain_text("Created 3 operations")
    await progress.get_by_role("button", name="Close").click()
    await expect(progress).to_have_count(0)
    assert watched.complaints == []


async def test_a_batch_whose_page_is_left_says_that_it_is_not_complete(watched: Watched, api: Api) -> None:
    page = watched.page
    progress, goes_on = await begin_a_batch_that_is_held(page, api)
    await expect(progress).to_contain_text("It stops if you leave this page.")
    await page.goto(f"{api.url}/#/operations")
    await expect(page.get_by_role("heading", level=1, name="Operations")).to_be_visible()
    goes_on.set()
    await expect(page.get_by_text("is not complete: the page was left.")).to_be_visible()
    assert watched.complaints == []


async def test_a_message_appears_in_the_dialog_that_is_open(watched: Watched, api: Api) -> None:
    page = watched.page
    _, goes_on = await begin_a_batch_that_is_held(page, api)
    await page.goto(f"{api.url}/#/operations")
    await page.get_by_role("button", name="Pause dispatch").click()
    dialog = page.get_by_role("dialog", name="Pause dispatch")
    goes_on.set()
    message = page.get_by_text("is not complete: the page was left.")
    await expect(dialog.get_by_text("is not complete: the page was left.")).to_be_visible()
    await expect(message).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(message).to_be_visible()
    assert watched.complaints == []


async def test_an_operation_is_created_with_the_keyboard_alone(watched: Watched, api: Api) -> None:
    name, page = await provision(api), watched.page
    await page.goto(f"{api.url}/#/fleet?nameContains={name}")
    box = page.get_by_role("checkbox", name=f"Select {name}", exact=True)
    await expect(box).to_be_visible()
    await tab_to(page, box)
    await page.keyboard.press("Space")
    await tab_to(page, page.get_by_role("button", name="New operation"), "Shift+Tab")
    await page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="New operation")
    await expect(choice(form, "Kind")).to_be_focused()
    await tab_to(page, text(form, "Path"))
    await page.keyboard.type("/5/0/1")
    await tab_to(page, text(form, "Value"))
    await page.keyboard.type("https://url.com/fw.bin")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Operation created")).to_contain_text("QUEUED")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="New operation")).to_be_focused()
    assert watched.complaints == []


async def tab_to(page: Page, control: Locator, key: str = "Tab") -> None:
    """Press Tab until a control has the focus."""
    for _ in range(60):
        await page.keyboard.press(key)
        if await control.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{control} was not reached with {key}.")
