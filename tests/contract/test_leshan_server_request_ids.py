"""Our Leshan server in production mode sends no request twice, and reports the state of a past call.

The verdict depends on the requests that the device received. Wire format: `leshan-server/README.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

COUNT: Final = "/3442/0/3"
"""A resource to execute."""
NOTIFIED: Final = "/3303/0/5700"


class Rest:
    """The server's REST API, with errors as JSON."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def execute(
        self, device: Device | str, request_id: str | None = None, *, body: str = "5", seconds: int = 20, **query: Any
    ) -> httpx.Response:
        name = device if isinstance(device, str) else device.name
        headers = {} if request_id is None else {"Reveille-Request": request_id}
        params = {"timeout": seconds, **query}
        return await self._http.post(f"/clients/{name}{COUNT}", content=body, params=params, headers=headers)

    async def told(self, request_id: str, *, close: bool = False, wait: int = 0) -> dict[str, Any]:
        """Return the server's report about a request id."""
        answer = await self._http.request("DELETE" if close else "GET", f"/requests/{request_id}?wait={wait}")
        told: dict[str, Any] = answer.raise_for_status().json()
        return told


def rest_of(server: LeshanServer) -> httpx.AsyncClient:
    return loopback.AsyncClient(base_url=server.url, headers={"Accept": "application/json"}, timeout=60)


@pytest_asyncio.fixture(loop_scope="function")
async def rest(production_leshan: LeshanServer) -> AsyncIterator[Rest]:
    async with rest_of(production_leshan) as http:
        yield Rest(http)


@pytest.fixture
def device(
    production_leshan: LeshanServer, leshan_devices: Devices, request: pytest.FixtureRequest
) -> Iterator[Device]:
    device = leshan_devices.create(request.node.name, server=production_leshan.coap_uri)
    yield device
    device.remove()


async def executed(device: Device) -> list[str | None]:
    """Return the arguments of every EXECUTE that the device counted."""
    return [each.value for each in await asyncio.to_thread(device.received, method="EXECUTE")]


