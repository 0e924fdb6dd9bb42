"""Rules, firmware and campaigns in the dashboard, with simulated devices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import FilePayload, Locator, Page, expect

from tests.support.api import Api
from tests.support.browser import Watched
from tests.support.process_fixtures import ProcessesIn

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]


@pytest.fixture(scope="module")
def reveille_url(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a server that stores packages."""
    folder = tmp_path_factory.mktemp("fleet-work")
    with processes_in(folder) as group:
        database, store = f"sqlite://{folder / 'reveille.db'}", str(folder / "firmware")
        yield group.start("serve", database_url=database, firmware_store=store).url


@pytest_asyncio.fixture
async def page(watched: Watched) -> AsyncIterator[Page]:
    """A page that must neither report an error nor send a document that is not trusted."""
    yield watched.page
    assert watched.complaints == []


def dialog(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=name)


async def choose_endpoints(form: Locator, text: str, count: str) -> None:
    """Choose endpoints by a part of their names, and wait until they are counted. Enter does not submit the form."""
    await form.get_by_label("Name contains").fill(text)
    await form.get_by_label("Name contains").press("Enter")
    await expect(form.get_by_role("status").filter(has_text="now.")).to_contain_text(count)


async def test_a_rule_is_created_established_changed_and_deleted(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/rules")
    await page.get_by_role("button", name="New rule").click()
    form = dialog(page, "New rule")
    await form.get_by_label("Name", exact=True).fill("temperature")
    await choose_endpoints(form, "dev-000", "10 endpoints")
    await form.get_by_label("Paths to observe").fill("nonsense")
    await form.get_by_role("button", name="Create").click()
    paths = form.get_by_label("Paths to observe")
    await expect(paths).to_have_attribute("aria-invalid", "true")
    await expect(paths).to_be_focused()
    await paths.fill("/3303/*/5700\n/3/0/9")
    await form.get_by_role("button", name="Create").click()

    card = page.get_by_role("article", name="temperature")
    await expect(card).to_contain_text("name contains: dev-000")
    await expect(card).to_contain_text("10 ESTABLISHED")
    await card.get_by_role("button", name="Disable").click()
    question = dialog(page, "Disable the rule?")
    await expect(question).to_contain_text("temperature are canceled on 10 endpoints")
    await question.get_by_role("button", name="Back").click()
    await expect(card).to_contain_text("ENABLED")
    await card.get_by_role("button", name="Disable").click()
    await question.get_by_role("button", name="Disable").click()
    await expect(card).to_contain_text("DISABLED")
    await card.get_by_role("button", name="Enable").click()
    await expect(card).to_contain_text("10 ESTABLISHED")
    await card.get_by_role("button", name="Edit").click()
    form = dialog(page, "Change temperature")
    await form.get_by_label("Name", exact=True).fill("heat")
    await form.get_by_label("Enabled").uncheck()
    await expect(form).to_contain_text("are canceled on 10 endpoints")
    await form.get_by_role("button", name="Change and disable").click()
    card = page.get_by_role("article", name="heat")
    await expect(card).to_contain_text("DISABLED")
    await card.get_by_role("button", name="Delete").click()
    await dialog(page, "Delete the rule?").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("article")).to_have_count(0)


async def test_a_package_is_uploaded_and_deleted(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/firmware")
    await page.get_by_role("button", name="New package").click()
    form = dialog(page, "New package")
    await form.get_by_label("Name", exact=True).fill("uploaded")
    await form.get_by_label("Version").fill("3.0.0")
    file = FilePayload(name="image.bin", mimeType="application/octet-stream", buffer=b"x" * 100_000)
    await form.get_by_label("File", exact=True).dispatch_event("cancel")  # the file chooser is left
    await form.get_by_label("File", exact=True).set_input_files(file)
    await form.get_by_role("button", name="Upload").click()
    row = page.get_by_role("row", name="uploaded")
    await expect(row).to_contain_text("100,000 B")
    await row.get_by_role("button", name="Delete uploaded 3.0.0").click()
    await dialog(page, "Delete the package?").get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)


