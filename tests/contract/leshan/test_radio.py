"""A device with a radio: the effects of a bad network and of a poor device on CoAP, as the device's own counters show
them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.support import loopback
from tests.support.leshan.devices import Device, DeviceError, Devices, Sample
from tests.support.leshan.launch import LeshanServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

TEMPERATURE: Final = "/3303/0/5700"
COUNTER_RESET: Final = "/3442/0/0"
PATIENCE: Final = 30
"""Maximum seconds for a call: CoAP retransmits after 2 to 3, 4 to 6, 8 to 12 s."""
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
SETTLED: Final = 60.0
MakeDevice = Callable[..., Device]

_numbers = itertools.count()


@pytest_asyncio.fixture(loop_scope="session")
async def rest(our_leshan: LeshanServer) -> AsyncIterator[httpx.AsyncClient]:
    async with loopback.AsyncClient(base_url=our_leshan.url, timeout=PATIENCE + 30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def make(our_leshan: LeshanServer, leshan_devices: Devices) -> AsyncIterator[MakeDevice]:
    """Yield a factory of devices of our Leshan server, by default with a radio without faults."""
    made: list[Device] = []

    def device(**spec: Any) -> Device:
        created = leshan_devices.create(f"radio-{next(_numbers)}", server=our_leshan.coap_uri, **({"radio": {}} | spec))
        made.append(created)
        return created

    yield device
    for each in made:
        each.remove(deregister=False)


async def execute(rest: httpx.AsyncClient, device: Device, path: str = COUNTER_RESET) -> httpx.Response:
    return await rest.post(f"/clients/{device.name}{path}", params={"timeout": PATIENCE})


def executed(device: Device) -> int:
    return len(device.received(method="EXECUTE"))


def registration(server: LeshanServer, device: Device) -> dict[str, Any]:
    (found,) = [each for each in server.clients() if each["endpoint"] == device.name]
    return found


@asynccontextmanager
async def events(rest: httpx.AsyncClient, device: Device) -> AsyncIterator[list[tuple[str, Any]]]:
    """Collect Leshan's events about one device."""
    heard: list[tuple[str, Any]] = []
    headers = {"Accept": "text/event-stream"}

    async def listen(response: httpx.Response) -> None:
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                heard.append((name, json.loads(line.removeprefix("data:"))))

    async with rest.stream("GET", "/event", params={"ep": device.name}, headers=headers) as response:
        listening = asyncio.create_task(listen(response))
        try:
            yield heard
        finally:
            listening.cancel()


def of(heard: list[tuple[str, Any]], name: str) -> list[Any]:
    return [data for event, data in heard if event == name]


# --- the network


