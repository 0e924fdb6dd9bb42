"""Observation rules through GraphQL: create, list, update, delete, their progress, and bad input."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.enums import ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.ledger import MAX_RULES, ApplyRules, DecodedEvent, TypedSample
from app.schema.api.ids import global_id
from tests.support.api import Api
from tests.support.ledger import SUCCESS, LedgerWorld, registered
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULE: Final = "id name filter paths composite attributes readPaths enabled createdAt createdBy counts { state count }"
RULES: Final = f"{{ observationRules {{ {RULE} }} }}"
CREATE: Final = f"mutation($input: ObservationRuleInput!) {{ createObservationRule(input: $input) {{ {RULE} }} }}"
UPDATE: Final = f"""
mutation($id: ID!, $input: ObservationRuleInput!) {{ updateObservationRule(id: $id, input: $input) {{ {RULE} }} }}"""
DELETE: Final = "mutation($id: ID!) { deleteObservationRule(id: $id) }"
OBSERVATIONS: Final = """
{ endpoints { edges { node { name observations {
  rule { name counts { state count } } paths state since lastReportAt detail operation { kind status endpoint { name } }
} } } } }"""
PATH: Final = "/3303/0/5700"


def given(name: str = "climate", **more: Any) -> dict[str, Any]:
    return {"name": name, "filter": {}, "paths": ["3303/*/5700"], **more}


async def create(api: Api, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await api.ask(CREATE, input=given(**more)))["createObservationRule"]
    return made


async def apply(world: LedgerWorld) -> None:
    while await world.ledgers[0].submit(ApplyRules()):
        pass


async def test_a_rule_is_created_listed_changed_and_deleted(world: LedgerWorld, api: Api) -> None:
    filter_ = {"nameContains": "meter", "presences": ["ONLINE", "ASLEEP"]}
    made = await create(api, filter=filter_, attributes={"pmin": 5, "pmax": 60, "gt": 30.5}, readPaths=["/3/0/0"])
    states = ["PENDING", "ESTABLISHED", "STALE", "REFUSED", "NOT_SUPPORTED"]
    assert {**made, "id": None, "createdAt": None} == {
        "id": None,
        "name": "climate",
        "filter": filter_,
        "paths": ["/3303/*/5700"],
        "composite": False,
        "attributes": {"pmin": 5, "pmax": 60, "gt": 30.5},
        "readPaths": ["/3/0/0"],
        "enabled": True,
        "createdAt": None,
        "createdBy": "olga",
        "counts": [{"state": state, "count": 0} for state in states],
    }
    other = await create(api, name="a", enabled=False)
    assert (await api.ask(RULES))["observationRules"] == [other, made]
    changed = (await api.ask(UPDATE, id=made["id"], input=given("b", composite=True)))["updateObservationRule"]
    assert (changed["id"], changed["name"], changed["composite"], changed["attributes"]) == (
        made["id"],
        "b",
        True,
        None,
    )
    node = "query($id: ID!) { node(id: $id) { id ... on ObservationRule { name } } }"
    assert (await api.ask(node, id=made["id"]))["node"] == {"id": made["id"], "name": "b"}
    assert (await api.ask(DELETE, id=made["id"]))["deleteObservationRule"] == made["id"]
    assert (await api.ask(node, id=made["id"]))["node"] is None
    assert (await api.ask(RULES))["observationRules"] == [other]


async def test_the_progress_on_endpoints(world: LedgerWorld, api: Api) -> None:
    await create(api, attributes={"pmax": 60})
    links = [{"url": "/3303/0"}]
    await world.ingest(registered("a", object_links=links), registered("b", object_links=[{"url": "/3/0"}]))
    await apply(world)
    a, b = await observations(api)
    assert a[0]["paths"] == [PATH]
    assert (a[0]["state"], a[0]["operation"]) == (
        "PENDING",
        {"kind": "OBSERVE", "status": "QUEUED", "endpoint": {"name": "a"}},
    )
    assert (b[0]["state"], b[0]["paths"], b[0]["operation"]) == ("NOT_SUPPORTED", [], None)
    for _ in range(2):
        await world.attempt(SUCCESS)
    reading = TypedSample({PATH: TypedValue(ValueType.FLOAT, 21.5)})
    await world.ingest(DecodedEvent(Reported(endpoint="a", nodes={}), [reading]))
    a, b = await observations(api)
    assert (a[0]["state"], a[0]["lastReportAt"], a[0]["detail"]) == ("ESTABLISHED", a[0]["since"], None)
    counts = {count["state"]: count["count"] for count in b[0]["rule"]["counts"]}
    assert counts == {"PENDING": 0, "ESTABLISHED": 1, "STALE": 0, "REFUSED": 0, "NOT_SUPPORTED": 1}


async def observations(api: Api) -> list[list[dict[str, Any]]]:
    edges = (await api.ask(OBSERVATIONS))["endpoints"]["edges"]
    return [edge["node"]["observations"] for edge in edges]


BAD: Final[list[tuple[dict[str, Any], str]]] = [
    ({"name": ""}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"filter": {"nameContains": "x" * 256}}, "filter.nameContains"),
    ({"paths": ["/3/0", "/*/0/1"]}, "paths.1"),
    ({"paths": ["/3303/0/*"]}, "paths.0"),
    ({"paths": ["/3303/*/5700/*"]}, "paths.0"),
    ({"paths": ["no path"]}, "paths.0"),
    ({"paths": ["/99999"]}, "paths.0"),
    ({"paths": ["/3/0", "3/0"]}, "paths.1"),
    ({"paths": ["/3303/*/5700", "/3303/0"], "composite": True}, "paths.0"),
    ({"paths": [], "composite": True, "readPaths": ["/3/0"]}, "paths"),
    ({"paths": None}, "paths"),
    ({"readPaths": ["/3/*/*"]}, "readPaths.0"),
    ({"attributes": {}}, "attributes"),
    ({"attributes": {"pmin": 10, "pmax": 5}}, "attributes.pmin"),
    ({"attributes": {"pmin": -1}}, "attributes.pmin"),
    ({"attributes": {"st": 0}}, "attributes.st"),
    ({"attributes": {"lt": 1, "gt": 1}}, "attributes.lt"),
    ({"attributes": {"gt": 5}, "paths": ["/3303/*"]}, "attributes.gt"),
    ({"attributes": {"pmax": 5}, "paths": [], "readPaths": ["/3/0"]}, "attributes"),
]


@pytest.mark.parametrize(("more", "field"), BAD, ids=repr)
async def test_bad_input_names_its_field_and_stores_nothing(
    world: LedgerWorld, api: Api, more: dict[str, Any], field: str
) -> None:
    made = await create(api, name="there")
    for document, variables in ((CREATE, {}), (UPDATE, {"id": made["id"]})):
        (error,) = (await api.answer(document, input=given(**more), **variables))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field), error
    assert (await api.ask(RULES))["observationRules"] == [made]


async def code(api: Api, document: str, **variables: Any) -> dict[str, Any]:
    (error,) = (await api.answer(document, **variables))["errors"]
    extensions: dict[str, Any] = error["extensions"]
    return extensions


async def test_names_are_unique(world: LedgerWorld, api: Api) -> None:
    first, second = await create(api), await create(api, name="second")
    conflict = {"code": "CONFLICT", "id": first["id"], "field": "name"}
    assert await code(api, CREATE, input=given()) == conflict
    assert await code(api, UPDATE, id=second["id"], input=given()) == conflict


async def test_unknown_rules_are_not_found(world: LedgerWorld, api: Api) -> None:
    endpoint = global_id("Endpoint", 1)
    for id_ in ("x", "", endpoint, global_id("ObservationRule", 99), global_id("ObservationRule", "1x"), "\ud800"[:0]):
        expected = {"code": "NOT_FOUND", "field": "id"}
        assert await code(api, DELETE, id=id_) == expected
        assert await code(api, UPDATE, id=id_, input=given()) == expected


async def test_a_viewer_may_list_rules_only(world: LedgerWorld, api: Api) -> None:
    made = await create(api)
    assert (await api.ask(RULES, token=VIEWER))["observationRules"] == [made]
    for document, variables in (
        (CREATE, {"input": given("x")}),
        (UPDATE, {"id": made["id"], "input": given("x")}),
        (DELETE, {"id": made["id"]}),
    ):
        (error,) = (await api.answer(document, token=VIEWER, **variables))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"


async def test_the_numbers_of_paths_and_of_rules_are_limited(world: LedgerWorld, api: Api) -> None:
    many = [f"/3303/{number}/5700" for number in range(101)]
    assert await code(api, CREATE, input=given(paths=many)) == {"code": "LIMIT_EXCEEDED", "limit": 100}
    assert await code(api, CREATE, input=given(readPaths=many)) == {"code": "LIMIT_EXCEEDED", "limit": 100}
    for number in range(MAX_RULES):
        await create(api, name=f"rule {number}")
    assert await code(api, CREATE, input=given()) == {"code": "LIMIT_EXCEEDED", "limit": MAX_RULES}
    await world.ingest(registered("a", object_links=[{"url": "/3303/0"}]))
    await apply(world)
    assert [len(await observations(api)), len((await observations(api))[0])] == [1, MAX_RULES]
