"""The brake, canceling and retrying many, and the status, through GraphQL."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.enums import SECOND
from app.models.ledger import RenewBridgeLease, Sweep
from app.models.queries import operation_seqs
from app.schema.api import dispatch_control
from app.schema.api.ledger_gateway import submit
from tests.support.api import Api
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, new, registered
from tests.support.schema import OPERATOR, VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAUSE = """
  mutation($reason: String! = "smoke", $server: String, $endpoint: String) {
    pauseDispatch(reason: $reason, leshanServer: $server, endpoint: $endpoint) {
      leshanServerName endpointName reason pausedBy pausedAt resumedBy resumedAt
    }
  }
"""
RESUME = """
  mutation($server: String, $endpoint: String) {
    resumeDispatch(leshanServer: $server, endpoint: $endpoint) { endpointName resumedBy resumedAt }
  }
"""
PAUSES = "query($past: Boolean! = false) { dispatchPauses(past: $past) { endpointName reason resumedBy } }"
CANCEL = """
  mutation($filter: DeviceOperationFilter!, $count: Int!) {
    cancelDeviceOperations(filter: $filter, expectedCount: $count) { canceled passedOver }
  }
"""
RETRY = """
  mutation($filter: DeviceOperationFilter!, $count: Int) {
    retryDeviceOperations(filter: $filter, expectedCount: $count) { created passedOver }
  }
"""
LIST = """
  query($filter: DeviceOperationFilter) {
    deviceOperations(filter: $filter) {
      totalCount edges { node { id path batch status waitingFor retryOf { id } endpoint { name } } }
    }
    deviceOperationCount(filter: $filter)
  }