async def test_a_lost_request_is_received_with_the_next_transmission(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make()
    device.radio(down={"loss": 100})
    call = asyncio.create_task(execute(rest, device))
    await eventually(lambda: device.radio()["down"]["lost"] >= 1)
    assert executed(device) == 0
    device.radio(down={"loss": 0})
    assert (await call).json()["success"]
    assert executed(device) == 1


async def test_when_only_the_answer_is_lost_it_is_executed_once(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make()
    device.radio(up={"loss": 100})
    call = asyncio.create_task(execute(rest, device))
    await eventually(lambda: device.radio()["up"]["lost"] >= 2)
    assert executed(device) == 1
    device.radio(up={"loss": 0})
    assert (await call).json()["success"]
    assert executed(device) == 1
    assert device.datagrams()["requests"] >= 3, "the same request was heard again and again"


async def test_a_doubled_request_is_executed_once(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make(radio={"duplicates": 100})
    for count in (1, 2, 3):
        assert (await execute(rest, device)).json()["success"]
        assert executed(device) == count
    await eventually(lambda: device.datagrams()["requests"] == 6)
    assert executed(device) == 3


async def test_later_requests_overtake_earlier_ones(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make(radio={"spreadMs": 1500, "seed": 1})
    texts = [str(number) for number in range(8)]
    node = {"id": 110, "kind": "singleResource", "type": "STRING"}
    calls = [
        rest.put(f"/clients/{device.name}/3442/0/110", json=node | {"value": text}, params={"timeout": PATIENCE})
        for text in texts
    ]
    assert all(answer.json()["success"] for answer in await asyncio.gather(*calls))
    arrived = [each.value for each in device.received(method="WRITE")]
    assert sorted(arrived, key=str) == texts
    assert arrived != texts


async def test_messages_held_during_sleep_arrive_in_order_at_the_wake(
    rest: httpx.AsyncClient, make: MakeDevice
) -> None:
    device = make()
    device.radio(hold=True)
    for text in ("first", "second"):
        node = {"id": 110, "kind": "singleResource", "type": "STRING", "value": text}
        answer = await rest.put(f"/clients/{device.name}/3442/0/110", json=node, params={"timeout": 1})
        assert answer.status_code == 504
    assert device.received() == []
    assert device.radio()["down"]["held"] == 2
    assert device.wake().ok
    await eventually(lambda: len(device.received(method="WRITE")) == 2)
    assert [each.value for each in device.received(method="WRITE")] == ["first", "second"]


async def test_the_same_seed_gives_the_same_radio_conditions(make: MakeDevice) -> None:
    fates = []
    for _ in range(2):
        device = make()
        device.radio(down={"duplicates": 50}, seed=4)
        fates.append([(device.send([TEMPERATURE]).code, device.radio()["down"]["duplicated"]) for _ in range(12)])
    assert fates[0] == fates[1]
    assert 0 < fates[0][-1][1] < 12


async def test_a_new_source_port_is_known_after_the_next_update(
    rest: httpx.AsyncClient, make: MakeDevice, our_leshan: LeshanServer
) -> None:
    device = make()
    before = device.state()
    device.rebind()
    after = device.state()
    assert (after["port"] != before["port"], after["registrationId"]) == (True, before["registrationId"])
    assert (await rest.post(f"/clients/{device.name}{COUNTER_RESET}", params={"timeout": 1})).status_code == 504
    assert executed(device) == 0, "the old address leads nowhere"

    assert device.wake().ok
    assert str(after["port"]) in registration(our_leshan, device)["address"]
    assert (await execute(rest, device)).json()["success"]
    assert executed(device) == 1


async def test_a_device_without_a_radio_has_none_to_set(make: MakeDevice) -> None:
    with pytest.raises(DeviceError, match="without a radio"):
        make(radio=None).radio(loss=10)
    with pytest.raises(DeviceError, match="percent"):
        make(radio={"loss": 101})


# --- the device


async def test_a_reboot_before_the_answer_loses_the_state_and_not_the_count(
    rest: httpx.AsyncClient, make: MakeDevice, our_leshan: LeshanServer
) -> None:
    device = make()
    first = device.registration_id
    node = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "forgotten"}
    assert (await rest.put(f"/clients/{device.name}/3442/0/110", json=node)).json()["success"]
    initial = device.value("/3442/0/110")
    device.reboot_over("unanswered", path=COUNTER_RESET)
    answer = await execute(rest, device)
    assert (answer.status_code, answer.text.split(":")[0]) == (500, "Request cancelled"), "it came back meanwhile"
    await eventually(lambda: device.registration_id not in {first, None}, within=SETTLED)
    assert device.state()["boots"] == 2
    assert executed(device) == 1
    assert device.value("/3442/0/110") != initial
    assert f"/rd/{registration(our_leshan, device)['registrationId']}" == device.registration_id


async def test_after_a_reboot_a_retransmission_is_executed_as_a_new_request(
    rest: httpx.AsyncClient, make: MakeDevice
) -> None:
    """The reason that an EXECUTE that may end the device's turn must not be retransmitted; here the registration is
    lost, too."""
    device = make()
    device.reboot_over("unanswered", path=COUNTER_RESET)
    device.radio(up={"loss": 100})
    call = asyncio.create_task(execute(rest, device))
    await eventually(lambda: executed(device) == 2, within=SETTLED)
    device.radio(up={"loss": 0})
    await call


async def test_a_reboot_over_a_request_that_is_not_carried_out(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make()
    device.reboot_over("undone", path="/3442/0/110", boot_ms=200)
    node = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "x"}
    answer = await rest.put(f"/clients/{device.name}/3442/0/110", json=node, params={"timeout": PATIENCE})
    assert answer.status_code == 500
    assert len(device.received(method="WRITE")) == 1
    assert (await execute(rest, device)).json()["success"]


async def test_a_device_without_observe_answers_a_plain_read(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make(observes=False)
    async with events(rest, device) as heard:
        answer = (await rest.post(f"/clients/{device.name}{TEMPERATURE}/observe")).json()
        assert (answer["status"], answer["content"]["value"]) == ("CONTENT(205)", "23.1")
        assert [each.method for each in device.received()] == ["READ"]
        device.notify(TEMPERATURE, "40.5")
        assert device.wake().ok
        await eventually(lambda: bool(of(heard, "UPDATED")))
        assert of(heard, "NOTIFICATION") == []


async def test_an_unsupported_content_format(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make()
    device.refuse("4.15", content_format="TLV")
    node = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "x"}
    statuses = [
        (await rest.put(f"/clients/{device.name}/3442/0/110", json=node, params=how)).json()["status"]
        for how in ({}, {"format": "SENML_CBOR"})
    ]
    assert statuses == ["UNSUPPORTED_CONTENT_FORMAT(415)", "CHANGED(204)"]


async def test_samples_of_a_day_in_one_send_with_a_wrong_clock(rest: httpx.AsyncClient, make: MakeDevice) -> None:
    device = make()
    now = int(time.time()) * 1000
    samples = [Sample(now - hour * HOUR, {TEMPERATURE: f"{hour}.5"}) for hour in range(24)]
    device.set_clock(-DAY)
    told = device.value("/3/0/13")
    assert told is not None
    assert abs(told["value"] - (now - DAY)) < 60_000
    async with events(rest, device) as heard:
        assert device.send_samples(samples).ok
        await eventually(lambda: bool(of(heard, "SEND")))
        (send,) = of(heard, "SEND")
        if "samples" in send:
            assert [each["time"] for each in send["samples"]] == [
                now - hour * HOUR - DAY for hour in reversed(range(24))
            ]
            assert send["val"][TEMPERATURE]["value"] == "0.5", "the newest"
        else:
            # TimestampedLwM2mNodes.getMostRecentNodes of 2.0.0-M18 takes the first of an ascending order
            assert send["val"][TEMPERATURE]["value"] == "23.5", "the oldest"
