"""The whole path with real LwM2M devices over CoAP: our Leshan server, and the rules that must hold on a 2.0.0-M4
too."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pytest
import pytest_asyncio

from app.domain.enums import Delivery, OperationKind, Presence
from app.models.ledger import Cancel, Conflict
from tests.contract.leshan.values import MULTIPLE, SINGLE, equal
from tests.e2e.road import FIRMWARE, TEMPERATURE, Op, Road
from tests.leshan.devices import Device, Devices
from tests.leshan.launch import LeshanServer, leshan_server

pytestmark = [pytest.mark.asyncio, pytest.mark.leshan]

Begin = Callable[..., AbstractAsyncContextManager[Road]]

FIRMWARE_URI: Final = "/5/0/1"
WINDOW: Final = 6
"""Seconds of an awake window that a test can wait for."""


@pytest.fixture
def begin(database_url: str, our_leshan: LeshanServer, leshan_devices: Devices) -> Begin:
    """Return a function that begins a :class:`Road` on our Leshan server, with the test's settings."""
    return functools.partial(Road.begin, database_url, our_leshan, leshan_devices)


@pytest_asyncio.fixture(loop_scope="session")
async def road(begin: Begin) -> AsyncIterator[Road]:
    """A :class:`Road` on our Leshan server."""
    async with begin() as road:
        yield road


@pytest.fixture(params=["our_leshan", "leshan_m4_server"], ids=["ours", "m4"])
def begin_on_any(request: pytest.FixtureRequest, database_url: str, leshan_devices: Devices) -> Begin:
    """Return the same function for either server."""
    return functools.partial(Road.begin, database_url, request.getfixturevalue(request.param), leshan_devices)


@pytest_asyncio.fixture(loop_scope="session")
async def any_road(begin_on_any: Begin) -> AsyncIterator[Road]:
    """A :class:`Road` on either server."""
    async with begin_on_any() as road:
        yield road


# --- the mission


