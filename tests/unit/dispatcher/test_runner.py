"""What a runner says of itself while a call is out."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, Final
from unittest.mock import AsyncMock, Mock, patch

import pytest
from prometheus_client import REGISTRY

from app.dispatcher.runner import Runner
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.words import ContentFormat, OperationKind, ValueType
from app.leshan.registrations import LeshanUnavailable
from app.models.ledger import Claimed

pytestmark = pytest.mark.asyncio

ONE: Final = Claimed(1, "one", 1, 1, OperationRequest("d", OperationKind.READ, "/3"), None)
SERVER: Final = "counted"


class Leshan:
    """Answers when it is let."""

    info = Mock(request_ids=False)
    typed: bool | None = True

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


def writing(type_: ValueType, value: str) -> Claimed:
    request = OperationRequest("d", OperationKind.WRITE, "/5/0/1", value_type=type_, value=value)
    return replace(ONE, request=request)


class Unrecognized(Leshan):
    """Says what it can after so many questions that nobody answered; counts the calls that it was asked to make."""

    def __init__(self, unanswered: int) -> None:
        super().__init__()
        self.typed, self.calls = None, 0
        self.format: ContentFormat | None = None
        self._unanswered = unanswered

    async def recognize(self, _: str) -> None:
        if self._unanswered > 0:
            self._unanswered -= 1
            raise LeshanUnavailable("refused")
        self.typed = True

    async def call(self, request: OperationRequest, *_: Any) -> Outcome:
        self.calls += 1
        self.format = request.format
        return Outcome(OutcomeKind.SUCCESS)


async def test_what_an_old_server_would_change_is_not_written_before_its_version_is_known() -> None:
    leshan = Unrecognized(unanswered=1)
    runner = runner_of(leshan)
    settled: list[Any] = []
    with patch.object(runner, "_settle", AsyncMock(side_effect=settled.append)):
        for _ in range(2):
            await runner.run(writing(ValueType.INTEGER, "5"), asyncio.get_running_loop().time())
    assert [settle.report.outcome.kind for settle in settled] == [OutcomeKind.UNREACHABLE, OutcomeKind.SUCCESS]
    assert leshan.calls == 1


@pytest.mark.parametrize(
    "claimed",
    [
        writing(ValueType.STRING, "x"),
        replace(ONE, request=OperationRequest("d", OperationKind.EXECUTE, "/3/0/4")),
    ],
    ids=["text", "execute"],
)
async def test_what_every_server_does_alike_does_not_wait_for_its_version(claimed: Claimed) -> None:
    leshan = Unrecognized(unanswered=1)
    await runner_of(leshan).run(claimed, asyncio.get_running_loop().time())
    assert (leshan.calls, leshan.typed) == (1, None)


async def test_before_the_version_is_known_the_device_chooses_the_format_of_a_read() -> None:
    leshan = Unrecognized(unanswered=1)
    read = replace(ONE, object_links='[{"url":"/","attributes":{"ct":"112"}}]')
    runner = runner_of(leshan)
    for format_ in (None, ContentFormat.SENML_CBOR):
        await runner.run(read, asyncio.get_running_loop().time())
        assert leshan.format is format_
