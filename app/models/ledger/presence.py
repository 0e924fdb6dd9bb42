"""Apply events to an endpoint's presence. Pure: the row, the event and the time decide (``docs/presence.md``).

What may end observations makes the observation rules of the endpoint due (``rules_seq`` 0).

Two facts are separate. *Seen* (``last_seen_at``) moves only to the time of a message that the device itself sent.
*Sendable* (``awake_until``) moves with registrations, updates, AWAKE and responses of the device; only registrations
and updates that are new increment ``wake_seq``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.domain.enums import HOUR, SECOND, Instant, Presence
from app.domain.events import (
    Awake,
    Deregistered,
    Event,
    ObservationChanged,
    Registered,
    Registration,
    Reported,
    RequestResponse,
    Sleeping,
    Updated,
)
from app.domain.object_models import with_known_formats
from app.models.contacts import usual_interval, with_contact
from app.models.fields import dump_json, load_json
from app.models.ledger.rows import EndpointRow
from app.models.ledger.rules import DEREGISTRATION_DELAY, TURN_ENDER_PAUSE, Rules, window_margin
from app.models.observations import observation_of, with_observation, without_observation

NO_END: Final[Instant] = 2**62
"""The window of a device that does not sleep and reported no lifetime; no reported lifetime lasts longer."""

LATE: Final[Instant] = 5 * SECOND
"""An event that is older than this was buffered: by an outbox, or while a stream was down."""

MISSED_CONTACTS: Final = 2
"""Number of usual contact intervals without a message after which an endpoint is overdue."""

_REMEMBERED: Final = 8
"""The number of ended registrations whose late events are still recognized."""

_SIGNS_OF_LIFE: Final = (Awake, Reported, RequestResponse)
"""Events that report a message from the device, beside its registrations and updates if they are new."""
_CONTACTS: Final = (Awake, Reported)
"""Those of them that report a message that the device sent by itself."""

_KNOWN: Final = ("registration_id", "leshan_registered_at", "leshan_last_update", "registered_at", "last_update_at")


def apply(endpoint: EndpointRow, event: Event, now: Instant, rules: Rules) -> None:
    """Apply an event to the endpoint's presence."""
    at = now - event.age
    known = endpoint.contacts, endpoint.lifetime_ends_at, endpoint.last_seen_at
    if isinstance(event, _SIGNS_OF_LIFE):
        seen(endpoint, at)
    if isinstance(event, _CONTACTS):
        endpoint.contacts = with_contact(endpoint.contacts, at, window_of(endpoint, rules))
    _change(endpoint, event, at, now, rules)
    after_contact(endpoint, *known)


def _change(endpoint: EndpointRow, event: Event, at: Instant, now: Instant, rules: Rules) -> None:
    match event:
        case Registered():
            _registered(endpoint, event.registration, at, now, rules)
        case Updated():
            _updated(endpoint, event, at, now, rules)
        case Deregistered():
            _deregistered(endpoint, event, at, now)
        case Awake():
            _learn_window(endpoint, event.window, at, now, rules)
            open_window(endpoint, at, now, rules)
        case Sleeping() if event.ordered and at >= (endpoint.last_update_at or 0):
            later = _window_end(endpoint, at, rules) >= (endpoint.awake_until or 0)  # than the opening event
            if endpoint.sleeps and endpoint.registered and later:
                fall_asleep(endpoint)
        case Reported() if event.wakes or rules.notifications_wake:
            open_window(endpoint, at, now, rules)
        case ObservationChanged() if event.registration_id == endpoint.registration_id:
            observe(endpoint, event.paths, composite=event.composite, stands=event.stands)
            endpoint.rules_seq = endpoint.rules_seq if event.stands else 0
        case _:
            pass


def seen(endpoint: EndpointRow, at: Instant) -> None:
    """Record that the device sent a message at ``at``. Not for Leshan's own conclusions: SLEEPING, an expiry."""
    endpoint.last_seen_at = max(endpoint.last_seen_at or 0, at)
    endpoint.seen_hour = endpoint.last_seen_at // HOUR
    endpoint.first_seen_at = at if endpoint.first_seen_at is None else min(endpoint.first_seen_at, at)


