"""Endpoints through GraphQL: found, paged, provisioned, configured, with their operations and resources."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import OperationKind, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.models.cursors import log_cursor
from app.models.ledger import DecodedEvent, Provision, TypedSample
from app.schema.api.scalars import write_datetime
from tests.support.api import Api
from tests.support.ledger import REBOOT, SUCCESS, LedgerWorld, deregistered, new, registered

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDPOINT = """
  query($name: String!) { endpoint(name: $name) {
    id name presence awakeUntil awakeWindowSeconds lastSeenAt pendingOperations
    registration { registrationId registeredAt lastUpdateAt lifetimeSeconds queueMode address objectLinks }
  } }
"""
PAGE = """
  query($filter: EndpointFilter, $first: Int, $after: String) {
    endpoints(filter: $filter, first: $first, after: $after) {
      edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      totalCount totalCountCapped
    }
  }
"""
OPERATIONS = """
  query($filter: DeviceOperationFilter, $first: Int, $after: String) {
    deviceOperations(filter: $filter, first: $first, after: $after) {
      edges { node { kind path } } pageInfo { hasNextPage endCursor } totalCount
    }
  }
"""
PRESENCES = """
  query($name: String!, $first: Int, $after: String) { endpoint(name: $name) {
    presenceChanges(first: $first, after: $after) {
      edges { cursor node { cursor presence at } } pageInfo { hasNextPage hasPreviousPage endCursor }
    }
  } }
"""
UPDATE = """
  mutation($name: String!, $input: UpdateEndpointInput!) {
    updateEndpoint(name: $name, input: $input) { name awakeWindowSeconds }
  }
