"""Leshan's events: the recorded stream, the older dialects, and hostile names."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from app.domain.enums import ReadingOrigin
from app.domain.events import (
    AttemptEnded,
    Awake,
    Deregistered,
    EndpointEvent,
    Gap,
    ObservationChanged,
    Registered,
    Reported,
    RequestResponse,
    Sample,
    Sleeping,
    Updated,
)
from app.leshan.events import BrokenEvent, MissingField, UnknownEvent, parse_event, registration_of
from tests.unit.leshan.captures import FOLDER, answered


def recorded() -> list[tuple[str, str]]:
    """Return (event name, data as text) of the recorded stream."""
    blocks = (FOLDER / "m18-events.sse").read_text().strip().split("\n\n")
    pairs = (dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks)
    return [(pair["event"], pair["data"]) for pair in pairs]


CLASSES = {
    "REGISTRATION": Registered,
    "UPDATED": Updated,
    "DEREGISTRATION": Deregistered,
    "AWAKE": Awake,
    "SLEEPING": Sleeping,
    "NOTIFICATION": Reported,
    "SEND": Reported,
    "REQUEST_RESPONSE": RequestResponse,
}

READABLE = [(name, json.loads(text)) for name, text in recorded() if '"a"b"' not in text]


@pytest.mark.parametrize(("name", "data"), READABLE, ids=[f"{n}-{name}" for n, (name, _) in enumerate(READABLE)])
def test_every_recorded_event_is_read(name: str, data: dict[str, Any]) -> None:
    event = parse_event(name, data, age=5, ordered=True)
    assert type(event) is CLASSES[name]
    assert isinstance(event, EndpointEvent)
    registered = data.get("registration", data)
    assert event.endpoint == registered.get("endpoint", registered.get("ep"))
    assert (event.age, event.ordered) == (5, True)
    if isinstance(event, Registered | Updated | Deregistered):
        told = event.registration
        assert (told.registration_id, told.lifetime_seconds) == (registered["registrationId"], registered["lifetime"])
        assert (told.registered_at, told.last_update) == (registered["registrationDate"], registered["lastUpdate"])
        assert (told.queue_mode, told.sleeping) == (registered["queuemode"], registered.get("sleeping"))
        assert told.object_links == registered["objectLinks"]
        assert (told.address, told.lwm2m_version) == (registered["address"], "1.1")


def test_a_notification_a_send_and_an_answer() -> None:
    node = {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "1"}
    single = parse_event("NOTIFICATION", {"ep": "a", "kind": "single", "res": "/3/0/9", "val": node})
    assert single == Reported(endpoint="a", nodes={"/3/0/9": node}, wakes=False)
    older = parse_event("NOTIFICATION", {"ep": "a", "res": "/3/0/9", "val": {"id": 9, "value": 1}})
    assert isinstance(older, Reported)
    composite = {"ep": "a", "kind": "composite", "val": {"/3/0/9": node}, "paths": ["/3/0/9"]}
    assert parse_event("NOTIFICATION", composite, notifications_wake=True) == Reported(
        endpoint="a", nodes={"/3/0/9": node}, wakes=True
    )
    sent = parse_event("SEND", {"ep": "a", "val": {"/3/0/9": node}})
    assert sent == Reported(endpoint="a", nodes={"/3/0/9": node}, origin=ReadingOrigin.SEND)
    response = {"status": "CHANGED(204)", "success": True}
    answer = parse_event("REQUEST_RESPONSE", {"ep": "a", "requestId": "r", "response": response, "delayed": True})
    assert answer == RequestResponse(endpoint="a", request_id="r", response=response)


def test_a_composite_notification_without_content_reports_nothing() -> None:
    """The device answered with an error: M18 sends ``val`` as null."""
    assert parse_event("NOTIFICATION", {"ep": "a", "kind": "composite", "val": None}) == Reported(
        endpoint="a", nodes={}
    )


@pytest.mark.parametrize("event", ["SEND", "NOTIFICATION"])
def test_samples_have_the_devices_times(event: str) -> None:
    told = [{"time": 7, "val": {"/3/0/9": 1}}, {"time": "x", "val": {"/3/0/9": 2}}, {"time": 9}, "odd"]
    data = {"ep": "a", "kind": "composite", "val": {"/3/0/9": 2}, "samples": told}
    heard = parse_event(event, data)
    assert isinstance(heard, Reported)
    assert heard.samples == (Sample(7, {"/3/0/9": 1}), Sample(None, {"/3/0/9": 2}))


def test_the_registration_of_m4_has_iso_dates() -> None:
    body = next(one["response"]["body"] for one in answered("m4-rest-differences.json") if one["label"] == "0 client")
    name, registration = registration_of(json.loads(body))
    assert (name, registration.registered_at) == ("m4plain", 1_795_449_080_000)
    assert registration.last_update == registration.registered_at
    assert registration.sleeping is None


def registration(**more: Any) -> dict[str, Any]:
    return {"endpoint": "a", "registrationId": "r", **more}


@pytest.mark.parametrize(
    ("at", "millis"),
    [("30", 30), ('"30000"', 30_000), (30, 30), ("x", None), ("9" * 40, None), (None, None), ("²", None)],
)
def test_the_attribute_at(at: Any, millis: int | None) -> None:
    told = registration_of(registration(additionalRegistrationAttributes={"at": at}))[1]
    assert told.awake_millis == millis


def test_missing_or_implausible_facts_are_none() -> None:
    told = registration_of(
        registration(
            lifetime="soon",
            lastUpdate=10**30,
            registrationDate="yesterday",
            queuemode="true",
            objectLinks={"x": 1},
            address="a\x00b",
            additionalRegistrationAttributes=[],
        )
    )[1]
    assert told == type(told)(registration_id="r")


def test_links_are_stored_with_plain_attributes_only() -> None:
    links = [
        {"url": "/3", "attributes": {"ver": "1.1", "x": {"deep": []}, "n": None, "bad": "\x00"}},
        {"url": "/4"},
        {"url": "/\x00"},
        "x",
    ]
    told = registration_of(registration(objectLinks=links))[1]
    assert told.object_links == [
        {"url": "/3", "attributes": {"ver": "1.1", "n": None}},
        {"url": "/4", "attributes": {}},
    ]


@pytest.mark.parametrize(
    ("reason", "by_device"), [("CLIENT", True), ("EXPIRED", False), ("REPLACED", False), (None, False)]
)
def test_a_deregistration_is_the_devices_if_the_server_reports_so(reason: str | None, by_device: bool) -> None:
    told = parse_event("DEREGISTRATION", registration(reason=reason))
    assert isinstance(told, Deregistered)
    assert told.by_device is by_device


@pytest.mark.parametrize("name", ["", "x" * 256, "a\x00b", "\ud800"])
def test_a_name_that_cannot_be_stored_is_broken(name: str) -> None:
    with pytest.raises(BrokenEvent):
        parse_event("AWAKE", {"ep": name})


@pytest.mark.parametrize("name", ['a"b', "x/3/0/4?a=1#", "..", "x" * 255, "é😀"])
def test_an_unusual_name_is_accepted(name: str) -> None:
    assert parse_event("AWAKE", {"ep": name}) == Awake(endpoint=name)


MISSING = [
    ("REGISTRATION", {}, "data.endpoint"),
    ("REGISTRATION", {"endpoint": 5}, "data.endpoint"),
    ("REGISTRATION", {"endpoint": "a"}, "data.registrationId"),
    ("UPDATED", {"endpoint": "a", "registrationId": "r"}, "data.registration"),
    ("UPDATED", {"registration": {"endpoint": "a"}}, "data.registration.registrationId"),
    ("AWAKE", {}, "data.ep"),
    ("NOTIFICATION", {"ep": "a", "kind": "single", "val": {}}, "data.res"),
    ("NOTIFICATION", {"ep": "a", "kind": "single", "res": "/3"}, "data.val"),
    ("NOTIFICATION", {"ep": "a", "kind": "composite", "val": []}, "data.val"),
    ("SEND", {"ep": "a"}, "data.val"),
    ("REQUEST_RESPONSE", {"ep": "a", "requestId": "r"}, "data.response"),
    ("REQUEST_RESPONSE", {"ep": "a", "response": {}}, "data.requestId"),
]


@pytest.mark.parametrize(("name", "data", "field"), MISSING)
def test_a_missing_field_is_named(name: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(MissingField) as error:
        parse_event(name, data)
    assert error.value.field == field


def test_unknown_and_broken_events() -> None:
    with pytest.raises(UnknownEvent):
        parse_event("COAPLOG", {"ep": "a"})
    with pytest.raises(BrokenEvent):
        parse_event("AWAKE", ["a"])
    deep: Any = {}
    for _ in range(500):
        deep = {"x": deep}
    with pytest.raises(BrokenEvent):
        parse_event("REQUEST_RESPONSE", {"ep": "a", "requestId": "r", "response": deep})
    with pytest.raises(BrokenEvent):
        parse_event("REQUEST_RESPONSE", {"ep": "a", "requestId": "r" * 65, "response": {}})


ID = "0b1e0c1e-0000-4000-8000-000000000000"


def test_facts_that_our_own_server_reports_beside_stock() -> None:
    awake = {"ep": "a", "until": 61_000, "cause": "NOTIFICATION"}
    assert parse_event("AWAKE", awake, time=1_000, boot_id="b") == Awake(endpoint="a", window=60_000_000, boot_id="b")
    assert parse_event("AWAKE", {**awake, "cause": "ANSWER"}, time=1_000) is None
    assert parse_event("AWAKE", awake, time=70_000) == Awake(endpoint="a")
    assert parse_event("GAP", {"dropped": 7}) == Gap()


def test_a_notification_that_the_server_could_not_decode_has_no_effect() -> None:
    """If its name were unknown, the event would be refused, and the server's outbox would set it aside."""
    about = {"ep": "a", "registrationId": "r", "kind": "single", "res": "/3/0/9"}
    told = {**about, "contentFormat": 112, "bytes": 1, "payload": "ff", "error": "x", "reason": "y"}
    assert parse_event("NOTIFICATION_UNREADABLE", told) is None
    assert parse_event("NOTIFICATION_UNREADABLE", {**about, "error": "x"}) is None