def after_contact(
    endpoint: EndpointRow, contacts: str | None, lifetime_ends_at: Instant | None, last_seen_at: Instant | None
) -> None:
    """Record after a message that the device is not overdue, and when to check that again; the arguments are the
    columns as they were before. A check that is due earlier remains: it finds the later time, so that not every message
    changes an index."""
    if endpoint.last_seen_at == last_seen_at:
        return
    if not endpoint.overdue and (endpoint.contacts, endpoint.lifetime_ends_at) == (contacts, lifetime_ends_at):
        return  # it can only be due later than before
    due, check_at = overdue_from(endpoint), endpoint.overdue_check_at
    endpoint.overdue = False
    if due is None or check_at is None or due < check_at:
        endpoint.overdue_check_at = due


def check_contact(endpoint: EndpointRow, now: Instant) -> None:
    """Apply the time to whether the endpoint is overdue."""
    due = overdue_from(endpoint)
    endpoint.overdue = due is not None and due <= now
    endpoint.overdue_check_at = None if endpoint.overdue else due


def next_check(endpoint: EndpointRow, now: Instant) -> Instant | None:
    """Return the endpoint's next ``presence_check_at``: when its window or its lifetime ends, or before. An end that
    moves to a later time leaves it as it is until it has come, so that not every message changes an index."""
    if endpoint.presence is Presence.OFFLINE:
        return None
    end = min(endpoint.awake_until or NO_END, endpoint.lifetime_ends_at or NO_END)
    check_at = endpoint.presence_check_at
    return end if check_at is None or check_at <= now or end < check_at else check_at


def overdue_from(endpoint: EndpointRow) -> Instant | None:
    """Return when the endpoint is overdue if it sends nothing more: after :data:`MISSED_CONTACTS` usual intervals, or
    at the end of its registration's lifetime. None if neither is known."""
    usual, expired = usual_interval(endpoint.contacts), endpoint.lifetime_ends_at
    if usual is None:
        return expired
    silent = (endpoint.last_seen_at or 0) + MISSED_CONTACTS * usual
    return silent if expired is None else min(silent, expired)


def observe(endpoint: EndpointRow, paths: Iterable[str], *, composite: bool, stands: bool) -> None:
    """Record that an observation of the current registration exists, or has ended."""
    change = with_observation if stands else without_observation
    endpoint.observations = change(endpoint.observations, observation_of(paths, composite=composite))


def open_window(endpoint: EndpointRow, at: Instant, now: Instant, rules: Rules) -> None:
    """Record a contact at ``at``: the device can be called until its window, counted from then, ends."""
    if endpoint.registered_at is None or (endpoint.lifetime_ends_at or NO_END) <= now:
        return
    until = _window_end(endpoint, at, rules)
    if until > now:
        if endpoint.awake_until is not None and endpoint.sleeps:
            until = max(until, endpoint.awake_until)
        endpoint.presence, endpoint.awake_until = Presence.ONLINE, until
    elif (endpoint.awake_until or 0) <= now:
        endpoint.presence, endpoint.awake_until = Presence.ASLEEP, None


def _window_end(endpoint: EndpointRow, at: Instant, rules: Rules) -> Instant:
    if endpoint.sleeps:
        window = window_of(endpoint, rules)
        return min(at + window - window_margin(window), NO_END)
    return NO_END if endpoint.lifetime_ends_at is None else endpoint.lifetime_ends_at


def window_of(endpoint: EndpointRow, rules: Rules) -> Instant:
    """Return the awake window: the endpoint's own setting, its attribute ``at`` if that is honored, or the default."""
    if endpoint.awake_window_seconds is not None:
        return endpoint.awake_window_seconds * SECOND
    if rules.honours_at and endpoint.awake_millis is not None:
        return endpoint.awake_millis * 1000
    return rules.awake_window


def _learn_window(endpoint: EndpointRow, reported: Instant | None, at: Instant, now: Instant, rules: Rules) -> None:
    """Store the time for which Leshan considers the device awake: it replaces the assumed window."""
    if reported is None or not rules.honours_at or not endpoint.registered or now - at > LATE:
        return
    known = endpoint.awake_window_seconds is not None or abs(reported - window_of(endpoint, rules)) <= SECOND
    if endpoint.sleeps and not known:
        endpoint.awake_millis, endpoint.awake_until = reported // 1000, None


