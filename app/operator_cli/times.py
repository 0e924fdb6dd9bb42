"""Times and spans of time as they are typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.command_error import CommandError

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Times from ``start``, inclusive, to ``end``, exclusive, as of ``now``; without an end also those after it, of a
    device whose clock is ahead."""

    start: datetime
    end: datetime | None
    now: datetime


def span_of(text: str) -> timedelta | None:
    """Return the span of a text such as 90s, 30m, 2h or 7d; None if it is no span."""
    span = _SPAN.fullmatch(text)
    return timedelta(seconds=int(span[1]) * _UNITS[span[2]]) if span else None


def time_range(since: str, until: str | None, now: datetime) -> TimeRange:
    """Return the range between two texts, each a time (RFC 3339) or a span back from now.

    Raises:
        CommandError: a text is neither, or the range is empty.
    """
    start = _time_before(since, "--since", now)
    end = None if until is None else _time_before(until, "--until", now)
    if (now if end is None else end) <= start:
        raise CommandError(f"--since: {rfc3339(start)} is not before {'now' if end is None else rfc3339(end)}", 2)
    return TimeRange(start, end, now)


def _time_before(text: str, option: str, now: datetime) -> datetime:
    span = span_of(text)
    try:
        at = datetime.fromisoformat(text) if span is None else now - span
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    message = f"{option}: invalid time {text!r}; expected a time with its zone like 2026-11-23T10:00:00Z, or a span"
    raise CommandError(f"{message} back from now like 90s, 30m, 24h or 7d", 2)


def rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
