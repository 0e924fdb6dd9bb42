"""The dashboard's operations: the list by every filter, live, with bulk actions, and the page of one operation."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, WebSocketRoute, expect

from tests.support.api import Api, write
from tests.support.api import api as api_of
from tests.support.browser import Watched, provision
from tests.support.process_fixtures import ProcessesIn
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

VIEWER: Final = "a-viewer-s-token-of-the-tests"
OPERATOR: Final = "an-operator-s-token-of-the-tests"
DEVICES: Final = '{ endpoints(first: 1, filter: {nameContains: "dev-"}) { edges { node { name } } } }'
STATUS: Final = "query ($id: ID!) { deviceOperation(id: $id) { status } }"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of a Reveille with access tokens."""
    with processes_in(tmp_path_factory.mktemp("guarded")) as group:
        database = f"sqlite://{group.folder / 'reveille.db'}"
        auth = f"vera:viewer:{VIEWER},otto:operator:{OPERATOR}"
        yield group.start("serve", database_url=database, auth=auth, simulate_devices=0).url


@pytest_asyncio.fixture
async def device(api: Api) -> AsyncIterator[str]:
    """A simulated device, which wakes every few seconds."""
    (edge,) = (await api.ask(DEVICES))["endpoints"]["edges"]
    yield edge["node"]["name"]


async def open_list(page: Page, api: Api, **search: object) -> None:
    """Open the operations page with these search parameters, as JSON where the page writes JSON."""
    given = "&".join(f"{name}={quote(_parameter(value))}" for name, value in search.items())
    await page.goto(f"{api.url}/#/operations?{given}")


def _parameter(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def rows(page: Page) -> Locator:
    """The rows of the table without its head."""
    return page.get_by_role("table", name="Operations").get_by_role("row").filter(has=page.get_by_role("cell"))


async def status_of(api: Api, id_: str) -> str:
    status: str = (await api.ask(STATUS, id=id_))["deviceOperation"]["status"]
    return status


async def test_the_address_and_the_controls_are_the_same_filter(watched: Watched, api: Api) -> None:
    page, batch = watched.page, f"filter-{uuid4().hex}"
    one, other = await provision(api, "one"), await provision(api, "other")
    first, second, _ = await api.create(
        write(one, batch=batch),
        {"endpoint": one, "kind": "READ", "path": "/3/0", "batch": batch},
        write(other, batch=batch),
    )
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=second)
    await open_list(page, api, batch=batch)
    await expect(rows(page)).to_have_count(3)
    await expect(page.get_by_text("3 operations match")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Batch")).to_have_value(batch)

    await page.get_by_role("textbox", name="Endpoint").fill(one)
    await page.keyboard.press("Enter")
    await expect(rows(page)).to_have_count(2)
    await page.get_by_role("button", name="Status:").click()
    await page.get_by_role("group", name="Status").get_by_role("checkbox", name="QUEUED").check()
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).get_by_role("link", name="WRITE /5/0/1")).to_have_attribute(
        "href", re.compile(re.escape(quote(first, safe="")))
    )
    assert 'statuses=["QUEUED"]' in await page.evaluate("decodeURIComponent(location.hash)")

    await page.go_back()
    await expect(rows(page)).to_have_count(2)
    await page.go_back()
    await expect(page.get_by_role("textbox", name="Endpoint")).to_have_value("")
    await expect(rows(page)).to_have_count(3)
    await page.get_by_role("button", name="Reset").click()
    await expect(page.get_by_role("textbox", name="Batch")).to_have_value("")
    assert await page.evaluate("location.hash") == "#/operations"
    assert watched.complaints == []


