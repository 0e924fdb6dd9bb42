"""Devices and operations of the benchmarks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from app.domain.enums import OperationKind, ValueType
from app.domain.events import Registered, Registration
from app.domain.operations import OperationRequest
from app.models.ledger import Create, DecodedEvent, IngestEvents, Ledger, Provision
from app.models.operation import NewOperation

Links: TypeAlias = Sequence[Mapping[str, str]]

PATH = "/5/0/1"
PIECE = 500
AT_A_TIME = 10_000  # the ledger rejects more than its queue holds


def names(prefix: str, count: int) -> list[str]:
    """Return the names of so many devices."""
    return [f"{prefix}-{number}" for number in range(count)]


def registered(endpoint: str, *, queue_mode: bool = False, object_links: Links | None = None) -> DecodedEvent:
    """Return a registration: the device is awake, in queue mode for its awake window and otherwise for an hour."""
    registration = Registration(
        registration_id=uuid.uuid4().hex,
        last_update=1,
        lifetime_seconds=3600,
        queue_mode=queue_mode,
        object_links=object_links,
    )
    return DecodedEvent(Registered(endpoint=endpoint, registration=registration))


def write(endpoint: str) -> Create:
    """Return the command that creates one write."""
    request = OperationRequest(
        endpoint=endpoint,
        kind=OperationKind.WRITE,
        path=PATH,
        paths=(PATH,),
        value_type=ValueType.STRING,
        value="https://url.com/fw.bin",
    )
    operation = NewOperation(
        id=str(uuid.uuid4()),
        request=request,
        priority=0,
        max_attempts=3,
        repeatable=True,
        validated=False,
        fingerprint="",
    )
    return Create([operation])


async def provision(ledger: Ledger, devices: Sequence[str]) -> None:
    """Create the endpoints of the devices; none of them has registered yet."""
    for start in range(0, len(devices), AT_A_TIME):
        await asyncio.gather(*(ledger.submit(Provision(name)) for name in devices[start : start + AT_A_TIME]))


async def queue(ledger: Ledger, devices: Sequence[str], operations: int) -> None:
    """Create so many operations, distributed over the devices in turn."""
    wishes = [write(devices[number % len(devices)]) for number in range(operations)]
    for start in range(0, len(wishes), AT_A_TIME):
        await asyncio.gather(*(ledger.submit(wish) for wish in wishes[start : start + AT_A_TIME]))


async def wake(
    ledger: Ledger, devices: Sequence[str], *, queue_mode: bool = False, object_links: Links | None = None
) -> None:
    """Register all devices at once."""
    events = [registered(name, queue_mode=queue_mode, object_links=object_links) for name in devices]
    pieces = (events[start : start + PIECE] for start in range(0, len(events), PIECE))
    await asyncio.gather(*(ledger.submit(IngestEvents(piece)) for piece in pieces))
