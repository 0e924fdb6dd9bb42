"""The whole path with real LwM2M devices over CoAP: our Leshan server, and the rules that must hold on a 2.0.0-M4
too."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pytest
import pytest_asyncio

from app.domain.enums import Delivery, OperationKind, Presence, ReadingOrigin
from app.domain.values import TypedValue
from app.models.ledger import Cancel, Conflict
from tests.contract.leshan.values import MULTIPLE, SINGLE, equal, in_leshans_form, number_of
from tests.support.api import Api
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.leshan_world import FIRMWARE, TEMPERATURE, LeshanWorld
from tests.support.waiting import eventually
from tests.support.world import Op

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

Begin = Callable[..., AbstractAsyncContextManager[LeshanWorld]]

FIRMWARE_URI: Final = "/5/0/1"
READINGS: Final = """
query ($endpoint: String!) {
  readings(endpoint: $endpoint, path: "/3442/0", first: 200) { edges { node { id path type value number origin } } }
}"""
WINDOW: Final = 6
"""Seconds of an awake window that a test can wait for."""


@pytest.fixture
def begin(database_url: str, our_leshan: LeshanServer, leshan_devices: Devices) -> Begin:
    """Return a function that begins a :class:`LeshanWorld` on our Leshan server, with the test's settings."""
    return functools.partial(LeshanWorld.begin, database_url, our_leshan, leshan_devices)


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[LeshanWorld]:
    """A :class:`LeshanWorld` on our Leshan server."""
    async with begin() as world:
        yield world


@pytest.fixture(params=["our_leshan", "leshan_m4_server"], ids=["ours", "m4"])
def begin_on_any(request: pytest.FixtureRequest, database_url: str, leshan_devices: Devices) -> Begin:
    """Return the same function for either server."""
    return functools.partial(LeshanWorld.begin, database_url, request.getfixturevalue(request.param), leshan_devices)


@pytest_asyncio.fixture(loop_scope="session")
async def any_world(begin_on_any: Begin) -> AsyncIterator[LeshanWorld]:
    """A :class:`LeshanWorld` on either server."""
    async with begin_on_any() as world:
        yield world


# --- the mission


async def test_a_write_for_an_offline_device_is_sent_when_it_is_online(any_world: LeshanWorld) -> None:
    device = await any_world.device()
    await any_world.leave(device)
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_world.settled()
    assert await any_world.transitions(op) == ["QUEUED"]
    assert await any_world.received(device) == []

    await any_world.register(device)
    await any_world.confirmed(op)
    assert await any_world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert await any_world.texts(device) == [FIRMWARE]
    assert (await any_world.operation(op)).device_status == "CHANGED(204)"


async def test_a_device_without_the_firmware_object_refuses(any_world: LeshanWorld) -> None:
    device = await any_world.device(objects=[3])
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_world.becomes(op, "FAILED", "DEVICE_REFUSED", attempts=0)
    row = await any_world.operation(op)
    assert (row.device_status, row.delivery) == ("NOT_FOUND(404)", Delivery.ANSWERED)


async def test_the_error_text_of_the_device_is_stored(any_world: LeshanWorld) -> None:
    device = await any_world.device()
    await asyncio.to_thread(device.refuse, "4.06", text="not with this battery")
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await any_world.becomes(op, "FAILED", "DEVICE_REFUSED")
    row = await any_world.operation(op)
    assert (row.device_status, row.detail) == ("NOT_ACCEPTABLE(406)", "not with this battery")


# --- queue mode


async def test_operations_of_a_sleeping_device_are_sent_at_its_next_update(
    any_world: LeshanWorld, record_property: Callable[[str, object], None]
) -> None:
    device = await any_world.device(queue_mode=True)
    await any_world.confirmed(await any_world.create(device, "OBSERVE", TEMPERATURE))
    await any_world.sleep(device)
    before = await asyncio.to_thread(device.datagrams)
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    for value in ("21.5", "22.5"):
        await any_world.notify(device, value)
        await any_world.settled()
    assert await any_world.transitions(op) == ["QUEUED"]
    assert await asyncio.to_thread(device.datagrams) == before, "nothing was sent, not even in vain"
    assert (await any_world.known_row(device)).presence is Presence.ASLEEP

    told = time.time()
    await any_world.wake(device)
    await any_world.confirmed(op)
    assert await any_world.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    (write,) = await any_world.received(device, "WRITE")
    record_property("milliseconds from the device's update to the write", write.time - int(told * 1000))


