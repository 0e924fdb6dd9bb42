"""The Leshan client reads each behavior of the simulator that gives a response as the outcome that it represents."""

from __future__ import annotations

import pytest

from app.domain.enums import OperationKind
from app.domain.outcomes import OutcomeKind
from app.leshan.answers import read_answer
from simulator import Behaviour, Kind, Simulator, SimulatorConfig
from tests.unit.simulated.wire import WRITE, raw

pytestmark = pytest.mark.asyncio

OUTCOMES = [
    (Behaviour(), OutcomeKind.SUCCESS),
    (Behaviour(kind=Kind.REFUSE, code=404), OutcomeKind.DEVICE_ANSWERED_NO),
    (Behaviour(kind=Kind.NONSENSE), OutcomeKind.DEVICE_ANSWERED_NONSENSE),
    (Behaviour(kind=Kind.SILENT), OutcomeKind.DEVICE_SILENT),
    (Behaviour(kind=Kind.REJECTED), OutcomeKind.ANSWER_LOST),
    (Behaviour(kind=Kind.CANCELLED), OutcomeKind.ANSWER_LOST),
    (Behaviour(kind=Kind.UNEXPECTED), OutcomeKind.ANSWER_LOST),
    (Behaviour(kind=Kind.NOT_CONNECTED), OutcomeKind.NOT_CONNECTED),
    (Behaviour(kind=Kind.UNSENDABLE), OutcomeKind.NOT_CONNECTED),
    (Behaviour(kind=Kind.DELAYED), OutcomeKind.DELAYED),
    (Behaviour(kind=Kind.NOT_REGISTERED), OutcomeKind.NOT_REGISTERED),
    (Behaviour(kind=Kind.SLEEPING), OutcomeKind.ASLEEP),
    (Behaviour(kind=Kind.CLIENT_SLEEPING), OutcomeKind.ASLEEP),
    (Behaviour(kind=Kind.INVALID), OutcomeKind.BAD_REQUEST),
    (Behaviour(kind=Kind.UNREADABLE), OutcomeKind.ANSWER_LOST),
    (Behaviour(kind=Kind.REDIRECT), OutcomeKind.UNEXPECTED),
    *((Behaviour(kind=Kind.HTTP, status=status), OutcomeKind.PROXY_ERROR) for status in (408, 502, 503, 504)),
    *((Behaviour(kind=Kind.HTTP, status=status), OutcomeKind.LESHAN_REFUSED) for status in (401, 403, 407, 429)),
    *((Behaviour(kind=Kind.HTTP, status=status), OutcomeKind.UNEXPECTED) for status in (404, 405, 413, 414, 431)),
    (Behaviour(kind=Kind.HTTP, status=500), OutcomeKind.ANSWER_LOST),
]


@pytest.mark.parametrize(("behaviour", "outcome"), OUTCOMES, ids=lambda value: getattr(value, "name", ""))
async def test_is_read_as(behaviour: Behaviour, outcome: OutcomeKind) -> None:
    async with Simulator(SimulatorConfig.manual("dev")).serve() as sim:
        sim.register("dev")
        sim.behave("dev", behaviour)
        timeout = 0 if behaviour.kind is Kind.SILENT else 5
        answer = await raw(sim.url, "PUT", f"/api/clients/dev/3442/0/110?timeout={timeout}", WRITE)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.title(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert read_answer(OperationKind.WRITE, int(lines[0].split()[1]), headers, body).kind is outcome
