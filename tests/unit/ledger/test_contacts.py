"""The contacts of a device: first and last, the usual interval between them, and whether the next one is overdue."""

from __future__ import annotations

from dataclasses import fields

import pytest

from app.domain.enums import HOUR, SECOND
from app.domain.events import Deregistered, Event, Reported, RequestResponse
from app.models.contacts import MAX_INTERVALS, last_contact, usual_interval, with_contact
from app.models.fields import load_json
from app.models.ledger.presence import (
    after_contact,
    apply,
    check_contact,
    fall_asleep,
    go_offline,
    overdue_from,
    seen,
)
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import Rules
from tests.support.ledger import START, awake, deregistered, registered, registration, sleeping, updated
from tests.unit.ledger.test_presence import RULES, after


def contacts(*seconds: float) -> str | None:
    found: str | None = None
    for second in seconds:
        found = with_contact(found, int(second * SECOND), SECOND)
    return found


def reported(age: float = 0) -> Event:
    return Reported(endpoint="d", age=int(age * SECOND), nodes={})


def visited(*seconds: float, lifetime: int | None = 10**6, rules: Rules = RULES) -> EndpointRow:
    """Return a device that registered, and updated its registration so many seconds after START."""
    endpoint = after(registered("d", lifetime_seconds=lifetime), rules=rules)
    for number, second in enumerate(seconds, start=2):
        at = START + int(second * SECOND)
        after(updated("d", number, lifetime_seconds=lifetime), endpoint=endpoint, now=at, rules=rules)
    return endpoint


# --- the last contact until a time


@pytest.mark.parametrize(
    ("until", "contact"), [(0.999, None), (1, 1), (60, 1), (61, 61), (99.999, 61), (100, 100), (1_000, 100)]
)
def test_the_last_contact_until_a_time(until: float, contact: int | None) -> None:
    found = last_contact(contacts(1, 61, 100), int(until * SECOND))
    assert found == (None if contact is None else contact * SECOND)


def test_a_device_without_contacts_has_no_last_one() -> None:
    assert last_contact(None, SECOND) is None


# --- the usual interval


@pytest.mark.parametrize(
    ("at", "interval"),
    [
        ((), None),
        ((1,), None),
        ((1, 61), None),
        ((1, 61, 121), 60),
        ((0, 60, 120, 9_000), 60),
        ((0, 10, 30), 15),
    ],
)
def test_the_usual_interval_is_the_median_from_the_third_contact_on(
    at: tuple[float, ...], interval: int | None
) -> None:
    assert usual_interval(contacts(*at)) == (None if interval is None else interval * SECOND)


def test_the_newest_intervals_are_stored_and_no_more() -> None:
    found = contacts(*range(0, 50 * 100, 100), *range(5_000, 5_000 + 20 * 15, 20))
    assert len(load_json(found)) == 1 + MAX_INTERVALS
    assert usual_interval(found) == 20 * SECOND


def test_a_contact_older_than_the_newest_one_is_ignored() -> None:
    known = contacts(0, 60, 120)
    assert with_contact(known, 90 * SECOND, SECOND) == known


def test_every_new_registration_and_update_is_a_contact() -> None:
    assert usual_interval(visited(60, 120).contacts) == 60 * SECOND
    endpoint = after(registered("d"))
    for number in (2, 3):  # a device that registers again at every wake
        after(registered("d", f"r{number}", number), endpoint=endpoint, now=START + number * HOUR)
    assert usual_interval(endpoint.contacts) == 1.5 * HOUR


def test_a_repeated_update_is_no_contact() -> None:
    endpoint = visited(60)
    known = endpoint.contacts
    after(updated("d", 2), endpoint=endpoint, now=START + 500 * SECOND)
    assert endpoint.contacts == known


def test_messages_within_the_window_belong_to_its_contact() -> None:
    endpoint = visited()
    for hour in range(4):
        for second in (0, 1, 20, 80):
            after(reported(), awake("d"), endpoint=endpoint, now=START + hour * HOUR + second * SECOND)
    assert usual_interval(endpoint.contacts) == HOUR


def test_an_answer_to_a_call_is_no_contact_of_the_devices_own() -> None:
    endpoint = visited()
    known = endpoint.contacts
    answer = RequestResponse(endpoint="d", request_id="1", response={})
    for minute in range(1, 9):
        after(answer, endpoint=endpoint, now=START + minute * 600 * SECOND)
        seen(endpoint, START + minute * 600 * SECOND)
    assert endpoint.contacts == known


# --- first and last


def test_the_first_contact_is_recorded_once() -> None:
    endpoint = visited(60)
    assert endpoint.first_seen_at == START
    after(deregistered("d"), registered("d", "r2", 9), endpoint=endpoint, now=START + HOUR)
    assert endpoint.first_seen_at == START


