"""Delivery to the webhook of our Leshan server continues after responses that never end and after refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.leshan.outage import figure, signed, waiting
from tests.support.leshan.receiver import Receiver, endless, half_closed, stalled, wrong
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("java")

TEMPERATURE = "/3303/0/5700"
TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_an_answer_that_does_not_end_delays_delivery_and_no_more(receiver: Receiver, leshan_devices: Devices) -> None:
    options = ["--webhook-url", receiver.url, "--webhook-timeout", 2]
    with signed(), leshan_server(options=options) as server:
        device = leshan_devices.create("delivered", server=server.coap_uri)
        wait_until(lambda: waiting(server) == 0)
        receiver.faults.extend([stalled, endless, half_closed, stalled])
        before = figure(server, _posts("TAKEN"))
        while receiver.faults:
            assert device.send([TEMPERATURE]).ok
            time.sleep(0.1)
        wait_until(lambda: waiting(server) == 0)
        sent = len(receiver.named("SEND", device.name))
        assert sent > 3
        assert wrong(receiver.events) == []
        assert [event["seq"] for event in receiver.events] == list(range(1, len(receiver.events) + 1))
        # more on a busy machine, where a valid response may be too late as well
        assert figure(server, _posts("TIMEOUT")) >= 2
        assert figure(server, _posts("FAILED")) >= 1
        assert figure(server, _posts("TAKEN")) > before
        assert figure(server, "leshan_outbox_failing_seconds") == 0
        device.remove()


def test_refused_events_are_redelivered_to_callers_with_the_token(receiver: Receiver, leshan_devices: Devices) -> None:
    receiver.status = lambda events: 422 if any(event["event"] == "SEND" for event in events) else 204
    options = ["--webhook-url", receiver.url]
    with signed(), leshan_server(options=options, environment={"LESHAN_SERVER_API_TOKEN": TOKEN}) as server:
        device = leshan_devices.create("refused", server=server.coap_uri)
        for _ in range(3):
            assert device.send([TEMPERATURE]).ok
        wait_until(lambda: sum(post.status == 422 and len(post.events) == 1 for post in receiver.posts) == 3)
        assert _redeliver(server, None).status_code == 401
        receiver.status = lambda events: 204
        redelivered: list[int] = []

        def redeliver() -> int:
            redelivered.append(_redeliver(server, TOKEN).raise_for_status().json()["redelivered"])
            return sum(redelivered)

        wait_until(lambda: redeliver() == 3)  # the last event may not have been set aside yet
        wait_until(lambda: len(receiver.named("SEND", device.name)) == 3)
        assert wrong(receiver.events) == []
        device.remove()


def test_without_a_webhook_nothing_is_redelivered(production_leshan: LeshanServer, our_leshan: LeshanServer) -> None:
    answer = _redeliver(production_leshan, None)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert _redeliver(our_leshan, None).status_code == 404


def _redeliver(server: LeshanServer, token: str | None) -> httpx.Response:
    headers = {"Accept": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    return loopback.post(f"{server.url}/events/refused/redeliver", headers=headers, timeout=20)


def _posts(outcome: str) -> str:
    """Return the beginning of the metric's line: its name and label."""
    return f'leshan_webhook_posts_seconds_count{{outcome="{outcome}"}}'
