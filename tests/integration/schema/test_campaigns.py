"""Campaigns through GraphQL: create, list, follow their targets, change their status, and bad input."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.enums import SECOND, CampaignStatus
from app.fleet.campaigns import AdvanceCampaign
from app.models.cursors import parse_log_cursor
from app.schema.api.ids import campaign_id, global_id, package_id, parse_campaign_id
from app.schema.api.scalars import write_datetime
from app.schema.limits import MAX_RESPONSE
from tests.support.api import Api
from tests.support.firmware import NEW, PACKAGE, FirmwareDevice
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, registered
from tests.support.schema import VIEWER, socket

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN: Final = """
  id name status reason filter continuous package { name version } waves wave counts { state count }
  startsPerMinute maxRunning abort startAt endAt window retries createdAt createdBy startedAt finishedAt
"""
CREATE: Final = f"mutation($input: CampaignInput!) {{ createCampaign(input: $input) {{ {CAMPAIGN} }} }}"
SHOW: Final = f"query($id: ID!) {{ campaign(id: $id) {{ {CAMPAIGN} }} }}"
LIST: Final = """
query($statuses: [CampaignStatus!], $first: Int, $after: String) {
  campaigns(statuses: $statuses, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor } edges { node { name status } }
  }
}"""
TARGETS: Final = """
query($id: ID!, $states: [CampaignTargetState!], $first: Int, $after: String) {
  campaign(id: $id) {
    targets(states: $states, first: $first, after: $after) {
      totalCount totalCountCapped pageInfo { hasNextPage endCursor }
      edges { node {
        endpoint { name } state wave attempts detail changedAt
        update { state package { version } campaign { name } } operations { kind path status sequence createdBy }
      } }
    }
  }
}"""
ACTIONS: Final = {
    "pauseCampaign": '(id: $id, reason: "why") { status reason }',
    "resumeCampaign": "(id: $id) { status reason }",
    "approveCampaignWave": "(id: $id) { status reason wave }",
    "cancelCampaign": '(id: $id, reason: "over") { status reason finishedAt }',
    "retryCampaign": "(id: $id) { status reason finishedAt }",
}
REBOOT: Final = {"kind": "EXECUTE", "path": "/3/0/4"}
WRITE: Final = {"path": "3/0/15", "value": {"string": "Europe/Berlin"}}


def given(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "filter": {}, "operations": [WRITE, REBOOT], **more}


async def create(api: Api, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await api.ask(CREATE, input=given(**more)))["createCampaign"]
    return made


async def act(api: Api, action: str, id_: str) -> dict[str, Any]:
    answer = await api.ask(f"mutation($id: ID!) {{ {action}{ACTIONS[action]} }}", id=id_)
    done: dict[str, Any] = answer[action]
    return done


async def refused(api: Api, action: str, id_: str) -> dict[str, Any]:
    return await api.error(f"mutation($id: ID!) {{ {action}{ACTIONS[action]} }}", id=id_)


async def advance(world: LedgerWorld, id_: str) -> None:
    while await world.ledgers[0].submit(AdvanceCampaign(parse_campaign_id(id_))):
        pass


async def targets(api: Api, id_: str, **variables: Any) -> list[dict[str, Any]]:
    edges = (await api.ask(TARGETS, id=id_, **variables))["campaign"]["targets"]["edges"]
    return [edge["node"] for edge in edges]


async def counts(api: Api, id_: str) -> dict[str, int]:
    campaign = (await api.ask(SHOW, id=id_))["campaign"]
    return {one["state"]: one["count"] for one in campaign["counts"] if one["count"]}


async def test_a_campaign_of_operations(world: LedgerWorld, api: Api) -> None:
    await world.ingest(*(registered(name) for name in ("a", "b", "x")))
    filter_ = {"names": ["a", "b"]}
    window = {"from": "22:00", "to": "05:00", "timeZone": "Europe/Berlin"}
    made = await create(
        api,
        filter=filter_,
        waves=[{"percent": 50, "minSuccessPercent": 90.5, "approve": True}, {"percent": 50}],
        startsPerMinute=60_000,
        maxRunning=7,
        abort={"failurePercent": 10},
        endAt="2099-01-01T00:00:00Z",
        retries=2,
    )
    states = ["WAITING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"]
    assert {**made, "id": None} == {
        "id": None,
        "name": "c",
        "status": "RUNNING",
        "reason": None,
        "filter": filter_,
        "continuous": False,
        "package": None,
        "waves": [
            {"percent": 50, "minSuccessPercent": 90.5, "approve": True},
            {"percent": 50, "minSuccessPercent": 0, "approve": False},
        ],
        "wave": 1,
        "counts": [{"state": state, "count": 0} for state in states],
        "startsPerMinute": 60_000,
        "maxRunning": 7,
        "abort": {"failurePercent": 10, "minEnded": 10},
        "startAt": None,
        "endAt": "2099-01-01T00:00:00Z",
        "window": None,
        "retries": 2,
        "createdAt": write_datetime(world.now),
        "createdBy": "olga",
        "startedAt": write_datetime(world.now),
        "finishedAt": None,
    }
    await advance(world, made["id"])
    first, second = await targets(api, made["id"])
    assert (first["endpoint"], first["state"], first["wave"], first["attempts"]) == ({"name": "a"}, "RUNNING", 1, 1)
    assert [(one["kind"], one["path"], one["status"], one["createdBy"]) for one in first["operations"]] == [
        ("WRITE", "/3/0/15", "QUEUED", "olga"),
        ("EXECUTE", "/3/0/4", "QUEUED", "olga"),
    ]
    assert len({one["sequence"] for one in first["operations"]}) == 1
    assert {**second, "changedAt": None} == {
        "endpoint": {"name": "b"},
        "state": "WAITING",
        "wave": 2,
        "attempts": 0,
        "detail": None,
        "changedAt": None,
        "update": None,
        "operations": [],
    }
    for _ in range(2):
        await world.attempt(SUCCESS)
    await advance(world, made["id"])
    assert (await api.ask(SHOW, id=made["id"]))["campaign"]["status"] == "WAITING_FOR_APPROVAL"
    assert await counts(api, made["id"]) == {"SUCCEEDED": 1, "WAITING": 1}
    assert (await targets(api, made["id"], states=["SUCCEEDED"]))[0]["endpoint"] == {"name": "a"}
    page = (await api.ask(TARGETS, id=made["id"], first=1))["campaign"]["targets"]
    assert (page["totalCount"], page["totalCountCapped"], page["pageInfo"]["hasNextPage"]) == (2, False, True)
    after = page["pageInfo"]["endCursor"]
    assert [one["endpoint"]["name"] for one in await targets(api, made["id"], after=after)] == ["b"]
    assert await targets(api, made["id"], states=[]) == []
    other = await create(api, name="w", window=window, startAt="2024-01-01T00:00:00Z")
    assert (other["window"], other["startAt"], other["filter"]) == (window, "2024-01-01T00:00:00Z", {})


async def test_a_firmware_campaign(world: LedgerWorld, api: Api) -> None:
    device = FirmwareDevice(world)
    await device.prepare()
    firmware = {"packageId": package_id(PACKAGE), "method": "PUSH", "objectInstanceId": 0}
    made = await create(api, firmware=firmware, operations=None, continuous=True)
    assert (made["package"], made["continuous"]) == ({"name": "image", "version": NEW}, True)
    await advance(world, made["id"])
    (target,) = await targets(api, made["id"])
    assert (target["update"], target["operations"]) == (
        {"state": "QUEUED", "package": {"version": NEW}, "campaign": {"name": "c"}},
        [],
    )
    query = "{ firmwareUpdates { edges { node { campaign { id name } createdBy method } } } }"
    (edge,) = (await api.ask(query))["firmwareUpdates"]["edges"]
    assert edge["node"] == {"campaign": {"id": made["id"], "name": "c"}, "createdBy": "olga", "method": "PUSH"}


async def test_the_status_changes_as_the_table_says(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"), registered("b"))
    soon = write_datetime(world.now + 3_600 * SECOND)
    scheduled = (await create(api, startAt=soon))["id"]
    assert (await act(api, "pauseCampaign", scheduled)) == {"status": "PAUSED", "reason": "why"}
    assert (await act(api, "resumeCampaign", scheduled)) == {"status": "SCHEDULED", "reason": None}
    refusal = {"code": "CONFLICT", "id": scheduled, "status": "SCHEDULED"}
    for action in ("resumeCampaign", "approveCampaignWave", "retryCampaign"):
        assert await refused(api, action, scheduled) == refusal, action
    canceled = await act(api, "cancelCampaign", scheduled)
    assert canceled == {"status": "CANCELED", "reason": "over", "finishedAt": write_datetime(world.now)}

    running = (await create(api, name="r", maxRunning=1))["id"]
    await advance(world, running)
    assert (await act(api, "pauseCampaign", running))["status"] == "PAUSED"
    assert (await refused(api, "pauseCampaign", running))["status"] == "PAUSED"
    await world.attempt(REFUSED)
    await advance(world, running)
    assert await counts(api, running) == {"FAILED": 1, "WAITING": 1}
    assert (await act(api, "resumeCampaign", running))["status"] == "RUNNING"
    await advance(world, running)
    assert await counts(api, running) == {"FAILED": 1, "RUNNING": 1}
    (failed,) = await targets(api, running, states=["FAILED"])
    assert (failed["endpoint"]["name"], failed["attempts"]) == ("a", 1)
    assert "operation 1 of 2" in failed["detail"]
    await act(api, "cancelCampaign", running)
    for action in ("pauseCampaign", "resumeCampaign", "cancelCampaign", "approveCampaignWave"):
        assert (await refused(api, action, running))["status"] == "CANCELED", action
    assert await act(api, "retryCampaign", running) == {"status": "RUNNING", "reason": None, "finishedAt": None}


PROGRESS: Final = """
subscription($id: ID!, $after: String) {
  campaignProgress(id: $id, after: $after) {
    cursor campaign { name status filter counts { state count } }
    target { endpoint { name tags } state wave operations { status } update { state } }
  }
}"""


async def test_a_subscription_is_resumed_after_its_last_event(world: LedgerWorld, api: Api, address: str) -> None:
    await world.ingest(registered("a"), registered("b"))
    made = await create(api, filter={"names": ["a", "b", "x" * 200] + ["y" * 200] * 20})
    await create(api, name="other")
    after = (await api.ask("{ transitionCursor }"))["transitionCursor"]
    received: list[dict[str, Any]] = []
    for connection, events in enumerate((2, 2, 1)):
        if connection == 1:
            await advance(world, made["id"])
        async with socket(address) as client:
            await client.begin()
            await client.subscribe("1", PROGRESS, id=made["id"], after=after)
            if connection == 0:
                await act(api, "pauseCampaign", made["id"])
                await act(api, "resumeCampaign", made["id"])
            for _ in range(events):
                received.append((await client.data("1"))["campaignProgress"])
                after = received[-1]["cursor"]
    log = await world.rows("SELECT seq FROM campaign_change WHERE campaign_id = $1 ORDER BY seq", key(made["id"]))
    assert [parse_log_cursor(event["cursor"]) for event in received] == [row["seq"] for row in log[1:]]
    assert {event["campaign"]["name"] for event in received} == {"c"}
    assert received[0]["campaign"]["filter"] == made["filter"]
    targets = [event["target"] for event in received if event["target"] is not None]
    assert [target["endpoint"] for target in targets] == [{"name": "a", "tags": []}, {"name": "b", "tags": []}]
    assert targets[0]["operations"] == [{"status": "QUEUED"}] * 2
    assert (targets[0]["state"], targets[0]["wave"], targets[0]["update"]) == ("RUNNING", 1, None)
    async with socket(address) as client:
        await client.begin()
        for id_ in ("none", campaign_id(99)):
            await client.subscribe("1", PROGRESS, id=id_)
            (error,) = (await client.receive())["payload"]
            assert error["extensions"] == {"code": "NOT_FOUND", "field": "id"}


def key(id_: str) -> int:
    return parse_campaign_id(id_)


async def test_lists_are_newest_first_and_filtered_by_status(world: LedgerWorld, api: Api) -> None:
    made = [(await create(api, name=name, startAt="2035-01-01T00:00:00Z"))["id"] for name in ("a", "b", "c")]
    await act(api, "cancelCampaign", made[0])
    assert await listed(api) == ["c", "b", "a"]
    assert await listed(api, statuses=["CANCELED"]) == ["a"]
    assert await listed(api, statuses=["CANCELED", "SCHEDULED"]) == ["c", "b", "a"]
    assert await listed(api, statuses=[*CampaignStatus]) == ["c", "b", "a"]
    assert await listed(api, statuses=[]) == []
    page = (await api.ask(LIST, first=2))["campaigns"]
    assert page["pageInfo"]["hasNextPage"]
    assert await listed(api, after=page["pageInfo"]["endCursor"]) == ["a"]
    assert await api.error(LIST, after="nonsense") == {"code": "BAD_USER_INPUT", "field": "after"}
    node = "query($id: ID!) { node(id: $id) { ... on Campaign { name } } }"
    assert (await api.ask(node, id=made[1]))["node"] == {"name": "b"}


async def listed(api: Api, **variables: Any) -> list[str]:
    edges = (await api.ask(LIST, VIEWER, **variables))["campaigns"]["edges"]
    return [edge["node"]["name"] for edge in edges]


async def test_a_name_is_unique(world: LedgerWorld, api: Api) -> None:
    made = await create(api)
    assert await api.error(CREATE, input=given()) == {"code": "CONFLICT", "id": made["id"], "field": "name"}


async def test_a_filter_counts_wherever_it_occurs(world: LedgerWorld, api: Api) -> None:
    await FirmwareDevice(world).prepare()
    devices = [f"d{number}" for number in range(50)]
    await world.ingest(*(registered(name) for name in devices))
    names = devices + ["n" * 240] * 900
    firmware = {"packageId": package_id(PACKAGE)}
    made = await create(api, filter={"names": names}, firmware=firmware, operations=None)
    await advance(world, made["id"])
    query = "query($first: Int) { firmwareUpdates(first: $first) { edges { node { campaign { filter } } } } }"
    edges = (await api.ask(query, first=20))["firmwareUpdates"]["edges"]
    assert [len(edge["node"]["campaign"]["filter"]["names"]) for edge in edges] == [len(names)] * 20
    answer = await api.post({"query": query, "variables": {"first": 50}})
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"LIMIT_EXCEEDED"}
    assert len(answer.content) < 1.1 * MAX_RESPONSE


async def test_filters_count_as_large_values(world: LedgerWorld, api: Api) -> None:
    names = [f"{'n' * 240}{number:05}" for number in range(1_000)]
    for number in range(2):
        await create(api, name=f"c{number}", filter={"names": names})
    query = "{ campaigns { edges { node { filter } } } }"
    edges = (await api.ask(query))["campaigns"]["edges"]
    assert [edge["node"]["filter"] for edge in edges] == [{"names": names}] * 2
    fields = " ".join(f"f{number}: filter" for number in range(40))
    error = await api.error(f"{{ campaigns {{ edges {{ node {{ {fields} }} }} }} }}")
    assert error["code"] == "LIMIT_EXCEEDED"
    forty = f"mutation($input: CampaignInput!) {{ createCampaign(input: $input) {{ {fields} }} }}"
    assert (await api.error(forty, input=given(name="more", filter={"names": names})))["code"] == "LIMIT_EXCEEDED"
    (id_,) = [row["id"] for row in await world.rows("SELECT id FROM campaign WHERE name = 'c0'")]
    paused = f'mutation($id: ID!) {{ pauseCampaign(id: $id, reason: "r") {{ status {fields} }} }}'
    assert (await api.error(paused, id=campaign_id(id_)))["code"] == "LIMIT_EXCEEDED"
    rows = await world.rows("SELECT name, status FROM campaign ORDER BY id")
    assert rows == [{"name": name, "status": "RUNNING"} for name in ("c0", "c1")], "nothing was done"


WAVES: Final = [{"percent": 60}, {"percent": 40}]
WINDOW: Final = {"from": "22:00", "to": "05:00", "timeZone": "Europe/Berlin"}
BAD: Final[list[tuple[dict[str, Any], str]]] = [
    ({"name": ""}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"filter": {"nameContains": "x" * 256}}, "filter.nameContains"),
    ({"filter": {"objectId": -1}}, "filter.objectId"),
    ({"operations": None}, "firmware"),
    ({"operations": []}, "operations"),
    ({"firmware": {"packageId": "none"}}, "operations"),
    ({"operations": [WRITE, {"kind": "EXECUTE", "path": "/3"}]}, "operations.1.path"),
    ({"operations": [{"path": "/5/0/1"}]}, "operations.0.value"),
    ({"operations": [{**WRITE, "timeoutSeconds": 0}]}, "operations.0.timeoutSeconds"),
    ({"operations": [{**WRITE, "sequence": "s"}]}, "operations.0.sequence"),
    ({"operations": [{**WRITE, "supersede": True}]}, "operations.0.supersede"),
    ({"operations": [{**WRITE, "notBefore": "2099-01-01T00:00:00Z"}]}, "operations.0.notBefore"),
    ({"waves": []}, "waves"),
    ({"waves": [{"percent": 60}, {"percent": 41}]}, "waves"),
    ({"waves": [{"percent": 100}, {"percent": 0}]}, "waves.1.percent"),
    ({"waves": [{"percent": 101}]}, "waves.0.percent"),
    ({"waves": [*WAVES[:1], {"percent": 40, "minSuccessPercent": 101}]}, "waves.1.minSuccessPercent"),
    ({"waves": [{"percent": 100, "minSuccessPercent": -1}]}, "waves.0.minSuccessPercent"),
    ({"startsPerMinute": 0}, "startsPerMinute"),
    ({"maxRunning": 0}, "maxRunning"),
    ({"maxRunning": -5}, "maxRunning"),
    ({"abort": {"failurePercent": 0}}, "abort.failurePercent"),
    ({"abort": {"failurePercent": 100.5}}, "abort.failurePercent"),
    ({"abort": {"failurePercent": 10, "minEnded": 0}}, "abort.minEnded"),
    ({"startAt": "2090-01-01T00:00:00Z"}, "startAt"),
    ({"endAt": "2020-01-01T00:00:00Z"}, "endAt"),
    ({"startAt": "2034-01-01T00:00:00Z", "endAt": "2033-12-31T00:00:00Z"}, "endAt"),
    ({"window": {**WINDOW, "from": "24:00"}}, "window.from"),
    ({"window": {**WINDOW, "from": "9:00"}}, "window.from"),
    ({"window": {**WINDOW, "to": "05:60"}}, "window.to"),
    ({"window": {**WINDOW, "to": "05:00\n"}}, "window.to"),
    ({"window": {**WINDOW, "to": "22:00"}}, "window.to"),
    ({"window": {**WINDOW, "timeZone": "Europe/Nowhere"}}, "window.timeZone"),
    ({"window": {**WINDOW, "timeZone": "../../etc/passwd"}}, "window.timeZone"),
    ({"window": {**WINDOW, "timeZone": ""}}, "window.timeZone"),
    ({"window": {**WINDOW, "timeZone": "Europe"}}, "window.timeZone"),
    ({"window": {**WINDOW, "timeZone": "a\x00b"}}, "window.timeZone"),
    ({"retries": -1}, "retries"),
    ({"retries": 11}, "retries"),
]
FIRMWARE: Final = {"packageId": package_id(PACKAGE)}
UNKNOWN: Final = [
    {"packageId": "none"},
    {"packageId": global_id("Endpoint", PACKAGE)},
    {"packageId": package_id(99)},
]


async def test_bad_input_names_its_field_and_stores_nothing(world: LedgerWorld, api: Api) -> None:
    await FirmwareDevice(world).prepare()
    for more, field in BAD:
        error = await api.error(CREATE, input=given(**more))
        assert (error["code"], error.get("field")) == ("BAD_USER_INPUT", field), (more, error)
    for firmware in UNKNOWN:
        error = await api.error(CREATE, input=given(firmware=firmware, operations=None))
        assert error == {"code": "NOT_FOUND", "field": "firmware.packageId"}, firmware
    bad_instance = given(firmware={**FIRMWARE, "objectInstanceId": 65_535}, operations=None)
    assert (await api.error(CREATE, input=bad_instance))["field"] == "firmware.objectInstanceId"
    for more, limit in (({"operations": [WRITE] * 21}, 20), ({"waves": [{"percent": 1}] * 101}, 100)):
        assert await api.error(CREATE, input=given(**more)) == {"code": "LIMIT_EXCEEDED", "limit": limit}
    assert await listed(api) == []


async def test_waves_and_names_of_the_greatest_number(world: LedgerWorld, api: Api) -> None:
    waves = [{"percent": 1}] * 100
    made = await create(api, name="x" * 255, waves=waves, operations=[WRITE] * 20, retries=10)
    assert len(made["waves"]) == 100
    thirds = await create(api, name="t", waves=[{"percent": percent} for percent in (33.3, 33.3, 33.4)])
    assert [wave["percent"] for wave in thirds["waves"]] == [33.3, 33.3, 33.4]


async def test_unknown_ids(world: LedgerWorld, api: Api) -> None:
    for id_ in ("none", campaign_id(99), package_id(99)):
        assert (await api.ask(SHOW, id=id_))["campaign"] is None
        for action in ACTIONS:
            assert await refused(api, action, id_) == {"code": "NOT_FOUND", "field": "id"}, action
    made = await create(api)
    reason = 'mutation($id: ID!) { pauseCampaign(id: $id, reason: "") { status } }'
    assert await api.error(reason, id=made["id"]) == {"code": "BAD_USER_INPUT", "field": "reason"}
