"""What hearing makes of events before they are committed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.dispatcher.hearing import Hearing
from app.dispatcher.models_shelf import ModelShelf
from app.domain.events import Event, Registered, Registration, RequestResponse
from app.models.ledger import Hear, Ledger


class Kept:
    """Stands where the ledger does, and keeps what it is given."""

    def __init__(self) -> None:
        self.members: list[Any] = []

    async def submit(self, member: Any) -> None:
        self.members.append(member)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [None, "/3/0/0,/3303/0/5700"])
async def test_the_late_answer_of_a_composite_tells_all_its_values(path: str | None) -> None:
    """Nobody has recorded how a stock server names the paths of a composite that it held."""
    content = {
        "/3/0/0": {"kind": "singleResource", "id": 0, "type": "STRING", "value": "Zephyr"},
        "/3303/0/5700": {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "23.5"},
    }
    response = {"status": "CONTENT(205)", "valid": True, "success": True, "failure": False, "content": content}
    kept = Kept()
    hearing = Hearing(cast(Ledger, kept), ModelShelf(1), webhook_readings=True)
    events: list[Event] = [
        Registered(endpoint="d", registration=Registration(registration_id="r1", object_links=[])),
        RequestResponse(endpoint="d", request_id="1", path=path, response=response),
    ]
    await hearing.hear(events, source="stream")
    (hear,) = kept.members
    assert isinstance(hear, Hear)
    report = hear.events[1].report
    assert report is not None
    assert report.answer == {"/3/0/0": "Zephyr", "/3303/0/5700": 23.5}
