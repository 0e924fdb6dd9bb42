"""Definitions of campaigns, and the arithmetic of their waves, rates and daily windows."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import pytest

from app.domain.campaigns import (
    BURST,
    FINISHED,
    MINUTE,
    MUTATIONS,
    TRANSITIONS,
    Abort,
    Action,
    CampaignDefinition,
    CampaignFirmware,
    DailyWindow,
    InvalidCampaign,
    Wave,
    next_start,
    starts_due,
    success_percent,
    wave_ends,
    wave_of,
)
from app.domain.enums import HOUR, SECOND, CampaignStatus, Instant

BERLIN: Final = "Europe/Berlin"
NIGHT: Final = DailyWindow("22:00", "05:00", BERLIN)


def utc(text: str) -> Instant:
    """Return the instant of a time in UTC, like 2026-03-29 01:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def opened(window: DailyWindow, day: str) -> list[tuple[str, str]]:
    """Return the times in UTC between which a window is open on a day, in minutes."""
    begin = utc(f"{day} 00:00")
    states = [False, *(window.is_open(begin + minute * MINUTE) for minute in range(24 * 60)), False]
    edges = [minute for minute, (before, now) in enumerate(pairwise(states)) if before != now]
    texts = [f"{minute // 60:02}:{minute % 60:02}" for minute in edges]
    return list(zip(texts[::2], texts[1::2], strict=True))


def test_every_status_has_a_row_and_only_a_retry_leaves_a_finished_one() -> None:
    assert TRANSITIONS.keys() == set(CampaignStatus)
    assert all(TRANSITIONS[status].keys() == {Action.RETRY} for status in FINISHED)
    assert {action for row in TRANSITIONS.values() for action in row} == set(Action)
    assert {to for row in TRANSITIONS.values() for to in row.values()} == set(CampaignStatus)
    assert set(MUTATIONS) < set(Action)


@pytest.mark.parametrize(
    ("total", "percents", "ends"),
    [
        (100, (5, 20, 75), [5, 25, 100]),
        (10, (1, 99), [1, 10]),
        (3, (33.3, 33.3, 33.4), [1, 2, 3]),
        (1, (50, 50), [1, 1]),
        (0, (10, 90), [0, 0]),
        (7, (100,), [7]),
        (1_000, (0.1, 0.2, 99.7), [1, 3, 1_000]),
    ],
)
def test_waves_end_at_the_cumulated_percentages_rounded_up(
    total: int, percents: tuple[float, ...], ends: list[int]
) -> None:
    assert wave_ends(total, [Wave(percent) for percent in percents]) == ends


def test_a_target_is_in_the_first_wave_that_ends_at_it_or_later() -> None:
    assert [wave_of(number, [2, 2, 5]) for number in range(1, 8)] == [1, 1, 3, 3, 3, 3, 3]
    assert wave_of(4, []) == 1


def test_a_wave_without_counted_targets_has_full_success() -> None:
    assert (success_percent(0, 0), success_percent(3, 4)) == (100.0, 75.0)


def test_a_campaign_is_aborted_at_its_percentage_of_ended_targets() -> None:
    abort = Abort(10.0, 10)
    assert not abort.reached(0, 9)
    assert abort.reached(9, 1)
    assert not abort.reached(10, 1)
    assert not abort.reached(100, 0)


