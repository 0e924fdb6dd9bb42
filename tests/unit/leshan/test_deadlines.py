"""Deadlines of many calls, watched by one timer."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.leshan.transport import Deadlines

pytestmark = pytest.mark.asyncio


async def test_each_is_told_once_in_the_order_of_deadlines_and_not_before() -> None:
    told: list[tuple[str, float]] = []
    deadlines: Deadlines[str] = Deadlines(lambda name: told.append((name, time.monotonic())))
    now = time.monotonic()
    until = {"last": now + 0.09, "first": now + 0.03, "second": now + 0.06}
    for name, deadline in until.items():
        deadlines.watch(name, deadline)
    await asyncio.sleep(0.2)
    assert [name for name, _ in told] == ["first", "second", "last"]
    assert all(at >= until[name] for name, at in told)


async def test_who_was_forgotten_is_not_told_and_the_others_are() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    now = time.monotonic()
    deadlines.watch("answered", now + 0.02)
    deadlines.watch("silent", now + 0.05)
    deadlines.forget("answered")
    deadlines.forget("never watched")
    await asyncio.sleep(0.15)
    assert told == ["silent"]


async def test_one_that_comes_after_the_timer_has_run_out_is_watched_too() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    deadlines.watch("first", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    deadlines.watch("second", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    assert told == ["first", "second"]


async def test_after_a_frozen_time_all_that_passed_are_told() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    for number in range(3):
        deadlines.watch(f"call-{number}", time.monotonic() + 0.01 * number)
    time.sleep(0.05)  # noqa: ASYNC251 - the event loop is blocked on purpose
    await asyncio.sleep(0.01)
    assert told == ["call-0", "call-1", "call-2"]


async def test_nobody_is_told_after_the_end_and_watching_may_begin_anew() -> None:
    told: list[str] = []
    deadlines: Deadlines[str] = Deadlines(told.append)
    deadlines.watch("open", time.monotonic() + 0.01)
    deadlines.close()
    await asyncio.sleep(0.05)
    assert told == []
    deadlines.watch("probe", time.monotonic() + 0.01)
    await asyncio.sleep(0.05)
    assert told == ["probe"]