async def add_package(page: Page, name: str, version: str) -> None:
    """Add a package by its address; a simulated device takes its version from it."""
    await page.get_by_role("button", name="New package").click()
    form = dialog(page, "New package")
    await form.get_by_label("Name", exact=True).fill(name)
    await form.get_by_label("Version").fill(version)
    await form.get_by_label("An address that devices download from").check()
    await form.get_by_label("Address", exact=True).fill(f"http://198.51.100.7/image?version={version}")
    await form.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("row", name=name)).to_contain_text(version)


async def test_the_firmware_of_one_device_is_updated(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/firmware")
    await add_package(page, "single", "2.1.0")
    await page.get_by_role("button", name="Update one device to single 2.1.0").click()
    form = dialog(page, "Update one device")
    await form.get_by_label("Endpoint").fill("unknown-device")
    await form.get_by_role("button", name="Update").click()
    await expect(form.get_by_label("Endpoint")).to_have_attribute("aria-invalid", "true")
    await form.get_by_label("Endpoint").fill("dev-0009")
    await form.get_by_role("button", name="Update").click()
    update = page.get_by_role("table", name="Updates").get_by_role("row", name="single 2.1.0")
    await expect(update).to_contain_text("SUCCEEDED")
    await expect(update).to_contain_text("→ 2.1.0")


async def test_a_campaign_waits_for_approval_and_completes(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/firmware")
    await add_package(page, "waves", "4.0.0")
    await page.get_by_role("link", name="Campaign with waves 4.0.0").click()
    form = dialog(page, "New campaign")
    await expect(form.get_by_label("Package")).to_contain_text("waves 4.0.0")
    await form.get_by_label("Name", exact=True).fill("spring")
    await choose_endpoints(form, "dev-000", "10 endpoints")
    first = form.get_by_role("group", name="Wave 1")
    await first.get_by_label("% of targets").fill("20")
    await first.get_by_label("Needs approval before the next one").check()
    await form.get_by_role("button", name="Add a wave").click()
    await expect(form.get_by_role("group", name="Wave 2").get_by_label("% of targets")).to_have_value("80")
    await form.get_by_role("button", name="Create").click()

    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("WAITING_FOR_APPROVAL")
    progress = page.get_by_role("region", name="Progress")
    await expect(progress).to_contain_text("2 SUCCEEDED")
    await page.get_by_role("button", name="Approve the next wave").click()
    question = dialog(page, "Approve the next wave?")
    await expect(question).to_contain_text("8 targets are waiting in all")
    await question.get_by_role("button", name="Approve").click()
    await expect(heading).to_contain_text("COMPLETED")
    await expect(progress).to_contain_text("10 SUCCEEDED")
    targets = page.get_by_role("table", name="Targets")
    await expect(targets.get_by_role("row", name="SUCCEEDED")).to_have_count(10)


async def test_a_campaign_whose_waves_do_not_add_up_says_so_at_them(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/campaigns")
    await page.get_by_role("button", name="New campaign").click()
    form = dialog(page, "New campaign")
    await form.get_by_label("Name", exact=True).fill("too much")
    await form.get_by_label("An operation").check()
    await form.get_by_role("combobox", name="Kind", exact=True).select_option("READ")
    await form.get_by_role("textbox", name="Path", exact=True).fill("/3/0")
    await form.get_by_role("button", name="Add a wave").click()
    await form.get_by_role("group", name="Wave 2").get_by_label("% of targets").fill("50")
    await form.get_by_role("button", name="Create").click()
    waves = form.get_by_role("group", name="Waves", exact=True)
    await expect(waves).to_contain_text("The percentages of the waves do not add up to 100.")
    await expect(waves).to_be_focused()
    await form.get_by_role("group", name="Wave 1").get_by_label("% of targets").fill("50")
    await expect(waves).not_to_contain_text("do not add up")


async def test_the_form_of_a_campaign_has_its_layout_on_the_first_page(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/campaigns")
    await page.get_by_role("button", name="New campaign").click()
    form = dialog(page, "New campaign")
    await form.get_by_label("An operation").check()
    chosen = await form.get_by_role("combobox", name="Object", exact=True).bounding_box()
    typed = await form.get_by_role("textbox", name="Path", exact=True).bounding_box()
    assert chosen
    assert typed
    assert abs(chosen["y"] - typed["y"]) < 5


async def test_a_campaign_that_reboots_devices_asks_first(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/campaigns")
    await page.get_by_role("button", name="New campaign").click()
    form = dialog(page, "New campaign")
    await form.get_by_label("Name", exact=True).fill("reboots")
    await choose_endpoints(form, "dev-", "10 endpoints")
    await form.get_by_label("An operation").check()
    await form.get_by_label("Kind").first.select_option("EXECUTE")
    await form.get_by_label("Path", exact=True).fill("/3/0/4")
    await form.get_by_role("button", name="Create").click()
    question = dialog(page, "EXECUTE /3/0/4?")
    await expect(question).to_contain_text("10 endpoints. This reboots the device.")
    await question.get_by_role("button", name="Back").click()
    await expect(question).to_have_count(0)
    await form.get_by_role("button", name="Create").click()
    await question.get_by_role("button", name="Create the campaign").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("reboots")


async def test_a_campaign_of_any_execute_asks_unless_it_is_for_one_device(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/campaigns")
    await page.get_by_role("button", name="New campaign").click()
    form = dialog(page, "New campaign")
    await form.get_by_label("Name", exact=True).fill("errors")
    await choose_endpoints(form, "dev-0001", "1 endpoint matches")
    await form.get_by_label("An operation").check()
    await form.get_by_label("Kind").first.select_option("EXECUTE")
    await form.get_by_label("Path", exact=True).fill("/3/0/12")
    await form.get_by_label("Continuous").check()
    await form.get_by_role("button", name="Create").click()
    question = dialog(page, "EXECUTE /3/0/12?")
    await expect(question).to_contain_text("1 endpoint now, and those that match later. Each device executes this.")
    await question.get_by_role("button", name="Back").click()
    await form.get_by_label("Continuous").uncheck()
    await choose_endpoints(form, "dev-", "10 endpoints")
    await form.get_by_role("button", name="Create").click()
    await expect(question).to_contain_text("10 endpoints. Each device executes this.")
    await question.get_by_role("button", name="Back").click()
    await choose_endpoints(form, "dev-0001", "1 endpoint matches")
    await form.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("errors")


async def test_a_campaign_of_operations_is_paused_with_a_reason_and_canceled(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/#/campaigns")
    await page.get_by_role("button", name="New campaign").click()
    form = dialog(page, "New campaign")
    await form.get_by_label("Name", exact=True).fill("clocks")
    await choose_endpoints(form, "dev-", "10 endpoints")
    await form.get_by_label("An operation").check()
    await form.get_by_label("Kind").first.select_option("READ")
    await form.get_by_label("Path", exact=True).fill("/3/0/13")
    await form.get_by_label("Starts per minute").fill("1")
    await form.get_by_role("button", name="Create").click()

    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("RUNNING")
    await page.get_by_role("button", name="Pause…").click()
    question = dialog(page, "Pause the campaign?")
    await question.get_by_label("Reason").fill("the weekend")
    await question.get_by_role("button", name="Pause").click()
    await expect(heading).to_contain_text("PAUSED")
    await expect(page.get_by_text("the weekend")).to_be_visible()
    await page.get_by_role("button", name="Cancel…").click()
    question = dialog(page, "Cancel the campaign?")
    await question.get_by_label("Reason").fill("not needed")
    await question.get_by_role("button", name="Cancel the campaign").click()
    await expect(heading).to_contain_text("CANCELED")
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Campaigns").click()
    await expect(page.get_by_role("row", name="clocks")).to_contain_text("CANCELED")
