"""Contract: a value of any type arrives at the device as it was written, and reads back equal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.kinds import COMPOSITES
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import TypedValue
from app.leshan.client import LeshanClient
from app.leshan.content_formats import GARBLED_IN_TLV, UNTYPED_WRITES, formats_for, registered_formats
from app.leshan.nodes import decode_content, leshan_value
from tests.contract.leshan.contract import PATIENCE, Contract
from tests.contract.leshan.differences import Difference
from tests.contract.leshan.values import MULTIPLE, SINGLE, UNSIGNED, Case, equal, same

pytestmark = pytest.mark.asyncio

FORMATS = [ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TLV]
"""The content formats that may be chosen for writing, in order of preference."""

CHANGED = (OutcomeKind.SUCCESS, 204, "CHANGED(204)")

typed_json = pytest.mark.without(Difference.UNTYPED_JSON)


def facts(outcome: Outcome) -> tuple[OutcomeKind, int | None, str | None]:
    return outcome.kind, outcome.device_code, outcome.device_status


@typed_json
@pytest.mark.parametrize("format_", FORMATS)
async def test_single_values_of_every_type(contract: Contract, format_: ContentFormat) -> None:
    await check_all(contract, SINGLE, format_)


@typed_json
@pytest.mark.parametrize("format_", FORMATS)
async def test_multiple_values_of_every_type(contract: Contract, format_: ContentFormat) -> None:
    await check_all(contract, MULTIPLE, format_)


async def check_all(contract: Contract, cases: list[Case], format_: ContentFormat) -> None:
    device = await contract.device()
    models = {model.id: model for model in await contract.client.object_models(device.name)}
    wrong = []
    for case in cases:
        typed = case.typed
        if format_ is ContentFormat.TLV and _changed_by_tlv(typed):
            continue  # refused: test_an_unsigned_integer_arrives_as_it_is_or_not_at_all
        outcome = await contract.call(
            device, "WRITE", case.path, value_type=typed.type, value=typed.value, format=format_
        )
        node = await contract.read_back(device, case.path)
        read = await contract.call(device, "READ", case.path)
        decoded = decode_content(case.path, read.content, models.get)
        arrived = facts(outcome) == CHANGED and equal(node, typed) and decoded.values == {case.path: typed}
        if not (arrived and equal({"value": None, **_held(typed, await device.held(case.path))}, typed)):
            wrong.append((str(case), facts(outcome), node, decoded))
    assert not wrong


def _changed_by_tlv(typed: TypedValue) -> bool:
    values = typed.value.values() if typed.multiple else [typed.value]
    return typed.type is ValueType.UNSIGNED_INTEGER and any(int(value) >= GARBLED_IN_TLV for value in values)


def _held(typed: TypedValue, held: object) -> dict[str, object]:
    return {"values": held} if typed.multiple else {"value": held}


@typed_json
@pytest.mark.without(Difference.NO_RESOURCE_INSTANCES)
@pytest.mark.parametrize("case", MULTIPLE, ids=lambda case: str(case.typed.type))
async def test_an_instance_of_a_multiple_resource(contract: Contract, case: Case) -> None:
    device = await contract.device()
    type_, value = case.typed.type, case.typed.value["0"]
    more = {"value_type": type_, "value": value, "format": ContentFormat.SENML_CBOR}
    written = await contract.call(device, "WRITE", f"{case.path}/0", **more)
    assert facts(written) == CHANGED
    assert same(type_, (await contract.read_back(device, f"{case.path}/0"))["value"], value)
    assert same(type_, (await device.held(case.path))["0"], value)


@typed_json
@pytest.mark.parametrize("replace", [True, False], ids=["replaced", "updated"])
async def test_a_whole_instance(contract: Contract, replace: bool) -> None:
    device = await contract.device()
    cases = {case.resource: case for case in (*SINGLE, *MULTIPLE)}
    node = {"resources": [resource(case) for case in cases.values() if case.typed.type is not ValueType.STRING]}
    cbor = ContentFormat.SENML_CBOR
    written = await contract.call(device, "WRITE", "/3442/0", value=node, replace=replace, format=cbor)
    assert facts(written) == CHANGED
    told = {one["id"]: one for one in (await contract.read_back(device, "/3442/0"))["resources"]}
    for case in cases.values():
        if case.typed.type is not ValueType.STRING:
            assert equal(told[case.resource], case.typed), case
    assert (110 in told) is not replace, "what is not in the node stays when it is an update, and goes when it replaces"


def resource(case: Case) -> dict[str, object]:
    """Return a resource of an instance node."""
    typed = case.typed
    node: dict[str, object] = {"id": case.resource, "type": str(typed.type)}
    if typed.multiple:
        values = {key: leshan_value(typed.type, one) for key, one in typed.value.items()}
        return {**node, "kind": "multiResource", "values": values}
    return {**node, "kind": "singleResource", "value": leshan_value(typed.type, typed.value)}


@typed_json
@pytest.mark.parametrize("format_", [None, *FORMATS, ContentFormat.TEXT, ContentFormat.CBOR, ContentFormat.JSON])
async def test_an_unsigned_integer_arrives_as_it_is_or_not_at_all(
    contract: Contract, format_: ContentFormat | None
) -> None:
    """Compare by the resource's text, which has no sign: both of Leshan's TLV codecs are wrong in the same way."""
    device = await contract.device()
    in_tlv = format_ in {None, ContentFormat.TLV}
    for value in UNSIGNED:
        more = {"value_type": ValueType.UNSIGNED_INTEGER, "value": value, "format": format_}
        outcome = await contract.call(device, "WRITE", "/3442/0/125", **more)
        if in_tlv and int(value) >= GARBLED_IN_TLV:
            assert outcome.kind is OutcomeKind.BAD_REQUEST
            assert "/3442/0/125: Leshan's TLV encoder changes UNSIGNED_INTEGER values" in (outcome.detail or "")
            continue
        assert facts(outcome) == CHANGED, value
        assert await device.held("/3442/0/125") == value
        for reading in (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TEXT):
            read = await contract.call(device, "READ", "/3442/0/125", format=reading)
            assert read.content["value"] == value, (reading, value)


@typed_json
async def test_unsigned_integers_of_a_composite_and_of_a_new_instance(contract: Contract) -> None:
    device = await contract.device()
    device_formats = registered_formats((await contract.registration(device))["objectLinks"])
    for value in UNSIGNED:
        values = {"/3442/0/125": {"type": "UNSIGNED_INTEGER", "value": value}}
        written = await contract.call(device, "WRITE_COMPOSITE", paths=tuple(values), values=values)
        assert facts(written) == CHANGED, value
        assert await device.held("/3442/0/125") == value
    widest = {"id": 125, "kind": "singleResource", "type": "UNSIGNED_INTEGER", "value": UNSIGNED[-1]}
    node = {"kind": "instance", "id": 7, "resources": [widest]}
    request = OperationRequest(device.name, OperationKind.CREATE, "/3442", value=node)
    refused = await contract.call(device, "CREATE", "/3442", value=node)
    assert refused.kind is OutcomeKind.BAD_REQUEST
    created = await contract.call(
        device, "CREATE", "/3442", value=node, format=formats_for(request, device_formats, "1.1")[0]
    )
    assert created.kind is OutcomeKind.SUCCESS
    assert await device.held("/3442/7/125") == UNSIGNED[-1]


@typed_json
async def test_a_time_is_truncated_to_whole_seconds(contract: Contract) -> None:
    device = await contract.device()
    moment = "2026-11-23T10:00:00.987000Z"
    await contract.call(device, "WRITE", "/3442/0/160", value_type=ValueType.TIME, value=moment)
    assert (await contract.read_back(device, "/3442/0/160"))["value"] == 1795428000000


@typed_json
async def test_a_multiple_resource_is_updated_in_part(contract: Contract) -> None:
    device = await contract.device()
    for value, replace in (({"0": "1", "1": "2"}, True), ({"1": "3", "2": "4"}, False)):
        more = {"value_type": ValueType.INTEGER, "value": value, "replace": replace}
        assert facts(await contract.call(device, "WRITE", "/3442/0/1120", **more)) == CHANGED
    assert (await contract.read_back(device, "/3442/0/1120"))["values"] == {"0": "1", "1": "3", "2": "4"}


async def test_a_text_in_the_format_that_the_device_registered(contract: Contract) -> None:
    device = await contract.device()
    links = (await contract.registration(device))["objectLinks"]
    text = SINGLE[1].typed.value
    more = {"value_type": ValueType.STRING, "value": text}
    request = OperationKind.WRITE, "/5/0/1"
    format_ = formats_for(_request(device.name, request[1], text), registered_formats(links), "1.1")[0]
    assert format_ is ContentFormat.SENML_CBOR
    assert facts(await contract.call(device, *request, **more, format=format_)) == CHANGED
    assert await device.held("/5/0/1") == text


def _request(name: str, path: str, text: str) -> OperationRequest:
    return OperationRequest(name, OperationKind.WRITE, path, (path,), ValueType.STRING, text)


async def test_64_kib_of_text(contract: Contract) -> None:
    device = await contract.device()
    text = "\u20ac" * 21_845
    more = {"value_type": ValueType.STRING, "value": text, "timeout_seconds": 30}
    assert facts(await contract.call(device, "WRITE", "/5/0/1", **more)) == CHANGED
    assert await device.held("/5/0/1") == text


@pytest.mark.only_with(Difference.UNTYPED_JSON)
async def test_without_types_an_integer_is_refused_in_senml_and_wrong_in_tlv(contract: Contract) -> None:
    device = await contract.device()
    more = {"value_type": ValueType.INTEGER, "value": "42"}
    senml = await contract.call(device, "WRITE", "/3442/0/120", **more, format=ContentFormat.SENML_CBOR)
    assert facts(senml) == (OutcomeKind.DEVICE_ANSWERED_NO, 400, "BAD_REQUEST(400)")
    assert await device.held("/3442/0/120") == "1024"
    tlv = await contract.call(device, "WRITE", "/3442/0/120", **more, format=ContentFormat.TLV)
    assert facts(tlv) == CHANGED
    assert await device.held("/3442/0/120") == str(int.from_bytes(b"42", "big"))


@pytest.mark.only_with(Difference.UNTYPED_JSON)
async def test_without_types_an_integer_of_a_known_object_is_not_accepted(contract: Contract) -> None:
    device = await contract.device()
    outcome = await contract.call(device, "WRITE", "/1/0/1", value_type=ValueType.INTEGER, value="7200")
    assert outcome.kind is OutcomeKind.BAD_REQUEST
    assert "expected INTEGER, got STRING" in (outcome.detail or "")
    assert await device.reached() == []


@pytest.mark.only_with(Difference.UNTYPED_JSON)
async def test_without_types_texts_arrive_unchanged(contract: Contract) -> None:
    await check_texts(contract, "/3442/0/110", "x", OutcomeKind.SUCCESS)
    await check_texts(contract, "/3442/0/1110", {"0": "x", "7": "y"}, OutcomeKind.SUCCESS)


@pytest.mark.only_with(Difference.NO_RESOURCE_INSTANCES)
async def test_a_resource_instance_is_refused_if_leshan_does_not_support_it(contract: Contract) -> None:
    await check_texts(contract, "/3442/0/1110/0", "x", OutcomeKind.DEVICE_ANSWERED_NO)


async def test_a_server_is_recognized_by_its_answer_about_a_client(contract: Contract) -> None:
    device = await contract.device()
    async with recognized(contract) as client:
        typed = Difference.UNTYPED_JSON not in contract.differences
        assert client.typed is typed
        await client.recognize(device.name)
        assert client.typed is typed


@pytest.mark.only_with(Difference.UNTYPED_JSON)
async def test_a_value_that_untyped_writes_would_change_is_refused_with_reason(contract: Contract) -> None:
    device = await contract.device()
    cases = [case for case in (*SINGLE, *MULTIPLE) if case.typed.type not in UNTYPED_WRITES]
    async with recognized(contract) as client:
        for case in cases:
            request = OperationRequest(
                device.name, OperationKind.WRITE, case.path, (case.path,), case.typed.type, case.typed.value
            )
            outcome = await client.call(request, time.monotonic() + PATIENCE)
            assert outcome.kind is OutcomeKind.BAD_REQUEST, case
            assert f"{case.path}: this Leshan server (2.0.0-M4) ignores the types" in (outcome.detail or "")
        for kind in COMPOSITES:
            outcome = await client.call(
                OperationRequest(device.name, kind, None, ("/3/0",)), time.monotonic() + PATIENCE
            )
            assert (outcome.kind, "no composite operations" in (outcome.detail or "")) == (
                OutcomeKind.BAD_REQUEST,
                True,
            )
    assert await device.reached() == []


@pytest.mark.only_with(Difference.UNTYPED_JSON)
@pytest.mark.parametrize("format_", [ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TLV])
async def test_a_value_that_needs_no_type_is_written_without_types(contract: Contract, format_: ContentFormat) -> None:
    device = await contract.device()
    async with recognized(contract) as client:
        for case in (*SINGLE, *MULTIPLE):
            if case.typed.type in UNTYPED_WRITES:
                request = OperationRequest(
                    device.name,
                    OperationKind.WRITE,
                    case.path,
                    (case.path,),
                    case.typed.type,
                    case.typed.value,
                    format=format_,
                )
                outcome = await client.call(request, time.monotonic() + PATIENCE)
                assert facts(outcome) == CHANGED, case
                held = await device.held(case.path)
                assert equal({"value": held, "values": held}, case.typed), case


@contextlib.asynccontextmanager
async def recognized(contract: Contract) -> AsyncIterator[LeshanClient]:
    """Open a client that has requested the server's capabilities, as a dispatcher does before it writes."""
    client = LeshanClient(contract.root)
    try:
        await client.look()
        if client.typed is None:
            await client.recognize("nobody")
        yield client
    finally:
        await client.aclose()


async def check_texts(contract: Contract, path: str, value: object, kind: OutcomeKind) -> None:
    device = await contract.device()
    assert (await contract.call(device, "WRITE", path, value_type=ValueType.STRING, value=value)).kind is kind
    if kind is OutcomeKind.SUCCESS:
        assert await device.held(path) == value