async def test_a_wrong_assumption_that_it_is_awake_costs_no_attempt(begin_on_any: Begin) -> None:
    """A setting says that a NOTIFICATION wakes the device, which is wrong: a 400 on a 2.0.0-M4, held by Leshan on
    ours."""
    async with begin_on_any(leshan_notifications_wake=True) as world:
        device = await world.device(queue_mode=True)
        await world.confirmed(await world.create(device, "OBSERVE", TEMPERATURE))
        await world.sleep(device)
        op = await world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
        await world.notify(device, "21.5")
        on_m4 = not (await world.rest.get("/clients/none")).text.startswith("No")
        if on_m4:
            await world.becomes(op, "QUEUED", "DEVICE_ASLEEP", attempts=0)
            middle = "QUEUED DEVICE_ASLEEP"
        else:
            await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
            middle = "SENDING DELAYED_BY_LESHAN"
        assert await world.texts(device) == []
        await world.wake(device)
        await world.confirmed(op)
        again = ["SENDING"] if on_m4 else []
        assert await world.transitions(op) == ["QUEUED", "SENDING", middle, *again, "CONFIRMED"]
        assert await world.texts(device) == [FIRMWARE]


async def test_more_operations_than_one_window_holds_are_sent_in_one_wake(
    database_url: str, leshan_devices: Devices
) -> None:
    """Every response of the device renews its window, in Leshan and in Reveille."""
    with leshan_server(mode="stock", awake_time=WINDOW) as leshan:
        async with LeshanWorld.begin(database_url, leshan, leshan_devices, awake_window=WINDOW) as world:
            device = await world.sleeper()
            await asyncio.to_thread(device.answer_late, 1000)
            texts = [f"https://url.com/{number}" for number in range(WINDOW + 1)]
            wanted = [world.wanted(device, "WRITE", FIRMWARE_URI, text=text, timeout=2) for text in texts]
            ops = await world.create_many(wanted)
            await world.wake(device)
            await world.registration_known(device)
            wake = (await world.known_row(device)).wake_seq
            await world.confirmed(*ops)
            assert await world.texts(device) == texts
            assert (await world.known_row(device)).wake_seq == wake


async def test_three_unanswered_attempts_over_three_updates(any_world: LeshanWorld) -> None:
    device = await any_world.sleeper()
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=1)
    for attempt in (1, 2):
        await any_world.wake(device)
        await any_world.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
        await any_world.create(device, "READ", "/3/0/0")
        await any_world.settled()
        await any_world.becomes(op, "QUEUED", "NO_ANSWER", attempts=attempt)
    await any_world.wake(device)
    await any_world.becomes(op, "FAILED", "NO_ANSWER", attempts=3)
    assert await any_world.transitions(op) == [
        "QUEUED",
        *["SENDING", "QUEUED NO_ANSWER"] * 2,
        "SENDING",
        "FAILED NO_ANSWER",
    ]
    assert len(await any_world.received(device, "WRITE")) == 3


async def test_a_non_repeatable_operation_is_not_repeated(any_world: LeshanWorld) -> None:
    device = await any_world.sleeper()
    await asyncio.to_thread(device.never_answer)
    op = await any_world.create(device, "EXECUTE", "/3442/0/0", timeout=1)
    await any_world.wake(device)
    await any_world.becomes(op, "FAILED", "OUTCOME_UNKNOWN", attempts=1)
    await asyncio.to_thread(device.behave)
    await any_world.wake(device)
    await any_world.settled()
    assert len(await any_world.received(device, "EXECUTE")) == 1


# --- interruptions


