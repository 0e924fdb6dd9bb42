"""The rules of presence, one per test."""

from __future__ import annotations

import pytest

from app.dispatcher.verdict import judge
from app.domain.enums import SECOND, Presence
from app.domain.events import Deregistered, Event, Reported, RequestResponse, Updated
from app.models.ledger.presence import NO_END, apply, go_offline, next_check, open_window
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import Rules
from tests.support.ledger import (
    START,
    awake,
    deregistered,
    old_registered,
    old_unregistered,
    old_updated,
    registered,
    registration,
    sleeping,
    updated,
)

RULES = Rules(judge=judge)
WINDOW = 90 * SECOND


def device() -> EndpointRow:
    return EndpointRow(id=1, server_id=1, name="d")


def after(*events: Event, endpoint: EndpointRow | None = None, now: int = START, rules: Rules = RULES) -> EndpointRow:
    heard = endpoint or device()
    for event in events:
        apply(heard, event, now, rules)
    return heard


def test_a_registration_opens_the_awake_window_less_three_seconds() -> None:
    endpoint = after(registered("d"))
    assert (endpoint.presence, endpoint.awake_until, endpoint.wake_seq) == (Presence.ONLINE, START + WINDOW, 1)


def test_a_newer_update_renews_the_window_and_is_a_wake() -> None:
    endpoint = after(updated("d", 2), endpoint=after(registered("d")), now=START + 60 * SECOND)
    assert (endpoint.awake_until, endpoint.wake_seq) == (START + 60 * SECOND + WINDOW, 2)


def test_the_window_starts_at_the_events_own_time() -> None:
    assert after(registered("d", age=30)).awake_until == START + WINDOW - 30 * SECOND


def test_an_event_ten_minutes_late_opens_no_window() -> None:
    endpoint = after(registered("d", age=600))
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ASLEEP, None)
    assert endpoint.last_seen_at == START - 600 * SECOND


def test_a_late_event_does_not_shorten_an_open_window() -> None:
    endpoint = after(registered("d"))
    after(updated("d", 2, age=600), endpoint=endpoint)
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ONLINE, START + WINDOW)


def test_a_late_event_after_the_end_of_the_window_leaves_none() -> None:
    endpoint = after(registered("d"))
    after(updated("d", 2, age=600), endpoint=endpoint, now=START + 100 * SECOND)
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ASLEEP, None)


def test_a_repeated_update_changes_nothing() -> None:
    endpoint = after(registered("d"), updated("d", 2))
    after(updated("d", 2), endpoint=endpoint, now=START + 10 * SECOND)
    assert (endpoint.awake_until, endpoint.wake_seq) == (START + WINDOW, 2)
    assert endpoint.last_seen_at == START


def test_a_sleeping_before_the_last_update_is_ignored() -> None:
    """Even if a webhook's sender posts in order, its posts may overtake each other."""
    endpoint = after(registered("d"), updated("d", 2, age=1))
    assert after(sleeping("d", age=5), endpoint=endpoint).presence is Presence.ONLINE
    assert after(sleeping("d"), endpoint=endpoint).presence is Presence.ASLEEP


def test_a_new_address_distinguishes_two_updates_of_one_second() -> None:
    """Leshan up to M4 reports only whole seconds."""
    endpoint = after(registered("d", address="10.0.0.1:5683"), updated("d", 2000, address="10.0.0.1:5683"))
    after(updated("d", 2000, address="10.0.0.1:5683"), endpoint=endpoint)
    assert endpoint.wake_seq == 2
    after(updated("d", 2000, address="10.0.0.1:6000"), endpoint=endpoint)
    assert endpoint.wake_seq == 3


def test_awake_after_the_lifetime_has_no_effect() -> None:
    endpoint = after(registered("d", lifetime_seconds=60))
    go_offline(endpoint)
    after(awake("d"), endpoint=endpoint, now=START + 61 * SECOND)
    assert (endpoint.presence, endpoint.awake_until) == (Presence.OFFLINE, None)


def test_an_update_older_than_the_known_one_changes_nothing() -> None:
    endpoint = after(registered("d"), updated("d", 9))
    after(updated("d", 5), endpoint=endpoint, now=START + 10 * SECOND)
    assert (endpoint.awake_until, endpoint.wake_seq) == (START + WINDOW, 2)


def test_a_repeated_registration_changes_nothing() -> None:
    endpoint = after(registered("d"))
    after(registered("d"), endpoint=endpoint, now=START + 10 * SECOND)
    assert (endpoint.awake_until, endpoint.wake_seq) == (START + WINDOW, 1)


def test_an_update_received_before_its_registration_counts_once() -> None:
    endpoint = after(updated("d", 1, id_="r2"), registered("d", "r2", 1))
    assert (endpoint.registration_id, endpoint.wake_seq) == ("r2", 1)