"""


async def test_an_endpoint_and_its_registration(world: LedgerWorld, api: Api) -> None:
    links = [{"url": "/3/0", "attributes": {}}]
    await world.ingest(registered("d", object_links=links, address="192.0.2.1:5683", lifetime_seconds=2**40))
    endpoint = (await api.ask(ENDPOINT, name="d"))["endpoint"]
    assert (endpoint["name"], endpoint["presence"], endpoint["pendingOperations"]) == ("d", "ONLINE", 0)
    assert endpoint["lastSeenAt"] == "2023-11-14T22:13:20Z"
    assert endpoint["awakeUntil"] == "2023-11-14T22:14:50Z"
    registration = endpoint["registration"]
    assert (registration["registrationId"], registration["queueMode"]) == ("r1", True)
    assert registration["lifetimeSeconds"] == 2**31 - 1
    assert registration["objectLinks"] == links
    node = (await api.ask("query($id: ID!) { node(id: $id) { ... on Endpoint { name } } }", id=endpoint["id"]))["node"]
    assert node == {"name": "d"}


async def test_an_endpoint_that_is_not_registered_has_no_registration(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    await world.ingest(deregistered("d"))
    endpoint = (await api.ask(ENDPOINT, name="d"))["endpoint"]
    assert (endpoint["presence"], endpoint["registration"]) == ("OFFLINE", None)


async def test_the_history_of_the_presence_is_paged_newest_first(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    assert (await presences(api))["edges"] == []
    await world.ingest(registered("d"), registered("other"))
    for ended, begun in (("r1", "r2"), ("r2", "r3")):
        await world.ingest(deregistered("d", ended))
        world.pass_(3)
        await world.sweep()
        await world.ingest(registered("d", begun))
    whole = (await presences(api))["edges"]
    stored = "SELECT seq, at FROM presence_change WHERE endpoint_id = $1 ORDER BY seq DESC"
    rows = await world.rows(stored, (await world.endpoint("d"))["id"])
    assert [edge["node"] for edge in whole] == [
        {"cursor": log_cursor(row["seq"]), "presence": presence, "at": write_datetime(row["at"])}
        for row, presence in zip(rows, ("ONLINE", "OFFLINE", "ONLINE", "OFFLINE", "ONLINE"), strict=True)
    ]
    paged: list[Any] = []
    after = None
    for more in (True, True, False):
        page = await presences(api, first=2, after=after)
        info, after = page["pageInfo"], page["pageInfo"]["endCursor"]
        paged += page["edges"]
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (more, len(paged) > 2)
    assert paged == whole
    operations = (await api.ask(PAGE, first=1))["endpoints"]["pageInfo"]["endCursor"]
    for bad in ("none", operations):
        assert (await api.error(PRESENCES, name="d", after=bad))["code"] == "BAD_USER_INPUT"
    assert (await api.error(PRESENCES, name="d", first=201))["code"] == "LIMIT_EXCEEDED"


async def presences(api: Api, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await api.ask(PRESENCES, name="d", **variables))["endpoint"]["presenceChanges"]
    return found


async def test_an_endpoint_is_provisioned_once(world: LedgerWorld, api: Api) -> None:
    provision = 'mutation { provisionEndpoint(name: "d") { id name presence registration { registeredAt } } }'
    made = (await api.ask(provision))["provisionEndpoint"]
    assert (made["name"], made["presence"], made["registration"]) == ("d", "OFFLINE", None)
    assert (await api.ask(provision))["provisionEndpoint"] == made
    error = await api.error('mutation { provisionEndpoint(name: "") { id } }')
    assert error == {"code": "BAD_USER_INPUT", "field": "name"}


async def test_the_awake_window_is_set_stored_and_reset(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(Provision("d"))
    for given, told in (({"awakeWindowSeconds": 20}, 20), ({}, 20), ({"awakeWindowSeconds": None}, None)):
        updated = (await api.ask(UPDATE, name="d", input=given))["updateEndpoint"]
        assert updated == {"name": "d", "awakeWindowSeconds": told}
    for refused in (-1, 0, 4, 86_401):
        error = await api.error(UPDATE, name="d", input={"awakeWindowSeconds": refused})
        assert error == {"code": "BAD_USER_INPUT", "field": "awakeWindowSeconds"}
    for taken in (5, 86_400):
        updated = (await api.ask(UPDATE, name="d", input={"awakeWindowSeconds": taken}))["updateEndpoint"]
        assert updated["awakeWindowSeconds"] == taken
    for given in ({}, {"awakeWindowSeconds": 20}):
        assert await api.error(UPDATE, name="unknown", input=given) == {"code": "NOT_FOUND", "field": "name"}


async def test_endpoints_are_paged_by_name(world: LedgerWorld, api: Api) -> None:
    for name in ("c", "a", "b"):
        await world.ledgers[0].submit(Provision(name))
    first = (await api.ask(PAGE, first=2))["endpoints"]
    assert [edge["node"]["name"] for edge in first["edges"]] == ["a", "b"]
    assert (first["totalCount"], first["totalCountCapped"]) == (3, False)
    info = first["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    assert [info["startCursor"], info["endCursor"]] == [edge["cursor"] for edge in first["edges"]]
    second = (await api.ask(PAGE, first=2, after=info["endCursor"]))["endpoints"]
    assert [edge["node"]["name"] for edge in second["edges"]] == ["c"]
    assert second["pageInfo"]["hasNextPage"] is False
    found = (await api.ask(PAGE, filter={"nameContains": "b", "presences": ["OFFLINE"]}))["endpoints"]
    assert found["totalCount"] == 1
    assert (await api.ask(PAGE, filter={"presences": []}))["endpoints"]["edges"] == []


async def test_operations_by_endpoint_status_kind_and_path(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"), registered("e"))
    await world.create(new("d", path="/3303/0/1"), new("d", path="/3/0/1"), new("d", *REBOOT), new("e"))

    async def found(**filter_: Any) -> list[str]:
        page = (await api.ask(OPERATIONS, filter=filter_))["deviceOperations"]
        assert page["totalCount"] == len(page["edges"])
        return [edge["node"]["path"] for edge in page["edges"]]

    assert await found() == ["/5/0/1", "/3/0/4", "/3/0/1", "/3303/0/1"]
    assert await found(pathPrefix="3") == ["/3/0/4", "/3/0/1"]
    assert await found(kinds=["EXECUTE"], statuses=["QUEUED"]) == ["/3/0/4"]
    assert await found(endpoint="e") == ["/5/0/1"]
    assert await found(createdAfter="2023-11-14T22:13:20Z") == []
    assert await found(createdBefore="2023-11-14T22:13:20.000001Z", endpoint="e") == ["/5/0/1"]
    assert await api.error(OPERATIONS, filter={"pathPrefix": "x"}) == {
        "code": "BAD_USER_INPUT",
        "field": "filter.pathPrefix",
    }


async def test_an_endpoints_own_operations_and_counts(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"), registered("e"))
    await world.create(new("d"), new("d"), new("e"))
    query = """{
      endpoint(name: "d") {
        pendingOperations
        operations(first: 1) { edges { node { endpoint { name } } } totalCount pageInfo { hasNextPage } }
        none: operations(filter: { endpoint: "e" }) { totalCount }
      }
      operationCounts(endpoint: "d") { status count }
    }"""
    data = await api.ask(query)
    operations = data["endpoint"]["operations"]
    assert operations["edges"] == [{"node": {"endpoint": {"name": "d"}}}]
    assert (operations["totalCount"], operations["pageInfo"]["hasNextPage"]) == (2, True)
    assert (data["endpoint"]["pendingOperations"], data["endpoint"]["none"]["totalCount"]) == (2, 0)
    assert data["operationCounts"][0] == {"status": "QUEUED", "count": 2}


async def test_the_latest_value_of_every_resource(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    values = {"/3/0/9": TypedValue(ValueType.INTEGER, "42"), "/3303/0/5700": TypedValue(ValueType.FLOAT, 1e300)}
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[TypedSample(values)]))
    query = 'query($prefix: String) { endpoint(name: "d") { resources(pathPrefix: $prefix) { path type value } } }'
    resources = (await api.ask(query))["endpoint"]["resources"]
    assert {resource["path"]: resource["value"] for resource in resources} == {"/3/0/9": "42", "/3303/0/5700": 1e300}
    assert (await api.ask(query, prefix="/3"))["endpoint"]["resources"] == [
        {"path": "/3/0/9", "type": "INTEGER", "value": "42"}
    ]


async def test_a_resource_reports_whether_it_is_observed(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    values = {path: TypedValue(ValueType.FLOAT, 21.5) for path in ("/3303/0/5700", "/3303/1/5700")}
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[TypedSample(values)]))
    query = '{ endpoint(name: "d") { resources { path observed } } }'

    async def observed() -> list[bool]:
        return [resource["observed"] for resource in (await api.ask(query))["endpoint"]["resources"]]

    assert await observed() == [False, False]
    await world.create(new("d", OperationKind.OBSERVE, "/3303/0"))
    await world.attempt(SUCCESS)
    assert await observed() == [True, False]
    await world.ingest(registered("d", "r2"))
    assert await observed() == [False, False]


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (0, {"code": "BAD_USER_INPUT", "field": "first"}),
        (-1, {"code": "BAD_USER_INPUT", "field": "first"}),
        (201, {"code": "LIMIT_EXCEEDED", "limit": 200}),
    ],
)
async def test_a_page_has_1_to_200_entries(api: Api, first: int, error: dict[str, Any]) -> None:
    assert await api.error(PAGE, first=first) == error
    assert await api.error(OPERATIONS, first=first) == error
    assert (await api.ask(PAGE, first=None))["endpoints"]["edges"] == []