async def test_a_write_for_an_offline_device_waits_and_is_sent_when_it_comes_online(any_road: Road) -> None:
    device = await any_road.device()
    await any_road.leave(device)
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_road.settled()
    assert await any_road.steps(op) == ["QUEUED"]
    assert await any_road.received(device) == []

    await any_road.register(device)
    await any_road.confirmed(op)
    assert await any_road.steps(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert await any_road.texts(device) == [FIRMWARE]
    assert (await any_road.operation(op)).device_status == "CHANGED(204)"


async def test_a_device_without_the_firmware_object_refuses(any_road: Road) -> None:
    device = await any_road.device(objects=[3])
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_road.becomes(op, "FAILED", "DEVICE_REFUSED", attempts=0)
    row = await any_road.operation(op)
    assert (row.device_status, row.delivery) == ("NOT_FOUND(404)", Delivery.ANSWERED)


async def test_the_device_s_own_words_are_kept(any_road: Road) -> None:
    device = await any_road.device()
    await asyncio.to_thread(device.refuse, "4.06", text="not with this battery")
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_road.becomes(op, "FAILED", "DEVICE_REFUSED")
    row = await any_road.operation(op)
    assert (row.device_status, row.detail) == ("NOT_ACCEPTABLE(406)", "not with this battery")


# --- queue mode


async def test_what_is_wanted_of_a_sleeping_device_goes_at_its_next_update_and_not_before(
    any_road: Road, record_property: Callable[[str, object], None]
) -> None:
    device = await any_road.device(queue_mode=True)
    await any_road.confirmed(await any_road.create(device, "OBSERVE", TEMPERATURE))
    await any_road.sleep(device)
    before = await asyncio.to_thread(device.datagrams)
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    for value in ("21.5", "22.5"):
        await any_road.notify(device, value)
        await any_road.settled()
    assert await any_road.steps(op) == ["QUEUED"]
    assert await asyncio.to_thread(device.datagrams) == before, "nothing was sent, not even in vain"
    assert (await any_road.known_row(device)).presence is Presence.ASLEEP

    told = time.time()
    await any_road.wake(device)
    await any_road.confirmed(op)
    assert await any_road.steps(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    (write,) = await any_road.received(device, "WRITE")
    record_property("milliseconds from the device's update to the write", write.time - int(told * 1000))


async def test_a_wrong_guess_that_it_is_awake_costs_no_attempt(begin_on_any: Begin) -> None:
    """A setting says that a NOTIFICATION wakes the device, which is wrong: a 400 on a 2.0.0-M4, held by Leshan on
    ours."""
    async with begin_on_any(leshan_notifications_wake=True) as road:
        device = await road.device(queue_mode=True)
        await road.confirmed(await road.create(device, "OBSERVE", TEMPERATURE))
        await road.sleep(device)
        op = await road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
        await road.notify(device, "21.5")
        on_m4 = not (await road.rest.get("/clients/none")).text.startswith("No")
        if on_m4:
            await road.becomes(op, "QUEUED", "DEVICE_ASLEEP", attempts=0)
            middle = "QUEUED DEVICE_ASLEEP"
        else:
            await road.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
            middle = "SENDING DELAYED_BY_LESHAN"
        assert await road.texts(device) == []
        await road.wake(device)
        await road.confirmed(op)
        again = ["SENDING"] if on_m4 else []
        assert await road.steps(op) == ["QUEUED", "SENDING", middle, *again, "CONFIRMED"]
        assert await road.texts(device) == [FIRMWARE]


async def test_more_than_fits_into_one_window_goes_out_in_one_wake(database_url: str, leshan_devices: Devices) -> None:
    """Every response of the device renews its window, in Leshan and in Reveille."""
    with leshan_server(mode="stock", awake_time=WINDOW) as leshan:
        async with Road.begin(database_url, leshan, leshan_devices, awake_window=WINDOW) as road:
            device = await road.sleeper()
            await asyncio.to_thread(device.answer_late, 1000)
            texts = [f"https://url.com/{number}" for number in range(WINDOW + 1)]
            wanted = [road.wanted(device, "WRITE", FIRMWARE_URI, text=text, timeout=2) for text in texts]
            ops = await road.create_many(wanted)
            await road.wake(device)
            await road.heard_of(device)
            wake = (await road.known_row(device)).wake_seq
            await road.confirmed(*ops)
            assert await road.texts(device) == texts
            assert (await road.known_row(device)).wake_seq == wake


async def test_three_unanswered_attempts_over_three_updates(any_road: Road) -> None:
    device = await any_road.sleeper()
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=1)
    for attempt in (1, 2):
        await any_road.wake(device)
        await any_road.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
        await any_road.create(device, "READ", "/3/0/0")
        await any_road.settled()
        await any_road.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
    await any_road.wake(device)
    await any_road.becomes(op, "FAILED", "NO_ANSWER", attempts=3)
    assert await any_road.steps(op) == ["QUEUED", *["SENDING", "QUEUED NO_ANSWER"] * 2, "SENDING", "FAILED NO_ANSWER"]
    assert len(await any_road.received(device, "WRITE")) == 3


async def test_what_may_not_be_repeated_is_not(any_road: Road) -> None:
    device = await any_road.sleeper()
    await asyncio.to_thread(device.never_answer)
    op = await any_road.create(device, "EXECUTE", "/3442/0/0", timeout=1)
    await any_road.wake(device)
    await any_road.becomes(op, "FAILED", "OUTCOME_UNKNOWN", attempts=1)
    await asyncio.to_thread(device.behave)
    await any_road.wake(device)
    await any_road.settled()
    assert len(await any_road.received(device, "EXECUTE")) == 1


# --- interruptions


async def test_a_device_that_registers_from_a_new_port_while_its_call_is_open(any_road: Road) -> None:
    device = await any_road.device(queue_mode=True)
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await any_road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=30)
    await has_received(any_road, device, "WRITE")
    await asyncio.to_thread(device.behave)
    await any_road.register(device, new_port=True)
    await any_road.confirmed(op)
    assert await any_road.steps(op) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER", "SENDING", "CONFIRMED"]


async def test_an_update_from_a_new_port_while_its_call_is_open(road: Road) -> None:
    """A NAT that forgot the device causes this. Not on 2.0.0-M4: within a second of its registration (DATES_IN_SECONDS)
    an update is a duplicate there, which sends nothing again."""
    device = await road.device(queue_mode=True)
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=3)
    await has_received(road, device, "WRITE")
    await asyncio.to_thread(device.behave)
    await road.wake(device, new_port=True)
    await road.confirmed(op)


async def has_received(road: Road, device: Device, method: str, count: int = 1) -> None:
    async def so() -> bool:
        return len(await road.received(device, method)) >= count

    await road.eventually(so, f"{count} {method} reached {device.name}")