@pytest.mark.parametrize("wakes", [True, False])
def test_a_notification_wakes_only_if_the_server_reports_so(wakes: bool) -> None:
    endpoint = after(registered("d"), sleeping("d"))
    after(Reported(endpoint="d", nodes={}, wakes=wakes), endpoint=endpoint, now=START + SECOND)
    assert endpoint.presence is (Presence.ONLINE if wakes else Presence.ASLEEP)
    assert endpoint.wake_seq == 1
    assert endpoint.last_seen_at == START + SECOND


def test_awake_opens_the_window_and_is_no_wake() -> None:
    endpoint = after(registered("d"), sleeping("d"), awake("d"))
    assert (endpoint.presence, endpoint.awake_until, endpoint.wake_seq) == (Presence.ONLINE, START + WINDOW, 1)


def test_awake_of_an_unregistered_device_opens_no_window() -> None:
    assert after(awake("d")).presence is Presence.OFFLINE


def test_sleeping_is_applied_only_from_an_ordered_source() -> None:
    assert after(registered("d"), sleeping("d", ordered=False)).presence is Presence.ONLINE
    endpoint = after(registered("d"), sleeping("d", ordered=True))
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ASLEEP, None)


def test_a_device_without_queue_mode_never_sleeps() -> None:
    assert after(registered("d", queue_mode=False), sleeping("d")).presence is Presence.ONLINE


def test_an_ordered_update_after_sleeping_opens_the_window_even_if_known() -> None:
    """The webhook was faster than the stream: the stream's UPDATED has nothing new, but comes after its SLEEPING."""
    endpoint = after(registered("d"), updated("d", 2), sleeping("d"), updated("d", 2, ordered=True))
    assert (endpoint.presence, endpoint.wake_seq) == (Presence.ONLINE, 2)


@pytest.mark.parametrize("lifetime", [3600, None])
def test_an_update_that_switches_queue_mode_on_ends_the_old_window(lifetime: int | None) -> None:
    endpoint = after(registered("d", queue_mode=False, lifetime_seconds=lifetime))
    after(updated("d", 2, lifetime_seconds=lifetime), endpoint=endpoint, now=START + SECOND)
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ONLINE, START + SECOND + WINDOW)


def test_a_late_update_that_switches_queue_mode_on_leaves_no_window() -> None:
    endpoint = after(registered("d", queue_mode=False))
    after(updated("d", 2, age=100), endpoint=endpoint, now=START + 200 * SECOND)
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ASLEEP, None)


def test_an_update_that_switches_queue_mode_off_opens_until_lifetime_end() -> None:
    endpoint = after(registered("d"), updated("d", 2, queue_mode=False))
    assert (endpoint.presence, endpoint.awake_until) == (Presence.ONLINE, START + 3600 * SECOND)


def _listed(last_update: int, age: float, asleep: bool = False) -> Updated:
    told = registration("r1", last_update)
    return Updated(endpoint="d", age=int(age * SECOND), registration=told, asleep=asleep)


LATER = START + 60 * SECOND


@pytest.mark.parametrize(
    ("event", "seen_at"),
    [
        (updated("d", 2), LATER),
        (updated("d", 2, age=20), LATER - 20 * SECOND),
        (registered("d", "r2"), LATER),
        (awake("d"), LATER),
        (awake("d", age=20), LATER - 20 * SECOND),
        (Reported(endpoint="d", nodes={}, age=20 * SECOND), LATER - 20 * SECOND),
        (RequestResponse(endpoint="d", request_id="q", response={}), LATER),
        (Deregistered(endpoint="d", registration=registration(), by_device=True), LATER),
        (_listed(2, age=30), LATER - 30 * SECOND),
        (_listed(2, age=30, asleep=True), LATER - 30 * SECOND),
        (Reported(endpoint="d", nodes={}, age=600 * SECOND), START),  # late: before the last known contact
    ],
    ids=repr,
)
def test_last_seen_moves_to_the_time_of_the_devices_message(event: Event, seen_at: int) -> None:
    assert after(event, endpoint=after(registered("d")), now=LATER).last_seen_at == seen_at


@pytest.mark.parametrize(
    "event",
    [
        sleeping("d"),
        sleeping("d", ordered=False),
        deregistered("d"),
        deregistered("d", "r0"),
        old_unregistered("d", 1),
        updated("d", 1),
        updated("d", 9, id_="r0", age=6, registered_at=0),
        registered("d"),
        _listed(1, age=0),
        _listed(1, age=0, asleep=True),
    ],
    ids=repr,
)
def test_last_seen_is_not_moved_without_a_new_message_of_the_device(event: Event) -> None:
    assert after(event, endpoint=after(registered("d")), now=LATER).last_seen_at == START


