"""Reconciliation where the webhook is the only source of events: one process at a time, until it is complete."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest

from app.ingest.reconciler import Reconciler
from app.timing import Timing
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


SHORT: Final = Timing(reconcile_check=0.01, reconcile_renewal=0.02, reconcile_lease=1)


class Holds:
    """A substitute for the ledger that grants the hold a limited number of times."""

    def __init__(self, left: int) -> None:
        self.left, self.spans = left, list[int]()

    async def submit(self, command: Any) -> bool:
        self.spans.append(command.span)
        self.left -= 1
        return self.left >= 0


class Slow(Reconciler):
    """A reconciler that finishes its list when the test allows it."""

    def __init__(self, holds: Holds) -> None:
        super().__init__(*cast(Any, (holds, None, None, None, SHORT)))
        self.may_end, self.begun, self.ended, self.broken_off = asyncio.Event(), 0, 0, 0

    async def is_wanted(self) -> bool:
        return self.ended == 0

    async def run(self) -> None:
        self.begun += 1
        try:
            await self.may_end.wait()
            self.ended += 1
        except asyncio.CancelledError:
            self.broken_off += 1
            raise


@contextlib.asynccontextmanager
async def reconciling_by(slow: Slow) -> AsyncIterator[None]:
    task = asyncio.create_task(slow.run_without_stream())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_listing_longer_than_one_lease_is_read_to_its_end() -> None:
    holds = Holds(left=1_000_000)
    slow = Slow(holds)
    began = asyncio.get_running_loop().time()
    async with reconciling_by(slow):
        await eventually(lambda: asyncio.get_running_loop().time() - began > 2 and len(holds.spans) > 2)
        slow.may_end.set()
        await eventually(lambda: holds.spans[-1] == 0)
    assert (slow.begun, slow.ended, slow.broken_off) == (1, 1, 0)


async def test_a_bridge_that_cannot_renew_its_lease_stops() -> None:
    slow = Slow(Holds(left=3))
    async with reconciling_by(slow):
        await eventually(lambda: slow.broken_off == 1)
    assert (slow.begun, slow.ended) == (1, 0)