def fall_asleep(endpoint: EndpointRow) -> None:
    """Apply Leshan's report that the device sleeps: its window is over, even before its time."""
    endpoint.presence, endpoint.awake_until = Presence.ASLEEP, None


def go_offline(endpoint: EndpointRow) -> None:
    endpoint.presence, endpoint.awake_until = Presence.OFFLINE, None


def _registered(endpoint: EndpointRow, new: Registration, at: Instant, now: Instant, rules: Rules) -> None:
    if not is_registered_under(endpoint, new):
        if not _is_past(endpoint, new) and not _came_late(endpoint, new, at, now):
            _begin(endpoint, new, at, now, rules)
    elif new.last_update is not None:
        _refresh(endpoint, new, at, now, rules, ordered=False)


def _begin(endpoint: EndpointRow, new: Registration, at: Instant, now: Instant, rules: Rules) -> None:
    forget_registration(endpoint)
    endpoint.registration_id = new.registration_id
    endpoint.leshan_registered_at = new.registered_at
    endpoint.registered_at = at
    if endpoint.down_since is not None and at >= endpoint.down_since:
        endpoint.down_since = None
    endpoint.awake_until = None
    _wake(endpoint, new, at, now, rules)


def _updated(endpoint: EndpointRow, event: Updated, at: Instant, now: Instant, rules: Rules) -> None:
    reported, before = event.registration, endpoint.wake_seq
    if reported.registration_id is None and endpoint.registered:
        # the older webhook form: every update is new, but not beside a source with registration ids
        if endpoint.registration_id is None:
            # an update of a later registration, whose own event was lost or is late, also reports that one
            known = is_registered_under(endpoint, reported) or _is_past(endpoint, reported)
            (_wake if known else _begin)(endpoint, reported, at, now, rules)
    elif is_registered_under(endpoint, reported):
        _refresh(endpoint, reported, at, now, rules, ordered=event.ordered)
    elif not _is_past(endpoint, reported) and not _came_late(endpoint, reported, at, now):
        _begin(endpoint, reported, at, now, rules)
    if event.asleep and endpoint.wake_seq > before and endpoint.sleeps:
        fall_asleep(endpoint)


def _refresh(
    endpoint: EndpointRow, known: Registration, at: Instant, now: Instant, rules: Rules, *, ordered: bool
) -> None:
    if not _is_news(endpoint, known):
        # an ordered source sent it after an applied SLEEPING, so it is the later fact
        if ordered and endpoint.presence is Presence.ASLEEP and endpoint.awake_until is None:
            seen(endpoint, at)
            open_window(endpoint, at, now, rules)
        return
    _wake(endpoint, known, at, now, rules)


def _wake(endpoint: EndpointRow, reported: Registration, at: Instant, now: Instant, rules: Rules) -> None:
    seen(endpoint, at)
    if reported.address is not None and endpoint.address is not None and reported.address[:255] != endpoint.address:
        endpoint.observations = None  # Leshan retains them, but the device's notifications no longer reach it
        endpoint.rules_seq = 0
    slept = endpoint.sleeps
    _learn(endpoint, reported, at)
    if endpoint.sleeps is not slept:
        endpoint.awake_until = None  # it ended another kind of window: a lifetime, or an awake time
    if endpoint.down_since is not None and at >= endpoint.down_since + TURN_ENDER_PAUSE:
        endpoint.down_since = None
    endpoint.wake_seq += 1
    endpoint.contacts = with_contact(endpoint.contacts, at, SECOND)
    endpoint.retries, endpoint.retry_at = 0, None
    if endpoint.lifetime_seconds is not None:
        endpoint.lifetime_ends_at = min(at + endpoint.lifetime_seconds * SECOND, NO_END)
    open_window(endpoint, at, now, rules)


def _learn(endpoint: EndpointRow, reported: Registration, at: Instant) -> None:
    endpoint.last_update_at = at
    if reported.last_update is not None:
        endpoint.leshan_last_update = reported.last_update
    if endpoint.registration_id is None:
        endpoint.registration_id = reported.registration_id  # so far known from the older webhook only, without an id
    for name in _REPORTED:
        if (value := getattr(reported, name)) is not None:
            setattr(endpoint, name, value[: _WIDTHS[name]] if isinstance(value, str) else value)
    if reported.object_links is not None:
        links = dump_json(with_known_formats(load_json(endpoint.object_links), reported.object_links))
        if links != endpoint.object_links:
            endpoint.object_links, endpoint.rules_seq = links, 0


