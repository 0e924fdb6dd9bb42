"""Contacts, tags, filters and deletion of endpoints through GraphQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.models.ledger import Configure
from app.models.live import LiveLog
from app.schema.api import endpoint_mutations
from tests.support.api import Api
from tests.support.ledger import LedgerWorld, new, registered, updated
from tests.support.schema import VIEWER, app_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTACTS = """
  query($name: String!) { endpoint(name: $name) {
    tags firstSeenAt lastSeenAt nextContactBy usualContactIntervalSeconds overdue
  } }
"""
NAMES = """
  query($filter: EndpointFilter, $first: Int) {
    endpoints(filter: $filter, first: $first) { edges { node { name overdue } } totalCount }
  }
"""
UPDATE = """
  mutation($name: String!, $input: UpdateEndpointInput!) {
    updateEndpoint(name: $name, input: $input) { tags awakeWindowSeconds }
  }
"""
TAG = """
  mutation($filter: EndpointFilter!, $add: [String!], $remove: [String!], $expected: Int) {
    tagEndpoints(filter: $filter, add: $add, remove: $remove, expectedCount: $expected)
  }
"""


async def names(api: Api, **filter_: Any) -> list[str]:
    found = (await api.ask(NAMES, filter=filter_))["endpoints"]
    assert found["totalCount"] == len(found["edges"])
    return [edge["node"]["name"] for edge in found["edges"]]


async def tags(api: Api, name: str) -> Sequence[str]:
    found: Sequence[str] = (await api.ask(CONTACTS, name=name))["endpoint"]["tags"]
    return found


async def test_the_contacts_of_an_endpoint(world: LedgerWorld, api: Api) -> None:
    await api.ask('mutation { provisionEndpoint(name: "e") { name } }')
    unseen = (await api.ask(CONTACTS, name="e"))["endpoint"]
    assert unseen == {
        "tags": [], "firstSeenAt": None, "lastSeenAt": None, "nextContactBy": None,
        "usualContactIntervalSeconds": None, "overdue": False,
    }  # fmt: skip
    await world.ingest(registered("d", lifetime_seconds=3_600))
    for number in (2, 3):
        assert (await api.ask(CONTACTS, name="d"))["endpoint"]["usualContactIntervalSeconds"] is None
        world.pass_(60)
        await world.ingest(updated("d", number, lifetime_seconds=3_600))
    found = (await api.ask(CONTACTS, name="d"))["endpoint"]
    assert found == {
        "tags": [], "firstSeenAt": "2023-11-14T22:13:20Z", "lastSeenAt": "2023-11-14T22:15:20Z",
        "nextContactBy": "2023-11-14T23:15:20Z", "usualContactIntervalSeconds": 60, "overdue": False,
    }  # fmt: skip
    world.pass_(120)
    await world.sweep()
    assert (await api.ask(CONTACTS, name="d"))["endpoint"]["overdue"] is True


async def test_filters_of_endpoints(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a", object_links=[{"url": "/3303/0"}]), registered("b", lifetime_seconds=60))
    await world.ledgers[0].submit(Configure("b", tags=["site:x"]))
    await world.create(new("a"))
    world.pass_(61)
    await world.sweep()
    assert await names(api, tags=["site:x"], overdue=True) == ["b"]
    assert await names(api, overdue=False) == ["a"]
    assert await names(api, names=["b", "c", "b"]) == ["b"]
    assert await names(api, objectId=3303, hasPending=True) == ["a"]
    assert await names(api, lastSeenAfter="2023-11-14T22:13:19Z", lastSeenBefore="2023-11-14T22:13:21Z") == ["a", "b"]
    assert await names(api, lastSeenAfter="9999-12-31T00:00:00Z") == []
    assert await names(api, lastSeenBefore="0001-01-01T00:00:00Z") == []
    assert await names(api, presences=["ONLINE"], nameContains="a", tags=[]) == ["a"]


BAD_FILTERS = [
    ({"objectId": -1}, "BAD_USER_INPUT", "filter.objectId"),
    ({"objectId": 65_536}, "BAD_USER_INPUT", "filter.objectId"),
    ({"tags": [""]}, "BAD_USER_INPUT", "filter.tags"),
    ({"tags": ["x" * 101]}, "BAD_USER_INPUT", "filter.tags"),
    ({"tags": ["a\u0000b"]}, "BAD_USER_INPUT", "filter.tags"),
    ({"tags": [f"t{number}" for number in range(51)]}, "LIMIT_EXCEEDED", None),
    ({"names": [""]}, "BAD_USER_INPUT", "filter.names"),
]


@pytest.mark.parametrize(("given", "code", "field"), BAD_FILTERS)
async def test_a_bad_filter_of_endpoints_is_rejected(api: Api, given: dict[str, Any], code: str, field: str) -> None:
    error = await api.error(NAMES, filter=given)
    assert (error["code"], error.get("field")) == (code, field)


async def test_the_settings_of_an_endpoint_are_changed_separately_or_together(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))

    async def update(**input_: Any) -> Any:
        return (await api.ask(UPDATE, name="d", input=input_))["updateEndpoint"]

    assert await update(tags=["b", "a", "b"]) == {"tags": ["a", "b"], "awakeWindowSeconds": None}
    assert await update(awakeWindowSeconds=30) == {"tags": ["a", "b"], "awakeWindowSeconds": 30}
    assert await update(awakeWindowSeconds=None, tags=["c"]) == {"tags": ["c"], "awakeWindowSeconds": None}
    assert await update() == {"tags": ["c"], "awakeWindowSeconds": None}
    assert await update(tags=None) == {"tags": [], "awakeWindowSeconds": None}
    assert await update(tags=['q"u,"o', "ü:ß", " "]) == {"tags": [" ", 'q"u,"o', "ü:ß"], "awakeWindowSeconds": None}
    error = await api.error(UPDATE, name="d", input={"awakeWindowSeconds": 30, "tags": ["x" * 101]})
    assert error["field"] == "tags"
    assert await update() == {"tags": [" ", 'q"u,"o', "ü:ß"], "awakeWindowSeconds": None}


async def test_tags_of_many_endpoints_are_changed_in_pieces(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_mutations, "PIECE", 4)
    await world.ingest(*(registered(f"d{number:02}") for number in range(11)), registered("other"))
    filter_ = {"nameContains": "d"}
    assert (await api.ask(TAG, filter=filter_, add=["site:x", "a"], expected=11))["tagEndpoints"] == 11
    assert (await api.ask(TAG, filter=filter_, add=["a"]))["tagEndpoints"] == 0, "all of them have it"
    assert await tags(api, "d07") == ["a", "site:x"]
    assert await tags(api, "other") == []
    moved = await api.ask(TAG, filter={"tags": ["a"]}, add=["b"], remove=["a", "unknown"])
    assert moved["tagEndpoints"] == 11, "each one, although it leaves the filter"
    assert await names(api, tags=["a"]) == []
    assert len(await names(api, tags=["b", "site:x"])) == 11
    assert (await api.ask(TAG, filter={}, remove=["b", "site:x"]))["tagEndpoints"] == 11
    assert await world.rows("SELECT 1 FROM endpoint_tag") == []


async def test_nothing_is_tagged_if_another_number_of_endpoints_matches(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"), registered("b"))
    error = await api.error(TAG, filter={}, add=["x"], expected=3)
    assert (error["code"], error["count"]) == ("CONFLICT", 2)
    assert await tags(api, "a") == []


async def test_an_endpoint_has_at_most_fifty_tags(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_mutations, "PIECE", 1)
    await world.ingest(registered("a"), registered("b"))
    await api.ask(UPDATE, name="b", input={"tags": [f"t{number}" for number in range(50)]})
    error = await api.error(TAG, filter={}, add=["one more"])
    assert (error["code"], error["limit"]) == ("LIMIT_EXCEEDED", 50)
    assert error["changed"] == 1
    assert await tags(api, "a") == ["one more"]
    assert len(await tags(api, "b")) == 50


BAD_TAGS = [
    ({}, "add"),
    ({"add": [], "remove": []}, "add"),
    ({"add": ["a"], "remove": ["a"]}, "remove"),
    ({"add": ["x" * 101]}, "add"),
    ({"remove": [""]}, "remove"),
]


@pytest.mark.parametrize(("given", "field"), BAD_TAGS)
async def test_bad_tags_are_rejected(api: Api, given: dict[str, Any], field: str) -> None:
    error = await api.error(TAG, filter={}, **given)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)


DELETE = "mutation($name: String!) { deleteEndpoint(name: $name) }"
OPERATION = """
  query($id: ID!, $endpoint: ID!, $name: String!) {
    deviceOperation(id: $id) { status reason endpoint { id name presence tags registration { registrationId } } }
    node(id: $endpoint) { id } endpoint(name: $name) { id }
    endpoints { edges { node { name } } totalCount }
    deviceOperations(filter: {endpoint: $name}) { edges { node { id } } totalCount }
    operationCounts(endpoint: $name) { status count }
  }
