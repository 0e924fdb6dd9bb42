"""Contract: the client maps every result of a call to the correct outcome, for each outcome that a call can have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.events import Registered, RequestResponse, Updated
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.answers import read_response_object
from app.leshan.client import LeshanClient
from simulator import Behaviour, Kind
from tests.contract.leshan.contract import Contract
from tests.contract.leshan.controlled_devices import ControlledDevice, SimulatedDevice
from tests.contract.leshan.differences import Difference
from tests.support.leshan.launch import missing_tools

pytestmark = pytest.mark.asyncio

NOT_OF_A_CALL: Final = {OutcomeKind.LEASE_LOST, OutcomeKind.DELAYED_LOST, OutcomeKind.DELAYED_DROPPED}
"""Outcomes that Reveille itself concludes when a response never arrives."""

TEXT: Final = {"value_type": ValueType.STRING, "value": "https://url.com/fw.bin"}
WRITE: Final = "/5/0/1"

asserted: set[OutcomeKind] = set()
"""The outcomes that the tests of this module have seen, on any server."""


def saw(outcome: Outcome, kind: OutcomeKind) -> Outcome:
    assert outcome.kind is kind, outcome
    asserted.add(kind)
    return outcome


async def written(device: ControlledDevice) -> list[str | None]:
    return [one.value for one in await device.reached() if one.kind == "WRITE"]


async def reported(contract: Contract, device: ControlledDevice) -> tuple[str | None, int | None]:
    """Return the device's registration as the Leshan client reads it: its id and the time of its last update."""
    registration = await contract.client.registration(device.name, time.monotonic() + 5)
    assert registration is not None
    return registration.registration_id, registration.last_update


async def test_success(contract: Contract) -> None:
    device = await contract.device()
    outcome = saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.SUCCESS)
    assert (outcome.http_status, outcome.device_code) == (200, 204)


async def test_device_answered_no(contract: Contract) -> None:
    device = await contract.device()
    outcome = saw(await contract.call(device, "WRITE", "/77/0/1", **TEXT), OutcomeKind.DEVICE_ANSWERED_NO)
    assert (outcome.http_status, outcome.device_code) == (200, 404)


@pytest.mark.without(Difference.ALL_IS_READABLE)
async def test_device_answered_nonsense(contract: Contract) -> None:
    device = await contract.device()
    if isinstance(device, SimulatedDevice):
        device.behave_so(Behaviour(kind=Kind.NONSENSE))
    outcome = await contract.call(device, "READ", "/3442/0/120", format=ContentFormat.CBOR)
    assert saw(outcome, OutcomeKind.DEVICE_ANSWERED_NONSENSE).http_status == 500


@pytest.mark.parametrize("queue_mode", [False, True], ids=["always-on", "queue-mode"])
async def test_device_silent(contract: Contract, queue_mode: bool) -> None:
    device = await contract.device(queue_mode=queue_mode)
    await device.fall_silent()
    outcome = await contract.call(device, "WRITE", WRITE, **TEXT, timeout_seconds=1)
    assert saw(outcome, OutcomeKind.DEVICE_SILENT).http_status == 504
    assert (await contract.registration(device)).get("sleeping", False) is queue_mode


async def test_answer_lost_because_the_device_has_a_new_address(contract: Contract) -> None:
    """Leshan cancels the call when the device registers again, although the device may have received the request."""
    device = await contract.device()
    await device.fall_silent()
    call = asyncio.create_task(contract.call(device, "WRITE", WRITE, **TEXT))
    await contract.request_is_out(device)
    await device.behave()
    await device.register(new_address=True)
    outcome = saw(await call, OutcomeKind.ANSWER_LOST)
    assert outcome.http_status == 500
    assert (outcome.detail or "").lower().startswith("request cancel")
    saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.SUCCESS)


async def test_answer_lost_because_our_own_deadline_passed(contract: Contract) -> None:
    device = await contract.device()
    await device.fall_silent()
    # on a busy machine a deadline may pass before the request is out
    for seconds, timeout in ((0.2, 3), (2, 5), (20, 30)):
        request = OperationRequest(device.name, OperationKind.READ, "/3/0/0", timeout_seconds=timeout)
        outcome = await contract.client.call(request, time.monotonic() + seconds)
        if outcome.kind is not OutcomeKind.TOO_LATE:
            break
    assert saw(outcome, OutcomeKind.ANSWER_LOST).deadline_passed


