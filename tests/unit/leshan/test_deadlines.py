"""Deadlines of many calls, watched by one timer."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.leshan.transport import Deadlines
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


async def test_each_deadline_is_reported_once_in_order_and_not_before() -> None:
    told: list[tuple[str, float]] = []
    deadlines: Deadlines[str] = Deadlines(lambda name: told.append((name, time.monotonic())))
    now = time.monotonic()
    until = {"last": now + 0.09, "first": now + 0.03, "second": now + 0.06}
    for name, deadline in until.items():
        deadlines.watch(name, deadline)
    await eventually(lambda: len(told) == len(until))
    assert [name for name, _ in told] == ["first", "second", "last"]
    assert all(at >= until[name] for name, at in told)


async def test_a_removed_deadline_is_not_reported_and_the_others_are() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    now = time.monotonic()
    deadlines.watch("answered", now + 0.02)
    deadlines.watch("silent", now + 0.05)
    deadlines.forget("answered")
    deadlines.forget("never watched")
    await eventually(lambda: bool(told))
    assert told == ["silent"]


async def test_a_deadline_added_after_the_timer_expired_is_watched() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    deadlines.watch("first", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    deadlines.watch("second", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    assert told == ["first", "second"]


async def test_after_a_freeze_all_passed_deadlines_are_reported() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    for number in range(3):
        deadlines.watch(f"call-{number}", time.monotonic() + 0.01 * number)
    time.sleep(0.05)  # noqa: ASYNC251 - the event loop is blocked on purpose
    await asyncio.sleep(0.01)
    assert told == ["call-0", "call-1", "call-2"]


async def test_no_deadline_is_reported_after_the_end_and_watching_may_restart() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    deadlines.watch("open", time.monotonic() + 0.01)
    deadlines.close()
    await asyncio.sleep(0.05)
    assert told == []
    deadlines.watch("probe", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    assert told == ["probe"]
