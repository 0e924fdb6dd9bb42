"""Every operation is sent in a format that the device accepts, and a refused format costs one more call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Final
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from app.domain.enums import ContentFormat, OperationKind
from app.domain.operations import OperationRequest
from app.models import tables
from app.models.operation import NewOperation
from simulator import Behaviour, Kind, Mode
from tests.stories.conftest import Begin
from tests.support.simulated_world import FAST, SimulatedWorld
from tests.support.waiting import eventually
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

NAME: Final = "/3/0/0"
WIDEST: Final = str(2**64 - 1)
TEXT: Final = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "x"}
NEW: Final = {"kind": "instance", "id": 7, "resources": [TEXT]}
REFUSALS: Final = [406, 415]


@pytest_asyncio.fixture(loop_scope="session")
async def ours(begin: Begin) -> AsyncIterator[SimulatedWorld]:
    """A world with one device, ``dev``, and our own Leshan server, which stores the ids of calls."""
    async with begin(simulated={"mode": Mode.REVEILLE}) as world:
        await world.server_info_known()
        yield world


async def create(
    world: SimulatedWorld,
    kind: str,
    path: str | None = None,
    *,
    paths: tuple[str, ...] = (),
    seconds: int = 5,
    **more: Any,
) -> Op:
    """Queue an operation of any kind; ``more`` are further fields of OperationRequest."""
    word = OperationKind(kind)
    request = OperationRequest("dev", word, path, paths or (path or "",), timeout_seconds=seconds, **more)
    wanted: NewOperation = replace(world.wanted(kind, path or "/3/0/12"), request=request)
    (op,) = await world.create_many([replace(wanted, repeatable=word is not OperationKind.CREATE)])
    return op


def formats(world: SimulatedWorld) -> list[str | None]:
    """Return the format of each request that Leshan received, oldest first."""
    queries = [parse_qs(urlsplit(one.target).query) for one in world.received()]
    return [next(iter(query.get("format") or query.get("nodeformat") or []), None) for query in queries]


OPERATIONS: Final[dict[str, Callable[[SimulatedWorld], Any]]] = {
    "READ": lambda world: create(world, "READ", NAME),
    "OBSERVE": lambda world: create(world, "OBSERVE", NAME),
    "READ_COMPOSITE": lambda world: create(world, "READ_COMPOSITE", paths=(NAME, "/3/0/9")),
    "OBSERVE_COMPOSITE": lambda world: create(world, "OBSERVE_COMPOSITE", paths=(NAME, "/3/0/9")),
    "WRITE_COMPOSITE": lambda world: create(
        world, "WRITE_COMPOSITE", paths=("/5/0/1",), values={"/5/0/1": {"type": "STRING", "value": "x"}}
    ),
    "CREATE": lambda world: create(world, "CREATE", "/3442", value=NEW),
    "WRITE": lambda world: world.create("WRITE", "/5/0/1", "x"),
}


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_senml_cbor_is_requested_where_it_was_registered(world: SimulatedWorld, kind: str) -> None:
    await world.wake()
    await world.confirmed(await OPERATIONS[kind](world))
    assert formats(world) == ["SENML_CBOR"]


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_refused_format_is_followed_by_the_other_in_the_same_attempt(
    ours: SimulatedWorld, kind: str, code: int
) -> None:
    await ours.wake()
    ours.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=code, times=1))
    op = await OPERATIONS[kind](ours)
    await ours.confirmed(op)
    assert await ours.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]
    assert formats(ours) == ["SENML_CBOR", "SENML_JSON"]
    id_ = (await ours.operation(op)).id
    assert [one.request_id for one in ours.received()] == [f"{id_}/1", f"{id_}/1.2"]


async def test_the_accepted_format_is_remembered_for_the_registration(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=406, times=1))
    for _ in range(2):
        await world.confirmed(await OPERATIONS["READ_COMPOSITE"](world))
    assert formats(world) == ["SENML_CBOR", "SENML_JSON", "SENML_JSON"]
    world.simulator.register("dev")
    await world.registration_known("dev")
    await world.confirmed(await OPERATIONS["READ_COMPOSITE"](world))
    assert formats(world)[3:] == ["SENML_CBOR"]


async def test_a_device_that_refuses_both_formats_has_refused(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=415))
    op = await OPERATIONS["WRITE_COMPOSITE"](world)
    await world.becomes(op, "FAILED", "DEVICE_REFUSED")
    assert formats(world) == ["SENML_CBOR", "SENML_JSON"]
    assert (await world.operation(op)).device_status == "UNSUPPORTED_CONTENT_FORMAT(415)"


async def test_a_format_that_the_operation_names_is_not_replaced(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=406))
    op = await create(world, "READ", NAME, format=ContentFormat.TLV)
    await world.becomes(op, "FAILED", "DEVICE_REFUSED")
    assert formats(world) == ["TLV"]


@pytest.mark.parametrize("code", [400, 404, 500])
async def test_no_other_refusal_causes_a_second_call(world: SimulatedWorld, code: int) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=code))
    op = await OPERATIONS["READ"](world)
    await eventually(lambda: len(world.received()) == 1, "the call")
    await world.settled()
    assert formats(world) == ["SENML_CBOR"]
    assert "SENDING" in await world.transitions(op)


async def test_a_read_that_leshan_cannot_decode_is_repeated_in_the_other_format(world: SimulatedWorld) -> None:
    """M18 refuses an integer for a FLOAT in SenML CBOR, and reads it in SenML JSON."""
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.NONSENSE, times=1))
    await world.confirmed(await OPERATIONS["READ"](world))
    assert formats(world) == ["SENML_CBOR", "SENML_JSON"]


@pytest.mark.parametrize("kind", ["READ", "OBSERVE"])
@pytest.mark.parametrize(
    ("second", "state"),
    [(Kind.SLEEPING, ("QUEUED", "DEVICE_ASLEEP")), (Kind.DELAYED, ("SENDING", "DELAYED_BY_LESHAN"))],
)
async def test_a_second_call_that_is_not_sent_is_no_proof_about_the_first(
    world: SimulatedWorld, kind: str, second: Kind, state: tuple[str, str]
) -> None:
    """The device received the request and responded. In whichever way the operation ends now, it is not NOT_SENT."""
    await world.wake()
    for behaviour in (Kind.NONSENSE, second):
        world.simulator.behave("dev", Behaviour(kind=behaviour, times=1))
    op = await OPERATIONS[kind](world)
    await world.becomes(op, *state)
    assert len(world.received()) == 2
    assert (await world.operation(op)).delivery == "ANSWERED"


async def test_a_write_whose_answer_leshan_cannot_decode_is_not_repeated(world: SimulatedWorld) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.NONSENSE, times=1))
    await world.becomes(await OPERATIONS["WRITE"](world), "FAILED", "DEVICE_ERROR")
    assert formats(world) == ["SENML_CBOR"]


async def test_the_event_of_a_refusal_does_not_end_the_attempt(begin: Begin) -> None:
    """The event is published while the second call is still waiting for the device, longer than the runner's grace."""
    async with begin(simulated={"mode": Mode.REVEILLE}, timing=replace(FAST, late_response=0.0)) as ours:
        await ours.server_info_known()
        await ours.wake()
        ours.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=415, times=1))
        ours.simulator.behave("dev", Behaviour(kind=Kind.SUCCESS, delay_ms=1_000))
        op = await OPERATIONS["CREATE"](ours)
        await ours.confirmed(op)
        assert await ours.transitions(op) == ["QUEUED", "SENDING", "CONFIRMED"]


