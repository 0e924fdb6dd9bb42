"""Our Leshan server answers as a stock Leshan 2.0.0-M18 was recorded to answer: the same 210 requests, in order.

Statuses, content types and bodies are compared, the bodies as text: key order, spelling and numbers count. Times, ids,
ports and the demo client's drifting sensor values are not comparable; `DIFFERENT` lists all other differences.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.leshan.devices import Device
from tests.support.leshan.launch import LeshanServer, Mode, leshan_devices, leshan_server
from tests.support.waiting import wait_until

CAPTURES: Final = Path(__file__).resolve().parents[1] / "captures"
EXCHANGES: Final[list[dict[str, Any]]] = json.loads((CAPTURES / "m18-rest.json").read_text())
OBJECTS: Final = (3, 6, 3303, 3442)
STOCK_MAX_BODY: Final = 8192
"""Bytes: the limit of the recorded demo client. The default limit of our devices is higher."""

NOT_COMPARABLE: Final = [
    (r'"registrationId":"[^"]+"', '"registrationId":""'),
    (r'"requestId":"[0-9a-f-]{36}"', '"requestId":""'),
    (r'"(registrationDate|lastUpdate)":\d+', r'"\1":0'),
    (r"(registrationDate|lastUpdate)=\w{3} \w{3} \d\d [\d:]+ UTC \d+", r"\1="),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:"),
    (r", id=\w+,", ", id=,"),
    # Temperature, its minimum and maximum; battery, free memory, battery status; clock, time of the location.
    (r'("id":(?:5700|5601|5602),"type":"FLOAT","value":)"[^"]*"', r'\1""'),
    (r'("id":(?:9|10|20),"type":"INTEGER","value":)"\d+"', r'\1""'),
    (r'("id":(?:5|13),"type":"TIME","value":)\d+', r"\1"),
]

MODES: Final[tuple[Mode, ...]] = ("stock", "production")

PAGE: Final = "the stock server shows a page of HTML (of Jetty 12) which nobody reads; the status is the same"
ENDPOINTS: Final = "one CoAP endpoint without security, where the stock server has four"
COMPOSITES: Final = (
    "composites have a format also where the call names none; the stock server fails then, and sends none"
)
WRITTEN: Final = "what it reads was changed by a composite write that the stock server had failed to send"
SLEEPING: Final = "nothing is kept for a client that sleeps: 400 in the words of servers up to 2.0.0-M16; 409 as JSON"
NAMES: Final = "a name is the path's segment as it came: `..` does not climb, `;` cuts nothing off"
VALUES: Final = (
    "what is no value of its type, no node or no path is the caller's mistake: 400 `Invalid request`; the stock server "
    "answers 500, some with a NullPointerException's text"
)
UNSECURED: Final = "it was started without a certificate, so there is none to tell of: an empty object"

DIFFERENT: Final[dict[Mode, dict[str, tuple[int, ...]]]] = {
    "stock": {
        ENDPOINTS: (147, 197),
        UNSECURED: (150,),
        PAGE: (148, 151, 193, 194, 198, 199),
    },
    "production": {
        ENDPOINTS: (147,),
        UNSECURED: (150,),
        PAGE: (148, 151, 193, 194, 198, 199),
        COMPOSITES: (127, 128, 129, 131, 132, 133, 135, 160),
        WRITTEN: (134, 153, 154, 158),
        SLEEPING: (188, 189, 190, 191, 192),
        NAMES: (197, 200),
        VALUES: (50, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 96, 130),
    },
}
"""The recorded requests that are answered differently, by their index in the recording, and why. The README has the
same."""

SAME_STATUS: Final = {PAGE, ENDPOINTS, UNSECURED, WRITTEN}


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    content_type: str | None
    body: str

    def comparable(self) -> Answer:
        """Return the response without the values that differ between any two runs."""
        body = self.body
        for pattern, stead in NOT_COMPARABLE:
            body = re.sub(pattern, stead, body)
        return Answer(self.status, self.content_type, body)


@dataclass(frozen=True)
class Players:
    """The devices with which the recording was made."""

    server: LeshanServer
    plain_2: Device
    plain_3: Device
    queue_3: Device

    def prepare(self, label: str) -> None:
        """Repeat the recorder's actions on the devices before the exchange with this label."""
        match label:
            case "timeout neg":
                # without the delay, on a busy machine a response may beat even a negative timeout
                self.plain_2.answer_late(1000, times=1)
            case "frozen read default timeout":
                self.plain_3.sleep(hold=True)
            case "thawed read":
                self.plain_3.awake()
                self._until(lambda: self.plain_3.value("/3442/0/110") == string(110, "late"))
            case "queue frozen awake read timeout=2":
                self.queue_3.sleep()
            case "cancel active none":
                self._until(lambda: self._test_object_instances("plain-2") == [0, 8])
            case _:
                pass

    def _test_object_instances(self, name: str) -> list[int]:
        registration = next(client for client in self.server.clients() if client["endpoint"] == name)
        instances: list[int] = registration["availableInstances"]["3442"]
        return instances

    @staticmethod
    def _until(condition: Callable[[], bool]) -> None:
        wait_until(condition)