@pytest.mark.without(Difference.NO_DTLS)
async def test_not_connected(contract: Contract) -> None:
    device = await contract.device()
    assert isinstance(device, SimulatedDevice)
    device.behave_so(Behaviour(kind=Kind.NOT_CONNECTED))
    saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.NOT_CONNECTED)


@pytest.mark.without(Difference.REFUSES_WHEN_ASLEEP)
async def test_of_delayed_requests_the_newest_is_answered_at_the_wake(contract: Contract) -> None:
    device = await contract.sleeper()
    first = saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.DELAYED)
    newest = saw(await contract.call(device, "WRITE", WRITE, **{**TEXT, "value": "newest"}), OutcomeKind.DELAYED)
    assert first.request_id != newest.request_id
    assert await device.reached() == []
    begun = contract.ear.of(Registered, device.name)[-1].registration
    assert await reported(contract, device) == (begun.registration_id, begun.last_update)
    await device.wake()
    woken = (await contract.ear.hears(Updated, device.name)).registration
    assert await reported(contract, device) == (woken.registration_id, woken.last_update)
    event = await contract.ear.hears(RequestResponse, device.name)
    assert (event.request_id, event.path) == (newest.request_id, WRITE)
    assert read_response_object(OperationKind.WRITE, event.response).device_status == "CHANGED(204)"
    assert await device.held(WRITE) == "newest"
    assert len(await written(device)) == 1
    saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.SUCCESS)


@pytest.mark.without(Difference.REFUSES_WHEN_ASLEEP)
async def test_a_delayed_request_is_dropped_with_its_registration(contract: Contract) -> None:
    device = await contract.sleeper()
    saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.DELAYED)
    await device.register()
    await contract.counts_as_awake(device)
    saw(await contract.call(device, "READ", "/3/0/0"), OutcomeKind.SUCCESS)
    assert await written(device) == []
    assert contract.ear.of(RequestResponse, device.name) == []


@pytest.mark.only_with(Difference.REFUSES_WHEN_ASLEEP)
async def test_asleep(contract: Contract) -> None:
    device = await contract.sleeper()
    outcome = saw(await contract.call(device, "WRITE", WRITE, **TEXT), OutcomeKind.ASLEEP)
    never_delays = Difference.NEVER_DELAYED in contract.differences
    assert outcome.http_status == (409 if never_delays else 400)
    await contract.wake(device)
    saw(await contract.call(device, "READ", "/3/0/0"), OutcomeKind.SUCCESS)
    assert await written(device) == []


async def test_not_registered(contract: Contract) -> None:
    device = await contract.device()
    await device.deregister()
    for kind, path, more in (("WRITE", WRITE, TEXT), ("READ", "/3/0/0", {}), ("EXECUTE", "/3/0/4", {})):
        outcome = saw(await contract.call(device, kind, path, **more), OutcomeKind.NOT_REGISTERED)
        assert outcome.http_status == 400
    assert await device.reached() == []


async def test_bad_request(contract: Contract) -> None:
    device = await contract.device()
    outcome = await contract.call(device, "WRITE", WRITE, **TEXT, replace=False)
    assert saw(outcome, OutcomeKind.BAD_REQUEST).http_status == 400
    assert await device.reached() == []


async def test_unexpected(contract: Contract) -> None:
    """Call an address that Leshan does not serve."""
    await ask_at(f"{contract.root}/nowhere", OutcomeKind.UNEXPECTED)


async def test_unreachable(contract: Contract) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        await ask_at(f"http://127.0.0.1:{nobody.getsockname()[1]}", OutcomeKind.UNREACHABLE)


async def test_too_late(contract: Contract) -> None:
    device = await contract.device()
    request = OperationRequest(device.name, OperationKind.READ, "/3/0/0")
    saw(await contract.client.call(request, time.monotonic()), OutcomeKind.TOO_LATE)
    assert await device.reached() == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", OutcomeKind.LESHAN_REFUSED),
        ("429 Too Many Requests", OutcomeKind.LESHAN_REFUSED),
        ("502 Bad Gateway", OutcomeKind.PROXY_ERROR),
        ("504 Gateway Timeout", OutcomeKind.PROXY_ERROR),
    ],
)
async def test_a_proxy_error(status: str, kind: OutcomeKind) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<html/>".encode())
        writer.close()

    async with listening(answer) as url:
        await ask_at(url, kind)