def test_starts_are_spread_evenly_and_missed_ones_are_made_up_for_briefly() -> None:
    for per_minute, step in ((7, SECOND), (30, SECOND), (600, SECOND // 2), (6_000, SECOND // 2)):
        at, begun, now = None, 0, 0
        while now <= 10 * MINUTE:
            due = starts_due(at, now, per_minute)
            if due:
                at = next_start(at, now, per_minute, due)
            begun += due
            now += step
        assert 10 * per_minute <= begun <= 10 * per_minute + 1 + BURST * per_minute // MINUTE
    assert starts_due(0, 60 * MINUTE, 60) == 3  # of the last two seconds, and the present one
    assert starts_due(5, 4, 60) == 0


def test_a_night_is_as_long_as_the_change_of_the_clocks_makes_it() -> None:
    assert opened(NIGHT, "2026-01-15") == [("00:00", "04:00"), ("21:00", "24:00")]
    assert opened(NIGHT, "2026-03-28") == [("00:00", "04:00"), ("21:00", "24:00")]
    assert opened(NIGHT, "2026-03-29") == [("00:00", "03:00"), ("20:00", "24:00")]  # 6 hours
    assert opened(NIGHT, "2026-10-24") == [("00:00", "03:00"), ("20:00", "24:00")]
    assert opened(NIGHT, "2026-10-25") == [("00:00", "04:00"), ("21:00", "24:00")]  # 8 hours


@pytest.mark.parametrize(
    ("begin", "end", "day", "expected"),
    [
        ("02:30", "05:00", "2026-03-29", [("01:30", "03:00")]),  # begins in the hour that is skipped
        ("22:00", "02:30", "2026-03-29", [("00:00", "01:30"), ("20:00", "24:00")]),  # ends in it
        ("02:00", "03:00", "2026-03-29", []),  # is that hour
        ("02:15", "02:45", "2026-03-29", [("01:15", "01:45")]),
        ("02:45", "03:15", "2026-03-29", []),  # would end before it begins
        ("02:30", "05:00", "2026-10-25", [("00:30", "04:00")]),  # begins in the hour that is repeated
        ("22:00", "02:30", "2026-10-25", [("00:00", "00:30"), ("21:00", "24:00")]),  # ends in it
        ("02:15", "02:45", "2026-10-25", [("00:15", "00:45")]),
        ("02:00", "03:00", "2026-10-25", [("00:00", "02:00")]),  # is both hours
    ],
)
def test_boundaries_in_the_hour_of_a_change(begin: str, end: str, day: str, expected: list[tuple[str, str]]) -> None:
    assert opened(DailyWindow(begin, end, BERLIN), day) == expected


def test_the_next_opening_is_now_or_the_next_begin() -> None:
    assert NIGHT.next_opening(utc("2026-01-15 21:00")) == utc("2026-01-15 21:00")
    assert NIGHT.next_opening(utc("2026-01-15 03:59")) == utc("2026-01-15 03:59")
    assert NIGHT.next_opening(utc("2026-01-15 04:00")) == utc("2026-01-15 21:00")
    assert NIGHT.next_opening(utc("2026-03-29 03:00")) == utc("2026-03-29 20:00")
    assert NIGHT.next_opening(utc("2026-10-25 04:00")) == utc("2026-10-25 21:00")
    skipped = DailyWindow("02:00", "03:00", BERLIN)
    assert skipped.next_opening(utc("2026-03-28 02:00")) == utc("2026-03-30 00:00")


def test_a_window_opens_at_every_hour_of_two_years_as_the_local_clock_says() -> None:
    for window in (
        NIGHT,
        DailyWindow("08:00", "17:30", "America/New_York"),
        DailyWindow("23:30", "00:30", "Asia/Kolkata"),
    ):
        for at in range(utc("2025-01-01 00:15"), utc("2027-01-01 00:00"), 5 * HOUR):
            opening = window.next_opening(at)
            assert opening >= at
            assert window.is_open(opening)
            assert (opening == at) == window.is_open(at)
            assert opening - at <= 25 * HOUR


def definition(**more: Any) -> CampaignDefinition:
    facts: dict[str, Any] = {"given_filter": {}, "criteria": {}, "firmware": CampaignFirmware(1), "name": "n", **more}
    return CampaignDefinition(**facts)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: definition(name=""), "name"),
        (lambda: definition(name="x" * 256), "name"),
        (lambda: definition(firmware=None), "firmware"),
        (lambda: definition(waves=()), "waves"),
        (lambda: definition(waves=(Wave(50), Wave(49))), "waves"),
        (lambda: definition(waves=(Wave(100 / 101),) * 101), "waves"),
        (lambda: definition(starts_per_minute=0), "startsPerMinute"),
        (lambda: definition(max_running=0), "maxRunning"),
        (lambda: definition(retries=-1), "retries"),
        (lambda: definition(retries=11), "retries"),
        (lambda: definition(start_at=5, end_at=5), "endAt"),
        (lambda: Wave(0), "waves.percent"),
        (lambda: Wave(float("nan")), "waves.percent"),
        (lambda: Wave(50, 101), "waves.minSuccessPercent"),
        (lambda: Abort(0), "abort.failurePercent"),
        (lambda: Abort(10, 0), "abort.minEnded"),
        (lambda: DailyWindow("22:00", "22:00", BERLIN), "window.to"),
        (lambda: DailyWindow("24:00", "05:00", BERLIN), "window.from"),
        (lambda: DailyWindow("22:00", "5:00", BERLIN), "window.to"),
        (lambda: DailyWindow("٢٢:00", "05:00", BERLIN), "window.from"),
        (lambda: DailyWindow("22:00", "05:00", "Europe/Nowhere"), "window.timeZone"),
        (lambda: DailyWindow("22:00", "05:00", "../../etc/passwd"), "window.timeZone"),
        (lambda: DailyWindow("22:00", "05:00", "Europe"), "window.timeZone"),
        (lambda: DailyWindow("22:00", "05:00", "Europe/Berlin\x00"), "window.timeZone"),
        (lambda: DailyWindow("22:00", "05:00", ""), "window.timeZone"),
        (lambda: DailyWindow("22:00", "05:00", "x" * 10_000), "window.timeZone"),
    ],
)
def test_an_invalid_definition_names_its_field(make: Any, field: str) -> None:
    with pytest.raises(InvalidCampaign) as error:
        make()
    assert error.value.field == field
    assert len(str(error.value)) < 200