async def test_concurrent_calls_with_one_id_are_one_request(rest: Rest, device: Device) -> None:
    await asyncio.to_thread(device.answer_late, 300)
    answers = await asyncio.gather(*(rest.execute(device, "at-once/1") for _ in range(10)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert answers[0].json()["success"]
    assert await executed(device) == ["5"]


async def test_a_repeat_receives_the_result_of_the_first_call(rest: Rest, device: Device) -> None:
    await asyncio.to_thread(device.refuse, "4.05", times=1)
    first = await rest.execute(device, "repeat/1")
    again = await rest.execute(device, "repeat/1")
    assert (again.status_code, again.text) == (first.status_code, first.text)
    assert again.json()["status"] == "METHOD_NOT_ALLOWED(405)"
    assert await executed(device) == ["5"]
    told = await rest.told("repeat/1")
    assert (told["state"], told["delivery"], told["endpoint"]) == ("DONE", "ANSWERED", device.name)
    assert told["answer"] == {"status": 200, "contentType": "application/json", "body": first.text}
    assert told["receivedAt"] <= told["finishedAt"]


async def test_an_error_is_recorded_as_well(rest: Rest, device: Device) -> None:
    await asyncio.to_thread(device.never_answer)
    first = await rest.execute(device, "silent/1", seconds=1)
    assert (first.status_code, first.json()["code"], first.json()["delivery"]) == (
        504,
        "REQUEST_TIMEOUT",
        "MAY_HAVE_REACHED",
    )
    await asyncio.to_thread(device.behave)
    again = await rest.execute(device, "silent/1", seconds=1)
    assert (again.status_code, again.json()) == (504, first.json())
    assert await executed(device) == ["5"]
    assert (await rest.told("silent/1"))["answer"]["status"] == 504


async def test_another_request_under_the_same_id_is_refused(rest: Rest, device: Device) -> None:
    await rest.execute(device, "reused/1")
    other = await rest.execute(device, "reused/1", body="6")
    assert (other.status_code, other.json()["code"], other.json()["delivery"]) == (422, "REQUEST_ID_REUSED", "NOT_SENT")
    assert await executed(device) == ["5"]


async def test_a_refused_call_may_be_repeated(rest: Rest, device: Device) -> None:
    await asyncio.to_thread(device.answer_late, 1000)
    first = asyncio.create_task(rest.execute(device, "busy/1"))
    await eventually(lambda: device.received(method="EXECUTE") != [])
    refused = await rest.execute(device, "busy/2")
    assert (refused.status_code, refused.json()["code"], refused.json()["delivery"]) == (409, "BUSY", "NOT_SENT")
    assert (await rest.told("busy/2")) == {"id": "busy/2", "state": "NOT_RECEIVED"}
    assert (await first).json()["success"]
    assert (await rest.execute(device, "busy/2")).json()["success"]
    assert len(await executed(device)) == 2


async def test_an_unanswered_call_occupies_the_device_for_a_limited_time(leshan_devices: Devices) -> None:
    with leshan_server(options=["--busy-seconds", 1]) as server:
        slow = await asyncio.to_thread(leshan_devices.create, "slow-busy", server=server.coap_uri)
        await asyncio.to_thread(slow.answer_late, 6000, path="/3442/0/3")
        async with rest_of(server) as client:
            rest = Rest(client)
            # The caller disconnects; the device has acknowledged the request.
            leaving = asyncio.create_task(rest.execute(slow, "left/1", seconds=3600))
            await eventually(lambda: slow.received(method="EXECUTE") != [])
            leaving.cancel()
            assert (await read(client, slow)).status_code == 409
            answers = [await read(client, slow)]
            while answers[-1].status_code == 409:
                await asyncio.sleep(0.2)
                answers.append(await read(client, slow))
            assert answers[-1].json()["success"]
            # It is still the only request of its id, and the server accepts its response.
            assert (await rest.told("left/1"))["state"] == "RUNNING"
            told = await rest.told("left/1", wait=30)
            assert (told["state"], told["delivery"]) == ("DONE", "ANSWERED")
            assert await executed(slow) == ["5"]
        await asyncio.to_thread(slow.remove)


async def read(client: httpx.AsyncClient, device: Device) -> httpx.Response:
    return await client.get(f"/clients/{device.name}/3/0/0?timeout=20")


async def test_a_repeat_is_answered_after_the_device_deregistered(rest: Rest, device: Device) -> None:
    first = await rest.execute(device, "gone/1")
    await asyncio.to_thread(device.deregister)
    assert (await rest.execute(device, "gone/1")).text == first.text
    never = await rest.execute(device, "gone/2")
    assert (never.status_code, never.json()["code"], never.json()["delivery"]) == (400, "NOT_REGISTERED", "NOT_SENT")


async def test_waiting_for_a_running_call(rest: Rest, device: Device) -> None:
    await asyncio.to_thread(device.answer_late, 1000)
    call = asyncio.create_task(rest.execute(device, "wait/1"))
    await eventually(lambda: device.received(method="EXECUTE") != [])
    running = await rest.told("wait/1")
    assert (running["state"], running["endpoint"]) == ("RUNNING", device.name)
    assert "answer" not in running
    done = await rest.told("wait/1", wait=30)
    assert (done["state"], done["answer"]["body"]) == ("DONE", (await call).text)


async def test_an_abandoned_id_is_never_sent(rest: Rest, device: Device) -> None:
    assert await rest.told("late/1") == {"id": "late/1", "state": "NOT_RECEIVED"}
    assert await rest.told("late/1", close=True) == {"id": "late/1", "state": "NOT_RECEIVED"}
    late = await rest.execute(device, "late/1")
    assert (late.status_code, late.json()["code"], late.json()["delivery"]) == (409, "REQUEST_CLOSED", "NOT_SENT")
    assert await rest.told("late/1") == {"id": "late/1", "state": "NOT_RECEIVED"}
    done = await rest.execute(device, "late/2")
    assert (await rest.told("late/2", close=True))["answer"]["body"] == done.text
    assert len(await executed(device)) == 1


@pytest.mark.parametrize("request_id", ["one", "a/b/c", "../1", "1/..", "a b/1", "a/", "/1"])
async def test_invalid_ids(rest: Rest, device: Device, request_id: str) -> None:
    refused = await rest.execute(device, request_id)
    assert (refused.status_code, refused.json()["code"], refused.json()["delivery"]) == (
        400,
        "INVALID_REQUEST",
        "NOT_SENT",
    )
    assert await executed(device) == []


async def test_a_request_without_retransmission_is_sent_once(rest: Rest, device: Device) -> None:
    """The device does not receive it; a request of the usual kind is retransmitted after 2 to 3 s."""
    await asyncio.to_thread(device.sleep)
    before = (await asyncio.to_thread(device.datagrams))["dropped"]
    answer = await rest.execute(device, "once/1", seconds=5, retransmit=0)
    assert (answer.status_code, answer.json()["delivery"]) == (504, "MAY_HAVE_REACHED")
    assert (await asyncio.to_thread(device.datagrams))["dropped"] == before + 1
    usual = await rest.execute(device, "once/2", seconds=5)
    assert usual.status_code == 504
    assert (await asyncio.to_thread(device.datagrams))["dropped"] > before + 2


async def test_a_late_answer_to_a_request_without_retransmission(rest: Rest, device: Device) -> None:
    """CoAP itself would have given up by then."""
    await asyncio.to_thread(device.answer_late, 4000)
    assert (await rest.execute(device, "once-late/1", retransmit=0)).json()["success"]


async def test_after_a_restart_done_calls_are_answered_open_ones_interrupted(
    leshan_devices: Devices, tmp_path: Path
) -> None:
    with leshan_server(data=tmp_path) as first:
        done_device = leshan_devices.create("restart-done", server=first.coap_uri)
        open_device = leshan_devices.create("restart-open", server=first.coap_uri)
        async with rest_of(first) as http:
            done = await Rest(http).execute(done_device, "restart/1")
            await asyncio.to_thread(open_device.never_answer)
            left_open = asyncio.create_task(Rest(http).execute(open_device, "restart/2"))
            await eventually(lambda: open_device.received(method="EXECUTE") != [])
            first.process.kill()
            await asyncio.gather(left_open, return_exceptions=True)
        with leshan_server(data=tmp_path, http_port=first.http_port, coap_port=first.coap_port) as second:
            await asyncio.to_thread(open_device.behave)
            await asyncio.to_thread(done_device.wake)
            await asyncio.to_thread(open_device.wake)
            await eventually(lambda: len(second.clients()) == 2)
            async with rest_of(second) as http:
                rest = Rest(http)
                assert (await rest.execute(done_device, "restart/1")).text == done.text
                again = await rest.execute(open_device, "restart/2")
                told = await rest.told("restart/2", wait=30)
    assert (again.status_code, again.json()["code"], again.json()["delivery"]) == (
        500,
        "INTERRUPTED",
        "MAY_HAVE_REACHED",
    )
    assert (told["state"], told["delivery"]) == ("INTERRUPTED", "MAY_HAVE_REACHED")
    assert [await executed(each) for each in (done_device, open_device)] == [["5"], ["5"]]
    for each in (done_device, open_device):
        await asyncio.to_thread(each.remove)