def test_the_hour_of_the_last_message_is_recorded_with_it() -> None:
    endpoint = visited()
    for minutes in (1, 59, 61, 180):
        after(reported(), endpoint=endpoint, now=START + minutes * 60 * SECOND)
        assert endpoint.last_seen_at is not None
        assert endpoint.seen_hour == endpoint.last_seen_at // HOUR


def expired(endpoint: EndpointRow, now: int) -> None:
    event = Deregistered(endpoint="d", registration=registration("r1"), by_device=False)
    apply(endpoint, event, now, RULES)


CONCLUSIONS = {
    "a SLEEPING": lambda endpoint, now: after(sleeping("d"), endpoint=endpoint, now=now),
    "the end of a window": lambda endpoint, _: fall_asleep(endpoint),
    "the end of a lifetime": lambda endpoint, _: go_offline(endpoint),
    "an expired registration": expired,
    "a late check of its contacts": check_contact,
}
SEEN = ("last_seen_at", "seen_hour", "first_seen_at", "contacts")


@pytest.mark.parametrize("conclude", CONCLUSIONS.values(), ids=CONCLUSIONS)
def test_a_conclusion_is_no_message_of_the_device(conclude: object) -> None:
    endpoint = visited(60, 120, lifetime=3_600)
    known = [getattr(endpoint, name) for name in SEEN]
    conclude(endpoint, START + 2 * HOUR)  # type: ignore[operator]
    assert [getattr(endpoint, name) for name in SEEN] == known
    assert {*SEEN} <= {field.name for field in fields(EndpointRow)}


# --- overdue


def test_a_device_is_overdue_after_two_usual_intervals() -> None:
    endpoint = visited(60, 120)
    due = START + (120 + 2 * 60) * SECOND
    assert overdue_from(endpoint) == due
    check_contact(endpoint, due - 1)
    assert (endpoint.overdue, endpoint.overdue_check_at) == (False, due)
    check_contact(endpoint, due)
    assert (endpoint.overdue, endpoint.overdue_check_at) == (True, None)


def test_a_device_is_overdue_at_the_end_of_its_lifetime() -> None:
    endpoint = visited(lifetime=300)
    assert overdue_from(endpoint) == endpoint.overdue_check_at == START + 300 * SECOND
    assert overdue_from(visited(lifetime=None)) is None


def test_a_message_ends_being_overdue() -> None:
    endpoint = visited(60, 120)
    check_contact(endpoint, START + HOUR)
    assert endpoint.overdue
    after(reported(), endpoint=endpoint, now=START + HOUR)
    assert (endpoint.overdue, endpoint.overdue_check_at) == (False, overdue_from(endpoint))


def test_an_answer_also_ends_being_overdue() -> None:
    endpoint = visited(60, 120)
    check_contact(endpoint, START + HOUR)
    known = endpoint.contacts, endpoint.lifetime_ends_at, endpoint.last_seen_at
    seen(endpoint, START + HOUR)
    after_contact(endpoint, *known)
    assert (endpoint.overdue, endpoint.overdue_check_at) == (False, START + HOUR + 120 * SECOND)


def test_a_later_due_time_is_found_by_the_check_of_the_earlier_one() -> None:
    endpoint = visited(60, 120)
    earlier = endpoint.overdue_check_at
    after(reported(), endpoint=endpoint, now=START + 200 * SECOND)
    assert endpoint.overdue_check_at == earlier, "no index changes with a message"
    assert earlier is not None
    check_contact(endpoint, earlier)
    assert (endpoint.overdue, endpoint.overdue_check_at) == (False, START + (200 + 120) * SECOND)


def test_an_earlier_due_time_replaces_the_later_one() -> None:
    endpoint = visited(60, lifetime=10**6)
    assert endpoint.overdue_check_at == START + 10**6 * SECOND
    after(updated("d", 9, lifetime_seconds=100), endpoint=endpoint, now=START + 70 * SECOND)
    assert endpoint.overdue_check_at == overdue_from(endpoint) == START + 140 * SECOND


def test_an_expired_device_remains_overdue_without_its_registration() -> None:
    endpoint = visited(lifetime=300)
    expired(endpoint, START + 301 * SECOND)
    assert endpoint.overdue
    assert endpoint.lifetime_ends_at is None


def test_a_device_that_deregisters_is_not_overdue_for_its_lifetime() -> None:
    endpoint = visited(lifetime=300)
    event = Deregistered(endpoint="d", registration=registration("r1"), by_device=True)
    apply(endpoint, event, START + 100 * SECOND, RULES)
    check_contact(endpoint, START + HOUR)
    assert not endpoint.overdue
