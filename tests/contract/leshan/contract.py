"""The parts of a contract test: a Leshan server, the client that calls it, and the events that it publishes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from app.domain.enums import OperationKind
from app.domain.events import AttemptEnded, EndpointEvent, Event, Gap
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome
from app.leshan.client import LeshanClient
from app.leshan.event_stream import Opened, event_stream
from simulator import Simulator
from tests.contract.leshan.controlled_devices import ControlledDevice, RealDevice, SimulatedDevice
from tests.contract.leshan.differences import Difference
from tests.support import loopback
from tests.support.leshan.devices import Devices
from tests.support.waiting import BOUND, eventually

AnyEvent = TypeVar("AnyEvent", bound=EndpointEvent)

PATIENCE: Final = 10
"""Seconds within which a device must answer where an answer is expected. No test's verdict depends on the value."""

_numbers = itertools.count()


class Ear:
    """The events of one server, as :func:`event_stream` yields them, except AttemptEnded and Gap."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.opened = False
        self.broken = 0

    @contextlib.asynccontextmanager
    async def listening(self, client: httpx.AsyncClient) -> AsyncIterator[Ear]:
        """Listen for the duration of the block; from its first line on no event is missed."""
        task = asyncio.create_task(self._listen(client))
        try:
            await eventually(lambda: self.opened or task.done())
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, client: httpx.AsyncClient) -> None:
        async for item in event_stream(client, on_broken=self._count):
            if isinstance(item, Opened):
                self.opened = True
            elif not isinstance(item, AttemptEnded | Gap):
                self.events.append(item)

    def _count(self) -> None:
        self.broken += 1

    def of(self, kind: type[AnyEvent], endpoint: str) -> list[AnyEvent]:
        """Return the events of a type about one endpoint, oldest first."""
        return [event for event in self.events if isinstance(event, kind) and event.endpoint == endpoint]

    async def hears(self, kind: type[AnyEvent], endpoint: str, count: int = 1) -> AnyEvent:
        """Wait for the ``count``-th event of a type about an endpoint and return it."""
        try:
            await eventually(lambda: len(self.of(kind, endpoint)) >= count)
        except TimeoutError:
            told = [type(event).__name__ for event in self.of(EndpointEvent, endpoint)]
            raise AssertionError(f"{count} {kind.__name__} of {endpoint!r} did not come, but {told}") from None
        return self.of(kind, endpoint)[count - 1]

    def names(self, endpoint: str) -> list[str]:
        """Return the class names of an endpoint's events, oldest first."""
        return [type(event).__name__ for event in self.of(EndpointEvent, endpoint)]


@dataclass(slots=True)
class Contract:
    """One Leshan server under contract."""

    name: str
    differences: frozenset[Difference]
    root: str
    client: LeshanClient
    rest: httpx.AsyncClient
    ear: Ear
    make: Callable[[str, bool], Awaitable[ControlledDevice]]
    made: list[ControlledDevice] = field(default_factory=list)

    async def device(
        self, name: str | None = None, *, queue_mode: bool = False, register: bool = True
    ) -> ControlledDevice:
        """Create a device and register it unless ``register`` is false."""
        device = await self.make(name or f"device-{next(_numbers)}", queue_mode)
        self.made.append(device)
        if register:
            await device.register()
            if queue_mode:
                await self.counts_as_awake(device)
        return device

    async def wake(self, device: ControlledDevice) -> None:
        """Let a device in queue mode send a registration update, and wait until Leshan treats it as awake."""
        await device.wake()
        await self.counts_as_awake(device)

    async def counts_as_awake(self, device: ControlledDevice) -> None:
        """Wait until Leshan treats the device as awake: it answers a registration or an update earlier, and until then
        it delays or refuses requests."""
        async with asyncio.timeout(BOUND):
            while (await self.registration(device))["sleeping"]:  # noqa: ASYNC110 - a condition of another process
                await asyncio.sleep(0.005)

    async def sleeper(self) -> ControlledDevice:
        """Return a device in queue mode that sleeps; the server knows, because the device did not answer."""
        device = await self.device(queue_mode=True)
        await self.send_to_sleep(device)
        return device

    async def send_to_sleep(self, device: ControlledDevice) -> None:
        """Let a request to a deaf device time out: every Leshan server then treats a client in queue mode as asleep."""
        await device.deafen()
        answer = await self.rest.get(f"{_client(device.name)}/3/0/0", params={"timeout": 0})
        assert answer.status_code == 504, answer.text

    async def call(self, device: ControlledDevice | str, kind: str, path: str | None = None, **more: Any) -> Outcome:
        """Call the device once through the client; ``more`` are fields of OperationRequest."""
        name = device if isinstance(device, str) else device.name
        paths = more.pop("paths", (path,) if path else ())
        request = OperationRequest(name, OperationKind(kind), path, paths, timeout_seconds=PATIENCE)
        request = replace(request, **more)
        return await self.client.call(request, time.monotonic() + request.timeout_seconds + 5)

    async def request_is_out(self, device: ControlledDevice) -> None:
        """Wait until a request to a device that will not answer is on its way."""
        async with asyncio.timeout(BOUND):
            while not await device.has_request():  # noqa: ASYNC110 - a condition of another process
                await asyncio.sleep(0.01)

    async def read_back(self, device: ControlledDevice, path: str) -> Any:
        """Return the node at a path, newly read from the device through Leshan's own REST API."""
        answer = await self.rest.get(f"{_client(device.name)}{path}", params={"timeout": PATIENCE})
        content: dict[str, Any] = answer.raise_for_status().json()
        assert content["success"], content
        return content["content"]

    async def registration(self, device: ControlledDevice) -> dict[str, Any]:
        """Return the device's registration from Leshan's own REST API."""
        answer = await self.rest.get(_client(device.name))
        content: dict[str, Any] = answer.raise_for_status().json()
        return content

    async def clear(self) -> None:
        """Remove the devices of one test."""
        for device in self.made:
            if isinstance(device, RealDevice):
                await device.remove()
        self.made.clear()


def _client(name: str) -> str:
    return f"/clients/{quote(name, safe='')}"


@contextlib.asynccontextmanager
async def contracted(
    name: str,
    differences: frozenset[Difference],
    root: str,
    make: Callable[[str, bool], Awaitable[ControlledDevice]],
) -> AsyncIterator[Contract]:
    """Open a client and the event stream of a running server; ``root`` is the address of its REST API, with
    ``/api``."""
    client = LeshanClient(root)
    try:
        async with (
            loopback.AsyncClient(base_url=root, timeout=60) as rest,
            Ear().listening(client.cold) as ear,
        ):
            yield Contract(name, differences, root, client, rest, ear, make)
    finally:
        await client.aclose()


def simulated(simulator: Simulator) -> Callable[[str, bool], Awaitable[ControlledDevice]]:
    """Return a factory of the simulator's devices."""

    async def make(name: str, queue_mode: bool) -> ControlledDevice:
        return SimulatedDevice(simulator, name, queue_mode=queue_mode)

    return make


def real(devices: Devices, coap_uri: str) -> Callable[[str, bool], Awaitable[ControlledDevice]]:
    """Return a factory of real LwM2M clients of the server at this address."""

    async def make(name: str, queue_mode: bool) -> ControlledDevice:
        return await RealDevice.make(devices, name, coap_uri, queue_mode=queue_mode)

    return make
