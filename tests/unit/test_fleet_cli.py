"""``reveille firmware`` and ``campaigns``: what they send, what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from app.command_error import CommandError
from app.operator_cli import campaign_creating, campaign_watching, campaigns, firmware_updates
from app.operator_cli import documents as others
from app.operator_cli import fleet_documents as documents
from app.operator_cli.connection import Api, Unreachable
from app.operator_cli.firmware_packages import package_named
from app.operator_cli.options import CAMPAIGN_FILTER, TARGET_FILTER, UPDATE_FILTER, is_global_id
from app.schema.api.ids import campaign_id, firmware_update_id, package_id
from app.schema.execution.schema import schema

AT: Final = "2026-11-23T10:00:00Z"
STATES: Final = ("WAITING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
PACKAGES: Final = [
    {"id": package_id(1), "name": "meter", "version": "2.0"},
    {"id": package_id(2), "name": "meter", "version": "1.9"},
    {"id": package_id(3), "name": "pump", "version": "7"},
]
UPDATE: Final[dict[str, Any]] = {
    "id": firmware_update_id(5), "endpoint": {"name": "dev", "presence": "ASLEEP"}, "reason": None, "detail": None,
    "package": PACKAGES[0], "campaign": None, "method": "PULL", "state": "QUEUED", "attempts": 0, "createdAt": None,
    "finishedAt": None, "objectInstanceId": 0, "stateSince": "T", "versionBefore": None, "operations": {"edges": []},
}  # fmt: skip


def campaign(status: str = "RUNNING", name: str = "spring", **counts: int) -> dict[str, Any]:
    numbers = [{"state": state, "count": counts.get(state, 0)} for state in STATES]
    facts = {"id": campaign_id(len(name)), "name": name, "status": status, "reason": None, "wave": 1, "counts": numbers}
    return {**facts, "package": None, "createdAt": None, "finishedAt": None}


def target(name: str, state: str) -> dict[str, Any]:
    facts = {"endpoint": {"name": name}, "state": state, "wave": 1, "attempts": 1, "changedAt": AT, "update": None}
    return {**facts, "detail": "operation 1 of 2: NO_ANSWER" if state == "FAILED" else None}


def _page(nodes: list[dict[str, Any]], after: str | None = None) -> dict[str, Any]:
    more = {"hasNextPage": after is not None, "endCursor": after}
    return {"totalCount": len(nodes), "pageInfo": more, "edges": [{"node": node} for node in nodes]}


ANSWERS: Final[dict[str, dict[str, Any]]] = {
    others.PACKAGES: {"firmwarePackages": PACKAGES},
    documents.CREATE_UPDATE: {"updateFirmware": UPDATE},
    documents.CANCEL_UPDATE: {"cancelFirmwareUpdate": {**UPDATE, "state": "CANCELED", "reason": "CANCELED_BY_USER"}},
    documents.UPDATES: {"firmwareUpdates": _page([UPDATE])},
    documents.TARGETS: {"campaign": {"targets": _page([target("a", "FAILED")])}},
    documents.CREATE_CAMPAIGN: {"createCampaign": campaign()},
    documents.PAUSE_CAMPAIGN: {"pauseCampaign": campaign("PAUSED")},
    others.ENDPOINT_COUNT: {"endpointCount": 3},
}


class FakeApi(Api):
    """A substitute for Reveille: campaigns in pages of two, an update with a state after the other, and fixed answers
    to everything else."""

    def __init__(self, *names: str, states: tuple[Any, ...] = ("QUEUED",)) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.names, self.states = names, iter(states)
        self.campaign = campaign()
        self.events: list[tuple[dict[str, Any], dict[str, Any] | None]] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        self.sent.append((document, variables))
        if document == documents.UPDATE:
            state = next(self.states)
            if isinstance(state, Exception):
                raise state
            return {"firmwareUpdate": {**UPDATE, "state": state}}
        if document == documents.UPDATE_OF:
            update = {"id": UPDATE["id"]} if variables["name"] == "dev" else None
            return {"endpoint": None if variables["name"] == "none" else {"firmwareUpdate": update}}
        if document in {documents.CAMPAIGNS, documents.CAMPAIGN_IDS}:
            start = int(variables["after"] or 0)
            some = [campaign(name=name) for name in self.names[start : start + 2]]
            return {"campaigns": _page(some, str(start + 2) if start + 2 < len(self.names) else None)}
        if document == documents.WATCHED:
            return {"transitionCursor": "begin", "campaign": self.campaign}
        return ANSWERS[document]

    def follow(self, document: str, **variables: Any) -> Iterator[dict[str, Any]]:
        assert document == documents.PROGRESS
        start = 0 if variables["after"] == "begin" else int(variables["after"])
        for number, (changed, changed_target) in enumerate(self.events[start:], start=start + 1):
            yield {"campaignProgress": {"cursor": str(number), "campaign": changed, "target": changed_target}}
            if number == 1:
                raise Unreachable("the connection was lost")

    def sent_to(self, document: str) -> dict[str, Any]:
        return next(variables for sent, variables in self.sent if sent == document)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def test_every_filter_of_the_api_has_its_option() -> None:
    fields = schema.graphql_schema.type_map
    for type_name, field, options in (
        ("Query", "firmwareUpdates", UPDATE_FILTER),
        ("Query", "campaigns", CAMPAIGN_FILTER),
        ("Campaign", "targets", TARGET_FILTER),
    ):
        arguments = fields[type_name].fields[field].args  # type: ignore[attr-defined]
        assert {option.field: option.type for option in options} == {
            name: str(argument.type) for name, argument in arguments.items() if name not in {"first", "after"}
        }


def test_a_package_is_named_by_its_id_its_name_or_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    for text, id_ in (("pump", 3), ("meter@1.9", 2), (package_id(1), 1)):
        assert package_named(api, text)["id"] == package_id(id_)
    with pytest.raises(CommandError, match="unknown package"):
        package_named(api, "none")
    with pytest.raises(CommandError, match="2 packages are named so"):
        package_named(api, "meter")
    firmware_updates.create(api, "dev", "pump", "push", 1, as_json=False)
    sent = {"endpoint": "dev", "package": package_id(3), "method": "PUSH", "instance": 1}
    assert api.sent_to(documents.CREATE_UPDATE) == sent
    assert "dev ? -> 2.0 QUEUED" in capsys.readouterr().out


def test_waiting_shows_each_state_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    away = Unreachable("it cannot be reached")
    firmware_updates.wait(FakeApi(states=("QUEUED", "QUEUED", away, "UPDATING", "SUCCEEDED")), "i", as_json=False)
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["QUEUED", "UPDATING", "SUCCEEDED"]
    with pytest.raises(typer.Exit) as ended:
        firmware_updates.wait(FakeApi(states=("DOWNLOADING", "FAILED")), "i", as_json=True)
    assert ended.value.exit_code == firmware_updates.NOT_SUCCEEDED
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["DOWNLOADING", "FAILED"]


def test_an_update_is_named_by_its_id_or_its_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("dev", UPDATE["id"]):
        api = FakeApi()
        firmware_updates.canceling(api, text, as_json=False)
        assert api.sent_to(documents.CANCEL_UPDATE) == {"id": UPDATE["id"]}
        assert "CANCELED CANCELED_BY_USER" in capsys.readouterr().out
        firmware_updates.showing(api, text, as_json=False)
        assert "meter 2.0" in capsys.readouterr().out
    for text, message in (("none", "unknown endpoint"), ("other", "no firmware update")):
        with pytest.raises(CommandError, match=message):
            firmware_updates.showing(FakeApi(), text, as_json=False)
    firmware_updates.listing(FakeApi(), {}, 5, as_json=False)
    assert "1 firmware updates" in capsys.readouterr().out
    assert not is_global_id("dev", "FirmwareUpdate")


def input_of(api: Api, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "package": "pump", "method": None, "instance": 0, "operations": None, "waves": [], "per_minute": None,
        "max_running": None, "abort": None, "start": None, "end": None, "window": None, "time_zone": "UTC",
        "retries": 0, "continuous": False, **more,
    }  # fmt: skip
    return campaign_creating.input_of(api, "spring", {"tags": ["a"]}, ["d"], **given)


def test_the_input_of_a_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    assert input_of(api) == {
        "name": "spring",
        "filter": {"tags": ["a"], "names": ["d"]},
        "firmware": {"packageId": package_id(3), "objectInstanceId": 0},
        "retries": 0,
        "continuous": False,
    }
    file = tmp_path / "operations.json"
    file.write_text('[{"path": "/3/0/4", "kind": "EXECUTE"}]')
    more = {"waves": ["5,99.5,approve", "25,approve", "70"], "abort": "10,50", "window": "22:00-05:00"}
    given = input_of(api, package=None, operations=str(file), end="2027-01-01T00:00:00Z", **more)
    assert given["operations"] == [{"path": "/3/0/4", "kind": "EXECUTE"}]
    assert given["waves"] == [
        {"percent": 5, "minSuccessPercent": 99.5, "approve": True},
        {"percent": 25, "approve": True},
        {"percent": 70, "approve": False},
    ]
    assert (given["abort"], given["endAt"]) == ({"failurePercent": 10, "minEnded": 50}, "2027-01-01T00:00:00Z")
    assert given["window"] == {"from": "22:00", "to": "05:00", "timeZone": "UTC"}
    campaign_creating.create(api, given, confirmed=True, as_json=False)
    assert api.sent_to(documents.CREATE_CAMPAIGN) == {"input": given}
    assert "spring" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"package": None}, "either --package or --operations"),
        ({"operations": "f"}, "either --package or --operations"),
        ({"waves": ["x"]}, "--wave: invalid number in 'x'"),
        ({"waves": ["1,2,3"]}, "--wave: invalid wave"),
        ({"abort": "many"}, "--abort: invalid number"),
        ({"abort": "10,x"}, "--abort: invalid number of targets"),
        ({"window": "22:00"}, "--window: invalid hours"),
        ({"start": "+1w"}, "--start: invalid time"),
        ({"end": "+"}, "--end: invalid time"),
    ],
)
def test_an_invalid_option_is_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message) as refused:
        input_of(FakeApi(), **more)
    assert refused.value.exit_code == 2


def test_campaigns_are_listed_and_found_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi("a", "bb", "ccc")
    campaigns.listing(api, {"statuses": ["RUNNING"]}, 50, as_json=True)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["a", "bb", "ccc"]
    campaigns.listing(api, {}, 1, as_json=False)
    assert "campaigns" in capsys.readouterr().out
    assert campaigns.campaign_id(api, "ccc") == campaign_id(3)
    assert campaigns.campaign_id(api, campaign_id(77)) == campaign_id(77)
    with pytest.raises(CommandError, match="unknown campaign"):
        campaigns.campaign_id(api, "none")
    campaigns.targets(api, "bb", {"states": ["FAILED"]}, 10, as_json=False)
    assert "operation 1 of 2: NO_ANSWER" in capsys.readouterr().out
    campaigns.act(api, documents.PAUSE_CAMPAIGN, "a", as_json=False, reason="why")
    assert api.sent[-1][1] == {"id": campaign_id(1), "reason": "why"}
    assert "spring: PAUSED, wave 1; targets: none" in capsys.readouterr().out


EVENTS: Final = [
    (campaign(WAITING=1, RUNNING=1), target("a", "RUNNING")),
    (campaign(WAITING=1, FAILED=1), target("a", "FAILED")),
    (campaign("ABORTED", WAITING=1, FAILED=1), None),
    (campaign("ABORTED", CANCELED=1, FAILED=1), target("b", "CANCELED")),
    (campaign("ABORTED", CANCELED=1, FAILED=1), None),
]


def test_a_watch_ends_with_the_last_target(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    api.events = EVENTS
    with pytest.raises(typer.Exit) as ended:
        campaign_watching.watching(api, "i", as_json=False)
    assert ended.value.exit_code == campaign_watching.NOT_COMPLETED
    assert capsys.readouterr().out.splitlines() == [
        "spring: RUNNING, wave 1; targets: none",
        f"{AT} a wave 1 RUNNING",
        f"{AT} a wave 1 FAILED operation 1 of 2: NO_ANSWER",
        "spring: ABORTED, wave 1; targets: 1 WAITING, 1 FAILED",
        f"{AT} b wave 1 CANCELED",
        "spring: ABORTED, wave 1; targets: 1 FAILED, 1 CANCELED",
    ]
    api = FakeApi()
    api.events = [(campaign(RUNNING=1), target("a", "RUNNING")), (campaign("COMPLETED", SUCCEEDED=2), None)]
    campaign_watching.watching(api, "i", as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["campaign"]["status"] for line in lines] == ["RUNNING", "RUNNING", "COMPLETED"]


def test_a_watch_of_a_campaign_that_has_ended_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    api.campaign = campaign("COMPLETED", SUCCEEDED=2, SKIPPED=1)
    campaign_watching.watching(api, "i", as_json=False)
    assert "COMPLETED" in capsys.readouterr().out


def test_a_watch_on_a_terminal_draws_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    drawn: list[Any] = []
    monkeypatch.setattr("app.operator_cli.campaign_watching.Live.update", lambda _self, what: drawn.append(what))
    api = FakeApi()
    api.events = EVENTS
    with pytest.raises(typer.Exit):
        campaign_watching.watching(api, "i", as_json=False)
    capsys.readouterr()
    from rich.console import Console  # noqa: PLC0415

    Console(width=120).print(drawn[-1])
    shown = capsys.readouterr().out
    assert "ABORTED" in shown
    assert shown.index("b ") < shown.index("operation 1 of 2"), "the last change is the first row"
