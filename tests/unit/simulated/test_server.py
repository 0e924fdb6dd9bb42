"""The event stream, the webhook, the control address, the statistics, and many calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook
from yarl import URL

from simulator import Behaviour, Kind, Mode, Simulator, SimulatorConfig
from tests.support.waiting import eventually
from tests.unit.simulated.wire import STRING, ask

pytestmark = pytest.mark.asyncio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@asynccontextmanager
async def stream(sim: Simulator, query: str = "") -> AsyncIterator[aiohttp.StreamReader]:
    """Open an event stream."""
    headers = {"Accept": "text/event-stream"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/api/event{query}", headers=headers) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        yield answer.content


async def test_streams_events_with_cr_lf_and_a_bare_heartbeat() -> None:
    async with Simulator(SimulatorConfig.manual("dev", heartbeat_seconds=0.05)).serve() as sim, stream(sim) as content:
        assert await content.readline() == b"\r\n"
        sim.register("dev")
        lines: list[bytes] = []
        while len(lines) < 6:
            line = await content.readline()
            lines += [line] if line != b"\r\n" or lines else []
        assert lines[0] == b"event: AWAKE\r\n"
        assert lines[1] == b'data: {"ep":"dev"}\r\n'
        assert lines[2] == b"\r\n"
        assert lines[3] == b"event: REGISTRATION\r\n"


async def test_streams_one_client_only_on_request() -> None:
    async with Simulator(SimulatorConfig.manual("a", "b")).serve() as sim, stream(sim, "?ep=b") as content:
        sim.register("a")
        sim.register("b")
        await content.readline()
        assert await content.readline() == b'data: {"ep":"b"}\r\n'


async def test_needs_the_accept_header_and_detects_disconnected_clients() -> None:
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim:
        assert (await ask(sim.url, "GET", "/api/event")).status == 405
        async with stream(sim):
            await eventually(lambda: sim.events.listeners == 1)
        await eventually(lambda: sim.events.listeners == 0)


@asynccontextmanager
async def webhook_receiver(taken: list[Any], statuses: list[int]) -> AsyncIterator[str]:
    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        taken.append((Webhook(SECRET).verify(body, dict(request.headers)), request.headers["webhook-id"]))
        return web.Response(status=statuses.pop(0) if statuses else 202)

    app = web.Application()
    app.router.add_post("/leshan/events", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/leshan/events"
    finally:
        await runner.cleanup()


async def test_posts_signed_events_in_order_until_they_are_accepted() -> None:
    taken: list[Any] = []
    async with webhook_receiver(taken, [503]) as url:
        config = SimulatorConfig.manual("dev", webhook_url=url, webhook_secret=SECRET, server_name="one")
        async with Simulator(config).serve() as sim:
            sim.register("dev")
            await eventually(lambda: len(taken) >= 2)
    assert taken[0] == taken[1]
    events = taken[1][0]
    assert [event["event"] for event in events] == ["AWAKE", "REGISTRATION"]
    assert [event["seq"] for event in events] == [1, 2]
    assert events[0]["data"] == {"ep": "dev"}
    assert events[0]["server"] == "one"


async def test_lists_all_registrations_however_many() -> None:
    async with Simulator(SimulatorConfig(devices=1201, autonomous=False)).serve() as sim:
        assert (await ask(sim.url, "GET", "/api/clients")).json == []
        for device in sim.devices()[:1200]:
            sim.register(device.name)
        listed = (await ask(sim.url, "GET", "/api/clients")).json
        assert len(listed) == 1200
        assert listed[0] == (await ask(sim.url, "GET", "/api/clients/dev-0000")).json


async def test_any_name_can_be_addressed_only_in_our_own_mode() -> None:
    name, path = "x/3/0/4?a=1#%", "/api/clients/x%2F3%2F0%2F4%3Fa=1%23%25/3/0/0"
    for mode, status in ((Mode.M18, 400), (Mode.REVEILLE, 200)):
        async with (
            Simulator(SimulatorConfig.manual(name, mode=mode)).serve() as sim,
            aiohttp.ClientSession() as session,
        ):
            sim.register(name)
            url = f"{sim.url}{path}"
            async with session.get(URL(url, encoded=True)) as answer:
                assert answer.status == status


async def test_execute_without_a_content_length_loses_its_arguments() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"0='a'"

    path = "/api/clients/dev/3442/0/3"
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim, aiohttp.ClientSession() as session:
        sim.register("dev")
        for data, kept in ((chunks(), {}), (b"0='a'", {0: "a"})):
            async with session.post(f"{sim.url}{path}", data=data) as answer:
                assert answer.status == 200
            assert sim.value("dev", "/3442/0/4") == kept


async def test_is_controlled_over_http() -> None:
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim:
        url = sim.url
        assert (await ask(url, "POST", "/sim/register")).json == {"devices": 1}
        await ask(url, "POST", "/sim/behaviour?ep=dev", {"kind": "refuse", "code": 404, "times": 1})
        refused = await ask(url, "PUT", "/api/clients/dev/3442/0/110", STRING, **{"Reveille-Request": "r-1"})
        assert refused.json["status"] == "NOT_FOUND(404)"
        await ask(url, "PUT", "/api/clients/dev/3442/0/110", STRING)
        seen = (await ask(url, "GET", "/sim/devices?ep=dev")).json
        assert seen["counters"] == {"arrived": 2, "handedOver": 2, "carriedOut": 1}
        assert [one["request_id"] for one in seen["received"]] == ["r-1", None]
        assert seen["received"][0]["kind"] == "WRITE"
        assert (await ask(url, "POST", "/sim/notify?ep=dev", {"path": "/3/0/9", "value": "5"})).json == {"sent": 0}
        for verb in ("sleep?ep=dev", "wake?ep=dev&newAddress=true", "deafen", "hear", "hang", "reset", "restart"):
            assert (await ask(url, "POST", f"/sim/{verb}")).status == 200
        added = (await ask(url, "POST", "/sim/devices", {"names": ["a"], "count": 1, "queueMode": False})).json
        assert [one["endpoint"] for one in added] == ["a", "dev-0001"]
        assert (await ask(url, "POST", "/sim/wake", {"names": ["a"]})).json == {"devices": 1}
        assert (await ask(url, "POST", "/sim/sleep", {"names": []})).json == {"devices": 0}
        assert (await ask(url, "DELETE", "/sim/devices?ep=a")).status == 200
        assert (await ask(url, "GET", "/sim/stats")).json["devices"] == 2


async def test_its_figures_count_what_was_done_to_requests() -> None:
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.INVALID, times=1))
        await ask(sim.url, "PUT", "/api/clients/dev/3442/0/110", STRING)
        figures = (await ask(sim.url, "GET", "/sim/stats")).json
        assert (figures["outcomes"], figures["statuses"]) == ({"invalid": 1}, {"400": 1})


async def test_reports_errors_of_a_control_request() -> None:
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim:
        assert (await ask(sim.url, "POST", "/sim/wake?ep=nobody")).status == 404
        assert (await ask(sim.url, "POST", "/sim/behaviour", {"kind": "odd"})).status == 400
        assert (await ask(sim.url, "POST", "/sim/behaviour", {"colour": "red"})).status == 400
        assert (await ask(sim.url, "POST", "/sim/behaviour?server=true", {"kind": "refuse"})).status == 400
        assert (await ask(sim.url, "POST", "/sim/nonsense")).status == 404


async def test_two_thousand_slow_devices_at_once_and_a_bounded_server() -> None:
    for limit, devices in ((None, 2000), (50, 200)):
        config = SimulatorConfig(
            devices=devices, autonomous=False, answer_seconds=(0.05, 0.1), max_open_calls=limit, queue_mode_share=0.0
        )
        connector = aiohttp.TCPConnector(limit=0)
        async with Simulator(config).serve() as sim, aiohttp.ClientSession(connector=connector) as session:

            async def read(name: str, session: aiohttp.ClientSession = session, url: str = sim.url) -> int:
                async with session.get(f"{url}/api/clients/{name}/3/0/0?timeout=60") as answer:
                    return answer.status

            for device in sim.devices():
                sim.register(device.name)
            statuses = await asyncio.gather(*(read(device.name) for device in sim.devices()))
            assert set(statuses) == {200}
            assert sim.stats.calls == devices
            assert sim.stats.open_calls == 0
            assert 1 < sim.stats.max_open_calls <= devices
            assert all(device.max_open_calls == 1 for device in sim.devices())