_WIDTHS: Final = {"lwm2m_version": 16, "binding_mode": 16, "address": 255}
"""A device's strings are cut to their column: one that is too long must not fail the other events of its list."""

_REPORTED: Final = (
    "lifetime_seconds",
    "lwm2m_version",
    "binding_mode",
    "queue_mode",
    "address",
    "awake_millis",
)
"""Properties that each update of a registration may change; their names are the same there and in the row."""


def _deregistered(endpoint: EndpointRow, event: Deregistered, at: Instant, now: Instant) -> None:
    gone = event.registration
    if gone.registration_id is not None and endpoint.registration_id is not None:
        is_known = gone.registration_id == endpoint.registration_id
    else:  # not an older one
        is_known = gone.registered_at is None or gone.registered_at >= (endpoint.leshan_registered_at or 0)
    if not endpoint.registered or not is_known:
        return
    if event.by_device:
        seen(endpoint, at)
    elif (endpoint.lifetime_ends_at or NO_END) <= at:
        check_contact(endpoint, at)  # it expired: the device is overdue also without a registration
    forget_registration(endpoint)
    go_offline(endpoint)
    endpoint.announce_at = now + DEREGISTRATION_DELAY


def forget_registration(endpoint: EndpointRow) -> None:
    """End the current registration. Its late events are still recognized."""
    if endpoint.registration_id is not None:
        endpoint.past_registrations = dump_json([endpoint.registration_id, *_past(endpoint)][:_REMEMBERED])
    for column in (*_KNOWN, *_REPORTED, "object_links", "observations", "composites"):
        setattr(endpoint, column, None)
    endpoint.lifetime_ends_at, endpoint.rules_seq = None, 0


def is_over(tombstone: EndpointRow, event: Event, now: Instant) -> bool:
    """Return whether an event about a deleted endpoint is no contact after its deletion: it is older, or no
    registration or update, or reports the registration that was known then."""
    if not isinstance(event, (Registered, Updated)) or now - event.age < (tombstone.deleted_at or 0):
        return True
    reported = event.registration
    same = reported.registration_id is not None and reported.registration_id == tombstone.registration_id
    return same and not _is_news(tombstone, reported)


def is_registered_under(endpoint: EndpointRow, reported: Registration) -> bool:
    """Return whether it is the endpoint's current registration."""
    if not endpoint.registered:
        return False
    if reported.registration_id is not None and endpoint.registration_id is not None:
        return reported.registration_id == endpoint.registration_id
    # the older webhook form has no id: its registrations differ in their date
    return reported.registered_at is not None and reported.registered_at == endpoint.leshan_registered_at


def _is_past(endpoint: EndpointRow, reported: Registration) -> bool:
    """Return whether it is a registration that has been replaced. The older webhook form has neither order nor ids:
    there the date decides."""
    if reported.registration_id is not None:
        return reported.registration_id in _past(endpoint)
    return reported.registered_at is not None and reported.registered_at < (endpoint.leshan_registered_at or 0)


def _came_late(endpoint: EndpointRow, reported: Registration, at: Instant, now: Instant) -> bool:
    """Return whether it is a registration that was replaced while no event was received: its events arrive late, and a
    newer one is already known from the list. A fresh event is applied whatever Leshan's clock did."""
    if now - at <= LATE or reported.registered_at is None or endpoint.leshan_registered_at is None:
        return False
    return reported.registered_at < endpoint.leshan_registered_at


def _past(endpoint: EndpointRow) -> list[str]:
    return load_json(endpoint.past_registrations) or []


def _is_news(endpoint: EndpointRow, reported: Registration) -> bool:
    if reported.last_update is None or endpoint.leshan_last_update is None:
        return True
    if reported.last_update == endpoint.leshan_last_update:
        # Leshan up to M4 sends whole seconds, so two updates may share one: a new address distinguishes them
        return reported.address is not None and reported.address != endpoint.address
    return reported.last_update > endpoint.leshan_last_update