async def test_a_device_that_registers_from_a_new_port_while_its_call_is_open(any_world: LeshanWorld) -> None:
    device = await any_world.device(queue_mode=True)
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await any_world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=30)
    await has_received(any_world, device, "WRITE")
    await asyncio.to_thread(device.behave)
    await any_world.register(device, new_port=True)
    await any_world.confirmed(op)
    assert await any_world.transitions(op) == ["QUEUED", "SENDING", "QUEUED NO_ANSWER", "SENDING", "CONFIRMED"]


async def test_an_update_from_a_new_port_while_its_call_is_open(world: LeshanWorld) -> None:
    """A NAT that forgot the device causes this. Not on 2.0.0-M4: within a second of its registration (DATES_IN_SECONDS)
    an update is a duplicate there, which sends nothing again."""
    device = await world.device(queue_mode=True)
    await asyncio.to_thread(device.never_answer, carry_out=False)
    op = await world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE, timeout=3)
    await has_received(world, device, "WRITE")
    await asyncio.to_thread(device.behave)
    await world.wake(device, new_port=True)
    await world.confirmed(op)


async def has_received(world: LeshanWorld, device: Device, method: str, count: int = 1) -> None:
    async def so() -> bool:
        return len(await world.received(device, method)) >= count

    await eventually(so, f"{count} {method} reached {device.name}")


async def test_after_a_reboot_nothing_is_sent_before_the_device_registered_again(any_world: LeshanWorld) -> None:
    device = await any_world.device(queue_mode=True)
    wanted = (
        any_world.wanted(device, "EXECUTE", "/3/0/4"),
        any_world.wanted(device, "WRITE", FIRMWARE_URI, text=FIRMWARE),
    )
    reboot, write = await any_world.create_many(wanted)
    await any_world.confirmed(reboot)
    await any_world.wake(device)
    await any_world.settled()
    assert await any_world.transitions(write) == ["QUEUED"]
    await any_world.register(device)
    await any_world.confirmed(write)
    assert [one.method for one in await any_world.received(device)] == ["EXECUTE", "WRITE"]


async def test_a_delayed_request_whose_registration_is_replaced_is_sent_again(begin: Begin) -> None:
    """Leshan drops the request that it held, without any event; nothing of it had reached the device."""
    async with begin(leshan_notifications_wake=True) as world:
        device = await world.device(queue_mode=True)
        op = await delayed(world, device)
        await world.register(device)
        await world.confirmed(op)
        assert [one.value for one in await world.received(device, "EXECUTE")] == ["0='once'"]


async def test_an_operation_held_by_leshan_is_canceled_and_never_received(begin: Begin) -> None:
    """Leshan keeps one request per registration: a READ that is sent while the device sleeps displaces it."""
    async with begin(leshan_notifications_wake=True) as world:
        device = await world.device(queue_mode=True)
        op = await delayed(world, device)
        await world.components.ledger.submit(Cancel(str((await world.operation(op)).id)))
        await world.becomes(op, "CANCELED", "CANCELED_BY_USER")
        steps = ["QUEUED", "SENDING", "SENDING DELAYED_BY_LESHAN", "QUEUED RELEASED", "CANCELED CANCELED_BY_USER"]
        assert await world.transitions(op) == steps
        await world.wake(device)
        await has_received(world, device, "READ")
        await world.confirmed(await world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE))
        assert await world.received(device, "EXECUTE") == []


async def test_a_wake_before_the_withdrawal_decides_the_result(begin: Begin) -> None:
    async with begin(leshan_notifications_wake=True) as world:
        device = await world.device(queue_mode=True)
        op = await delayed(world, device)
        id_ = str((await world.operation(op)).id)
        waking = asyncio.create_task(world.wake(device))
        with contextlib.suppress(Conflict):  # it woke, and Reveille knew it, before
            await world.components.ledger.submit(Cancel(id_))
        await waking

        async def ended() -> bool:
            return (await world.operation(op)).finished_at is not None

        await eventually(ended, "the end of what was canceled")
        received = await world.received(device, "EXECUTE")
        expected = {"CONFIRMED": 1, "CANCELED": 0}
        assert len(received) == expected[(await world.operation(op)).status]


