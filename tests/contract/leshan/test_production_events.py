"""Our Leshan server in production mode reliably delivers every event to its webhook and to its event stream's
listeners."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices, Sample
from tests.support.leshan.kills import kills
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.leshan.outage import outage, signed
from tests.support.leshan.receiver import Envelope, Receiver, wrong
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("java")

TEMPERATURE = "/3303/0/5700"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(receiver: Receiver) -> Iterator[LeshanServer]:
    with signed(), leshan_server(options=["--webhook-url", receiver.url], awake_time=60) as server:
        yield server


@pytest.fixture
def told(receiver: Receiver, server: LeshanServer) -> ToldEvents:
    return ToldEvents(receiver, server)


class ToldEvents:
    """The events that the server delivered about a device, and calls to the device."""

    def __init__(self, receiver: Receiver, server: LeshanServer) -> None:
        self.server = server
        self._receiver = receiver

    def one(self, name: str, device: Device, at: int = 0, /, **data: object) -> dict[str, Any]:
        """Wait for an event of a device whose data include these items and return its data; ``at`` selects a later
        match."""

        def found() -> list[Envelope]:
            events = self._receiver.named(name, device.name)
            return [event for event in events if data.items() <= event["data"].items()]

        wait_until(lambda: len(found()) > at)
        told: dict[str, Any] = found()[at]["data"]
        return told

    def names(self, device: Device) -> list[str]:
        """Return the names of the device's events so far."""
        endpoint = device.name
        return [
            event["event"] for event in self._receiver.events if event in self._receiver.named(event["event"], endpoint)
        ]

    def call(self, method: str, device: Device, path: str) -> httpx.Response:
        """Send a request to the REST API."""
        return loopback.request(method, f"{self.server.url}/clients/{device.name}{path}", timeout=20)


def registration_id(device: Device) -> str:
    """Return the registration id as the server reports it; for the device it is the path of a resource."""
    path = device.registration_id
    assert path is not None
    return path.removeprefix("/rd/")