async def test_a_phone_shows_why_operations_wait_and_filters_on_demand(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api)
    await api.create(write(name, "/5/0/1"), write(name, "/5/0/2"))
    await page.set_viewport_size({"width": 390, "height": 844})
    await open_list(page, api, endpoint=name)
    await expect(rows(page).get_by_text("Waits until the device wakes")).to_have_count(2)
    edges = "(rows) => rows.map((row) => row.getBoundingClientRect()).map(({top, bottom}) => [top, bottom])"
    (_, first_ends), (second_begins, _) = await rows(page).evaluate_all(edges)
    assert first_ends <= second_begins

    field = page.get_by_role("textbox", name="Endpoint")
    await expect(field).to_be_hidden()
    await page.get_by_role("button", name="Filters (1 set)").click()
    await field.fill("other")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No operation matches.")).to_be_visible()
    await page.get_by_role("button", name="Hide filters").click()
    await expect(field).to_be_hidden()
    assert watched.complaints == []


async def test_each_filter_of_the_address_restricts_the_list(watched: Watched, api: Api) -> None:
    page, name, batch = watched.page, await provision(api), f"each-{uuid4().hex}"
    (id_,) = await api.create(write(name, batch=batch))
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=id_)
    matching: list[dict[str, object]] = [
        {"statuses": ["CANCELED"]},
        {"kinds": ["WRITE"]},
        {"reasons": ["CANCELED_BY_USER"]},
        {"pathPrefix": "/5/0"},
        {"createdAfter": "2020-01-01T00:00:00.000Z"},
        {"createdBefore": "2999-01-01T00:00:00.000Z"},
        {"createdBy": "anonymous"},
        {"retried": False},
    ]
    others: list[dict[str, object]] = [
        {"statuses": ["QUEUED", "FAILED"]},
        {"kinds": ["READ"]},
        {"reasons": ["NO_ANSWER"]},
        {"pathPrefix": "/3"},
        {"createdAfter": "2999-01-01T00:00:00.000Z"},
        {"createdBefore": "2020-01-01T00:00:00.000Z"},
        {"createdBy": "nobody-of-this-name"},
        {"retried": True},
    ]
    for search in matching:
        await open_list(page, api, endpoint=name, batch=batch, **search)
        await expect(page.get_by_text("1 operation match")).to_be_visible()
        await expect(rows(page)).to_have_count(1)
    for search in others:
        await open_list(page, api, endpoint=name, batch=batch, **search)
        await expect(page.get_by_text("No operation matches.")).to_be_visible()
    assert watched.complaints == []


async def test_an_invalid_filter_is_shown_at_its_control(watched: Watched, api: Api) -> None:
    page = watched.page
    await open_list(page, api, pathPrefix="nonsense")
    await expect(page.get_by_role("textbox", name="Path at or below")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("alert").filter(has_text="path")).to_be_visible()


async def test_operations_appear_and_change_to_confirmed_without_a_reload(
    watched: Watched, api: Api, device: str
) -> None:
    page, batch = watched.page, f"live-{uuid4().hex}"
    await open_list(page, api, batch=batch, endpoint=device)
    await expect(page.get_by_text("No operation matches.")).to_be_visible()
    await api.create(write(device, "/5/0/1", f"https://url.com/{batch}", batch=batch))
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("CONFIRMED")
    await expect(rows(page)).to_contain_text("CHANGED(204)")
    await expect(rows(page).get_by_role("button", name="Retry")).to_be_visible()
    assert watched.complaints == []


async def test_no_change_is_lost_over_a_reconnect(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api)
    sockets: list[WebSocketRoute] = []
    down = False

    async def through(route: WebSocketRoute) -> None:
        if down:
            await route.close(code=1012)
            return
        sockets.append(route)
        route.connect_to_server()

    await page.route_web_socket(re.compile("/graphql$"), through)
    (id_,) = await api.create(write(name))
    await open_list(page, api, endpoint=name)
    await expect(rows(page)).to_contain_text("QUEUED")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    down = True
    await sockets[-1].close(code=1012)
    await expect(page.get_by_role("alert")).to_contain_text("Offline: changes do not arrive")
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=id_)
    down = False
    await expect(rows(page)).to_contain_text("CANCELED")
    await expect(page.get_by_text("Offline: changes")).to_have_count(0)