async def test_after_a_reboot_nothing_is_sent_before_the_device_registered_again(any_road: Road) -> None:
    device = await any_road.device(queue_mode=True)
    wanted = any_road.wanted(device, "EXECUTE", "/3/0/4"), any_road.wanted(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    reboot, write = await any_road.create_many(wanted)
    await any_road.confirmed(reboot)
    await any_road.wake(device)
    await any_road.settled()
    assert await any_road.steps(write) == ["QUEUED"]
    await any_road.register(device)
    await any_road.confirmed(write)
    assert [one.method for one in await any_road.received(device)] == ["EXECUTE", "WRITE"]


async def test_a_delayed_request_whose_registration_is_replaced_is_sent_again(begin: Begin) -> None:
    """Leshan drops the request that it held, without any event; nothing of it had reached the device."""
    async with begin(leshan_notifications_wake=True) as road:
        device = await road.device(queue_mode=True)
        op = await delayed(road, device)
        await road.register(device)
        await road.confirmed(op)
        assert [one.value for one in await road.received(device, "EXECUTE")] == ["0='once'"]


async def test_what_leshan_holds_is_canceled_and_the_device_never_receives_it(begin: Begin) -> None:
    """Leshan keeps one request per registration: a READ that is sent while the device sleeps displaces it."""
    async with begin(leshan_notifications_wake=True) as road:
        device = await road.device(queue_mode=True)
        op = await delayed(road, device)
        await road.components.ledger.submit(Cancel(str((await road.operation(op)).id)))
        await road.becomes(op, "CANCELED", "CANCELED_BY_USER")
        steps = ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", "QUEUED RELEASED", "CANCELED CANCELED_BY_USER"]
        assert await road.steps(op) == steps
        await road.wake(device)
        await has_received(road, device, "READ")
        await road.confirmed(await road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE))
        assert await road.received(device, "EXECUTE") == []


async def test_a_device_that_wakes_first_decides_what_a_cancellation_comes_to(begin: Begin) -> None:
    async with begin(leshan_notifications_wake=True) as road:
        device = await road.device(queue_mode=True)
        op = await delayed(road, device)
        id_ = str((await road.operation(op)).id)
        waking = asyncio.create_task(road.wake(device))
        with contextlib.suppress(Conflict):  # it woke, and Reveille knew it, before
            await road.components.ledger.submit(Cancel(id_))
        await waking

        async def ended() -> bool:
            return (await road.operation(op)).finished_at is not None

        await road.eventually(ended, "the end of what was canceled")
        received = await road.received(device, "EXECUTE")
        expected = {"CONFIRMED": 1, "CANCELED": 0}
        assert len(received) == expected[(await road.operation(op)).status]


async def test_leshan_is_restarted(database_url: str, leshan_devices: Devices) -> None:
    """All registrations are lost, and devices return by an update that Leshan does not know any more. The request
    that it held is lost too; but no bridge listened meanwhile, so it may have been sent, and an EXECUTE is not sent
    again."""
    with leshan_server(mode="stock") as first:
        async with Road.begin(database_url, first, leshan_devices, leshan_notifications_wake=True) as road:
            device, sleeper, keeping = await road.device(), await road.sleeper(), await road.device(queue_mode=True)
            kept = await delayed(road, keeping)
            first.stop()
            op = await road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
            later = await road.create(sleeper, "WRITE", FIRMWARE_URI, text=FIRMWARE)
            await road.becomes(op, "QUEUED", "LESHAN_UNREACHABLE", attempts=0)
            with leshan_server(mode="stock", http_port=first.http_port, coap_port=first.coap_port):
                await road.listens()
                await road.presence_is(device, Presence.OFFLINE)
                for each in (device, sleeper, keeping):
                    await road.wake(each)
                await road.confirmed(op, later)
                await road.becomes(kept, "FAILED", "OUTCOME_UNKNOWN")
                assert [await road.texts(each) for each in (device, sleeper)] == [[FIRMWARE], [FIRMWARE]]
                assert await road.received(keeping, "EXECUTE") == []
                assert (await road.operation(later)).attempts == 0


async def delayed(road: Road, device: Device) -> Op:
    """Return an EXECUTE that Leshan holds for a sleeping device: a setting wrongly says that a NOTIFICATION wakes
    it."""
    await road.confirmed(await road.create(device, "OBSERVE", TEMPERATURE))
    await road.sleep(device)
    op = await road.create(device, "EXECUTE", "/3442/0/3", arguments="0='once'")
    await road.notify(device, "21.5")
    await road.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    return op


async def test_a_hostile_name_reaches_nobody_else(road: Road) -> None:
    victim, hostile = await road.device("x"), await road.device("x/3/0/4?a=1#", queue_mode=True)
    quoted = await road.device('a"b', queue_mode=True)
    op = await road.create(hostile, "EXECUTE", "/3/0/4")
    await road.becomes(op, "FAILED", "INVALID_REQUEST")
    await road.confirmed(await road.create(quoted, "WRITE", FIRMWARE_URI, text=FIRMWARE))
    assert [await road.received(each) for each in (victim, hostile)] == [[], []]


