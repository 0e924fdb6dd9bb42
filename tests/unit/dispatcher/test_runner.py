"""What a runner says of itself while a call is out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from unittest.mock import Mock

import pytest
from prometheus_client import REGISTRY

from app.dispatcher.runner import Runner
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.words import OperationKind
from app.models.ledger import Claimed

pytestmark = pytest.mark.asyncio

ONE: Final = Claimed(1, "one", 1, 1, OperationRequest("d", OperationKind.READ, "/3"), None)
SERVER: Final = "counted"


class Leshan:
    """Answers when it is let."""

    info = Mock(request_ids=False)

    def __init__(self) -> None:
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def call(self, *_: Any) -> Outcome:
        return await asyncio.shield(self.answer)


class Ledger:
    """Stores every result at once."""

    def enqueue(self, _: object) -> asyncio.Future[bool]:
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        stored.set_result(True)
        return stored


def runner_of(leshan: Leshan) -> Runner:
    return Runner(leshan, Ledger(), Mock(), Mock(), server=SERVER, nudge=Mock())  # type: ignore[arg-type]


def open_calls() -> float | None:
    return REGISTRY.get_sample_value("reveille_open_calls", {"server": SERVER})


async def test_the_gauge_of_open_calls_counts_calls_that_are_out() -> None:
    leshan = Leshan()
    runner = runner_of(leshan)
    assert open_calls() == 0
    calls = [asyncio.create_task(runner.run(ONE, asyncio.get_running_loop().time())) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert open_calls() == 3
    leshan.answer.set_result(Outcome(OutcomeKind.DEVICE_SILENT))
    await asyncio.gather(*calls)
    assert open_calls() == 0


async def test_a_call_that_is_given_up_is_open_no_longer() -> None:
    runner = runner_of(Leshan())
    call = asyncio.create_task(runner.run(ONE, asyncio.get_running_loop().time()))
    await asyncio.sleep(0.01)
    assert open_calls() == 1
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    assert open_calls() == 0
