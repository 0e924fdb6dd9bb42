"""Leshan's events: their JSON as stock Leshan writes it, and their subscribers: event streams and a webhook.

Stock Leshan concatenates AWAKE, SLEEPING, NOTIFICATION and SEND as text, so a name with ``"`` makes broken JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import orjson

from simulator.device import Device, Registration
from simulator.models import Json
from simulator.responses import HttpResponse

HEARTBEAT: Final = b"\r\n"
_KEPT: Final = 10_000


def registration_json(device: Device, registration: Registration) -> dict[str, Json]:
    """Return a registration in Leshan's form, keys in its order."""
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
    """One open event stream. Unread events are kept up to a limit; beyond it the stream ends."""

    __slots__ = ("_buffer", "_ready", "closed", "endpoint", "envelope")

    def __init__(self, endpoint: str | None, *, envelope: bool = False) -> None:
        self.endpoint = endpoint
        self.envelope = envelope
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
        """Return the events since the last call, without waiting; a heartbeat if none comes; nothing if the stream
        ended."""
        try:
            async with asyncio.timeout(heartbeat_seconds):
                await self._ready.wait()
        except TimeoutError:
            return HEARTBEAT
        self._ready.clear()
        frames, self._buffer = self._buffer, []
        return b"".join(frames)


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event as it was published: its JSON as Leshan writes it, its time in seconds since the epoch."""

    seq: int
    name: str
    endpoint: str
    data: bytes
    time: float
    boot_id: str

    def envelope(self) -> bytes:
        """Return the event as Reveille's own Leshan server wraps it."""
        facts = {"seq": self.seq, "bootId": self.boot_id, "time": int(self.time * 1000), "event": self.name}
        return orjson.dumps({"id": f"sim-{self.seq}", **facts, "data": orjson.Fragment(self.data)})

    def frame(self, *, envelope: bool) -> bytes:
        data = self.envelope() if envelope else self.data
        return b"id: %d\r\nevent: %s\r\ndata: %s\r\n\r\n" % (self.seq, self.name.encode(), data)


Sink = Callable[[PublishedEvent], None]
"""Called with each event."""


class Events:
    """Publishes events to every listener, in one order. ``own``: in the form of Reveille's own Leshan server."""

    def __init__(self, *, own: bool) -> None:
        self._own = own
        self._listeners: set[Listener] = set()
        self._kept: deque[PublishedEvent] = deque(maxlen=_KEPT)
        self.seq = 0
        self.boot_id = str(uuid4())
        self.sink: Sink | None = None
        """One more subscriber: the webhook."""
        self.counters: Counter[str] = Counter()
        self.newest: deque[tuple[str, bytes]] = deque(maxlen=_KEPT)
        """The newest events, name and JSON, for tests in the same process."""

    def listen(self, endpoint: str | None = None, *, envelope: bool = False) -> Listener:
        listener = Listener(endpoint, envelope=self._own and envelope)
        self._listeners.add(listener)
        return listener

    def replay(self, listener: Listener, after: int) -> None:
        """Send the events after an id to one listener again."""
        for event in self._kept:
            if event.seq > after:
                self._push(listener, event)

    def restarted(self) -> None:
        """Start another run of the server: its event numbers continue where the last one's ended."""
        self.boot_id = str(uuid4())
        self.close()

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

    def publish(self, name: str, endpoint: str, data: bytes) -> None:
        """Publish an event to all listeners."""
        self.counters[name] += 1
        self.newest.append((name, data))
        self.seq += 1
        if self._own or self.sink is not None:
            event = PublishedEvent(self.seq, name, endpoint, data, time.time(), self.boot_id)
            if self.sink is not None:
                self.sink(event)
            if self._own:
                self._kept.append(event)
                for listener in list(self._listeners):
                    self._push(listener, event)
                return
        if self._listeners:
            frame = b"event: %s\r\ndata: %s\r\n\r\n" % (name.encode(), data)
            for listener in list(self._listeners):
                if listener.endpoint is None or listener.endpoint == endpoint:
                    listener.push(frame)

    @staticmethod
    def _push(listener: Listener, event: PublishedEvent) -> None:
        if listener.endpoint is None or listener.endpoint == event.endpoint:
            listener.push(event.frame(envelope=listener.envelope))

    # --- one method per event

    def registered(self, device: Device, registration: Registration) -> None:
        self.publish("REGISTRATION", device.name, orjson.dumps(registration_json(device, registration)))

    def updated(self, device: Device, registration: Registration, *, with_links: bool) -> None:
        update: dict[str, Json] = {"registrationId": registration.id, "address": registration.address}
        if with_links:
            update |= {"alternatePath": "/", "objectLinks": device.links()}
        update |= {"secure": False, "additionalAttributes": {}}
        data = {"registration": registration_json(device, registration), "update": update}
        self.publish("UPDATED", device.name, orjson.dumps(data))

    def deregistered(self, device: Device, registration: Registration) -> None:
        self.publish("DEREGISTRATION", device.name, orjson.dumps(registration_json(device, registration)))

    def awake(self, device: Device, cause: str, until: float) -> None:
        """``until``: seconds since the epoch. Stock Leshan reports neither that nor a cause."""
        rest = {"registrationId": _id(device), "until": int(until * 1000), "cause": cause} if self._own else {}
        self.publish("AWAKE", device.name, self._glued(device, rest))

    def sleeping(self, device: Device) -> None:
        rest = {"registrationId": _id(device), "cause": "TIMER"} if self._own else {}
        self.publish("SLEEPING", device.name, self._glued(device, rest))

    def gap(self, dropped: int) -> None:
        """Publish that the outbox was full and this many events were dropped."""
        self.publish("GAP", "", orjson.dumps({"dropped": dropped, "byEvent": {"UPDATED": dropped}}))

    def result(self, device: Device, path: str, request_id: str, answer: HttpResponse) -> None:
        """Publish the result of a request with an id, errors in the form of our own server."""
        key = "response" if answer.status == 200 else "error"
        body = answer.body or b"null"
        data = {"ep": device.name, "path": path, "requestId": request_id, "delayed": False, key: orjson.Fragment(body)}
        self.publish("REQUEST_RESPONSE", device.name, orjson.dumps(data))

    def notified(self, device: Device, path: str, node: Json) -> None:
        self.publish("NOTIFICATION", device.name, self._glued(device, {"kind": "single", "res": path, "val": node}))

    def notified_composite(self, device: Device, nodes: dict[str, Json], paths: Iterable[str]) -> None:
        rest = {"kind": "composite", "val": nodes, "paths": list(paths)}
        self.publish("NOTIFICATION", device.name, self._glued(device, rest))

    def sent(self, device: Device, nodes: dict[str, Json]) -> None:
        self.publish("SEND", device.name, self._glued(device, {"val": nodes}))

    def responded(self, device: Device, target: Json, request_id: str, response: Json) -> None:
        data = {"ep": device.name, **target, "requestId": request_id, "response": response, "delayed": True}
        self.publish("REQUEST_RESPONSE", device.name, orjson.dumps(data))

    def _glued(self, device: Device, rest: dict[str, Json]) -> bytes:
        if self._own:
            return orjson.dumps({"ep": device.name, **rest})
        tail = b"," + orjson.dumps(rest)[1:] if rest else b"}"
        return b'{"ep":"' + device.name.encode() + b'"' + tail


def _id(device: Device) -> str | None:
    return device.registration.id if device.registration else None