def test_each_contact_event_has_the_end_of_the_awake_window(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("awake", queue_mode=True, server=told.server.coap_uri)
    first = told.one("AWAKE", device, cause="REGISTRATION")
    assert first["registrationId"] == registration_id(device)
    device.wake()
    second = told.one("AWAKE", device, cause="UPDATE")
    assert told.call("GET", device, "/3/0/0").is_success
    third = told.one("AWAKE", device, cause="ANSWER")
    assert told.call("POST", device, f"{TEMPERATURE}/observe").is_success
    device.notify(TEMPERATURE, "21.5")
    fourth = told.one("AWAKE", device, cause="NOTIFICATION")
    device.send([TEMPERATURE])
    fifth = told.one("AWAKE", device, cause="SEND")
    untils = [each["until"] for each in (first, second, third, fourth, fifth)]
    assert untils == sorted(untils)


def test_the_registrations_awake_time_counts(told: ToldEvents, leshan_devices: Devices) -> None:
    server = told.server.coap_uri
    device = leshan_devices.create("at", queue_mode=True, server=server, attributes={"at": "600000"})
    registration = told.one("REGISTRATION", device)
    until = told.one("AWAKE", device)["until"]
    # counted from its receipt by the server, which is not before the registration's date
    assert until - registration["registrationDate"] >= 600_000


def test_a_device_without_queue_mode_has_no_presence(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("always", server=told.server.coap_uri)
    device.wake()
    device.deregister()
    told.one("DEREGISTRATION", device)
    assert told.names(device) == ["REGISTRATION", "UPDATED", "DEREGISTRATION"]


def test_a_message_of_a_sleeping_device_makes_it_awake(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("sleepy", queue_mode=True, server=told.server.coap_uri)
    told.call("POST", device, f"{TEMPERATURE}/observe")
    ways: list[Callable[[], object]] = [
        lambda: device.notify(TEMPERATURE, "22.5"),
        lambda: device.send([TEMPERATURE]),
    ]
    for n, speak in enumerate(ways):
        device.sleep()
        assert told.call("GET", device, "/3/0/0?timeout=1").status_code == 504
        told.one("SLEEPING", device, n, cause="NO_ANSWER")
        assert told.call("GET", device, "/3/0/0").status_code in {400, 409}
        device.awake()
        speak()
        told.one("AWAKE", device, cause=("NOTIFICATION", "SEND")[n])
        assert told.call("GET", device, "/3/0/0").is_success


def test_a_contact_during_a_call_makes_the_device_awake_after_it(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("woken", queue_mode=True, server=told.server.coap_uri)
    device.never_answer(carry_out=False)
    with ThreadPoolExecutor(1) as callers:
        call = callers.submit(told.call, "GET", device, "/3/0/0?timeout=3")
        wait_until(lambda: device.datagrams()["requests"] > 0)
        assert device.wake().ok
        assert told.one("AWAKE", device, cause="UPDATE")
        assert call.result().status_code == 504
    device.behave()
    assert told.call("GET", device, "/3/0/0").is_success
    told.one("AWAKE", device, cause="ANSWER")
    assert "SLEEPING" not in told.names(device)


def test_a_device_falls_asleep_when_its_time_is_over(told: ToldEvents, leshan_devices: Devices) -> None:
    attributes = {"at": "200"}
    device = leshan_devices.create("timer", queue_mode=True, server=told.server.coap_uri, attributes=attributes)
    sleeping = told.one("SLEEPING", device)
    assert sleeping["cause"] == "TIMER"
    assert sleeping["registrationId"] == registration_id(device)


def test_a_deregistration_has_its_reason(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("leaver", server=told.server.coap_uri)
    old = registration_id(device)
    device.register()
    assert told.one("DEREGISTRATION", device)["registrationId"] == old
    assert told.one("DEREGISTRATION", device)["reason"] == "REPLACED"
    device.deregister()
    assert told.one("DEREGISTRATION", device, 1)["reason"] == "CLIENT"
    gone = leshan_devices.create("vanisher", lifetime=1, server=told.server.coap_uri)
    gone.stop()
    assert told.one("DEREGISTRATION", gone)["reason"] == "EXPIRED"


def test_observations_are_reported_as_added_and_ended(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("observed", server=told.server.coap_uri)
    about = {"registrationId": registration_id(device), "kind": "single", "res": TEMPERATURE}
    told.call("POST", device, f"{TEMPERATURE}/observe")
    told.one("OBSERVATION_ADDED", device, **about)
    told.call("DELETE", device, f"{TEMPERATURE}/observe")
    told.one("OBSERVATION_ENDED", device, **about)
    told.call("POST", device, f"{TEMPERATURE}/observe")
    told.one("OBSERVATION_ADDED", device, 1, **about)
    device.deregister()
    told.one("OBSERVATION_ENDED", device, 1, **about)
    told.one("DEREGISTRATION", device)
    assert told.names(device).count("OBSERVATION_ENDED") == 2


def test_a_replaced_observation_has_not_ended(told: ToldEvents, leshan_devices: Devices) -> None:
    """Leshan cancels the older of two observations with the same paths. An event of that end would arrive between those
    of two observations, and a receiver that observes again what has ended would do so without end."""
    device = leshan_devices.create("twice", server=told.server.coap_uri)
    for index in range(3):
        told.call("POST", device, f"{TEMPERATURE}/observe")
        told.one("OBSERVATION_ADDED", device, index)
    formats = "pathformat=SENML_CBOR&nodeformat=SENML_CBOR"
    told.call("POST", device, f"/composite/observe?paths={TEMPERATURE},/3/0/9&{formats}")
    told.one("OBSERVATION_ADDED", device, kind="composite")
    told.call("DELETE", device, f"{TEMPERATURE}/observe")
    told.one("OBSERVATION_ENDED", device, kind="single")
    assert told.names(device).count("OBSERVATION_ENDED") == 1


def test_a_notification_and_a_send_have_their_samples(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create("sampler", server=told.server.coap_uri)
    told.call("POST", device, f"{TEMPERATURE}/observe")
    device.notify(TEMPERATURE, "20.5")
    node = {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "20.5"}
    notification = told.one("NOTIFICATION", device)
    assert (notification["kind"], notification["res"], notification["val"]) == ("single", TEMPERATURE, node)
    assert notification["samples"] == [{"time": None, "val": {TEMPERATURE: node}}]
    assert device.send([TEMPERATURE, "/3/0/9"]).ok
    send = told.one("SEND", device)
    assert send["val"].keys() == {TEMPERATURE, "/3/0/9"}
    assert [sample["val"].keys() for sample in send["samples"]] == [send["val"].keys()]


@pytest.mark.parametrize("content_format", ["SENML_CBOR", "SENML_JSON"])
def test_a_send_of_many_samples_is_as_many_timed_values(
    told: ToldEvents, leshan_devices: Devices, content_format: str
) -> None:
    device = leshan_devices.create(f"buffered-{content_format}", server=told.server.coap_uri)
    first = 1_795_400_000_000
    times = [first + n * 3_600_000 for n in range(24)]
    samples = [Sample(time, {TEMPERATURE: str(20 + n / 2)}) for n, time in enumerate(times)]
    assert device.send_samples(reversed(samples), content_format=content_format).ok
    send = told.one("SEND", device)
    assert [sample["time"] for sample in send["samples"]] == times
    assert [sample["val"][TEMPERATURE]["value"] for sample in send["samples"]] == [str(20 + n / 2) for n in range(24)]
    assert send["val"][TEMPERATURE]["value"] == "31.5"


def test_a_send_that_is_too_large_for_a_post_is_split(
    told: ToldEvents, receiver: Receiver, leshan_devices: Devices
) -> None:
    device = leshan_devices.create("large", server=told.server.coap_uri)
    first, count, ids = 1_795_400_000_000, 1000, (5700, 5601, 5602)
    paths = [f"/3303/0/{each}" for each in ids]
    samples = [Sample(first + n * 1000, dict.fromkeys(paths, str(n))) for n in range(count)]
    assert device.send_samples(samples, content_format="SENML_CBOR").ok
    newest = {"kind": "singleResource", "type": "FLOAT", "value": f"{count - 1}.0"}
    told.one("SEND", device, val={f"/3303/0/{each}": newest | {"id": each} for each in ids})
    events = receiver.named("SEND", device.name)
    assert len(events) > 1
    assert all(len(json.dumps(event["data"])) < 300_000 for event in events)
    found = [
        (sample["time"], path, node["value"])
        for event in events
        for sample in event["data"]["samples"]
        for path, node in sample["val"].items()
    ]
    assert sorted(found) == sorted((first + n * 1000, path, f"{n}.0") for n in range(count) for path in paths)
    assert [time for time, _, _ in found] == sorted(time for time, _, _ in found)


def test_a_name_with_a_quotation_mark_is_whole(told: ToldEvents, leshan_devices: Devices) -> None:
    device = leshan_devices.create('quo"te', queue_mode=True, server=told.server.coap_uri)
    assert told.one("AWAKE", device)["ep"] == 'quo"te'


def test_reconnecting_stream_clients_receive_missed_events(
    told: ToldEvents, receiver: Receiver, leshan_devices: Devices
) -> None:
    device = leshan_devices.create("listened", queue_mode=True, server=told.server.coap_uri)
    told.one("AWAKE", device)
    for _ in range(3):
        device.wake()
    told.one("AWAKE", device, 3)
    events = [event for event in receiver.events if event["data"].get("ep") == device.name]
    first, rest = events[0], [event for event in receiver.events if event["seq"] > events[0]["seq"]]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(first["seq"])}
    for envelope in (False, True):
        params = {"envelope": "true"} if envelope else {}
        url = f"{told.server.url}/event"
        with loopback.stream("GET", url, params=params, headers=headers, timeout=20) as stream:
            heard = _read(stream, len(rest))
        assert [number for number, _, _ in heard] == [event["seq"] for event in rest]
        assert [name for _, name, _ in heard] == [event["event"] for event in rest]
        assert [data for _, _, data in heard] == [event if envelope else event["data"] for event in rest]


def test_all_reported_events_are_ordered(receiver: Receiver, told: ToldEvents) -> None:
    assert receiver.events
    assert wrong(receiver.events) == []


@pytest.mark.timeout(300)
def test_after_an_outage_each_event_arrives_once_and_in_order() -> None:
    report = outage(devices=20, seconds=5)
    assert report.wrong == []
    assert report.done["SEND"] > 0
    assert report.done["UPDATED"] > 0


@pytest.mark.timeout(300)
def test_no_acknowledged_send_is_lost_by_kills() -> None:
    report = kills(times=3, devices=5, seconds=0.5)
    assert report.wrong == []
    assert report.boots == 4


def _read(stream: httpx.Response, count: int) -> list[tuple[int, str, dict[str, Any]]]:
    """Return this many events of a stream."""
    heard: list[tuple[int, str, dict[str, Any]]] = []
    fields: dict[str, str] = {}
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif fields:
            heard.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
        if len(heard) == count:
            break
    return heard
