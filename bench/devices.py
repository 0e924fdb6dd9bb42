"""Devices that never sleep, and what is asked of them."""

from __future__ import annotations

import uuid

from app.domain.events import Registered, Registration, Updated
from app.domain.operations import OperationRequest
from app.domain.words import OperationKind, ValueType
from app.models.ledger import Create, HeardEvent, NewOperation

PATH = "/5/0/1"


def registered(endpoint: str) -> HeardEvent:
    """A first registration."""
    registration = Registration(registration_id=endpoint, last_update=1, lifetime_seconds=3600, queue_mode=False)
    return HeardEvent(Registered(endpoint=endpoint, registration=registration))


def updated(endpoint: str, number: int) -> HeardEvent:
    """An update; ``number`` tells a newer one from an older one."""
    return HeardEvent(
        Updated(endpoint=endpoint, registration=Registration(registration_id=endpoint, last_update=number))
    )


def write(endpoint: str) -> Create:
    """The wish for one write."""
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