@pytest.mark.parametrize(("name", "stands"), [("OBSERVATION_ADDED", True), ("OBSERVATION_ENDED", False)])
def test_observations_as_our_own_server_reports_them(name: str, stands: bool) -> None:
    about = {"ep": "a", "registrationId": "r"}
    single = ObservationChanged(endpoint="a", registration_id="r", paths=("/3",), composite=False, stands=stands)
    assert parse_event(name, {**about, "kind": "single", "res": "/3"}) == single
    composite = replace(single, paths=("/3/0/0", "/4"), composite=True)
    assert parse_event(name, {**about, "kind": "composite", "paths": ["/3/0/0", "/4"]}) == composite
    for odd in ({"res": "/"}, {"res": 3}, {"kind": "composite", "paths": []}, {"res": "/3", "registrationId": None}):
        assert parse_event(name, {**about, **odd}) is None


def test_the_result_of_an_attempt_of_ours() -> None:
    told = {"ep": "a", "path": "/3/0", "requestId": f"{ID}/2", "delayed": False}
    ended = AttemptEnded(endpoint="a", operation_id=ID, attempt=2)
    assert parse_event("REQUEST_RESPONSE", {**told, "response": {"x": 1}}) == replace(ended, response={"x": 1})
    assert parse_event("REQUEST_RESPONSE", {**told, "error": {"code": "X"}}) == replace(ended, error={"code": "X"})
    assert parse_event("REQUEST_RESPONSE", {**told, "response": None}) == ended
    for bad in (None, 7, ["x"]):
        with pytest.raises(MissingField):
            parse_event("REQUEST_RESPONSE", {**told, "requestId": bad, "response": {}})


def test_the_result_of_another_users_call_is_ignored() -> None:
    """Our Leshan server accepts any two segments as an id, from any caller."""
    told = {"ep": "a", "path": "/3/0", "delayed": False, "response": {}}
    for theirs in ("nightly-job/2", f"{ID}/0", f"{ID}", f"{ID}/2/3", "x" * 1_000):
        assert parse_event("REQUEST_RESPONSE", {**told, "requestId": theirs}) is None
