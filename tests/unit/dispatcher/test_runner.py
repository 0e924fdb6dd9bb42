"""The runner: its gauge of open calls, its wait for the server's version, and its choice of content formats."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, Final
from unittest.mock import AsyncMock, Mock, patch

import pytest
from prometheus_client import REGISTRY

from app.dispatcher.runner import Runner
from app.domain.enums import ContentFormat, OperationKind, ValueType
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.registrations import LeshanUnavailable
from app.models.ledger import Claimed

pytestmark = pytest.mark.asyncio

ONE: Final = Claimed(1, "one", 1, 1, OperationRequest("d", OperationKind.READ, "/3"), None)
SERVER: Final = "counted"


class Leshan:
    """A client that answers when the test sets the response."""

    info = Mock(request_ids=False)
    typed: bool | None = True

    def __init__(self) -> None:
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def call(self, *_: Any) -> Outcome:
        return await asyncio.shield(self.answer)


class Ledger:
    """A ledger that stores every result at once."""

    def enqueue(self, _: object) -> asyncio.Future[bool]:
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        stored.set_result(True)
        return stored


def runner_of(leshan: Leshan) -> Runner:
    return Runner(leshan, Ledger(), Mock(), Mock(), server=SERVER)  # type: ignore[arg-type]


def open_calls() -> float | None:
    return REGISTRY.get_sample_value("reveille_open_calls", {"server": SERVER})


async def test_the_gauge_of_open_calls_counts_open_calls() -> None:
    leshan = Leshan()
    runner = runner_of(leshan)
    assert open_calls() == 0
    calls = [asyncio.create_task(runner.run(ONE, asyncio.get_running_loop().time(), Mock())) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert open_calls() == 3
    leshan.answer.set_result(Outcome(OutcomeKind.DEVICE_SILENT))
    await asyncio.gather(*calls)
    assert open_calls() == 0


async def test_an_abandoned_call_is_not_open() -> None:
    runner = runner_of(Leshan())
    call = asyncio.create_task(runner.run(ONE, asyncio.get_running_loop().time(), Mock()))
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
    """A client that recognizes its server only after this many failed requests; it counts its calls."""

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


async def test_a_value_that_m4_would_change_waits_for_the_servers_version() -> None:
    leshan = Unrecognized(unanswered=1)
    runner = runner_of(leshan)
    settled: list[Any] = []
    with patch.object(runner, "_settle", AsyncMock(side_effect=lambda settle, _: settled.append(settle))):
        for _ in range(2):
            await runner.run(writing(ValueType.INTEGER, "5"), asyncio.get_running_loop().time(), Mock())
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
async def test_requests_common_to_all_servers_do_not_wait_for_the_version(claimed: Claimed) -> None:
    leshan = Unrecognized(unanswered=1)
    await runner_of(leshan).run(claimed, asyncio.get_running_loop().time(), Mock())
    assert (leshan.calls, leshan.typed) == (1, None)


async def test_without_a_known_version_the_device_chooses_the_format_of_a_read() -> None:
    leshan = Unrecognized(unanswered=1)
    read = replace(ONE, object_links='[{"url":"/","attributes":{"ct":"112"}}]')
    runner = runner_of(leshan)
    for format_ in (None, ContentFormat.SENML_CBOR):
        await runner.run(read, asyncio.get_running_loop().time(), Mock())
        assert leshan.format is format_


class Answering(Leshan):
    """A client that returns the given outcomes in order, then success; it records the format of each call."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self.calls: list[ContentFormat | None] = []
        self._outcomes = list(outcomes)

    async def call(self, request: OperationRequest, *_: Any) -> Outcome:
        self.calls.append(request.format)
        return self._outcomes.pop(0) if self._outcomes else Outcome(OutcomeKind.SUCCESS)


REFUSED: Final = Outcome(
    OutcomeKind.DEVICE_ANSWERED_NO, http_status=200, device_code=406, device_status="NOT_ACCEPTABLE(406)"
)
CBOR, JSON = ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON
COMPOSITE: Final = replace(
    ONE,
    request=OperationRequest("d", OperationKind.READ_COMPOSITE, None, ("/3/0/0", "/3/0/9")),
    registration_id="r1",
    lwm2m_version="1.1",
)


async def run_all(leshan: Leshan, *attempts: Claimed) -> list[Outcome]:
    """Run the attempts one after the other and return their outcomes."""
    runner = runner_of(leshan)
    settled: list[Any] = []
    with patch.object(runner, "_settle", AsyncMock(side_effect=lambda settle, _: settled.append(settle))):
        for claimed in attempts:
            await runner.run(claimed, asyncio.get_running_loop().time(), Mock())
    return [settle.report.outcome for settle in settled]


@pytest.mark.parametrize(
    "second",
    [
        OutcomeKind.ASLEEP,
        OutcomeKind.NOT_CONNECTED,
        OutcomeKind.LESHAN_BUSY,
        OutcomeKind.TOO_LATE,
        OutcomeKind.DEVICE_SILENT,
    ],
)
async def test_a_refused_format_is_not_requested_first_again(second: OutcomeKind) -> None:
    """This holds for every outcome of the second call: at each wake the refusal would use up the available time."""
    leshan = Answering(REFUSED, Outcome(second))
    outcomes = await run_all(leshan, COMPOSITE, COMPOSITE)
    assert [outcome.kind for outcome in outcomes] == [second, OutcomeKind.SUCCESS]
    assert leshan.calls == [CBOR, JSON, JSON]


async def test_the_order_of_formats_is_unchanged_if_both_are_refused() -> None:
    leshan = Answering(REFUSED, REFUSED)
    assert [outcome.device_code for outcome in await run_all(leshan, COMPOSITE)] == [406]
    assert leshan.calls == [CBOR, JSON], "two calls at most"
    leshan = Answering(REFUSED, REFUSED)
    await run_all(leshan, COMPOSITE, COMPOSITE)
    assert leshan.calls == [CBOR, JSON, CBOR]


async def test_a_format_refused_later_is_replaced_by_the_first_one_again() -> None:
    leshan = Answering(REFUSED, Outcome(OutcomeKind.SUCCESS), REFUSED)
    await run_all(leshan, COMPOSITE, COMPOSITE, COMPOSITE)
    assert leshan.calls == [CBOR, JSON, JSON, CBOR, CBOR]


async def test_a_refusal_of_one_endpoint_does_not_affect_another() -> None:
    """Endpoints that are known from the older webhooks have no registration id."""
    one = replace(COMPOSITE, registration_id=None)
    other = replace(one, request=replace(one.request, endpoint="e"))
    leshan = Answering(REFUSED)
    await run_all(leshan, one, other, one)
    assert leshan.calls == [CBOR, JSON, CBOR, JSON]


async def test_the_second_call_records_that_the_device_answered_before() -> None:
    leshan = Answering(REFUSED, Outcome(OutcomeKind.DEVICE_SILENT))
    first, second = await run_all(leshan, COMPOSITE, COMPOSITE)
    assert (first.kind, first.of_the_device) == (OutcomeKind.DEVICE_SILENT, True)
    assert not second.answered_before, "one call"
