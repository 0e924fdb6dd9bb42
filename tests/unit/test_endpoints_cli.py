"""``reveille endpoints``: what it sends, what it prints, and what it refuses before it sends anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from app.command_error import CommandError
from app.operator_cli import documents, endpoints
from app.operator_cli.connection import Api, Refused
from app.operator_cli.options import ENDPOINT_FILTER
from app.schema.api.inputs import EndpointFilter

ROW = {
    "name": "dev", "presence": "ONLINE", "overdue": True, "tags": ["a", "b[c]"], "pendingOperations": 2,
    "firstSeenAt": None, "lastSeenAt": None, "nextContactBy": None, "usualContactIntervalSeconds": 60,
}  # fmt: skip


class FakeApi(Api):
    """A substitute for Reveille with these endpoints, in pages of two; it refuses to delete some of them."""

    def __init__(self, *names: str, refused: tuple[str, ...] = (), error: Refused | None = None) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.names, self.refused, self.error = list(names), refused, error
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        self.sent.append((document, variables))
        if document == documents.DELETE_ENDPOINT:
            if variables["name"] in self.refused:
                raise Refused({"message": "A call is open.", "extensions": {"code": "CONFLICT"}})
            return {"deleteEndpoint": "id"}
        if document == documents.TAG:
            if self.error is not None:
                raise self.error
            return {"tagEndpoints": len(self.names)}
        if document == documents.ENDPOINT:
            return {"endpoint": None}
        wanted = variables["filter"].get("names")
        found = [name for name in self.names if wanted is None or name in wanted]
        counts = {"totalCount": len(found), "totalCountCapped": False}
        if document == documents.ENDPOINT_COUNT:
            return {"endpointCount": len(found)}
        start = int(variables["after"] or 0)
        more = {"hasNextPage": start + 2 < len(found), "endCursor": str(start + 2)}
        edges = [{"node": {**ROW, "name": name}} for name in found[start : start + min(2, variables["first"])]]
        return {"endpoints": {**counts, "pageInfo": more, "edges": edges}}

    def sent_to(self, document: str) -> list[dict[str, Any]]:
        return [variables for sent, variables in self.sent if sent == document]


def delete(api: FakeApi, *names: str, **options: Any) -> None:
    criteria = options.pop("criteria", {})
    given: dict[str, Any] = {"expected": None, "confirmed": True, "as_json": False, **options}
    endpoints.deleting(api, list(names), criteria, **given)


def tag(api: FakeApi, *names: str, **options: Any) -> None:
    criteria, add, remove = options.pop("criteria", {}), options.pop("add", []), options.pop("remove", [])
    given: dict[str, Any] = {"expected": None, "confirmed": True, "as_json": False, **options}
    endpoints.tagging(api, list(names), criteria, add, remove, **given)


def test_every_filter_of_the_api_has_its_option() -> None:
    fields = {field.graphql_name or field.python_name for field in EndpointFilter.__strawberry_definition__.fields}  # type: ignore[attr-defined]
    camel = {part[0] + "".join(word.title() for word in part[1:]) for part in (field.split("_") for field in fields)}
    assert {option.field for option in ENDPOINT_FILTER} == camel - {"names"}


def test_a_list_is_read_page_by_page(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi("a", "b", "c", "d", "e")
    endpoints.listing(api, [], {"overdue": True}, 50, as_json=True)
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["a", "b", "c", "d", "e"]
    assert {variables["filter"]["overdue"] for variables in api.sent_to(documents.ENDPOINTS)} == {True}
    endpoints.listing(api, ["b"], {}, 50, as_json=False)
    shown = capsys.readouterr().out
    assert "1 of 1 endpoints" in shown
    assert "b[c]" in shown
    assert "overdue" in shown
    assert "60 s" in shown


def test_an_unknown_endpoint_is_an_error() -> None:
    with pytest.raises(CommandError, match="x: unknown endpoint"):
        endpoints.showing(FakeApi(), "x", as_json=False)


def test_named_endpoints_are_tagged_only_if_all_are_known() -> None:
    api = FakeApi("a", "b")
    tag(api, "a", "b", "a", add=["x"], confirmed=False)
    (sent,) = api.sent_to(documents.TAG)
    assert sent == {"filter": {"names": ["a", "b", "a"]}, "add": ["x"], "remove": [], "count": 2}


def test_filtered_endpoints_are_tagged_if_their_number_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi("a", "b")
    tag(api, criteria={"tags": ["y"]}, remove=["y"], as_json=True)
    (sent,) = api.sent_to(documents.TAG)
    assert (sent["filter"], sent["count"]) == ({"tags": ["y"]}, 2)
    assert json.loads(capsys.readouterr().out) == {"changed": 2}
    tag(api, criteria={"tags": ["y"]}, remove=["y"], expected=7)
    assert api.sent_to(documents.TAG)[1]["count"] == 7


def test_an_error_halfway_says_how_many_were_changed() -> None:
    error = Refused({"message": "Too many.", "extensions": {"code": "LIMIT_EXCEEDED", "changed": 500}})
    with pytest.raises(CommandError, match="changed before the error: 500"):
        tag(FakeApi("a", error=error), "a", add=["x"])


def test_incomplete_commands_are_refused() -> None:
    api = FakeApi("a")
    with pytest.raises(CommandError, match="expected a tag"):
        tag(api, "a")
    with pytest.raises(CommandError, match="expected names"):
        tag(api, add=["x"])
    with pytest.raises(CommandError, match="expected names"):
        delete(api)
    assert api.sent == []


def test_endpoints_are_deleted_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi("a", "b", "c", refused=("b",))
    with pytest.raises(typer.Exit):
        delete(api, criteria={"overdue": True}, as_json=True)
    assert [sent["name"] for sent in api.sent_to(documents.DELETE_ENDPOINT)] == ["a", "b", "c"]
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"deleted": ["a", "c"], "refused": ["b"]}
    assert "b: CONFLICT: A call is open." in printed.err


def test_nothing_is_deleted_if_a_name_is_unknown_or_another_number_matches() -> None:
    api = FakeApi("a", "b")
    with pytest.raises(CommandError, match="x: unknown endpoint; nothing was deleted"):
        delete(api, "a", "x")
    with pytest.raises(CommandError, match="2 endpoints match, not 3"):
        delete(api, criteria={"overdue": True}, expected=3)
    assert api.sent_to(documents.DELETE_ENDPOINT) == []
    delete(api, "a", expected=1)
    assert api.sent_to(documents.DELETE_ENDPOINT) == [{"name": "a"}]
