"""The processing of events before they are committed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.domain.events import Awake, Event, Registered, Registration, RequestResponse
from app.ingest.event_ingestor import EventIngestor
from app.leshan.webhook_http import Batch, IngestUnavailable
from app.models.ledger import IngestEvents, Ledger, LedgerUnavailable, StreamPosition
from app.models.object_models import ObjectModelCache
from app.telemetry import BROKEN_EVENTS
from app.timing import Timing


class Kept:
    """A substitute for the ledger that records commands and never accepts one about the endpoint ``bad``."""

    def __init__(self) -> None:
        self.commands: list[Any] = []
        self.taken: dict[str, str] = {}
        self.most = 100

    async def submit(self, command: Any, *, within: float | None = None) -> None:
        names = [heard.event.endpoint for heard in command.events]
        if "bad" in names:
            raise ValueError("the database refuses it")
        if len(self.commands) == self.most:
            raise LedgerUnavailable("away")
        self.commands.append(command)
        if command.delivery_id not in self.taken:
            self.taken[command.delivery_id] = ",".join(names)


def hearing_of(kept: Kept) -> EventIngestor:
    return EventIngestor(cast(Ledger, kept), ObjectModelCache(1), webhook_readings=True)


def delivery(*names: str, id_: str | None = "msg_1") -> Batch:
    return Batch([Awake(endpoint=name) for name in names], id_)


@pytest.mark.asyncio
async def test_the_bad_event_of_a_refused_delivery_is_dropped_the_rest_applied() -> None:
    """Our Leshan server, like many other senders, redelivers a post without end if it was answered with 5xx."""
    kept, before = Kept(), BROKEN_EVENTS.labels("webhook")._value.get()
    await hearing_of(kept).from_webhook(delivery("a", "bad", "b"))
    assert list(kept.taken.values()) == ["a", "b", ""]
    assert list(kept.taken)[-1] == "msg_1"
    assert BROKEN_EVENTS.labels("webhook")._value.get() == before + 1
    await hearing_of(kept).from_webhook(delivery("bad", id_=None))


@pytest.mark.asyncio
async def test_an_outage_halfway_through_a_refused_delivery_repeats_no_event() -> None:
    kept = Kept()
    kept.most, ingestor = 1, hearing_of(kept)
    with pytest.raises(IngestUnavailable):
        await ingestor.from_webhook(delivery("a", "bad", "b"))
    assert list(kept.taken.values()) == ["a"]
    kept.most = 100
    await ingestor.from_webhook(delivery("a", "bad", "b"))
    assert list(kept.taken.values()) == ["a", "b", ""]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [None, "/3/0/0,/3303/0/5700"])
async def test_the_late_response_of_a_composite_has_all_its_values(path: str | None) -> None:
    """No recording shows how a stock server names the paths of a composite that it held."""
    content = {
        "/3/0/0": {"kind": "singleResource", "id": 0, "type": "STRING", "value": "Zephyr"},
        "/3303/0/5700": {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": "23.5"},
    }
    response = {"status": "CONTENT(205)", "valid": True, "success": True, "failure": False, "content": content}
    kept = Kept()
    ingestor = hearing_of(kept)
    events: list[Event] = [
        Registered(endpoint="d", registration=Registration(registration_id="r1", object_links=[])),
        RequestResponse(endpoint="d", request_id="1", path=path, response=response),
    ]
    await ingestor.ingest(events, source="stream")
    (ingest,) = kept.commands
    assert isinstance(ingest, IngestEvents)
    report = ingest.events[1].report
    assert report is not None
    assert report.answer == {"/3/0/0": "Zephyr", "/3303/0/5700": 23.5}


class Refusing(Kept):
    """A ledger that accepts only one event at a time and is unavailable the first time."""

    async def submit(self, command: Any, *, within: float | None = None) -> None:
        await super().submit(command)
        if len(self.commands) == 1:
            raise LedgerUnavailable("nobody knows whether it was committed")
        if len(command.events) > 1:
            raise RuntimeError("one of them is bad")


@pytest.mark.asyncio
async def test_the_stream_position_advances_with_the_last_event_of_a_bad_batch() -> None:
    kept, timing = Refusing(), Timing(ingest_retry=0)
    ingestor = EventIngestor(cast(Ledger, kept), ObjectModelCache(1), webhook_readings=True, timing=timing)
    events = [Registered(endpoint=name, registration=Registration(registration_id="r1")) for name in "abc"]
    await ingestor.ingest_with_retry(events, source="stream", position=StreamPosition("9", "me"))
    told = [(len(ingest.events), ingest.position, ingest.again) for ingest in kept.commands]
    assert told == [
        (3, StreamPosition("9", "me"), False),
        (3, StreamPosition("9", "me"), True),
        (1, StreamPosition(None, "me"), False),
        (1, StreamPosition(None, "me"), False),
        (1, StreamPosition("9", "me"), False),
    ]
