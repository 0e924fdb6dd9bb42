"""The simulator answers 210 recorded requests as the stock Leshan 2.0.0-M18 did, except for those in one list."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simulator import Behaviour, Kind, Simulator, SimulatorConfig
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

CAPTURES = Path(__file__).parents[1] / "captures"

DIFFERENT = {
    147: "the CoAP endpoints of that very server; the simulator has no CoAP",
    150: "the certificate of that very server; the simulator has no DTLS",
    158: "the root read as SenML leaves multiple resources without instances out; the simulator tells them as TLV does",
    197: "the CoAP endpoints of that very server; the simulator has no CoAP",
}
"""Number of the exchange -> the reason that only its status is compared."""

VOLATILE_KEYS = {
    "registrationId",
    "registrationDate",
    "lastUpdate",
    "address",
    "lifetime",
    "requestId",
    "additionalRegistrationAttributes",
}
VOLATILE_RESOURCES = {9, 10, 13, 20, 5601, 5602, 5700}
"""Readings and clocks. These ids do not occur in the test object, whose values are compared exactly."""


def normalised(body: Any) -> Any:
    """Return JSON without the values that differ between runs, and without the order of sets (Leshan's are hash
    sets)."""
    if isinstance(body, dict):
        if body.get("id") in VOLATILE_RESOURCES or (body.get("id") == 5 and body.get("type") == "TIME"):
            return {**body, "value": "volatile"}
        return {key: "volatile" if key in VOLATILE_KEYS else normalised(item) for key, item in body.items()}
    if isinstance(body, list):
        return sorted(map(normalised, body), key=lambda item: json.dumps(item, sort_keys=True))
    return body


def comparable(text: str, content_type: str | None) -> Any:
    """Return a body in the form in which both are compared; Java's or Jetty's own wording is removed."""
    if content_type == "application/json":
        return normalised(json.loads(text))
    if content_type and content_type.startswith("text/html"):
        title = re.search("<title>(.*?)[\n<\u2026:]", text)
        return title and title[1].strip()
    return re.split(r"(?<=tlv:)|(?<=client 'Registration \[)", text)[0]


def content_type_of(body: str | None) -> dict[str, str]:
    if not body:
        return {}
    kind = "application/json" if body.startswith("{") else "text/plain"
    return {"Content-Type": f"{kind};charset=utf-8"}


def request_body(label: str, body: str | None) -> bytes | None:
    """Return the body with long values, which the recording truncated, at their original length."""
    if body is not None and "\u2026" in body:
        length = int(label.rsplit(maxsplit=1)[-1])
        body = re.sub("([a-z]+)\u2026", lambda match: match[1] * length, body)
    return None if body is None else body.encode()


def exchange(
    url: str, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, str | None, str]:
    """Send one request with the path unchanged: clients that normalize ``..`` would hide the tested behavior."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type"), answer.read().decode()
    finally:
        connection.close()


Step = Callable[[Simulator], Awaitable[None]]


def _frozen(name: str, times: int, carry_out: bool = False) -> Step:
    """Return a step for a device frozen during this many requests; when it resumed, it executed the requests in its
    buffer."""

    async def step(sim: Simulator) -> None:
        sim.behave(name, Behaviour(kind=Kind.SILENT, carry_out=carry_out, times=times))

    return step


async def _back_again(sim: Simulator) -> None:
    """Wait for the new registration of the device, which request 177 rebooted."""
    await eventually(lambda: sim.device("plain-2").registration is not None)


BEFORE: dict[int, Step] = {
    178: _back_again,
    180: _frozen("plain-3", 3),
    183: _frozen("plain-3", 1, carry_out=True),
    186: _frozen("queue-3", 1),
}


def simulator() -> Simulator:
    config = SimulatorConfig.manual(
        "plain-2",
        "plain-3",
        "urn:imei:123456789012345",
        objects=(1, 3, 6, 3303, 3442),
        queue_mode_share=0.0,
        max_body_bytes=8192,
        reboot_seconds=0.01,
    )
    return Simulator(config)


def like_the_recorded_client(sim: Simulator, name: str) -> None:
    """Set the values of Leshan's demo client where the simulated devices have other ones."""
    for path, value in {
        "/3/0/0": "Leshan Demo Device",
        "/3/0/1": "Model 500",
        "/3/0/2": "LT-500-000-0001",
        "/3/0/21": "204800",
        "/6/0/0": "-11.0",
        "/6/0/1": "55.0",
    }.items():
        sim.set_value(name, path, value)