def test_a_device_that_is_listed_as_sleeping_opens_no_window() -> None:
    endpoint = after(_listed(1, age=30, asleep=True))
    assert (endpoint.presence, endpoint.awake_until, endpoint.wake_seq) == (Presence.ASLEEP, None, 1)
    assert endpoint.last_update_at == START - 30 * SECOND


def test_a_registration_with_an_unknown_id_replaces_all() -> None:
    endpoint = after(registered("d", "r1", last_update=99), registered("d", "r2", last_update=5))
    assert (endpoint.registration_id, endpoint.leshan_last_update, endpoint.wake_seq) == ("r2", 5, 2)


def test_events_of_an_older_registration_have_no_effect() -> None:
    endpoint = after(registered("d", "r1"), registered("d", "r2"))
    after(updated("d", 999, id_="r1"), registered("d", "r1"), deregistered("d", "r1"), endpoint=endpoint)
    assert (endpoint.registration_id, endpoint.wake_seq, endpoint.presence) == ("r2", 2, Presence.ONLINE)


def test_deregistration_of_another_id_changes_nothing() -> None:
    assert after(registered("d", "r1"), deregistered("d", "r0")).presence is Presence.ONLINE


def test_deregistration_of_the_current_id_is_published_after_two_seconds() -> None:
    endpoint = after(registered("d"), deregistered("d"))
    assert (endpoint.presence, endpoint.awake_until, endpoint.announce_at) == (
        Presence.OFFLINE,
        None,
        START + 2 * SECOND,
    )


def test_events_of_an_ended_registration_do_not_restore_it() -> None:
    endpoint = after(registered("d"), deregistered("d"), updated("d", 9), registered("d"))
    assert endpoint.presence is Presence.OFFLINE


def test_by_the_older_webhook_a_late_old_registration_changes_nothing() -> None:
    endpoint = after(old_registered("d", 20), old_registered("d", 10), old_unregistered("d", 10))
    assert (endpoint.presence, endpoint.leshan_registered_at, endpoint.wake_seq) == (Presence.ONLINE, 20, 1)


def test_by_the_older_webhook_an_update_reveals_a_missed_registration() -> None:
    endpoint = after(old_registered("d", 10), old_updated("d", 20), old_unregistered("d", 10))
    assert (endpoint.presence, endpoint.leshan_registered_at, endpoint.wake_seq) == (Presence.ONLINE, 20, 2)


def test_without_queue_mode_a_device_is_sendable_until_its_lifetime_ends() -> None:
    assert after(registered("d", queue_mode=False, lifetime_seconds=300)).awake_until == START + 300 * SECOND
    assert after(registered("d", queue_mode=False, lifetime_seconds=None)).awake_until == NO_END


@pytest.mark.parametrize("queue_mode", [True, False])
def test_a_lifetime_beyond_the_range_of_times_is_unlimited(queue_mode: bool) -> None:
    """Leshan accepts any 64-bit lifetime from a device; in microseconds it would fit into no column."""
    endpoint = after(registered("d", queue_mode=queue_mode, lifetime_seconds=2**53))
    assert endpoint.lifetime_ends_at == NO_END


def test_an_awake_time_beyond_the_range_of_times_is_unlimited() -> None:
    endpoint = after(registered("d", awake_millis=2**62), rules=Rules(judge=judge, honours_at=True))
    assert endpoint.awake_until == NO_END


def test_an_update_after_the_lifetime_restores_the_registration() -> None:
    endpoint = after(registered("d", lifetime_seconds=60))
    go_offline(endpoint)
    after(updated("d", 2, lifetime_seconds=60), endpoint=endpoint, now=START + 100 * SECOND)
    assert endpoint.presence is Presence.ONLINE
    assert endpoint.lifetime_ends_at == START + 160 * SECOND


def test_the_endpoints_own_awake_window_takes_precedence() -> None:
    endpoint = device()
    endpoint.awake_window_seconds = 20
    after(registered("d", awake_millis=50_000), endpoint=endpoint, rules=Rules(judge=judge, honours_at=True))
    assert endpoint.awake_until == START + 17 * SECOND


@pytest.mark.parametrize(("honours_at", "window"), [(True, 47), (False, 90)])
def test_the_attribute_at_counts_only_if_the_server_honors_it(honours_at: bool, window: int) -> None:
    endpoint = after(registered("d", awake_millis=50_000), rules=Rules(judge=judge, honours_at=honours_at))
    assert endpoint.awake_until == START + window * SECOND


