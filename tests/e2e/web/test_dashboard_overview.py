"""The dashboard's overview, and the banner in every case in which the road to the devices is closed."""

from __future__ import annotations

import re
from typing import Final
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.support import loopback
from tests.support.api import Api, write
from tests.support.api import api as api_of
from tests.support.browser import Watched, provision
from tests.support.processes import Processes
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

ASLEEP: Final = """
{ endpoints(first: 1, filter: {nameContains: "dev-", presences: [ASLEEP]}) { edges { node { name } } } }"""
MEASURED: Final = "{ operationStatistics { wakeToConfirmed { operations } } }"
PRESENCE: Final = "query ($name: String!) { endpoint(name: $name) { presence } }"


async def test_the_overview_shows_what_waits_and_links_to_it(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api, "aa-waits")
    (id_,) = await api.create(write(name))
    await page.goto(f"{api.url}/")
    waiting = page.get_by_role("region", name="Waiting operations")
    await expect(waiting.get_by_role("row").filter(has_text="OFFLINE")).to_be_visible()
    await expect(waiting).to_contain_text("Waits until the device wakes")
    longest = page.get_by_role("region", name="Waiting longest")
    await expect(longest.get_by_role("row").nth(1)).to_contain_text("ago")
    dispatch = page.get_by_role("region", name="Dispatch")
    for text in ("running", "reachable", "open", "none"):
        await expect(dispatch).to_contain_text(text)
    fleet = page.get_by_role("region", name="Fleet")
    await expect(fleet.get_by_role("row").filter(has_text="OFFLINE").get_by_role("link")).to_have_text(
        re.compile(r"^[1-9]")
    )
    await expect(fleet.get_by_role("row").filter(has_text="overdue").get_by_role("link")).to_have_attribute(
        "href", re.compile(r"#/fleet\?overdue=true$")
    )
    await expect(page.get_by_role("alert")).to_be_empty()

    await page.get_by_role("list", name="Operations by status").get_by_role("link", name="QUEUED").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Operations")
    await expect(page.get_by_role("button", name="Status: QUEUED")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("QUEUED")
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=id_)
    assert watched.complaints == []


async def test_the_statistics_of_a_chosen_time_are_shown(watched: Watched, api: Api) -> None:
    page = watched.page
    (canceled,) = await api.create(write(await provision(api)))
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=canceled)

    async def measured() -> bool:
        """Also create an operation for a device that sleeps: it may be awake before the operation is stored."""
        if edges := (await api.ask(ASLEEP))["endpoints"]["edges"]:
            await api.create(write(edges[0]["node"]["name"], "/5/0/1", uuid4().hex))
        return bool((await api.ask(MEASURED))["operationStatistics"]["wakeToConfirmed"]["operations"])

    await eventually(measured, "an operation that waited for a wake is CONFIRMED", every=1)
    await page.goto(f"{api.url}/")
    statistics = page.get_by_role("region", name="Ended operations")
    await expect(statistics.get_by_role("radio", name="1 h")).to_be_checked()
    await expect(statistics).to_contain_text(re.compile(r"Throughput\d+ operations?, [\d.]+ per (hour|minute|second)"))
    await expect(statistics.get_by_role("img", name="Ended operations in intervals of 2 min")).to_be_visible()
    await expect(statistics).to_contain_text(re.compile(r"Median[\d,.]+ (ms|s)"))
    await expect(statistics.get_by_role("link", name="Canceled by a user")).to_be_visible()

    await statistics.get_by_role("radio", name="24 h").check()
    await expect(statistics.get_by_role("img", name="Ended operations in intervals of 48 min")).to_be_visible()
    assert await page.evaluate("location.hash") == "#/?window=86400"
    await page.go_back()
    await expect(statistics.get_by_role("radio", name="1 h")).to_be_checked()
    assert watched.complaints == []


async def test_the_banner_names_each_way_in_which_the_road_is_closed(
    watched: Watched, own_processes: Processes
) -> None:
    """First only the API runs; then the other processes start, dispatch is paused, and Leshan and the API end."""
    page = watched.page
    simulator = own_processes.start("simulate", "--devices", "0", "--told")
    settings = {
        "database_url": f"sqlite://{own_processes.folder / 'reveille.db'}",
        "leshan_url": simulator.url,
    }
    serving = own_processes.start("api", **settings)
    banner = page.get_by_role("alert").first
    await page.goto(f"{serving.url}/")
    await expect(banner).to_contain_text("No dispatcher is running, so nothing is sent (last seen: never)")
    await expect(banner).to_contain_text("No bridge is running, so Reveille does not notice when devices wake")

    own_processes.start("dispatch", **settings)
    await expect(banner).not_to_contain_text("No dispatcher")
    own_processes.start("bridge", **settings)
    await expect(banner).to_be_empty()

    async with api_of(serving.url) as client:
        await client.ask('mutation { pauseDispatch(reason: "maintenance") { pausedAt } }')
        await expect(banner).to_contain_text(
            re.compile("Dispatch to all devices is paused by anonymous since .*: maintenance")
        )
        await page.get_by_role("region", name="Dispatch").get_by_role("button", name="Resume").click()
        await expect(banner).to_be_empty()

        name = await _always_awake(client, simulator.url)
        simulator.kill()
        await client.create({"endpoint": name, "kind": "READ", "path": "/3/0"})
        await expect(banner).to_contain_text(re.compile("Leshan server leshan is unreachable since .+"))
        await expect(page.get_by_role("region", name="Dispatch")).to_contain_text("unreachable")

    assert watched.complaints == []
    serving.kill()
    await expect(banner).to_contain_text("The server cannot be reached. What is shown is not current.")
    await expect(page.get_by_text("Offline", exact=True)).to_be_visible()


async def _always_awake(client: Api, simulator_url: str) -> str:
    """Register a device without queue mode: calls to it need no wake."""
    name = "always-awake"
    async with loopback.AsyncClient(base_url=simulator_url) as simulator:
        (await simulator.post("/sim/devices", json={"names": [name], "queueMode": False})).raise_for_status()
        (await simulator.post("/sim/register", params={"ep": name})).raise_for_status()

    async def online() -> bool:
        endpoint = (await client.ask(PRESENCE, name=name))["endpoint"]
        return endpoint is not None and endpoint["presence"] == "ONLINE"

    await eventually(online, "the device is ONLINE")
    return name


async def test_a_pause_of_all_devices_is_set_on_the_overview(watched: Watched, own_processes: Processes) -> None:
    page = watched.page
    database = f"sqlite://{own_processes.folder / 'reveille.db'}"
    serving = own_processes.start("serve", database_url=database, simulate_devices=0)
    await page.goto(f"{serving.url}/")
    await page.get_by_role("button", name="Pause dispatch…").click()
    dialog = page.get_by_role("dialog", name="Pause dispatch")
    await dialog.get_by_role("combobox", name="What is paused").select_option("server")
    await dialog.get_by_role("textbox", name="Reason").fill("new radio")
    await dialog.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("alert")).to_contain_text(
        re.compile("Dispatch to the devices of Leshan server leshan is paused by anonymous since .*: new radio")
    )
    await page.get_by_role("alert").get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("alert")).to_be_empty()
    assert watched.complaints == []
