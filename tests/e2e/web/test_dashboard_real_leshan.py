"""The dashboard with a real Leshan server and a real LwM2M device: queue, wake, confirmation, rule, plot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.support.browser import Watched
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer
from tests.support.processes import Processes

pytestmark = [pytest.mark.browser, pytest.mark.asyncio, pytest.mark.usefixtures("java")]

TEMPERATURE: Final = "/3303/0/5700"


@pytest.fixture
def device(production_leshan: LeshanServer, leshan_devices: Devices) -> Iterator[Device]:
    """A device in queue mode, which sleeps until the test wakes it."""
    name = f"board-{uuid4().hex[:8]}"
    created = leshan_devices.create(name, queue_mode=True, server=production_leshan.coap_uri)
    yield created
    created.remove(deregister=True)


async def test_a_sleeping_device_is_written_observed_and_plotted(
    watched: Watched, own_processes: Processes, production_leshan: LeshanServer, device: Device
) -> None:
    database, leshan = f"sqlite://{own_processes.folder / 'reveille.db'}", production_leshan.url.removesuffix("/api")
    url = own_processes.start("serve", database_url=database, leshan_url=leshan, awake_window=5).url
    page = watched.page
    await page.goto(f"{url}/#/endpoint/{device.name}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("ASLEEP")

    await page.get_by_role("button", name="New operation").click()
    form = page.get_by_role("dialog", name="New operation")
    await form.get_by_label("Path", exact=True).fill("/3/0/15")
    await form.get_by_label("Value").first.fill("Europe/Berlin")
    await form.get_by_role("button", name="Create").click()
    await page.get_by_role("dialog").get_by_role("button", name="Close").click()
    operation = page.get_by_role("row").filter(has_text="WRITE /3/0/15")
    await expect(operation).to_contain_text("QUEUED")
    assert (await asyncio.to_thread(device.wake)).ok
    await expect(operation).to_contain_text("CONFIRMED")

    await page.goto(f"{url}/#/rules")
    await page.get_by_role("button", name="New rule").click()
    rule = page.get_by_role("dialog", name="New rule")
    await rule.get_by_label("Name", exact=True).fill("climate")
    await rule.get_by_label("Name contains").fill(device.name)
    await rule.get_by_label("Paths to observe").fill("/3303/*/5700")
    await rule.get_by_role("button", name="Create").click()
    card = page.get_by_role("article", name="climate")
    await expect(card).to_contain_text(f"name contains: {device.name}")
    assert (await asyncio.to_thread(device.wake)).ok
    await expect(card).to_contain_text("1 ESTABLISHED")

    await page.goto(f"{url}/#/endpoint/{device.name}")
    history = page.get_by_role("region", name="History")
    await history.get_by_text("Latest values as a table").click()
    for value in (21.5, 22.5):
        await asyncio.to_thread(device.notify, TEMPERATURE, value)
        await expect(history.get_by_role("cell", name=str(value)).first).to_be_visible()
    assert watched.complaints == []