def test_a_response_of_the_device_renews_the_window() -> None:
    endpoint = after(registered("d"))
    open_window(endpoint, START + 80 * SECOND, START + 80 * SECOND, RULES)
    assert endpoint.awake_until == START + 80 * SECOND + WINDOW


class TestTurnEnder:
    """A device that received a command to reboot."""

    @staticmethod
    def going_down() -> EndpointRow:
        endpoint = after(registered("d"))
        endpoint.down_since = START + 10 * SECOND
        return endpoint

    def test_the_pause_ends_at_its_next_registration(self) -> None:
        endpoint = after(registered("d", "r2"), endpoint=self.going_down(), now=START + 11 * SECOND)
        assert endpoint.down_since is None

    def test_the_pause_does_not_end_by_a_late_older_registration(self) -> None:
        endpoint = after(registered("d", "r2", age=5), endpoint=self.going_down(), now=START + 12 * SECOND)
        assert endpoint.down_since is not None
        assert endpoint.registration_id == "r2"

    @pytest.mark.parametrize(("pause", "back"), [(59, False), (60, True)])
    def test_the_pause_ends_by_an_update_sixty_seconds_later(self, pause: int, back: bool) -> None:
        endpoint = after(updated("d", 2), endpoint=self.going_down(), now=START + (10 + pause) * SECOND)
        assert (endpoint.down_since is None) is back


class TestOlderWebhook:
    """The older webhook, which reports no ids and no last updates."""

    def test_queue_mode_is_assumed_without_an_end_by_time(self) -> None:
        endpoint = after(old_registered("d", 100))
        assert endpoint.sleeps
        assert (endpoint.presence, endpoint.lifetime_ends_at) == (Presence.ONLINE, None)
        assert (endpoint.registration_id, endpoint.lifetime_seconds, endpoint.address) == (None, None, None)

    def test_every_update_counts_as_newer(self) -> None:
        endpoint = after(old_registered("d", 100), old_updated("d", 100), old_updated("d", 100))
        assert endpoint.wake_seq == 3

    def test_an_update_of_an_unknown_endpoint_registers_it(self) -> None:
        assert after(old_updated("d", 100)).presence is Presence.ONLINE

    def test_its_unregister_event_is_offline(self) -> None:
        assert after(old_registered("d", 100), old_unregistered("d", 100)).presence is Presence.OFFLINE

    def test_an_unregister_older_than_the_known_registration_is_ignored(self) -> None:
        endpoint = after(old_registered("d", 100), old_registered("d", 200), old_unregistered("d", 100))
        assert endpoint.presence is Presence.ONLINE

    def test_beside_a_source_with_ids_no_event_counts_twice(self) -> None:
        endpoint = after(registered("d", "r1", registered_at=100), old_registered("d", 100), old_updated("d", 100))
        assert (endpoint.registration_id, endpoint.wake_seq) == ("r1", 1)

    def test_a_source_with_ids_gives_the_registration_its_id(self) -> None:
        endpoint = after(old_registered("d", 100), registered("d", "r1", last_update=100, registered_at=100))
        after(old_updated("d", 100), endpoint=endpoint)
        assert (endpoint.registration_id, endpoint.wake_seq) == ("r1", 2)


def test_texts_longer_than_their_columns_are_truncated() -> None:
    """PostgreSQL would refuse the row, and with it the whole list of events in which it arrived."""
    endpoint = after(registered("d", lwm2m_version="1" * 40, binding_mode="U" * 40, address="a" * 400))
    assert (len(endpoint.lwm2m_version or ""), len(endpoint.binding_mode or ""), len(endpoint.address or "")) == (
        16,
        16,
        255,
    )


# --- when to check


def test_the_check_is_due_at_the_first_end() -> None:
    assert next_check(after(registered("d", lifetime_seconds=300)), START) == START + WINDOW
    assert next_check(after(registered("d", lifetime_seconds=60)), START) == START + 60 * SECOND
    assert next_check(device(), START) is None


def test_a_later_end_leaves_the_check_until_it_has_come() -> None:
    endpoint = after(registered("d"))
    endpoint.presence_check_at = check_at = next_check(endpoint, START)
    assert check_at is not None
    after(updated("d", 2), endpoint=endpoint, now=START + 60 * SECOND)
    assert next_check(endpoint, check_at - 1) == check_at
    assert next_check(endpoint, check_at) == endpoint.awake_until == check_at + 60 * SECOND


def test_an_earlier_end_replaces_the_check() -> None:
    endpoint = after(registered("d", queue_mode=False, lifetime_seconds=1_000))
    endpoint.presence_check_at = next_check(endpoint, START)
    after(updated("d", 2, queue_mode=False, lifetime_seconds=60), endpoint=endpoint)
    assert next_check(endpoint, START) == START + 60 * SECOND