"""


async def test_a_deleted_endpoint_is_in_no_list_and_its_operations_remain(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"), registered("other"))
    (id_,) = await api.create({"endpoint": "d", "kind": "READ", "path": "/3/0/0"})
    endpoint = (await api.ask('{ endpoint(name: "d") { id } }'))["endpoint"]["id"]
    assert (await api.ask(DELETE, name="d"))["deleteEndpoint"] == endpoint
    found = await api.ask(OPERATION, id=id_, endpoint=endpoint, name="d")
    assert found["deviceOperation"] == {
        "status": "CANCELED",
        "reason": "ENDPOINT_DELETED",
        "endpoint": {"id": endpoint, "name": "d", "presence": "OFFLINE", "tags": [], "registration": None},
    }
    assert found["node"] is found["endpoint"] is None
    assert found["endpoints"] == {"edges": [{"node": {"name": "other"}}], "totalCount": 1}
    assert found["deviceOperations"] == {"edges": [{"node": {"id": id_}}], "totalCount": 1}
    assert {"status": "CANCELED", "count": 1} in found["operationCounts"]

    await world.ingest(registered("d", "r2", 9))
    found = await api.ask(OPERATION, id=id_, endpoint=endpoint, name="d")
    assert found["endpoint"]["id"] != endpoint
    assert found["node"] is None
    assert found["deviceOperations"]["totalCount"] == 0, "those of the new endpoint"
    assert found["deviceOperation"]["endpoint"]["id"] == endpoint


async def test_operations_of_a_deleted_endpoint_are_not_retried(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    (id_,) = await api.create({"endpoint": "d", "kind": "READ", "path": "/3/0/0"})
    await api.ask(DELETE, name="d")
    await world.ingest(registered("d", "r2", 9))
    retry = "mutation($id: ID!) { retryDeviceOperation(id: $id) { created } }"
    error = await api.error(retry, id=id_)
    assert (error["code"], error["field"]) == ("NOT_FOUND", "id")
    many = "mutation { retryDeviceOperations(filter: {statuses: [CANCELED]}) { created passedOver } }"
    assert (await api.ask(many))["retryDeviceOperations"] == {"created": 0, "passedOver": 1}


async def test_an_endpoint_with_an_open_call_is_not_deleted(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    (id_,) = await api.create({"endpoint": "d", "kind": "READ", "path": "/3/0/0"})
    await world.claim()
    error = await api.error(DELETE, name="d")
    assert (error["code"], error["id"]) == ("CONFLICT", id_)
    assert (await api.error(DELETE, name="unknown"))["code"] == "NOT_FOUND"
    assert (await api.error(DELETE, name=""))["field"] == "name"


async def test_a_viewer_neither_tags_nor_deletes(world: LedgerWorld, live: LiveLog) -> None:
    await world.ingest(registered("d"))
    viewer = Api.within(app_of(world, live), VIEWER)
    async with viewer.http:
        assert (await viewer.error(DELETE, name="d"))["code"] == "FORBIDDEN"
        assert (await viewer.error(TAG, filter={}, add=["a"]))["code"] == "FORBIDDEN"
