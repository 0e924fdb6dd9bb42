"""Contract: empty values can be written: no instances of a multiple resource, no resources of a new instance, no target
of a link. Leshan refuses values and paths that LwM2M reserves or excludes, so Reveille refuses them before they are
queued."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import ContentFormat, ValueType
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import TypedValue
from app.leshan.nodes import decode_content
from tests.contract.leshan.contract import Contract
from tests.contract.leshan.differences import Difference
from tests.contract.leshan.values import MULTIPLE, Case

pytestmark = pytest.mark.asyncio

FORMATS = [ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TLV]
CHANGED = (OutcomeKind.SUCCESS, "CHANGED(204)")
NULL_LINK = {"objectId": 65_535, "objectInstanceId": 65_535}

typed_json = pytest.mark.without(Difference.UNTYPED_JSON)


def facts(outcome: Outcome) -> tuple[OutcomeKind, str | None]:
    return outcome.kind, outcome.device_status


@typed_json
@pytest.mark.parametrize("format_", [*FORMATS, None])
@pytest.mark.parametrize("case", MULTIPLE, ids=lambda case: str(case.typed.type))
async def test_a_multiple_resource_is_cleared_by_its_path(
    contract: Contract, case: Case, format_: ContentFormat | None
) -> None:
    device = await contract.device()
    models = {model.id: model for model in await contract.client.object_models(device.name)}
    values: list[dict[str, Any]] = [case.typed.value, {}]
    for value in values:
        # these UNSIGNED_INTEGER values cannot be written as TLV
        in_format = format_ if value == {} else ContentFormat.SENML_CBOR
        written = await contract.call(
            device, "WRITE", case.path, value_type=case.typed.type, value=value, format=in_format
        )
        assert facts(written) == CHANGED
        assert len(await device.held(case.path)) == len(value)
    read = await contract.call(device, "READ", case.path)
    assert read.kind is OutcomeKind.SUCCESS
    assert decode_content(case.path, read.content, models.get).values == {case.path: TypedValue(case.typed.type, {})}


@typed_json
async def test_a_multiple_resource_of_another_type_is_cleared(contract: Contract) -> None:
    """An empty value has no type, and without a model the resource's type is unknown."""
    device = await contract.device()
    for type_, value in ((ValueType.INTEGER, {"0": "1"}), (ValueType.STRING, {})):
        written = await contract.call(device, "WRITE", "/3442/0/1120", value_type=type_, value=value)
        assert facts(written) == CHANGED
    assert await device.held("/3442/0/1120") == {}


@typed_json
@pytest.mark.parametrize("format_", FORMATS)
async def test_a_multiple_resource_is_cleared_with_its_whole_instance(
    contract: Contract, format_: ContentFormat
) -> None:
    device = await contract.device()
    await contract.call(device, "WRITE", "/3442/0/1120", value_type=ValueType.INTEGER, value={"0": "1"})
    node = {"resources": [text("new"), {"id": 1120, "kind": "multiResource", "type": "INTEGER", "values": {}}]}
    replaced = await contract.call(device, "WRITE", "/3442/0", value=node, format=format_)
    assert facts(replaced) == CHANGED
    assert not await device.held("/3442/0/1120")
    assert await device.held("/3442/0/110") == "new"


def text(value: str) -> dict[str, Any]:
    return {"id": 110, "kind": "singleResource", "type": "STRING", "value": value}


async def test_an_instance_is_created_without_resources(contract: Contract) -> None:
    device = await contract.device()
    chosen = await contract.call(device, "CREATE", "/3442", value={"kind": "instance", "resources": []})
    assert facts(chosen) == (OutcomeKind.SUCCESS, "CREATED(201)")
    given = await contract.call(device, "CREATE", "/3442", value={"kind": "instance", "id": 77, "resources": []})
    assert facts(given) == (OutcomeKind.SUCCESS, "CREATED(201)")
    assert chosen.location == "3442/1"
    for instance in (1, 77):
        assert (await contract.call(device, "READ", f"/3442/{instance}")).kind is OutcomeKind.SUCCESS


@typed_json
@pytest.mark.parametrize("format_", FORMATS)
async def test_the_null_link_is_written(contract: Contract, format_: ContentFormat) -> None:
    device = await contract.device()
    more: dict[str, Any] = {"value_type": ValueType.OBJLNK, "value": NULL_LINK, "format": format_}
    assert facts(await contract.call(device, "WRITE", "/3442/0/170", **more)) == CHANGED
    node = await contract.read_back(device, "/3442/0/170")
    assert node["value"] == {**NULL_LINK, "nullLink": True}


@typed_json
@pytest.mark.parametrize("value", [{**NULL_LINK, "objectId": 3}, {**NULL_LINK, "objectInstanceId": 0}], ids=str)
async def test_a_link_with_one_reserved_id_is_not_sent(contract: Contract, value: dict[str, int]) -> None:
    device = await contract.device()
    outcome = await contract.call(device, "WRITE", "/3442/0/170", value_type=ValueType.OBJLNK, value=value)
    assert outcome.kind is not OutcomeKind.SUCCESS
    assert await device.reached() == []


async def test_the_reserved_instance_is_not_requested(contract: Contract) -> None:
    device = await contract.device()
    assert (await contract.call(device, "READ", "/3442/65535")).kind is not OutcomeKind.SUCCESS
    assert await device.reached() == []


@pytest.mark.without(Difference.NO_COMPOSITES)
@pytest.mark.parametrize("paths", [("/3/0", "/3/0/0"), ("/3/0/0", "/3/0/0"), ("/3/0/11/0", "/3")], ids=str)
async def test_paths_of_a_composite_that_overlap_are_not_sent(contract: Contract, paths: tuple[str, str]) -> None:
    device = await contract.device()
    outcome = await contract.call(device, "READ_COMPOSITE", paths=paths)
    assert outcome.kind is OutcomeKind.BAD_REQUEST
    assert "overlapped" in (outcome.detail or "")
    assert await device.reached() == []