"""
STATUS = """{
  dispatchStatus {
    at openCalls heldByLeshan lateLeases logBehind pauses { endpointName reason }
    waiting { presence endpoints operations } longestWaiting { endpoint { name } waitingFor createdAt }
    leshanServer { name dispatcherSeenAt breakerOpenedAt bridgeHeldUntil streamOpenSince paused }
  }
}"""


async def listed(api: Api, **filter_: Any) -> list[dict[str, Any]]:
    """Return the operations that a filter selects; the list and the count must agree."""
    data = await api.ask(LIST, filter=filter_)
    nodes = [edge["node"] for edge in data["deviceOperations"]["edges"]]
    assert data["deviceOperationCount"] == data["deviceOperations"]["totalCount"] == len(nodes)
    return nodes


async def waits(api: Api) -> list[str]:
    return [operation["waitingFor"] for operation in await listed(api)]


async def test_a_pause_is_shown_everywhere(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"), new("b"))
    paused = (await api.ask(PAUSE, endpoint="a"))["pauseDispatch"]
    assert (paused["endpointName"], paused["leshanServerName"], paused["reason"]) == ("a", "leshan", "smoke")
    assert (paused["pausedBy"], paused["resumedBy"]) == ("olga", None)
    assert sorted(await waits(api)) == ["DISPATCHER", "PAUSED"]
    await api.ask(PAUSE, reason="fire")
    assert await waits(api) == ["PAUSED", "PAUSED"]
    assert [one["reason"] for one in (await api.ask(PAUSES))["dispatchPauses"]] == ["fire", "smoke"]
    assert (await api.ask(RESUME))["resumeDispatch"]["resumedBy"] == "olga"
    assert [one["reason"] for one in (await api.ask(PAUSES))["dispatchPauses"]] == ["smoke"]
    kept = (await api.ask(PAUSES, past=True))["dispatchPauses"]
    assert [(one["reason"], one["resumedBy"]) for one in kept] == [("fire", "olga"), ("smoke", None)]


@pytest.mark.parametrize(
    ("query", "variables", "refusal"),
    [
        (PAUSE, {"endpoint": "nobody"}, ("NOT_FOUND", "endpoint")),
        (PAUSE, {"server": "elsewhere"}, ("NOT_FOUND", "leshanServer")),
        (PAUSE, {"server": "leshan", "endpoint": "a"}, ("BAD_USER_INPUT", "endpoint")),
        (PAUSE, {"reason": "  "}, ("BAD_USER_INPUT", "reason")),
        (RESUME, {}, ("NOT_FOUND", None)),
        (CANCEL, {"filter": {}, "count": 0}, ("BAD_USER_INPUT", "filter")),
        (CANCEL, {"filter": {"pathPrefix": "/"}, "count": 0}, ("BAD_USER_INPUT", "filter")),
        (RETRY, {"filter": {}}, ("BAD_USER_INPUT", "filter")),
        (CANCEL, {"filter": {"batch": ""}, "count": 0}, ("BAD_USER_INPUT", "filter.batch")),
        (CANCEL, {"filter": {"endpoints": ["a"] * 1001}, "count": 0}, ("LIMIT_EXCEEDED", None)),
    ],
)
async def test_an_invalid_scope_or_filter_is_refused(
    world: LedgerWorld, api: Api, query: str, variables: dict[str, Any], refusal: tuple[str, str | None]
) -> None:
    await world.ingest(registered("a"))
    refused = await api.error(query, **variables)
    assert (refused["code"], refused.get("field")) == refusal


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (PAUSE, {}),
        (RESUME, {}),
        (CANCEL, {"filter": {"endpoint": "a"}, "count": 0}),
        (RETRY, {"filter": {"batch": "b"}}),
    ],
)
async def test_a_viewer_is_forbidden(api: Api, query: str, variables: dict[str, Any]) -> None:
    assert (await api.error(query, VIEWER, **variables))["code"] == "FORBIDDEN"


async def test_each_filter_selects_its_operations(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"), registered("b"), registered("c"))
    await world.create(new("a", path="/1/0/1", batch="night", created_by="olga"))
    await world.attempt(REFUSED)
    await world.create(new("b", path="/1/0/2", batch="night"), new("c", path="/1/0/3", created_by="olga"))
    meant: dict[str, dict[str, Any]] = {
        "/1/0/1 /1/0/2": {"batch": "night"},
        "/1/0/1 /1/0/3": {"createdBy": "olga"},
        "/1/0/1": {"reasons": ["DEVICE_REFUSED"]},
        "/1/0/2 /1/0/3": {"endpoints": ["b", "c", "nobody"]},
        "/1/0/2": {"batch": "night", "statuses": ["QUEUED"], "kinds": ["WRITE"]},
        "/1/0/1 /1/0/2 /1/0/3": {"retried": False},
        "": {"reasons": []},
    }
    for paths, filter_ in meant.items():
        assert sorted(one["path"] for one in await listed(api, **filter_)) == paths.split(), filter_


async def test_many_are_canceled_if_the_expected_number_matches(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_control, "PIECE", 2)
    await world.ingest(registered("a"), registered("b"))
    await world.create(*(new("a", batch="night") for _ in range(5)), new("b"))
    refused = await api.error(CANCEL, filter={"batch": "night"}, count=6)
    assert (refused["code"], refused["count"]) == ("CONFLICT", 5)
    assert {one["status"] for one in await listed(api)} == {"QUEUED"}
    assert (await api.ask(CANCEL, filter={"batch": "night"}, count=5))["cancelDeviceOperations"] == {
        "canceled": 5,
        "passedOver": 0,
    }
    assert [one["endpoint"]["name"] for one in await listed(api, statuses=["QUEUED"])] == ["b"]
    again = await api.ask(CANCEL, filter={"batch": "night", "statuses": ["CANCELED", "QUEUED"]}, count=0)
    assert again["cancelDeviceOperations"]["canceled"] == 0


async def test_operations_sent_meanwhile_are_skipped(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("a"))
    await world.create(new("a"), new("a"))
    found = operation_seqs

    async def then_one_is_claimed(*arguments: Any, **more: Any) -> list[int]:
        seqs = await found(*arguments, **more)
        await world.claim_one()
        return seqs

    monkeypatch.setattr(dispatch_control, "operation_seqs", then_one_is_claimed)
    done = await api.ask(CANCEL, filter={"endpoint": "a"}, count=2)
    assert done["cancelDeviceOperations"] == {"canceled": 1, "passedOver": 1}


async def test_many_are_retried_once_each_in_their_order(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"))
    await world.create(new("a", path="/1/0/1", batch="night"), new("a", path="/1/0/2", batch="night"))
    await world.attempt(REFUSED)
    await world.attempt(REFUSED)
    await world.create(new("a", path="/1/0/3", batch="night"))
    await world.attempt(SUCCESS)
    refused = await api.error(RETRY, filter={"batch": "night"}, count=3)
    assert (refused["code"], refused["count"]) == ("CONFLICT", 2)
    assert (await api.ask(RETRY, filter={"batch": "night"}, count=2))["retryDeviceOperations"]["created"] == 2
    queued = await listed(api, statuses=["QUEUED"], batch="night")
    assert [one["path"] for one in reversed(queued)] == ["/1/0/1", "/1/0/2"]
    assert all(one["retryOf"] for one in queued)
    assert (await api.ask(RETRY, filter={"batch": "night"}))["retryDeviceOperations"]["created"] == 0
    assert (await api.ask(RETRY, filter={"batch": "night", "statuses": ["CONFIRMED"]}))["retryDeviceOperations"] == {
        "created": 1,
        "passedOver": 0,
    }


async def test_an_operation_already_retried_is_skipped(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ingest(registered("a"))
    await world.create(new("a"), new("a"))
    await world.attempt(REFUSED)
    await world.attempt(REFUSED)
    found = operation_seqs

    async def then_the_first_is_retried(*arguments: Any, **more: Any) -> list[int]:
        seqs = await found(*arguments, **more)
        await world.create(new("a", retry_of=seqs[0]))
        return seqs

    monkeypatch.setattr(dispatch_control, "operation_seqs", then_the_first_is_retried)
    done = await api.ask(RETRY, filter={"endpoint": "a"})
    assert done["retryDeviceOperations"] == {"created": 1, "passedOver": 1}


async def test_a_repeated_retry_of_many_takes_few_transactions(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to take one transaction per operation: the ledger reports one conflicting operation at a time, and all of
    them conflicted."""
    many = 1_000
    await world.ingest(registered("a"))
    await world.create(*(new("a", batch="night") for _ in range(many)))
    await api.ask(CANCEL, filter={"batch": "night"}, count=many)
    wish = {"batch": "night", "statuses": ["CANCELED"]}
    found, tries = operation_seqs, list[Any]()

    async def then_somebody_makes_the_same_wish(*arguments: Any, **more: Any) -> list[int]:
        seqs = await found(*arguments, **more)
        monkeypatch.setattr(dispatch_control, "operation_seqs", found)
        first = await api.ask(RETRY, filter=wish)
        assert first["retryDeviceOperations"] == {"created": many, "passedOver": 0}
        return seqs

    async def counted(*arguments: Any) -> Any:
        tries.append(arguments)
        return await submit(*arguments)

    monkeypatch.setattr(dispatch_control, "operation_seqs", then_somebody_makes_the_same_wish)
    monkeypatch.setattr(dispatch_control, "submit", counted)
    second = await api.ask(RETRY, filter=wish)
    assert second["retryDeviceOperations"] == {"created": 0, "passedOver": many}
    assert len(tries) == 2