async def test_the_list_is_read_again_if_the_log_was_pruned(watched: Watched, api: Api) -> None:
    """The server refuses the first subscription with CURSOR_EXPIRED."""
    page, name = watched.page, await provision(api)
    refused: list[str] = []

    def through(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def sent(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "subscribe" and not refused:
                refused.append(message["id"])
                error = {"message": "The log was pruned.", "extensions": {"code": "CURSOR_EXPIRED"}}
                route.send(json.dumps({"id": message["id"], "type": "error", "payload": [error]}))
            else:
                server.send(text)

        route.on_message(sent)

    await page.route_web_socket(re.compile("/graphql$"), through)
    await api.create(write(name))
    await open_list(page, api, endpoint=name)
    await expect(rows(page)).to_have_count(1)
    await eventually(lambda: bool(refused), "the subscription was refused")
    await api.create(write(name, "/5/0/2"))
    await expect(rows(page)).to_have_count(2)


async def test_new_operations_do_not_move_the_rows_that_are_read(watched: Watched, api: Api) -> None:
    page, name, batch = watched.page, await provision(api), f"long-{uuid4().hex}"
    await api.create(*(write(name, "/5/0/1", str(number), batch=batch) for number in range(150)))
    await open_list(page, api, batch=batch)
    await expect(rows(page).first).to_contain_text("149")
    table = page.get_by_role("region", name="Operations")
    await table.evaluate("table => table.scrollTo(0, 90 * 40)")
    shown = rows(page).filter(has=page.get_by_text("55", exact=True))
    await expect(shown).to_be_visible()
    await api.create(write(name, "/5/0/1", "newest", batch=batch))
    newest = page.get_by_role("button", name="The list has changed: show the newest")
    await expect(newest).to_be_visible()
    await expect(shown).to_be_visible()
    await newest.click()
    await expect(rows(page).first).to_contain_text("newest")
    await expect(newest).to_have_count(0)
    assert watched.complaints == []


async def test_a_bulk_cancel_states_the_count_and_asks_again_if_it_changed(watched: Watched, api: Api) -> None:
    page, name, batch = watched.page, await provision(api), f"bulk-{uuid4().hex}"
    ids = await api.create(*(write(name, text=str(number), batch=batch) for number in range(3)))
    await open_list(page, api, batch=batch)
    await page.get_by_role("button", name="Cancel all…").click()
    dialog = page.get_by_role("dialog", name="Cancel operations")
    await expect(dialog).to_contain_text("3 operations with the filter")
    ids += await api.create(write(name, text="later", batch=batch))
    await dialog.get_by_role("button", name="Cancel 3 operations").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("matches 4 operations, not 3")
    assert {await status_of(api, id_) for id_ in ids} == {"QUEUED"}

    await dialog.get_by_role("button", name="Cancel 4 operations").click()
    await expect(page.get_by_text("4 operations canceled, 0 passed over.")).to_be_visible()
    await expect(dialog).to_have_count(0)
    await expect(rows(page).filter(has_text="CANCELED")).to_have_count(4)
    assert watched.complaints == []


async def test_a_bulk_retry_queues_what_the_filter_names(watched: Watched, api: Api) -> None:
    page, name, batch = watched.page, await provision(api), f"retry-{uuid4().hex}"
    await api.create(write(name, batch=batch), {"endpoint": name, "kind": "EXECUTE", "path": "/3/0/4", "batch": batch})
    cancel = "mutation ($b: String!) { cancelDeviceOperations(filter: {batch: $b}, expectedCount: 2) { canceled } }"
    await api.ask(cancel, b=batch)
    await open_list(page, api, batch=batch)
    await page.get_by_role("button", name="Retry all…").click()
    dialog = page.get_by_role("dialog", name="Retry operations")
    await expect(dialog).to_contain_text("None of the operations that match can be retried")
    await dialog.get_by_role("button", name="Back").click()

    await open_list(page, api, batch=batch, statuses=["CANCELED"])
    await page.get_by_role("button", name="Retry all…").click()
    await expect(dialog).to_contain_text("1 operation is EXECUTE, CREATE or DELETE")
    await dialog.get_by_role("button", name="Retry 2 operations").click()
    await expect(page.get_by_text("2 operations queued again, 0 passed over.")).to_be_visible()
    await open_list(page, api, batch=batch, statuses=["QUEUED"])
    await expect(rows(page)).to_have_count(2)
    assert watched.complaints == []


async def test_selected_operations_are_canceled_one_by_one(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api)
    first, second, third = await api.create(*(write(name, f"/5/0/{number}") for number in (1, 2, 3)))
    await api.ask("mutation ($id: ID!) { cancelDeviceOperation(id: $id) { id } }", id=third)
    await open_list(page, api, endpoint=name)
    for path in ("/5/0/2", "/5/0/3"):
        await page.get_by_role("checkbox", name=f"Select WRITE {path} of {name}").check()
    await page.get_by_role("button", name="Cancel selected…").click()
    dialog = page.get_by_role("dialog", name="Cancel the selected operations")
    await expect(dialog).to_contain_text("1 operation of 2 selected. The other one cannot be canceled.")
    await dialog.get_by_role("button", name="Cancel 1 operation").click()
    await expect(dialog).to_contain_text("1 operation canceled, 0 passed over.")
    await expect(dialog.get_by_role("progressbar")).to_have_attribute("value", "1")
    await dialog.get_by_role("button", name="Close").click()
    await expect(rows(page).filter(has_text="/5/0/2")).to_contain_text("CANCELED")
    assert [await status_of(api, id_) for id_ in (first, second, third)] == ["QUEUED", "CANCELED", "CANCELED"]
    await expect(page.get_by_role("button", name="Cancel all…")).to_be_visible()
    assert watched.complaints == []


async def test_canceling_selected_operations_is_stopped_with_a_report(watched: Watched, api: Api) -> None:
    page, name, goes_on = watched.page, await provision(api), asyncio.Event()
    await api.create(*(write(name, f"/5/0/{number}") for number in range(6)))

    async def hold(route: Route) -> None:
        if "cancelDeviceOperation(" in (route.request.post_data or ""):
            await goes_on.wait()
        await route.continue_()

    await page.route("**/graphql", hold)
    await open_list(page, api, endpoint=name)
    await expect(rows(page)).to_have_count(6)
    await page.get_by_role("checkbox", name="Select all loaded rows").check()
    await page.get_by_role("button", name="Cancel selected…").click()
    dialog = page.get_by_role("dialog", name="Cancel the selected operations")
    await dialog.get_by_role("button", name="Cancel 6 operations").click()
    await dialog.get_by_role("button", name="Stop").click()
    goes_on.set()
    await expect(dialog).to_contain_text("4 operations canceled, 0 passed over, 2 left out.")
    await dialog.get_by_role("button", name="Close").click()
    await expect(rows(page).filter(has_text="QUEUED")).to_have_count(2)
    assert watched.complaints == []


async def test_the_retry_of_an_execute_asks_first(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api)
    await api.create({"endpoint": name, "kind": "EXECUTE", "path": "/3/0/4"}, write(name))
    await open_list(page, api, endpoint=name)
    for title in ("WRITE /5/0/1", "EXECUTE /3/0/4"):
        await page.get_by_role("button", name=f"Cancel {title}").click()
    await page.get_by_role("button", name="Retry WRITE /5/0/1").click()
    await expect(rows(page).filter(has_text="WRITE").filter(has_text="QUEUED")).to_have_count(1)

    await page.get_by_role("button", name="Retry EXECUTE /3/0/4").click()
    dialog = page.get_by_role("dialog", name="Retry")
    await expect(dialog).to_contain_text("it executes it a second time")
    await expect(rows(page)).to_have_count(3)
    await dialog.get_by_role("button", name="Retry").click()
    await expect(rows(page)).to_have_count(4)
    assert watched.complaints == []


async def test_the_page_of_an_operation_has_its_facts_and_a_live_timeline(
    watched: Watched, api: Api, device: str
) -> None:
    page, batch = watched.page, f"page-{uuid4().hex}"
    (id_,) = await api.create(write(device, "/5/0/1", f"https://url.com/{batch}", batch=batch))
    await page.goto(f"{api.url}/#/operations/{quote(id_, safe='')}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("WRITE /5/0/1")
    steps = page.get_by_role("listitem")
    await expect(steps.nth(0)).to_contain_text("QUEUED")
    await expect(steps.last).to_contain_text("CONFIRMED")
    await expect(steps.nth(1)).to_contain_text("SENDING")
    main = page.get_by_role("main")
    for text in (f"https://url.com/{batch}", "CHANGED(204)", "The device responded", "anonymous", id_):
        await expect(main).to_contain_text(text)
    await expect(page.get_by_role("link", name=batch)).to_be_visible()

    await page.get_by_role("button", name="Retry").click()
    original = page.get_by_role("term").filter(has_text="Retry of")
    await expect(original).to_be_visible()
    await expect(page.get_by_role("link", name="WRITE /5/0/1", exact=True)).to_have_attribute(
        "href", re.compile(re.escape(quote(id_, safe="")))
    )
    assert watched.complaints == []


async def test_an_operation_that_does_not_exist_is_said_to_be_missing(watched: Watched, api: Api) -> None:
    (id_,) = await api.create(write(await provision(api)))
    unknown = "RGV2aWNlT3BlcmF0aW9uOjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMA=="
    assert len(unknown) == len(id_)
    await watched.page.goto(f"{api.url}/#/operations/{quote(unknown, safe='')}")
    await expect(watched.page.get_by_text("There is no such operation")).to_be_visible()


async def test_a_pause_of_an_endpoint_is_set_and_ended_on_the_page(watched: Watched, api: Api) -> None:
    page, name = watched.page, await provision(api)
    await api.create(write(name))
    await open_list(page, api, endpoint=name)
    await page.get_by_role("button", name="Pause dispatch…").click()
    dialog = page.get_by_role("dialog", name="Pause dispatch")
    await expect(dialog.get_by_role("textbox", name="Endpoint")).to_have_value(name)
    await dialog.get_by_role("textbox", name="Reason").fill("antenna is replaced")
    await dialog.get_by_role("button", name="Pause").click()
    banner = page.get_by_role("alert").filter(has_text=name)
    await expect(banner).to_contain_text(
        re.compile(rf"Dispatch to endpoint {name} is paused by anonymous since .*: antenna is replaced")
    )
    await expect(rows(page)).to_contain_text("Dispatch is paused")
    await banner.get_by_role("button", name="Resume").click()
    await expect(banner).to_have_count(0)
    await expect(rows(page)).not_to_contain_text("Dispatch is paused")
    assert watched.complaints == []


async def test_a_viewer_sees_no_button_that_would_be_refused(watched: Watched, guarded: str) -> None:
    page = watched.page
    async with api_of(guarded, OPERATOR) as operator:
        name = await provision(operator)
        await operator.create(write(name))
    await page.goto(f"{guarded}/#/operations?endpoint={name}")
    await page.get_by_label("Access token").fill(VIEWER)
    await page.get_by_role("button", name="Log in").click()
    await expect(rows(page)).to_contain_text("QUEUED")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    main = page.get_by_role("main")
    await expect(main.get_by_role("button", name=re.compile("Cancel|Retry|Pause"))).to_have_count(0)
    await expect(main.get_by_role("table").get_by_role("checkbox")).to_have_count(0)

    await page.get_by_role("button", name="Log out").click()
    await page.get_by_label("Access token").fill(OPERATOR)
    await page.get_by_role("button", name="Log in").click()
    await expect(main.get_by_role("button", name="Cancel WRITE /5/0/1")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
