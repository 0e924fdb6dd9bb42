"""The reports of a Leshan server with request ids about the calls of a lost attempt."""

from __future__ import annotations

import time
from typing import Final, cast

import pytest

from app.dispatcher.inquiry import inquire_all
from app.domain.enums import OperationKind
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.client import LeshanClient
from app.models.ledger import Claimed

pytestmark = pytest.mark.asyncio

REQUEST: Final = OperationRequest("d", OperationKind.READ_COMPOSITE, None, ("/3/0/0", "/3/0/9"))
LOST: Final = Claimed(1, "one", 1, 1, REQUEST, None)
REFUSED: Final = Outcome(
    OutcomeKind.DEVICE_ANSWERED_NO, http_status=200, device_code=406, device_status="NOT_ACCEPTABLE(406)"
)


class Leshan:
    """A client that returns the outcomes of calls by their ids."""

    def __init__(self, outcomes: dict[str, Outcome]) -> None:
        self._outcomes = outcomes

    async def call_status(self, _kind: OperationKind, request_id: str, _wait_seconds: int) -> Outcome:
        return self._outcomes[request_id]


@pytest.mark.parametrize(
    ("outcomes", "answered"),
    [
        ({"one/1": REFUSED, "one/1.2": Outcome(OutcomeKind.DEVICE_SILENT)}, True),
        ({"one/1": Outcome(OutcomeKind.DEVICE_SILENT)}, False),
    ],
    ids=["silent to the second call", "silent to the only call"],
)
async def test_a_device_that_refused_the_first_call_has_answered(outcomes: dict[str, Outcome], answered: bool) -> None:
    found = await inquire_all(cast(LeshanClient, Leshan(outcomes)), LOST, time.monotonic() + 5)
    assert isinstance(found, Outcome)
    assert (found.kind, found.of_the_device) == (OutcomeKind.DEVICE_SILENT, answered)