async def test_more_operations_than_the_limit_are_refused(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_control, "MAX_CANCELED", 2)
    await world.ingest(registered("a"))
    await world.create(new("a"), new("a"), new("a"))
    refused = await api.error(CANCEL, filter={"endpoint": "a"}, count=3)
    assert (refused["code"], refused["limit"]) == ("LIMIT_EXCEEDED", 2)
    assert (await api.error(CANCEL, filter={"endpoint": "a"}, count=2))["count"] == 3


async def test_the_status_reports_what_waits_and_why(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"), registered("b"))
    await world.create(new("a"))
    await world.claim_one()
    await world.create(new("b"), new("b"), new("a"))
    await world.ledgers[0].submit(Sweep())
    await api.ask(PAUSE, endpoint="a")
    told = (await api.ask(STATUS))["dispatchStatus"]
    assert told["waiting"] == [{"presence": "ONLINE", "endpoints": 2, "operations": 3}]
    assert {(one["endpoint"]["name"], one["waitingFor"]) for one in told["longestWaiting"]} == {
        ("a", "PAUSED"),
        ("b", "DISPATCHER"),
    }
    assert (told["openCalls"], told["heldByLeshan"], told["logBehind"]) == (1, 0, 0)
    assert told["pauses"] == [{"endpointName": "a", "reason": "smoke"}]
    server = told["leshanServer"]
    assert (server["name"], server["paused"], server["breakerOpenedAt"]) == ("leshan", False, None)
    assert server["dispatcherSeenAt"] is not None


BRIDGE = "{ dispatchStatus { leshanServer { usesEventStream bridgeHeldUntil streamOpenSince } } }"


async def test_the_status_reports_whether_the_stream_is_open(world: LedgerWorld, api: Api) -> None:
    ledger = await world.ledger(clock=False)

    async def bridge() -> tuple[bool, bool]:
        """Return whether a bridge has held the lease, and whether the stream is open."""
        server = (await api.ask(BRIDGE))["dispatchStatus"]["leshanServer"]
        assert server["usesEventStream"] is True
        return server["bridgeHeldUntil"] is not None, server["streamOpenSince"] is not None

    assert await bridge() == (False, False)
    await ledger.submit(RenewBridgeLease("one", 60 * SECOND))
    assert await bridge() == (True, False)
    await ledger.submit(RenewBridgeLease("one", 60 * SECOND, open_for=0))
    assert await bridge() == (True, True)
    await ledger.submit(RenewBridgeLease("one", 1, open_for=0))
    assert await bridge() == (True, False), "the lease has ended without a release"
    await ledger.submit(RenewBridgeLease("one", 0))
    assert await bridge() == (False, False)


async def test_the_batch_is_stored_and_part_of_the_input(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("a"))
    create = """
      mutation($batch: String) {
        createDeviceOperation(input: {endpoint: "a", kind: READ, path: "/3/0/0", batch: $batch, idempotencyKey: "k"}) {
          created operation { batch }
        }
      }
    """
    first = await api.ask(create, OPERATOR, batch="night")
    assert first["createDeviceOperation"] == {"created": True, "operation": {"batch": "night"}}
    assert (await api.ask(create, OPERATOR, batch="night"))["createDeviceOperation"]["created"] is False
    assert (await api.error(create, OPERATOR, batch="day"))["code"] == "CONFLICT"
