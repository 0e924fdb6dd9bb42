"""Firmware updates through GraphQL: create, list, follow, cancel, and bad input."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.enums import FirmwareUpdateState
from app.schema.api.ids import firmware_update_id, global_id, package_id
from tests.support.api import Api
from tests.support.firmware import ADDRESS, NEW, OLD, PACKAGE, FirmwareDevice
from tests.support.ledger import LedgerWorld, registered
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPDATE: Final = """
  id endpoint { name } package { name version uri } campaign { name } method objectInstanceId state stateSince
  deviceState updateResult versionBefore versionAfter attempts createdAt createdBy finishedAt reason detail
  operations(first: 3) { totalCount pageInfo { hasNextPage endCursor } edges { node { kind path status createdBy } } }
"""
CREATE: Final = f"""
mutation($endpoint: String!, $packageId: ID!, $method: FirmwareMethod, $instance: Int) {{
  updateFirmware(endpoint: $endpoint, packageId: $packageId, method: $method, objectInstanceId: $instance) {{
    {UPDATE}
  }}
}}"""
CANCEL: Final = f"mutation($id: ID!) {{ cancelFirmwareUpdate(id: $id) {{ {UPDATE} }} }}"
SHOW: Final = f"query($id: ID!) {{ firmwareUpdate(id: $id) {{ {UPDATE} }} }}"
LIST: Final = """
query($endpoint: String, $states: [FirmwareUpdateState!], $first: Int, $after: String) {
  firmwareUpdates(endpoint: $endpoint, states: $states, first: $first, after: $after) {
    pageInfo { hasNextPage hasPreviousPage endCursor } edges { node { id state endpoint { name } package { version } } }
  }
}"""
OF_ENDPOINTS: Final = "{ endpoints { edges { node { name firmwareUpdate { state package { name } } } } } }"
GIVEN: Final = {"endpoint": "d", "packageId": package_id(PACKAGE)}


async def test_an_update_from_its_creation_to_its_end(world: LedgerWorld, api: Api) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await world.ingest(registered("e"))
    made = (await api.ask(CREATE, **GIVEN))["updateFirmware"]
    assert {**made, "id": None, "createdAt": None, "stateSince": None} == {
        "id": None,
        "endpoint": {"name": "d"},
        "package": {"name": "image", "version": NEW, "uri": ADDRESS},
        "campaign": None,
        "method": "PULL",
        "objectInstanceId": 0,
        "state": "QUEUED",
        "stateSince": None,
        "deviceState": None,
        "updateResult": None,
        "versionBefore": None,
        "versionAfter": None,
        "attempts": 0,
        "createdAt": None,
        "createdBy": "olga",
        "finishedAt": None,
        "reason": None,
        "detail": None,
        "operations": {
            "totalCount": 1,
            "pageInfo": {"hasNextPage": False, "endCursor": made["operations"]["pageInfo"]["endCursor"]},
            "edges": [{"node": {"kind": "READ", "path": "/3/0/3", "status": "QUEUED", "createdBy": "olga"}}],
        },
    }
    await device.answer_all()
    await device.report(state=2)
    shown = (await api.ask(SHOW, id=made["id"]))["firmwareUpdate"]
    facts = ("state", "deviceState", "updateResult", "versionBefore", "attempts")
    assert [shown[name] for name in facts] == ["DOWNLOADED", 2, 0, OLD, 1]
    sent = shown["operations"]
    assert [edge["node"]["path"] for edge in sent["edges"]] == ["/5/0/2", "/5/0/1", "/5/0/5"]
    assert (sent["totalCount"], sent["pageInfo"]["hasNextPage"]) == (6, True)
    rest = SHOW.replace("operations(first: 3)", f'operations(after: "{sent["pageInfo"]["endCursor"]}")')
    edges = (await api.ask(rest, id=made["id"]))["firmwareUpdate"]["operations"]["edges"]
    assert [edge["node"]["path"] for edge in edges] == ["/5/0/3", "/5/0", "/3/0/3"]
    endpoints = (await api.ask(OF_ENDPOINTS))["endpoints"]["edges"]
    assert [edge["node"]["firmwareUpdate"] for edge in endpoints] == [
        {"state": "DOWNLOADED", "package": {"name": "image"}},
        None,
    ]
    node = "query($id: ID!) { node(id: $id) { id ... on FirmwareUpdate { state } } }"
    assert (await api.ask(node, id=made["id"]))["node"] == {"id": made["id"], "state": "DOWNLOADED"}

    assert await api.error(CREATE, **GIVEN) == {"code": "CONFLICT", "id": made["id"]}
    canceled = (await api.ask(CANCEL, id=made["id"]))["cancelFirmwareUpdate"]
    assert (canceled["state"], canceled["reason"]) == ("CANCELED", "CANCELED_BY_USER")
    assert canceled["finishedAt"] == canceled["stateSince"] is not None
    assert await api.error(CANCEL, id=made["id"]) == {"code": "CONFLICT", "id": made["id"]}
    events = await world.rows("SELECT action, actor, target FROM audit_event ORDER BY id")
    assert [(event["action"], event["target"]) for event in events] == [
        ("updateFirmware", "d"),
        ("updateFirmware", "d"),
        ("cancelFirmwareUpdate", made["id"]),
        ("cancelFirmwareUpdate", made["id"]),
    ]


async def test_lists_are_newest_first_and_filtered(world: LedgerWorld, api: Api) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    await world.ingest(*(registered(name) for name in "abc"))
    made = [(await api.ask(CREATE, **{**GIVEN, "endpoint": name}))["updateFirmware"]["id"] for name in "abcd"]
    await api.ask(CANCEL, id=made[1])
    again = (await api.ask(CREATE, **{**GIVEN, "endpoint": "b"}))["updateFirmware"]["id"]
    made.append(again)
    assert await listed(api) == made[::-1]
    assert await listed(api, endpoint="b") == [again, made[1]]
    assert await listed(api, endpoint="b", states=["CANCELED"]) == [made[1]]
    assert await listed(api, endpoint="none") == []
    assert await listed(api, states=["CANCELED", "SUCCEEDED"]) == [made[1]]
    assert await listed(api, states=[]) == []
    assert await listed(api, states=[*FirmwareUpdateState]) == made[::-1]
    pages, after = [], None
    while True:
        page = (await api.ask(LIST, first=2, after=after))["firmwareUpdates"]
        pages.append([edge["node"]["id"] for edge in page["edges"]])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    newest = {edge["node"]["name"]: edge["node"]["firmwareUpdate"] for edge in await endpoints(api)}
    assert {name: update["state"] for name, update in newest.items()} == dict.fromkeys("abcd", "QUEUED")
    assert await api.error(LIST, after="nonsense") == {"code": "BAD_USER_INPUT", "field": "after"}


async def listed(api: Api, **variables: Any) -> list[str]:
    edges = (await api.ask(LIST, VIEWER, **variables))["firmwareUpdates"]["edges"]
    return [edge["node"]["id"] for edge in edges]


async def endpoints(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.ask(OF_ENDPOINTS))["endpoints"]["edges"]
    return found


async def test_pages_cost_a_constant_number_of_statements(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await FirmwareDevice(world).prepare()
    from app.models.queries import access  # noqa: PLC0415

    statements: list[str] = []
    execute = type(access.reader()).execute_query

    async def counted(self: Any, sql: str, values: Any = ()) -> Any:
        statements.append(sql)
        return await execute(self, sql, values)

    monkeypatch.setattr(type(access.reader()), "execute_query", counted)
    counts = []
    for names in ("ab", "cdefgh"):
        await world.ingest(*(registered(name) for name in names))
        for name in names:
            await api.ask(CREATE, **{**GIVEN, "endpoint": name})
        statements.clear()
        await api.ask(LIST)
        await endpoints(api)
        counts.append(len(statements))
    assert counts[0] == counts[1]


BAD: Final[list[tuple[dict[str, Any], dict[str, str]]]] = [
    ({"endpoint": ""}, {"code": "BAD_USER_INPUT", "field": "endpoint"}),
    ({"endpoint": "x\x00"}, {"code": "BAD_USER_INPUT", "field": "endpoint"}),
    ({"endpoint": "none"}, {"code": "NOT_FOUND", "field": "endpoint"}),
    ({"packageId": "none"}, {"code": "NOT_FOUND", "field": "packageId"}),
    ({"packageId": global_id("Endpoint", 7)}, {"code": "NOT_FOUND", "field": "packageId"}),
    ({"packageId": package_id(99)}, {"code": "NOT_FOUND", "field": "packageId"}),
    ({"instance": -1}, {"code": "BAD_USER_INPUT", "field": "objectInstanceId"}),
    ({"instance": 65_535}, {"code": "BAD_USER_INPUT", "field": "objectInstanceId"}),
]


async def test_bad_input_names_its_field_and_stores_nothing(world: LedgerWorld, api: Api) -> None:
    await FirmwareDevice(world).prepare()
    for more, expected in BAD:
        assert await api.error(CREATE, **{**GIVEN, **more}) == expected, more
    for id_ in ("none", firmware_update_id(99), package_id(PACKAGE)):
        assert await api.error(CANCEL, id=id_) == {"code": "NOT_FOUND", "field": "id"}
        assert (await api.ask(SHOW, id=id_))["firmwareUpdate"] is None
    assert await listed(api) == []
    assert await world.rows("SELECT 1 FROM operation") == []


async def test_null_arguments_are_the_defaults(world: LedgerWorld, api: Api) -> None:
    await FirmwareDevice(world).prepare()
    made = (await api.ask(CREATE, **GIVEN, method=None, instance=None))["updateFirmware"]
    assert (made["method"], made["objectInstanceId"]) == ("PULL", 0)
