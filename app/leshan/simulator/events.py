"""Leshan's events: their JSON as stock Leshan writes it, and who listens: the event stream, and a webhook.

Stock Leshan glues AWAKE, SLEEPING, NOTIFICATION and SEND together as text, so a name with ``"`` makes broken JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

import orjson

from app.leshan.simulator.device import Device, Registration
from app.leshan.simulator.models import Json

HEARTBEAT: Final = b"\r\n"
_KEPT: Final = 10_000


def registration_json(device: Device, registration: Registration) -> dict[str, Json]:
    """A registration as Leshan tells it, keys in its order."""
    facts = {
        "endpoint": device.name,
        "registrationId": registration.id,
        "registrationDate": registration.date,
        "lastUpdate": registration.last_update,
        "address": registration.address,
        "lwM2mVersion": "1.1",
        "lifetime": registration.lifetime,
        "bindingMode": "UT",
        "rootPath": "/",
        "objectLinks": device.links(),
        "secure": False,
        "additionalRegistrationAttributes": registration.attributes,
        "queuemode": device.queue_mode,
        "availableInstances": device.available_instances(),
    }
    if device.queue_mode:
        facts["sleeping"] = not device.awake
    return facts


class Listener:
    """One open event stream. What it does not take is kept up to a bound; beyond it the stream ends."""

    __slots__ = ("_buffer", "_ready", "closed", "endpoint")

    def __init__(self, endpoint: str | None) -> None:
        self.endpoint = endpoint
        self.closed = False
        self._buffer: list[bytes] = []
        self._ready = asyncio.Event()

    def push(self, frame: bytes) -> None:
        if len(self._buffer) >= _KEPT:
            self.close()
        self._buffer.append(frame)
        self._ready.set()

    def close(self) -> None:
        self.closed = True
        self._ready.set()

    async def take(self, heartbeat_seconds: float) -> bytes:
        """What came meanwhile, at once; a heartbeat when nothing comes; nothing when the stream ended."""
        try:
            async with asyncio.timeout(heartbeat_seconds):
                await self._ready.wait()
        except TimeoutError:
            return HEARTBEAT
        self._ready.clear()
        frames, self._buffer = self._buffer, []
        return b"".join(frames)


Sink = Callable[[str, bytes, float], None]
"""Told of each event: its name, its JSON as Leshan writes it, and its time in seconds since the epoch."""


class Events:
    """Tells every listener, in one order."""

    def __init__(self, *, well_formed: bool) -> None:
        self._well_formed = well_formed
        self._listeners: set[Listener] = set()
        self.sink: Sink | None = None
        """One more who is told: the webhook."""
        self.counters: Counter[str] = Counter()
        self.newest: deque[tuple[str, bytes]] = deque(maxlen=_KEPT)
        """The newest events, name and JSON, for tests in the same process."""

    def listen(self, endpoint: str | None = None) -> Listener:
        listener = Listener(endpoint)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        listener.close()
        self._listeners.discard(listener)

    def close(self) -> None:
        """End all streams."""
        for listener in list(self._listeners):
            self.leave(listener)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def tell(self, name: str, endpoint: str, data: bytes) -> None:
        """Tell everybody who listens."""
        self.counters[name] += 1
        self.newest.append((name, data))
        if self.sink is not None:
            self.sink(name, data, time.time())
        if self._listeners:
            frame = b"event: %s\r\ndata: %s\r\n\r\n" % (name.encode(), data)
            for listener in list(self._listeners):
                if listener.endpoint is None or listener.endpoint == endpoint:
                    listener.push(frame)

    # --- one method per event

    def registered(self, device: Device, registration: Registration) -> None:
        self.tell("REGISTRATION", device.name, orjson.dumps(registration_json(device, registration)))

    def updated(self, device: Device, registration: Registration, *, with_links: bool) -> None:
        update: dict[str, Json] = {"registrationId": registration.id, "address": registration.address}
        if with_links:
            update |= {"alternatePath": "/", "objectLinks": device.links()}
        update |= {"secure": False, "additionalAttributes": {}}
        data = {"registration": registration_json(device, registration), "update": update}
        self.tell("UPDATED", device.name, orjson.dumps(data))

    def deregistered(self, device: Device, registration: Registration) -> None:
        self.tell("DEREGISTRATION", device.name, orjson.dumps(registration_json(device, registration)))

    def awake(self, device: Device) -> None:
        self.tell("AWAKE", device.name, self._glued(device, {}))

    def sleeping(self, device: Device) -> None:
        self.tell("SLEEPING", device.name, self._glued(device, {}))

    def notified(self, device: Device, path: str, node: Json) -> None:
        self.tell("NOTIFICATION", device.name, self._glued(device, {"kind": "single", "res": path, "val": node}))

    def notified_composite(self, device: Device, nodes: dict[str, Json], paths: Iterable[str]) -> None:
        rest = {"kind": "composite", "val": nodes, "paths": list(paths)}
        self.tell("NOTIFICATION", device.name, self._glued(device, rest))

    def sent(self, device: Device, nodes: dict[str, Json]) -> None:
        self.tell("SEND", device.name, self._glued(device, {"val": nodes}))

    def responded(self, device: Device, target: Json, request_id: str, response: Json) -> None:
        data = {"ep": device.name, **target, "requestId": request_id, "response": response, "delayed": True}
        self.tell("REQUEST_RESPONSE", device.name, orjson.dumps(data))

    def _glued(self, device: Device, rest: dict[str, Json]) -> bytes:
        if self._well_formed:
            return orjson.dumps({"ep": device.name, **rest})
        tail = b"," + orjson.dumps(rest)[1:] if rest else b"}"
        return b'{"ep":"' + device.name.encode() + b'"' + tail