async def test_leshan_is_restarted(database_url: str, leshan_devices: Devices) -> None:
    """All registrations are lost, and devices return by an update that Leshan does not know any more. The request
    that it held is lost too; but no bridge listened meanwhile, so it may have been sent, and an EXECUTE is not sent
    again."""
    with leshan_server(mode="stock") as first:
        async with LeshanWorld.begin(database_url, first, leshan_devices, leshan_notifications_wake=True) as world:
            device, sleeper, keeping = await world.device(), await world.sleeper(), await world.device(queue_mode=True)
            kept = await delayed(world, keeping)
            first.stop()
            op = await world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
            later = await world.create(sleeper, "WRITE", FIRMWARE_URI, text=FIRMWARE)
            await world.becomes(op, "QUEUED", "LESHAN_UNREACHABLE", attempts=0)
            with leshan_server(mode="stock", http_port=first.http_port, coap_port=first.coap_port):
                await world.listens()
                await world.presence_is(device, Presence.OFFLINE)
                for each in (device, sleeper, keeping):
                    await world.wake(each)
                await world.confirmed(op, later)
                await world.becomes(kept, "FAILED", "OUTCOME_UNKNOWN")
                assert [await world.texts(each) for each in (device, sleeper)] == [[FIRMWARE], [FIRMWARE]]
                assert await world.received(keeping, "EXECUTE") == []
                assert (await world.operation(later)).attempts == 0


async def delayed(world: LeshanWorld, device: Device) -> Op:
    """Return an EXECUTE that Leshan holds for a sleeping device: a setting wrongly says that a NOTIFICATION wakes
    it."""
    await world.confirmed(await world.create(device, "OBSERVE", TEMPERATURE))
    await world.sleep(device)
    op = await world.create(device, "EXECUTE", "/3442/0/3", arguments="0='once'")
    await world.notify(device, "21.5")
    await world.becomes(op, "SENDING", "DELAYED_BY_LESHAN")
    return op


async def test_a_hostile_name_reaches_no_other_device(world: LeshanWorld) -> None:
    victim, hostile = await world.device("x"), await world.device("x/3/0/4?a=1#", queue_mode=True)
    quoted = await world.device('a"b', queue_mode=True)
    op = await world.create(hostile, "EXECUTE", "/3/0/4")
    await world.becomes(op, "FAILED", "INVALID_REQUEST")
    await world.confirmed(await world.create(quoted, "WRITE", FIRMWARE_URI, text=FIRMWARE))
    assert [await world.received(each) for each in (victim, hostile)] == [[], []]


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


async def test_every_kind_is_confirmed_in_order(world: LeshanWorld) -> None:
    assert {kind for kind, *_ in KINDS} == set(OperationKind)
    device = await world.sleeper()
    ops = await world.create_many(world.wanted(device, kind, path, **more) for kind, path, more, _ in KINDS)
    await world.wake(device)
    await world.confirmed(*ops)
    answers = [(await world.operation(op)).device_status or "" for op in ops]
    assert answers == [status for *_, status in KINDS]
    asked = [kind for kind, _, _, status in KINDS if status]
    assert [one.method for one in await world.received(device)] == asked


async def test_every_kind_fails_as_the_device_refuses_it(world: LeshanWorld) -> None:
    device = await world.sleeper()
    await asyncio.to_thread(device.refuse, "4.05", text="never")
    ops = await world.create_many(world.wanted(device, kind, path, **more) for kind, path, more, _ in KINDS)
    await world.wake(device)
    for op, (kind, _, _, status) in zip(ops, KINDS, strict=True):
        if not status:
            await world.confirmed(op)
            continue
        await world.becomes(op, "FAILED", "DEVICE_REFUSED", attempts=0)
        row = await world.operation(op)
        assert (row.device_status, row.detail) == ("METHOD_NOT_ALLOWED(405)", "never"), kind