async def test_answers_as_the_stock_server_did() -> None:
    recorded = json.loads((CAPTURES / "m18-rest.json").read_text())
    sim = simulator()
    sim.add("queue-3", queue_mode=True)
    different = []
    async with sim.serve():
        for device in sim.devices():
            like_the_recorded_client(sim, device.name)
            sim.register(device.name)
        for number, one in enumerate(recorded):
            if number in BEFORE:
                await BEFORE[number](sim)
            request, response = one["request"], one["response"]
            body = request_body(one["label"], request.get("body"))
            headers = content_type_of(request.get("body"))
            path = re.sub(r"timeout=[12]$", "timeout=0", request["path"])
            if number == 180:
                path += "?timeout=0"
            status, kind, text = await asyncio.to_thread(exchange, sim.url, request["method"], path, body, headers)
            real: list[Any] = [response["status"]]
            ours: list[Any] = [status]
            if number not in DIFFERENT:
                real += [response["contentType"], comparable(response["body"] or "", response["contentType"])]
                ours += [kind, comparable(text, kind)]
            if ours != real:
                different.append(f"{number} {one['label']}: {request['method']} {path}\n  real {real}\n  ours {ours}")
    assert not different, "\n".join(different)
    assert len(recorded) == 210


# --- events

Frame = tuple[str, str]


def captured_events() -> list[Frame]:
    text = (CAPTURES / "m18-events.sse").read_text()
    return [(frame[0], frame[1]) for frame in re.findall(r"event: (\w+)\ndata: (.*)\n", text)]


def shape(data: Any) -> Any:
    """Return JSON with its keys in order, without values that differ between runs; objects are compared by their
    keys."""
    if isinstance(data, dict):
        return [(key, "volatile" if key in VOLATILE_KEYS else shape(item)) for key, item in data.items()]
    return normalised(data)


async def test_wakes_are_reported_as_by_the_stock_server() -> None:
    """Expect AWAKE, REGISTRATION, SLEEPING; then AWAKE, UPDATED, and REQUEST_RESPONSE of the last of the delayed
    requests."""
    captured = [(name, data) for name, data in captured_events() if "queue-3" in data]
    updated = next(index for index, (name, _) in enumerate(captured) if name == "UPDATED")
    real = [*captured[:2], captured[updated - 2], *captured[updated - 1 : updated + 2]]
    sim = Simulator(SimulatorConfig.manual("queue-3", objects=(1, 3, 6, 3303, 3442)))
    async with sim.serve():
        sim.register("queue-3")
        sim.sleep("queue-3")
        for value in ("w2", "w4"):
            body = json.dumps({"id": 110, "kind": "singleResource", "type": "STRING", "value": value}).encode()
            path, headers = "/api/clients/queue-3/3442/0/110", {"Content-Type": "application/json"}
            _, _, text = await asyncio.to_thread(exchange, sim.url, "PUT", path, body, headers)
            assert json.loads(text)["delayed"] is True
        sim.wake("queue-3")
        await eventually(lambda: sim.events.counters["REQUEST_RESPONSE"] == 1)
        assert sim.value("queue-3", "/3442/0/110") == "w4"
        assert sim.device("queue-3").counters["handedOver"] == 1
        ours = [(name, data.decode()) for name, data in sim.events.newest]
    assert [name for name, _ in ours] == [name for name, _ in real]
    assert [shape(json.loads(data)) for _, data in ours] == [shape(json.loads(data)) for _, data in real]


async def test_a_quote_in_a_name_breaks_the_same_events() -> None:
    real = [(name, data) for name, data in captured_events() if 'a"b' in data or 'a\\"b' in data]
    sim = Simulator(SimulatorConfig.manual('a"b'))
    async with sim.serve():
        sim.register('a"b')
        ours = [(name, data.decode()) for name, data in sim.events.newest]
    assert ours[0] == real[0] == ("AWAKE", '{"ep":"a"b"}')
    assert json.loads(ours[1][1])["endpoint"] == json.loads(real[1][1])["endpoint"] == 'a"b'


@pytest.mark.parametrize("object_id", [1, 3, 6, 3303, 3442])
async def test_object_models_are_the_recorded_ones(object_id: int) -> None:
    def without_descriptions(spec: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in spec.items() if not key.startswith("description")}
        if "resourcedefs" in kept:
            kept["resourcedefs"] = [without_descriptions(one) for one in kept["resourcedefs"]]
        return kept

    recorded = json.loads((CAPTURES / "m18-objectspecs.json").read_text())
    sim = Simulator(SimulatorConfig.manual("dev"))
    async with sim.serve():
        sim.register("dev")
        _, _, text = await asyncio.to_thread(exchange, sim.url, "GET", "/api/objectspecs/dev", None, {})
    real, ours = (next(spec for spec in specs if spec["id"] == object_id) for specs in (recorded, json.loads(text)))
    assert without_descriptions(ours) == without_descriptions(real)