# --- every kind, every value


ANY: Final = {"type": "STRING", "value": "x"}
KINDS: Final[list[tuple[str, str | None, dict[str, Any], str]]] = [
    ("READ", "/3/0", {}, "CONTENT(205)"),
    ("WRITE", FIRMWARE_URI, {"text": FIRMWARE}, "CHANGED(204)"),
    ("EXECUTE", "/3442/0/3", {"arguments": "0='a',1"}, "CHANGED(204)"),
    ("CREATE", "/3442", {"value": {"id": 5, "resources": []}}, "CREATED(201)"),
    ("DELETE", "/3442/5", {}, "DELETED(202)"),
    ("DISCOVER", "/3442", {}, "CONTENT(205)"),
    ("OBSERVE", TEMPERATURE, {}, "CONTENT(205)"),
    ("CANCEL_OBSERVE", TEMPERATURE, {}, ""),
    ("WRITE_ATTRIBUTES", TEMPERATURE, {"attributes": {"pmin": 1}}, "CHANGED(204)"),
    ("READ_COMPOSITE", None, {"paths": ("/3/0/0", TEMPERATURE)}, "CONTENT(205)"),
    ("WRITE_COMPOSITE", None, {"paths": ("/3442/0/110",), "values": {"/3442/0/110": ANY}}, "CHANGED(204)"),
    ("OBSERVE_COMPOSITE", None, {"paths": ("/3/0/0", TEMPERATURE)}, "CONTENT(205)"),
    ("CANCEL_OBSERVE_COMPOSITE", None, {"paths": ("/3/0/0", TEMPERATURE)}, ""),
]
"""All kinds: the path, the arguments, and the device's response; the two cancels call only Leshan."""


async def test_every_kind_is_confirmed_in_order(road: Road) -> None:
    assert {kind for kind, *_ in KINDS} == set(OperationKind)
    device = await road.sleeper()
    ops = await road.create_many(road.wanted(device, kind, path, **more) for kind, path, more, _ in KINDS)
    await road.wake(device)
    await road.confirmed(*ops)
    answers = [(await road.operation(op)).device_status or "" for op in ops]
    assert answers == [status for *_, status in KINDS]
    asked = [kind for kind, _, _, status in KINDS if status]
    assert [one.method for one in await road.received(device)] == asked


async def test_every_kind_fails_as_the_device_refuses_it(road: Road) -> None:
    device = await road.sleeper()
    await asyncio.to_thread(device.refuse, "4.05", text="never")
    ops = await road.create_many(road.wanted(device, kind, path, **more) for kind, path, more, _ in KINDS)
    await road.wake(device)
    for op, (kind, _, _, status) in zip(ops, KINDS, strict=True):
        if not status:
            await road.confirmed(op)
            continue
        await road.becomes(op, "FAILED", "DEVICE_REFUSED", attempts=0)
        row = await road.operation(op)
        assert (row.device_status, row.detail) == ("METHOD_NOT_ALLOWED(405)", "never"), kind


@pytest.mark.parametrize(
    ("code", "attempts", "once"), [("5.00", 1, "DEVICE_ERROR"), ("4.29", 1, None), ("5.03", 1, None)]
)
async def test_a_passing_error_of_the_device_is_tried_again_at_its_next_wake(
    road: Road, code: str, attempts: int, once: str | None
) -> None:
    device = await road.sleeper()
    await asyncio.to_thread(device.refuse, code, times=1)
    write = await road.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await road.wake(device)
    await road.becomes(write, "QUEUED", "DEVICE_ERROR", attempts=attempts)
    await road.wake(device)
    await road.confirmed(write)
    await asyncio.to_thread(device.refuse, code, times=1)
    execute = await road.create(device, "EXECUTE", "/3442/0/3")
    if once:
        await road.becomes(execute, "FAILED", once)
    else:
        await road.becomes(execute, "QUEUED", "DEVICE_ERROR")
        await road.wake(device)
        await road.confirmed(execute)


async def test_values_of_every_type_arrive_as_they_were_wanted(road: Road) -> None:
    device = await road.device()
    for cases in (SINGLE, MULTIPLE):
        for case in cases:
            typed = case.typed
            op = await road.create(device, "WRITE", case.path, value_type=typed.type, value=typed.value)
            await road.confirmed(op)
            assert equal(await road.read_back(device, case.path), typed), str(case)
