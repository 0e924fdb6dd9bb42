"""Devices that a test controls through one interface: simulated ones, and real LwM2M clients over CoAP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from app.domain.values import JsonValue
from simulator import Behaviour, Kind, Simulator
from tests.support.leshan.devices import Device, Devices, Uplink


@dataclass(frozen=True, slots=True)
class Reached:
    """One request that reached a device: its kind as in OperationKind, its path (None for a composite)."""

    kind: str
    path: str | None
    value: str | None


class ControlledDevice(Protocol):
    """One device. It sends only on a test's command; each method returns after the server's response."""

    name: str

    async def register(self, *, new_address: bool = False) -> None:
        """Send a full registration; the device receives messages again."""

    async def wake(self) -> None:
        """Send a registration update; the device receives messages again."""

    async def deregister(self) -> None:
        """Send a deregistration."""

    async def deafen(self) -> None:
        """Receive no more messages, without the server's knowledge."""

    async def refuse(self, code: int, text: str) -> None:
        """Answer every request with a CoAP code, 405 for 4.05."""

    async def fall_silent(self) -> None:
        """Receive every request, but neither execute nor answer it."""

    async def behave(self) -> None:
        """End refusals and silence."""

    async def notify(self, path: str, value: JsonValue) -> None:
        """Change a value on the device and notify observers."""

    async def send(self, path: str) -> None:
        """Send one current value by LwM2M Send."""

    async def held(self, path: str) -> JsonValue:
        """Return the value of a resource as the device holds it, in Leshan's form, read without the network."""

    async def reached(self) -> list[Reached]:
        """Return the requests that have reached the device, oldest first."""

    async def has_request(self) -> bool:
        """Return whether a request is on its way or has arrived."""


class Refused(AssertionError):
    """The server rejected a message of a device."""


class SimulatedDevice:
    """A device of the simulator. See :class:`ControlledDevice`."""

    def __init__(self, simulator: Simulator, name: str, *, queue_mode: bool) -> None:
        self.name = name
        self._simulator = simulator
        simulator.add(name, queue_mode=queue_mode)

    async def register(self, *, new_address: bool = False) -> None:
        self._simulator.deafen(self.name, deaf=False)
        self._simulator.register(self.name)

    async def wake(self) -> None:
        self._simulator.deafen(self.name, deaf=False)
        self._simulator.wake(self.name)

    async def deregister(self) -> None:
        self._simulator.deregister(self.name)

    async def deafen(self) -> None:
        self._simulator.deafen(self.name)

    async def refuse(self, code: int, text: str) -> None:
        self._simulator.behave(self.name, Behaviour(kind=Kind.REFUSE, code=code, text=text))

    async def fall_silent(self) -> None:
        self._simulator.behave(self.name, Behaviour(kind=Kind.SILENT))

    async def behave(self) -> None:
        self._simulator.behave_well(self.name)

    async def notify(self, path: str, value: JsonValue) -> None:
        self._simulator.notify(self.name, path, value)

    async def send(self, path: str) -> None:
        self._simulator.send(self.name, [path])

    async def held(self, path: str) -> JsonValue:
        value = self._simulator.value(self.name, path)
        many = isinstance(value, dict) and all(isinstance(key, int) for key in value)
        return {str(key): one for key, one in value.items()} if many else value

    def behave_so(self, behaviour: Behaviour) -> None:
        """Treat every request in this way, including behaviors that only faulty clients or intermediaries show."""
        self._simulator.behave(self.name, behaviour)

    async def has_request(self) -> bool:
        return self._simulator.device(self.name).open_calls > 0

    async def reached(self) -> list[Reached]:
        return [
            Reached(one.kind or "", _path_of(one.target), one.body.decode())
            for one in self._simulator.received(self.name)
            if one.handed_over
        ]


def _path_of(target: str) -> str | None:
    """Return the path: ``/3/0/4`` for ``/api/clients/NAME/3/0/4?..``."""
    ids = [part for part in unquote(urlsplit(target).path).split("/")[4:] if part.isdigit()]
    return f"/{'/'.join(ids)}" if ids else None


class RealDevice:
    """A real LwM2M client, over CoAP. See :class:`ControlledDevice`."""

    def __init__(self, device: Device) -> None:
        self.name = device.name
        self.device = device

    @classmethod
    async def make(cls, devices: Devices, name: str, server: str, *, queue_mode: bool) -> RealDevice:
        made = await asyncio.to_thread(
            devices.create, name, queue_mode=queue_mode, server=server, register=False, lifetime=3600
        )
        return cls(made)

    async def register(self, *, new_address: bool = False) -> None:
        _taken(await asyncio.to_thread(self.device.register, new_port=new_address))

    async def wake(self) -> None:
        _taken(await asyncio.to_thread(self.device.wake))

    async def deregister(self) -> None:
        _taken(await asyncio.to_thread(self.device.deregister))

    async def deafen(self) -> None:
        await asyncio.to_thread(self.device.sleep)

    async def refuse(self, code: int, text: str) -> None:
        await asyncio.to_thread(self.device.refuse, f"{code // 100}.{code % 100:02}", text=text)

    async def fall_silent(self) -> None:
        await asyncio.to_thread(self.device.never_answer, carry_out=False)

    async def behave(self) -> None:
        await asyncio.to_thread(self.device.behave)

    async def notify(self, path: str, value: JsonValue) -> None:
        await asyncio.to_thread(self.device.notify, path, value)

    async def send(self, path: str) -> None:
        _taken(await asyncio.to_thread(self.device.send, [path]))

    async def held(self, path: str) -> JsonValue:
        node: dict[str, Any] | None = await asyncio.to_thread(self.device.value, path)
        node = node or {}
        return node.get("values", node.get("value"))

    async def has_request(self) -> bool:
        return bool(await self.reached())

    async def reached(self) -> list[Reached]:
        received = await asyncio.to_thread(self.device.received)
        return [Reached(one.method, one.path, one.value) for one in received]

    async def remove(self) -> None:
        await asyncio.to_thread(self.device.remove)


def _taken(uplink: Uplink) -> None:
    if not uplink.ok:
        raise Refused(f"{uplink.operation}: {uplink.code} {uplink.error or ''}")
