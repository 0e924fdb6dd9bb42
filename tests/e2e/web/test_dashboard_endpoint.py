"""The dashboard's page of one endpoint: operations in place, latest values, settings, and what is not known.

The built-in simulator's devices register by themselves, and wake every few seconds.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.api import Api, write
from tests.support.browser import Watched, provision
from tests.support.processes import Processes
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]


PRESENCES: Final = """
query ($name: String!) { endpoint(name: $name) { presenceChanges(first: 5) { pageInfo { hasNextPage } } } }"""


async def open_endpoint(page: Page, url: str, name: str) -> None:
    await page.goto(f"{url}/#/endpoint/{name}")
    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def resource(page: Page, path: str) -> Locator:
    """Return the line of a resource."""
    return page.get_by_role("listitem").filter(has=page.get_by_text(path, exact=True))


async def unfold(page: Page, name: str) -> None:
    button = page.get_by_role("heading", level=3).get_by_role("button", name=name, exact=True)
    if await button.get_attribute("aria-expanded") == "false":
        await button.click()


async def create(page: Page, value: str) -> None:
    """Fill the open form of a new operation, create it and close the dialog."""
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Value", exact=True).fill(value)
    await dialog.get_by_role("button", name="Create", exact=True).click()
    await dialog.get_by_role("button", name="Close").click()


async def test_a_resource_is_read_in_place_and_its_value_appears(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api.url, "dev-0003")
    await unfold(page, "Device")
    level = resource(page, "/3/0/9")
    await expect(level).to_contain_text("not read yet")
    await level.get_by_role("button", name="Read Battery Level").click()
    await expect(level).to_contain_text(re.compile(r"\d+ /100"))
    await expect(level.get_by_role("link", name="read CONFIRMED")).to_be_visible()
    operations = page.get_by_role("table", name="Operations of the endpoint")
    await expect(operations.get_by_role("row").filter(has_text="READ /3/0/9")).to_contain_text("CONFIRMED")
    await expect(page).to_have_title("dev-0003 - Reveille")
    assert watched.complaints == []


async def test_a_resource_is_written_by_its_name(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api.url, "dev-0004")
    await page.get_by_label("Filter").fill("timezone")
    zone = resource(page, "/3/0/15")
    await zone.get_by_role("button", name="Write Timezone").click()
    await create(page, "Europe/Berlin")
    await expect(zone.get_by_role("link", name="write CONFIRMED")).to_be_visible()
    await zone.get_by_role("button", name="Read Timezone").click()
    await expect(zone).to_contain_text("Europe/Berlin")
    await expect(page.get_by_role("listitem").filter(has_text="/3/0/9")).to_have_count(0)
    assert watched.complaints == []


async def test_an_observed_resource_is_plotted_as_it_reports(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api.url, "dev-0005")
    await unfold(page, "Temperature")
    sensor = resource(page, "/3303/0/5700")
    await sensor.get_by_role("button", name="Observe Sensor Value").click()
    await expect(sensor.get_by_text("observed", exact=True)).to_be_visible()
    # What is observed is plotted without being chosen.
    await page.get_by_text("Latest values as a table").click()
    table = page.get_by_role("table", name="Latest values of the plot")
    await expect(table.get_by_role("row")).not_to_have_count(1)
    rows = await table.get_by_role("row").count()
    await expect(table.get_by_role("row")).not_to_have_count(rows)  # the device wakes, and reports
    await sensor.get_by_role("button", name="Cancel observation Sensor Value").click()
    await expect(sensor.get_by_text("observed", exact=True)).to_have_count(0)
    assert watched.complaints == []


async def test_changes_of_the_presence_are_listed_from_before_the_page_was_opened(watched: Watched, api: Api) -> None:
    page, name = watched.page, "dev-0008"

    async def has_changed_often() -> bool:
        endpoint = (await api.ask(PRESENCES, name=name))["endpoint"]
        return endpoint is not None and endpoint["presenceChanges"]["pageInfo"]["hasNextPage"]

    await eventually(has_changed_often, "there are more changes than the page begins with")
    await open_endpoint(page, api.url, name)
    await expect(page.get_by_role("list", name="Changes of presence").get_by_role("listitem")).to_have_count(5)
    await page.get_by_role("button", name="All changes of presence").click()
    table = page.get_by_role("table", name="Changes of presence")
    await expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile("ONLINE|ASLEEP"))
    rows = await table.get_attribute("aria-rowcount")
    assert rows is not None
    assert int(rows) > 6  # one is the heading
    await expect(table).not_to_have_attribute("aria-rowcount", rows)  # the device wakes
    assert watched.complaints == []


async def test_an_execute_asks_first_and_says_what_it_does(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api.url, "dev-0006")
    await unfold(page, "Device")
    reboot = resource(page, "/3/0/4")
    await reboot.get_by_role("button", name="Execute Reboot").click()
    dialog = page.get_by_role("dialog", name="Execute Reboot")
    await expect(dialog).to_contain_text("This reboots the device.")
    await dialog.get_by_role("button", name="Back").click()
    await expect(page.get_by_text("No operations yet.")).to_be_visible()
    await reboot.get_by_role("button", name="Execute Reboot").click()
    await dialog.get_by_role("button", name="Execute").click()
    await expect(reboot.get_by_role("link", name="execute CONFIRMED")).to_be_visible()
    await reboot.get_by_role("button", name="Execute Reboot").click()
    await expect(dialog).to_contain_text("The device would execute it once more.")
    assert watched.complaints == []


async def test_an_operation_is_canceled_and_retried_in_the_timeline(watched: Watched, api: Api) -> None:
    name = await provision(api)
    await api.create(write(name))
    page = watched.page
    await open_endpoint(page, api.url, name)
    row = page.get_by_role("row").filter(has_text="WRITE /5/0/1")
    await row.get_by_role("button", name="Cancel").click()
    await expect(row).to_contain_text("CANCELED")
    await row.get_by_role("button", name="Retry").click()
    await expect(row).to_have_count(2)
    await expect(page.get_by_text("No objects are known")).to_be_visible()
    assert watched.complaints == []


async def test_tags_are_edited_and_an_invalid_one_is_shown_at_its_field(watched: Watched, api: Api) -> None:
    name = await provision(api)
    page = watched.page
    await open_endpoint(page, api.url, name)
    await page.get_by_role("button", name="Tags and settings").click()
    dialog = page.get_by_role("dialog")
    tags = dialog.get_by_label("Tags")
    await tags.fill("x" * 101)
    await dialog.get_by_role("button", name="Save").click()
    await expect(tags).to_have_attribute("aria-invalid", "true")
    await tags.fill("site:north\nmodel:a")
    await dialog.get_by_label("Awake window").fill("60")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("definition").filter(has_text="site:north")).to_contain_text("model:a")
    await expect(page.get_by_role("definition").filter(has_text="60 s")).to_be_visible()
    assert watched.complaints == []


async def test_the_awake_time_is_an_assumption_until_the_window_is_set(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_endpoint(page, api.url, "dev-0007")
    await expect(page.get_by_text("assumed awake until")).to_be_visible()
    await api.ask('mutation { updateEndpoint(name: "dev-0007", input: {awakeWindowSeconds: 60}) { id } }')
    await page.reload()
    await expect(page.get_by_text(re.compile("^awake until"))).to_be_visible()
    assert watched.complaints == []


async def test_the_state_of_a_rule_links_to_the_operation_behind_it(watched: Watched, api: Api) -> None:
    page, name = watched.page, f"rule-{uuid4().hex[:8]}"
    create_rule = "mutation ($input: ObservationRuleInput!) { createObservationRule(input: $input) { id } }"
    rule = {"name": name, "filter": {"names": ["dev-0008"]}, "paths": ["/3303/0/5999"]}
    created = (await api.ask(create_rule, input=rule))["createObservationRule"]
    await open_endpoint(page, api.url, "dev-0008")
    await page.get_by_role("row").filter(has_text=name).get_by_role("link", name="REFUSED").click()
    await expect(page.get_by_role("heading", level=1, name="OBSERVE /3303/0/5999")).to_be_visible()
    await expect(page.get_by_text("The device refused it: NOT_FOUND(404)").first).to_be_visible()
    await api.ask("mutation ($id: ID!) { deleteObservationRule(id: $id) }", id=created["id"])
    assert watched.complaints == []


async def test_an_unknown_endpoint_is_provisioned_and_deleted(watched: Watched, api: Api) -> None:
    page, name = watched.page, f"new-{uuid4().hex[:8]}"
    await open_endpoint(page, api.url, name)
    await expect(page.get_by_text("There is no endpoint of this name.")).to_be_visible()
    await page.get_by_role("button", name="Provision it now").click()
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page).to_have_url(re.compile("#/fleet"))
    await page.go_back()
    await expect(page.get_by_text("There is no endpoint of this name.")).to_be_visible()
    assert watched.complaints == []


async def test_a_viewer_sees_values_and_no_button_that_is_refused(watched: Watched, own_processes: Processes) -> None:
    tokens = "eye:viewer:the-token-of-a-viewer"
    url = own_processes.start("serve", auth=tokens, database_url=f"sqlite://{own_processes.folder / 'r.db'}").url
    page = watched.page
    await page.add_init_script("sessionStorage.setItem('reveille-token', 'the-token-of-a-viewer')")
    await open_endpoint(page, url, "dev-0001")
    await unfold(page, "Device")
    await expect(resource(page, "/3/0/9")).to_contain_text("not read yet")
    for action in ("New operation", "Delete…", "Provision it now", "Pause dispatch…", "Read Battery Level /3/0/9"):
        await expect(page.get_by_role("button", name=action)).to_have_count(0)
    assert watched.complaints == []
