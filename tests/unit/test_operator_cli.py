"""The output for operators after a failure: a database or a Reveille that is unavailable, a failure halfway."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import typer

from app.command_error import CommandError
from app.operator_cli import creating, documents, many, status, watching
from app.operator_cli.connection import MAX_LIMITED, Api, Refused, Unreachable
from app.operator_cli.options import TRANSITION_FILTER, FilterOption
from app.operator_cli.tables import operations_table, pauses_table, show

OPEN = {"ok": True, "detail": "answers"}
SHUT = {"ok": False, "detail": "ConnectionRefusedError: connect call failed"}
TOLD = {
    "operationCounts": [{"status": "QUEUED", "count": 7}],
    "dispatchStatus": {
        "at": "2026-11-23T10:00:00Z", "openCalls": 1, "heldByLeshan": 0, "lateLeases": 0, "logBehind": 5,
        "pauses": [], "waiting": [], "longestWaiting": [], "leshanServer": None,
    },
}  # fmt: skip


def refused(code: str, **facts: Any) -> Refused:
    return Refused({"message": "it is so", "extensions": {"code": code, **facts}})


class FakeApi(Api):
    """A substitute for Reveille: operations by id, the steps of all of them, and one response to everything else."""

    def __init__(self, answer: Any = None, *, database: bool = True) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.answer, self.database = answer, database
        self.operations: dict[str, str] = {}
        self.steps: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.followed: dict[str, Any] = {}

    def ready(self) -> dict[str, Any]:
        checks = {"database": OPEN if self.database else SHUT}
        return {"status": "ok" if self.database else "unavailable", "checks": checks}

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        self.asked.append(variables)
        if document == documents.CURSOR:
            return {"transitionCursor": "now"}
        if "i0" in variables:
            return {f"o{name[1:]}": self._operation(id_) for name, id_ in variables.items()}
        if isinstance(self.answer, Exception):
            raise self.answer
        assert isinstance(self.answer, dict)
        return self.answer

    def _operation(self, id_: str) -> dict[str, Any] | None:
        if id_ not in self.operations:
            return None
        status = self.operations[id_]
        answer = {"/3/0/0": "Zephyr"} if status == "CONFIRMED" else None
        return {**OPERATION, "id": id_, "status": status, "answer": answer, "lastTransition": _step(status)}

    def follow(self, document: str, **variables: Any) -> Iterator[dict[str, Any]]:
        assert document == documents.FOLLOW
        self.followed = variables
        for id_, to in self.steps:
            if variables.get("toStatuses") is None or to in variables["toStatuses"]:
                self.operations[id_] = to
                yield {"operationTransitions": {**_step(to), "operation": {**OPERATION, "id": id_}}}
        raise KeyboardInterrupt


def _step(to: str) -> dict[str, Any]:
    return {"cursor": "c", "fromStatus": "QUEUED", "toStatus": to, "reason": None, "detail": None, "at": "-"}


OPERATION: dict[str, Any] = {
    "kind": "READ", "path": "/3", "paths": [], "status": "QUEUED", "attempts": 0, "maxAttempts": 3, "reason": None,
    "deliveryAttempts": 1, "deviceStatus": None, "detail": None,
    "waitingFor": "NOTHING", "createdAt": None, "endpoint": {"name": "dev", "presence": "ONLINE"},
}  # fmt: skip


def watch(api: Api, *ids: str, to: tuple[str, ...] = ()) -> None:
    criteria = {
        option.field: option.value(list(to)) for option in TRANSITION_FILTER if option.field == "toStatuses" and to
    }
    watching.watch(api, list(ids), criteria, after=None, as_json=False)


def test_without_a_database_the_status_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi(refused("UNAVAILABLE"), database=False)
    assert status.status(api, as_json=False, live=False) == status.BLOCKED
    told = capsys.readouterr().out
    assert "NOT OK" in told
    assert "connect call failed" in told
    assert status.status(api, as_json=True, live=False) == status.BLOCKED


def test_a_database_that_just_became_unavailable_fails_the_status() -> None:
    assert status.status(FakeApi(refused("UNAVAILABLE")), as_json=False, live=False) == status.BLOCKED
    assert status.status(FakeApi(TOLD), as_json=False, live=False) == 0


@pytest.mark.parametrize("trouble", [Unreachable("it cannot be reached"), refused("UNAUTHENTICATED")])
def test_a_live_status_continues_while_reveille_is_unavailable(
    trouble: CommandError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api, answers = FakeApi(TOLD), iter([trouble, TOLD])

    def then(_seconds: float) -> None:
        try:
            api.answer = next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("app.operator_cli.status.time.sleep", then)
    drawn: list[Any] = []
    monkeypatch.setattr("app.operator_cli.status.Live.update", lambda _self, what: drawn.append(what))
    with pytest.raises(KeyboardInterrupt):
        status.status(api, as_json=False, live=True)
    assert len(drawn) == 2
    show(*drawn)
    assert str(trouble) in capsys.readouterr().out


@pytest.mark.parametrize(("act", "fact"), [(many.cancel, "canceled"), (many.retry, "created")])
def test_a_failure_halfway_reports_how_many_were_done(act: Any, fact: str) -> None:
    api = FakeApi(refused("UNAVAILABLE", **{fact: 3_000}))
    with pytest.raises(CommandError, match=f"{fact} before the error: 3000"):
        act(api, [], {"batch": "night"}, expected=5_000, confirmed=True, as_json=False)
    with pytest.raises(Refused):
        act(FakeApi(refused("CONFLICT", count=1)), [], {"batch": "night"}, expected=2, confirmed=True, as_json=False)


def test_a_watch_for_confirmed_ends_when_the_operation_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """The CLI requested only CONFIRMED, so that the server never reported another end, and the watch never ended."""
    api = FakeApi()
    api.operations = {"a": "QUEUED", "b": "SENDING"}
    api.steps = [("a", "SENDING"), ("a", "FAILED"), ("b", "CONFIRMED")]
    with pytest.raises(typer.Exit) as ended:
        watch(api, "a", "b", to=("confirmed",))
    assert ended.value.exit_code == watching.NOT_CONFIRMED
    assert capsys.readouterr().out.count("\n") == 1
    assert (api.followed.get("operationIds"), api.followed.get("toStatuses")) == (["a", "b"], None)


@pytest.mark.parametrize(
    ("type_", "accepted", "given", "value"),
    [
        ("String", str, "night", "night"),
        ("[String!]", list[str], ["dev"], ["dev"]),
        ("[ReasonCode!]", list[str], ["no_answer", "EXPIRED"], ["NO_ANSWER", "EXPIRED"]),
        ("Presence", str, "asleep", "ASLEEP"),
        ("Boolean", bool, False, False),
    ],
)
def test_a_filter_s_type_in_graphql_gives_the_option(
    type_: str, accepted: object, given: object, value: object
) -> None:
    option = FilterOption("field", type_, ("--field",), "help")
    annotation: Any = option.parameter().annotation
    assert (annotation.__origin__, option.value(given)) == (accepted | None, value)  # type: ignore[operator]


HOSTILE = "dev\x1b]0;title\x07\u202e"
SHOWN = r"dev\x1b]0;title\x07\u202e"


def test_text_of_devices_and_users_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    step: dict[str, Any] = {"reason": None, "detail": HOSTILE, "fromStatus": None, "toStatus": "QUEUED", "at": "now"}
    step["operation"] = {**OPERATION, "id": "op-1", "endpoint": {"name": HOSTILE}}
    pause = {"endpointName": HOSTILE, "leshanServerName": None, "reason": HOSTILE, "pausedBy": HOSTILE}
    show(pauses_table([{**pause, "pausedAt": "2026-11-23T10:00:00Z"}]), operations_table([step["operation"]]))
    for as_json in (False, True):
        watching._shown([], as_json=as_json)(step)
    many._print({"name": HOSTILE}, HOSTILE, as_json=False)
    with pytest.raises(typer.Exit):
        many.retry(FakeApi(refused(HOSTILE)), [HOSTILE], {}, expected=None, confirmed=True, as_json=False)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert all(line.isprintable() for line in text.split("\n"))
    assert SHOWN in said.out
    assert SHOWN in said.err
    assert api.asked == []


@pytest.mark.parametrize("status", ["CONFIRMED", "FAILED"])
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_the_outcome_is_shown_however_fast_the_device_is(
    capsys: pytest.CaptureFixture[str], status: str, fast: bool, as_json: bool
) -> None:
    """A device that was faster than the first read left nothing to watch, and nothing was printed."""
    api = FakeApi()
    api.operations = {"a": status if fast else "QUEUED"}
    api.steps = [] if fast else [("a", "SENDING"), ("a", status)]
    if status == "FAILED":
        with pytest.raises(typer.Exit) as ended:
            watching.outcomes(api, ["a"], as_json=as_json)
        assert ended.value.exit_code == watching.NOT_CONFIRMED
    else:
        watching.outcomes(api, ["a"], as_json=as_json)
    *steps, last = capsys.readouterr().out.splitlines()
    assert len(steps) == (1 if fast else 2)
    if as_json:
        outcome = json.loads(last)
        assert (outcome["id"], outcome["status"]) == ("a", status)
        assert outcome["answer"] == ({"/3/0/0": "Zephyr"} if status == "CONFIRMED" else None)
        assert json.loads(steps[-1])["toStatus"] == status
    else:
        assert last == f"dev READ /3: {status}" + (' {"/3/0/0": "Zephyr"}' if status == "CONFIRMED" else "")
        assert steps[-1].endswith(f"-> {status}")


def test_an_operation_that_ended_before_the_watch_shows_its_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    api.operations = {"a": "CONFIRMED", "b": "QUEUED"}
    api.steps = [("a", "CONFIRMED"), ("b", "CONFIRMED")]
    watch(api, "a", "b")
    assert capsys.readouterr().out.count("-> CONFIRMED\n") == 2


def test_without_ids_the_server_chooses_the_steps() -> None:
    api = FakeApi()
    with pytest.raises(KeyboardInterrupt):
        watch(api, to=("confirmed",))
    assert (api.followed.get("operationIds"), api.followed.get("toStatuses")) == (None, ["CONFIRMED"])
    with pytest.raises(CommandError, match="--to: unknown status DONE"):
        watch(api, to=("done",))


def test_more_are_watched_than_a_subscription_may_name(capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeApi()
    api.operations = {f"op-{number}": "QUEUED" for number in range(1_001)}
    api.steps = [("somebody else's", "CONFIRMED"), *((id_, "CONFIRMED") for id_ in api.operations)]
    watch(api, *api.operations)
    assert capsys.readouterr().out.count("\n") == 1_001
    assert api.followed.get("operationIds") is None
    assert len(api.asked) == 1 + math.ceil(1_001 / watching.CHUNK)
    with pytest.raises(CommandError, match="unknown: unknown operation id"):
        watch(api, "op-1", "unknown")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T08:00:00Z", "2026-12-01T08:00:00Z"),
        ("+90s", "2026-11-23T10:01:30Z"),
        ("+30m", "2026-11-23T10:30:00Z"),
        ("+2h", "2026-11-23T12:00:00Z"),
        ("+1d", "2026-11-24T10:00:00Z"),
    ],
)
def test_a_time_is_given_as_it_is_or_from_now(text: str, expected: str) -> None:
    assert creating.time_of(text, datetime(2026, 11, 23, 10, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["+", "+2", "+h", "+2w", "+1h30m", "+-1h", "+1234567d"])
def test_an_invalid_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="invalid time"):
        creating.time_of(text)


class SlowApi(FakeApi):
    """A Reveille that does a part of a batch at each request."""

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = list(parts)

    def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        if document == documents.ENDPOINT_COUNT:
            return {"endpointCount": 1_000}
        self.asked.append(variables)
        part = self.parts.pop(0)
        if isinstance(part, Exception):
            raise part
        return {"createDeviceOperationsFor": part}


FINISHED = {"created": 990, "passedOver": 10, "batch": "night"}


def create_for(api: Api, *, as_json: bool = False, **more: Any) -> None:
    given: dict[str, Any] = {"expected": None, "confirmed": True, **more}
    creating.create_for(api, {"nameContains": "dev"}, {"kind": "READ"}, "night", as_json=as_json, **given)


def test_a_batch_is_continued_with_its_progress_until_it_is_finished(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    parts = [refused("UNAVAILABLE", created=number, passedOver=10) for number in (200, 600)]
    api = SlowApi(*parts, Unreachable("gone"), refused("UNAVAILABLE"), FINISHED)
    create_for(api)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["210 of 1000 endpoints done", "610 of 1000 endpoints done"]
    assert printed.out.startswith("990 created, 10 endpoints passed over: ")
    assert len(slept) == 2, "only failures without progress are followed by a pause"
    assert all(one == api.asked[0] for one in api.asked), "each request is the same"
    assert api.asked[0]["count"] == 1_000


def test_a_batch_without_progress_is_given_up_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    with pytest.raises(CommandError, match="repeat the command to continue"):
        create_for(SlowApi(*(refused("UNAVAILABLE") for _ in range(10))))


def test_a_refused_batch_is_not_repeated() -> None:
    api = SlowApi(refused("CONFLICT", count=7), FINISHED)
    with pytest.raises(Refused):
        create_for(api, expected=5)
    assert [one["count"] for one in api.asked] == [5]


def test_a_batch_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    create_for(SlowApi(refused("UNAVAILABLE", created=1, passedOver=0), FINISHED), as_json=True)
    printed = capsys.readouterr()
    assert (json.loads(printed.out), printed.err) == (FINISHED, "")


def test_a_batch_for_all_endpoints_needs_their_number() -> None:
    with pytest.raises(CommandError, match="--expect"):
        creating.create_for(SlowApi(), {}, {}, "b", expected=None, confirmed=True, as_json=False)


class LimitedApi(Api):
    """A substitute for Reveille that refuses the first requests by a limit."""

    def __init__(self, refusals: int, **facts: Any) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.refusals, self.facts, self.requests = refusals, facts, 0

    def _exchange(self, method: str, path: str, body: Any) -> dict[str, Any]:
        self.requests += 1
        if self.requests > self.refusals:
            return {"data": {"field": 1}}
        facts = {"code": "LIMIT_EXCEEDED", "limit": 2, **self.facts}
        return {"errors": [{"message": "Too many requests.", "extensions": facts}]}


def test_a_request_over_a_limit_per_minute_is_repeated_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert LimitedApi(2, retryAfterSeconds=7).execute("{ field }") == {"field": 1}
    assert slept == [7, 7]
    assert capsys.readouterr().err == "reveille: LIMIT_EXCEEDED: Too many requests. Waiting for 7 s\n" * 2
    api = LimitedApi(100, retryAfterSeconds=7)
    with pytest.raises(Refused, match="LIMIT_EXCEEDED"):
        api.execute("{ field }")
    assert api.requests == MAX_LIMITED + 1
    api = LimitedApi(100)
    with pytest.raises(Refused):
        api.execute("{ field }")
    assert api.requests == 1, "this limit does not end by itself"


def test_a_full_queue_is_one_clear_line() -> None:
    message = "Too many operations are QUEUED for 'd'; at most 10000 are allowed."
    full = Refused({"message": message, "extensions": {"code": "LIMIT_EXCEEDED", "endpoint": "d", "index": 2}})
    with pytest.raises(CommandError) as error:
        creating.create(FakeApi(full), [{"endpoint": "d"}] * 4, as_json=False)
    said = f"member 3 of 4: LIMIT_EXCEEDED: {message.rstrip('.')}; 0 operations before it were created"
    assert str(error.value) == said