@pytest.mark.parametrize("second", ["arrived", "never left"])
async def test_a_dispatcher_that_dies_between_the_calls_repeats_nothing(ours: SimulatedWorld, second: str) -> None:
    """The next dispatcher queries both calls: the second one's result counts; if it was never sent, it stays unsent."""

    async def gone(*_: object) -> None:
        return

    await ours.wake()
    ours.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=415, times=1))
    died = mock.patch("app.dispatcher.runner.may_be_called_again", return_value=False)
    with (
        mock.patch("app.dispatcher.runner.Runner._settle", gone),
        died if second == "never left" else mock.patch("app.ingest.late_responses.LateResponses.offer"),
    ):
        op = await create(ours, "CREATE", "/3442", value=NEW, seconds=1)
        await ours.passes(op, "SENDING LEASE_LOST")
        if second == "arrived":
            await ours.confirmed(op)
    if second == "never left":
        await ours.passes(op, "QUEUED RELEASED")
    await ours.confirmed(op)
    refused, *done = ours.arrivals(str((await ours.operation(op)).id))
    assert refused.request_id != done[0].request_id
    assert len(done) == 1


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_kind_without_formats_causes_no_second_call(world: SimulatedWorld, code: int) -> None:
    await world.wake()
    world.simulator.behave("dev", Behaviour(kind=Kind.REFUSE, code=code))
    await world.becomes(await world.create("EXECUTE", "/3442/0/0"), "FAILED", "DEVICE_REFUSED")
    assert formats(world) == [None]


async def test_the_widest_unsigned_integer_is_written_and_read(world: SimulatedWorld) -> None:
    await world.wake()
    write = await create(world, "WRITE", "/3442/0/125", value_type="UNSIGNED_INTEGER", value=WIDEST)
    read = await create(world, "READ", "/3442/0/125")
    await world.confirmed(write, read)
    assert await world.answer(read) == {"/3442/0/125": WIDEST}


async def test_an_unsigned_integer_that_would_change_is_refused_with_a_reason(
    world: SimulatedWorld,
) -> None:
    await world.wake()
    op = await create(
        world, "WRITE", "/3442/0/125", value_type="UNSIGNED_INTEGER", value=WIDEST, format=ContentFormat.TLV
    )
    await world.becomes(op, "FAILED", "INVALID_REQUEST")
    assert "/3442/0/125: Leshan's TLV encoder changes" in await detail(op)
    assert world.received() == []


async def detail(op: Op) -> str:
    """Return the detail of the operation's latest transition."""
    row = await tables.Transition.filter(operation_id=op).order_by("-number").first()
    return (row.detail if row else None) or ""
