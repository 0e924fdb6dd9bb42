"""Every error in an input, whichever check finds it, names the field, and the member of a batch."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from app.models.ledger import Provision
from tests.integration.schema.test_operations import CREATE, CREATE_MANY, write
from tests.support.api import Api
from tests.support.ledger import LedgerWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

TWO: dict[str, Any] = {"string": "a", "integer": 1}


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def known_device(world: LedgerWorld) -> None:
    await world.ledgers[0].submit(Provision("d"))


IN_VARIABLES: list[tuple[dict[str, Any], str]] = [
    ({"path": 5}, "path"),
    ({"kind": "FLY"}, "kind"),
    ({"bogus": 1}, "bogus"),
    ({"endpoint": None}, "endpoint"),
    ({"value": {"integer": "9" * 30}}, "value.integer"),
    ({"value": {"integer": "9" * 100_000}}, "value.integer"),
    ({"value": {"string": None}}, "value"),
    ({"value": {}}, "value"),
    ({"value": TWO}, "value"),
    ({"value": {"multiple": [{"id": 0}]}}, "value.multiple.0.value"),
    ({"value": {"multiple": [{"id": 0, "value": TWO}]}}, "value.multiple.0.value"),
]


@pytest.mark.parametrize(("wrong", "field"), IN_VARIABLES)
async def test_of_a_variable_and_of_an_item_of_a_batch(api: Api, wrong: dict[str, Any], field: str) -> None:
    expected = {"code": "BAD_USER_INPUT", "field": field}
    assert await api.error(CREATE, input=write(**wrong)) == expected
    assert await api.error(CREATE_MANY, inputs=[write(), write(**wrong)]) == {**expected, "index": 1}


IN_LITERALS = [
    ('path: "/5/0/1", value: {}', "value"),
    ('path: "/5/0/1", value: { string: null }', "value"),
    ('path: "/5/0/1", value: { string: "a", integer: 1 }', "value"),
    ('path: "/5/0/1", value: { integer: "18446744073709551616" }', "value.integer"),
    ('path: "/5/0/1", value: { time: "soon" }', "value.time"),
    ('path: "/5/0/1", value: { bogus: 1 }', "value.bogus"),
    ('path: "/5/0/1", priority: "x"', "priority"),
    ("path: 5", "path"),
    ("kind: FLY", "kind"),
    ("kind: WRITE_COMPOSITE, values: [{ value: { boolean: true } }]", "values.0.path"),
    ('kind: WRITE_COMPOSITE, values: [{ path: "/5/0/1", value: { integer: 1.5 } }]', "values.0.value.integer"),
]


@pytest.mark.parametrize(("wrong", "field"), IN_LITERALS)
async def test_of_a_literal(api: Api, wrong: str, field: str) -> None:
    one = f'mutation {{ createDeviceOperation(input: {{ endpoint: "d", {wrong} }}) {{ created }} }}'
    assert await api.error(one) == {"code": "BAD_USER_INPUT", "field": field}
    good = '{ endpoint: "d", path: "/5/0/1", value: { string: "a" } }'
    many = f'mutation {{ createDeviceOperations(inputs: [{good}, {{ endpoint: "d", {wrong} }}]) {{ created }} }}'
    assert await api.error(many) == {"code": "BAD_USER_INPUT", "field": field, "index": 1}


OF_ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("{ endpoint { id } }", {}, "name"),
    ('{ deviceOperations(first: "x") { totalCount } }', {}, "first"),
    ('{ deviceOperations(filter: { createdAfter: "x" }) { totalCount } }', {}, "filter.createdAfter"),
    (
        "query($f: DeviceOperationFilter) { deviceOperations(filter: $f) { totalCount } }",
        {"f": {"createdAfter": "x"}},
        "filter.createdAfter",
    ),
    ("query($after: String) { endpoints(after: $after) { totalCount } }", {"after": 5}, "after"),
]


@pytest.mark.parametrize(("query", "variables", "field"), OF_ARGUMENTS)
async def test_of_an_argument(api: Api, query: str, variables: dict[str, Any], field: str) -> None:
    assert await api.error(query, **variables) == {"code": "BAD_USER_INPUT", "field": field}


async def test_of_a_variable_within_a_batch(api: Api) -> None:
    inputs = '[{ endpoint: "d", value: { integer: $v } }]'
    query = f"mutation($v: BigInt!) {{ createDeviceOperations(inputs: {inputs}) {{ created }} }}"
    assert await api.error(query, v="x") == {"code": "BAD_USER_INPUT", "field": "value.integer", "index": 0}
