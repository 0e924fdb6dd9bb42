"""One simulated device and its state at the server: plain data, changed by ``fleet.py`` and ``exchange.py``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.behaviours import Behaviours
from simulator.dice import Dice
from simulator.firmware_behaviours import NORMAL, FirmwareBehaviour, FirmwareRecord
from simulator.models import MODELS, Json
from simulator.nodes import Node, Path
from simulator.objects import Objects, text

ROOT_LINK: Final = {"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": '"60 110 112 11542 11543"'}}
ROOT_LINK_OF_UPDATE: Final = {"url": "/", "attributes": {"rt": '"oma.lwm2m"'}}
"""The demo client leaves its formats out when it sends new object links."""

Observation = tuple[bool, tuple[Path, ...]]
"""An observation: whether it is a composite, and the paths."""


@dataclass(slots=True)
class Request:
    """A request to Leshan for the device, parsed and validated. ``kind`` is named as Reveille's operation kinds."""

    kind: str
    paths: tuple[Path, ...] = ()
    nodes: tuple[Node, ...] = ()
    arguments: dict[int, str] | None = None
    attributes: dict[str, str | None] = field(default_factory=dict)
    replace: bool = True
    format: str | None = None
    timeout_seconds: int = 5
    composite: bool = False
    size: int = 0

    @property
    def path(self) -> Path:
        """The only path of a request that is no composite."""
        return self.paths[0]

    def texts(self) -> tuple[str, ...]:
        return tuple(text(path) for path in self.paths)


@dataclass(slots=True)
class Received:
    """One request that arrived at the server for a device.

    Attributes:
        number: counts all requests of the device from 1.
        time: seconds since the epoch.
        request_id: its header ``Reveille-Request``.
        target: path and query as they were sent.
        body: as it was sent (a node's JSON, or EXECUTE's arguments).
        kind: of the operation, None if the server could not read the request.
        handed_over: whether the device received it; carried_out: whether the device carried it out.
        status: of the response; None while there is none.
    """

    number: int
    time: float
    method: str
    target: str
    body: bytes
    request_id: str | None
    kind: str | None = None
    handed_over: bool = False
    carried_out: bool = False
    status: int | None = None

    def as_json(self) -> dict[str, Json]:
        facts: dict[str, Json] = {name: getattr(self, name) for name in self.__slots__}
        return {**facts, "body": self.body.decode("utf-8", "replace")}


@dataclass(slots=True)
class Registration:
    """A registration as Leshan stores it. Dates are milliseconds since the epoch."""

    id: str
    date: int
    last_update: int
    address: str
    lifetime: int
    attributes: dict[str, str]
    root_link: Json = field(default_factory=lambda: ROOT_LINK)
    observed: set[Observation] = field(default_factory=set)


@dataclass(slots=True)
class Delayed:
    """A request that a stock Leshan holds for the next wake."""

    request: Request
    request_id: str
    received: Received


class Device:
    """A device with its registration and presence, and its received requests. Loop times are ``loop.time()``."""

    __slots__ = (
        "_firmware",
        "awake",
        "awake_until",
        "behaviours",
        "counters",
        "deaf",
        "delayed",
        "dice",
        "firmware_behaviour",
        "max_open_calls",
        "name",
        "objects",
        "off",
        "open_calls",
        "queue_mode",
        "received",
        "registration",
        "timers",
        "waits",
    )

    def __init__(self, name: str, *, seed: int, queue_mode: bool, objects: Objects, kept: int) -> None:
        self.name = name
        self.queue_mode = queue_mode
        self.objects = objects
        self.dice = Dice(seed, name)
        self.registration: Registration | None = None
        self.awake = False
        """Whether the server takes a queue-mode client as awake. Always so without queue mode."""
        self.awake_until = 0.0
        self.deaf = False
        """Whether it receives nothing: asleep, down, or set so by a command; the server may not know."""
        self.off = False
        """Whether it is off: it receives and sends nothing until it registers again."""
        self.firmware_behaviour = NORMAL
        """The behavior that it has from the beginning."""
        self._firmware: FirmwareRecord | None = None
        self.delayed: Delayed | None = None
        self.behaviours = Behaviours()
        self.received: deque[Received] = deque(maxlen=kept)
        self.counters: Counter[str] = Counter()
        self.open_calls = 0
        self.max_open_calls = 0
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self.waits: set[asyncio.Future[Any]] = set()

    @property
    def callable(self) -> bool:
        """Return whether the server sends at once."""
        return self.awake or not self.queue_mode

    @property
    def firmware(self) -> FirmwareRecord:
        """Its behavior in firmware updates, with counts; created at the first use: there may be 100,000 devices."""
        if self._firmware is None:
            self._firmware = FirmwareRecord(self.firmware_behaviour)
        return self._firmware

    def set_firmware(self, behaviour: FirmwareBehaviour) -> None:
        """Set how it updates its firmware from now on."""
        self.firmware.behave(behaviour)
        if self.objects.value((5, 0, 9)) is not None:
            self.objects.put((5, 0, 9), behaviour.delivery.code)

    def arm(self, name: str, handle: asyncio.TimerHandle) -> None:
        """Set or replace one of its timers."""
        self.disarm(name)
        self.timers[name] = handle

    def disarm(self, name: str) -> None:
        handle = self.timers.pop(name, None)
        if handle is not None:
            handle.cancel()

    def disarm_all(self) -> None:
        for name in list(self.timers):
            self.disarm(name)

    def links(self) -> list[Json]:
        """Return the object links of the registration: root link, objects with a version, instances."""
        links: list[Json] = [self.registration.root_link if self.registration else ROOT_LINK]
        seen = set()
        for object_id, instance_id in self.objects.instances():
            version = MODELS[object_id].version
            if object_id not in seen and version != "1.0" and object_id != 1:
                links.append({"url": f"/{object_id}", "attributes": {"ver": version}})
            seen.add(object_id)
            links.append({"url": f"/{object_id}/{instance_id}", "attributes": {}})
        return links

    def available_instances(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for object_id, instance_id in self.objects.instances():
            found.setdefault(str(object_id), []).append(instance_id)
        return found

    def note(self, method: str, target: str, body: bytes, request_id: str | None) -> Received:
        """Count and list a request that arrived."""
        self.counters["arrived"] += 1
        received = Received(self.counters["arrived"], time.time(), method, target, body, request_id)
        self.received.append(received)
        return received

    def forget(self) -> None:
        """Clear received requests, counters and behaviors; registration and values stay."""
        self.received.clear()
        self.counters.clear()
        self.behaviours.clear()
        if self._firmware is not None:
            self.set_firmware(self.firmware_behaviour)
            self._firmware = None
        self.max_open_calls = self.open_calls

    def as_json(self) -> dict[str, Json]:
        """Return its state for people and tests."""
        return {
            "endpoint": self.name,
            "queueMode": self.queue_mode,
            "registered": self.registration is not None,
            "registrationId": self.registration.id if self.registration else None,
            "awake": self.registration is not None and self.callable,
            "deaf": self.deaf,
            "counters": dict(self.counters),
            "openCalls": self.open_calls,
            "maxOpenCalls": self.max_open_calls,
            "firmware": self.firmware.counts(),
        }