def string(identifier: int, value: str) -> dict[str, object]:
    """Return the node of a STRING resource."""
    return {"kind": "singleResource", "id": identifier, "type": "STRING", "value": value}


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    mode: Mode = request.param
    return mode


@pytest.fixture(scope="module")
def players(mode: Mode, java: None) -> Iterator[Players]:
    with leshan_server(mode=mode) as server, leshan_devices(server.coap_uri, max_body=STOCK_MAX_BODY) as devices:
        plain_2 = devices.create("plain-2", lifetime=300, objects=OBJECTS, attributes={"at": "30"})
        devices.create("urn:imei:123456789012345", lifetime=300, objects=OBJECTS)
        plain_3 = devices.create("plain-3", lifetime=3600, objects=OBJECTS)
        queue_3 = devices.create("queue-3", queue_mode=True, lifetime=3600, objects=OBJECTS)
        wait_until(lambda: all(not client.get("sleeping") for client in server.clients()))
        yield Players(server, plain_2, plain_3, queue_3)


@pytest.fixture(scope="module")
def answers(players: Players) -> list[Answer]:
    """Send every recorded request again, in order since many depend on earlier ones; return the responses."""
    given = []
    for exchange in EXCHANGES:
        players.prepare(exchange["label"])
        given.append(ask(players.server, exchange))
    return given


def ask(server: LeshanServer, exchange: dict[str, Any]) -> Answer:
    """Send a recorded request with its path unchanged."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    body = request_body(exchange)
    headers = {} if body is None else {"Content-Type": content_type(body)}
    connection.request(exchange["request"]["method"], exchange["request"]["path"], body, headers)
    response = connection.getresponse()
    answer = Answer(response.status, response.getheader("Content-Type"), response.read().decode())
    connection.close()
    return answer


def request_body(exchange: dict[str, Any]) -> bytes | None:
    """Return the recorded body; the recording truncated long values, whose length is in the label."""
    body: str | None = exchange["request"].get("body")
    if body is not None and "…" in body:
        kind, length = exchange["label"].split()
        body = body.replace("x…", "x" * int(length)).replace("ab…", "ab" * int(length))
        assert kind in {"write", "opaque"}
    return None if body is None else body.encode()


def content_type(body: bytes) -> str:
    """Return the content type; the recording has no request headers. Only an execute's arguments and "hello" were
    text."""
    return "application/json" if body.startswith(b"{") else "text/plain"


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=lambda index: f"{index}-{EXCHANGES[index]['label']}")
def test_the_answer_is_the_recorded_one(mode: Mode, answers: list[Answer], index: int) -> None:
    recorded = EXCHANGES[index]["response"]
    want = Answer(recorded["status"], recorded["contentType"], recorded["body"]).comparable()
    got = answers[index].comparable()
    if why := next((why for why, places in DIFFERENT[mode].items() if index in places), None):
        assert got != want, "this is no difference any more"
        assert got.status == want.status or why not in SAME_STATUS
    elif want.body.endswith("…"):
        assert (got.status, got.content_type) == (want.status, want.content_type)
        assert got.body.startswith(want.body.removesuffix("…"))
    else:
        assert got == want


def test_the_readme_lists_each_difference() -> None:
    readme = (Path(__file__).resolve().parents[2] / "leshan-server" / "README.md").read_text()
    for mode, differences in DIFFERENT.items():
        rows = [line.split("|")[1:3] for line in readme.split(f"<!-- {mode} -->")[1].splitlines() if "|" in line]
        listed = [int(number) for numbers, _ in rows for number in re.findall(r"\d+", numbers)]
        assert sorted(listed) == sorted(place for places in differences.values() for place in places)


def test_object_models_are_the_recorded_ones(players: Players) -> None:
    exchange = {"request": {"method": "GET", "path": "/api/objectspecs/plain-2"}, "label": "objectspecs"}
    assert json.loads(ask(players.server, exchange).body) == json.loads((CAPTURES / "m18-objectspecs.json").read_text())
