"""Each row of the verdict table can be chosen, and has the correct form on the wire."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from simulator import Behaviour, Kind, Simulator, SimulatorConfig
from tests.support.waiting import eventually
from tests.unit.simulated.wire import STRING, WRITE, ask, raw

pytestmark = pytest.mark.asyncio

PATH = "/api/clients/dev/3442/0/110"


def simulator(**settings: Any) -> Simulator:
    return Simulator(SimulatorConfig.manual("dev", **settings))


@pytest.mark.parametrize(
    ("behaviour", "status", "text"),
    [
        (Behaviour(kind=Kind.NONSENSE), 500, "Invalid Response: "),
        (Behaviour(kind=Kind.REJECTED), 500, "Request rejected: "),
        (Behaviour(kind=Kind.CANCELLED), 500, "Request cancelled: "),
        (Behaviour(kind=Kind.UNEXPECTED), 500, "Unexpected exception: "),
        (Behaviour(kind=Kind.NOT_CONNECTED), 500, "peer is not connected"),
        (Behaviour(kind=Kind.UNSENDABLE), 500, "Unable to send request"),
        (Behaviour(kind=Kind.NOT_REGISTERED), 400, "No registered client"),
        (Behaviour(kind=Kind.SLEEPING), 400, "is sleeping"),
        (Behaviour(kind=Kind.CLIENT_SLEEPING), 409, "CLIENT_SLEEPING"),
        (Behaviour(kind=Kind.INVALID, text="bad"), 400, "Invalid request: bad"),
        (Behaviour(kind=Kind.HTTP, status=503), 503, "Service Unavailable"),
        (Behaviour(kind=Kind.HTTP, status=504), 504, "<html>"),
        (Behaviour(kind=Kind.HTTP, status=401, text="who?"), 401, "who?"),
        (Behaviour(kind=Kind.REDIRECT, text="http://127.0.0.1:9/x"), 302, ""),
        (Behaviour(kind=Kind.UNREADABLE), 200, '{"status":'),
        (Behaviour(kind=Kind.SILENT), 504, "Request timeout"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Behaviour) else "",
)
async def test_answers_as_configured(behaviour: Behaviour, status: int, text: str) -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", behaviour)
        timeout = 0 if behaviour.kind is Kind.SILENT else 5
        answer = (await raw(sim.url, "PUT", f"{PATH}?timeout={timeout}", WRITE)).decode()
        assert int(answer.split()[1]) == status
        assert text in answer.partition("\r\n\r\n")[2]
        assert sim.received("dev")[0].status == status


async def test_refuses_with_code_and_text() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.REFUSE, code=403, text="not today"))
        seen = await ask(sim.url, "PUT", PATH, STRING)
        assert (seen.status, seen.json["success"], seen.json["errormessage"]) == (200, False, "not today")
        assert seen.json["status"].endswith("(403)")
        assert sim.value("dev", "/3442/0/110") == "initial value"


async def test_closes_after_the_request_was_read() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.CLOSE))
        assert await raw(sim.url, "PUT", PATH, WRITE) == b""
        assert sim.device("dev").counters["arrived"] == 1


async def test_resets_after_the_request_was_read() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.RESET))
        with pytest.raises(ConnectionResetError):
            await raw(sim.url, "PUT", PATH, WRITE)


async def test_sends_half_a_body_after_executing_the_request() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.HALF_BODY))
        answer = await raw(sim.url, "GET", "/api/clients/dev/3/0/0")
        head, _, body = answer.partition(b"\r\n\r\n")
        promised = int(head.lower().partition(b"content-length: ")[2].split()[0])
        assert 0 < len(body) < promised
        assert sim.received("dev")[0].carried_out


async def test_never_answers_and_detects_that_the_caller_disconnected() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.NEVER))
        call = asyncio.create_task(raw(sim.url, "PUT", PATH, WRITE))
        await eventually(lambda: sim.stats.open_calls == 1)
        call.cancel()
        await eventually(lambda: sim.stats.open_calls == 0)


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.SILENT, Kind.RESET])
async def test_a_request_with_a_lost_answer_may_have_been_executed(kind: Kind) -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=kind, carry_out=True))
        with contextlib.suppress(OSError):
            await raw(sim.url, "PUT", f"{PATH}?timeout=0", WRITE)
        await eventually(lambda: sim.value("dev", "/3442/0/110") == "x")
        assert sim.device("dev").counters["handedOver"] == 1


async def test_an_answer_slower_than_the_timeout_is_504_and_executed() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(delay_ms=50))
        seen = await ask(sim.url, "PUT", f"{PATH}?timeout=0", STRING)
        assert seen.status == 504
        await eventually(lambda: sim.value("dev", "/3442/0/110") == "x")


async def test_limited_behaviors_are_used_first_then_the_permanent_one() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.HTTP, status=403))
        sim.behave("dev", Behaviour(kind=Kind.HTTP, status=404, times=1))
        sim.behave("dev", Behaviour(kind=Kind.HTTP, status=405, times=2))
        statuses = [(await ask(sim.url, "GET", "/api/clients/dev/3/0/0")).status for _ in range(5)]
        assert statuses == [404, 405, 405, 403, 403]


async def test_a_behavior_can_apply_to_a_path_and_a_kind() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.REFUSE, path="/3442/0", method="WRITE"))
        assert (await ask(sim.url, "PUT", PATH, STRING)).json["success"] is False
        assert (await ask(sim.url, "GET", PATH)).json["success"] is True
        assert (await ask(sim.url, "GET", "/api/clients/dev/3/0/0")).json["success"] is True


async def test_a_new_registration_or_address_cancels_open_calls() -> None:
    async with simulator(queue_mode_share=0.0).serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(delay_ms=60_000))
        for new_registration in (True, False):
            call = asyncio.create_task(ask(sim.url, "GET", "/api/clients/dev/3/0/0?timeout=100"))
            await eventually(lambda: sim.stats.open_calls == 1)
            if new_registration:
                sim.register("dev")
            else:
                sim.wake("dev", new_address=True)
            seen = await call
            assert (seen.status, seen.text.split(":")[0]) == (500, "Request cancelled")


async def test_the_whole_server_can_hang_or_be_behind_a_failing_proxy() -> None:
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.server_behaves(Behaviour(kind=Kind.HTTP, status=502))
        assert (await ask(sim.url, "GET", "/api/clients/dev")).status == 502
        sim.behave_well()
        sim.hang()
        call = asyncio.create_task(ask(sim.url, "GET", "/api/clients"))
        await ask(sim.url, "GET", "/sim/stats")
        assert not call.done()
        call.cancel()
        with pytest.raises(ValueError, match="device's behaviour"):
            sim.server_behaves(Behaviour(kind=Kind.REFUSE))


async def test_a_held_request_does_not_use_the_behavior_of_the_next_call() -> None:
    """A behavior for the next call remains for the next call; the device executes the request that Leshan held for
    it."""
    async with simulator().serve() as sim:
        sim.register("dev")
        sim.behave("dev", Behaviour(kind=Kind.DELAYED, times=2))
        assert b'"delayed":true' in await raw(sim.url, "PUT", PATH, WRITE)
        sim.wake("dev")
        await eventually(lambda: sim.received("dev")[0].carried_out)
        assert b'"delayed":true' in await raw(sim.url, "PUT", PATH, WRITE)