@pytest.mark.parametrize(
    ("code", "attempts", "once"), [("5.00", 1, "DEVICE_ERROR"), ("4.29", 1, None), ("5.03", 1, None)]
)
async def test_a_retryable_device_error_is_retried_at_the_next_wake(
    world: LeshanWorld, code: str, attempts: int, once: str | None
) -> None:
    device = await world.sleeper()
    await asyncio.to_thread(device.refuse, code, times=1)
    write = await world.create(device, "WRITE", FIRMWARE_URI, text=FIRMWARE)
    await world.wake(device)
    await world.becomes(write, "QUEUED", "DEVICE_ERROR", attempts=attempts)
    await world.wake(device)
    await world.confirmed(write)
    await asyncio.to_thread(device.refuse, code, times=1)
    execute = await world.create(device, "EXECUTE", "/3442/0/3")
    if once:
        await world.becomes(execute, "FAILED", once)
    else:
        await world.becomes(execute, "QUEUED", "DEVICE_ERROR")
        await world.wake(device)
        await world.confirmed(execute)


async def test_values_of_every_type_arrive_unchanged(world: LeshanWorld) -> None:
    device = await world.device()
    for cases in (SINGLE, MULTIPLE):
        for case in cases:
            typed = case.typed
            op = await world.create(device, "WRITE", case.path, value_type=typed.type, value=typed.value)
            await world.confirmed(op)
            assert equal(await world.read_back(device, case.path), typed), str(case)


@pytest.mark.parametrize("server", ["our_leshan", "production_leshan"], ids=["stock", "production"])
async def test_reported_values_of_every_type_become_readings(
    request: pytest.FixtureRequest, database_url: str, leshan_devices: Devices, server: str
) -> None:
    """Values of single and multiple resources: notified, in a Send of each format (which names the instances of a
    multiple resource one by one), and in the answer to a READ."""
    cases: dict[str, list[TypedValue]] = {}
    for case in (*SINGLE, *MULTIPLE):
        cases.setdefault(case.path, []).append(case.typed)
    leshan: LeshanServer = request.getfixturevalue(server)
    async with LeshanWorld.begin(database_url, leshan, leshan_devices) as world, world.graphql() as api:
        device = await world.device(f"values-{server}")
        await world.confirmed(*await world.create_many(world.wanted(device, "OBSERVE", path) for path in cases))
        current: dict[str, TypedValue] = {}
        seen: set[str] = set()
        for values in itertools.zip_longest(*cases.values()):
            changed = {path: typed for path, typed in zip(cases, values, strict=True) if typed}
            for path, typed in changed.items():
                await asyncio.to_thread(device.notify, path, in_leshans_form(typed))
            await become_readings(api, device, ReadingOrigin.NOTIFICATION, changed, seen)
            current |= changed
            for format_ in ("SENML_CBOR", "SENML_JSON"):
                assert (await asyncio.to_thread(device.send, ["/3442/0"], content_format=format_)).ok
                instances = {f"{path}{id_}": one for path, typed in current.items() for id_, one in parts(typed)}
                await become_readings(api, device, ReadingOrigin.SEND, instances, seen)
        await world.confirmed(await world.create(device, "READ", "/3442/0"))
        await become_readings(api, device, ReadingOrigin.READ, current, seen)


def parts(typed: TypedValue) -> Iterator[tuple[str, TypedValue]]:
    """Yield the instances of a multiple resource with the ends of their paths, or a single value."""
    if typed.multiple:
        yield from ((f"/{id_}", TypedValue(typed.type, one)) for id_, one in typed.value.items())
    else:
        yield "", typed


async def become_readings(
    api: Api, device: Device, origin: ReadingOrigin, expected: Mapping[str, TypedValue], seen: set[str]
) -> None:
    """Wait until readings of this origin that were not ``seen`` have these values, types and numbers."""
    facts = {path: (str(typed.type), typed.value, number_of(typed)) for path, typed in expected.items()}
    found: dict[str, tuple[str, Any, float | None]] = {}

    async def stored() -> bool:
        found.clear()
        page = await api.ask(READINGS, endpoint=device.name)
        nodes = [edge["node"] for edge in reversed(page["readings"]["edges"])]
        for node in nodes:
            if node["origin"] == origin and node["path"] in expected and node["id"] not in seen:
                found[node["path"]] = node["type"], node["value"], node["number"]
        if found == facts:
            seen.update(node["id"] for node in nodes)
        return found == facts

    with contextlib.suppress(AssertionError):
        await eventually(stored)
    assert found == facts
