"""Bodies of the webhook, as a Leshan server posts them."""

from __future__ import annotations

import time
from typing import Any

import orjson


def _registration(endpoint: str, id_: str, last_update: int) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "registrationId": id_,
        "registrationDate": 1_795_448_703_071,
        "lastUpdate": last_update,
        "address": "127.0.0.1:50123",
        "lwM2mVersion": "1.1",
        "lifetime": 300,
        "bindingMode": "UQ",
        "queuemode": True,
        "rootPath": "/",
        "secure": False,
        "additionalRegistrationAttributes": {},
    }


def registration(endpoint: str) -> bytes:
    """Return the event of a device that registered just now."""
    return orjson.dumps({"event": "REGISTRATION", "data": _registration(endpoint, f"r-{endpoint}", time.time_ns())})


def update(endpoint: str, number: int) -> dict[str, Any]:
    """Return the device's n-th update."""
    own = _registration(endpoint, f"r-{endpoint}", 1_795_448_703_071 + number)
    return {"event": "UPDATED", "data": {"registration": own, "update": {"registrationId": f"r-{endpoint}"}}}


def updates(endpoints: list[str], count: int, batch: int) -> list[bytes]:
    """Return the bodies of so many updates, of the endpoints in turn, so many per body; a single event is not a
    list."""
    events = [update(endpoints[number % len(endpoints)], number + 1) for number in range(count)]
    if batch == 1:
        return [orjson.dumps(event) for event in events]
    return [orjson.dumps(events[start : start + batch]) for start in range(0, count, batch)]
