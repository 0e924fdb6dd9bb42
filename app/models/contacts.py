"""The newest contacts of an endpoint, and the interval at which it usually makes contact.

A contact is a message that the device sends by itself: a registration, an update, a notification. The column has the
time of the newest one in milliseconds, followed by the intervals before it, newest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from statistics import median
from typing import Final

from app.domain.enums import MILLISECOND, Instant
from app.models.fields import dump_json, load_json

MAX_INTERVALS: Final = 11
"""Maximum number of intervals that are stored. The usual one is their median, so half of them may be exceptions."""
MIN_INTERVALS: Final = 2


def with_contact(contacts: str | None, at: Instant, gap: Instant) -> str | None:
    """Return the contacts with one more, unless it belongs to the newest one: less than ``gap`` after it, or before."""
    new = at // MILLISECOND
    known = load_json(contacts)
    if not known:
        return dump_json([new])
    newest, *intervals = known
    if new - newest < max(gap // MILLISECOND, 1):
        return contacts
    return dump_json([new, new - newest, *intervals[: MAX_INTERVALS - 1]])


def last_contact(contacts: str | None, until: Instant) -> Instant | None:
    """Return the last contact at or before a time, to the millisecond; None if it is not among the stored ones."""
    newest, *intervals = load_json(contacts) or [None]
    if newest is None:
        return None
    times: Iterator[Instant] = ((newest - back) * MILLISECOND for back in accumulate(intervals, initial=0))
    return next((at for at in times if at <= until), None)


def usual_interval(contacts: str | None) -> Instant | None:
    """Return the median of the intervals between the contacts; None before the third contact."""
    intervals = (load_json(contacts) or [])[1:]
    return round(median(intervals)) * MILLISECOND if len(intervals) >= MIN_INTERVALS else None