async def test_our_own_server_reports_an_answer_above_its_limit() -> None:
    body = b'{"code":"RESPONSE_TOO_LARGE","text":"the answer is above --max-body","delivery":"ANSWERED"}'
    head = (
        f"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        writer.close()

    async with listening(answer) as url:
        await ask_at(url, OutcomeKind.ANSWER_TOO_LARGE)


LARGE: Final = "x" * 140_000
"""A text above the limits of the real servers: 131,072 bytes for ours, 8,192 for stock ones."""


@pytest.mark.only_with(Difference.NEVER_DELAYED)
async def test_our_server_rejects_an_answer_above_the_body_limit_at_once(contract: Contract) -> None:
    """The error comes long before the timeout, and the device, which has answered, still counts as awake."""
    device = await contract.device(queue_mode=True)
    await device.notify("/3442/0/110", LARGE)
    outcome = await contract.call(device, "READ", "/3442/0/110", timeout_seconds=500)
    saw(outcome, OutcomeKind.ANSWER_TOO_LARGE)
    assert "--max-body" in (outcome.detail or "")
    assert "131072" in (outcome.detail or "")
    saw(await contract.call(device, "READ", "/3/0/0"), OutcomeKind.SUCCESS)
    assert not (await contract.registration(device))["sleeping"]


@pytest.mark.only_with(Difference.NO_DTLS)
@pytest.mark.without(Difference.NEVER_DELAYED)
async def test_an_answer_above_a_stock_servers_limit_is_lost_with_the_reason(contract: Contract) -> None:
    device = await contract.device()
    await device.notify("/3442/0/110", LARGE)
    outcome = await contract.call(device, "READ", "/3442/0/110", timeout_seconds=2)
    m4 = Difference.UNTYPED_JSON in contract.differences
    saw(outcome, OutcomeKind.ANSWER_LOST if m4 else OutcomeKind.DEVICE_SILENT)
    assert "the device's answer is larger than the Leshan server's limit" in (outcome.detail or "")


async def test_every_outcome_of_a_call_was_asserted_here(request: pytest.FixtureRequest) -> None:
    """Check this only if all tests of this module ran, on all servers."""
    ran = {item.name.partition("[")[0] for item in request.session.items if item.path == request.path}
    whole = len(ran) == len([name for name in globals() if name.startswith("test_")])
    if whole and not missing_tools():
        assert set(OutcomeKind) - asserted == NOT_OF_A_CALL


async def ask_at(url: str, kind: OutcomeKind) -> None:
    client = LeshanClient(url)
    try:
        request = OperationRequest("nobody", OperationKind.READ, "/3/0/0", timeout_seconds=5)
        saw(await client.call(request, time.monotonic() + 10), kind)
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.only_with(Difference.ONE_CALL_AT_A_TIME)
async def test_a_second_call_to_a_device_at_once(contract: Contract) -> None:
    device = await contract.device()
    await device.fall_silent()
    first = asyncio.create_task(contract.call(device, "READ", "/3/0/0", timeout_seconds=2))
    await contract.request_is_out(device)
    saw(await contract.call(device, "READ", "/3/0/1"), OutcomeKind.LESHAN_BUSY)
    saw(await first, OutcomeKind.DEVICE_SILENT)


@pytest.mark.only_with(Difference.ONE_CALL_AT_A_TIME)
async def test_not_sent(contract: Contract) -> None:
    """The server has no record of the call; after the inquiry it refuses a call with that id."""
    outcome = await contract.client.call_status(OperationKind.WRITE, "never-came/1", 0)
    assert isinstance(outcome, Outcome)
    saw(outcome, OutcomeKind.NOT_SENT)


@pytest.mark.without(Difference.ONE_CALL_AT_A_TIME)
async def test_sixty_four_calls_at_once(contract: Contract) -> None:
    """Call many devices at once; each must hold its own value."""
    devices = [await contract.device() for _ in range(8)]
    await asyncio.gather(*(contract.call(one, "WRITE", WRITE, **{**TEXT, "value": one.name}) for one in devices))
    reads = [contract.call(one, "READ", "/3/0/0") for one in devices for _ in range(8)]
    assert {outcome.kind for outcome in await asyncio.gather(*reads)} == {OutcomeKind.SUCCESS}
    assert [await one.held(WRITE) for one in devices] == [one.name for one in devices]
